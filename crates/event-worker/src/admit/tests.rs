//! Tests of `admit.rs`.

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
    assert_eq!((taken.accepted, taken.lines.lines().count(), places), (2, 2, vec![(1, Some("event_id")), (3, None)]));
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
        let body = [
            br#"{"device":"device-of-the-tests","events":["#,
            good[0].as_bytes(),
            b",",
            bad,
            b",",
            good[1].as_bytes(),
            b"]}",
        ];
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
    assert_eq!(taken(&forged), Err(Refusal::Token(Refused::Malformed)), "a bad token is not made up for by a device");
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
    // {"alg":"ES256"}, the claims of u000001 for sinsang until 1970-01-12T13:46:40Z, and an
    // invalid signature.
    let token = format!(
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MDAwMDAxIiwiYXVkIjoic2luc2FuZyIsImV4cCI6MTgwMDAwMDAwMH0.{}",
        "A".repeat(86)
    );
    let config = Config::of(|name| match name {
        "USER_KEY" => Some("a user key of the tests".to_owned()),
        "JWT_AUDIENCE" => Some("sinsang".to_owned()),
        // From RFC 7515, appendix A.3.
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
        // An app, and clients other than browsers.
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
        // No text in a page's request changes its origin.
        (Some("https://evil.example"), Some("same-origin"), foreign.clone()),
        (Some("null"), Some("cross-site"), foreign.clone()),
        (Some("null"), None, foreign.clone()),
        (Some(""), None, foreign.clone()),
    ];
    for (origin, fetch_site, expected) in table {
        for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let raw = Raw { content_type: Some(kind), own_origin: own, origin, fetch_site, ..beacon() };
            let is_events = ["text/plain", "application/json"].contains(&kind);
            let expected = if expected.is_ok() && !is_events { Err(Refusal::ContentType) } else { expected.clone() };
            assert_eq!(begin(&raw, &config), expected, "{origin:?} {fetch_site:?} {kind}");
        }
    }
    assert_eq!(begin(&Raw { origin: Some(""), ..beacon() }, &config), foreign, "an address without a host is nobody's");
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
    let of =
        |viewer: &str| Sent { rows: Vec::new(), context: Context::default(), viewer: Viewer::Known(viewer.to_owned()) };
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
