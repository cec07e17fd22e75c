//! A snapshot on trial: its share of viewers gets it, everybody else the live one, lists stay in
//! theirs, and no request waits for it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sinsang::reply::Reply;
use sinsang_core::experiment::WHOLE;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::time::{HOUR_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, on_trial, published, published_after};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, ok};

const SURFACES: [&str; 4] = ["/v1/new?limit=100", "/v1/live", "/v1/tabs", "/v1/home?limit=100"];
const HALF: u32 = WHOLE / 2;

fn pair() -> (Published, Published) {
    let live = published(&Shape::DAY);
    // Its manifest as a pack has no history, like that of a folder.
    let next = published_after(&Shape::DAY, &live);
    (live, next)
}

/// An edge that has looked while `next` is on trial, and has read it in the background.
fn edge(share: u32) -> (Edge, Published, Published) {
    let (live, next) = pair();
    let mut edge = Edge::with(&on_trial(&live, &next, share), at(BUILT_AT).plus(2 * HOUR_MS));
    edge.get("/v1/tabs");
    look(&mut edge);
    (edge, live, next)
}

fn look(edge: &mut Edge) {
    edge.pass(32 * SECOND_MS);
    edge.get("/v1/tabs");
    assert!(edge.cost.background > 0);
}

fn device(number: usize) -> String {
    format!("device-{number:012}")
}

fn by(number: usize, target: &str) -> Ask {
    Ask::get(target).device(&device(number))
}

fn of(reply: &Reply) -> String {
    let name = reply.header("Sinsang-Snapshot").unwrap().to_owned();
    if reply.status == 200 {
        assert_eq!(ok(reply)["snapshot"]["id"], name.as_str(), "header and body name the same snapshot");
    }
    name
}

/// An answer without its snapshot's age and rung.
fn shown(reply: &Reply) -> Value {
    let mut body = ok(reply);
    body.as_object_mut().unwrap().remove("snapshot");
    body
}

/// The devices, of so many, that get `next`.
fn drawn(edge: &mut Edge, next: &Published, devices: usize) -> BTreeSet<usize> {
    let name = next.snapshot.to_string();
    (0..devices).filter(|number| of(&edge.ask(&by(*number, "/v1/tabs"))) == name).collect()
}

/// A device that gets the snapshot on trial, and one that gets the live one.
fn one_of_each(edge: &mut Edge, next: &Published) -> (usize, usize) {
    let drawn = drawn(edge, next, 40);
    let first = |is_drawn: bool| (0..40).find(|number| drawn.contains(number) == is_drawn).unwrap();
    (first(true), first(false))
}

#[test]
fn a_share_of_viewers_gets_it_and_a_wider_share_only_adds_viewers() {
    const DEVICES: usize = 2000;
    let mut before = BTreeSet::new();
    for (share, bounds) in [(50_000, 70..=130), (250_000, 440..=560), (WHOLE, DEVICES..=DEVICES)] {
        let (mut edge, _, next) = edge(share);
        let drawn = drawn(&mut edge, &next, DEVICES);
        assert!(bounds.contains(&drawn.len()), "{share}: {}", drawn.len());
        assert!(drawn.is_superset(&before));
        before = drawn;
        for target in SURFACES {
            assert_ne!(of(&edge.get(target)), next.snapshot.to_string(), "nobody can draw the anonymous");
        }
    }
    let (mut withdrawn, _, next) = edge(0);
    assert_eq!(drawn(&mut withdrawn, &next, 200), BTreeSet::new());
    assert_eq!(ok(&withdrawn.get("/v1/status"))["trial"], Value::Null);
}

#[test]
fn a_user_gets_the_same_on_every_device_and_surface_as_if_it_were_live() {
    let (mut edge, live, next) = edge(HALF);
    let mut seen = BTreeSet::new();
    for user in (0..20).map(|number| format!("u{number:06}")) {
        let name = of(&edge.ask(&Ask::get("/v1/tabs").user(&user)));
        let drawn = if name == next.snapshot.to_string() { &next } else { &live };
        let mut alone = Edge::with(drawn, edge.now);
        for target in SURFACES {
            for device in [None, Some(device(3))] {
                let ask = Ask::get(target).user(&user);
                let ask = device.iter().fold(ask, |ask, device| ask.device(device));
                let (own, expected) = (edge.ask(&ask), alone.ask(&ask));
                assert_eq!(of(&own), name);
                assert_eq!(shown(&own), shown(&expected), "{user} {target}");
            }
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn no_request_waits_for_it_and_a_warm_one_reads_nothing() {
    let (live, next) = pair();
    let trial = on_trial(&live, &next, WHOLE);
    let now = at(BUILT_AT).plus(2 * HOUR_MS);
    let ask = by(1, "/v1/new");
    let mut without = Edge::with(&live, now);
    without.ask(&ask);
    let mut edge = Edge::with(&trial, now);
    assert_eq!(of(&edge.ask(&ask)), live.snapshot.to_string());
    assert_eq!((edge.cost.rounds, edge.cost.reads), (without.cost.rounds, without.cost.reads));
    assert_eq!(ok(&edge.get("/v1/status"))["trial"]["read"], json!(false));
    // The background reads it a second later.
    edge.pass(SECOND_MS);
    edge.ask(&ask);
    assert!((3..=5).contains(&edge.cost.background), "manifest, its manifest and board: {}", edge.cost.background);
    edge.store.reads.clear();
    assert_eq!(of(&edge.ask(&ask)), next.snapshot.to_string());
    assert!(edge.cost.is_warm && edge.store.reads.is_empty(), "{:?}", edge.store.reads);
    let told = json!({"snapshot": next.snapshot.to_string(), "share": 1.0, "read": true});
    assert_eq!(ok(&edge.get("/v1/status"))["trial"], told);
    look(&mut edge);
    assert!(edge.cost.background <= 3, "it is read once: {}", edge.cost.background);
}

#[test]
fn validators_and_caches_never_cross() {
    let (mut edge, live, next) = edge(HALF);
    let (inside, outside) = one_of_each(&mut edge, &next);
    for target in SURFACES {
        let [own, others] = [inside, outside].map(|number| edge.ask(&by(number, target)));
        let shared = edge.get(target);
        assert_eq!((of(&own), of(&others)), (next.snapshot.to_string(), live.snapshot.to_string()));
        let tag = |reply: &Reply| reply.header("ETag").unwrap().to_owned();
        assert_ne!(tag(&own), tag(&others), "{target}");
        for (number, etag, status) in [
            (inside, tag(&own), 304),
            (inside, tag(&others), 200),
            (inside, tag(&shared), 200),
            (outside, tag(&own), 200),
            (outside, tag(&others), 304),
        ] {
            assert_eq!(edge.ask(&by(number, target).if_none_match(&etag)).status, status, "{target}");
        }
        for reply in [&own, &others] {
            assert_eq!((reply.header("Cache-Control"), reply.stands_until), (Some("private, no-cache"), None));
        }
        assert!(shared.header("Cache-Control").unwrap().starts_with("public"), "{target}");
        assert_eq!(shared.header("Vary"), Some("Authorization, Origin, Sinsang-Device, Sinsang-Preview"));
    }
}

/// All pages of a list, while `then` happens after the first.
fn pages(edge: &mut Edge, number: usize, then: impl FnOnce(&mut Edge)) -> (Vec<String>, BTreeSet<String>) {
    let first = edge.ask(&by(number, "/v1/new?limit=7"));
    let (mut seen, mut names) = (ids(&ok(&first)), BTreeSet::from([of(&first)]));
    then(edge);
    let mut cursor = ok(&first)["next_cursor"].clone();
    while let Some(next) = cursor.as_str() {
        let page = edge.ask(&by(number, &format!("/v1/new?limit=7&cursor={next}")));
        names.insert(of(&page));
        seen.extend(ids(&ok(&page)));
        cursor = ok(&page)["next_cursor"].clone();
    }
    (seen, names)
}

#[test]
fn a_list_stays_in_its_snapshot_when_the_trial_begins_widens_goes_live_or_is_withdrawn() {
    let (live, next) = pair();
    let widened = on_trial(&live, &next, WHOLE);
    let withdrawn = on_trial(&live, &next, 0);
    let begun = on_trial(&live, &next, HALF);
    for (number_is_drawn, first, then) in [
        (true, &begun, &withdrawn),
        (true, &begun, &next),
        (true, &begun, &widened),
        (false, &begun, &widened),
        (false, &live, &widened),
        (false, &begun, &next),
        (false, &begun, &withdrawn),
    ] {
        for restarts in [false, true] {
            let (mut drawing, ..) = edge(HALF);
            let (inside, outside) = one_of_each(&mut drawing, &next);
            let number = if number_is_drawn { inside } else { outside };
            let mut edge = Edge::with(first, at(BUILT_AT).plus(2 * HOUR_MS));
            edge.get("/v1/tabs");
            look(&mut edge);
            let whole = ids(&ok(&edge.ask(&by(number, "/v1/new?limit=100"))));
            let (seen, names) = pages(&mut edge, number, |edge| {
                edge.store.publish(then);
                if restarts {
                    edge.restart();
                    edge.get("/v1/tabs");
                } else {
                    look(edge);
                }
            });
            assert_eq!(seen, whole);
            assert_eq!(names.len(), 1, "{names:?}");
            let expected = if number_is_drawn { &next } else { &live };
            assert!(names.contains(&expected.snapshot.to_string()));
        }
    }
}

#[test]
fn where_it_cannot_be_read_its_viewers_get_the_live_one() {
    let (live, next) = pair();
    let board = Key::Pack(Kind::Board, next.board).to_string();
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing, Fault::Flipped, Fault::Cut(100)] {
        let mut edge = Edge::with(&on_trial(&live, &next, WHOLE), at(BUILT_AT).plus(2 * HOUR_MS));
        edge.store.faults.insert(board.clone(), fault);
        edge.get("/v1/tabs");
        for _ in 0..3 {
            look(&mut edge);
            assert!(edge.cost.background < 10, "{}", edge.cost.background);
            let reply = edge.ask(&by(1, "/v1/new"));
            assert_eq!((of(&reply), reply.header("Sinsang-Rung")), (live.snapshot.to_string(), Some("isolate")));
        }
        let status = ok(&edge.get("/v1/status"));
        assert_eq!((&status["trial"]["read"], &status["refused"]), (&json!(false), &Value::Null), "{fault:?}");
        edge.store.faults.clear();
        // An open breaker admits a probe within six seconds.
        look(&mut edge);
        look(&mut edge);
        assert_eq!(of(&edge.ask(&by(1, "/v1/new"))), next.snapshot.to_string(), "{fault:?}");
    }
}

#[test]
fn a_preview_sees_what_its_viewer_gets_and_the_list_of_snapshots_tells_of_trials() {
    let (mut edge, live, next) = edge(HALF);
    let mut seen = BTreeSet::new();
    for user in (0..20).map(|number| format!("u{number:06}")) {
        let own = of(&edge.ask(&Ask::get("/v1/new").user(&user)));
        let previewed = edge.ask(&Ask::get(format!("/v1/new?viewer={user}")).preview(PREVIEW));
        assert_eq!(of(&previewed), own);
        seen.insert(own);
    }
    assert_eq!(seen.len(), 2);
    let list = ok(&edge.ask(&Ask::get("/preview/snapshots").preview(PREVIEW)));
    let shares: Vec<_> = list["snapshots"].as_array().unwrap().iter().map(|one| (&one["id"], &one["share"])).collect();
    let (live, next) = (json!(live.snapshot.to_string()), json!(next.snapshot.to_string()));
    assert_eq!(shares, [(&live, &Value::Null), (&next, &json!(0.5))]);
}

#[test]
fn a_cold_isolate_never_begins_with_what_was_only_on_trial() {
    let (live, next) = pair();
    for share in [0, HALF, WHOLE] {
        let mut edge = Edge::with(&on_trial(&live, &next, share), at(BUILT_AT).plus(2 * HOUR_MS));
        edge.store.faults.insert(Key::Pack(Kind::Board, live.board).to_string(), Fault::Missing);
        let reply = edge.ask(&by(1, "/v1/new"));
        assert_eq!(reply.status, 503, "{share}: no earlier snapshot was live");
    }
}
