//! A line: one event as JSON. What decides where it belongs is checked here; what it says is checked by whoever reads the table.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike as _, Timelike as _};
use serde::{Deserialize, Serialize, Serializer};
use sinsang::time::{HOUR_MS, UnixMillis};
use sinsang_input::check::is_viewer_name;
use sinsang_input::reject::Reason;

/// Bytes of an `event_id`.
const ID_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// An hour of the world's time: what files of the table are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that `at` is in.
    pub fn of(at: UnixMillis) -> Self {
        Self(at.0.div_euclid(HOUR_MS))
    }

    /// The hour that `date` (2026-11-22) and `hour` (00 to 23) name.
    pub fn parse(date: &str, hour: &str) -> Option<Self> {
        if date.len() != 10 || hour.len() != 2 {
            return None;
        }
        UnixMillis::parse_rfc3339(&format!("{date}T{hour}:00:00Z")).map(Self::of)
    }

    /// So many hours earlier.
    #[must_use]
    pub fn back(self, hours: i64) -> Self {
        Self(self.0.saturating_sub(hours))
    }

    /// Its date and hour as folders of objects name them.
    pub fn partition(self) -> String {
        let text = self.to_string();
        let (date, hour) = text.split_once('T').unwrap_or((&text, ""));
        format!("date={date}/hour={hour}")
    }
}

impl fmt::Display for Hour {
    /// Such as `2026-11-22T13`.
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
        let hour = text.split_once('T').and_then(|(date, hour)| Self::parse(date, hour));
        hour.ok_or_else(|| serde::de::Error::custom(format!("'{text}' is no hour such as 2026-11-22T13")))
    }
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: Option<&'static str>,
    pub(crate) reason: Reason,
    pub(crate) detail: Option<String>,
}

/// An event that can be put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) hour: Hour,
    /// As it came, without its end.
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    viewer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    at: Option<Cow<'a, str>>,
}

impl Line {
    /// Reads a line.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let whole = |reason| Fault { field: None, reason, detail: None };
        let text = std::str::from_utf8(bytes).map_err(|_| whole(Reason::NotUtf8))?.trim();
        if !text.starts_with('{') {
            return Err(whole(Reason::NotAnObject));
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| Fault {
            detail: Some(error.to_string()),
            ..whole(if error.is_data() { Reason::WrongKind } else { Reason::NotJson })
        })?;
        let fault = |field, reason| Fault { field: Some(field), reason, detail: None };
        let id = fields.event_id.ok_or(fault("event_id", Reason::Missing))?;
        if !ID_BYTES.contains(&id.len())
            || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err(fault("event_id", Reason::NotAnEventId));
        }
        let viewer = fields.viewer.ok_or(fault("viewer", Reason::Missing))?;
        if !is_viewer_name(&viewer) {
            return Err(fault("viewer", Reason::NotAViewer));
        }
        let at = fields.at.ok_or(fault("at", Reason::Missing))?;
        let at = UnixMillis::parse_rfc3339(&at).ok_or(fault("at", Reason::NotATime))?;
        Ok(Self { id: id.into_owned(), hour: Hour::of(at), text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"event_id":"e-000001","viewer":"00112233aabbccdd","kind":"click","at":"2026-11-22T13:59:59.999Z","x":[1]}"#;

    #[test]
    fn a_line_belongs_to_the_hour_that_it_happened_in() {
        let line = Line::parse(format!(" {GOOD}\r\n").as_bytes()).unwrap();
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
        for (wrong, field, reason) in [
            (GOOD.replace("e-000001", "e 1"), "event_id", Reason::NotAnEventId),
            (GOOD.replace("event_id", "id"), "event_id", Reason::Missing),
            (GOOD.replace("00112233aabbccdd", "u000001"), "viewer", Reason::NotAViewer),
            (GOOD.replace("00112233aabbccdd", "00112233AABBCCDD"), "viewer", Reason::NotAViewer),
            (GOOD.replace("2026-11-22T13", "2026-11-32T13"), "at", Reason::NotATime),
        ] {
            assert_eq!(fault(&wrong), (Some(field), reason), "{wrong}");
        }
        assert_eq!(fault("[1]"), (None, Reason::NotAnObject));
        assert_eq!(fault("{\"event_id\":"), (None, Reason::NotJson));
        assert_eq!(fault(r#"{"event_id":7}"#), (None, Reason::WrongKind));
        assert_eq!(Line::parse(b"{\xff}").unwrap_err().reason, Reason::NotUtf8);
        assert!(Line::parse(GOOD.replace("0011", "d0011").as_bytes()).is_ok(), "a device");
    }
}
