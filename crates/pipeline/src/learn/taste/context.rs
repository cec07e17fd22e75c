//! Viewers' leanings by context, beyond the leanings of all: differences of means over users,
//! shrunk by how far they could be chance. `docs/taste.md` has the formulas.

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sinsang_core::context::Context;
use sinsang_core::pack::context::Factor;
use sinsang_taste::{DIMS, History, Model, round};

use super::deed::Deed;
use super::profile::{Catalogue, Engagement, HOUR_BUCKETS, lift, sureness};
use super::weight::{Decay, UNIT};

/// Standard errors by which a difference must exceed the noise.
const SURE: f64 = 3.0;
/// The fewest users of a published leaning: a board must not reveal what one viewer in a context
/// did.
const LEAST_USERS: usize = 20;
/// Distance between parts of the week with the same stretch of the day.
const DAY_PARTS: u8 = 8;
/// The lowest ratio to the common share that a lift expresses: the inverse of the largest lift that
/// fits in a byte.
const LEAST_SHARE: f64 = 1.0 / 16.0;

/// The leanings of viewers in one context, in whole numbers; 0 if unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextLeaning {
    /// The kind of context.
    pub factor: Factor,
    /// The part of the week, province or device class.
    pub value: u8,
    /// The mean user vector of the context minus the mean of all.
    pub vector: [i8; DIMS],
    /// Lift of each channel over its common share.
    pub channels: Vec<i8>,
    /// Lift of each three hours of the Korean day; 0 for parts of the week, which only repeat when
    /// viewers came.
    pub hours: [i8; HOUR_BUCKETS],
    /// Lift of each tab; 0 for parts of the week, so that the tab bar does not change by the hour.
    pub tabs: Vec<i8>,
    /// Number of users that it was learned from.
    pub users: usize,
}

/// One user's events in one context.
#[derive(Clone, Debug)]
pub(super) struct Side {
    factor: Factor,
    value: u8,
    history: History,
    /// Sums by channel, stretch of the day and tab.
    weights: [Vec<i64>; 3],
}

/// A user's events, grouped by context.
pub(super) fn sides(deeds: &[Deed], catalogue: &Catalogue, decay: &Decay) -> Vec<Side> {
    let mut parts: BTreeMap<(Factor, u8), Vec<Deed>> = BTreeMap::new();
    for deed in deeds.iter().filter(|deed| deed.weight != 0) {
        parts.entry((Factor::WeekPart, deed.week_part())).or_default().push(*deed);
        let Context { region, device } = Context::of_number(deed.origin.into());
        for (factor, value) in [(Factor::Region, region), (Factor::Device, device)] {
            if value > 0 {
                parts.entry((factor, value)).or_default().push(*deed);
            }
        }
    }
    let side = |((factor, value), deeds): ((Factor, u8), Vec<Deed>)| {
        let part = Engagement::of(&deeds, catalogue, decay);
        Side { factor, value, history: part.history(), weights: part.weights().map(<[i64]>::to_vec) }
    };
    parts.into_iter().map(side).collect()
}

/// All leanings that exceed chance, ordered by factor and value. `sides` are in the order of users;
/// a side with `pseudo_weight` views counts half.
pub(super) fn leanings(sides: &[Side], model: &Model, pseudo_weight: f64) -> Vec<ContextLeaning> {
    let vectors: Vec<Measured> = sides
        .par_iter()
        .map(|side| {
            // Each side is treated as the user's whole history; its certainty is its weight.
            let weight = sureness(&side.history, pseudo_weight);
            let values = if weight > 0.0 { model.fold(&side.history).float(1.0).to_vec() } else { Vec::new() };
            Measured { weight, values }
        })
        .collect();
    let shares = [0, 1, 2].map(|part| {
        let measured = |side: &Side| {
            let weights = side.weights.get(part).map_or(&[][..], Vec::as_slice);
            let total: f64 = weights.iter().map(|&weight| weight.max(0) as f64).sum();
            let values = weights.iter().map(|&weight| weight.max(0) as f64 / total.max(1.0)).collect();
            Measured { weight: total / (total + pseudo_weight * UNIT as f64), values }
        };
        sides.iter().map(measured).collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for factor in [Factor::WeekPart, Factor::Region, Factor::Device] {
        let of_factor: Vec<usize> = (0..sides.len()).filter(|at| sides[*at].factor == factor).collect();
        let [channels, hours, tabs] = &shares;
        let [vectors, channels, hours, tabs] = [&vectors, channels, hours, tabs].map(|all| Common::of(all, &of_factor));
        let mut values: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for at in &of_factor {
            values.entry(sides[*at].value).or_default().push(*at);
        }
        for (value, chosen) in values.into_iter().filter(|(_, chosen)| chosen.len() >= LEAST_USERS) {
            // Weekends may differ from other days, but mostly don't: the same stretch of all days
            // says more than either.
            let day: Vec<usize> = match factor {
                Factor::WeekPart => {
                    of_factor.iter().copied().filter(|at| sides[*at].value % DAY_PARTS == value % DAY_PARTS).collect()
                }
                _ => Vec::new(),
            };
            let mut vector = [0.0; DIMS];
            vector.iter_mut().zip(vectors.difference(&chosen, &day)).for_each(|(to, from)| *to = from);
            let channels = channels.lifts(&chosen, &day);
            let [hours, tabs] = [&hours, &tabs].map(|common| match factor {
                Factor::WeekPart => vec![0; common.mean.len()],
                _ => common.lifts(&chosen, &day),
            });
            let mut by_hour = [0; HOUR_BUCKETS];
            by_hour.iter_mut().zip(hours).for_each(|(to, from)| *to = from);
            let leaning = ContextLeaning {
                factor,
                value,
                vector: round(&vector),
                channels,
                hours: by_hour,
                tabs,
                users: chosen.len(),
            };
            let says = |part: &[i8]| part.iter().any(|value| *value != 0);
            if says(&leaning.vector) || says(&leaning.channels) || says(&leaning.hours) || says(&leaning.tabs) {
                found.push(leaning);
            }
        }
    }
    found
}

/// Numbers of one side, and its weight; empty if the weight is 0.
struct Measured {
    weight: f64,
    values: Vec<f64>,
}

/// The mean of all sides of a factor, and the variance around it.
struct Common<'a> {
    all: &'a [Measured],
    weight: f64,
    mean: Vec<f64>,
    variances: Vec<f64>,
}

impl<'a> Common<'a> {
    fn of(all: &'a [Measured], of_factor: &[usize]) -> Self {
        let (weight, mean) = mean(all, of_factor);
        let mut variances = vec![0.0; mean.len()];
        for one in of_factor.iter().map(|at| &all[*at]) {
            for ((sum, value), mean) in variances.iter_mut().zip(&one.values).zip(&mean) {
                *sum += one.weight * (value - mean).powi(2) / weight;
            }
        }
        Self { all, weight, mean, variances }
    }

    /// The `chosen` sides' difference from the mean: the difference of the sides `around` them, if
    /// any, plus that of the chosen ones from those.
    fn difference(&self, chosen: &[usize], around: &[usize]) -> Vec<f64> {
        let none = vec![0.0; self.mean.len()];
        let around = self.shrunk(around, &none);
        let own = self.shrunk(chosen, &around);
        around.into_iter().zip(own).map(|(around, own)| around + own).collect()
    }

    /// The difference of the `chosen` sides from the mean and `known`, shrunk after James and Stein
    /// by the noise of as many sides; 0 unless it exceeds the noise by [`SURE`] standard errors.
    fn shrunk(&self, chosen: &[usize], known: &[f64]) -> Vec<f64> {
        let (weight, mean) = mean(self.all, chosen);
        if weight <= 0.0 {
            return vec![0.0; self.mean.len()];
        }
        let squares: f64 = chosen.iter().map(|at| self.all[*at].weight.powi(2)).sum();
        let apart = (1.0 - weight / self.weight).max(0.0);
        let total: f64 = self.variances.iter().sum();
        let noise = total * squares / weight.powi(2) * apart;
        let fourth: f64 = self.variances.iter().map(|variance| variance.powi(2)).sum();
        // The noise sums as many independent numbers as have this spread.
        let spread = if total > 0.0 { (2.0 * fourth).sqrt() / total } else { 0.0 };
        let difference: Vec<f64> =
            mean.iter().zip(&self.mean).zip(known).map(|((own, all), known)| own - all - known).collect();
        let length: f64 = difference.iter().map(|value| value.powi(2)).sum();
        let kept = if length > noise * (1.0 + SURE * spread) { 1.0 - noise / length } else { 0.0 };
        difference.into_iter().map(|value| value * kept).collect()
    }

    /// The shares of the `chosen` sides as lifts over the common shares.
    fn lifts(&self, chosen: &[usize], around: &[usize]) -> Vec<i8> {
        let lift_of = |(difference, &all): (f64, &f64)| {
            if all > 0.0 { lift((all + difference).max(all * LEAST_SHARE), all) } else { 0 }
        };
        self.difference(chosen, around).into_iter().zip(&self.mean).map(lift_of).collect()
    }
}

/// The total weight of the chosen sides, and their weighted mean. Sums follow the order of the
/// sides, so that threads don't affect the result.
fn mean(all: &[Measured], chosen: &[usize]) -> (f64, Vec<f64>) {
    let mut sum: Vec<f64> = Vec::new();
    let mut weight = 0.0;
    for one in chosen.iter().map(|at| &all[*at]).filter(|one| one.weight > 0.0) {
        weight += one.weight;
        sum.resize(one.values.len().max(sum.len()), 0.0);
        sum.iter_mut().zip(&one.values).for_each(|(sum, value)| *sum += one.weight * value);
    }
    for sum in &mut sum {
        *sum /= weight;
    }
    (weight, sum)
}
