//! A snapshot chosen by a preview: the answers equal those of the snapshot when live, and only
//! previews may choose.

use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::time::{HOUR_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, published, published_after};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, json, ok};

fn two_snapshots() -> (Published, Published) {
    let first = published(&Shape::DAY);
    let second = published_after(&Shape::DAY, &first);
    (first, second)
}

fn preview(target: String) -> Ask {
    Ask::get(target).preview(PREVIEW)
}

#[test]
fn a_snapshot_before_answers_as_it_did_when_it_was_live() {
    let (before, after) = two_snapshots();
    for target in ["/v1/new?limit=100", "/v1/live?", "/v1/tabs?", "/v1/home?limit=5", "/v1/status?"] {
        for viewer in ["", "&viewer=u000001"] {
            let mut edge = Edge::with(&before, at(BUILT_AT));
            let then = edge.ask(&preview(format!("{target}{viewer}")));
            edge.restart();
            edge.store.publish(&after);
            let live = edge.ask(&preview(format!("{target}{viewer}")));
            assert_eq!(ok(&live)["snapshot"]["id"], after.snapshot.to_string());
            let chosen = edge.ask(&preview(format!("{target}{viewer}&snapshot={}", before.snapshot)));
            if target.starts_with("/v1/status") {
                // The status also reports memory, which differs.
                let told = |reply| ["snapshot", "window", "counts", "channels"].map(|name| ok(reply)[name].clone());
                assert_ne!(told(&chosen), told(&live));
                assert_eq!(ok(&chosen)["snapshot"]["id"], before.snapshot.to_string());
                continue;
            }
            assert_eq!(chosen.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()));
            let items = |reply| [&ok(reply)["items"], &ok(reply)["new"]["items"]].map(ToString::to_string);
            assert_eq!(items(&chosen), items(&then), "{target}{viewer}");
            let named = edge.ask(&preview(format!("{target}{viewer}&snapshot={}", after.snapshot)));
            assert_eq!(ok(&named)["snapshot"]["id"], after.snapshot.to_string(), "the live one by its name");
        }
    }
}

#[test]
fn pages_of_a_chosen_snapshot_are_its_own() {
    let (before, after) = two_snapshots();
    let mut edge = Edge::with(&before, at(BUILT_AT));
    let whole = ids(&ok(&edge.get("/v1/new?limit=100")));
    edge.store.publish(&after);
    edge.restart();
    let target = format!("/v1/new?snapshot={}&limit=7", before.snapshot);
    let mut seen = Vec::new();
    let mut next = Some(target.clone());
    while let Some(page) = next {
        let body = ok(&edge.ask(&preview(page)));
        seen.extend(ids(&body));
        next = body["next_cursor"].as_str().map(|cursor| format!("{target}&cursor={cursor}"));
    }
    assert_eq!(seen, whole);
}

#[test]
fn a_chosen_snapshot_is_had_or_refused_and_nothing_is_shown_in_its_place() {
    let (before, after) = two_snapshots();
    let mut edge = Edge::with(&after, at(BUILT_AT));
    edge.get("/v1/tabs");
    edge.pass(2 * SECOND_MS);
    let target = format!("/v1/home?snapshot={}", before.snapshot);
    for asked in [&target, &format!("/v1/status?snapshot={}", before.snapshot)] {
        let closed = edge.get(asked);
        assert_eq!((closed.status, json(&closed)["parameter"].as_str()), (403, Some("snapshot")));
    }
    assert_eq!(edge.ask(&preview("/v1/home?snapshot=live".to_owned())).status, 400);
    let gone = edge.ask(&preview("/v1/home?snapshot=0123456789abcdef".to_owned()));
    assert_eq!((gone.status, json(&gone)["type"].as_str()), (410, Some("/problems/snapshot-gone")));
    for route in ["/v1/home", "/v1/status", "/preview/board"] {
        edge.restart();
        edge.store.cached.clear();
        edge.store.faults.insert(Key::Pack(Kind::Board, before.board).to_string(), Fault::Error);
        let lost = edge.ask(&preview(format!("{route}?snapshot={}", before.snapshot)));
        assert_eq!((lost.status, json(&lost)["type"].as_str()), (503, Some("/problems/no-data")), "{route}");
    }
}

#[test]
fn an_old_snapshot_calls_things_new_in_its_own_days() {
    let (before, after) = two_snapshots();
    let mut edge = Edge::with(&after, at(BUILT_AT).plus(60 * HOUR_MS));
    edge.store.publish(&before);
    edge.store.publish(&after);
    let target = format!("/v1/new?snapshot={}", before.snapshot);
    assert_eq!(ok(&edge.ask(&preview(target.clone())))["total"], 0, "too old for the present");
    let then = ok(&edge.ask(&preview(format!("{target}&as_of={}", BUILT_AT.replace('+', "%2B")))));
    assert!(then["total"].as_u64().unwrap() > 5, "{}", then["total"]);
}
