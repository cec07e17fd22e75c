//! One event: a row as an app sends it, a line as it is queued and stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sinsang::context::{DEVICE_CLASSES, is_region};
use sinsang::time::{DAY_MS, MINUTE_MS, UnixMillis};

/// How old an event may be when it is received.
pub const MAX_AGE_MS: i64 = 7 * DAY_MS;
/// How far ahead the app's clock may be.
pub const MAX_AHEAD_MS: i64 = 5 * MINUTE_MS;
/// Experiments that one event may tell of.
pub const MAX_EXPERIMENTS: usize = 16;
/// Longest id of a listing, a tab, an experiment or a variant, in bytes.
const MAX_ID_BYTES: usize = 128;
/// Longest name of a shop or a channel, in characters.
const MAX_NAME_CHARS: usize = 200;

/// What happened; `docs/input.md` says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A listing was shown.
    Impression,
    /// Its page was opened from outside the surfaces.
    View,
    /// It was tapped on a surface.
    Click,
    /// An alarm was set for a broadcast.
    Alarm,
    /// It was bought.
    Purchase,
    /// A tab of the top bar was opened.
    TabOpen,
    /// A channel's live broadcast was entered.
    LiveEnter,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "impression" => Self::Impression,
            "view" => Self::View,
            "click" => Self::Click,
            "alarm" => Self::Alarm,
            "purchase" => Self::Purchase,
            "tab_open" => Self::TabOpen,
            "live_enter" => Self::LiveEnter,
            _ => return None,
        })
    }
}

/// An event that is stored: one line of NDJSON. `docs/events.md` describes the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Made by the app; an event that comes twice has the same one.
    pub event_id: String,
    /// 16 hex digits of a signed-in viewer's key, or `d` and as many of an anonymous device's.
    pub viewer: String,
    /// What happened.
    pub kind: Kind,
    /// When, by the app's clock; RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// When it was received, by the Worker's clock; the same form.
    pub received_at: String,
    /// The Korean province that the request came from, by the two digits of its ISO 3166-2 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The class of device that it came from, of [`sinsang::context::DEVICE_CLASSES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// `new`, `live` or `tabs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<String>,
    /// Place on the surface, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// The shop's item code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_id: Option<String>,
    /// The shop of the item code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// The tab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tab_id: Option<String>,
    /// The channel's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The experiment, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// Its variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Variants by experiment, where there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub experiments: BTreeMap<String, String>,
    /// The snapshot of the answer, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// A field that is wrong, and how; where the whole row is, no field is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field.
    pub field: Option<&'static str>,
    /// What is wrong with it.
    pub reason: &'static str,
}

fn wrong(field: &'static str, reason: &'static str) -> Wrong {
    Wrong { field: Some(field), reason }
}

impl Event {
    /// The event of a `row` that is received at `now` from `viewer`, without the context of its request. Fields that nobody knows are left out, as in tables.
    ///
    /// # Errors
    /// [`Wrong`] names the first field that is, in the order of `docs/events.md`.
    pub fn of(row: &Value, viewer: &str, now: UnixMillis) -> Result<Self, Wrong> {
        let Value::Object(row) = row else { return Err(Wrong { field: None, reason: "not an object" }) };
        let event_id = text(row, "event_id")?.ok_or(wrong("event_id", MISSING))?;
        if !is_event_id(event_id) {
            return Err(wrong("event_id", "not 8 to 64 of A-Z, a-z, 0-9, _ and -"));
        }
        let kind = text(row, "kind")?.ok_or(wrong("kind", MISSING))?;
        let kind = Kind::parse(kind).ok_or(wrong("kind", "unknown kind"))?;
        let at = text(row, "at")?.ok_or(wrong("at", MISSING))?;
        let at = UnixMillis::parse_rfc3339(at).ok_or(wrong("at", "not a time of RFC 3339"))?;
        if now.since(at) > MAX_AGE_MS {
            return Err(wrong("at", "over 7 days old"));
        }
        if at.since(now) > MAX_AHEAD_MS {
            return Err(wrong("at", "over 5 minutes ahead"));
        }
        let event = Self {
            event_id: event_id.to_owned(),
            viewer: viewer.to_owned(),
            kind,
            at: at.to_utc_rfc3339(),
            received_at: now.to_utc_rfc3339(),
            region: None,
            device_class: None,
            surface: surface(row)?,
            position: position(row)?,
            product_id: hex(row, "product_id")?,
            listing_id: id(row, "listing_id")?,
            shop: name(row, "shop")?,
            tab_id: id(row, "tab_id")?,
            channel: name(row, "channel")?,
            experiment: id(row, "experiment")?,
            variant: id(row, "variant")?,
            experiments: experiments(row)?,
            snapshot: hex(row, "snapshot")?,
        };
        if event.experiment.is_some() != event.variant.is_some() {
            let missing = if event.variant.is_none() { "variant" } else { "experiment" };
            return Err(wrong(missing, "experiment and variant go together"));
        }
        event.concerned()?;
        Ok(event)
    }

    /// Whether it names what its kind must name.
    fn concerned(&self) -> Result<(), Wrong> {
        let names_product = self.product_id.is_some() || self.listing_id.is_some();
        match self.kind {
            Kind::TabOpen if self.tab_id.is_none() => Err(wrong("tab_id", "its kind must name a tab")),
            Kind::LiveEnter if self.channel.is_none() && !names_product => {
                Err(wrong("channel", "its kind must name a channel, a listing or a product"))
            }
            Kind::TabOpen | Kind::LiveEnter => Ok(()),
            _ if !names_product => Err(wrong("product_id", "its kind must name a listing or a product")),
            _ => Ok(()),
        }
    }

    /// The line that is queued and stored, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a line back as [`Event::line`] wrote it.
    ///
    /// # Errors
    /// What is wrong with it, as a text for operators.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let event: Self = serde_json::from_str(line).map_err(|_| "not an event as JSON")?;
        let is_viewer = is_hex16(device_of(&event.viewer).unwrap_or(&event.viewer));
        let has_times = [&event.at, &event.received_at].into_iter().all(|at| UnixMillis::parse_rfc3339(at).is_some());
        let has_product = event.product_id.as_deref().is_none_or(is_hex16);
        let is_region = event.region.as_deref().is_none_or(is_region);
        let is_class = event.device_class.as_deref().is_none_or(|class| DEVICE_CLASSES.contains(&class));
        match () {
            () if !is_region || !is_class => Err("no province or class of device"),
            () if !is_event_id(&event.event_id) => Err("no event id"),
            () if !is_viewer => Err("no viewer's key"),
            () if !has_times => Err("no times"),
            () if !has_product || event.concerned().is_err() => Err("concerns nothing"),
            () => Ok(event),
        }
    }
}

const MISSING: &str = "missing";

/// Whether `text` may be an event's or a device's id of at least `least` characters.
fn is_token(text: &str, least: usize) -> bool {
    (least..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_event_id(text: &str) -> bool {
    is_token(text, 8)
}

/// The digits of a device's key; `None` of a user's, whose first digit may be a `d` too.
pub fn device_of(viewer: &str) -> Option<&str> {
    viewer.strip_prefix('d').filter(|digits| digits.len() == 16)
}

/// Whether `text` may be a device's id.
pub fn is_device_id(text: &str) -> bool {
    is_token(text, 16)
}

fn is_hex16(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A field of text without the spaces around it; `None` where it is absent, null or blank.
fn text<'a>(row: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, Wrong> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(wrong(field, "not text")),
    }
}

fn id(row: &Map<String, Value>, field: &'static str) -> Result<Option<String>, Wrong> {
    match text(row, field)? {
        Some(id) if id.len() > MAX_ID_BYTES => Err(wrong(field, "longer than 128 bytes")),
        id => plain(id, field),
    }
}

fn name(row: &Map<String, Value>, field: &'static str) -> Result<Option<String>, Wrong> {
    match text(row, field)? {
        Some(name) if name.chars().nth(MAX_NAME_CHARS).is_some() => Err(wrong(field, "longer than 200 characters")),
        name => plain(name, field),
    }
}

fn plain(text: Option<&str>, field: &'static str) -> Result<Option<String>, Wrong> {
    if text.is_some_and(|text| text.chars().any(char::is_control)) {
        return Err(wrong(field, "has control characters"));
    }
    Ok(text.map(str::to_owned))
}

fn hex(row: &Map<String, Value>, field: &'static str) -> Result<Option<String>, Wrong> {
    match text(row, field)? {
        Some(text) if !is_hex16(text) => Err(wrong(field, "not 16 hex digits")),
        text => Ok(text.map(str::to_owned)),
    }
}

fn surface(row: &Map<String, Value>) -> Result<Option<String>, Wrong> {
    match text(row, "surface")? {
        Some(text) if !["new", "live", "tabs"].contains(&text) => Err(wrong("surface", "none of new, live and tabs")),
        text => Ok(text.map(str::to_owned)),
    }
}

fn position(row: &Map<String, Value>) -> Result<Option<u32>, Wrong> {
    match row.get("position") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let place = value.as_u64().and_then(|place| u32::try_from(place).ok()).filter(|place| *place > 0);
            place.map(Some).ok_or(wrong("position", "not a whole number from 1"))
        }
    }
}

fn experiments(row: &Map<String, Value>) -> Result<BTreeMap<String, String>, Wrong> {
    const FIELD: &str = "experiments";
    let given = match row.get(FIELD) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(wrong(FIELD, "not an object of variants by experiment")),
    };
    if given.len() > MAX_EXPERIMENTS {
        return Err(wrong(FIELD, "more than 16 experiments"));
    }
    let is_id = |id: &str| (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    let pair = |(experiment, variant): (&String, &Value)| {
        let variant = variant.as_str().filter(|variant| is_id(variant) && is_id(experiment))?;
        Some((experiment.clone(), variant.to_owned()))
    };
    given.iter().map(pair).collect::<Option<_>>().ok_or(wrong(FIELD, "not an object of variants by experiment"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const VIEWER: &str = "d0123456789abcdef";

    fn now() -> UnixMillis {
        UnixMillis::parse_rfc3339("2026-11-22T13:05:07.250Z").unwrap()
    }

    fn row(changes: &Value) -> Value {
        let mut row = json!({"event_id": "event-0001", "kind": "click", "at": "2026-11-22T22:05:00+09:00", "product_id": "0123456789abcdef"});
        for (field, value) in changes.as_object().unwrap() {
            row[field] = value.clone();
        }
        row
    }

    #[test]
    fn a_good_row_becomes_a_line_with_the_viewers_key_and_the_times_in_utc() {
        let changes = json!({"surface": "new", "position": 3, "shop": " GS샵 ", "listing_id": "", "viewer": "somebody else",
            "experiments": {"soon-first": "control"}, "snapshot": "4783ee17d3919030", "unknown": [1]});
        let event = Event::of(&row(&changes), VIEWER, now()).unwrap();
        assert_eq!(
            event.line(),
            r#"{"event_id":"event-0001","viewer":"d0123456789abcdef","kind":"click","at":"2026-11-22T13:05:00.000Z","received_at":"2026-11-22T13:05:07.250Z","surface":"new","position":3,"product_id":"0123456789abcdef","shop":"GS샵","experiments":{"soon-first":"control"},"snapshot":"4783ee17d3919030"}"#
        );
        assert_eq!(Event::parse(&event.line()), Ok(event));
        for viewer in ["d123456789abcdef", "dd123456789abcdef", "0123456789abcdef"] {
            let event = Event::of(&row(&json!({})), viewer, now()).unwrap();
            assert_eq!(Event::parse(&event.line()), Ok(event), "{viewer}");
        }
        assert!(Event::parse(&Event::of(&row(&json!({})), "d123", now()).unwrap().line()).is_err());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let long = "가".repeat(201);
        let many: Value = (0..17).map(|number| (format!("e{number}"), json!("b"))).collect::<Map<_, _>>().into();
        for (changes, field) in [
            (json!({"event_id": null}), "event_id"),
            (json!({"event_id": "short"}), "event_id"),
            (json!({"event_id": "with spaces in it"}), "event_id"),
            (json!({"event_id": 12_345_678}), "event_id"),
            (json!({"kind": "glance"}), "kind"),
            (json!({"kind": "Click"}), "kind"),
            (json!({"at": "yesterday"}), "at"),
            (json!({"at": "2026-11-22T22:05:00"}), "at"),
            (json!({"at": "2026-11-15T13:05:07.249Z"}), "at"),
            (json!({"at": "2026-11-22T13:10:07.251Z"}), "at"),
            (json!({"surface": "home"}), "surface"),
            (json!({"position": 0}), "position"),
            (json!({"position": 1.5}), "position"),
            (json!({"position": "1"}), "position"),
            (json!({"product_id": "0123456789ABCDEF"}), "product_id"),
            (json!({"product_id": null}), "product_id"),
            (json!({"listing_id": 5}), "listing_id"),
            (json!({"listing_id": "x".repeat(129)}), "listing_id"),
            (json!({"shop": long}), "shop"),
            (json!({"channel": "a\nb"}), "channel"),
            (json!({"kind": "tab_open"}), "tab_id"),
            (json!({"kind": "live_enter", "product_id": null}), "channel"),
            (json!({"experiment": "soon-first"}), "variant"),
            (json!({"variant": "b"}), "experiment"),
            (json!({"experiments": ["b"]}), "experiments"),
            (json!({"experiments": {"a": 1}}), "experiments"),
            (json!({"experiments": many}), "experiments"),
            (json!({"snapshot": "latest"}), "snapshot"),
        ] {
            let refused = Event::of(&row(&changes), VIEWER, now());
            assert_eq!(refused.map_err(|wrong| wrong.field), Err(Some(field)), "{changes}");
        }
        assert_eq!(Event::of(&json!([]), VIEWER, now()).unwrap_err().field, None);
        // The very ends of what a clock may be off are good.
        for at in ["2026-11-15T13:05:07.250Z", "2026-11-22T13:10:07.250Z"] {
            assert!(Event::of(&row(&json!({"at": at})), VIEWER, now()).is_ok(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn a_line_is_longer_than_its_row_by_what_the_worker_adds_at_most(
            shop in "\\PC{0,60}", listing in "\\PC{0,30}", position in 1_u32.., kind in 0_usize..5,
        ) {
            let kind = ["impression", "view", "click", "alarm", "purchase"][kind];
            let row = row(&json!({"shop": shop, "listing_id": listing, "position": position, "kind": kind}));
            let line = Event::of(&row, VIEWER, now()).unwrap().line();
            prop_assert!(line.len() <= row.to_string().len() + crate::admit::ADDED_BYTES, "{}", line);
            prop_assert!(!line.contains('\n'));
            prop_assert!(Event::parse(&line).is_ok());
        }

        #[test]
        fn no_line_makes_reading_panic(line in ".{0,200}") {
            let _ = Event::parse(&line);
        }
    }
}
