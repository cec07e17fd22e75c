//! Tastes from summed engagement: a user's leanings beyond everyone's, shrunk in proportion to how
//! little is known.

use std::collections::{BTreeMap, HashMap};

use sinsang_core::context::Context;
use sinsang_core::pack::board::product_id;
use sinsang_taste::{DIMS, FloatVector, History, round, to_i8};

use super::weight::{FADING, MOST_SIXTHS, UNIT};

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

/// One event, as the query returns it.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "columns of a row, each true or not by itself")]
pub(crate) struct Row<'a> {
    pub(crate) product: Option<&'a str>,
    /// Whether the event named a product, known or not.
    pub(crate) names_product: bool,
    pub(crate) channel: Option<&'a str>,
    pub(crate) tab: Option<&'a str>,
    pub(crate) hour_bucket: i64,
    /// Decayed weight in [`UNIT`]s; 0 if the event does not affect tastes.
    pub(crate) weight: i64,
    /// The event's age in sixths of a half-life, from 0 to 31.
    pub(crate) sixths: i64,
    /// Whether the event is an impression.
    pub(crate) is_impression: bool,
    /// Whether the event lies in the last seven, fourteen, and thirty days.
    pub(crate) is_of_week: bool,
    pub(crate) is_of_fortnight: bool,
    pub(crate) is_of_month: bool,
    /// Whether it happened on a Saturday or a Sunday.
    pub(crate) is_weekend: bool,
    /// The province and device class of the event.
    pub(crate) context: Context,
}

/// Placeholder for a missing number.
const NONE: u16 = u16::MAX;

/// A [`Row`] with numbers for names, compact because there are many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deed {
    /// The product's place in the catalogue; `u32::MAX` for none.
    pub(crate) product: u32,
    /// Decayed weight in [`UNIT`]s: 1,000 views are 2^30 of them.
    pub(crate) weight: i32,
    /// Index in [`Vocabulary::channels`]; `u16::MAX` for none.
    pub(crate) channel: u16,
    /// Index in [`Vocabulary::tabs`]; `u16::MAX` for none.
    pub(crate) tab: u16,
    /// The eighth of the day in the lowest three bits, then flags; the age in sixths of a half-life
    /// in the highest five.
    pub(crate) marks: u16,
    /// The province and device class, as [`Context::number`] encodes them.
    pub(crate) origin: u16,
}

const UNKNOWN_PRODUCT: u16 = 1 << 3;
const UNKNOWN_CHANNEL: u16 = 1 << 4;
const UNKNOWN_TAB: u16 = 1 << 5;
const IMPRESSION: u16 = 1 << 6;
const OF_WEEK: u16 = 1 << 7;
const OF_MONTH: u16 = 1 << 8;
const WEEKEND: u16 = 1 << 9;
const OF_FORTNIGHT: u16 = 1 << 10;
const SIXTHS_FROM: u32 = 11;

impl Deed {
    fn is(self, mark: u16) -> bool {
        self.marks & mark != 0
    }

    /// The product's place in the catalogue.
    pub(crate) fn place(self) -> Option<usize> {
        (self.product != u32::MAX).then_some(self.product as usize)
    }

    /// An action or an impression, `sixths` of a half-life old.
    #[cfg(test)]
    pub(crate) fn aged(product: u32, is_impression: bool, sixths: u16) -> Self {
        let marks = if is_impression { IMPRESSION } else { 0 } | sixths << SIXTHS_FROM;
        Self { product, marks, ..Self::default() }
    }

    /// The part of the week, as [`sinsang_core::context::week_part`] numbers it.
    pub(crate) fn week_part(self) -> u8 {
        u8::try_from(self.marks & 7).unwrap_or(0) | if self.is(WEEKEND) { 8 } else { 0 }
    }

    /// Whether the event is an impression.
    pub(crate) fn is_impression(self) -> bool {
        self.is(IMPRESSION)
    }

    /// Orders deeds from the latest to the oldest, as far as their ages differ, then by all other
    /// fields: equal keys mean equal deeds, so a choice by this order does not depend on the order
    /// of rows.
    pub(crate) fn age_order(self) -> impl Ord {
        let ages = [OF_WEEK, OF_FORTNIGHT, OF_MONTH].map(|mark| !self.is(mark));
        let Self { product, weight, channel, tab, marks, origin } = self;
        (ages, marks >> SIXTHS_FROM, product, channel, tab, marks, origin, weight)
    }

    /// Whether it is an impression of the last seven days.
    pub(crate) fn is_shown_lately(self) -> bool {
        self.is(IMPRESSION) && self.is(OF_WEEK)
    }

    /// Whether it is an action of the last thirty days.
    pub(crate) fn is_done_lately(self) -> bool {
        !self.is(IMPRESSION) && self.is(OF_MONTH)
    }

    /// Whether it is an action of the last fourteen days.
    pub(crate) fn is_done_in_fortnight(self) -> bool {
        !self.is(IMPRESSION) && self.is(OF_FORTNIGHT)
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
        let mut marks = u16::try_from(row.hour_bucket).unwrap_or(0) & 7;
        for (mark, holds) in [
            (UNKNOWN_PRODUCT, product.is_none() && row.names_product),
            (UNKNOWN_CHANNEL, channel == NONE && row.channel.is_some()),
            (UNKNOWN_TAB, tab == NONE && row.tab.is_some()),
            (IMPRESSION, row.is_impression),
            (OF_WEEK, row.is_of_week),
            (OF_FORTNIGHT, row.is_of_fortnight),
            (OF_MONTH, row.is_of_month),
            (WEEKEND, row.is_weekend),
        ] {
            marks |= if holds { mark } else { 0 };
        }
        marks |= u16::try_from(row.sixths.clamp(0, MOST_SIXTHS)).unwrap_or(0) << SIXTHS_FROM;
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
    /// Sums a user's events.
    pub(crate) fn of(deeds: &[Deed], catalogue: &Catalogue) -> Self {
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
                let fresh = weight * FADING[usize::from(deed.marks >> SIXTHS_FROM)] / UNIT;
                let [squares, fresh] = [weight, fresh].map(|weight| i128::from(weight).pow(2));
                engagement.products.push((deed.product, Engaged { sum: weight, squares, fresh }));
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
        .filter(|deed| deed.is_shown_lately() || deed.is_done_lately())
        .filter_map(|deed| Some((deed.place()?, i64::from(deed.is_shown_lately()), deed.is_done_lately())))
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
