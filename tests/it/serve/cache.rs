//! Caching: which answers may be cached and for how long, and when an ETag confirms that nothing
//! changed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sinsang::cors::Cors;
use sinsang::header;
use sinsang::reply::Reply;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::time::{MINUTE_MS, SECOND_MS, UnixMillis};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, published, published_after};
use crate::support::edge::{Ask, Edge, ORIGIN, PREVIEW, json};

/// The earliest slot boundary after `now`.
fn next_boundary(parts: &BoardParts, now: UnixMillis) -> Option<UnixMillis> {
    parts.slots.iter().flat_map(|slot| [slot.starts_at, slot.ends_at]).filter(|boundary| *boundary > now).min()
}

/// A warm isolate at `now` with no look due.
fn warm(edge: &mut Edge, now: UnixMillis) {
    edge.now = now;
    if edge.memory.current().is_none() {
        edge.get("/v1/tabs");
        edge.now = now;
    }
    edge.saw_all();
}

/// The part of a body that an app shows: everything except ages and the cursor, which names the
/// second that its list was frozen in.
fn shown(reply: &Reply) -> String {
    let mut body = json(reply);
    for of_the_moment in ["age_s", "rung"] {
        body["snapshot"][of_the_moment] = 0.into();
    }
    for place in ["/next_cursor", "/new/next_cursor"] {
        if let Some(cursor) = body.pointer_mut(place).filter(|cursor| !cursor.is_null()) {
            *cursor = "more".into();
        }
    }
    body.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn max_age_never_crosses_the_next_slot_boundary(offset_ms in 0_i64..48 * 3_600_000, route in 0_usize..4) {
        let parts = parts(&Shape::SMALL);
        let mut edge = Edge::with(&published(&Shape::SMALL), at(BUILT_AT));
        let now = at(BUILT_AT).plus(offset_ms);
        warm(&mut edge, now);
        let reply = edge.get(["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"][route]);
        let control = reply.header("Cache-Control").unwrap();
        let seconds: i64 = control.strip_prefix("public, max-age=").unwrap().parse().unwrap();
        prop_assert!((0..=60).contains(&seconds), "{control}");
        if let Some(boundary) = next_boundary(&parts, now) {
            prop_assert!(now.plus(seconds * SECOND_MS) <= boundary, "{control} at {now} before {boundary}");
        }
    }
}

#[test]
fn an_etag_stands_for_one_body_whatever_the_time_and_the_viewer() {
    let first = published(&Shape::SMALL);
    let second = published_after(&Shape::SMALL, &first);
    let targets = [
        "/v1/new",
        "/v1/new?limit=2",
        "/v1/new?sort=soonest&limit=2",
        "/v1/new?channel=ch-01",
        "/v1/new?category=%EC%8B%9D%ED%92%88",
        "/v1/live",
        "/v1/tabs",
        "/v1/home",
        "/v1/home?limit=2",
    ];
    let mut bodies: BTreeMap<String, (String, String)> = BTreeMap::new();
    let (mut answers, mut again) = (0, 0);
    for snapshot in [&first, &second] {
        let mut edge = Edge::with(snapshot, at(BUILT_AT));
        for minutes in (0..500).step_by(4) {
            let now = at(BUILT_AT).plus(minutes * MINUTE_MS);
            warm(&mut edge, now);
            for target in targets {
                for who in [None, Some("u000001"), Some("u000002"), Some("stranger")] {
                    let ask = who.map_or(Ask::get(target), |user| Ask::get(target).user(user));
                    let reply = edge.ask(&ask);
                    let etag = reply.header("ETag").unwrap().to_owned();
                    assert!(etag.starts_with("W/\""), "weak, for ages differ: {etag}");
                    let place = format!("{target} {who:?} {now}");
                    answers += 1;
                    if let Some((body, before)) = bodies.get(&etag) {
                        assert_eq!(*body, shown(&reply), "{place} and {before} share {etag}");
                        again += 1;
                    } else {
                        bodies.insert(etag, (shown(&reply), place));
                    }
                }
            }
        }
    }
    assert!(again * 3 > answers, "an ETag lasts: {again} of {answers} came again");
}

#[test]
fn what_stays_the_same_is_a_304_without_a_body() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    warm(&mut edge, at("2026-11-22T06:01:00+09:00"));
    for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"] {
        let full = edge.get(target);
        let etag = full.header("ETag").unwrap().to_owned();
        for given in [etag.clone(), etag.trim_start_matches("W/").to_owned(), format!("\"x\", {etag}"), "*".to_owned()]
        {
            edge.pass(SECOND_MS);
            let reply = edge.ask(&Ask::get(target).if_none_match(&given));
            assert_eq!(
                (reply.status, reply.body.len(), reply.header("ETag")),
                (304, 0, Some(etag.as_str())),
                "{given}"
            );
            for header in ["Cache-Control", "Vary", "Sinsang-Snapshot", "Sinsang-Rung", "Sinsang-Age"] {
                assert!(reply.header(header).is_some(), "{header}");
            }
        }
        for given in ["\"other\"", "", "W/", &etag[..etag.len() - 2], &format!("{etag},").repeat(200)] {
            assert_eq!(edge.ask(&Ask::get(target).if_none_match(given)).status, 200, "{given}");
        }
    }
}

#[test]
fn only_configured_origins_may_read() {
    let mut edge = Edge::with(&published(&Shape::SMALL), at(BUILT_AT));
    let opened = edge.ask(&Ask::get("/v1/tabs").origin(ORIGIN));
    assert_eq!(opened.header("Access-Control-Allow-Origin"), Some(ORIGIN));
    assert!(opened.header("Access-Control-Expose-Headers").unwrap().contains("Sinsang-Rung"));
    let preflight = edge.ask(&Ask::get("/v1/tabs").method("OPTIONS").origin(ORIGIN));
    assert_eq!((preflight.status, preflight.body.len()), (204, 0));
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(preflight.header("Access-Control-Allow-Headers"), Some(header::OF_SURFACES.join(", ").as_str()));
    for origin in ["https://app.example.evil", "https://APP.example", "null", "*", ""] {
        for method in ["GET", "OPTIONS"] {
            let reply = edge.ask(&Ask::get("/v1/tabs").method(method).origin(origin));
            let opens = reply.headers.iter().find(|(name, _)| name.starts_with("Access-Control"));
            assert_eq!(opens, None, "{method} {origin}");
            assert!(reply.header("Vary").unwrap().contains("Origin"));
        }
    }
    edge.config.cors = Cors::of("https://app.example, *", "sentry-trace, baggage".to_owned());
    let preview = |names: &str| names.split(", ").any(|name| name == header::PREVIEW);
    for (origin, allowed, may_preview) in
        [(ORIGIN, ORIGIN, true), ("https://other.example", "*", false), ("null", "*", false)]
    {
        for target in ["/v1/tabs", "/v1/tabs?x=1", "/healthz"] {
            let reply = edge.ask(&Ask::get(target).origin(origin));
            assert_eq!(reply.header("Access-Control-Allow-Origin"), Some(allowed), "{origin} {target}");
            // This header would make browsers add their stored credentials.
            assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
            assert!(reply.header("Vary").unwrap().contains("Origin"));
        }
        let preflight = edge.ask(&Ask::get("/v1/tabs").method("OPTIONS").origin(origin));
        let headers = preflight.header("Access-Control-Allow-Headers").unwrap();
        assert_eq!(preview(headers), may_preview, "{origin}: {headers}");
        assert!(headers.starts_with("Authorization, ") && headers.ends_with(", sentry-trace, baggage"), "{headers}");
    }
    assert_eq!(edge.ask(&Ask::get("/v1/tabs")).header("Access-Control-Allow-Origin"), None, "no page");
    edge.config.cors = Cors::default();
    assert_eq!(edge.ask(&Ask::get("/v1/tabs").origin(ORIGIN)).header("Access-Control-Allow-Origin"), None);
    let refused = edge.ask(&Ask::get("/v1/tabs?x=1").origin(ORIGIN));
    assert_eq!((refused.status, refused.header("Access-Control-Allow-Origin")), (400, None));
}

#[test]
fn what_stands_for_a_moment_is_the_same_to_the_byte_until_its_end() {
    let published = published(&Shape::SMALL);
    let mut edge = Edge::with(&published, at(BUILT_AT));
    edge.get("/v1/tabs");
    // Across a slot boundary, a ranking step and the end of verdicts; on whole seconds and between
    // them.
    for from in ["2026-11-22T06:59:57+09:00", "2026-11-22T07:09:58+09:00", "2026-11-24T05:59:58+09:00"] {
        for ms in [0, 1, 137, 500, 999, 1_000, 1_250, 1_999, 2_000, 2_001, 2_999, 3_000, 3_500] {
            for target in ["/v1/new?limit=3", "/v1/live", "/v1/tabs", "/v1/home"] {
                let now = at(from).plus(ms);
                warm(&mut edge, now);
                let first = edge.get(target);
                let until = first.stands_until.expect("everybody may share it");
                assert!(until > now && until.since(now) <= SECOND_MS, "{target} at {now} until {until}");
                for later in [now, until.plus(-1)] {
                    edge.now = later;
                    let again = edge.get(target);
                    assert_eq!((&again.headers, &again.body), (&first.headers, &first.body), "{target} at {from} {ms}");
                }
            }
        }
    }
    assert_eq!(edge.ask(&Ask::get("/v1/home").user("u000001")).stands_until, None);
    assert_eq!(edge.get("/v1/status").stands_until, None);
    assert_eq!(edge.ask(&Ask::get("/v1/home").preview(PREVIEW)).stands_until, None);
}
