//! The operators' rules: ranking of surfaces, thresholds of verdicts, and the time window of a
//! board.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang_core::audience::AudienceSet;
use sinsang_core::mix::{MOST_WINDOW, Mix};
use sinsang_core::pack::Format;
use sinsang_core::pack::audience::AudiencePart;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::experiment::ExperimentPart;
use sinsang_core::pack::mix::MixParts;
use sinsang_core::rank::{Weights, default_weights};
use sinsang_core::signal::since;
use sinsang_core::surface_name::Surface;
use sinsang_identity::place::Places;
use sinsang_identity::verdict::{self, Thresholds};
use sinsang_publish::Limits;
use sinsang_run::file::{SETTINGS_BYTES, read_text};
use toml::Spanned;

mod audience;
mod channel;
mod directive;
mod experiment;
mod measure;
mod mistake;
mod section;

pub use audience::{Audience, Found, Lists};
pub use channel::{ChannelRule, Unnamed};
pub use directive::{Directive, Do, FloorRule, On, Outcome};
pub use experiment::{Experiment, ExperimentRules};
pub use measure::{Measured, WITH, WITHOUT};
use mistake::Mistake;
pub use section::{LabRules, MixRules, NewTab, OverlayRules, Ranking, TasteRules, Window};

/// The longest list of a user: the number of products that notes can rank.
pub const MOST_LISTED: usize = 31;
/// The built-in rules, which `docs/rules.md` shows.
pub const DEFAULT: &str = include_str!("../../data/rules.toml");

/// The largest absolute value of a weight.
const MOST_WEIGHT: i64 = 1_000_000;

/// All rules. A file may omit any that it does not change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The weights of each surface's signals.
    pub ranking: Ranking,
    /// When the history suffices for a verdict.
    pub verdict: verdict::Policy,
    /// The contents of the new-product tab.
    pub new_tab: NewTab,
    /// The time window of a board.
    pub window: Window,
    /// How tastes are learned.
    pub taste: TasteRules,
    /// How lists are mixed beyond scores.
    pub mix: MixRules,
    /// What operators' overlay does on a board.
    pub overlay: OverlayRules,
    /// The AI lab's files.
    pub lab: LabRules,
    /// How far a snapshot may differ from the live one.
    pub publish: Limits,
    /// Ids of channels.
    pub channel: Vec<ChannelRule>,
    /// Places that contracts guarantee.
    pub floor: Vec<FloorRule>,
    /// Groups of viewers that directives and experiments name.
    pub audience: Vec<Spanned<Audience>>,
    /// Temporary requests of operators.
    pub directive: Vec<Spanned<Directive>>,
    /// Rules of all experiments.
    pub experiments: ExperimentRules,
    /// Changes tried on shares of viewers.
    pub experiment: Vec<Spanned<Experiment>>,
}

/// Why a rules file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is invalid TOML, or has an unknown or mistyped rule. The message has line and
    /// column.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: Box<toml::de::Error>,
    },
    /// Directives, floors or experiments are invalid.
    #[error("{}", mistakes.join("\n"))]
    Mistakes {
        /// Each with its file, line and column.
        mistakes: Vec<String>,
    },
    /// A list of viewers is unusable.
    #[error("{}: {what}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The packs' format can't hold a rule's value.
    #[error(
        "pack format 1 can't hold {}: write format 2 (--pack-format 2), once all edges read it (docs/operations.md, Migrations)",
        rules.join(", ")
    )]
    Format {
        /// The rules, each with its value and the one that the format implies.
        rules: Vec<String>,
    },
    /// A number is out of its range.
    #[error("{}: {field} is {value}, expected {expected}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The field's name.
        field: String,
        /// The field's value.
        value: String,
        /// The valid range.
        expected: &'static str,
    },
}

impl Rules {
    /// The policy of verdicts, with the thresholds of the new-product tab.
    pub fn judging(&self) -> verdict::Policy {
        let NewTab { new_below, repeat_from, .. } = self.new_tab;
        verdict::Policy { thresholds: Thresholds { new_below, repeat_from }, ..self.verdict }
    }

    /// The rules of the file `named`, or else of `rules.toml` in `folder`, or else the built-in
    /// ones.
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
        for (surface, row) in rules.ranking.0.each() {
            for (name, weight) in row.named() {
                let field = format!("ranking.{}.{name}", surface.as_str());
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
        let TasteRules { half_life_days, shard_bytes, memory_mb, .. } = rules.taste;
        let expected = "a number of days from 0.1 to 36500";
        fits((0.1..=36_500.0).contains(&half_life_days), "taste.half_life_days", half_life_days.to_string(), expected)?;
        let expected = "from 1024 to 1048576";
        fits((1024..=1_048_576).contains(&shard_bytes), "taste.shard_bytes", shard_bytes.to_string(), expected)?;
        let expected = "from 16 to 1048576";
        fits((16..=1_048_576).contains(&memory_mb), "taste.memory_mb", memory_mb.to_string(), expected)?;
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
        let ids: Vec<&str> = rules.experiment.iter().map(|experiment| experiment.get_ref().id()).collect();
        mistakes.extend(measure::mistakes(&rules.directive, &rules.floor, &ids));
        mistakes.extend(rules.audience_mistakes());
        mistakes.extend(channel::mistakes(&rules.channel));
        if mistakes.is_empty() {
            return Ok(rules);
        }
        Err(Error::Mistakes { mistakes: placed(mistakes, text, path) })
    }

    /// Checks that packs of `format` can hold the rules.
    ///
    /// # Errors
    /// [`Error::Format`] with all rules that the format can't hold.
    pub fn fit(&self, format: Format) -> Result<(), Error> {
        let is_held = |surface: Surface, signal: &str| surface.since().max(since(signal)) <= format.version();
        let name = |surface: Surface, signal: &str| format!("ranking.{}.{signal}", surface.as_str());
        let mut held = BTreeMap::new();
        let mut given = Vec::new();
        for (surface, row) in self.ranking.0.each() {
            for ((signal, weight), (_, default)) in row.named().into_iter().zip(default_weights(surface).named()) {
                if !is_held(surface, signal) {
                    held.insert(name(surface, signal), i64::from(default));
                    given.push((name(surface, signal), i64::from(weight), String::new()));
                }
            }
        }
        let tried = self.experiment.iter().flat_map(|experiment| experiment.get_ref().changed_values());
        let other = given.into_iter().chain(tried).filter_map(|(name, value, of)| {
            let held = held.get(&name).filter(|held| **held != value)?;
            Some(format!("{name} = {value}{of} (fixed at {held})"))
        });
        let rules: Vec<String> = other.collect();
        if rules.is_empty() { Ok(()) } else { Err(Error::Format { rules }) }
    }

    /// Contradictions among the directives of the file at `path` with this `text`, each with file,
    /// line and column.
    pub fn conflicts(&self, text: &str, path: &Path) -> Vec<String> {
        placed(directive::conflicts(&self.directive, &self.audience), text, path)
    }

    /// The mix of `board`, without impression counts; and the number of products of each directive.
    pub fn mix_parts(&self, board: &BoardParts) -> (MixParts, Vec<Outcome>) {
        let (directives, floors) = directive::resolve(&self.directive, &self.floor, board);
        let sold_out_stays = self.overlay.sold_out_stays();
        let outcomes = directives
            .iter()
            .map(|directive| Outcome { name: directive.name.clone(), products: directive.products.len() })
            .collect();
        (MixParts { mix: self.mix.mix(), floors, directives, sold_out_stays, ..MixParts::default() }, outcomes)
    }

    /// The experiments of a board with this `mix`, and those that measure rules.
    pub fn experiment_parts(&self, mix: Mix) -> Vec<ExperimentPart> {
        let weights = self.weights();
        let (second, has_lists) = (mix.second, mix.near == 0);
        let mut parts = experiment::parts(&self.experiment, self.experiments, &weights, self.mix, second, has_lists);
        parts.extend(measure::parts(&self.measured(), &weights, mix));
        parts
    }

    /// The audiences on a board with these `categories`, and what was made of each.
    ///
    /// # Errors
    /// An [`Error`] that names a list that can't be used.
    pub fn audience_parts(
        &self,
        categories: &[String],
        lists: Lists<'_>,
    ) -> Result<(Vec<AudiencePart>, Vec<Found>), Error> {
        audience::resolve(&self.audience, categories, lists)
    }

    /// An id for each of the channels `names`, no two alike, and the channels that have none of the
    /// rules or the trade, or share theirs.
    pub fn channel_ids(&self, names: &[String]) -> (Vec<String>, Vec<Unnamed>) {
        channel::ids(&self.channel, names)
    }

    /// The names of the audiences.
    pub fn audience_names(&self) -> impl Iterator<Item = &str> {
        self.audience.iter().map(|audience| audience.get_ref().name())
    }

    /// The files that audiences list viewers in, relative to the folder of the tables.
    pub fn audience_lists(&self) -> impl Iterator<Item = &Path> {
        self.audience.iter().filter_map(|audience| audience.get_ref().list())
    }

    /// The audiences that tastes decide on.
    pub fn tell_by_tastes(&self) -> AudienceSet {
        let mut set = AudienceSet::default();
        let told = self.audience.iter().enumerate().filter(|(_, audience)| audience.get_ref().is_of_tastes());
        told.for_each(|(index, _)| set.add(index));
        set
    }

    /// The name of each directive, those of its audiences, and whether it is for a share of them.
    pub fn directive_audiences(&self) -> impl Iterator<Item = (&str, Vec<String>, bool)> {
        let directives = self.directive.iter().map(Spanned::get_ref);
        directives
            .map(|directive| (directive.name.as_str(), audience::names(&directive.audience), directive.share.is_some()))
    }

    /// The id of each experiment, and the names of its audiences.
    pub fn experiment_audiences(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        let experiments = self.experiment.iter().map(Spanned::get_ref);
        experiments.map(|experiment| (experiment.id(), audience::names(experiment.audience())))
    }

    fn audience_mistakes(&self) -> Vec<Mistake> {
        let mut wrong = audience::mistakes(&self.audience);
        for directive in self.directive.iter().map(Spanned::get_ref) {
            let what = format!("directive '{}'", directive.name);
            wrong.extend(audience::unknown(&directive.audience, &self.audience, &what));
        }
        for experiment in self.experiment.iter().map(Spanned::get_ref) {
            let what = format!("experiment '{}'", experiment.id());
            wrong.extend(audience::unknown(experiment.audience(), &self.audience, &what));
        }
        wrong
    }

    /// The directives and floors whose effect is measured.
    pub fn measured(&self) -> Vec<Measured> {
        measure::measured(&self.directive, &self.floor)
    }

    /// The weights as the edge takes them.
    pub fn weights(&self) -> Weights {
        self.ranking.0
    }
}

/// Mistakes with `file:line:column`, as compilers print them.
fn placed(mistakes: Vec<Mistake>, text: &str, path: &Path) -> Vec<String> {
    let places = Places::new(text);
    let line = |mistake: Mistake| {
        let (line, column) = places.of(mistake.at);
        format!("{}:{line}:{column}: {}", path.display(), mistake.what)
    };
    mistakes.into_iter().map(line).collect()
}

/// A measured rule, and the experiment as which answers and events name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeasuredId {
    /// The rule's name.
    pub rule: String,
    /// The experiment's id.
    pub experiment: String,
}

/// The result of `sinsang rules check` on a usable file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Number of directives.
    pub directives: usize,
    /// Number of floors.
    pub floors: usize,
    /// Number of experiments.
    pub experiments: usize,
    /// The directives and floors whose effect is measured.
    pub measured: Vec<MeasuredId>,
    /// The oldest pack format that can hold all rules.
    pub pack_format: u16,
    /// Directives that contradict each other, each with its place.
    pub conflicts: Vec<String>,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for conflict in &self.conflicts {
            writeln!(f, "{conflict}")?;
        }
        let Self { directives, floors, experiments, measured, pack_format, conflicts } = self;
        for MeasuredId { rule, experiment } in measured {
            writeln!(f, "'{rule}' is measured as {experiment}")?;
        }
        let measured = measured.len();
        let count = conflicts.len();
        write!(
            f,
            "{directives} directives, {floors} floors, {measured} of them measured, {experiments} experiments, {count} conflicts; for pack format {pack_format}"
        )?;
        if *pack_format > 1 { f.write_str(" and up") } else { Ok(()) }
    }
}

/// Checks the rules file at `path`, and returns the rules with the result.
///
/// # Errors
/// An [`Error`] that names the file and the place in it.
pub fn check(path: &Path) -> Result<(Rules, Check), Error> {
    let text = read_text(path, SETTINGS_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let rules = Rules::parse(&text, path)?;
    let conflicts = rules.conflicts(&text, path);
    let (directives, floors, experiments) = (rules.directive.len(), rules.floor.len(), rules.experiment.len());
    let measured =
        rules.measured().into_iter().map(|rule| MeasuredId { rule: rule.name, experiment: rule.id }).collect();
    let fitting = Format::ALL.iter().find(|format| rules.fit(**format).is_ok());
    let pack_format = fitting.map_or(0, |format| format.version());
    Ok((rules, Check { directives, floors, experiments, measured, pack_format, conflicts }))
}

#[cfg(test)]
mod tests;
