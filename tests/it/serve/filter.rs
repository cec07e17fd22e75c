//! Filters and times in clients' spellings: a known value is found, and for an unknown one the
//! answer lists the known ones.

use serde_json::{Value, json};
use sinsang_core::time::HOUR_MS;
use unicode_normalization::UnicodeNormalization as _;

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, publish, published, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, ids, ok};

fn target(name: &str, value: &str) -> String {
    let query = form_urlencoded::Serializer::new("limit=100".to_owned()).append_pair(name, value).finish();
    format!("/v1/new?{query}")
}

#[test]
fn hangul_finds_the_same_however_it_is_composed_and_a_list_goes_on_in_either_form() {
    let mut parts = parts(&Shape::SMALL);
    for channel in &mut parts.channels {
        channel.id = format!("채널-{}", channel.id);
    }
    let mut edge = Edge::with(&publish(&parts, &Shape::SMALL, &widths(&parts), Vec::new()), at(BUILT_AT));
    edge.get("/v1/tabs");
    let mut found = 0;
    let channels = parts.channels.iter().map(|channel| ("channel", channel.id.as_str()));
    for (name, value) in parts.categories.iter().map(|name| ("category", name.as_str())).chain(channels) {
        let apart: String = value.nfd().collect();
        assert_ne!(apart, value);
        let [composed, decomposed] = [value, &apart].map(|value| edge.get(&target(name, value)));
        assert_eq!((ok(&composed), composed.header("ETag")), (ok(&decomposed), decomposed.header("ETag")), "{value}");
        found += ids(&ok(&composed)).len();
        let first = ok(&edge.get(&target(name, value).replace("limit=100", "limit=1")));
        if let Some(cursor) = first["next_cursor"].as_str() {
            let next = |value: &str| format!("{}&cursor={cursor}", target(name, value));
            let [composed, decomposed] = [value, &apart].map(|value| ok(&edge.get(&next(value))));
            assert_eq!((&composed["items"], ids(&composed).is_empty()), (&decomposed["items"], false));
        }
    }
    assert!(found > 10, "{found} products test little");
}

#[test]
fn an_unknown_value_is_told_with_those_that_there_are_and_a_known_one_with_nothing_new_is_not() {
    let mut edge = Edge::with(&published(&Shape::SMALL), at(BUILT_AT));
    let parts = parts(&Shape::SMALL);
    let channels: Vec<&str> = parts.channels.iter().map(|channel| channel.id.as_str()).collect();
    let unknown = |given: &str, known: &Value| json!({"given": given, "known": known, "known_count": known.as_array().unwrap().len()});
    let (categories, channels) = (json!(parts.categories), json!(channels));
    for given in ["없음", "뷰 티", "뷰티 ", "\"}],\\\n", "\u{202e}", "Beaute\u{301}"] {
        let answer = ok(&edge.get(&target("category", given)));
        assert_eq!(answer["unknown"], json!({"category": unknown(given, &categories)}), "{given}");
        assert_eq!((&answer["items"], &answer["total"], &answer["next_cursor"]), (&json!([]), &json!(0), &Value::Null));
    }
    let both = ok(&edge.get(&format!("{}&channel=GS", target("category", "없음"))));
    assert_eq!(both["unknown"], json!({"category": unknown("없음", &categories), "channel": unknown("GS", &channels)}));
    let one = ok(&edge.get(&format!("{}&channel=GS", target("category", "뷰티"))));
    assert_eq!(one["unknown"], json!({"channel": unknown("GS", &channels)}));

    // To the end of the board, when nothing is new any more, and past the age limit of verdicts.
    let mut empty = 0;
    for hours in [0, 3, 6, 9, 47, 49] {
        edge.now = at(BUILT_AT).plus(hours * HOUR_MS);
        for (name, values) in [("category", &categories), ("channel", &channels)] {
            for value in values.as_array().unwrap() {
                let answer = ok(&edge.get(&target(name, value.as_str().unwrap())));
                assert_eq!(answer.get("unknown"), None, "{value} after {hours} h");
                empty += usize::from(ids(&answer).is_empty());
            }
        }
        assert_eq!(ok(&edge.get("/v1/new")).get("unknown"), None);
        assert_eq!(ok(&edge.get("/v1/home"))["new"].get("unknown"), None);
    }
    assert!(empty > 20, "{empty} empty lists test little");
}

#[test]
fn what_is_told_of_an_unknown_value_is_bounded_and_has_an_etag() {
    let told = |categories: Vec<String>| {
        let mut parts = parts(&Shape::SMALL);
        parts.categories.extend(categories);
        let mut edge = Edge::with(&publish(&parts, &Shape::SMALL, &widths(&parts), Vec::new()), at(BUILT_AT));
        edge.get("/v1/tabs");
        let reply = edge.get(&target("category", "없음"));
        let [same, other] = ["없음", "없는 것"].map(|given| {
            edge.ask(&Ask::get(target("category", given)).if_none_match(reply.header("ETag").unwrap())).status
        });
        assert_eq!((same, other), (304, 200));
        let head = edge.ask(&Ask::get(target("category", "없음")).method("HEAD"));
        assert_eq!(head.header("Content-Length"), Some(reply.body.len().to_string().as_str()));
        let unknown = &ok(&reply)["unknown"]["category"];
        (unknown["known"].as_array().unwrap().len(), unknown["known_count"].as_u64().unwrap(), reply.body.len())
    };
    let own = parts(&Shape::SMALL).categories.len();
    let (known, count, _) = told((0..200).map(|at| format!("분류 {at:03}")).collect());
    assert_eq!((known, count), (100, 200 + own as u64));
    let (known, count, bytes) = told((0..50).map(|at| format!("{at:02}{}", "긴".repeat(100))).collect());
    assert!((own..own + 50).contains(&known) && known > own + 5, "{known}");
    assert!(count == 50 + own as u64 && bytes < 5_000, "{bytes}");
}

#[test]
fn the_time_of_a_preview_is_read_with_a_plus_that_was_not_escaped() {
    let mut edge = Edge::with(&published(&Shape::SMALL), at(BUILT_AT));
    let mut ask = |target: &str| edge.ask(&Ask::get(target).preview(PREVIEW));
    let expected = ask("/v1/live?as_of=2026-11-22T07:30:00%2B09:00");
    assert!(!ids(&ok(&expected)).is_empty());
    for path in ["/v1/new", "/v1/home", "/v1/tabs", "/v1/status", "/v1/live"] {
        let escaped = ask(&format!("{path}?as_of=2026-11-22T07:30:00%2B09:00"));
        for spelled in ["2026-11-22T07:30:00+09:00", "2026-11-22T07:30:00%2009:00", "2026-11-21T22:30:00Z"] {
            let reply = ask(&format!("{path}?as_of={spelled}"));
            assert_eq!((reply.status, &reply.body), (200, &escaped.body), "{path} {spelled}");
        }
    }
    for bad in ["2026-11-22+09:00", "2026-11-22T07:30:00++09:00", "2026-11-22T07:30:00+9:00"] {
        let reply = ask(&format!("/v1/live?as_of={bad}"));
        assert_eq!(reply.status, 400, "{bad}");
        assert!(String::from_utf8_lossy(&reply.body).contains("%2B"), "what to type instead");
    }
}
