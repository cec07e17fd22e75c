//! The rules for events, shared by the event Worker (`crates/event-worker/`), `sinsang ingest` and
//! the readers of the table `events`. A row that one of them accepts, all accept.

mod row;

use std::collections::BTreeMap;
use std::fmt;
use strum::VariantArray as _;

use serde::{Deserialize, Serialize};

use crate::context::{DEVICE_CLASSES, is_region};
use crate::json::Object;
use crate::text::is_token;
use crate::time::{DAY_MS, MINUTE_MS, UnixMillis};
use crate::viewer::is_viewer_name;

/// The oldest age at which an event is accepted, in milliseconds.
pub const MAX_AGE_MS: i64 = 7 * DAY_MS;
/// How far the app's clock may be ahead, in milliseconds.
pub const MAX_AHEAD_MS: i64 = 5 * MINUTE_MS;
/// The most bytes that a stored line adds to its row: the viewer, the time of receipt, and the
/// longer form of the event's own time.
pub const ADDED_BYTES: usize = 176;
/// The most experiments in one event.
pub const MAX_EXPERIMENTS: usize = 16;
/// The highest amount of one purchase, in won.
pub const AMOUNT_MAX: u32 = 100_000_000;
/// The allowed length of an event id, in characters.
const EVENT_ID_CHARS: std::ops::RangeInclusive<usize> = 8..=64;
/// 1990-01-01T00:00:00+09:00; Korea had no home shopping before.
pub const EARLIEST: UnixMillis = UnixMillis(631_119_600_000);

/// A viewer's action; `docs/input.md` describes the kinds.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EventKind {
    /// A listing was shown.
    Impression,
    /// A listing's page was opened from outside the surfaces.
    View,
    /// A listing was tapped on a surface.
    Click,
    /// An alarm was set for a broadcast.
    Alarm,
    /// A listing was bought.
    Purchase,
    /// A tab of the top bar was opened.
    TabOpen,
    /// A channel's live broadcast was entered.
    LiveEnter,
}

/// Which possible subjects an event names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// A listing or a product.
    pub item: bool,
    /// A tab.
    pub tab: bool,
    /// A channel.
    pub channel: bool,
}

impl EventKind {
    /// Every kind, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The spelling in events and tables.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The kind spelled `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// Checks that an event of this kind names its subject.
    ///
    /// # Errors
    /// [`Wrong`] with the missing field, if the event does not name what its kind requires.
    pub fn concerns(self, named: Named) -> Result<(), Wrong> {
        match self {
            Self::TabOpen if !named.tab => Err(wrong("tab_id", "its kind must name a tab")),
            Self::LiveEnter if !named.channel && !named.item => {
                Err(wrong("channel", "its kind must name a channel, a listing or a product"))
            }
            Self::TabOpen | Self::LiveEnter => Ok(()),
            _ if !named.item => Err(wrong("product_id", "its kind must name a listing or a product")),
            _ => Ok(()),
        }
    }

    /// Checks the amount of an event of this kind, in won.
    ///
    /// # Errors
    /// [`Wrong`] if the kind is not a purchase, or the amount is above [`AMOUNT_MAX`].
    pub fn costs(self, amount: Option<u32>) -> Result<(), Wrong> {
        match amount {
            Some(_) if self != Self::Purchase => Err(wrong("amount", "only a purchase has one")),
            Some(won) if won > AMOUNT_MAX => Err(wrong("amount", row::NOT_WON)),
            _ => Ok(()),
        }
    }
}

/// A stored event: one line of NDJSON. `docs/events.md` describes the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Made by the app; a repeated event has the same id.
    pub event_id: String,
    /// 16 hex digits of a signed-in viewer's key, or `d` and 16 hex digits of an anonymous
    /// device's.
    pub viewer: String,
    /// The viewer's action.
    pub kind: EventKind,
    /// When it happened, by the app's clock: RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// When the Worker received it, by the Worker's clock, in the same form. Events from other
    /// sources may lack it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<String>,
    /// The Korean province of the request, as the two digits of its ISO 3166-2 code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The device class of the request, one of [`DEVICE_CLASSES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// The surface: `new`, `live` or `tabs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surface: Option<String>,
    /// Position on the surface, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The amount of a purchase, in won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u32>,
    /// The product's id, 16 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// The shop's item code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing_id: Option<String>,
    /// The shop that the item code belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// The tab's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tab_id: Option<String>,
    /// The channel's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The id of the experiment, if there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The variant in `experiment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Variants by experiment, if there are several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub experiments: BTreeMap<String, String>,
    /// The snapshot behind the answer, 16 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// An invalid field and the reason; without a field, the whole row is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field's name, or `None` for the whole row.
    pub field: Option<&'static str>,
    /// Why it is invalid.
    pub reason: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, reason } = self;
        field.map_or(Ok(()), |field| write!(f, "{field}: "))?;
        f.write_str(reason)
    }
}

fn wrong(field: &'static str, reason: &'static str) -> Wrong {
    Wrong { field: Some(field), reason }
}

fn whole(reason: &'static str) -> Wrong {
    Wrong { field: None, reason }
}

impl Event {
    /// Parses `row`, received at `now` from `viewer`; the context of the request is left unset.
    /// Unknown fields are ignored, as in tables.
    ///
    /// # Errors
    /// [`Wrong`] names the first invalid field, in the order of `docs/events.md`.
    pub fn of(row: &str, viewer: &str, now: UnixMillis) -> Result<Self, Wrong> {
        let (event, at) = Self::said(&object(row)?, viewer)?;
        if now.since(at) > MAX_AGE_MS {
            return Err(wrong("at", "over 7 days old"));
        }
        if at.since(now) > MAX_AHEAD_MS {
            return Err(wrong("at", "over 5 minutes ahead"));
        }
        Ok(Self { received_at: Some(now.to_utc_rfc3339()), ..event })
    }

    /// Parses a line from [`Event::line`] or from another source of events, and returns the event
    /// with the time at which it happened.
    ///
    /// # Errors
    /// [`Wrong`] names the first invalid field.
    pub fn parse(line: &str) -> Result<(Self, UnixMillis), Wrong> {
        let row = object(line)?;
        let viewer = row::text(&row, "viewer")?.ok_or(wrong("viewer", row::MISSING))?;
        if !is_viewer_name(&viewer) {
            return Err(wrong("viewer", "no viewer's name"));
        }
        let (event, at) = Self::said(&row, &viewer)?;
        let received_at = row::time(&row, "received_at")?.map(UnixMillis::to_utc_rfc3339);
        let (region, device_class) = (row::id(&row, "region")?, row::id(&row, "device_class")?);
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err(wrong("region", "no province"));
        }
        if device_class.as_deref().is_some_and(|class| !DEVICE_CLASSES.contains(&class)) {
            return Err(wrong("device_class", "no class of device"));
        }
        Ok((Self { received_at, region, device_class, ..event }, at))
    }

    /// Parses the fields that don't depend on the source or the time of receipt.
    fn said(row: &Object<'_>, viewer: &str) -> Result<(Self, UnixMillis), Wrong> {
        let event_id = row::text(row, "event_id")?.ok_or(wrong("event_id", row::MISSING))?;
        if !is_event_id(&event_id) {
            return Err(wrong("event_id", "not 8 to 64 of A-Z, a-z, 0-9, _ and -"));
        }
        let kind = row::text(row, "kind")?.ok_or(wrong("kind", row::MISSING))?;
        let kind = EventKind::parse(&kind).ok_or(wrong("kind", "unknown kind"))?;
        let at = row::time(row, "at")?.ok_or(wrong("at", row::MISSING))?;
        if at < EARLIEST {
            return Err(wrong("at", "before 1990"));
        }
        let event = Self {
            event_id: event_id.into_owned(),
            viewer: viewer.to_owned(),
            kind,
            at: at.to_utc_rfc3339(),
            received_at: None,
            region: None,
            device_class: None,
            surface: row::surface(row)?,
            position: row::position(row)?,
            amount: row::amount(row)?,
            product_id: row::hex(row, "product_id")?,
            listing_id: row::code(row, "listing_id")?,
            shop: row::name(row, "shop")?,
            tab_id: row::id(row, "tab_id")?,
            channel: row::name(row, "channel")?,
            experiment: row::id(row, "experiment")?,
            variant: row::id(row, "variant")?,
            experiments: row::experiments(row)?,
            snapshot: row::hex(row, "snapshot")?,
        };
        if event.experiment.is_some() != event.variant.is_some() {
            let missing = if event.variant.is_none() { "variant" } else { "experiment" };
            return Err(wrong(missing, "experiment and variant go together"));
        }
        event.kind.concerns(event.named())?;
        event.kind.costs(event.amount)?;
        Ok((event, at))
    }

    fn named(&self) -> Named {
        let item = self.product_id.is_some() || self.listing_id.is_some();
        Named { item, tab: self.tab_id.is_some(), channel: self.channel.is_some() }
    }

    /// The line that is queued and stored, without its newline.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The fields of a row. Half a surrogate pair, or anything else that only some JSON parsers accept,
/// makes this row unreadable and no other.
fn object(row: &str) -> Result<Object<'_>, Wrong> {
    Object::parse(row.as_bytes()).ok_or(whole("not an object as JSON whose texts can be read"))
}

/// Whether `text` is a valid event id.
pub fn is_event_id(text: &str) -> bool {
    is_token(text, EVENT_ID_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

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
        let event = Event::of(&row(&changes).to_string(), VIEWER, now()).unwrap();
        assert_eq!(
            event.line(),
            r#"{"event_id":"event-0001","viewer":"d0123456789abcdef","kind":"click","at":"2026-11-22T13:05:00.000Z","received_at":"2026-11-22T13:05:07.250Z","surface":"new","position":3,"product_id":"0123456789abcdef","shop":"GS샵","experiments":{"soon-first":"control"},"snapshot":"4783ee17d3919030"}"#
        );
        assert_eq!(Event::parse(&event.line()).map(|(event, _)| event), Ok(event));
        for viewer in ["d123456789abcdef", "dd123456789abcdef", "0123456789abcdef"] {
            let event = Event::of(&row(&json!({})).to_string(), viewer, now()).unwrap();
            assert_eq!(Event::parse(&event.line()).map(|(event, _)| event), Ok(event), "{viewer}");
        }
        assert!(Event::parse(&Event::of(&row(&json!({})).to_string(), "d123", now()).unwrap().line()).is_err());
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
            (json!({"amount": 1}), "amount"),
            (json!({"kind": "purchase", "amount": -1}), "amount"),
            (json!({"kind": "purchase", "amount": 49_900.5}), "amount"),
            (json!({"kind": "purchase", "amount": "49,900"}), "amount"),
            (json!({"kind": "purchase", "amount": AMOUNT_MAX + 1}), "amount"),
            (json!({"kind": "purchase", "amount": 5_000_000_000_u64}), "amount"),
            (json!({"product_id": "0123456789ABCDEF"}), "product_id"),
            (json!({"product_id": null}), "product_id"),
            (json!({"listing_id": 5}), "listing_id"),
            // Null words, as in tables.
            (json!({"product_id": "-"}), "product_id"),
            (json!({"product_id": null, "listing_id": "-"}), "product_id"),
            (json!({"product_id": null, "listing_id": "undefined"}), "product_id"),
            (json!({"product_id": null, "listing_id": "0"}), "product_id"),
            (json!({"product_id": null, "listing_id": "1.23457E+12"}), "product_id"),
            (json!({"product_id": null, "listing_id": " N\u{200b}ULL\u{feff}"}), "product_id"),
            (json!({"product_id": null, "listing_id": "\u{200b}"}), "product_id"),
            (json!({"kind": "tab_open", "tab_id": "(null)"}), "tab_id"),
            (json!({"kind": "live_enter", "product_id": null, "channel": "none"}), "channel"),
            (json!({"event_id": "undefined"}), "event_id"),
            (json!({"listing_id": "\u{958}".repeat(15)}), "listing_id"),
            (json!({"shop": "GS\u{fffd}샵"}), "shop"),
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
            let refused = Event::of(&row(&changes).to_string(), VIEWER, now());
            assert_eq!(refused.map_err(|wrong| wrong.field), Err(Some(field)), "{changes}");
        }
        assert_eq!(Event::of("[]", VIEWER, now()).unwrap_err().field, None);
        // Only the grammar of JSON allows these.
        for text in [r#""\ud83d""#, "01", r#"{"a":"\udc00x"}"#] {
            let row = row(&json!({})).to_string().replace("\"click\"", &format!("\"click\",\"more\":{text}"));
            assert_eq!(Event::of(&row, VIEWER, now()).unwrap_err().field, None, "{row}");
        }
        // The extreme ages that are still accepted.
        for at in ["2026-11-15T13:05:07.250Z", "2026-11-22T13:10:07.250Z"] {
            assert!(Event::of(&row(&json!({"at": at})).to_string(), VIEWER, now()).is_ok(), "{at}");
        }
    }

    #[test]
    fn a_purchase_has_an_amount_and_nothing_else_has() {
        for amount in [0, 49_900, AMOUNT_MAX] {
            let bought = row(&json!({"kind": "purchase", "amount": amount}));
            let event = Event::of(&bought.to_string(), VIEWER, now()).unwrap();
            assert_eq!(event.amount, Some(amount));
            assert_eq!(Event::parse(&event.line()).map(|(event, _)| event), Ok(event));
        }
        assert_eq!(Event::of(&row(&json!({"amount": null})).to_string(), VIEWER, now()).unwrap().amount, None);
        for (kind, amount, reason) in [
            ("click", json!(1), "only a purchase has one"),
            ("purchase", json!(AMOUNT_MAX + 1), row::NOT_WON),
            ("purchase", json!(-1), row::NOT_WON),
        ] {
            let refused = Event::of(&row(&json!({"kind": kind, "amount": amount})).to_string(), VIEWER, now());
            assert_eq!(refused.unwrap_err().to_string(), format!("amount: {reason}"));
        }
        assert!(row::NOT_WON.replace(',', "").ends_with(&AMOUNT_MAX.to_string()), "{}", row::NOT_WON);
    }

    proptest! {
        #[test]
        fn a_line_is_longer_than_its_row_by_what_the_worker_adds_at_most(
            shop in "\\PC{0,60}", listing in "\\PC{0,10}", position in 1_u32.., kind in 0_usize..5,
        ) {
            let kind = ["impression", "view", "click", "alarm", "purchase"][kind];
            let [shop, listing] = [shop, listing].map(|text| text.replace(char::REPLACEMENT_CHARACTER, "?"));
            let row = row(&json!({"shop": shop, "listing_id": listing, "position": position, "kind": kind}));
            let line = Event::of(&row.to_string(), VIEWER, now()).unwrap().line();
            prop_assert!(line.len() <= row.to_string().len() + ADDED_BYTES, "{}", line);
            prop_assert!(!line.contains('\n'));
            prop_assert!(Event::parse(&line).is_ok());
        }

        #[test]
        fn no_line_makes_reading_panic(line in ".{0,200}") {
            let _ = Event::parse(&line);
        }
    }
}
