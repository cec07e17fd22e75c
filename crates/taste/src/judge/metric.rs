//! Measures of a ranked list against purchases, with confidence intervals.

use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The places of a list that are measured.
pub const DEPTH: usize = 20;
/// Samples of the bootstrap.
const SAMPLES: usize = 2_000;

/// The measures of one user's list in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// NDCG of the first [`DEPTH`] places.
    pub ndcg: f64,
    /// The share of what was wanted among them.
    pub recall: f64,
    /// One by the place of the first that was wanted.
    pub reciprocal_rank: f64,
    /// The candidates on the first [`DEPTH`] places.
    pub shown: Vec<usize>,
}

/// Measures the order of `scores` (highest first, then the earlier candidate) against the
/// candidates bought.
pub fn measure(scores: &[f64], bought: &BTreeSet<usize>) -> Listed {
    let mut order: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] > f64::NEG_INFINITY).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let hit_at = order.iter().position(|candidate| bought.contains(candidate));
    order.truncate(DEPTH);
    let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let hits = order.iter().enumerate().filter(|(_, candidate)| bought.contains(candidate));
    let best: f64 = (0..bought.len().min(DEPTH)).map(discount).sum();
    let (gain, found) = hits.fold((0.0, 0_usize), |(gain, found), (place, _)| (gain + discount(place), found + 1));
    Listed {
        ndcg: if best > 0.0 { gain / best } else { 0.0 },
        recall: found as f64 / bought.len().max(1) as f64,
        reciprocal_rank: hit_at.map_or(0.0, |place| 1.0 / (place as f64 + 1.0)),
        shown: order,
    }
}

/// The NDCG that [`measure`] gives, without sorting: for very many lists.
pub(crate) fn ndcg(scores: &[f64], bought: &BTreeSet<usize>) -> f32 {
    let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let before = |at: usize| {
        let own = scores[at];
        let order = |other: usize| scores[other].total_cmp(&own).then(at.cmp(&other));
        (0..scores.len()).filter(|other| order(*other).is_gt()).count()
    };
    let shown = bought.iter().filter(|at| scores[**at] > f64::NEG_INFINITY);
    let gain: f64 = shown.map(|at| before(*at)).filter(|place| *place < DEPTH).map(discount).sum();
    let best: f64 = (0..bought.len().min(DEPTH)).map(discount).sum();
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
    let ndcg = if best > 0.0 { (gain / best) as f32 } else { 0.0 };
    ndcg
}

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over users and windows.
    pub mean: f64,
    /// The 2.5th percentile of the bootstrapped means.
    pub low: f64,
    /// The 97.5th percentile of the bootstrapped means.
    pub high: f64,
}

/// Samples of users with replacement, drawn once from a fixed seed and shared by all measures of
/// the same users.
pub struct Bootstrap {
    count: usize,
    /// `count` users for each sample.
    drawn: Vec<usize>,
}

impl Bootstrap {
    /// Samples of `count` users.
    pub fn of(count: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(20);
        Self { count, drawn: (0..count * SAMPLES).map(|_| rng.random_range(0..count)).collect() }
    }

    /// The mean of `values` with its interval.
    pub fn estimate(&self, values: &[f64]) -> Estimate {
        self.interval(mean(values), |sample| mean_of(values, sample))
    }

    /// The ratio of two measures' means over the same users, with its interval.
    pub fn ratio(&self, values: &[f64], others: &[f64]) -> Estimate {
        let divided = |value: f64, other: f64| if other > 0.0 { value / other } else { 0.0 };
        self.interval(divided(mean(values), mean(others)), |sample| {
            divided(mean_of(values, sample), mean_of(others, sample))
        })
    }

    fn interval(&self, mean: f64, of: impl Fn(&[usize]) -> f64) -> Estimate {
        if self.count == 0 {
            return Estimate::default();
        }
        let mut means: Vec<f64> = self.drawn.chunks_exact(self.count).map(of).collect();
        means.sort_by(f64::total_cmp);
        Estimate { mean, low: means[SAMPLES * 25 / 1_000], high: means[SAMPLES * 975 / 1_000] }
    }
}

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn mean_of(values: &[f64], sample: &[usize]) -> f64 {
    sample.iter().map(|at| values[*at]).sum::<f64>() / sample.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_measured_by_the_places_of_what_was_bought() {
        let bought = BTreeSet::from([0, 2]);
        let best = measure(&[3.0, 1.0, 2.0], &bought);
        assert_eq!((best.ndcg, best.recall, best.reciprocal_rank, best.shown), (1.0, 1.0, 1.0, vec![0, 2, 1]));
        let worse = measure(&[1.0, 3.0, f64::NEG_INFINITY], &bought);
        assert!((worse.ndcg - 0.630_929 / 1.630_929).abs() < 1e-5, "{worse:?}");
        assert_eq!((worse.recall, worse.reciprocal_rank), (0.5, 0.5));
        for scores in [&[3.0, 1.0, 2.0], &[1.0, 3.0, f64::NEG_INFINITY], &[1.0, 1.0, 1.0], &[0.0, 1.0, 1.0]] {
            assert!((f64::from(ndcg(scores, &bought)) - measure(scores, &bought).ndcg).abs() < 1e-6, "{scores:?}");
        }
    }

    #[test]
    fn intervals_hold_the_mean_and_a_ratio_of_a_measure_to_itself_is_one() {
        let values: Vec<f64> = (0..200).map(|at| f64::from(at % 7)).collect();
        let samples = Bootstrap::of(values.len());
        let of = samples.estimate(&values);
        assert!(of.low < of.mean && of.mean < of.high && of.high - of.low < 1.0, "{of:?}");
        assert_eq!(samples.ratio(&values, &values), Estimate { mean: 1.0, low: 1.0, high: 1.0 });
        assert_eq!(Bootstrap::of(0).estimate(&[]), Estimate::default());
    }
}
