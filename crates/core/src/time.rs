//! Instants and Korean days. Nothing here reads a clock: callers pass `now`.

#[allow(clippy::arithmetic_side_effects, reason = "sums of numbers of a few digits, which i64 holds with room")]
mod calendar;

use std::fmt;

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day. Korea keeps no daylight saving time, so every Korean day has this length.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// The tolerated difference between clocks of different machines, in milliseconds; a time further
/// ahead comes from a wrong clock.
pub const CLOCK_LEEWAY_MS: i64 = 5 * MINUTE_MS;
/// Korea's offset from UTC, in milliseconds.
pub const KST_OFFSET_MS: i64 = 9 * HOUR_MS;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Converts from whole seconds since the epoch, the unit of packs.
    pub fn from_seconds(seconds: u32) -> Self {
        Self(i64::from(seconds).saturating_mul(SECOND_MS))
    }

    /// Whole seconds since the epoch, clamped to the range of packs (1970 to 2106).
    pub fn to_seconds(self) -> u32 {
        u32::try_from(self.0.div_euclid(SECOND_MS).max(0)).unwrap_or(u32::MAX)
    }

    /// This instant moved by `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The start of the `step_ms` interval that contains this instant, counted from the epoch. A
    /// step below 1 counts as 1.
    #[must_use]
    pub fn floor(self, step_ms: i64) -> Self {
        let step = step_ms.max(1);
        Self(self.0.saturating_sub(self.0.rem_euclid(step)))
    }

    /// The hour of the Korean day, 0 to 23.
    pub fn kst_hour(self) -> u8 {
        let hour = self.0.saturating_add(KST_OFFSET_MS).rem_euclid(DAY_MS).div_euclid(HOUR_MS);
        u8::try_from(hour).unwrap_or(0)
    }

    /// The Korean day, in days since 1970-01-01.
    pub fn kst_day(self) -> i64 {
        self.0.saturating_add(KST_OFFSET_MS).div_euclid(DAY_MS)
    }

    /// The start of the Korean day.
    #[must_use]
    pub fn kst_midnight(self) -> Self {
        self.plus(KST_OFFSET_MS).floor(DAY_MS).plus(-KST_OFFSET_MS)
    }

    /// Parses RFC 3339 with any offset; `None` if the text is not RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        calendar::parse(text).map(Self)
    }

    /// Parses RFC 3339 from a query, where an unescaped `+` has become a space:
    /// `2026-11-22T11:00:00 09:00` has the offset +09:00. `None` if the text is not RFC 3339 even
    /// then.
    pub fn parse_from_query(text: &str) -> Option<Self> {
        const OFFSET_BYTES: usize = " 09:00".len();
        let (time, offset) = text.len().checked_sub(OFFSET_BYTES).and_then(|at| text.split_at_checked(at))?;
        match offset.strip_prefix(' ') {
            Some(offset) => Self::parse_rfc3339(&[time, offset].join("+")),
            None => Self::parse_rfc3339(text),
        }
    }

    /// RFC 3339 in Korean time, to the second: `2026-11-22T20:00:00+09:00`. Years are clamped to 0
    /// to 9999.
    pub fn to_kst_rfc3339(self) -> String {
        calendar::text(self.0.saturating_add(KST_OFFSET_MS), "+09:00")
    }

    /// RFC 3339 in UTC, to the millisecond: `2026-11-22T11:00:00.250Z`. Years are clamped to 0 to
    /// 9999.
    pub fn to_utc_rfc3339(self) -> String {
        let ms = calendar::clamped(self.0);
        calendar::text(ms, &format!(".{:03}Z", ms.rem_euclid(SECOND_MS)))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_kst_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_read_in_any_offset_and_written_in_korean_time() {
        let at = UnixMillis::parse_rfc3339("2026-11-22T11:00:00.250Z").unwrap();
        assert_eq!(at.to_kst_rfc3339(), "2026-11-22T20:00:00+09:00");
        assert_eq!(at, UnixMillis::parse_rfc3339("2026-11-22T20:00:00.25+09:00").unwrap());
        assert_eq!(at.to_utc_rfc3339(), "2026-11-22T11:00:00.250Z");
        for bad in ["", "2026-11-22", "2026-11-22T25:10:00+09:00", "어제", "2026-11-22T20:00:00"] {
            assert_eq!(UnixMillis::parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_plus_that_was_not_escaped_in_a_query_is_a_plus() {
        let at = UnixMillis::parse_rfc3339("2026-11-22T11:00:00+09:00");
        for same in [
            "2026-11-22T11:00:00+09:00",
            "2026-11-22T11:00:00 09:00",
            "2026-11-22T11:00:00.000 09:00",
            "2026-11-22t02:00:00z",
            "2026-11-22T02:00:00Z",
            "2026-11-21T21:00:00-05:00",
            "2026-11-22T02:00:00 00:00",
        ] {
            assert_eq!(UnixMillis::parse_from_query(same), at, "{same}");
        }
        // A space anywhere else is not read as a `+`.
        for bad in [
            "",
            " 09:00",
            "2026-11-22 09:00",
            "2026-11-22T11:00 09:00",
            "2026-11-22T11:00:00  09:00",
            "2026-11-22T11:00:00 9:00",
            "2026-11-22T11:00:00 09:00 09:00",
            "2026-11-22T11:00:00+ 09:00",
            "2026-11-22T11:00:00",
            "시간 09:00",
            "간간간",
        ] {
            assert_eq!(UnixMillis::parse_from_query(bad), None, "{bad}");
        }
    }

    #[test]
    fn korean_hours_and_days_turn_at_fifteen_utc() {
        let before = UnixMillis::parse_rfc3339("2026-11-22T14:59:59Z").unwrap();
        let after = before.plus(SECOND_MS);
        assert_eq!((before.kst_hour(), after.kst_hour()), (23, 0));
        assert_eq!(after.kst_day(), before.kst_day() + 1);
        assert_eq!((after.kst_midnight(), before.kst_midnight()), (after, after.plus(-DAY_MS)));
    }

    #[test]
    fn the_far_ends_neither_overflow_nor_panic() {
        for at in [UnixMillis(i64::MIN), UnixMillis(i64::MAX)] {
            assert!(!at.to_kst_rfc3339().is_empty());
            assert_eq!(at.to_utc_rfc3339().len(), 24);
            let _ =
                (at.kst_hour(), at.kst_day(), at.to_seconds(), at.plus(i64::MAX), at.since(UnixMillis(1)), at.floor(0));
        }
    }
}
