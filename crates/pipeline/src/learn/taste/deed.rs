//! Events with numbers for names, and their ages.

use sinsang_core::context::Context;

/// One event, as the query returns it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row<'a> {
    pub(crate) product: Option<&'a str>,
    /// Whether the event named a product, known or not.
    pub(crate) names_product: bool,
    pub(crate) channel: Option<&'a str>,
    pub(crate) tab: Option<&'a str>,
    pub(crate) hour_bucket: i64,
    /// Decayed weight in [units](super::weight::UNIT); 0 if the event does not affect tastes.
    pub(crate) weight: i64,
    /// The event's age in Korean days.
    pub(crate) age_days: i64,
    /// Whether the event is an impression.
    pub(crate) is_impression: bool,
    /// Whether it happened on a Saturday or a Sunday.
    pub(crate) is_weekend: bool,
    /// The province and device class of the event.
    pub(crate) context: Context,
}

/// Placeholder for a missing number.
pub(super) const NONE: u16 = u16::MAX;

/// A [`Row`] with numbers for names, compact because there are many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deed {
    /// The product's place in the catalogue; `u32::MAX` for none.
    pub(crate) product: u32,
    /// Decayed weight in [units](super::weight::UNIT): 1,000 views are 2^30 of them.
    pub(crate) weight: i32,
    /// Index in the [channels](super::profile::Vocabulary::channels); `u16::MAX` for none.
    pub(crate) channel: u16,
    /// Index in the [tabs](super::profile::Vocabulary::tabs); `u16::MAX` for none.
    pub(crate) tab: u16,
    /// The eighth of the day in the lowest three bits, then flags; the code of the age
    /// in the highest eight.
    pub(crate) marks: u16,
    /// The province and device class, as [`Context::number`] encodes them.
    pub(crate) origin: u16,
}

pub(super) const UNKNOWN_PRODUCT: u16 = 1 << 3;
pub(super) const UNKNOWN_CHANNEL: u16 = 1 << 4;
pub(super) const UNKNOWN_TAB: u16 = 1 << 5;
pub(super) const IMPRESSION: u16 = 1 << 6;
pub(super) const WEEKEND: u16 = 1 << 7;
pub(super) const AGE_FROM: u32 = 8;

/// Days within which actions count as lately, twice.
pub(super) const MONTH_DAYS: i64 = 30;
pub(super) const FORTNIGHT_DAYS: i64 = 14;

impl Deed {
    pub(super) fn is(self, mark: u16) -> bool {
        self.marks & mark != 0
    }

    /// The product's place in the catalogue.
    pub(crate) fn place(self) -> Option<usize> {
        (self.product != u32::MAX).then_some(self.product as usize)
    }

    /// An action or an impression, some days old.
    #[cfg(test)]
    pub(crate) fn aged(product: u32, is_impression: bool, days: i64) -> Self {
        let marks = if is_impression { IMPRESSION } else { 0 } | u16::from(Age::of(days).code()) << AGE_FROM;
        Self { product, marks, ..Self::default() }
    }

    /// The event's age.
    pub(crate) fn age(self) -> Age {
        let [_, code] = self.marks.to_le_bytes();
        Age(code)
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
        let Self { product, weight, channel, tab, marks, origin } = self;
        (self.age(), product, channel, tab, marks, origin, weight)
    }

    /// Whether it is an impression of the last `days`.
    pub(crate) fn is_shown_within(self, days: i64) -> bool {
        self.is(IMPRESSION) && self.age().days() < days
    }

    /// Whether it is an action of the last `days`.
    pub(crate) fn is_done_within(self, days: i64) -> bool {
        !self.is(IMPRESSION) && self.age().days() < days
    }
}

/// An event's age in Korean days, in a byte: whole days up to 127, then steps of eight days up to
/// three years, more than any weight remembers to a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age(u8);

/// Codes up to this one are whole days.
const WHOLE_DAYS: i64 = 128;
/// Days of a step beyond.
const STEP_DAYS: i64 = 8;

impl Age {
    /// The age of these days.
    pub(crate) fn of(days: i64) -> Self {
        let beyond = (days - WHOLE_DAYS).max(0) / STEP_DAYS;
        Self(u8::try_from(days.clamp(0, WHOLE_DAYS) + beyond).unwrap_or(u8::MAX))
    }

    /// All ages, from today.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// The days; of a step its first.
    pub(crate) fn days(self) -> i64 {
        let code = i64::from(self.0);
        code.min(WHOLE_DAYS) + (code - WHOLE_DAYS).max(0) * STEP_DAYS
    }

    pub(super) fn code(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_whole_days_for_four_months_and_then_within_eight() {
        for (days, kept) in
            [(-3, 0), (0, 0), (29, 29), (127, 127), (128, 128), (135, 128), (136, 136), (1_144, 1_144), (99_999, 1_144)]
        {
            assert_eq!(Age::of(days).days(), kept, "{days}");
        }
        assert!(Age::all().all(|age| Age::of(age.days()) == age) && Age::all().is_sorted());
    }
}
