//! Times as files have them: texts of many spellings, and numbers that count.

use std::fmt;

use chrono::{DateTime, NaiveDate};
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};

use super::Zone;
use super::number::narrow;

/// What of a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// An instant.
    At(UnixMillis),
    /// A date and a clock's time in some zone: milliseconds from 1970 on as if it were UTC.
    Local(i64),
    /// A date: milliseconds from 1970 on to its midnight, as if it were UTC.
    Date(i64),
    /// A clock's time: milliseconds from midnight, up to 30 hours for broadcast hours.
    Clock(i64),
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |f: &mut fmt::Formatter<'_>, ms: i64| {
            write!(f, "{:02}:{:02}:{:02}", ms / HOUR_MS, ms / MINUTE_MS % 60, ms / SECOND_MS % 60)
        };
        let day = |ms: i64| DateTime::from_timestamp_millis(ms).map(|at| at.date_naive());
        match *self {
            Self::At(at) => at.fmt(f),
            Self::Clock(ms) => clock(f, ms),
            Self::Date(ms) => day(ms).map_or(Ok(()), |day| day.fmt(f)),
            Self::Local(ms) => {
                day(ms).map_or(Ok(()), |day| write!(f, "{day} "))?;
                clock(f, ms.rem_euclid(DAY_MS))
            }
        }
    }
}

/// How a time was read that can be read in one way only by those who know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Seconds, or thousandths, millionths or milliardths of them, since 1970.
    SinceEpoch,
    /// Days since 1899-12-30, as spreadsheets count them.
    Serial,
}

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// What is written.
    pub written: Written,
    /// How long it lasts, in milliseconds, where an end is written beside it: `10:00 ~ 11:00`.
    pub lasts_ms: Option<i64>,
    /// Whether the hour was 24 to 29: the next day's small hours.
    pub past_midnight: bool,
    /// How it was read, where it is a number.
    pub counted: Option<Counted>,
}

impl Time {
    /// A time of what is written and nothing else.
    pub(crate) fn of(written: Written) -> Self {
        Self { written, lasts_ms: None, past_midnight: false, counted: None }
    }
}

/// Reads a time out of a text: RFC 3339 and what `docs/input.md` lists beside it. `None` where it is none.
pub fn parse_time(text: &str) -> Option<Time> {
    let text = text.trim();
    match UnixMillis::parse_rfc3339(text) {
        Some(at) => Some(Time::of(Written::At(at))),
        None => parse_other(&narrow(text)).or_else(|| rfc_2822(text)),
    }
}

/// Reads a time out of a whole number: `20261122203000`, or what counts from 1970 on. Its digits tell which: of seconds there are ten until the year 2286.
pub fn whole_time(number: i128) -> Option<Time> {
    if number < 0 {
        return None;
    }
    let digits = number.to_string();
    compact(&digits).or_else(|| {
        let number = i64::try_from(number).ok()?;
        let ms = match digits.len() {
            10 => number.checked_mul(SECOND_MS)?,
            13 => number,
            16 => number / 1_000,
            19 => number / 1_000_000,
            _ => return None,
        };
        Some(Time { counted: Some(Counted::SinceEpoch), ..Time::of(Written::At(UnixMillis(ms))) })
    })
}

/// Days from 1899-12-30, the spreadsheets' first, to 1970.
const SERIAL_EPOCH: f64 = 25_569.0;
/// Days that spreadsheets give the years 1990 to 2100.
const SERIALS: std::ops::Range<f64> = 32_874.0..73_416.0;

/// Reads a time out of a number with a fraction: a spreadsheet's days, or seconds since 1970.
pub fn real_time(number: f64) -> Option<Time> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from float holds at the ends of the range")]
    let whole = |number: f64| number.round() as i64;
    if SERIALS.contains(&number) {
        // To the second: a day's fraction has no more to tell in 15 digits, and Excel shows none.
        let seconds = whole((number - SERIAL_EPOCH) * 86_400.0);
        let written =
            if number.fract() == 0.0 { Written::Date } else { Written::Local }(seconds.checked_mul(SECOND_MS)?);
        return Some(Time { counted: Some(Counted::Serial), ..Time::of(written) });
    }
    if number.fract() == 0.0 && number.abs() < 1e17 {
        return whole_time(whole(number).into());
    }
    let ms = match number {
        1e9..1e10 => number * 1_000.0,
        1e12..1e13 => number,
        _ => return None,
    };
    Some(Time { counted: Some(Counted::SinceEpoch), ..Time::of(Written::At(UnixMillis(whole(ms)))) })
}

/// `20261122203000`, with thousandths or without seconds; `20261122` is a date.
fn compact(digits: &str) -> Option<Time> {
    if !matches!(digits.len(), 8 | 12 | 14 | 17) {
        return None;
    }
    let mut rest = Cursor::new(digits);
    let date = rest.date_of(4, None)?;
    if rest.rest.is_empty() {
        return Some(Time::of(Written::Date(date)));
    }
    let clock = rest.compact_clock()?;
    Some(Time { past_midnight: clock >= DAY_MS, ..Time::of(Written::Local(date + clock)) })
}

/// `Sun, 22 Nov 2026 11:00:00 GMT`.
fn rfc_2822(text: &str) -> Option<Time> {
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Time::of(Written::At(UnixMillis(at.timestamp_millis()))))
}

fn parse_other(text: &str) -> Option<Time> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().and_then(whole_time);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.matches('.').count() == 1 {
        return text.parse().ok().and_then(real_time);
    }
    let mut rest = Cursor::new(text);
    let date = rest.date();
    if date.is_some() {
        rest.weekday();
        if rest.rest.is_empty() {
            return date.map(|date| Time::of(Written::Date(date)));
        }
        rest.take(|c| matches!(c, 'T' | 't' | ' ' | ','));
        rest.spaces();
    }
    let clock = rest.clock(date.is_some())?;
    let is_halved = rest.is_halved;
    let lasts_ms = rest.until(date.is_some()).map(|until| match (until - clock).rem_euclid(DAY_MS) {
        // `오후 1:00 ~ 2:00` says once which half of the day it is.
        lasts if is_halved && lasts >= HALF_DAY_MS => lasts - HALF_DAY_MS,
        lasts => lasts,
    });
    rest.spaces();
    let zone = match rest.rest {
        "" => None,
        // Java writes the zone's name behind the offset.
        named => Some(Zone::parse(named.split_once('[').map_or(named, |(offset, _)| offset))?),
    };
    let written = match (date, zone) {
        (Some(date), Some(zone)) => Written::At(zone.instant(date + clock)?),
        (Some(date), None) => Written::Local(date + clock),
        (None, None) => Written::Clock(clock),
        (None, Some(_)) => return None,
    };
    Some(Time { lasts_ms, past_midnight: clock >= DAY_MS, ..Time::of(written) })
}

const HALF_DAY_MS: i64 = 12 * HOUR_MS;

/// The part of a time that is still to be read.
struct Cursor<'a> {
    rest: &'a str,
    /// Whether a clock's half of the day was written.
    is_halved: bool,
}

impl<'a> Cursor<'a> {
    fn new(rest: &'a str) -> Self {
        Self { rest, is_halved: false }
    }

    fn take(&mut self, accepts: impl Fn(char) -> bool) -> bool {
        match self.rest.strip_prefix(accepts) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if found {
            self.rest = self.rest.get(word.len()..).unwrap_or_default();
        }
        found
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.take(|found| found == c).then_some(())
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let (mut number, mut count) = (0, 0);
        while count < most {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(10)) else { break };
            self.take(|_| true);
            number = number * 10 + i64::from(digit);
            count += 1;
        }
        (count >= least).then_some(number)
    }

    /// A date of digits with `mark` between them, or none.
    fn date_of(&mut self, year_digits: usize, mark: Option<char>) -> Option<i64> {
        let year = self.digits(year_digits, 4)?;
        let least = if mark.is_some() { 1 } else { 2 };
        let mut part = || {
            if let Some(mark) = mark {
                self.expect(mark)?;
                self.spaces();
            }
            self.digits(least, 2)
        };
        let (month, day) = (part()?, part()?);
        midnight(year, month, day)
    }

    /// `2026-11-22`, `2026.11.22`, `2026. 11. 22.`, `2026/11/22`, `2026년 11월 22일`, `20261122`; where it is none, nothing is read.
    fn date(&mut self) -> Option<i64> {
        let whole = self.rest;
        let after_year = whole.get(4..)?.chars().next()?;
        let date = match after_year {
            '-' | '/' => self.date_of(4, Some(after_year)),
            '.' => self.date_of(4, Some('.')).inspect(|_| {
                self.take(|c| c == '.');
            }),
            '년' => self.korean_date(),
            '0' | '1' => self.date_of(4, None),
            _ => None,
        };
        if date.is_none() {
            self.rest = whole;
        }
        date
    }

    fn korean_date(&mut self) -> Option<i64> {
        let year = self.digits(4, 4)?;
        self.expect('년')?;
        self.spaces();
        let month = self.digits(1, 2)?;
        self.expect('월')?;
        self.spaces();
        let day = self.digits(1, 2)?;
        self.expect('일')?;
        midnight(year, month, day)
    }

    /// `(일)`, ` 일요일`, `(Sun)` behind a date.
    fn weekday(&mut self) {
        const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let before = self.rest;
        self.spaces();
        let is_open = self.take(|c| c == '(');
        let is_day = DAYS.iter().any(|day| self.take_word(day)) || self.take(|c| "일월화수목금토".contains(c));
        let is_long = self.take_word("요일");
        let is_closed = !is_open || self.take(|c| c == ')');
        if !(is_day && is_closed && (is_open || is_long)) {
            self.rest = before;
        }
    }

    /// `20:30`, `20:30:00.123`, `오후 8:30`, `8:30 PM`, `20시 30분`, and behind a date `203000`.
    fn clock(&mut self, is_dated: bool) -> Option<i64> {
        let half = self.half_before();
        let hour = self.digits(1, 2)?;
        let (hour, rest_ms) = if self.take(|c| c == ':') {
            let minute = self.digits(2, 2)?;
            let second = if self.take(|c| c == ':') { self.digits(2, 2)? } else { 0 };
            let fraction = if self.take(|c| matches!(c, '.' | ',')) { self.fraction()? } else { 0 };
            (hour, rest_of_hour(minute, second)? + fraction)
        } else if self.take(|c| c == '시') {
            (hour, self.korean_minutes()?)
        } else if is_dated && half.is_none() {
            let minute = self.digits(2, 2)?;
            let second = self.digits(2, 2).unwrap_or(0);
            (hour, rest_of_hour(minute, second)?)
        } else {
            return None;
        };
        let half = half.or_else(|| self.half_after());
        self.is_halved |= half.is_some();
        let hour = match (half, hour) {
            (None, 0..=29) | (Some(false), 0..=11) | (Some(true), 13..=23) => hour,
            (Some(is_late), 12) => {
                if is_late {
                    12
                } else {
                    0
                }
            }
            (Some(true), 1..=11) => hour + 12,
            _ => return None,
        };
        Some(hour * HOUR_MS + rest_ms)
    }

    /// The clock of digits that stand close together: hours and minutes, with seconds and thousandths or without.
    fn compact_clock(&mut self) -> Option<i64> {
        let (hour, minute) = (self.digits(2, 2)?, self.digits(2, 2)?);
        let second = self.digits(2, 2).unwrap_or(0);
        let ms = self.digits(3, 3).unwrap_or(0);
        (hour <= 29).then_some(hour * HOUR_MS + rest_of_hour(minute, second)? + ms)
    }

    /// `30분 5초`, `30분`, or nothing.
    fn korean_minutes(&mut self) -> Option<i64> {
        let before = self.rest;
        self.spaces();
        let Some(minute) = self.digits(1, 2) else {
            self.rest = before;
            return Some(0);
        };
        self.expect('분')?;
        let before = self.rest;
        self.spaces();
        let second = self.digits(1, 2).filter(|_| self.take(|c| c == '초'));
        if second.is_none() {
            self.rest = before;
        }
        rest_of_hour(minute, second.unwrap_or(0))
    }

    /// Thousandths, of however many digits.
    fn fraction(&mut self) -> Option<i64> {
        let (mut ms, mut scale, mut count) = (0, 100, 0);
        while let Some(digit) = self.digits(1, 1) {
            ms += digit * scale;
            scale /= 10;
            count += 1;
        }
        (count > 0).then_some(ms)
    }

    /// Whether the clock is of the later half of the day, by what stands before it.
    fn half_before(&mut self) -> Option<bool> {
        let half = self.half();
        if half.is_some() {
            self.spaces();
        }
        half
    }

    /// ... or behind it.
    fn half_after(&mut self) -> Option<bool> {
        let before = self.rest;
        self.spaces();
        let half = self.half();
        if half.is_none() {
            self.rest = before;
        }
        half
    }

    fn half(&mut self) -> Option<bool> {
        const HALVES: [(&str, bool); 6] =
            [("오전", false), ("오후", true), ("AM", false), ("PM", true), ("a.m.", false), ("p.m.", true)];
        HALVES.into_iter().find(|(word, _)| self.take_word(word)).map(|(_, is_late)| is_late)
    }

    /// The clock's time behind a mark of duration. Behind a date a hyphen close to the time begins an offset.
    fn until(&mut self, is_dated: bool) -> Option<i64> {
        let before = self.rest;
        self.spaces();
        let is_apart = self.rest.len() < before.len();
        let is_range = self.take(|c| matches!(c, '~' | '～' | '〜' | '∼' | '–' | '—'))
            || ((!is_dated || is_apart) && self.take(|c| c == '-') && (!is_dated || self.rest.starts_with(' ')));
        let until = is_range.then(|| {
            self.spaces();
            self.clock(false)
        });
        let until = until.flatten();
        if until.is_none() {
            self.rest = before;
        }
        until
    }
}

fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    Some(i64::from(date.to_epoch_days()) * DAY_MS)
}

fn rest_of_hour(minute: i64, second: i64) -> Option<i64> {
    (minute <= 59 && second <= 59).then_some(minute * MINUTE_MS + second * SECOND_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> UnixMillis {
        UnixMillis::parse_rfc3339(text).unwrap()
    }

    /// The milliseconds of a local time, as if it were UTC.
    fn local(text: &str) -> i64 {
        at(&format!("{text}Z")).0
    }

    #[test]
    fn instants_of_every_spelling() {
        let evening = at("2026-11-22T20:00:00+09:00");
        for text in [
            // RFC 3339 and its kin; ISO 8601's basic form; PostgreSQL, BigQuery, Snowflake, Trino, Java, mail.
            "2026-11-22T20:00:00+09:00",
            "2026-11-22T11:00:00Z",
            "2026-11-22T11:00Z",
            "20261122T110000Z",
            "2026-11-22 11:00:00+00",
            "2026-11-22 20:00:00.000 +0900",
            "2026-11-22 11:00:00 UTC",
            "2026-11-22 11:00:00.000000 UTC",
            "2026-11-22 11:00 GMT",
            "2026-11-22 20:00:00 KST",
            "2026-11-22 20:00:00.000 Asia/Seoul",
            "2026-11-22T20:00:00+09:00[Asia/Seoul]",
            "2026-11-22 20:00 UTC+9",
            "2026-11-21T44:00:00Z",
            "Sun, 22 Nov 2026 11:00:00 GMT",
            // What counts from 1970 on.
            "1795345200",
            "1795345200000",
            "1795345200000000",
            "1795345200000000000",
            "1795345200.0",
        ] {
            let expected = if text.contains("T44") { None } else { Some(evening) };
            let read = parse_time(text).map(|time| time.written);
            assert_eq!(read, expected.map(Written::At), "{text}");
        }
    }

    #[test]
    fn local_times_of_every_spelling() {
        for text in [
            "2026-11-22T20:00:00",
            "2026-11-22 20:00",
            "2026-11-22 20:00:00.000",
            "2026-11-22 20:00:00,000",
            "2026.11.22 20:00",
            "2026. 11. 22 오후 8:00:00",
            "2026. 11. 22. 20:00",
            "2026/11/22 20:00:00",
            "2026/11/22  20:00",
            "2026-11-22 오후 8:00",
            "2026-11-22 오후 08:00:00",
            "2026-11-22 8:00:00 PM",
            "2026-11-22 8:00pm",
            "2026년 11월 22일 20시 00분",
            "2026년11월22일 오후 8시",
            "2026년 11월 22일(일) 20:00",
            "2026-11-22(일) 20:00",
            "2026-11-22 (Sun) 20:00",
            "2026.11.22 일요일 20:00",
            "20261122200000",
            "202611222000",
            "20261122200000000",
            "20261122 200000",
            "20261122 20:00",
            "20261122T200000",
            "２０２６－１１－２２　２０：００",
        ] {
            let time = parse_time(text);
            assert_eq!(time.map(|time| time.written), Some(Written::Local(local("2026-11-22T20:00:00"))), "{text}");
        }
        // A quarter of an hour, as a spreadsheet counts days.
        let serial = parse_time("46348.833333333336").unwrap();
        assert_eq!(
            (serial.written, serial.counted),
            (Written::Local(local("2026-11-22T20:00:00")), Some(Counted::Serial))
        );
        assert_eq!(whole_time(20_261_122_200_000).unwrap().written, Written::Local(local("2026-11-22T20:00:00")));
        assert_eq!(real_time(20_261_122_200_000.0).unwrap().written, Written::Local(local("2026-11-22T20:00:00")));
        assert_eq!(real_time(1_795_345_200.25).unwrap().written, Written::At(at("2026-11-22T20:00:00.25+09:00")));
        for (text, expected) in [
            ("2026-11-22 25:10", "2026-11-23T01:10:00"),
            ("2026.11.22 25:10", "2026-11-23T01:10:00"),
            ("20261122251000", "2026-11-23T01:10:00"),
            ("2028-02-28 29:59:59", "2028-02-29T05:59:59"),
            ("2026-11-22 오전 12:30", "2026-11-22T00:30:00"),
            ("2026-11-22 12:30 PM", "2026-11-22T12:30:00"),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(time.written, Written::Local(local(expected)), "{text}");
            assert_eq!(time.past_midnight, text.contains("25") || text.contains("29:"), "{text}");
        }
        assert!(parse_time("2026-11-22T25:10:00.25+09:00").unwrap().past_midnight);
    }

    #[test]
    fn parts_of_times_are_told_from_whole_ones() {
        let clock = |hours: i64, minutes: i64| Written::Clock(hours * HOUR_MS + minutes * MINUTE_MS);
        let day = Written::Date(local("2026-11-22T00:00:00"));
        let hours = |hours: i64| Some(hours * HOUR_MS);
        for (text, written, lasts_ms) in [
            ("20:30", clock(20, 30), None),
            ("25:10", clock(25, 10), None),
            ("오후 8:30", clock(20, 30), None),
            ("20시", clock(20, 0), None),
            ("10:00 ~ 11:00", clock(10, 0), hours(1)),
            ("10:00~11:00", clock(10, 0), hours(1)),
            ("10:00-11:00", clock(10, 0), hours(1)),
            ("10:00 – 12:00", clock(10, 0), hours(2)),
            ("23:00 ～ 01:00", clock(23, 0), hours(2)),
            ("24:00 ~ 25:00", clock(24, 0), hours(1)),
            ("오후 1:00 ~ 2:00", clock(13, 0), hours(1)),
            ("오전 11:00 ~ 오후 1:00", clock(11, 0), hours(2)),
            ("2026-11-22 20:00 ~ 21:00", Written::Local(local("2026-11-22T20:00:00")), hours(1)),
            ("2026-11-22", day, None),
            ("2026. 11. 22.", day, None),
            ("20261122", day, None),
            ("2026년 11월 22일 (일)", day, None),
            ("2026-11-22 20:00-05:00", Written::At(at("2026-11-22T20:00:00-05:00")), None),
            ("2026-11-22 20:00 -05:00", Written::At(at("2026-11-22T20:00:00-05:00")), None),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!((time.written, time.lasts_ms), (written, lasts_ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_may_be_two_is_none() {
        for bad in [
            "",
            "2026-11/22 10:00",
            "2026-11-22T30:00:00+09:00",
            "2026-11-22T25:60:00+09:00",
            "2026-02-30 10:00",
            "2026-13-01 10:00",
            "2026-11-22T25:10:00+24:00",
            "2026-11-22T25:10:00.+09:00",
            "2026-11-22 10:00 IST",
            "2026-11-22 오전 13:00",
            "2026-11-22 13:00 AM",
            "2026-11-22 10",
            "11/22/2026 20:00",
            "22.11.2026 20:00",
            "11-22 20:00",
            "11월 22일 저녁",
            "10:00 ~",
            "10:00 Asia/Seoul",
            "179534520",
            "12345",
            "0x12",
            "-1795345200",
            "어제",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        for bad in [f64::NAN, f64::INFINITY, -1.0, 0.5, 1e300, 179_534_520.5] {
            assert_eq!(real_time(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_second_is_read_from_every_way_to_write_it(seconds in 631_152_000_i64..4_102_444_800) {
            let local = DateTime::from_timestamp_millis(seconds * SECOND_MS).unwrap().naive_utc();
            let kst = UnixMillis(seconds * SECOND_MS - 9 * HOUR_MS);
            for format in ["%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y. %-m. %-d. %p %-I:%M:%S", "%Y년 %-m월 %-d일 %-H시 %-M분 %-S초", "%Y/%m/%d %H:%M:%S"] {
                let text = local.format(format).to_string();
                prop_assert_eq!(parse_time(&text).map(|time| time.written), Some(Written::Local(seconds * SECOND_MS)), "{}", text);
            }
            for format in ["%Y-%m-%dT%H:%M:%S%.3f+09:00", "%Y-%m-%d %H:%M:%S KST", "%Y%m%dT%H%M%S+0900"] {
                let text = local.format(format).to_string();
                prop_assert_eq!(parse_time(&text).map(|time| time.written), Some(Written::At(kst)), "{}", text);
            }
        }
    }
}
