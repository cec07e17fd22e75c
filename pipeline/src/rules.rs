//! The operators' rules: how surfaces are ranked, what counts as enough history, and which window a board covers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang::rank::{SurfaceWeights, Weights};

use crate::verdict;

/// The rules that hold where a file says nothing else; also what `docs/rules.md` shows.
pub const DEFAULT: &str = include_str!("../data/rules.toml");

/// All rules. A file may leave out whatever it does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The weights of the surfaces' signals.
    pub ranking: Ranking,
    /// When a verdict can be given.
    pub verdict: verdict::Policy,
    /// What the new-product tab shows.
    pub new_tab: NewTab,
    /// What a board covers.
    pub window: Window,
    /// How tastes are learned.
    pub taste: TasteRules,
}

/// The weights by surface, each from -1,000,000 to 1,000,000; `docs/ranking.md` says what each signal is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ranking {
    /// Of the new-product tab.
    pub new: SurfaceWeights,
    /// Of the live order.
    pub live: SurfaceWeights,
    /// Of the top tabs.
    pub tabs: SurfaceWeights,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            new: SurfaceWeights { taste: 800, channel: 12, hour: 12, soon: 24, on_air: 4, popularity: 10, position: 0 },
            live: SurfaceWeights { taste: 800, channel: 24, hour: 0, soon: 0, on_air: 0, popularity: 30, position: 0 },
            tabs: SurfaceWeights { taste: 100, channel: 0, hour: 0, soon: 0, on_air: 0, popularity: 0, position: 100 },
        }
    }
}

/// What the new-product tab shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewTab {
    /// Beside new products also those of which the history can't tell, marked by the verdict that they are shown with.
    pub show_unknown: bool,
}

/// What a board covers, around the time of the build.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// Hours of past slots, so that previews can look back.
    pub back_hours: u32,
    /// Days of slots to come.
    pub ahead_days: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { back_hours: 24, ahead_days: 8 }
    }
}

/// How tastes are learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TasteRules {
    /// Days after which an event weighs half.
    pub half_life_days: f64,
    /// Users with more events than this are set aside as bots.
    pub max_events_per_user: u64,
    /// Most bytes of users in one shard; shards are halved until they fit on average.
    pub shard_bytes: u32,
}

impl Default for TasteRules {
    fn default() -> Self {
        Self { half_life_days: 30.0, max_events_per_user: 10_000, shard_bytes: 32 * 1024 }
    }
}

/// A rules file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or says something that is no rule. The message has line and column.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// A number is out of its range.
    #[error("{}: {field} is {value}, expected {expected}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl Rules {
    /// The rules of the file `named`, or of `rules.toml` in `folder`, or else the built-in ones.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the place in it.
    pub fn find(named: Option<&Path>, folder: &Path) -> Result<Self, Error> {
        let beside = folder.join("rules.toml");
        match named {
            Some(path) => Self::read(path),
            None if beside.exists() => Self::read(&beside),
            None => Ok(Self::default()),
        }
    }

    /// Reads the rules of `path`.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the place in it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the text of the file `path`.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the place in it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let rules: Self =
            toml::from_str(text).map_err(|source| Error::Parse { path: path.to_owned(), source: Box::new(source) })?;
        let fits = |fits: bool, field: &str, value: String, expected: &'static str| {
            if fits {
                Ok(())
            } else {
                Err(Error::Range { path: path.to_owned(), field: field.to_owned(), value, expected })
            }
        };
        for (surface, row) in [("new", rules.ranking.new), ("live", rules.ranking.live), ("tabs", rules.ranking.tabs)] {
            for (name, weight) in named(row) {
                let field = format!("ranking.{surface}.{name}");
                fits(
                    weight.unsigned_abs() <= 1_000_000,
                    &field,
                    weight.to_string(),
                    "a number from -1000000 to 1000000",
                )?;
            }
        }
        let Window { back_hours, ahead_days } = rules.window;
        fits(back_hours <= 168, "window.back_hours", back_hours.to_string(), "at most 168")?;
        fits((1..=31).contains(&ahead_days), "window.ahead_days", ahead_days.to_string(), "from 1 to 31")?;
        let TasteRules { half_life_days, shard_bytes, .. } = rules.taste;
        let expected = "a number of days from 0.1 to 36500";
        fits((0.1..=36_500.0).contains(&half_life_days), "taste.half_life_days", half_life_days.to_string(), expected)?;
        let expected = "from 1024 to 1048576";
        fits((1024..=1_048_576).contains(&shard_bytes), "taste.shard_bytes", shard_bytes.to_string(), expected)?;
        Ok(rules)
    }

    /// The weights as the edge takes them.
    pub fn weights(&self) -> Weights {
        let Ranking { new, live, tabs } = self.ranking;
        Weights { new, live, tabs }
    }
}

fn named(row: SurfaceWeights) -> [(&'static str, i32); 7] {
    let SurfaceWeights { taste, channel, hour, soon, on_air, popularity, position } = row;
    [
        ("taste", taste),
        ("channel", channel),
        ("hour", hour),
        ("soon", soon),
        ("on_air", on_air),
        ("popularity", popularity),
        ("position", position),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_shown_says_what_holds_without_one() {
        assert_eq!(Rules::parse(DEFAULT, Path::new("rules.toml")).unwrap(), Rules::default());
        assert_eq!(Rules::parse("", Path::new("rules.toml")).unwrap(), Rules::default());
    }

    #[test]
    fn errors_name_the_file_and_the_place() {
        let cases = [
            ("[ranking.new]\ntaste = 'much'", "line 2, column 9"),
            ("[rankings]\n", "line 1, column 2"),
            ("[ranking.new]\ntaste = 2000000", "ranking.new.taste is 2000000"),
            ("[window]\nahead_days = 0", "window.ahead_days is 0"),
            ("[taste]\nhalf_life_days = nan", "taste.half_life_days is NaN"),
        ];
        for (text, expected) in cases {
            let error = Rules::parse(text, Path::new("my/rules.toml")).unwrap_err().to_string();
            assert!(error.contains("my/rules.toml") && error.contains(expected), "{text}: {error}");
        }
    }
}
