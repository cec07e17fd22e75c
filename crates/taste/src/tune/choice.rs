//! The choice among what was tried, by pairs of measures of the same users.

/// By user, the measures of all that was tried; the first is the default.
pub(super) type Measured = Vec<Vec<f32>>;

/// A mean difference over users, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    mean: f64,
    error: f64,
}

impl Gain {
    fn of(differences: impl Iterator<Item = f64> + Clone) -> Self {
        let count = differences.clone().count().max(2) as f64;
        let mean = differences.clone().sum::<f64>() / count;
        let variance = differences.map(|difference| (difference - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { mean, error: (variance / count).sqrt() }
    }

    /// Of the first values of two measurements of new and of known products, each kind by its own
    /// mean, and both alike.
    pub(super) fn of_pairs(before: &[[Measured; 2]], after: &[[Measured; 2]]) -> Self {
        let of_kind = |kind: usize| {
            let first = |measured: &[[Measured; 2]]| -> Vec<f64> {
                measured.iter().flat_map(|kinds| &kinds[kind]).map(|taker| f64::from(taker[0])).collect()
            };
            let (before, after) = (first(before), first(after));
            let mean = before.iter().sum::<f64>() / before.len().max(1) as f64;
            let mean = if mean > 0.0 { mean } else { 1.0 };
            Self::of(before.iter().zip(&after).map(|(before, after)| (after - before) / mean))
        };
        let [new, known] = [0, 1].map(of_kind);
        Self { mean: f64::midpoint(new.mean, known.mean), error: new.error.hypot(known.error) / 2.0 }
    }

    /// What it is at least, but for one standard error.
    pub(super) fn least(self) -> f64 {
        self.mean - self.error
    }

    /// Whether it exceeds so many standard errors.
    pub(super) fn is_sure(self, errors: f64) -> bool {
        self.mean > 0.0 && self.mean >= errors * self.error
    }
}

/// What is better than the default by most, less a standard error: `None` if that is the default.
fn ahead(cuts: &[&Measured]) -> Option<usize> {
    let tried = cuts.iter().find_map(|cut| cut.first()).map_or(0, Vec::len);
    let gain = |at: usize| Gain::of(cuts.iter().copied().flatten().map(move |taker| f64::from(taker[at] - taker[0])));
    let gains = (1..tried).map(|at| (at, gain(at).least()));
    gains.filter(|(_, least)| *least > 0.0).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(at, _)| at)
}

/// The place of what is better than the default by more than `errors` standard errors, measured
/// where it was not chosen: each window in turn judges the choice of the others.
pub(super) fn best(cuts: &[Measured], errors: f64) -> Option<usize> {
    let mut left_out = Vec::new();
    for (at, judge) in cuts.iter().enumerate() {
        let others: Vec<&Measured> =
            cuts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, cut)| cut).collect();
        let chosen = ahead(&others).unwrap_or(0);
        left_out.extend(judge.iter().map(|taker| f64::from(taker[chosen] - taker[0])));
    }
    if !Gain::of(left_out.iter().copied()).is_sure(errors) {
        return None;
    }
    ahead(&cuts.iter().collect::<Vec<_>>())
}
