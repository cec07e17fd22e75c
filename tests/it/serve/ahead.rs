//! A snapshot dated ahead of the clock: by its date it would stay fresh for a year, and hide the
//! schedule's new products.

use sinsang::memory::{REFRESH_MS, STALE_MS};
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{CLOCK_LEEWAY_MS, DAY_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, published, published_after};
use crate::support::edge::{Edge, ok};

/// `snapshot` as built under a clock `ahead_ms` ahead of [`BUILT_AT`].
fn ahead(snapshot: &Published, ahead_ms: i64) -> Published {
    let mut parts = Manifest::parse(snapshot.manifest.clone()).unwrap().parts();
    parts.built_at = at(BUILT_AT).plus(ahead_ms);
    let (manifest, manifest_id) = parts.write().unwrap();
    let mut packs = snapshot.packs.clone();
    packs.insert(Key::Pack(Kind::Manifest, manifest_id).to_string(), manifest.clone());
    Published { manifest, manifest_id, snapshot: parts.snapshot(), built_at: parts.built_at, board: parts.board, packs }
}

#[test]
fn an_edge_goes_on_with_what_it_has_and_says_why_until_its_clock_is_there() {
    let before = published(&Shape::SMALL);
    for ahead_ms in [CLOCK_LEEWAY_MS + 60 * SECOND_MS, 365 * DAY_MS] {
        let live = ahead(&published_after(&Shape::SMALL, &before), ahead_ms);
        let mut edge = Edge::with(&before, at(BUILT_AT));
        edge.get("/v1/home");
        edge.store.publish(&live);
        edge.pass(REFRESH_MS + 2 * SECOND_MS);
        for _ in 0..3 {
            let reply = edge.get("/v1/new");
            assert_eq!(reply.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()));
            assert_ne!(reply.header("Sinsang-Age"), Some("0"));
        }
        let status = ok(&edge.get("/v1/status"));
        assert_eq!(status["refused"], "manifest: the snapshot was built ahead of this clock");
        edge.pass(STALE_MS);
        let later = edge.get("/v1/new");
        let is_there = ahead_ms < STALE_MS;
        assert_eq!(later.header("Sinsang-Rung") == Some("stale"), !is_there, "what lasts shows in the rungs");
        let shown = if is_there { &live } else { &before };
        edge.pass(REFRESH_MS);
        assert_eq!(edge.get("/v1/new").header("Sinsang-Snapshot"), Some(shown.snapshot.to_string().as_str()));
    }
}

#[test]
fn a_cold_edge_stands_on_the_cache_or_the_snapshot_before_or_the_bundle_and_never_on_it() {
    let before = published(&Shape::SMALL);
    let after = ahead(&published_after(&Shape::SMALL, &before), 365 * DAY_MS);
    let alone = ahead(&before, 365 * DAY_MS);
    for (live, has_cache, rung) in [(&after, true, "cache"), (&after, false, "kv"), (&alone, false, "bundle")] {
        let mut edge = Edge::with(&before, at(BUILT_AT));
        edge.get("/v1/home");
        edge.restart();
        edge.store.deploy(&before);
        if !has_cache {
            edge.store.cached.clear();
        }
        edge.store.publish(live);
        let reply = edge.get("/v1/home");
        assert_eq!((reply.status, reply.header("Sinsang-Rung")), (200, Some(rung)));
        assert_eq!(reply.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()));
        assert!(reply.log.iter().any(|line| line.contains("ahead of this clock")), "{:?}", reply.log);
    }
}

#[test]
fn clocks_that_are_a_little_apart_harm_nobody() {
    let live = ahead(&published(&Shape::SMALL), CLOCK_LEEWAY_MS);
    let mut edge = Edge::with(&live, at(BUILT_AT));
    assert_eq!(edge.get("/v1/new").header("Sinsang-Rung"), Some("kv"));
}
