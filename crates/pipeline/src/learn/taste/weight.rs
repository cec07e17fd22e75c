//! The weight of an event by its kind and its age in Korean days, in whole numbers, so that sums do
//! not depend on order.

use std::collections::BTreeMap;

use sinsang_core::event::EventKind;

use super::Error;
use super::deed::Age;

/// Units in one view: decayed weights are multiples of 2^-20 views.
pub(crate) const UNIT: i64 = 1 << 20;
/// Half-lives after which an event is ignored: less than a thousandth of its weight is left.
pub(crate) const HORIZON_HALF_LIVES: f64 = 10.0;

/// The largest weight of a kind, in views.
const MAX_WEIGHT: f64 = 1_000.0;
/// Valid half-lives, in days: from hours to a century.
const HALF_LIFE_DAYS: std::ops::RangeInclusive<f64> = 0.1..=36_500.0;

/// The weight of an event of today by kind, in views.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// A listing was shown. 0 by default: a missing tap says little, and impressions are most of a
    /// table. A small negative number lowers products that were shown without an action.
    pub impression: f64,
    /// A listing's page was opened from elsewhere: the unit.
    pub view: f64,
    /// A listing was tapped on a surface.
    pub click: f64,
    /// An alarm was set.
    pub alarm: f64,
    /// A listing was bought.
    pub purchase: f64,
    /// A tab was opened.
    pub tab_open: f64,
    /// A live broadcast was entered.
    pub live_enter: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { impression: 0.0, view: 1.0, click: 2.0, alarm: 4.0, purchase: 8.0, tab_open: 1.0, live_enter: 2.0 }
    }
}

impl Weights {
    /// The weight of one kind.
    pub fn of(&self, kind: EventKind) -> f64 {
        match kind {
            EventKind::Impression => self.impression,
            EventKind::View => self.view,
            EventKind::Click => self.click,
            EventKind::Alarm => self.alarm,
            EventKind::Purchase => self.purchase,
            EventKind::TabOpen => self.tab_open,
            EventKind::LiveEnter => self.live_enter,
        }
    }
}

/// One row of the table that the queries join: an event of `kind`, `age_days` old, weighs `weight`
/// [`UNIT`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecayedWeight {
    pub(crate) kind: EventKind,
    pub(crate) age_days: i64,
    pub(crate) weight: i64,
}

/// How weights on products decay with age, for events that already weigh what they do after the
/// half-life that they were read with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decay {
    /// By the code of an age, factors in [`UNIT`]s: of the long memory, and of the short one, whose
    /// half-life is a third.
    factors: Vec<[i64; 2]>,
}

impl Decay {
    /// Weights halved every `half_life_days`, as of a day `before_days` ago; they were read as
    /// halved every `read_with` days until today.
    pub(crate) fn new(read_with: f64, half_life_days: f64, before_days: i64) -> Self {
        let factor = |age: Age, half_life: f64| {
            let then = (age.days() - before_days).max(0) as f64;
            let exponent = age.days() as f64 / read_with - then / half_life;
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
            let factor = (UNIT as f64 * exponent.exp2()).round() as i64;
            factor
        };
        let both = |age: Age| [factor(age, half_life_days), factor(age, half_life_days / 3.0)];
        Self { factors: Age::all().map(both).collect() }
    }

    /// What a weight of this age counts in the long memory and in the short one.
    pub(crate) fn of(&self, weight: i64, age: Age) -> [i64; 2] {
        let factors = self.factors.get(usize::from(age.code())).copied().unwrap_or_default();
        factors.map(|factor| weight.saturating_mul(factor) / UNIT)
    }
}

/// Days within which events count.
///
/// # Errors
/// [`Error::HalfLife`] if the half-life is not a valid number of days.
pub(crate) fn horizon_days(half_life_days: f64) -> Result<i64, Error> {
    if !HALF_LIFE_DAYS.contains(&half_life_days) {
        return Err(Error::HalfLife { days: half_life_days });
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most ten times the longest half-life")]
    let days = (half_life_days * HORIZON_HALF_LIVES).ceil() as i64;
    Ok(days)
}

/// Every kind and age that counts: `weight × 2^(-age / half-life)`, rounded to [`UNIT`]s. Kinds of
/// weight 0 are included for their age, by which the latest impressions are selected.
///
/// # Errors
/// [`Error::Weight`] or [`Error::HalfLife`] if a weight or the half-life is out of range or not a
/// number.
pub(crate) fn decayed(weights: &Weights, half_life_days: f64) -> Result<Vec<DecayedWeight>, Error> {
    let days = horizon_days(half_life_days)?;
    let mut table = BTreeMap::new();
    for &kind in EventKind::ALL {
        let weight = weights.of(kind);
        if !(-MAX_WEIGHT..=MAX_WEIGHT).contains(&weight) {
            return Err(Error::Weight { kind, weight });
        }
        for age_days in 0..=days {
            #[expect(clippy::cast_possible_truncation, reason = "at most 1,000 × 2^20")]
            let fixed = (weight * UNIT as f64 * (-(age_days as f64) / half_life_days).exp2()).round() as i64;
            table.insert((kind, age_days), fixed);
        }
    }
    Ok(table.into_iter().map(|((kind, age_days), weight)| DecayedWeight { kind, age_days, weight }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_halves_with_each_half_life_and_what_weighs_nothing_has_an_age() {
        let table = decayed(&Weights::default(), 30.0).unwrap();
        let of =
            |kind, age| table.iter().find(|line| line.kind == kind && line.age_days == age).map(|line| line.weight);
        assert_eq!(of(EventKind::Purchase, 0), Some(8 * UNIT));
        assert_eq!(of(EventKind::Purchase, 30), Some(4 * UNIT));
        assert_eq!(of(EventKind::View, 300), Some(UNIT / 1024));
        assert_eq!(of(EventKind::View, 301), None);
        let shown = |age| table.iter().find(|line| line.kind == EventKind::Impression && line.age_days == age).copied();
        assert_eq!(shown(0).map(|line| line.weight), Some(0));
    }

    #[test]
    fn half_lives_and_weights_out_of_range_are_refused() {
        for days in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(matches!(decayed(&Weights::default(), days), Err(Error::HalfLife { .. })), "{days}");
        }
        for weight in [f64::NAN, 1e9, f64::NEG_INFINITY] {
            let weights = Weights { click: weight, ..Weights::default() };
            assert!(matches!(decayed(&weights, 30.0), Err(Error::Weight { kind: EventKind::Click, .. })), "{weight}");
        }
    }
}
