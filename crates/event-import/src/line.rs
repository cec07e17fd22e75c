//! One line of input: an event as JSON, and the hour that it belongs to.

use std::fmt;

use chrono::{DateTime, Datelike as _, Timelike as _};
use serde::{Deserialize, Serialize, Serializer};
use sinsang_core::event::Event;
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_tables::reject::Reason;

/// An hour in UTC. Each file of the table has the events of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that contains `at`.
    pub fn of(at: UnixMillis) -> Self {
        Self(at.0.div_euclid(HOUR_MS))
    }

    /// Parses `date` (2026-11-22) and `hour` (00 to 23).
    pub fn parse(date: &str, hour: &str) -> Option<Self> {
        if date.len() != 10 || hour.len() != 2 {
            return None;
        }
        UnixMillis::parse_rfc3339(&format!("{date}T{hour}:00:00Z")).map(Self::of)
    }

    /// Parses an hour as a table's file name spells it: `2026-11-22T13`.
    pub(crate) fn parse_text(text: &str) -> Option<Self> {
        text.split_once('T').and_then(|(date, hour)| Self::parse(date, hour))
    }

    /// The hour `hours` hours earlier.
    #[must_use]
    pub fn back(self, hours: i64) -> Self {
        Self(self.0.saturating_sub(hours))
    }

    /// Its date and hour as the folders of objects spell them.
    pub fn partition(self) -> String {
        let text = self.to_string();
        let (date, hour) = text.split_once('T').unwrap_or((&text, ""));
        format!("date={date}/hour={hour}")
    }
}

impl fmt::Display for Hour {
    /// Spells the hour like `2026-11-22T13`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::from_timestamp_millis(self.0.saturating_mul(HOUR_MS)).unwrap_or_default();
        write!(f, "{:04}-{:02}-{:02}T{:02}", at.year(), at.month(), at.day(), at.hour())
    }
}

impl Serialize for Hour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hour {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_text(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("'{text}' is not an hour such as 2026-11-22T13")))
    }
}

/// Why a line is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: Option<&'static str>,
    pub(crate) reason: Reason,
    pub(crate) detail: Option<String>,
}

/// A valid event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The event's id, chosen by the viewer's app: two viewers' events differ even if their ids are
    /// equal.
    pub(crate) id: String,
    pub(crate) viewer: String,
    pub(crate) hour: Hour,
    /// The event's JSON without unknown fields and without a line end.
    pub(crate) text: String,
}

impl Line {
    /// Parses a line by the Worker's own rules, so that no row of the table is one that a build
    /// would reject.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let whole = |reason| Fault { field: None, reason, detail: None };
        let text = std::str::from_utf8(bytes).map_err(|_| whole(Reason::NotUtf8))?.trim();
        let (event, at) = Event::parse(text).map_err(|wrong| Fault {
            field: wrong.field,
            reason: Reason::NotAnEvent,
            detail: Some(wrong.reason.to_owned()),
        })?;
        Ok(Self { hour: Hour::of(at), text: event.line(), id: event.event_id, viewer: event.viewer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"event_id":"e-000001","viewer":"00112233aabbccdd","kind":"click","at":"2026-11-22T13:59:59.999Z","listing_id":"7"}"#;

    #[test]
    fn a_line_belongs_to_the_hour_that_it_happened_in_and_says_nothing_that_nobody_knows() {
        let more = GOOD.replace("\"7\"", "\"7\",\"x\":[1],\"user_id\":\"u1\"");
        let line = Line::parse(format!(" {more}\r\n").as_bytes()).unwrap();
        assert_eq!(
            (line.hour.to_string().as_str(), line.id.as_str(), line.text.as_str()),
            ("2026-11-22T13", "e-000001", GOOD)
        );
        assert_eq!(line.hour.partition(), "date=2026-11-22/hour=13");
        let korean = GOOD.replace("2026-11-22T13:59:59.999Z", "2026-11-22T22:59:59+09:00");
        assert_eq!(Line::parse(korean.as_bytes()).unwrap().hour, line.hour);
        assert_eq!(Hour::parse("2026-11-22", "13"), Some(line.hour));
        assert!(Hour::parse("2026-13-01", "00").is_none() && Hour::parse("2026-11-22", "24").is_none());
    }

    #[test]
    fn what_is_no_event_is_told_with_its_field() {
        let fault = |text: &str| Line::parse(text.as_bytes()).map_err(|fault| (fault.field, fault.reason)).unwrap_err();
        for (wrong, field) in [
            (GOOD.replace("e-000001", "e 1"), "event_id"),
            (GOOD.replace("event_id", "id"), "event_id"),
            (GOOD.replace("00112233aabbccdd", "u000001"), "viewer"),
            (GOOD.replace("00112233aabbccdd", "00112233AABBCCDD"), "viewer"),
            (GOOD.replace("2026-11-22T13", "2026-11-32T13"), "at"),
            (GOOD.replace("2026-", "1989-"), "at"),
            (GOOD.replace("click", "glance"), "kind"),
            (GOOD.replace("\"7\"", "\"-\""), "product_id"),
        ] {
            assert_eq!(fault(&wrong), (Some(field), Reason::NotAnEvent), "{wrong}");
        }
        for wrong in ["[1]", "{\"event_id\":", "{\"event_id\":\"\\ud83d\"}", "7"] {
            assert_eq!(fault(wrong), (None, Reason::NotAnEvent), "{wrong}");
        }
        assert_eq!(fault(r#"{"event_id":7}"#).0, Some("viewer"), "the first that is wrong");
        assert_eq!(Line::parse(b"{\xff}").unwrap_err().reason, Reason::NotUtf8);
        assert!(Line::parse(GOOD.replace("0011", "d0011").as_bytes()).is_ok(), "a device");
    }
}
