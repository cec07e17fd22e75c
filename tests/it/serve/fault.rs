//! The ladder: answers while the store fails, lies or lags behind, and the recovery.

use std::collections::BTreeSet;

use sinsang::breaker::{FAILURES_TO_OPEN, PROBE_MAX_MS, PROBE_MIN_MS};
use sinsang::memory::{REFRESH_MS, STALE_MS};
use sinsang::reply::Reply;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::time::{HOUR_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, published, published_after};
use crate::support::edge::{Ask, Edge, Fault, ids, ok};

fn two_snapshots() -> (Published, Published) {
    let first = published(&Shape::SMALL);
    let second = published_after(&Shape::SMALL, &first);
    (first, second)
}

fn warm(snapshot: &Published) -> Edge {
    let mut edge = Edge::with(snapshot, at(BUILT_AT));
    edge.ask(&Ask::get("/v1/home").user("u000001"));
    edge
}

#[test]
fn a_background_refresh_adopts_a_new_snapshot_and_no_request_waits_for_it() {
    let (before, after) = two_snapshots();
    let mut edge = warm(&before);
    edge.store.publish(&after);
    edge.pass(REFRESH_MS - SECOND_MS);
    edge.get("/v1/home");
    assert_eq!(edge.cost.background, 0, "not due yet");
    edge.pass(3 * SECOND_MS);
    let old = edge.get("/v1/home");
    assert_eq!(old.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()));
    assert_eq!((edge.cost.rounds, edge.cost.background), (0, 4), "the overlay, the manifest, its board, the pulse");
    let new = edge.get("/v1/home");
    assert_eq!(new.header("Sinsang-Snapshot"), Some(after.snapshot.to_string().as_str()));
    assert_eq!((edge.cost.reads, edge.cost.background, new.header("Sinsang-Rung")), (0, 0, Some("isolate")));
}

#[test]
fn a_refresh_that_finds_nothing_new_reads_two_keys_besides_the_pulse_and_one_at_a_time_is_out() {
    let (before, _) = two_snapshots();
    let mut edge = warm(&before);
    edge.pass(REFRESH_MS + 2 * SECOND_MS);
    edge.loses_refreshes = true;
    assert!(edge.get("/v1/live").wants_refresh);
    assert!(!edge.get("/v1/live").wants_refresh, "the lease is taken");
    edge.pass(10 * SECOND_MS);
    edge.loses_refreshes = false;
    assert!(edge.get("/v1/live").wants_refresh, "the lease ran out");
    assert_eq!(edge.cost.background, 3);
    assert!(!edge.get("/v1/live").wants_refresh);
    edge.pass(REFRESH_MS + 2 * SECOND_MS);
    assert!(edge.get("/v1/live").wants_refresh);
    assert_eq!(edge.cost.background, 2, "the pulse is looked up half as often");
}

#[test]
fn memory_that_can_not_be_refreshed_is_answered_from_and_marked_stale() {
    let (before, after) = two_snapshots();
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing, Fault::Flipped, Fault::Cut(10)] {
        let mut edge = warm(&before);
        edge.store.publish(&after);
        edge.store.faults.insert(Key::Live.to_string(), fault);
        edge.pass(STALE_MS / 2);
        let fresh_enough = edge.get("/v1/home");
        assert_eq!(fresh_enough.header("Sinsang-Rung"), Some("isolate"), "{fault:?}");
        edge.pass(STALE_MS);
        let stale = edge.ask(&Ask::get("/v1/home").user("u000001"));
        assert_eq!(stale.header("Sinsang-Rung"), Some("stale"), "{fault:?}");
        assert_eq!(ok(&stale)["personalized"], true, "{fault:?}: known tastes go on counting");
        assert!(!stale.log.is_empty() || fault == Fault::Missing, "{fault:?}");
        let age: i64 = stale.header("Sinsang-Age").unwrap().parse().unwrap();
        assert!(age >= STALE_MS * 3 / 2 / SECOND_MS, "{age}");
        edge.store.faults.clear();
        edge.pass(PROBE_MAX_MS);
        let recovered = edge.get("/v1/home");
        assert_eq!(recovered.header("Sinsang-Rung"), Some("kv"), "{fault:?}");
        assert_eq!(recovered.header("Sinsang-Snapshot"), Some(after.snapshot.to_string().as_str()), "{fault:?}");
    }
}

#[test]
fn while_the_store_is_down_few_requests_ask_it_and_all_are_answered() {
    let (before, _) = two_snapshots();
    for fault in [Fault::Error, Fault::Timeout] {
        let mut edge = warm(&before);
        edge.store.outage = Some(fault);
        edge.pass(STALE_MS + SECOND_MS);
        edge.store.reads.clear();
        let began = edge.now;
        let mut opened = false;
        for _ in 0..1_000 {
            let reply = edge.get("/v1/home");
            assert_eq!((reply.status, reply.header("Sinsang-Rung")), (200, Some("stale")));
            opened |= edge.memory.store.is_open();
            edge.pass(100);
        }
        assert!(opened);
        let status = ok(&edge.get("/v1/status"));
        assert_eq!(status["store"]["breaker"], "open");
        assert_eq!(status["rung"], "stale");
        let most = i64::from(FAILURES_TO_OPEN) + edge.now.since(began) / PROBE_MIN_MS + 1;
        let asked = i64::try_from(edge.store.reads.len()).unwrap();
        assert!((2..=most).contains(&asked), "{asked} reads, at most {most}");

        edge.store.outage = None;
        edge.pass(PROBE_MAX_MS);
        assert_eq!(edge.get("/v1/home").header("Sinsang-Rung"), Some("stale"), "nobody waits for a probe");
        assert!(!edge.memory.store.is_open(), "which found it well");
        assert_eq!(edge.get("/v1/home").header("Sinsang-Rung"), Some("isolate"));
        assert_eq!(ok(&edge.get("/v1/status"))["store"]["breaker"], "closed");
    }
}

#[test]
fn a_cold_isolate_without_a_store_says_so_and_finds_it_when_it_is_back() {
    let (before, _) = two_snapshots();
    let mut edge = Edge::with(&before, at(BUILT_AT));
    edge.store.outage = Some(Fault::Error);
    let mut waits = BTreeSet::new();
    for _ in 0..50 {
        let reply = edge.ask(&Ask::get("/v1/home").user("u000001"));
        let wait: i64 = reply.header("Retry-After").unwrap().parse().unwrap();
        assert_eq!((reply.status, (5..=10).contains(&wait)), (503, true), "{wait}");
        waits.insert(wait);
        edge.pass(50);
    }
    assert!(waits.len() > 3, "those who are turned away together do not come back together: {waits:?}");
    assert!(edge.memory.store.is_open());
    edge.store.outage = None;
    edge.pass(PROBE_MAX_MS);
    edge.get("/v1/live");
    let reply = edge.ask(&Ask::get("/v1/home").user("u000001"));
    assert_eq!(ok(&reply)["personalized"], true);
}

#[test]
fn a_manifest_ahead_of_its_board_leaves_the_old_snapshot_in_place() {
    let (before, after) = two_snapshots();
    for fault in [Fault::Missing, Fault::Error, Fault::Flipped, Fault::Cut(1000), Fault::Cut(0)] {
        for wait_ms in [REFRESH_MS + 2 * SECOND_MS, STALE_MS + SECOND_MS] {
            let mut edge = warm(&before);
            edge.store.publish(&after);
            let board = Key::Pack(Kind::Board, after.board).to_string();
            edge.store.faults.insert(board, fault);
            edge.pass(wait_ms);
            for _ in 0..3 {
                let reply = edge.ask(&Ask::get("/v1/home").user("u000001"));
                assert_eq!(ok(&reply)["personalized"], true, "{fault:?}");
                assert_eq!(reply.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()), "{fault:?}");
            }
            edge.store.faults.clear();
            edge.pass(11 * SECOND_MS);
            edge.get("/v1/home");
            let reply = edge.get("/v1/home");
            assert_eq!(reply.header("Sinsang-Snapshot"), Some(after.snapshot.to_string().as_str()), "{fault:?}");
        }
    }
}

#[test]
fn a_cold_isolate_that_meets_a_manifest_ahead_of_its_board_stands_on_the_snapshot_before() {
    let (before, after) = two_snapshots();
    for fault in [Fault::Missing, Fault::Flipped, Fault::Cut(1000)] {
        let mut edge = Edge::with(&before, at(BUILT_AT));
        edge.store.publish(&after);
        edge.store.faults.insert(Key::Pack(Kind::Board, after.board).to_string(), fault);
        let reply = edge.ask(&Ask::get("/v1/home").user("u000001"));
        assert_eq!(ok(&reply)["personalized"], true, "{fault:?}");
        assert_eq!(reply.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()), "{fault:?}");
        edge.store.faults.clear();
        edge.pass(REFRESH_MS + 2 * SECOND_MS);
        edge.get("/v1/home");
        let reply = edge.get("/v1/home");
        assert_eq!(reply.header("Sinsang-Snapshot"), Some(after.snapshot.to_string().as_str()), "{fault:?}");
    }
}

#[test]
fn a_rollback_brings_the_old_snapshot_back_without_reading_its_board() {
    let (before, after) = two_snapshots();
    let mut edge = warm(&before);
    let (old_list, next) = {
        let body = ok(&edge.get("/v1/new?limit=2"));
        (
            ids(&ok(&edge.get("/v1/new?limit=100"))),
            format!("/v1/new?limit=100&cursor={}", body["next_cursor"].as_str().unwrap()),
        )
    };
    edge.store.publish(&after);
    edge.pass(REFRESH_MS + 2 * SECOND_MS);
    edge.get("/v1/home");
    assert_eq!(edge.memory.current().unwrap().id(), after.snapshot);
    let newer = ok(&edge.get("/v1/new?limit=2"));
    edge.store.publish(&before);
    edge.pass(REFRESH_MS + 2 * SECOND_MS);
    edge.get("/v1/home");
    assert_eq!((edge.cost.background, edge.memory.current().unwrap().id()), (2, before.snapshot));
    assert_eq!(ids(&ok(&edge.get(&next))), old_list[2..], "lists of the snapshot that is back go on");
    let newer_next = format!("/v1/new?limit=100&cursor={}", newer["next_cursor"].as_str().unwrap());
    assert_eq!(edge.get(&newer_next).status, 200, "and so do lists of the one that was taken back, from memory");
}

#[test]
fn damaged_bytes_anywhere_never_panic_and_never_answer_wrongly() {
    let (before, _) = two_snapshots();
    let mut whole = warm(&before);
    let items = |reply: &Reply| (ok(reply)["personalized"].clone(), ok(reply)["items"].clone());
    let truth = items(&whole.ask(&Ask::get("/v1/live").user("u000001")));
    let everybodys = items(&whole.get("/v1/live"));
    let shard = before.shard_of("u000001").unwrap();
    let keys = [Key::Live, Key::Pack(Kind::Board, before.board), Key::Pack(Kind::Tastes, shard)];
    for key in keys {
        for cut in [0, 1, 4, 31, 32, 33, 47, 100, 5_000] {
            let mut edge = Edge::with(&before, at(BUILT_AT));
            edge.store.faults.insert(key.to_string(), Fault::Cut(cut));
            let reply = edge.ask(&Ask::get("/v1/live").user("u000001"));
            let is_whole = edge.store.values[&key.to_string()].len() <= cut;
            if is_whole {
                assert!(items(&reply) == truth, "{key} cut to {cut}");
            } else if key == keys[2] {
                assert!(items(&reply) == everybodys, "{key} cut to {cut}");
            } else {
                assert_eq!(reply.status, 503, "{key} cut to {cut}");
            }
        }
    }
}

#[test]
fn packs_under_each_others_keys_are_refused() {
    let (before, after) = two_snapshots();
    let (board, other) = (Key::Pack(Kind::Board, before.board), Key::Pack(Kind::Board, after.board));
    let mut edge = Edge::with(&before, at(BUILT_AT));
    edge.store.values.insert(board.to_string(), after.pack(other).to_vec());
    let reply = edge.get("/v1/live");
    assert_eq!(reply.status, 503);
    assert!(reply.log.iter().any(|line| line.contains("not the one that its key names")), "{:?}", reply.log);
    edge.store.values.insert(board.to_string(), before.manifest.clone());
    assert_eq!(edge.get("/v1/live").status, 503);
}

#[test]
fn a_refresh_in_an_hour_of_silence_is_waited_for() {
    let (before, after) = two_snapshots();
    let mut edge = warm(&before);
    edge.store.publish(&after);
    edge.pass(HOUR_MS);
    let reply = edge.ask(&Ask::get("/v1/home").user("u000001"));
    assert_eq!(reply.header("Sinsang-Snapshot"), Some(after.snapshot.to_string().as_str()));
    assert_eq!((reply.header("Sinsang-Rung"), edge.cost.rounds), (Some("kv"), 2));
}

#[test]
fn packs_that_are_asked_for_twice_are_counted_and_those_that_were_late_are_logged() {
    let (first, second) = two_snapshots();
    let board = Key::Pack(Kind::Board, second.board).to_string();
    let counts = |edge: &mut Edge| {
        let store = ok(&edge.get("/v1/status"))["store"].clone();
        (store["second_reads"].as_u64().unwrap(), store["late_packs"].as_u64().unwrap())
    };
    let mut edge = Edge::cold(at(BUILT_AT));
    edge.store.publish(&first);
    assert_eq!(counts(&mut edge), (0, 0));
    edge.store.publish(&second);
    edge.store.late.insert(board.clone());
    edge.restart();
    let reply = edge.get("/v1/home");
    assert_eq!(reply.log, [format!("{board} was there only when it was asked for again")]);
    assert_eq!(reply.header("Server-Timing"), Some("kv;dur=14;desc=\"4 reads\""), "the second one is a read as well");
    assert_eq!(counts(&mut edge), (1, 1));

    edge.store.late.clear();
    edge.store.faults.insert(board, Fault::Missing);
    edge.store.cached.clear();
    edge.restart();
    assert_eq!(edge.get("/v1/home").header("Sinsang-Snapshot"), Some(first.snapshot.to_string().as_str()));
    assert_eq!(counts(&mut edge), (1, 0), "once for a look");
}

#[test]
fn an_isolate_whose_clock_goes_back_looks_on_as_often_as_before() {
    let (before, after) = two_snapshots();
    for (ahead_ms, missing) in [(HOUR_MS, false), (HOUR_MS, true), (30 * 24 * HOUR_MS, false)] {
        let mut edge = warm(&before);
        edge.pass(ahead_ms);
        if missing {
            edge.store.outage = Some(Fault::Error);
        }
        for _ in 0..5 {
            edge.get("/v1/home");
        }
        edge.store.outage = None;
        edge.pass(-ahead_ms);
        edge.store.publish(&after);
        let began = edge.now;
        let longest = REFRESH_MS + 2 * SECOND_MS;
        while edge.get("/v1/home").header("Sinsang-Snapshot") != Some(after.snapshot.to_string().as_str()) {
            edge.pass(SECOND_MS);
            assert!(edge.now.since(began) <= longest, "{ahead_ms} ms back: the isolate stays with what it has");
        }
        let personal = edge.ask(&Ask::get("/v1/home").user("u000001"));
        assert_eq!(ok(&personal)["personalized"], true, "no lease of a shard outlives the clock");
    }
}

#[test]
fn old_manifests_and_new_ones_in_turn_cost_a_look_each_and_lists_go_on_in_their_own() {
    let (before, after) = two_snapshots();
    let mut edge = warm(&before);
    edge.store.publish(&after);
    let manifest = |snapshot: &Published| snapshot.manifest.clone();
    let mut cursors = Vec::new();
    for round in 0..6 {
        let live = if round % 2 == 0 { &after } else { &before };
        edge.store.values.insert(Key::Live.to_string(), manifest(live));
        edge.pass(REFRESH_MS + 2 * SECOND_MS);
        edge.get("/v1/home");
        let reads = edge.cost.background;
        assert!(reads <= if round == 0 { 4 } else { 3 }, "{reads} reads: both boards are in memory");
        let page = edge.get("/v1/new?limit=2");
        assert_eq!(page.header("Sinsang-Snapshot"), Some(live.snapshot.to_string().as_str()));
        let page = ok(&page);
        assert_eq!(page["snapshot"]["id"], live.snapshot.to_string().as_str(), "one answer, one snapshot");
        cursors.extend(page["next_cursor"].as_str().map(|cursor| (live.snapshot.to_string(), cursor.to_owned())));
        for (snapshot, cursor) in &cursors {
            let later = edge.get(&format!("/v1/new?limit=2&cursor={cursor}"));
            assert_eq!((edge.cost.reads, later.header("Sinsang-Snapshot")), (0, Some(snapshot.as_str())));
            assert_ne!(ok(&later)["interrupted"], true);
        }
    }
    assert_eq!(cursors.len(), 6);
}
