//! Parsers of times as files write them: texts of many spellings, and numeric timestamps.

use std::fmt;

use chrono::{DateTime, NaiveDate};
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};

use super::Zone;
use super::number::narrow;

/// The written part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// An instant.
    At(UnixMillis),
    /// A date and a clock time in an unknown zone: milliseconds since 1970 as if it were UTC.
    Local(i64),
    /// A date: milliseconds from 1970 to its midnight, as if it were UTC.
    Date(i64),
    /// A clock time: milliseconds from midnight, up to 30 hours for broadcast hours.
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

/// How a numeric time was interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Seconds, milliseconds, microseconds or nanoseconds since 1970.
    SinceEpoch,
    /// Days since 1899-12-30, a spreadsheet's day count.
    Serial,
}

/// A parsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// The written part.
    pub written: Written,
    /// Duration in milliseconds, if an end is written beside it: `10:00 ~ 11:00`.
    pub lasts_ms: Option<i64>,
    /// Whether the hour was 24 to 29, so the time is after midnight.
    pub past_midnight: bool,
    /// How it was interpreted, if it is a number.
    pub counted: Option<Counted>,
}

impl Time {
    /// A time with only a written part.
    pub(crate) fn of(written: Written) -> Self {
        Self { written, lasts_ms: None, past_midnight: false, counted: None }
    }
}

/// Parses a time in RFC 3339 or in another format of `docs/input.md`; `None` if it is not a time.
pub fn parse_time(text: &str) -> Option<Time> {
    let text = text.trim();
    match UnixMillis::parse_rfc3339(text) {
        Some(at) => Some(Time::of(Written::At(at))),
        None => parse_other(&narrow(text)).or_else(|| rfc_2822(text)),
    }
}

/// Parses a time from an integer: `20261122203000`, or a count since 1970. The number of digits
/// decides: seconds have ten until the year 2286.
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

/// Days from 1899-12-30, the spreadsheets' epoch, to 1970.
const SERIAL_EPOCH: f64 = 25_569.0;
/// The day counts of spreadsheets for the years 1990 to 2100.
const SERIALS: std::ops::Range<f64> = 32_874.0..73_416.0;

/// Parses a time from a number with a fraction: a spreadsheet's days, or seconds since 1970.
pub fn real_time(number: f64) -> Option<Time> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from float holds at the ends of the range")]
    let whole = |number: f64| number.round() as i64;
    if SERIALS.contains(&number) {
        // Rounded to the second: a day's fraction in 15 digits has no more precision, and Excel
        // shows no more.
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

/// Parses `20261122203000`, with milliseconds or without seconds; `20261122` is a date.
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

/// Parses `Sun, 22 Nov 2026 11:00:00 GMT`.
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
        // `오후 1:00 ~ 2:00` gives the half of the day once.
        lasts if is_halved && lasts >= HALF_DAY_MS => lasts - HALF_DAY_MS,
        lasts => lasts,
    });
    rest.spaces();
    let zone = match rest.rest {
        "" => None,
        // Java writes the zone's name after the offset.
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

/// The unread rest of a time's text.
struct Cursor<'a> {
    rest: &'a str,
    /// Whether a clock had its half of the day.
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

    /// Reads a date of digits with `mark` between them, or with nothing if `None`.
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

    /// Reads `2026-11-22`, `2026.11.22`, `2026. 11. 22.`, `2026/11/22`, `2026년 11월 22일`,
    /// `20261122`; if it is not a date, reads nothing.
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

    /// Skips `(일)`, ` 일요일`, `(Sun)` after a date.
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

    /// Reads `20:30`, `20:30:00.123`, `오후 8:30`, `8:30 PM`, `20시 30분`, and after a date `203000`.
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

    /// Reads a clock of consecutive digits: hours and minutes, optionally seconds and milliseconds.
    fn compact_clock(&mut self) -> Option<i64> {
        let (hour, minute) = (self.digits(2, 2)?, self.digits(2, 2)?);
        let second = self.digits(2, 2).unwrap_or(0);
        let ms = self.digits(3, 3).unwrap_or(0);
        (hour <= 29).then_some(hour * HOUR_MS + rest_of_hour(minute, second)? + ms)
    }

    /// Reads `30분 5초`, `30분`, or nothing.
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

    /// Reads a fraction of any number of digits as milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        let (mut ms, mut scale, mut count) = (0, 100, 0);
        while let Some(digit) = self.digits(1, 1) {
            ms += digit * scale;
            scale /= 10;
            count += 1;
        }
        (count > 0).then_some(ms)
    }

    /// Reads the half of the day before a clock; `true` for the afternoon.
    fn half_before(&mut self) -> Option<bool> {
        let half = self.half();
        if half.is_some() {
            self.spaces();
        }
        half
    }

    /// Reads the half of the day after a clock.
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

    /// Reads the clock time after a range mark. After a date, a hyphen right after the time begins
    /// an offset.
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
mod tests;
