//! The choice of one setting by the earlier windows, and what the last one says of it.

use std::fmt;

use super::choice::{Gain, Measured, best};
use super::cut::Cut;
use rayon::prelude::*;

use crate::judge::{Bootstrap, Estimate, mean};
use crate::tuned::{Judged, Report, can_tell};

/// Standard errors by which what is chosen must exceed the defaults.
const SURE: f64 = 2.0;

/// The members, fitted to what came before each window.
pub(super) struct Fits {
    /// Those that choose, the latest first.
    pub(super) earlier: Vec<Cut>,
    /// The one that judges.
    pub(super) last: Cut,
}

impl Fits {
    /// Chooses one of `tried` by the earlier windows, and asks the last one whether it is worse
    /// than the first; notes it in the report. What is taken, if any.
    pub(super) fn choose<T: Copy + Sync + fmt::Display>(
        &self,
        report: &mut Report,
        setting: &str,
        tried: &[T],
        takers: [usize; 2],
        measure: impl Fn(&Cut, &[T]) -> Measured + Sync,
    ) -> Option<T> {
        let found = can_tell(takers).then(|| self.earlier.iter().map(|cut| measure(cut, tried)).collect::<Vec<_>>());
        let Some(chosen) = found.and_then(|measured| best(&measured, SURE)).map(|at| tried[at]) else {
            report.judged.push(Judged::undecided(setting, takers));
            return None;
        };
        let judged = measure(&self.last, &[tried[0], chosen]);
        let of = |at: usize| judged.iter().map(|taker| f64::from(taker[at])).collect::<Vec<f64>>();
        judge(report, setting, chosen.to_string(), takers, [of(0), of(1)]).then_some(chosen)
    }

    /// The same with members that are fitted anew: `refit` says how.
    pub(super) fn choose_fits<T: Copy + Send + Sync + fmt::Display>(
        &self,
        report: &mut Report,
        setting: &str,
        tried: &[T],
        takers: [usize; 2],
        measure: impl Fn(&Cut) -> [Measured; 2] + Sync,
        refit: impl Fn(&Cut, T) -> Cut + Sync,
    ) -> Option<T> {
        let before: Vec<[Measured; 2]> =
            if can_tell(takers) { self.earlier.iter().map(&measure).collect() } else { Vec::new() };
        let gain = |to: &T| {
            let after: Vec<[Measured; 2]> = self.earlier.par_iter().map(|cut| measure(&refit(cut, *to))).collect();
            (*to, Gain::of_pairs(&before, &after))
        };
        let tried: &[T] = if before.is_empty() { &[] } else { tried };
        let sure = tried.iter().map(gain).filter(|(_, gain)| gain.is_sure(SURE));
        let Some((chosen, _)) = sure.max_by(|a, b| a.1.least().total_cmp(&b.1.least())) else {
            report.judged.push(Judged::undecided(setting, takers));
            return None;
        };
        let judged = [measure(&self.last), measure(&refit(&self.last, chosen))].map(|measured| {
            measured.iter().flatten().filter_map(|taker| taker.first().copied().map(f64::from)).collect::<Vec<f64>>()
        });
        judge(report, setting, chosen.to_string(), takers, judged).then_some(chosen)
    }
}

/// Notes the last window's values by default and as chosen, and whether the choice is taken.
fn judge(
    report: &mut Report,
    setting: &str,
    chosen: String,
    takers: [usize; 2],
    [before, after]: [Vec<f64>; 2],
) -> bool {
    // Few digits, so that what is read back from a file is the same.
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    let Estimate { mean: ratio, low, high } = Bootstrap::of(before.len()).ratio(&after, &before);
    let is_taken = mean(&after) >= mean(&before);
    report.judged.push(Judged {
        ndcg_at_20: [&before, &after].map(|values| rounded(mean(values))),
        ratio: Estimate { mean: rounded(ratio), low: rounded(low), high: rounded(high) },
        chosen: Some(chosen),
        is_taken,
        ..Judged::undecided(setting, takers)
    });
    is_taken
}
