//! Tastes from summed engagement: a user's leanings beyond everyone's, shrunk in proportion to how
//! little is known.

use std::collections::{BTreeMap, HashMap};

use sinsang_core::pack::board::product_id;
use sinsang_taste::{DIMS, FloatVector, History, round, to_i8};

use super::deed::{
    AGE_FROM, Age, Deed, IMPRESSION, MONTH_DAYS, NONE, Row, UNKNOWN_CHANNEL, UNKNOWN_PRODUCT, UNKNOWN_TAB, WEEKEND,
};
use super::weight::{Decay, UNIT};

/// Sums of viewers' actions and impressions, each viewer's part capped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Weights by place in the catalogue, in [`UNIT`]s.
    pub(crate) popularity: Vec<i64>,
    pub(crate) channels: Vec<i64>,
    pub(crate) hours: Vec<i64>,
    pub(crate) tabs: Vec<i64>,
    /// By place in the catalogue: impressions of the product, then actions in the last thirty days,
    /// and in the last fourteen.
    pub(crate) shown: Vec<i64>,
    pub(crate) done_in_month: Vec<i64>,
    pub(crate) done_in_fortnight: Vec<i64>,
}

/// Days within which a product was shown lately.
const WEEK_DAYS: i64 = 7;
/// Buckets of the Korean day.
pub const HOUR_BUCKETS: usize = 8;

/// Steps of a published lift for one doubling: 32 is twice the population's share, 127 and -127
/// about 16 times and a 16th.
pub const LIFT_STEPS: f64 = 32.0;

/// Cap in views on one product's weight for one user, and on one user's weight for a product.
pub(super) const PRODUCT_CAP: f64 = 16.0;
/// Cap in views on a user's sum for one product, and on one user's sum for a channel in the
/// population.
pub(super) const SUM_CAP: f64 = 64.0;
/// Prior of the population in views for each channel, hour and tab, so that no share is 0.
const SHARE_PRIOR: f64 = 1.0;
/// Steps of [`Population::popularity`] for one view.
const POPULARITY_STEPS: i64 = 16;

/// The names of published numbers, by index. The caller sets the order and publishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Channel names; [`UserTaste::channels`] is in this order.
    pub channels: Vec<String>,
    /// Tab ids; [`UserTaste::tabs`] is in this order.
    pub tabs: Vec<String>,
    /// Category names.
    pub categories: Vec<String>,
}

/// One user's published taste, in whole numbers; 0 if unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTaste {
    /// The user's id as the events name it: hash a clear-text id before it reaches a pack.
    pub user_id: String,
    /// The user's vector in the products' space; its inner product with a product's vector is the
    /// score.
    pub vector: [i8; DIMS],
    /// The user's vector in the lab's space; empty without the lab's vectors.
    pub second: Vec<i8>,
    /// Lift of each channel, in the order of [`Vocabulary::channels`], [`LIFT_STEPS`] for a
    /// doubling.
    pub channels: Vec<i8>,
    /// Lift of each three hours of the Korean day: entry 0 is 00:00 to 03:00.
    pub hours: [i8; HOUR_BUCKETS],
    /// Lift of each tab, in the order of [`Vocabulary::tabs`].
    pub tabs: Vec<i8>,
    /// Corrections to the scores of the board's products for this user, in the steps of
    /// [`sinsang_core::pack::taste::note`], most important first.
    pub notes: Vec<(u64, i8)>,
    /// Products of the board that go with the user's actions, in the same steps, nearest first.
    pub near: Vec<(u64, i8)>,
}

/// Everyone's leanings: the shared order's part of a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    /// The mean vector of the training users.
    pub vector: [i8; DIMS],
    /// Lift of each channel over an even spread.
    pub channels: Vec<i8>,
    /// Lift of each three hours of the Korean day over an even spread.
    pub hours: [i8; HOUR_BUCKETS],
    /// Lift of each tab over an even spread.
    pub tabs: Vec<i8>,
    /// Decayed engagement by product, in sixteenths of a view of today; products without any are
    /// left out.
    pub popularity: BTreeMap<u64, u32>,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            vector: [0; DIMS],
            channels: Vec::new(),
            hours: [0; HOUR_BUCKETS],
            tabs: Vec::new(),
            popularity: BTreeMap::new(),
        }
    }
}

/// The products and names that engagement refers to.
pub(crate) struct Catalogue {
    pub(super) ids: Vec<u64>,
    places: HashMap<u64, usize>,
    channels: HashMap<String, usize>,
    tabs: HashMap<String, usize>,
}

impl Catalogue {
    /// A catalogue of the products `ids`; engagement refers to them by place.
    pub(crate) fn new(vocabulary: &Vocabulary, ids: Vec<u64>) -> Self {
        let index = |names: &[String]| names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Self {
            places: ids.iter().enumerate().map(|(at, id)| (*id, at)).collect(),
            ids,
            channels: index(&vocabulary.channels),
            tabs: index(&vocabulary.tabs),
        }
    }

    /// Numbers of channels and of tabs.
    pub(super) fn widths(&self) -> [usize; 2] {
        [self.channels.len(), self.tabs.len()]
    }

    /// Replaces an event's names by numbers.
    pub(crate) fn deed(&self, row: &Row<'_>) -> Deed {
        let number = |at: Option<usize>| at.and_then(|at| u16::try_from(at).ok()).unwrap_or(NONE);
        let product = row.product.and_then(|text| self.product(text)).and_then(|place| u32::try_from(place).ok());
        let channel = number(row.channel.and_then(|name| self.channels.get(name).copied()));
        let tab = number(row.tab.and_then(|id| self.tabs.get(id).copied()));
        let marks = [
            (UNKNOWN_PRODUCT, product.is_none() && row.names_product),
            (UNKNOWN_CHANNEL, channel == NONE && row.channel.is_some()),
            (UNKNOWN_TAB, tab == NONE && row.tab.is_some()),
            (IMPRESSION, row.is_impression),
            (WEEKEND, row.is_weekend),
        ];
        let held = marks.into_iter().filter(|(_, holds)| *holds).map(|(mark, _)| mark);
        let marks = held.fold(u16::try_from(row.hour_bucket).unwrap_or(0) & 7, |marks, mark| marks | mark);
        let marks = marks | u16::from(Age::of(row.age_days).code()) << AGE_FROM;
        // Weights are at most 1,000 views, which fit.
        let weight = i32::try_from(row.weight).unwrap_or(0);
        Deed { product: product.unwrap_or(u32::MAX), weight, channel, tab, marks, origin: row.context.number() }
    }

    pub(crate) fn product(&self, text: &str) -> Option<usize> {
        self.place(product_id(text)?)
    }

    /// The place of the product with this id.
    pub(crate) fn place(&self, product: u64) -> Option<usize> {
        self.places.get(&product).copied()
    }
}

/// Counts of events with names that the catalogue or the vocabulary lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) products: u64,
    pub(crate) channels: u64,
    pub(crate) tabs: u64,
}

/// A user's weights on one product, in [`UNIT`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Engaged {
    sum: i64,
    squares: i128,
    /// The squares of weights with the short half-life, a third of the long one.
    fresh: i128,
}

/// A user's summed weights, in [`UNIT`]s. Integer sums do not depend on the order of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engagement {
    /// By place in the catalogue, ascending.
    products: Vec<(u32, Engaged)>,
    channels: Vec<i64>,
    hours: [i64; HOUR_BUCKETS],
    tabs: Vec<i64>,
    /// Events with a weight other than 0.
    pub(crate) events: u64,
    pub(crate) unknown: Unknown,
}

impl Engagement {
    /// Sums a user's events; those on products as `decay` has it.
    pub(crate) fn of(deeds: &[Deed], catalogue: &Catalogue, decay: &Decay) -> Self {
        let mut engagement = Self {
            products: Vec::with_capacity(deeds.len()),
            channels: vec![0; catalogue.channels.len()],
            hours: [0; HOUR_BUCKETS],
            tabs: vec![0; catalogue.tabs.len()],
            events: 0,
            unknown: Unknown::default(),
        };
        for deed in deeds.iter().filter(|deed| deed.weight != 0) {
            let weight = i64::from(deed.weight);
            engagement.events += 1;
            engagement.unknown.products += u64::from(deed.is(UNKNOWN_PRODUCT));
            engagement.unknown.channels += u64::from(deed.is(UNKNOWN_CHANNEL));
            engagement.unknown.tabs += u64::from(deed.is(UNKNOWN_TAB));
            if deed.product != u32::MAX {
                let [sum, fresh] = decay.of(weight, deed.age());
                let [squares, fresh] = [sum, fresh].map(|weight| i128::from(weight).pow(2));
                engagement.products.push((deed.product, Engaged { sum, squares, fresh }));
            }
            add_to(engagement.channels.get_mut(usize::from(deed.channel)), weight);
            add_to(engagement.tabs.get_mut(usize::from(deed.tab)), weight);
            add_to(engagement.hours.get_mut(usize::from(deed.marks & 7)), weight);
        }
        engagement.products.sort_unstable_by_key(|(product, _)| *product);
        engagement.products.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1.sum = kept.1.sum.saturating_add(next.1.sum);
                kept.1.squares = kept.1.squares.saturating_add(next.1.squares);
                kept.1.fresh = kept.1.fresh.saturating_add(next.1.fresh);
            }
            is_same
        });
        engagement
    }

    /// The summed weight on each product, in [`UNIT`]s, by place in the catalogue.
    pub(super) fn products(&self) -> impl Iterator<Item = (usize, i64)> {
        self.products.iter().map(|(product, engaged)| (*product as usize, engaged.sum))
    }

    /// The summed weights by channel, stretch of the day, and tab.
    pub(crate) fn weights(&self) -> [&[i64]; 3] {
        [&self.channels, &self.hours, &self.tabs]
    }
}

/// Products shown to a user in the last seven days without an action in thirty, by place in the
/// catalogue, with the number of impressions.
pub(crate) fn passed_over(deeds: &[Deed]) -> Vec<(usize, i64)> {
    let mut lately: Vec<(usize, i64, bool)> = deeds
        .iter()
        .map(|deed| (deed, deed.is_shown_within(WEEK_DAYS), deed.is_done_within(MONTH_DAYS)))
        .filter(|(_, is_shown, is_done)| *is_shown || *is_done)
        .filter_map(|(deed, is_shown, is_done)| Some((deed.place()?, i64::from(is_shown), is_done)))
        .collect();
    lately.sort_unstable_by_key(|(place, ..)| *place);
    lately.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 += next.1;
            kept.2 |= next.2;
        }
        is_same
    });
    lately.into_iter().filter(|(_, _, is_done)| !is_done).map(|(place, shown, _)| (place, shown)).collect()
}

impl Engagement {
    /// Engagement with each product in views, by place in the catalogue. Strengths are the root of
    /// the summed squares, so that the tenth purchase says less than the first, and at most
    /// [`PRODUCT_CAP`]; sums at most [`SUM_CAP`].
    pub(crate) fn history(&self) -> History {
        let root = |engaged: &Engaged, squares: i128| {
            let strength = ((squares as f64).sqrt() / UNIT as f64).min(PRODUCT_CAP);
            if engaged.sum < 0 { -strength } else { strength }
        };
        let each = |of: fn(&Engaged) -> i128| {
            let strength = |(product, engaged): &(u32, Engaged)| (*product as usize, root(engaged, of(engaged)));
            self.products.iter().map(strength).collect()
        };
        let sum = |engaged: &Engaged| (engaged.sum as f64 / UNIT as f64).clamp(-SUM_CAP, SUM_CAP);
        History {
            strengths: each(|engaged| engaged.squares),
            fresh: each(|engaged| engaged.fresh),
            sums: self.products.iter().map(|(product, engaged)| (*product as usize, sum(engaged))).collect(),
        }
    }
}

/// The certainty of a user's taste, from 0 to 1; `pseudo_weight` views make a half.
pub(crate) fn sureness(history: &History, pseudo_weight: f64) -> f64 {
    let views: f64 = history.strengths.iter().map(|(_, strength)| strength.abs()).sum();
    views / (views + pseudo_weight)
}

pub(super) fn add_to(sum: Option<&mut i64>, weight: i64) {
    if let Some(sum) = sum {
        *sum = sum.saturating_add(weight);
    }
}

/// The population's shares, with which users are compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    channels: Vec<f64>,
    hours: Vec<f64>,
    tabs: Vec<f64>,
}

impl Baseline {
    pub(crate) fn of(everyone: &Sums) -> Self {
        Self { channels: shares(&everyone.channels), hours: shares(&everyone.hours), tabs: shares(&everyone.tabs) }
    }

    /// The published baseline, with the popularity that it is based on; the vector stays 0.
    pub(crate) fn population(&self, everyone: &Sums, catalogue: &Catalogue) -> Population {
        let over_even = |shares: &[f64]| {
            let even = 1.0 / shares.len().max(1) as f64;
            shares.iter().map(|share| lift(*share, even)).collect::<Vec<i8>>()
        };
        let popularity = everyone.popularity.iter().zip(&catalogue.ids).filter_map(|(sum, id)| {
            let steps = sum.max(&0) / (UNIT / POPULARITY_STEPS);
            let steps = u32::try_from(steps.min(i64::from(u32::MAX))).ok()?;
            (steps > 0).then_some((*id, steps))
        });
        let mut hours = [0; HOUR_BUCKETS];
        hours.iter_mut().zip(over_even(&self.hours)).for_each(|(to, from)| *to = from);
        Population {
            vector: [0; DIMS],
            channels: over_even(&self.channels),
            hours,
            tabs: over_even(&self.tabs),
            popularity: popularity.collect(),
        }
    }

    /// The taste of a user with this vector. `pseudo_weight`, in views, is the engagement that
    /// moves a user half-way from the population to their own.
    pub(crate) fn taste(
        &self,
        user_id: String,
        user: &Engagement,
        float: &FloatVector,
        pseudo_weight: f64,
    ) -> UserTaste {
        let mut hours = [0; HOUR_BUCKETS];
        hours.iter_mut().zip(lifts(&user.hours, &self.hours, pseudo_weight)).for_each(|(to, from)| *to = from);
        UserTaste {
            user_id,
            vector: round(float),
            channels: lifts(&user.channels, &self.channels, pseudo_weight),
            hours,
            tabs: lifts(&user.tabs, &self.tabs, pseudo_weight),
            notes: Vec::new(),
            near: Vec::new(),
            second: Vec::new(),
        }
    }
}

fn shares(weights: &[i64]) -> Vec<f64> {
    let prior = SHARE_PRIOR * UNIT as f64;
    let total: f64 = weights.iter().map(|&weight| weight.max(0) as f64 + prior).sum();
    weights.iter().map(|&weight| (weight.max(0) as f64 + prior) / total).collect()
}

/// The lift of each of a user's shares over the population's, after adding `pseudo_weight` views in
/// the population's shares.
fn lifts(weights: &[i64], population: &[f64], pseudo_weight: f64) -> Vec<i8> {
    let pseudo = pseudo_weight * UNIT as f64;
    let total: f64 = weights.iter().map(|&weight| weight.max(0) as f64).sum::<f64>() + pseudo;
    let shrunk = weights.iter().zip(population).map(|(&weight, share)| (weight.max(0) as f64 + pseudo * share) / total);
    shrunk.zip(population).map(|(share, &expected)| lift(share, expected)).collect()
}

pub(super) fn lift(share: f64, expected: f64) -> i8 {
    to_i8((share / expected).log2() * LIFT_STEPS)
}

#[cfg(test)]
mod tests;
