//! Reach of the records: the days for which each shop's schedule is known.
//!
//! It counts days with a recorded broadcast instead of measuring from the first one: a single row
//! from years ago says nothing about the years after it, and broadcasts during a gap are unknown.

use std::collections::BTreeMap;

use sinsang_core::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};

/// The longest gap within one stretch of the records, in days. Records before a longer gap do not
/// count as the beginning of the history.
const LONGEST_HOLE: i64 = 28;

/// Distinct Korean days, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Days(Vec<i64>);

impl Days {
    fn insert(&mut self, day: i64) {
        if let Err(place) = self.0.binary_search(&day) {
            self.0.insert(place, day);
        }
    }

    /// Number of days before the day of `now`, which is incomplete.
    fn before(&self, now: UnixMillis) -> u32 {
        u32::try_from(self.0.partition_point(|&day| day < now.kst_day())).unwrap_or(u32::MAX)
    }
}

/// The days on which each shop has a broadcast on record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    shops: BTreeMap<String, Days>,
    all: Days,
}

impl Reach {
    /// Records a broadcast of `shop`.
    pub fn note(&mut self, shop: &str, starts_at: UnixMillis) {
        self.note_day(shop, starts_at.kst_day());
    }

    /// Records a day of `shop`, numbered as by [`UnixMillis::kst_day`].
    pub fn note_day(&mut self, shop: &str, day: i64) {
        match self.shops.get_mut(shop) {
            Some(days) => days.insert(day),
            None => {
                self.shops.insert(shop.to_owned(), Days(vec![day]));
            }
        }
        self.all.insert(day);
    }

    /// Start of the first day of the latest stretch of all shops' records without a gap of more
    /// than 28 days.
    pub fn since(&self) -> Option<UnixMillis> {
        let mut days = self.all.0.iter().rev();
        let mut first = *days.next()?;
        for &day in days {
            if first - day > LONGEST_HOLE {
                break;
            }
            first = day;
        }
        Some(UnixMillis(first * DAY_MS - KST_OFFSET_MS))
    }

    /// Number of recorded days before the day of `now`.
    pub fn days(&self, now: UnixMillis) -> u32 {
        self.all.before(now)
    }

    /// Number of recorded days of `shop` before the day of `now`.
    pub fn shop_days(&self, shop: &str, now: UnixMillis) -> u32 {
        self.shops.get(shop).map_or(0, |days| days.before(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        UnixMillis::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn days_with_rows_count_and_neither_a_single_old_row_nor_a_hole_does() {
        let now = at("2026-11-22T00:30:00+09:00");
        let mut reach = Reach::default();
        assert_eq!((reach.since(), reach.days(now), reach.shop_days("가", now)), (None, 0, 0));
        reach.note("가", at("2016-11-20T10:00:00+09:00"));
        for back in (1..=5).chain(55..=60) {
            reach.note("가", now.plus(-back * DAY_MS));
            reach.note("가", now.plus(-back * DAY_MS));
        }
        reach.note("나", now.plus(-3 * DAY_MS));
        reach.note("나", now.plus(-7 * DAY_MS));
        reach.note("나", now.plus(2 * DAY_MS));
        assert_eq!(
            (reach.shop_days("가", now), reach.shop_days("나", now)),
            (12, 2),
            "what is to come is not known yet"
        );
        assert_eq!(reach.days(now), 13, "each day once");
        assert_eq!(reach.since(), Some(at("2026-11-15T00:00:00+09:00")), "after the hole");
        let mut near = reach.clone();
        near.note("다", now.plus(-30 * DAY_MS));
        assert_eq!(near.since(), Some(at("2026-09-23T00:00:00+09:00")), "two holes of 25 and 23 days");
    }
}
