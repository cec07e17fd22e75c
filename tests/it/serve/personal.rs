//! Personal orders: a viewer gets their own order or the shared one, never another viewer's.

use std::collections::BTreeSet;

use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::time::HOUR_MS;

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, hasher, parts, publish, published, users, widths};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, json, ok};

fn edge() -> (Published, Edge) {
    let snapshot = published(&Shape::DAY);
    let edge = Edge::with(&snapshot, at(BUILT_AT).plus(HOUR_MS));
    (snapshot, edge)
}

#[test]
fn a_cold_isolate_reads_four_keys_in_two_rounds_and_a_warm_one_none() {
    let (_, mut edge) = edge();
    for target in ["/v1/home", "/v1/new", "/v1/live", "/v1/tabs"] {
        edge.restart();
        let first = edge.ask(&Ask::get(target).user("u000001"));
        assert_eq!(ok(&first)["personalized"], true, "{target}");
        assert_eq!((edge.cost.reads, edge.cost.rounds), (4, 2), "{target}: {:?}", edge.store.reads);
        assert_eq!(first.header("Sinsang-Rung"), Some("kv"));
        assert_eq!(first.header("Server-Timing"), Some("kv;dur=14;desc=\"4 reads\""));
        let again = edge.ask(&Ask::get(target).user("u000001"));
        assert_eq!((edge.cost.reads, edge.cost.background), (0, 0), "{target}");
        assert_eq!(again.header("Sinsang-Rung"), Some("isolate"));
        edge.get(target);
        assert_eq!(edge.cost.reads, 0, "an anonymous viewer needs no tastes");
    }
    edge.restart();
    edge.get("/v1/home");
    assert_eq!((edge.cost.reads, edge.cost.rounds), (3, 2), "anonymous");
    edge.ask(&Ask::get("/v1/home").user("u000001"));
    assert_eq!((edge.cost.reads, edge.cost.rounds), (1, 1), "only the tastes were missing");
}

#[test]
fn users_see_their_own_orders() {
    let (_, mut edge) = edge();
    let mut orders = BTreeSet::new();
    let shared = ids(&ok(&edge.get("/v1/new?limit=100")));
    for user in users(&Shape::DAY) {
        let body = ok(&edge.ask(&Ask::get("/v1/new?limit=100").user(&user)));
        assert_eq!(body["personalized"], true);
        let order = ids(&body);
        assert_eq!(order.iter().collect::<BTreeSet<_>>(), shared.iter().collect(), "the same products");
        assert_ne!(order, shared);
        orders.insert(order);
    }
    assert_eq!(orders.len(), Shape::DAY.users, "each of their own");
}

#[test]
fn a_viewer_without_tastes_sees_the_shared_order() {
    let (_, mut edge) = edge();
    for target in ["/v1/new?limit=100", "/v1/live", "/v1/tabs"] {
        let shared = ok(&edge.get(target));
        let reply = edge.ask(&Ask::get(target).user("somebody else"));
        assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
        let theirs = ok(&reply);
        assert_eq!((&theirs["personalized"], &theirs["items"]), (&false.into(), &shared["items"]));
    }
}

#[test]
fn a_viewer_whose_shard_cannot_be_read_sees_the_shared_order_and_never_anothers() {
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing, Fault::Flipped, Fault::Cut(0), Fault::Cut(40)] {
        let (snapshot, mut edge) = edge();
        let broken = snapshot.shard_of("u000001").unwrap();
        edge.store.faults.insert(Key::Pack(Kind::Tastes, broken).to_string(), fault);
        for user in users(&Shape::DAY) {
            let mine_is_broken = snapshot.shard_of(&user) == Some(broken);
            let shared = ok(&edge.get("/v1/live"));
            let reply = edge.ask(&Ask::get("/v1/live").user(&user));
            let theirs = ok(&reply);
            assert_eq!(theirs["personalized"], !mine_is_broken, "{fault:?} {user}");
            if mine_is_broken {
                assert_eq!(theirs["items"], shared["items"], "{fault:?} {user}");
                assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
            }
        }
    }
}

#[test]
fn tastes_of_another_vocabulary_are_not_used() {
    let parts = parts(&Shape::DAY);
    let mut other = widths(&parts);
    other.vocabulary ^= 1;
    let snapshot = publish(&parts, &Shape::DAY, &other, Vec::new());
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let shared = ok(&edge.get("/v1/new?limit=100"));
    let theirs = ok(&edge.ask(&Ask::get("/v1/new?limit=100").user("u000001")));
    assert_eq!((&theirs["personalized"], &theirs["items"]), (&false.into(), &shared["items"]));
}

#[test]
fn a_shard_without_users_is_not_read() {
    let shape = Shape { users: 1, ..Shape::DAY };
    let snapshot = published(&shape);
    let lonely = (0..100).map(|index| format!("x{index}")).find(|user| snapshot.shard_of(user).is_none()).unwrap();
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    assert_eq!(ok(&edge.ask(&Ask::get("/v1/home").user(&lonely)))["personalized"], false);
    assert_eq!((edge.cost.reads, edge.cost.rounds), (3, 2));
}

#[test]
fn no_personal_answer_may_be_shared() {
    let (_, mut edge) = edge();
    for user in ["u000001", "stranger"] {
        for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"] {
            for method in ["GET", "HEAD"] {
                let reply = edge.ask(&Ask::get(target).method(method).user(user));
                let control = reply.header("Cache-Control").unwrap();
                assert!(control.starts_with("private") || control == "no-store", "{target}: {control}");
                assert!(reply.header("Vary").unwrap().contains("Authorization"));
                if let Some(etag) = reply.header("ETag") {
                    let unchanged = edge.ask(&Ask::get(target).method(method).user(user).if_none_match(etag));
                    assert_eq!((unchanged.status, unchanged.header("Cache-Control")), (304, Some(control)));
                }
            }
        }
    }
}

#[test]
fn a_preview_names_its_viewer_by_id_or_by_key_and_gets_the_same() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    let mut preview = |viewer: &str| edge.ask(&Ask::get(format!("/v1/home?viewer={viewer}")).preview(PREVIEW));
    let key = hasher().key("u000001");
    let (by_id, by_key) = (preview("u000001"), preview(&format!("key:{key}")));
    assert_eq!(ok(&by_id)["personalized"], true);
    assert_eq!(ok(&by_id)["new"], ok(&by_key)["new"]);
    assert_eq!(ok(&by_key)["personalized"], true);
    for bad in ["key:", "key:u000001", "key:0123456789abcde", "key:0123456789abcdeg"] {
        let reply = preview(bad);
        assert_eq!((reply.status, json(&reply)["parameter"].as_str()), (400, Some("viewer")), "{bad}");
    }
}
