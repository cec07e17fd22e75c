//! What viewers lean to by the context that they come in, beyond what all do: differences of means over users, shrunk by how far they could
//! be chance. `docs/taste.md` has the formulas.

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sinsang_core::context::Context;
use sinsang_core::pack::context::Factor;
use sinsang_taste::{DIMS, History, Model, round};

use super::profile::{Catalogue, Deed, Engagement, HOUR_BUCKETS, lift, sureness};
use super::weight::UNIT;

/// Standard errors by which a difference has to be larger than chance makes it.
const SURE: f64 = 3.0;
/// Fewer users than this say nothing: what a board tells of a context must not be what somebody in it did.
const LEAST_USERS: usize = 20;
/// Parts of the week that are the same stretch of the day lie so far apart.
const DAY_PARTS: u8 = 8;
/// The least of the common share that a channel, stretch or tab is taken for: that of the largest lift that a byte holds.
const LEAST_SHARE: f64 = 1.0 / 16.0;

/// What viewers lean to in one context, in whole numbers; 0 where nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextLeaning {
    /// What the context is about.
    pub factor: Factor,
    /// Which part of the week, province or class of device.
    pub value: u8,
    /// The mean user beyond the mean of all, in the space of users' vectors.
    pub vector: [i8; DIMS],
    /// Lift of each channel over the share that it has of all.
    pub channels: Vec<i8>,
    /// Lift of each three hours of the Korean day; none by the part of the week, which says when they came and no more.
    pub hours: [i8; HOUR_BUCKETS],
    /// Lift of each tab; none by the part of the week, so that a bar does not move with the hour.
    pub tabs: Vec<i8>,
    /// Users that it was learned from.
    pub users: usize,
}

/// What one user did in one context.
#[derive(Clone, Debug)]
pub(super) struct Side {
    factor: Factor,
    value: u8,
    history: History,
    /// By channel, stretch of the day and tab.
    weights: [Vec<i64>; 3],
}

/// What a user did, by each context that they came in.
pub(super) fn sides(deeds: &[Deed], catalogue: &Catalogue) -> Vec<Side> {
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
        let part = Engagement::of(&deeds, catalogue);
        Side { factor, value, history: part.history(), weights: part.weights().map(<[i64]>::to_vec) }
    };
    parts.into_iter().map(side).collect()
}

/// The leanings of all contexts that are larger than chance, in the order of factors and values. `sides` come in the order of users; `pseudo_weight`
/// views make half of how much a side counts.
pub(super) fn leanings(sides: &[Side], model: &Model, pseudo_weight: f64) -> Vec<ContextLeaning> {
    let vectors: Vec<Measured> = sides
        .par_iter()
        .map(|side| {
            // What a user did is looked at as if it were all that is known: how sure it is says how much it counts.
            let weight = sureness(&side.history, pseudo_weight);
            let values = if weight > 0.0 { model.user_float(&side.history, 1.0).to_vec() } else { Vec::new() };
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
            // Weekends may differ from other days, and mostly don't: the same stretch of all days says more than either.
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

/// Numbers of one side, and how much they count; none that does not.
struct Measured {
    weight: f64,
    values: Vec<f64>,
}

/// The mean of all sides of a factor, and how far single ones lie from it.
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

    /// What the `chosen` sides are beyond the mean: what the sides `around` them are, if any, and what the chosen ones are beyond those.
    fn difference(&self, chosen: &[usize], around: &[usize]) -> Vec<f64> {
        let none = vec![0.0; self.mean.len()];
        let around = self.shrunk(around, &none);
        let own = self.shrunk(chosen, &around);
        around.into_iter().zip(own).map(|(around, own)| around + own).collect()
    }

    /// What the `chosen` sides are beyond the mean and `known`, shrunk as James and Stein do, by what chance makes of as many sides; nothing where it is
    /// not larger than that by [`SURE`] standard errors.
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
        // The noise is a sum over as many independent numbers as would have this spread.
        let spread = if total > 0.0 { (2.0 * fourth).sqrt() / total } else { 0.0 };
        let difference: Vec<f64> =
            mean.iter().zip(&self.mean).zip(known).map(|((own, all), known)| own - all - known).collect();
        let length: f64 = difference.iter().map(|value| value.powi(2)).sum();
        let kept = if length > noise * (1.0 + SURE * spread) { 1.0 - noise / length } else { 0.0 };
        difference.into_iter().map(|value| value * kept).collect()
    }

    /// The shares of the `chosen` sides as lifts over the common ones.
    fn lifts(&self, chosen: &[usize], around: &[usize]) -> Vec<i8> {
        let lift_of = |(difference, &all): (f64, &f64)| {
            if all > 0.0 { lift((all + difference).max(all * LEAST_SHARE), all) } else { 0 }
        };
        self.difference(chosen, around).into_iter().zip(&self.mean).map(lift_of).collect()
    }
}

/// The weight of all chosen sides, and their mean by weight. Sums are in the order of the sides, so that they don't depend on threads.
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
