//! The rungs below memory: the data centre's cache and the snapshot bundled at deploy; their
//! contents and time limits.

use sinsang::breaker::{PROBE_MAX_MS, REFILLS_IN_FIRST_SECOND};
use sinsang::memory::{MAX_SHARD_READS, REFRESH_MS, STALE_MS};
use sinsang::reply::Reply;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::surface::MAX_VERDICT_AGE_MS;
use sinsang_core::time::{HOUR_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, published, published_after};
use crate::support::edge::{Ask, Edge, Fault, ids, json, ok};

const SURFACES: [&str; 4] = ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"];

#[test]
fn a_cold_isolate_with_every_store_dead_answers_all_surfaces_from_its_bundle() {
    let snapshot = published(&Shape::SMALL);
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing] {
        for path in SURFACES {
            let mut edge = Edge::with(&snapshot, at(BUILT_AT));
            let truth = edge.get(path);
            edge.restart();
            edge.store.deploy(&snapshot);
            edge.store.outage = Some(fault);
            edge.store.cached.clear();
            edge.store.cache_outage = Some(fault);
            let reply = edge.ask(&Ask::get(path).user("u000001"));
            let body = ok(&reply);
            assert_eq!(reply.header("Sinsang-Rung"), Some("bundle"), "{fault:?} {path}");
            assert_eq!(body["snapshot"]["rung"], "bundle", "{fault:?} {path}");
            assert_eq!(body["personalized"], false, "{fault:?} {path}: tastes are not bundled");
            assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
            assert!(edge.cost.ms <= i64::from(edge.config.read_limit_ms), "{fault:?} {path}: {} ms", edge.cost.ms);
            let shared = json(&truth);
            assert_eq!(body["items"], shared["items"], "{fault:?} {path}: the order that all share");
            assert_eq!(body["new"], shared["new"]);
        }
    }
}

#[test]
fn all_reads_of_a_request_together_end_within_the_configured_limit() {
    let (before, after) = {
        let first = published(&Shape::SMALL);
        let second = published_after(&Shape::SMALL, &first);
        (first, second)
    };
    for limit_ms in [100, 400, 2_000] {
        for slow in [Key::Live, Key::Pack(Kind::Board, after.board)] {
            let mut edge = Edge::with(&before, at(BUILT_AT));
            edge.store.publish(&after);
            edge.store.deploy(&before);
            edge.config.read_limit_ms = limit_ms;
            edge.store.faults.insert(slow.to_string(), Fault::Timeout);
            edge.store.cache_outage = Some(Fault::Timeout);
            let reply = edge.ask(&Ask::get("/v1/home").user("u000001"));
            assert_eq!(reply.status, 200);
            assert!(edge.cost.ms <= i64::from(limit_ms), "{slow} in {} ms of {limit_ms}", edge.cost.ms);
        }
    }
}

#[test]
fn an_isolate_finds_in_the_cache_what_another_one_read() {
    let snapshot = published(&Shape::SMALL);
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let own = edge.ask(&Ask::get("/v1/live").user("u000001"));
    assert_eq!(own.header("Sinsang-Rung"), Some("kv"));
    for fault in [Fault::Error, Fault::Missing] {
        edge.restart();
        edge.store.outage = Some(fault);
        edge.pass(HOUR_MS);
        let reply = edge.ask(&Ask::get("/v1/live").user("u000001"));
        assert_eq!(reply.header("Sinsang-Rung"), Some("cache"), "{fault:?}");
        assert_eq!(ok(&reply)["personalized"], true, "tastes are there too");
        let again = edge.ask(&Ask::get("/v1/home").user("u000001"));
        assert_eq!(again.header("Sinsang-Rung"), Some("cache"), "until the store says which snapshot is live");
        assert_eq!(edge.cost.rounds, 0);
    }
}

#[test]
fn bytes_of_the_cache_are_trusted_no_more_than_those_of_the_store() {
    let snapshot = published(&Shape::SMALL);
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    edge.get("/v1/live");
    edge.store.deploy(&snapshot);
    edge.store.outage = Some(Fault::Error);
    let whole = edge.store.cached.clone();
    for key in [Key::Live, Key::Pack(Kind::Board, snapshot.board)].map(|key| key.to_string()) {
        for (place, flips) in [(0, 0xff), (40, 1), (whole[&key].len() - 1, 0x80)] {
            edge.restart();
            edge.store.cached.clone_from(&whole);
            edge.store.cached.get_mut(&key).unwrap()[place] ^= flips;
            let reply = edge.get("/v1/live");
            assert_eq!((reply.status, reply.header("Sinsang-Rung")), (200, Some("bundle")), "{key} at {place}");
        }
    }
    edge.restart();
    edge.store.bundle.as_mut().unwrap()[300] ^= 1;
    edge.store.cached.clear();
    assert_eq!(edge.get("/v1/live").status, 503, "a damaged bundle is none");
}

#[test]
fn an_isolate_on_its_bundle_takes_the_live_snapshot_once_the_store_is_back() {
    let first = published(&Shape::SMALL);
    let second = published_after(&Shape::SMALL, &first);
    let mut edge = Edge::with(&second, at(BUILT_AT));
    edge.store.deploy(&first);
    edge.store.outage = Some(Fault::Error);
    for _ in 0..200 {
        assert_eq!(edge.get("/v1/home").header("Sinsang-Rung"), Some("bundle"));
        edge.pass(100);
    }
    assert!(edge.store.reads.len() <= 3 + 20 / 4 + 1, "{} reads in 20 s", edge.store.reads.len());
    edge.store.outage = None;
    let back = edge.now;
    while edge.get("/v1/home").header("Sinsang-Snapshot") != Some(second.snapshot.to_string().as_str()) {
        edge.pass(200);
        assert!(edge.now.since(back) <= REFRESH_MS, "within a manifest period");
    }
    assert_eq!(edge.get("/v1/home").header("Sinsang-Rung"), Some("isolate"));
}

#[test]
fn after_a_recovery_tastes_are_read_in_growing_steps_and_their_viewers_get_the_shared_order_meanwhile() {
    let snapshot = published(&Shape { users: 400, shard_bits: 7, ..Shape::SMALL });
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    edge.get("/v1/home");
    edge.store.outage = Some(Fault::Error);
    edge.pass(STALE_MS + SECOND_MS);
    while !edge.memory.store.is_open() {
        edge.get("/v1/home");
        edge.pass(PROBE_MAX_MS);
    }
    edge.store.outage = None;
    edge.pass(PROBE_MAX_MS);
    edge.get("/v1/home");
    assert!(!edge.memory.store.is_open());
    edge.store.reads.clear();
    let began = edge.now;
    for user in 0..100 {
        let reply = edge.ask(&Ask::get("/v1/tabs").user(&format!("u{user:06}")));
        assert_eq!(reply.status, 200);
        edge.now = began;
    }
    let most = usize::try_from(REFILLS_IN_FIRST_SECOND).unwrap();
    assert_eq!(edge.store.reads.len(), most, "in the first second");
}

#[test]
fn a_list_whose_next_page_is_out_of_reach_stops_instead_of_failing() {
    let first = published(&Shape::SMALL);
    let second = published_after(&Shape::SMALL, &first);
    for viewer in [None, Some("u000001")] {
        let ask = |target: &str| viewer.map_or(Ask::get(target), |user| Ask::get(target).user(user));
        let mut edge = Edge::with(&first, at(BUILT_AT));
        let page = ok(&edge.ask(&ask("/v1/new?limit=1")));
        let next = format!("/v1/new?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
        let truth = edge.ask(&ask(&next));
        edge.restart();
        edge.store.publish(&second);
        edge.store.deploy(&second);
        edge.store.cached.clear();
        edge.store.outage = Some(Fault::Error);
        let reply = edge.ask(&ask(&next));
        let body = ok(&reply);
        assert_eq!((&body["interrupted"], &body["next_cursor"]), (&true.into(), &serde_json::Value::Null));
        assert!(ids(&body).is_empty(), "no product of another list");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"));
        assert_ne!(reply.header("ETag"), truth.header("ETag"));
        edge.store.outage = None;
        edge.pass(PROBE_MAX_MS);
        edge.get("/v1/home");
        edge.pass(PROBE_MAX_MS);
        let again = ok(&edge.ask(&ask(&next)));
        assert_eq!(ids(&again), ids(&json(&truth)), "and goes on where it stopped once the store is back");
    }
}

#[test]
fn past_the_age_limit_nothing_is_called_new_and_whatever_the_age_nothing_that_is_over_is_shown() {
    let snapshot = published(&Shape::SMALL);
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    edge.store.deploy(&snapshot);
    let young = ok(&edge.get("/v1/new?limit=100"));
    assert!(!ids(&young).is_empty());
    edge.store.outage = Some(Fault::Error);
    for hours in [1, 3, 6, 9, 47, 49, 24 * 9, 24 * 400] {
        edge.now = at(BUILT_AT).plus(hours * HOUR_MS);
        for cold in [false, true] {
            if cold {
                edge.restart();
            }
            for path in SURFACES {
                let body = ok(&edge.get(path));
                let age = hours * HOUR_MS;
                let shown = body["items"].as_array().or(body["new"]["items"].as_array()).cloned().unwrap_or_default();
                for item in shown.iter().filter(|_| path == "/v1/new" || path == "/v1/home") {
                    assert!(age <= MAX_VERDICT_AGE_MS);
                    assert_eq!(item["verdict"]["kind"], "new");
                    let last = item["broadcasts"].as_array().unwrap().last().unwrap();
                    assert!(at(last["ends_at"].as_str().unwrap()) > edge.now, "{path} after {hours} h");
                }
                let live = body["live"]["items"].as_array().or(body["items"].as_array()).cloned().unwrap_or_default();
                for item in live.iter().filter(|_| path == "/v1/live") {
                    assert!(at(item["broadcast"]["ends_at"].as_str().unwrap()) > edge.now);
                }
            }
        }
    }
}

#[test]
fn an_old_schedule_still_shows_what_is_on_air_but_does_not_call_it_new() {
    let snapshot = published(&Shape { hours: 24 * 6, products: 800, ..Shape::SMALL });
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    edge.get("/v1/live");
    edge.store.outage = Some(Fault::Error);
    let mut outdated = 0;
    for hour in 49..120 {
        edge.now = at(BUILT_AT).plus(hour * HOUR_MS);
        assert!(ids(&ok(&edge.get("/v1/new"))).is_empty());
        for item in ok(&edge.get("/v1/live"))["items"].as_array().unwrap() {
            assert_ne!(item["verdict"]["kind"], "new");
            outdated += usize::from(item["verdict"]["evidence"]["reason"] == "outdated");
        }
    }
    assert!(outdated > 0, "some of what is on air was new to this schedule");
}

/// A hundred concurrent requests of a cold isolate, each advancing one step in turn.
#[test]
fn requests_that_arrive_together_at_a_cold_isolate_read_each_key_once() {
    let snapshot = published(&Shape::SMALL);
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let (replies, most_at_once) = edge.ask_together(&vec![Ask::get("/v1/home").user("u000001"); 100]);
    assert!(replies.iter().all(|reply| ok(reply)["personalized"] == true));
    assert_eq!(edge.store.reads.len(), 4, "{:?}", edge.store.reads);
    assert!(most_at_once <= 2);

    let snapshot = published(&Shape { users: 400, shard_bits: 7, ..Shape::SMALL });
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let asks: Vec<Ask> = (0..400).map(|user| Ask::get("/v1/tabs").user(&format!("u{user:06}"))).collect();
    let (replies, most_at_once) = edge.ask_together(&asks);
    let personal = |reply: &Reply| ok(reply)["personalized"].clone();
    assert!(most_at_once <= MAX_SHARD_READS + 2, "{most_at_once} reads at once");
    let took_ms = edge.now.since(at(BUILT_AT));
    assert!(took_ms < i64::from(edge.config.read_limit_ms) / 4, "{took_ms} ms for 128 shards, 16 at once");
    for (ask, reply) in asks.iter().zip(&replies) {
        assert_eq!(personal(reply), personal(&edge.ask(ask)), "nobody waited in vain");
    }

    edge.restart();
    edge.store.deploy(&snapshot);
    edge.store.cached.clear();
    edge.store.reads.clear();
    edge.store.outage = Some(Fault::Timeout);
    let (replies, _) = edge.ask_together(&asks);
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.header("Sinsang-Rung") == Some("bundle")));
    assert!(edge.store.reads.len() <= MAX_SHARD_READS + 2, "{} reads of a store that hangs", edge.store.reads.len());
}

#[test]
fn viewers_whose_shard_is_damaged_missing_or_slow_do_not_wait_for_it_one_after_another() {
    let snapshot = published(&Shape::SMALL);
    let shard = Key::Pack(Kind::Tastes, snapshot.shard_of("u000001").unwrap()).to_string();
    for fault in [Fault::Missing, Fault::Flipped, Fault::Cut(40), Fault::Timeout] {
        let mut edge = Edge::with(&snapshot, at(BUILT_AT));
        edge.get("/v1/tabs");
        edge.store.faults.insert(shard.clone(), fault);
        edge.store.cached.clear();
        edge.store.reads.clear();
        let ask = Ask::get("/v1/tabs").user("u000001");
        let began = edge.now;
        let (replies, _) = edge.ask_together(&vec![ask.clone(); 50]);
        assert!(replies.iter().all(|reply| ok(reply)["personalized"] == false), "{fault:?}");
        assert_eq!(edge.store.reads, [shard.as_str()], "{fault:?}: read once for all of them");
        let took_ms = edge.now.since(began);
        assert!(fault == Fault::Timeout || took_ms < 100, "{fault:?}: {took_ms} ms");
        for _ in 0..20 {
            assert_eq!(ok(&edge.ask(&ask))["personalized"], false);
            assert!(edge.cost.ms < 20, "{fault:?}: {} ms", edge.cost.ms);
        }
        assert_eq!(edge.store.reads.len(), 1, "{fault:?}: and left alone for a while");
        edge.store.faults.clear();
        edge.pass(PROBE_MAX_MS);
        assert_eq!(ok(&edge.ask(&ask))["personalized"], true, "{fault:?}");
    }
}
