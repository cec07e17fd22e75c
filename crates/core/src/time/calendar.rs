//! RFC 3339 and the proleptic Gregorian calendar, as far as the edge needs them.
//!
//! Every byte of Wasm costs: a library's parser brings in checks of slices, names of months and
//! time zones, some 4 KB of the Worker after gzip. The tests compare this one with chrono.

use super::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: i64,
    /// 1 to 31.
    pub(super) day: i64,
}

impl Date {
    /// The date of a day, counted from 1970-01-01.
    ///
    /// Years begin in March here, so that a leap day is the last one of a year; an era has 400 of
    /// them (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
    pub(super) fn of_day(days: i64) -> Self {
        let days = days + EPOCH_DAYS;
        let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        Self { year, month, day: of_year - (153 * shifted + 2) / 5 + 1 }
    }

    /// The day, counted from 1970-01-01; `None` if the calendar has no such date. The inverse of
    /// [`Self::of_day`].
    fn to_day(self) -> Option<i64> {
        let Self { year, month, day } = self;
        let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * shifted + 2) / 5 + day - 1;
        let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
        (Self::of_day(days) == self).then_some(days)
    }
}

/// The text that is still to be read.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    /// Takes the next byte if it is one of `wanted`.
    #[inline(never)]
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        wanted.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Takes a number of so many digits, at most `most`.
    #[inline(never)]
    fn number(&mut self, digits: usize, most: i64) -> Option<i64> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + i64::from(self.one_of(b"0123456789")? - b'0');
        }
        (number <= most).then_some(number)
    }
}

/// Parses RFC 3339 with any offset, to milliseconds since 1970; digits beyond them are cut off.
/// A leap second is the second after it.
#[inline(never)]
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.number(4, 9_999)?;
    rest.one_of(b"-")?;
    let month = rest.number(2, 12)?;
    rest.one_of(b"-")?;
    let day = rest.number(2, 31)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2, 23)?;
    rest.one_of(b":")?;
    let minute = rest.number(2, 59)?;
    rest.one_of(b":")?;
    let second = rest.number(2, 60)?;
    let mut ms = 0;
    if rest.one_of(b".").is_some() {
        let mut unit = 100;
        ms = rest.number(1, 9)? * unit;
        while let Some(digit) = rest.number(1, 9) {
            unit /= 10;
            ms += digit * unit;
        }
    }
    let mut offset = 0;
    if rest.one_of(b"Zz").is_none() {
        let sign = if rest.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = rest.number(2, 23)?;
        rest.one_of(b":")?;
        offset = sign * (hours * HOUR_MS + rest.number(2, 59)? * MINUTE_MS);
    }
    let days = Date { year, month, day }.to_day()?;
    let of_day = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
    rest.0.is_empty().then_some(days * DAY_MS + of_day - offset)
}

/// A time in milliseconds since 1970, in years 0 to 9999.
pub(super) fn clamped(ms: i64) -> i64 {
    ms.clamp(-62_167_219_200_000, 253_402_300_799_999)
}

/// A time of no zone, in milliseconds since 1970, to the second and with `end` behind it. Years are
/// clamped to 0 to 9999.
///
/// A page of a product has thirty of them, and formatting each by `write!` was half of its cost.
#[inline(never)]
pub(super) fn text(ms: i64, end: &str) -> String {
    let ms = clamped(ms);
    let Date { year, month, day } = Date::of_day(ms.div_euclid(DAY_MS));
    let seconds = ms.rem_euclid(DAY_MS).div_euclid(SECOND_MS);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut digits = *b"0000-00-00T00:00:00";
    for (at, number) in [(4, year), (7, month), (10, day), (13, hour), (16, minute), (19, second)] {
        let mut rest = number;
        for digit in digits.iter_mut().take(at).rev() {
            if !digit.is_ascii_digit() {
                break;
            }
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
    }
    [std::str::from_utf8(&digits).unwrap_or_default(), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Datelike as _};
    use proptest::prelude::*;

    fn reference(text: &str) -> Option<i64> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn days_have_the_dates_of_the_calendar(days in -719_528_i64..=2_932_896) {
            let known = DateTime::from_timestamp(days * 86_400, 0).unwrap();
            let wanted = Date { year: known.year().into(), month: known.month().into(), day: known.day().into() };
            prop_assert_eq!(Date::of_day(days), wanted);
            prop_assert_eq!(wanted.to_day(), Some(days));
        }

        #[test]
        fn times_are_written_as_the_library_writes_them(ms in -62_167_219_200_000_i64..=253_402_300_799_999) {
            let known = DateTime::from_timestamp_millis(ms).unwrap();
            prop_assert_eq!(text(ms, "Z"), known.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }

        #[test]
        fn texts_are_read_as_the_library_reads_them(
            year in 0_u32..=9_999,
            numbers in (0_u32..=14, 0_u32..=33, 0_u32..=25, 0_u32..=61, 0_u32..=62),
            separator in prop_oneof![Just("T"), Just("t"), Just(" "), Just("_"), Just("")],
            fraction in prop_oneof![Just(String::new()), "\\.[0-9]{1,12}", "\\.", ",[0-9]{3}"],
            offset in prop_oneof![Just("Z".to_owned()), Just("z".to_owned()), "[+-][0-2][0-9]:[0-6][0-9]", "[+-]?[0-9:]{0,6}"],
        ) {
            let (month, day, hour, minute, second) = numbers;
            let text = format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
            prop_assert_eq!(parse(&text), reference(&text), "{}", text);
        }

        #[test]
        fn damaged_texts_are_read_as_the_library_reads_them(at in 0_usize..25, byte in "[ -~]", cut in 0_usize..26) {
            let mut text = "2026-11-22T11:00:00+09:00".to_owned();
            text.replace_range(at..=at, &byte);
            text.truncate(cut);
            prop_assert_eq!(parse(&text), reference(&text), "{}", text);
        }
    }

    #[test]
    fn an_offset_is_written_in_ascii() {
        // chrono takes the typographic minus too, which no exporter writes.
        assert_eq!(parse("2026-11-22T11:00:00\u{2212}05:00"), None);
    }
}
