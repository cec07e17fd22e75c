//! What a recipe is chosen by.

use std::ops::Range;

use crate::lesson::History;

/// What users did, as far as a recipe is chosen by it. Days are ages: 0 is today.
pub trait Past: Sync {
    /// Age of the oldest act.
    fn oldest(&self) -> i64;

    /// By product, the age of anybody's first act; `None` if there is none.
    fn first(&self) -> &[Option<i64>];

    /// Each user's history as of `before` days ago, with weights halved every `half_life_days`
    /// until then.
    fn histories(&self, before: i64, half_life_days: f64) -> Vec<History>;

    /// The products on which each user acted at ages in `days`, each once, ascending.
    fn taken(&self, days: Range<i64>) -> Vec<Vec<usize>>;
}
