//! The operators' rules: how surfaces are ranked, what counts as enough history, and which window a board covers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang_core::mix::{MOST_WINDOW, Mix};
use sinsang_core::pack::Format;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::experiment::ExperimentPart;
use sinsang_core::pack::mix::MixParts;
use sinsang_core::rank::{PULSE_WEIGHTS, Weights};
use sinsang_core::signal::SurfaceWeights;
use sinsang_identity::place::Places;
use sinsang_identity::verdict::{self, Thresholds};
use sinsang_publish::Limits;
use sinsang_run::file::{SETTINGS_BYTES, read_text};
use toml::Spanned;

mod directive;
mod experiment;

use directive::Mistake;
pub use directive::{Directive, Do, FloorRule, On, Outcome};
pub use experiment::{Experiment, ExperimentRules};

/// The longest list of a user: as many products as a note can tell apart.
pub const MOST_LISTED: usize = 31;
/// The rules that hold where a file says nothing else; also what `docs/rules.md` shows.
pub const DEFAULT: &str = include_str!("../../data/rules.toml");

/// The largest weight.
const MOST_WEIGHT: i64 = 1_000_000;

/// All rules. A file may leave out whatever it does not change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// How lists are mixed beyond scores.
    pub mix: MixRules,
    /// What the AI lab hands in.
    pub lab: LabRules,
    /// How far a snapshot may differ from what is live.
    pub publish: Limits,
    /// What contracts ask for.
    pub floor: Vec<FloorRule>,
    /// What operators ask for, for a while.
    pub directive: Vec<Spanned<Directive>>,
    /// What holds for all experiments.
    pub experiments: ExperimentRules,
    /// What is tried on shares of viewers.
    pub experiment: Vec<Spanned<Experiment>>,
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
        let [new, live, tabs] = PULSE_WEIGHTS;
        let none = SurfaceWeights::default();
        Self {
            new: SurfaceWeights {
                taste: 800,
                channel: 12,
                hour: 12,
                soon: 24,
                on_air: 4,
                popularity: 10,
                pulse: new,
                ..none
            },
            live: SurfaceWeights { taste: 800, channel: 24, popularity: 30, pulse: live, ..none },
            tabs: SurfaceWeights { taste: 100, position: 100, pulse: tabs, ..none },
        }
    }
}

/// How lists are mixed beyond scores; `docs/ranking.md` says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixRules {
    /// Places in a row that caps and floors hold for.
    pub window: u8,
    /// Most of a category among them; 0 for any number.
    pub category: u8,
    /// Most of a brand.
    pub brand: u8,
    /// Most of a channel.
    pub channel: u8,
    /// The weight of likeness to the places before.
    pub similarity: i32,
    /// One place of so many is for what few have seen; 0 for none.
    pub explore_every: u8,
    /// Shown to fewer than this is what few have seen.
    pub explore_below: u8,
    /// The weight of the short memory.
    pub memory: i32,
    /// Points for a second on air, on the live order.
    pub stay: i32,
    /// Points by which a tab has to be better to pass.
    pub tab_margin: i32,
    /// The weight of what goes with what a viewer did, on the live order; at most 254.
    pub near: u8,
}

impl Default for MixRules {
    fn default() -> Self {
        Self {
            window: 10,
            category: 8,
            brand: 5,
            channel: 8,
            similarity: 1,
            explore_every: 20,
            explore_below: 100,
            memory: 16,
            stay: 1,
            tab_margin: 2_000,
            near: 120,
        }
    }
}

impl MixRules {
    /// The mix as the edge takes it.
    pub fn mix(self) -> Mix {
        let Self { window, category, brand, channel, similarity, .. } = self;
        let Self { explore_every, explore_below, memory, stay, tab_margin, near, .. } = self;
        Mix {
            window,
            category,
            brand,
            channel,
            similarity,
            explore_every,
            explore_below,
            memory,
            stay,
            tab_margin,
            near: near.saturating_add(1),
            second: 0,
        }
    }
}

/// What the AI lab hands in; files are named as seen from the folder of the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabRules {
    /// Vectors of users: `user_id`, `vector`.
    pub users: Option<PathBuf>,
    /// Vectors of products: `product_id`, `vector`.
    pub products: Option<PathBuf>,
    /// Ready lists for the new-product tab: `user_id`, `products`.
    pub lists: Option<PathBuf>,
    /// Surfaces that vectors are for; on the others ours stay.
    pub on: Vec<On>,
    /// Most products of a list that are kept, 3 bytes a user each, 1 to 31.
    pub listed: usize,
}

impl Default for LabRules {
    fn default() -> Self {
        Self { users: None, products: None, lists: None, on: vec![On::New, On::Live], listed: 9 }
    }
}

/// What the new-product tab shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewTab {
    /// Beside new products also those of which the history can't tell, marked by the verdict that they are shown with.
    pub show_unknown: bool,
    /// A product is new where it is less likely than this, from 0 to 1, to have aired as a listing that it is like.
    pub new_below: f64,
    /// From this probability on it is a repeat; between the two it is unknown.
    pub repeat_from: f64,
}

impl Default for NewTab {
    fn default() -> Self {
        let Thresholds { new_below, repeat_from } = Thresholds::default();
        Self { show_unknown: false, new_below, repeat_from }
    }
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
    /// Whether viewers without tastes are shown things by the part of the week, province and class of device.
    pub by_context: bool,
    /// Users who did more than this, impressions aside, are set aside as bots.
    pub max_events_per_user: u64,
    /// Days for which a model that is kept is used, before one is trained again; 0 for none.
    pub train_every_days: u32,
    /// Most bytes of users in one shard; shards are halved until they fit on average.
    pub shard_bytes: u32,
}

impl Default for TasteRules {
    fn default() -> Self {
        Self {
            half_life_days: 30.0,
            by_context: true,
            max_events_per_user: 10_000,
            train_every_days: 7,
            shard_bytes: 32 * 1024,
        }
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
    /// Directives, floors or experiments are wrong.
    #[error("{}", mistakes.join("\n"))]
    Mistakes {
        /// Each with its file, line and column.
        mistakes: Vec<String>,
    },
    /// The format of the packs can't say what the rules say.
    #[error(
        "pack format 1 can't hold {}: write format 2 (--pack-format 2), once all edges read it (docs/operations.md, Migrations)",
        rules.join(", ")
    )]
    Format {
        /// The rules, each with its value and the one that the format has.
        rules: Vec<String>,
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
    /// When a verdict can be given, and how sure it must be.
    pub fn judging(&self) -> verdict::Policy {
        let NewTab { new_below, repeat_from, .. } = self.new_tab;
        verdict::Policy { thresholds: Thresholds { new_below, repeat_from }, ..self.verdict }
    }

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
        let text = read_text(path, SETTINGS_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })?;
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
            for (name, weight) in row.named() {
                let field = format!("ranking.{surface}.{name}");
                fits(
                    i64::from(weight).abs() <= MOST_WEIGHT,
                    &field,
                    weight.to_string(),
                    "a number from -1000000 to 1000000",
                )?;
            }
        }
        let NewTab { new_below, repeat_from, .. } = rules.new_tab;
        let expected = "a probability from 0 to 1";
        fits((0.0..=1.0).contains(&new_below), "new_tab.new_below", new_below.to_string(), expected)?;
        let expected = "a probability from new_below to 1";
        fits((new_below..=1.0).contains(&repeat_from), "new_tab.repeat_from", repeat_from.to_string(), expected)?;
        let Window { back_hours, ahead_days } = rules.window;
        fits(back_hours <= 168, "window.back_hours", back_hours.to_string(), "at most 168")?;
        fits((1..=31).contains(&ahead_days), "window.ahead_days", ahead_days.to_string(), "from 1 to 31")?;
        let TasteRules { half_life_days, shard_bytes, .. } = rules.taste;
        let expected = "a number of days from 0.1 to 36500";
        fits((0.1..=36_500.0).contains(&half_life_days), "taste.half_life_days", half_life_days.to_string(), expected)?;
        let expected = "from 1024 to 1048576";
        fits((1024..=1_048_576).contains(&shard_bytes), "taste.shard_bytes", shard_bytes.to_string(), expected)?;
        let MixRules { window, similarity, memory, stay, tab_margin, near, .. } = rules.mix;
        fits(usize::from(window) <= MOST_WINDOW, "mix.window", window.to_string(), "at most 32")?;
        fits(near < u8::MAX, "mix.near", near.to_string(), "at most 254")?;
        let weights = [("similarity", similarity), ("memory", memory), ("stay", stay), ("tab_margin", tab_margin)];
        for (name, weight) in weights {
            let field = format!("mix.{name}");
            fits((0..=1_000_000).contains(&weight), &field, weight.to_string(), "a number from 0 to 1000000")?;
        }
        let listed = rules.lab.listed;
        fits((1..=MOST_LISTED).contains(&listed), "lab.listed", listed.to_string(), "from 1 to 31")?;
        let is_half = rules.lab.users.is_some() != rules.lab.products.is_some();
        fits(!is_half, "lab", "users or products alone".to_owned(), "both files, of one training")?;
        let (least, most) = rules.publish.shares();
        for (name, share) in least {
            let expected = "a share from 0 to 1";
            fits((0.0..=1.0).contains(&share), &format!("publish.{name}"), share.to_string(), expected)?;
        }
        for (name, share) in most {
            let expected = "a number from 1 to 1000000";
            fits((1.0..=1e6).contains(&share), &format!("publish.{name}"), share.to_string(), expected)?;
        }
        let ahead = rules.publish.least_ahead_hours;
        fits(ahead <= 744, "publish.least_ahead_hours", ahead.to_string(), "at most 744")?;
        let holdout = rules.experiments.holdout;
        let expected = "a share from 0 to below 1";
        fits((0.0..1.0).contains(&holdout), "experiments.holdout", holdout.to_string(), expected)?;
        let mut mistakes = directive::mistakes(&rules.directive, &rules.floor, window);
        mistakes.extend(experiment::mistakes(&rules.experiment, &rules.floor, &rules.lab));
        if mistakes.is_empty() {
            return Ok(rules);
        }
        Err(Error::Mistakes { mistakes: placed(mistakes, text, path) })
    }

    /// Checks that packs of `format` can say what the rules say.
    ///
    /// # Errors
    /// [`Error::Format`] with all that they can't.
    pub fn fit(&self, format: Format) -> Result<(), Error> {
        let Ranking { new, live, tabs } = self.ranking;
        let own = ["new", "live", "tabs"]
            .iter()
            .zip([new, live, tabs])
            .map(|(surface, row)| (format!("ranking.{surface}.pulse"), i64::from(row.pulse), String::new()));
        let tried = self.experiment.iter().flat_map(|experiment| experiment.get_ref().changed_values());
        let held = |name: &str| {
            let surfaces = ["ranking.new.pulse", "ranking.live.pulse", "ranking.tabs.pulse"];
            surfaces.iter().zip(PULSE_WEIGHTS).find(|(surface, _)| **surface == name).map(|(_, held)| i64::from(held))
        };
        let other = own.chain(tried).filter_map(|(name, value, of)| {
            let held = held(&name).filter(|held| *held != value)?;
            Some(format!("{name} = {value}{of}, which is {held} there"))
        });
        let rules: Vec<String> = other.collect();
        if format > Format::One || rules.is_empty() { Ok(()) } else { Err(Error::Format { rules }) }
    }

    /// What directives of the file at `path`, of this `text`, contradict each other in: lines with file, line and column.
    pub fn conflicts(&self, text: &str, path: &Path) -> Vec<String> {
        placed(directive::conflicts(&self.directive), text, path)
    }

    /// What `board` is to be mixed by, but for how often its products were shown; and what each directive came to.
    pub fn mix_parts(&self, board: &BoardParts) -> (MixParts, Vec<Outcome>) {
        let (directives, floors) = directive::resolve(&self.directive, &self.floor, board);
        let outcomes = directives
            .iter()
            .map(|directive| Outcome { name: directive.name.clone(), products: directive.products.len() })
            .collect();
        (MixParts { mix: self.mix.mix(), floors, directives, ..MixParts::default() }, outcomes)
    }

    /// The experiments for a board that is mixed by `mix`.
    pub fn experiment_parts(&self, mix: Mix) -> Vec<ExperimentPart> {
        experiment::parts(&self.experiment, self.experiments, &self.weights(), self.mix, mix.second, mix.near == 0)
    }

    /// The weights as the edge takes them.
    pub fn weights(&self) -> Weights {
        let Ranking { new, live, tabs } = self.ranking;
        Weights { new, live, tabs }
    }
}

/// Mistakes with the place in the file, as compilers write it.
fn placed(mistakes: Vec<Mistake>, text: &str, path: &Path) -> Vec<String> {
    let places = Places::new(text);
    let line = |mistake: Mistake| {
        let (line, column) = places.of(mistake.at);
        format!("{}:{line}:{column}: {}", path.display(), mistake.what)
    };
    mistakes.into_iter().map(line).collect()
}

/// What `sinsang rules check` found in a file that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Directives of the file.
    pub directives: usize,
    /// Floors of the file.
    pub floors: usize,
    /// Experiments of the file.
    pub experiments: usize,
    /// The oldest format of packs that can say all of it.
    pub pack_format: u16,
    /// Directives that contradict each other, with their place.
    pub conflicts: Vec<String>,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for conflict in &self.conflicts {
            writeln!(f, "{conflict}")?;
        }
        let Self { directives, floors, experiments, pack_format, conflicts } = self;
        let count = conflicts.len();
        write!(
            f,
            "{directives} directives, {floors} floors, {experiments} experiments, {count} conflicts; for pack format {pack_format}"
        )?;
        if *pack_format > 1 { f.write_str(" and up") } else { Ok(()) }
    }
}

/// Checks the rules file at `path`.
///
/// # Errors
/// An [`Error`] that names the file and the place in it.
pub fn check(path: &Path) -> Result<Check, Error> {
    let text = read_text(path, SETTINGS_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let rules = Rules::parse(&text, path)?;
    let conflicts = rules.conflicts(&text, path);
    let (directives, floors, experiments) = (rules.directive.len(), rules.floor.len(), rules.experiment.len());
    let pack_format = if rules.fit(Format::One).is_ok() { Format::One } else { Format::Two }.version();
    Ok(Check { directives, floors, experiments, pack_format, conflicts })
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
            ("[mix]\nwindow = 40", "mix.window is 40"),
            ("[publish]\nleast_users = 1.5", "publish.least_users is 1.5"),
            ("[publish]\nmost_new = 0.5", "publish.most_new is 0.5"),
            ("[publish]\nleast_ahead_hours = 745", "publish.least_ahead_hours is 745"),
            ("[publish]\nleast_shops = 0.5", "line 2, column 1"),
        ];
        for (text, expected) in cases {
            let error = Rules::parse(text, Path::new("my/rules.toml")).unwrap_err().to_string();
            assert!(error.contains("my/rules.toml") && error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn what_the_first_format_can_not_hold_is_told_by_name() {
        let told = |text: &str| {
            let rules = Rules::parse(text, Path::new("rules.toml")).unwrap();
            rules.fit(Format::Two).unwrap();
            rules.fit(Format::One).err().map(|error| error.to_string())
        };
        assert_eq!(told(DEFAULT), None);
        assert_eq!(told("[ranking.new]\npulse = 300\ntaste = 5\n[ranking.tabs]\npulse = 0"), None);
        let variants = "[[experiment]]\nid = 'e'\nlayer = 'l'\n[[experiment.variant]]\nid = 'a'\nranking.new.pulse = 300\n\
            [[experiment.variant]]\nid = 'b'\nranking.live.pulse = 40\n[ranking.new]\npulse = 0";
        assert_eq!(
            told(variants).unwrap(),
            "pack format 1 can't hold ranking.new.pulse = 0, which is 300 there, ranking.live.pulse = 40 of variant 'b' of \
             experiment 'e', which is 300 there: write format 2 (--pack-format 2), once all edges read it \
             (docs/operations.md, Migrations)"
        );
    }

    const DIRECTIVES: &str = r#"
[[directive]]
name = "추석 선물전"
do = "pin"
place = 1
category = ["식품"]
title = ["한우 선물세트"]
from = "2026-09-20T00:00:00+09:00"
until = "2026-09-27T00:00:00+09:00"

[[directive]]
name = "리콜"
do = "hide"
product = ["0123456789abcdef"]

[[directive]]
name = "반값"
do = "boost"
points = 5000
product = ["0123456789ABCDEF"]
share = 0.5
on = ["new", "live"]

[[directive]]
name = "둘째"
do = "pin"
place = 1
channel = ["NS홈쇼핑"]
from = "2026-09-26T00:00:00+09:00"

[[floor]]
shop = "NS홈쇼핑"
least = 2
"#;

    #[test]
    fn directives_that_contradict_each_other_are_told_with_their_place() {
        let rules = Rules::parse(DIRECTIVES, Path::new("rules.toml")).unwrap();
        let conflicts = rules.conflicts(DIRECTIVES, Path::new("rules.toml"));
        assert_eq!(conflicts.len(), 2, "{conflicts:?}");
        assert!(
            conflicts[0].starts_with("rules.toml:24:1: '추석 선물전' and '둘째' pin the same place"),
            "{conflicts:?}"
        );
        assert!(conflicts[1].contains("'리콜' and '반값' hide and show the same"), "{conflicts:?}");
    }

    #[test]
    fn every_mistake_of_directives_is_told_with_line_and_column() {
        let wrong = r#"
[[directive]]
name = "a"
do = "pin"
place = 0
product = ["0123456789abcdef", "x"]
until = "tomorrow"

[[directive]]
name = "b"
do = "hide"
on = ["live"]
points = 3
share = 1.5

[[floor]]
shop = "GS"
least = 11
"#;
        let error = Rules::parse(wrong, Path::new("my/rules.toml")).unwrap_err().to_string();
        let expected = [
            "my/rules.toml:5:9: a place is from 1 to 100",
            "my/rules.toml:6:32: product 'x' is no id",
            "my/rules.toml:7:9: a time is RFC 3339",
            "hides on live",
            "directive 'b' is about nothing",
            "my/rules.toml:13:10: points are for boost and bury",
            "my/rules.toml:14:9: a share is above 0",
            "my/rules.toml:18:9: floors are at least 1",
        ];
        for line in expected {
            assert!(error.contains(line), "{line}:\n{error}");
        }
        assert_eq!(error.lines().count(), expected.len());
        let error = Rules::parse("[[directive]]\nname = 'a'\ndo = 'push'", Path::new("r.toml")).unwrap_err();
        assert!(error.to_string().contains("line 3, column 6"), "{error}");
    }
}
