//! Whether a request may bring events, whose they are, and which of its rows are good.

use sinsang::auth::{Bearer, Refused, Unproven};
use sinsang::rate::Asker;
use sinsang::request::Config;
use sinsang_core::context::Context;
use sinsang_core::event::{ADDED_BYTES, Event, Wrong};
use sinsang_core::json::{Object, items, members};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{DeviceId, UserKey, ViewerName};

/// The one path there is.
pub const PATH: &str = "/v1/events";
/// Longest body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Most events of a request.
pub const MAX_EVENTS: usize = 100;
/// Bytes that a message of the queue may have: Cloudflare Queues' 128 KB.
const MAX_MESSAGE_BYTES: usize = 128_000;
// So one message always holds a request's rows: none is taken while another is not.
const _: () = assert!(MAX_BODY_BYTES + MAX_EVENTS * ADDED_BYTES < MAX_MESSAGE_BYTES);

/// What the platform hands over of a request, but for its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    /// `POST` and the like.
    pub method: &'a str,
    /// Scheme and host that were asked.
    pub own_origin: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: &'a str,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The header `Content-Length`.
    pub content_length: Option<&'a str>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Sinsang-Device`.
    pub device: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The header `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// Where it comes from and on what, as far as that is looked at.
    pub context: Context,
}

/// Why a request is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such path.
    NotFound,
    /// Another method than `POST`.
    Method,
    /// A preflight: what may be asked from another origin.
    Preflight,
    /// The page of another origin, which nobody named.
    Foreign,
    /// Neither JSON nor a beacon's plain text.
    ContentType,
    /// The body is longer than [`MAX_BODY_BYTES`], or has more than [`MAX_EVENTS`] events.
    TooLarge,
    /// The body's or the header's part that is wrong, and what it should have been.
    Invalid(&'static str, &'static str),
    /// The token is refused.
    Token(Refused),
    /// Neither a token nor a device.
    Nobody,
    /// The requests of one asker or of one address come too fast.
    TooMany,
    /// The queue took nothing, or there is no key to name viewers by.
    Unavailable,
}

/// A row that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in the request, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is taken of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many rows are good.
    pub accepted: usize,
    /// Their lines, each with its end: a message of the queue.
    pub lines: String,
    /// The rows that are not.
    pub refused: Vec<Row>,
}

/// Whether what sent the request may send events: an app, which is no page; a page of this Worker; or one whose origin is named in the
/// configuration. `*` names none.
///
/// Any page may send a form or a beacon of plain text anywhere, and no browser asks first; but it says whose page it is, and no page can keep it
/// from that. `null` is any sandbox, file or redirect, on whatever site. Where `Origin` is missing, Fetch Metadata tells a page all the same:
/// `none` is a person who typed the address.
fn is_welcome(raw: &Raw<'_>, config: &Config) -> bool {
    match (raw.origin, raw.fetch_site) {
        (Some(origin), _) => config.cors.names(origin) || (!origin.is_empty() && origin == raw.own_origin),
        (None, Some(site)) => matches!(site, "same-origin" | "none"),
        (None, None) => true,
    }
}

/// Whether the request's body is to be read at all.
///
/// # Errors
/// A [`Refusal`] that needs no body.
pub fn begin(raw: &Raw<'_>, config: &Config) -> Result<(), Refusal> {
    if raw.path != PATH {
        return Err(Refusal::NotFound);
    }
    match raw.method {
        "POST" => (),
        "OPTIONS" => return Err(Refusal::Preflight),
        _ => return Err(Refusal::Method),
    }
    if !is_welcome(raw, config) {
        return Err(Refusal::Foreign);
    }
    if !raw.query.is_empty() {
        return Err(Refusal::Invalid("query", "no parameter here"));
    }
    let kind = raw.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !["application/json", "text/plain"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Err(Refusal::ContentType);
    }
    // A length that is no number is nobody's word: the body is counted as it comes.
    if raw.content_length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// A request whose body is read, but for its rows.
#[derive(Debug)]
pub struct Sent {
    /// Each as it came: what is wrong with one is no other's fault.
    rows: Vec<String>,
    context: Context,
    viewer: Viewer,
}

/// A body's parts as they came.
#[derive(Default)]
struct Body<'a> {
    token: Option<&'a str>,
    device: Option<&'a str>,
    events: Option<&'a str>,
}

impl<'a> Body<'a> {
    fn parse(body: &'a str) -> Result<Self, Refusal> {
        let mut parts = Self::default();
        let members = members(body).ok_or(Refusal::Invalid("body", "expected JSON: an object with events"))?;
        for (name, value) in members.into_iter().filter(|(_, value)| *value != "null") {
            let (part, name) = match name {
                "token" => (&mut parts.token, "token"),
                "device" => (&mut parts.device, "device"),
                "events" => (&mut parts.events, "events"),
                _ => continue,
            };
            if part.replace(value).is_some() {
                return Err(Refusal::Invalid(name, "expected it once"));
            }
        }
        Ok(parts)
    }

    fn rows(&self) -> Result<Vec<String>, Refusal> {
        let rows = self.events.and_then(items);
        let rows = rows.ok_or(Refusal::Invalid("events", "expected a list of at most 100 events"))?;
        if rows.len() > MAX_EVENTS { Err(Refusal::TooLarge) } else { Ok(rows.into_iter().map(str::to_owned).collect()) }
    }
}

/// A text beside the events.
fn text(value: Option<&str>, field: &'static str) -> Result<Option<String>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let object = format!("{{\"text\":{value}}}");
    let text = Object::parse(object.as_bytes()).and_then(|object| object.text("text").ok()?.map(str::to_owned));
    text.map(Some).ok_or(Refusal::Invalid(field, "expected text"))
}

/// Whose the events are.
#[derive(Debug)]
enum Viewer {
    Known(String),
    /// The token's user, if its signature is good.
    Unproven(Unproven),
}

impl Viewer {
    fn user(key: UserKey) -> Self {
        Self::Known(format!("{:016x}", key.0))
    }
}

impl Sent {
    /// Reads a request's `body`, which was received at `now`.
    ///
    /// # Errors
    /// A [`Refusal`] where none of its rows can count.
    pub fn parse(raw: &Raw<'_>, body: &[u8], config: &Config, now: UnixMillis) -> Result<Self, Refusal> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Refusal::TooLarge);
        }
        // A text that was cut within a character is a fault of its row, which is refused for what stands there then.
        let body = String::from_utf8_lossy(body);
        let body = Body::parse(&body)?;
        let (token, device) = (text(body.token, "token")?, text(body.device, "device")?);
        let viewer = viewer(raw, token.as_deref(), device.as_deref(), config, now)?;
        Ok(Self { rows: body.rows()?, context: raw.context, viewer })
    }

    /// The token whose signature the platform has to check, where whose events they are hangs on one.
    pub fn unproven(&self) -> Option<&Unproven> {
        match &self.viewer {
            Viewer::Unproven(unproven) => Some(unproven),
            Viewer::Known(_) => None,
        }
    }

    /// Who the request is counted for where requests are limited; while a signature is not proven, nobody.
    pub fn asker(&self) -> Asker {
        let Viewer::Known(viewer) = &self.viewer else { return Asker::Nobody };
        match ViewerName::parse(viewer) {
            Some(ViewerName::User(key)) => Asker::User(key),
            Some(ViewerName::Device(key)) => Asker::Device(key),
            None => Asker::Nobody,
        }
    }

    /// Takes in whether one of its keys signed that token.
    ///
    /// # Errors
    /// [`Refusal::Token`] where the token does not count.
    pub fn prove(&mut self, is_signed: bool, config: &Config, now: UnixMillis) -> Result<(), Refusal> {
        if let Viewer::Unproven(unproven) = &self.viewer {
            let verifier = config.verifier.as_ref().ok_or(Refusal::Unavailable)?;
            self.viewer = Viewer::user(verifier.prove(unproven, is_signed, now).map_err(Refusal::Token)?);
        }
        Ok(())
    }

    /// The rows that count.
    ///
    /// # Errors
    /// A [`Refusal`] where none can, as while a signature is not proven.
    pub fn take(&self, now: UnixMillis) -> Result<Taken, Refusal> {
        let Viewer::Known(viewer) = &self.viewer else { return Err(Refusal::Token(Refused::Signature)) };
        let mut taken = Taken::default();
        for (index, row) in self.rows.iter().enumerate() {
            match Event::of(row, viewer, now) {
                Ok(event) => {
                    let (region, device_class) = self.context.names();
                    let event = Event { region, device_class: device_class.map(str::to_owned), ..event };
                    taken.accepted = taken.accepted.saturating_add(1);
                    taken.lines.push_str(&event.line());
                    taken.lines.push('\n');
                }
                Err(wrong) => taken.refused.push(Row { index, wrong }),
            }
        }
        Ok(taken)
    }
}

/// Whose events they are: the token's user before the device, headers before what stands in the body, since a beacon sets no headers.
fn viewer(
    raw: &Raw<'_>,
    token: Option<&str>,
    device: Option<&str>,
    config: &Config,
    now: UnixMillis,
) -> Result<Viewer, Refusal> {
    let (field, device) = match raw.device {
        Some(device) => ("Sinsang-Device", Some(device)),
        None => ("device", device),
    };
    let of_device =
        |device| DeviceId::parse(device).ok_or(Refusal::Invalid(field, "expected 16 to 64 of A-Z, a-z, 0-9, _ and -"));
    let device = device.map(of_device).transpose()?.and_then(DeviceId::id);
    let bearer = token.map(|token| format!("Bearer {token}"));
    let authorization = raw.authorization.or(bearer.as_deref());
    if authorization.is_none() && device.is_none() {
        return Err(Refusal::Nobody);
    }
    let verifier = config.verifier.as_ref().ok_or(Refusal::Unavailable)?;
    match (authorization, device) {
        (Some(authorization), _) => match verifier.user_of(authorization, now).map_err(Refusal::Token)? {
            Bearer::User(user) => Ok(Viewer::user(user)),
            Bearer::Unproven(unproven) => Ok(Viewer::Unproven(unproven)),
        },
        (None, device) => {
            let device = device.unwrap_or_default();
            Ok(Viewer::Known(format!("d{:016x}", verifier.user(&format!("device:{device}")).0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const DEVICE: &str = "device-of-the-tests";
    /// 2026-11-22T13:05:07Z.
    const NOW: UnixMillis = UnixMillis(1_795_352_707_000);

    #[test]
    fn events_have_the_context_of_their_request_and_no_row_says_another() {
        let row = json!({"event_id": "event-0001", "kind": "click", "at": "2026-11-22T13:05:00Z", "product_id": "0123456789abcdef",
            "region": "49", "device_class": "tv"});
        let body = json!({"device": DEVICE, "events": [row]}).to_string();
        let line = |context| {
            let raw = Raw { method: "POST", path: PATH, context, ..Raw::default() };
            let event = Event::parse(take(&raw, body.as_bytes(), &config(), NOW).unwrap().lines.trim_end()).unwrap().0;
            (event.region, event.device_class)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(line(Context { region: 11, device: 1 }), (text("11"), text("phone")));
        assert_eq!(line(Context { region: 0, device: 3 }), (None, text("desktop")));
        assert_eq!(line(Context::default()), (None, None));
    }

    fn take(raw: &Raw<'_>, body: &[u8], config: &Config, now: UnixMillis) -> Result<Taken, Refusal> {
        Sent::parse(raw, body, config, now)?.take(now)
    }

    fn config() -> Config {
        let var = |name: &str| match name {
            "USER_KEY" => Some("a user key of the tests".to_owned()),
            "JWT_AUDIENCE" => Some("sinsang".to_owned()),
            _ => None,
        };
        Config::of(var).0
    }

    fn beacon() -> Raw<'static> {
        Raw { method: "POST", path: PATH, content_type: Some("text/plain;charset=UTF-8"), ..Raw::default() }
    }

    fn event(number: usize) -> Value {
        json!({"event_id": format!("event-{number:04}"), "kind": "view", "at": "2026-11-22T13:05:00Z", "product_id": "0123456789abcdef"})
    }

    fn taken(body: &Value) -> Result<Taken, Refusal> {
        take(&beacon(), body.to_string().as_bytes(), &config(), NOW)
    }

    #[test]
    fn bad_rows_are_named_and_good_ones_go_on() {
        let body = json!({"device": DEVICE, "events": [event(0), {"event_id": "x"}, event(2), 7]});
        let taken = taken(&body).unwrap();
        let places: Vec<_> = taken.refused.iter().map(|row| (row.index, row.wrong.field)).collect();
        assert_eq!(
            (taken.accepted, taken.lines.lines().count(), places),
            (2, 2, vec![(1, Some("event_id")), (3, None)])
        );
        assert!(taken.lines.lines().all(|line| Event::parse(line).is_ok()), "{}", taken.lines);
        assert!(!taken.lines.contains(DEVICE), "{}", taken.lines);
    }

    #[test]
    fn what_json_alone_allows_costs_its_own_row() {
        let good = [event(0), event(3)].map(|row| row.to_string());
        for bad in [
            &br#"{"event_id":"event-0001","kind":"view","at":"2026-11-22T13:05:00Z","listing_id":"\ud83d"}"#[..],
            br#"{"event_id":"event-0001","position":01}"#,
            br#"{"event_id":"event-0001","shop":"\x41"}"#,
            b"{\"event_id\":\"event-0001\",\"kind\":\"view\",\"at\":\"2026-11-22T13:05:00Z\",\"listing_id\":\"\xea\xb0\"}",
            &[[b'['; 300], [b']'; 300]].concat(),
        ] {
            let body = [br#"{"device":"device-of-the-tests","events":["#, good[0].as_bytes(), b",", bad, b",", good[1].as_bytes(), b"]}"];
            let taken = take(&beacon(), &body.concat(), &config(), NOW).unwrap();
            assert_eq!((taken.accepted, taken.refused.len()), (2, 1), "{}", String::from_utf8_lossy(bad));
            assert_eq!(taken.refused[0].index, 1);
        }
        assert_eq!(
            take(&beacon(), br#"[null,"device-of-the-tests",[]]"#, &config(), NOW),
            Err(Refusal::Invalid("body", "expected JSON: an object with events"))
        );
    }

    #[test]
    fn the_header_is_before_the_body_and_nobody_sends_nothing() {
        let body = json!({"device": "another-device-of-the-tests", "events": [event(0)]}).to_string();
        let raw = Raw { device: Some(DEVICE), ..beacon() };
        let by_header = take(&raw, body.as_bytes(), &config(), NOW).unwrap();
        assert_eq!(by_header, taken(&json!({"device": DEVICE, "events": [event(0)]})).unwrap());
        assert_eq!(taken(&json!({"events": [event(0)]})), Err(Refusal::Nobody));
        let blank = json!({"device": "00000000-0000-0000-0000-000000000000", "events": [event(0)]});
        assert_eq!(taken(&blank), Err(Refusal::Nobody), "the id of all who have none");
        assert_eq!(
            taken(&json!({"device": "short", "events": []})).unwrap_err(),
            Refusal::Invalid("device", "expected 16 to 64 of A-Z, a-z, 0-9, _ and -")
        );
        let without = take(&raw, body.as_bytes(), &Config::default(), NOW);
        assert_eq!(without, Err(Refusal::Unavailable), "no viewer is named without a key");
        let forged = json!({"device": DEVICE, "token": "x.y.z", "events": [event(0)]});
        assert_eq!(
            taken(&forged),
            Err(Refusal::Token(Refused::Malformed)),
            "a bad token is not made up for by a device"
        );
    }

    #[test]
    fn names_in_decomposed_hangul_are_taken_as_boards_have_them() {
        // 홈앤쇼핑 as macOS spells it.
        let shop = "\u{1112}\u{1169}\u{11b7}\u{110b}\u{1162}\u{11ab}\u{1109}\u{116d}\u{1111}\u{1175}\u{11bc}";
        let row = json!({"event_id": "event-0001", "kind": "click", "at": "2026-11-22T13:05:00Z", "shop": shop, "listing_id": shop});
        let lines = taken(&json!({"device": DEVICE, "events": [row]})).unwrap().lines;
        let event = Event::parse(lines.trim_end()).unwrap().0;
        assert_eq!([event.shop, event.listing_id], ["홈앤쇼핑", "홈앤쇼핑"].map(|name| Some(name.to_owned())));
    }

    #[test]
    fn nothing_is_taken_in_a_name_whose_signature_is_not_proven() {
        // {"alg":"ES256"}, the claims of u000001 for sinsang until 1970-01-12T13:46:40Z, and a signature that nobody made.
        let token = format!(
            "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MDAwMDAxIiwiYXVkIjoic2luc2FuZyIsImV4cCI6MTgwMDAwMDAwMH0.{}",
            "A".repeat(86)
        );
        let config = Config::of(|name| match name {
            "USER_KEY" => Some("a user key of the tests".to_owned()),
            "JWT_AUDIENCE" => Some("sinsang".to_owned()),
            // Of RFC 7515, appendix A.3.
            "JWT_ES256_PUBLIC_KEY" => Some(
                r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
                    .to_owned(),
            ),
            _ => None,
        })
        .0;
        let body = json!({"device": DEVICE, "token": token, "events": [event(0)]}).to_string();
        let mut sent = Sent::parse(&beacon(), body.as_bytes(), &config, NOW).unwrap();
        let refused = Refusal::Token(Refused::Signature);
        assert!(sent.unproven().is_some());
        assert_eq!(sent.take(NOW), Err(refused.clone()));
        assert_eq!(sent.prove(false, &config, NOW), Err(refused.clone()));
        assert_eq!(sent.take(NOW), Err(refused));
        let late = UnixMillis(1_800_000_100_000);
        assert_eq!(sent.prove(true, &config, late), Err(Refusal::Token(Refused::Expired)));
        assert_eq!(sent.prove(true, &config, NOW), Ok(()));
        let user = config.verifier.as_ref().unwrap().user("u000001");
        let lines = sent.take(NOW).unwrap().lines;
        assert_eq!(Event::parse(lines.trim_end()).unwrap().0.viewer, format!("{:016x}", user.0));
        let again = Sent::parse(&beacon(), body.as_bytes(), &config, NOW.plus(1)).unwrap();
        assert!(again.unproven().is_none(), "a good token is remembered");
    }

    #[test]
    fn pages_of_other_sites_send_nothing_whatever_they_call_it() {
        let var = |name: &str| match name {
            "CORS_ORIGINS" => Some("https://app.example, null, *".to_owned()),
            _ => None,
        };
        let (config, foreign) = (Config::of(var).0, Err(Refusal::Foreign));
        let own = "https://shop.example";
        let table = [
            // An app, and whoever is no browser.
            (None, None, Ok(())),
            (None, Some("none"), Ok(())),
            (None, Some("same-origin"), Ok(())),
            (None, Some("same-site"), foreign.clone()),
            (None, Some("cross-site"), foreign.clone()),
            (None, Some("Cross-Site"), foreign.clone()),
            (None, Some(""), foreign.clone()),
            (Some("https://app.example"), Some("cross-site"), Ok(())),
            (Some("https://app.example"), None, Ok(())),
            (Some(own), Some("same-origin"), Ok(())),
            (Some("http://shop.example"), Some("cross-site"), foreign.clone()),
            (Some("https://shop.example:8443"), Some("same-site"), foreign.clone()),
            (Some("https://shop.example.evil.example"), Some("cross-site"), foreign.clone()),
            (Some("https://evil.example"), None, foreign.clone()),
            // No word of a page's makes its origin another.
            (Some("https://evil.example"), Some("same-origin"), foreign.clone()),
            (Some("null"), Some("cross-site"), foreign.clone()),
            (Some("null"), None, foreign.clone()),
            (Some(""), None, foreign.clone()),
        ];
        for (origin, fetch_site, expected) in table {
            for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data"] {
                let raw = Raw { content_type: Some(kind), own_origin: own, origin, fetch_site, ..beacon() };
                let is_events = ["text/plain", "application/json"].contains(&kind);
                let expected =
                    if expected.is_ok() && !is_events { Err(Refusal::ContentType) } else { expected.clone() };
                assert_eq!(begin(&raw, &config), expected, "{origin:?} {fetch_site:?} {kind}");
            }
        }
        assert_eq!(
            begin(&Raw { origin: Some(""), ..beacon() }, &config),
            foreign,
            "an address without a host is nobody's"
        );
    }

    #[test]
    fn a_request_is_counted_for_its_user_or_its_device() {
        let config = config();
        let asker = |device: &str| {
            let body = json!({"device": device, "events": []}).to_string();
            Sent::parse(&beacon(), body.as_bytes(), &config, NOW).unwrap().asker()
        };
        let key = config.devices.as_ref().unwrap().device(DEVICE);
        assert_eq!(asker(DEVICE), Asker::Device(key), "by the same key as on the surfaces");
        assert_ne!(asker("another-device-of-the-tests"), asker(DEVICE));
        let of = |viewer: &str| Sent {
            rows: Vec::new(),
            context: Context::default(),
            viewer: Viewer::Known(viewer.to_owned()),
        };
        assert_eq!(of("d123456789abcdef").asker(), Asker::User(UserKey(0xd123_4567_89ab_cdef)));
    }

    #[test]
    fn a_request_is_bounded_before_it_is_parsed_and_in_its_events() {
        let raw = |length| Raw { content_length: Some(length), ..beacon() };
        assert_eq!(begin(&raw("65536"), &config()), Ok(()));
        assert_eq!(begin(&raw("65537"), &config()), Err(Refusal::TooLarge));
        assert_eq!(take(&beacon(), &vec![b' '; MAX_BODY_BYTES + 1], &config(), NOW), Err(Refusal::TooLarge));
        let events = |count| json!({"device": DEVICE, "events": (0..count).map(event).collect::<Vec<_>>()});
        assert_eq!(taken(&events(100)).map(|taken| taken.accepted), Ok(100));
        assert_eq!(taken(&events(101)), Err(Refusal::TooLarge));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic_and_every_row_is_accounted_for(body in proptest::collection::vec(any::<u8>(), 0..200), rows in proptest::collection::vec(0_u8..4, 0..100)) {
            let _ = take(&beacon(), &body, &config(), NOW);
            let events: Vec<Value> = rows.iter().enumerate().map(|(number, kind)| match kind {
                0 => event(number),
                1 => json!(null),
                2 => json!({"event_id": "event-0001"}),
                _ => json!({"event_id": format!("event-{number:04}"), "kind": "tab_open", "tab_id": "new", "at": "2026-11-22T22:05:00+09:00"}),
            }).collect();
            let taken = taken(&json!({"device": DEVICE, "events": events})).unwrap();
            prop_assert_eq!(taken.accepted + taken.refused.len(), rows.len());
            prop_assert_eq!(taken.lines.lines().count(), taken.accepted);
        }
    }
}
