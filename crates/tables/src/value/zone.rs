//! The zone of a time without an offset.

use std::fmt;
use std::str::FromStr as _;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use sinsang_core::time::{HOUR_MS, KST_OFFSET_MS, MINUTE_MS, UnixMillis};

/// A zone: an offset from UTC, or a name in IANA's database with its daylight saving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Milliseconds east of UTC.
    Offset(i64),
    /// A zone by name.
    Named(Tz),
}

impl Zone {
    /// Korean time, the default zone of times without an offset.
    pub const KOREA: Self = Self::Offset(KST_OFFSET_MS);
    /// UTC.
    pub const UTC: Self = Self::Offset(0);

    /// Parses a zone: `UTC`, `Z`, `GMT`, `KST`, an offset like `+09:00`, `+0900`, `+09` or `UTC+9`,
    /// or an IANA name like `Asia/Seoul`. `None` if it is none of these. Other abbreviations are
    /// rejected: `IST` is three zones.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = ["UTC", "GMT"].into_iter().find_map(|name| {
            let rest = text.get(name.len()..)?;
            text.get(..name.len())?.eq_ignore_ascii_case(name).then_some(rest)
        });
        match bare.unwrap_or(text) {
            "" if bare.is_some() => Some(Self::UTC),
            "Z" | "z" => Some(Self::UTC),
            "KST" | "kst" => Some(Self::KOREA),
            rest if rest.starts_with(['+', '-']) => offset(rest).map(Self::Offset),
            _ if bare.is_some() => None,
            name => Tz::from_str(name).ok().map(Self::Named),
        }
    }

    /// The local time at an instant, in the form of [`Zone::instant`]; `None` if out of range.
    pub fn local(self, at: UnixMillis) -> Option<i64> {
        match self {
            Self::Offset(ms) => at.0.checked_add(ms),
            Self::Named(tz) => {
                let utc = DateTime::from_timestamp_millis(at.0)?;
                Some(utc.with_timezone(&tz).naive_local().and_utc().timestamp_millis())
            }
        }
    }

    /// The instant of a local time, in milliseconds since 1970 as if it were UTC. If a clock shows
    /// the time twice, the first counts; if clocks skip it, it is counted on from the time before.
    /// `None` if out of range.
    pub fn instant(self, local_ms: i64) -> Option<UnixMillis> {
        let tz = match self {
            Self::Offset(ms) => return local_ms.checked_sub(ms).map(UnixMillis),
            Self::Named(tz) => tz,
        };
        let local = DateTime::from_timestamp_millis(local_ms)?.naive_utc();
        let instant = |local: NaiveDateTime| match tz.from_local_datetime(&local) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => Some(at.timestamp_millis()),
            MappedLocalTime::None => None,
        };
        let day_before = || {
            let day = TimeDelta::days(1);
            instant(local.checked_sub_signed(day)?)?.checked_add(day.num_milliseconds())
        };
        instant(local).or_else(day_before).map(UnixMillis)
    }
}

impl fmt::Display for Zone {
    /// Writes the form that [`Zone::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(0) => f.write_str("UTC"),
            Self::Offset(ms) => {
                let sign = if *ms < 0 { '-' } else { '+' };
                let minutes = ms.unsigned_abs() / MINUTE_MS.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Named(tz) => f.write_str(tz.name()),
        }
    }
}

/// Milliseconds of `+09:00`, `+0900`, `+09` or `+9`.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| {
        let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * HOUR_MS + minutes * MINUTE_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_as_they_are_written() {
        let hours = |hours: i64| Some(Zone::Offset(hours * HOUR_MS));
        for (text, zone) in [
            ("UTC", hours(0)),
            ("utc", hours(0)),
            ("GMT", hours(0)),
            ("Z", hours(0)),
            ("KST", hours(9)),
            ("+09:00", hours(9)),
            ("+0900", hours(9)),
            ("+09", hours(9)),
            ("UTC+9", hours(9)),
            ("GMT+09:00", hours(9)),
            ("-05:30", Some(Zone::Offset(-5 * HOUR_MS - 30 * MINUTE_MS))),
            ("Asia/Seoul", Some(Zone::Named(Tz::Asia__Seoul))),
        ] {
            assert_eq!(Zone::parse(text), zone, "{text}");
            if let Some(zone) = zone {
                assert_eq!(Zone::parse(&zone.to_string()), Some(zone), "{text}");
            }
        }
        for bad in ["", "IST", "+24:00", "+9:", "+090", "UTC9", "Seoul", "UTC+", "+１", "GMT Korea"] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_local_time_is_one_instant_also_where_clocks_are_changed() {
        let local = |text: &str| UnixMillis::parse_rfc3339(&format!("{text}Z")).unwrap().0;
        let at = |text: &str| UnixMillis::parse_rfc3339(text);
        let new_york = Zone::parse("America/New_York").unwrap();
        for (zone, text, instant) in [
            (Zone::KOREA, "2026-11-22T20:00:00", "2026-11-22T20:00:00+09:00"),
            (Zone::Named(Tz::Asia__Seoul), "2026-11-22T20:00:00", "2026-11-22T20:00:00+09:00"),
            (new_york, "2026-11-22T20:00:00", "2026-11-22T20:00:00-05:00"),
            (new_york, "2026-07-22T20:00:00", "2026-07-22T20:00:00-04:00"),
            // Shown twice, and skipped.
            (new_york, "2026-11-01T01:30:00", "2026-11-01T01:30:00-04:00"),
            (new_york, "2026-03-08T02:30:00", "2026-03-08T02:30:00-05:00"),
        ] {
            assert_eq!(zone.instant(local(text)), at(instant), "{zone} {text}");
            let back = zone.local(at(instant).unwrap());
            assert!(back == Some(local(text)) || text == "2026-03-08T02:30:00", "{zone} {text}");
        }
        for far in [i64::MIN, i64::MAX] {
            let _ = (
                new_york.instant(far),
                new_york.local(UnixMillis(far)),
                Zone::KOREA.local(UnixMillis(far)),
                Zone::KOREA.instant(far),
                Zone::Offset(-1).instant(far),
            );
        }
    }
}
