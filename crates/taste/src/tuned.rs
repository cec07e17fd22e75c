//! What was chosen, and what the last window says of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::judge::Estimate;
use crate::lesson::Recipe;

/// A recipe and a half-life, chosen or by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// The recipe that was asked for, with which the choice began.
    pub asked: Recipe,
    /// The recipe to train with.
    pub recipe: Recipe,
    /// Half-life of an event in days.
    pub half_life_days: f64,
    /// How it was chosen.
    pub report: Report,
}

impl Tuned {
    /// The defaults, with nothing chosen.
    pub fn default_of(recipe: Recipe, half_life_days: f64) -> Self {
        Self { asked: recipe, recipe, half_life_days, report: Report::default() }
    }
}

/// How a recipe was chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Days of a window; 0 if the events reach too few weeks back, or nothing was to be chosen.
    pub window_days: i64,
    /// By setting, what the last window says of the choice of the earlier ones.
    pub judged: Vec<Judged>,
}

/// What the last window, which chooses nothing, says of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The setting.
    pub setting: String,
    /// What the earlier windows chose; `None` if they can't tell.
    pub chosen: Option<String>,
    /// Users who took something in the earlier windows, and in the last one.
    pub takers: [usize; 2],
    /// NDCG@20 in the last window, by default and as chosen.
    pub ndcg_at_20: [f64; 2],
    /// The latter divided by the former, with its interval over users.
    pub ratio: Estimate,
    /// Whether the model is trained so.
    pub is_taken: bool,
}

/// Users who took something in the windows that choose, and in the last one, without whom nothing
/// can be told.
const LEAST_TAKERS: [usize; 2] = [200, 40];

/// Whether enough users took something for a choice.
pub(crate) fn can_tell(takers: [usize; 2]) -> bool {
    takers.iter().zip(LEAST_TAKERS).all(|(takers, least)| *takers >= least)
}

impl Judged {
    pub(crate) fn undecided(setting: &str, takers: [usize; 2]) -> Self {
        let ratio = Estimate::default();
        Self { setting: setting.to_owned(), chosen: None, takers, ndcg_at_20: [0.0; 2], ratio, is_taken: false }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, takers: [earlier, last], ndcg_at_20: [before, after], ratio, .. } = self;
        write!(f, "{setting}: ")?;
        let Some(chosen) = &self.chosen else {
            let why = if can_tell(self.takers) { "nothing is surely better" } else { "too few to tell" };
            return write!(f, "by default ({why}: {earlier} users of earlier weeks, {last} of the last)");
        };
        if self.is_taken {
            write!(f, "{chosen}")?;
        } else {
            write!(f, "by default, not {chosen} as of earlier weeks")?;
        }
        let Estimate { mean, low, high } = ratio;
        write!(f, " (last weeks: {mean:.3} [{low:.3}, {high:.3}] of the default's order, {after:.4} and {before:.4})")
    }
}
