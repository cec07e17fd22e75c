//! Counts by Korean day, and the days on which something is missing.

use std::collections::BTreeMap;

use sinsang_core::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};

/// Days on either side of a day that define its usual count.
const NEIGHBOURS: i64 = 7;
/// Weeks whose same weekday defines a day's usual count.
const WEEKS: [i64; 6] = [-3, -2, -1, 1, 2, 3];
/// A day with less than this share of its usual count is thin.
const THIN_SHARE: f64 = 0.3;

/// Counts by Korean day.
#[derive(Clone, Debug, Default)]
pub(super) struct Days(BTreeMap<i64, u64>);

impl Days {
    /// Counts one more on the day of `at`.
    pub(super) fn add(&mut self, at: UnixMillis) {
        *self.0.entry(at.kst_day()).or_default() += 1;
    }

    /// The first day.
    pub(super) fn first(&self) -> Option<i64> {
        self.0.first_key_value().map(|(day, _)| *day)
    }

    /// The last day up to `until`.
    pub(super) fn last(&self, until: i64) -> Option<i64> {
        self.0.range(..=until).next_back().map(|(day, _)| *day)
    }

    /// Non-empty days up to `until`.
    pub(super) fn active(&self, until: i64) -> i64 {
        i64::try_from(self.0.range(..=until).count()).unwrap_or(i64::MAX)
    }

    /// The share of non-empty days from the first to the last, up to `until`; 0 if there are none.
    pub(super) fn regularity(&self, until: i64) -> f64 {
        let (Some(first), Some(last)) = (self.first(), self.last(until)) else { return 0.0 };
        if last < first { 0.0 } else { ratio(self.active(until), last - first + 1) }
    }

    /// The largest step in days from one non-empty day to the next, up to `until`.
    pub(super) fn largest_step(&self, until: i64) -> i64 {
        let days = self.0.range(..=until).map(|(day, _)| *day);
        days.clone().zip(days.skip(1)).map(|(day, next)| next - day).max().unwrap_or(1)
    }

    /// Whether `day` has a count.
    pub(super) fn has(&self, day: i64) -> bool {
        self.0.contains_key(&day)
    }

    /// Empty days between non-empty ones, up to `until`. A weekday that is always empty is not
    /// lost.
    pub(super) fn lost(&self, until: i64) -> Vec<i64> {
        let (Some(first), Some(last)) = (self.first(), self.last(until)) else { return Vec::new() };
        let is_off = |day: i64| {
            let mut same =
                WEEKS.iter().map(|weeks| day + weeks * 7).filter(|day| (first..=last).contains(day)).peekable();
            same.peek().is_some() && !same.any(|day| self.has(day))
        };
        (first..last).filter(|day| !self.has(*day) && !is_off(*day)).collect()
    }

    /// Days with far fewer counts than the days around them, and than the same weekday of the weeks
    /// around, each with its count and the usual one. The first and the last day are left out, as
    /// they may be partial.
    pub(super) fn thin(&self, until: i64) -> Vec<(i64, u64, u64)> {
        let (Some(first), Some(last)) = (self.first(), self.last(until)) else { return Vec::new() };
        let inner = self.0.iter().filter(|(day, _)| (first + 1..last).contains(*day));
        let judged = inner.filter_map(|(&day, &count)| {
            let around = self.0.range(day - NEIGHBOURS..=day + NEIGHBOURS);
            let mut around: Vec<u64> = around.filter(|(other, _)| **other != day).map(|(_, count)| *count).collect();
            let usual = if around.len() >= 6 { median(&mut around)? } else { return None };
            let mut same: Vec<u64> = WEEKS.iter().filter_map(|weeks| self.0.get(&(day + weeks * 7)).copied()).collect();
            let usual = usual.min(median(&mut same).unwrap_or(usual));
            #[expect(clippy::cast_precision_loss, reason = "a share for judging")]
            let is_thin = usual >= 10 && (count as f64) < usual as f64 * THIN_SHARE;
            is_thin.then_some((day, count, usual))
        });
        judged.collect()
    }
}

/// The median; `None` if there are no values.
pub(super) fn median<N: Copy + Ord>(of: &mut [N]) -> Option<N> {
    of.sort_unstable();
    of.get(of.len() / 2).copied()
}

/// A ratio of counts; 0 if the divisor is 0.
#[expect(clippy::cast_precision_loss, reason = "a share for judging")]
pub(super) fn ratio(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A Korean day in text: `2026-11-22`.
pub(super) fn day_text(day: i64) -> String {
    let at = UnixMillis(day.saturating_mul(DAY_MS).saturating_sub(KST_OFFSET_MS)).to_kst_rfc3339();
    at.split_once('T').map_or(at.clone(), |(day, _)| day.to_owned())
}

/// Some of the days in text, and the number of the rest.
pub(super) fn days_text(days: &[i64]) -> String {
    const NAMED: usize = 5;
    let mut names: Vec<String> = days.iter().take(NAMED).map(|day| day_text(*day)).collect();
    if days.len() > NAMED {
        names.push(format!("and {} more", days.len() - NAMED));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(counts: &[(i64, u64)]) -> Days {
        Days(counts.iter().copied().collect())
    }

    #[test]
    fn days_that_are_missing_or_thin_are_named_and_ends_are_not() {
        let full = |day| (day, 100);
        let mut counts: Vec<(i64, u64)> = (1..=20).map(full).collect();
        counts[0].1 = 3;
        counts[19].1 = 2;
        let whole = days(&counts);
        assert!(whole.lost(99).is_empty() && whole.thin(99).is_empty(), "the first and the last day may be cut");
        counts[9].1 = 20;
        counts.remove(4);
        let holed = days(&counts);
        assert_eq!(holed.lost(99), [5]);
        assert_eq!(holed.thin(99), [(10, 20, 100)]);
        assert_eq!(holed.largest_step(99), 2);
        assert!((holed.regularity(99) - 0.95).abs() < 1e-9);
        assert!(holed.lost(4).is_empty(), "what lies behind the day asked for is not judged");
        let one = days(&[(7, 50)]);
        assert!(one.lost(99).is_empty() && one.thin(99).is_empty());
        assert!(days(&[]).lost(99).is_empty());
        let to_come = days(&[(7, 50), (9, 50)]);
        assert!(to_come.lost(3).is_empty() && to_come.thin(3).is_empty() && to_come.thin(7).is_empty());
    }

    #[test]
    fn a_day_of_the_week_that_is_short_or_off_is_neither_thin_nor_lost() {
        let of_week = |sunday: Option<u64>| {
            let counts = (1..=40).filter_map(move |day| Some((day, if day % 7 == 0 { sunday? } else { 100 })));
            Days(counts.collect())
        };
        assert!(of_week(Some(12)).thin(99).is_empty() && of_week(None).lost(99).is_empty());
        let mut short = of_week(Some(80));
        short.0.insert(21, 12);
        short.0.remove(&14);
        assert_eq!((short.lost(99), short.thin(99)), (vec![14], vec![(21, 12, 80)]));
    }

    #[test]
    fn days_are_written_as_people_write_them() {
        let day = UnixMillis::parse_rfc3339("2026-11-22T00:10:00+09:00").unwrap().kst_day();
        assert_eq!(day_text(day), "2026-11-22");
        let many: Vec<i64> = (day..day + 7).collect();
        assert!(days_text(&many).ends_with("2026-11-26, and 2 more"), "{}", days_text(&many));
    }
}
