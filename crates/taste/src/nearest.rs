//! The choice of the products nearest to a history.

use crate::placement::{Catalogue, trend};

/// Companions of recent actions that are scored by the ensemble, for each that is asked for.
pub(crate) const CONSIDERED: usize = 6;

/// Keeps the `most` with the largest values, the largest first.
pub(crate) fn keep_best(of: &mut Vec<(usize, f64)>, most: usize) {
    let best_first = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if of.len() > most {
        of.select_nth_unstable_by(most, best_first);
        of.truncate(most);
    }
    of.sort_by(best_first);
}

/// For each trained product, the factor of what was wanted in the last fortnight.
pub(crate) fn boosts(places: &[Option<usize>], catalogue: &Catalogue<'_>, most_boost: f64) -> Vec<f64> {
    let trends: Vec<f64> = places.iter().map(|place| trend(catalogue.fortnight, *place)).collect();
    let most = trends.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    trends.into_iter().map(|trend| 1.0 + most_boost * trend / most).collect()
}
