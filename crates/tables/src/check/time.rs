//! Times of a row: their zone, their date, and whether they are plausible.

use sinsang_core::event::EARLIEST;
use sinsang_core::text::is_null_text;
use sinsang_core::time::{DAY_MS, UnixMillis};

use super::{AHEAD_MAX_MS, Fields, Refusal, Repair, SLOT_MAX_MS};
use crate::reject::Reason;
use crate::value::{Counted, Time, Value, Written, Zone, parse_time, real_time, whole_time};

impl Fields<'_, '_> {
    /// The written part of a time; `None` if it is missing.
    fn written(&self, column: usize) -> Result<Option<Time>, Reason> {
        let time = match self.get(column) {
            Value::Missing => return Ok(None),
            Value::Time(at) => Some(Time::of(Written::At(*at))),
            Value::Written(written) => Some(Time::of(*written)),
            Value::Whole(number) => whole_time(*number),
            Value::Real(number) if number.is_nan() => return Ok(None),
            Value::Real(number) => real_time(*number),
            value => match value.as_text().map(str::trim) {
                // pandas writes a missing time as `NaT`, which is a name in other columns.
                Some(text) if text.is_empty() || is_null_text(text) || text.eq_ignore_ascii_case("nat") => {
                    return Ok(None);
                }
                text => text.and_then(parse_time),
            },
        };
        time.map(Some).ok_or(Reason::NotATime)
    }

    /// The zone of times in `column` without their own, and whether it was assumed.
    fn zone(&self, column: usize) -> (Zone, bool) {
        let zone = self.zones.get(column).copied().flatten();
        (zone.unwrap_or(Zone::KOREA), zone.is_none())
    }

    /// The instant of `time`, with `date` (as in [`Written::Date`]) for a clock time. It must be
    /// within the plausible years.
    fn instant(&mut self, column: usize, time: &Time, date: Option<i64>) -> Result<UnixMillis, Reason> {
        let (zone, is_assumed) = self.zone(column);
        let (local, is_joined) = match (time.written, date) {
            (Written::At(at), _) => {
                self.believed(at)?;
                self.told(column, time);
                return Ok(at);
            }
            (Written::Local(ms), _) => (ms, false),
            (Written::Clock(ms), Some(date)) => (date.saturating_add(ms), true),
            (Written::Clock(_), None) | (Written::Date(_), _) => return Err(Reason::NotATime),
        };
        let at = zone.instant(local).ok_or(Reason::TooLate)?;
        self.believed(at)?;
        self.told(column, time);
        if is_joined {
            self.repaired(column, Repair::Joined);
        }
        if is_assumed {
            self.repaired(column, Repair::KoreanTime);
        }
        Ok(at)
    }

    fn believed(&self, at: UnixMillis) -> Result<(), Reason> {
        if at < EARLIEST {
            return Err(Reason::TooEarly);
        }
        if at > self.now.plus(AHEAD_MAX_MS) { Err(Reason::TooLate) } else { Ok(()) }
    }

    /// Counts the interpretations needed to read `time`.
    fn told(&mut self, column: usize, time: &Time) {
        if time.past_midnight {
            self.repaired(column, Repair::NextDay);
        }
        match time.counted {
            Some(Counted::SinceEpoch) => self.repaired(column, Repair::SinceEpoch),
            Some(Counted::Serial) => self.repaired(column, Repair::Serial),
            None => {}
        }
    }

    /// A time within the plausible years; `None` if it is missing.
    fn time(&mut self, column: usize) -> Result<Option<UnixMillis>, Reason> {
        let Some(time) = self.written(column)? else { return Ok(None) };
        self.instant(column, &time, None).map(Some)
    }

    pub(super) fn required_time(&mut self, column: usize) -> Result<UnixMillis, Refusal> {
        let at = self.time(column).map_err(|reason| Refusal::of(column, reason))?;
        at.ok_or(Refusal::of(column, Reason::Missing))
    }

    pub(super) fn optional_time(&mut self, column: usize) -> Option<UnixMillis> {
        match self.time(column) {
            Ok(at) => at,
            Err(reason) => self.no_time(column, reason),
        }
    }

    fn no_time<T>(&mut self, column: usize, reason: Reason) -> Option<T> {
        let is_read = matches!(reason, Reason::TooEarly | Reason::TooLate);
        self.dropped(column, if is_read { Repair::OutOfRange } else { Repair::Unreadable })
    }

    /// The start of a slot in the column `start`, whose date may be in the column `date`, and the
    /// duration written beside it.
    pub(super) fn start(&mut self, start: usize, date: usize) -> Result<(UnixMillis, Option<i64>), Refusal> {
        let refusal = |reason| Refusal::of(start, reason);
        let time = self.written(start).map_err(refusal)?.ok_or(refusal(Reason::Missing))?;
        let date = if matches!(time.written, Written::Clock(_)) { self.date(date) } else { None };
        Ok((self.instant(start, &time, date).map_err(refusal)?, time.lasts_ms))
    }

    /// The date of a row, as in [`Written::Date`].
    fn date(&mut self, column: usize) -> Option<i64> {
        let found = self.written(column).map(|time| time.map(|time| time.written));
        let day = |local: i64| local.div_euclid(DAY_MS).checked_mul(DAY_MS);
        match found {
            Ok(None) => None,
            Ok(Some(Written::Date(date))) => Some(date),
            Ok(Some(Written::Local(local))) => day(local),
            Ok(Some(Written::At(at))) => self.zone(column).0.local(at).and_then(day),
            Ok(Some(Written::Clock(_))) | Err(_) => self.dropped(column, Repair::Unreadable),
        }
    }

    /// The end of a slot in the column `end`: after `starts_at`, by at most six hours. A clock time
    /// means its first occurrence after the start. If the end is missing, the slot lasts
    /// `lasts_ms`.
    pub(super) fn end(&mut self, end: usize, starts_at: UnixMillis, lasts_ms: Option<i64>) -> Option<UnixMillis> {
        let time = match self.written(end) {
            Ok(Some(time)) => time,
            Ok(None) => return lasts_ms.filter(|lasts| (1..=SLOT_MAX_MS).contains(lasts)).map(|ms| starts_at.plus(ms)),
            Err(reason) => return self.no_time(end, reason),
        };
        let zone = self.zone(end).0;
        let date = zone.local(starts_at)?.div_euclid(DAY_MS).checked_mul(DAY_MS)?;
        let ends_at = match self.instant(end, &time, Some(date)) {
            Ok(at) => at,
            Err(reason) => return self.no_time(end, reason),
        };
        let next_day = ends_at.plus(DAY_MS);
        match (ends_at.since(starts_at), next_day.since(starts_at)) {
            (1..=SLOT_MAX_MS, _) => Some(ends_at),
            (..0, 1..=SLOT_MAX_MS) => {
                // A clock time has no day of its own, so nothing was repaired.
                if !matches!(time.written, Written::Clock(_)) {
                    self.repaired(end, Repair::EndNextDay);
                }
                Some(next_day)
            }
            (..=0, _) => self.dropped(end, Repair::EndBeforeStart),
            _ => self.dropped(end, Repair::EndTooFar),
        }
    }
}
