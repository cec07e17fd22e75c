//! Edges and snapshots of different format versions, as in a rolling deploy or a rollback.

use std::collections::BTreeMap;

use sinsang::breaker::PROBE_MAX_MS;
use sinsang::memory::{REFRESH_MS, STALE_MS};
use sinsang_core::key::Key;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Kind, VERSION};
use sinsang_core::time::SECOND_MS;

use crate::support::board::{BUILT_AT, Published, Shape, published, published_after};
use crate::support::edge::{Ask, Edge, ok};
use crate::support::{at, seal};

/// Versions unreadable to this edge: the next one, a much later one, and the one before the first.
const UNKNOWN: [u16; 3] = [VERSION + 1, u16::MAX, 0];

/// `snapshot` with its packs of `kinds` in the format `version`: intact, sealed, and named by their
/// content.
fn as_of_version(snapshot: &Published, version: u16, kinds: &[Kind]) -> Published {
    let mut parts = Manifest::parse(snapshot.manifest.clone()).unwrap().parts();
    let mut packs = BTreeMap::new();
    let mut written = |kind: Kind, id| {
        let mut bytes = snapshot.pack(Key::Pack(kind, id)).to_vec();
        if kinds.contains(&kind) {
            bytes[4..6].copy_from_slice(&version.to_le_bytes());
        }
        let id = seal(&mut bytes);
        packs.insert(Key::Pack(kind, id).to_string(), bytes);
        id
    };
    parts.board = written(Kind::Board, parts.board);
    for shard in parts.shards.iter_mut().filter(|shard| !shard.is_none()) {
        *shard = written(Kind::Tastes, *shard);
    }
    let (mut manifest, _) = parts.write().unwrap();
    if kinds.contains(&Kind::Manifest) {
        manifest[4..6].copy_from_slice(&version.to_le_bytes());
    }
    let manifest_id = seal(&mut manifest);
    packs.insert(Key::Pack(Kind::Manifest, manifest_id).to_string(), manifest.clone());
    let snapshot = parts.snapshot();
    Published { manifest, manifest_id, snapshot, built_at: parts.built_at, board: parts.board, packs }
}

fn two_snapshots() -> (Published, Published) {
    let first = published(&Shape::SMALL);
    let second = published_after(&Shape::SMALL, &first);
    (first, second)
}

#[test]
fn an_edge_that_can_not_read_the_live_snapshot_goes_on_with_the_one_it_has_and_says_so() {
    let (before, after) = two_snapshots();
    let whole = [Kind::Manifest, Kind::Board, Kind::Tastes];
    for version in UNKNOWN {
        for kinds in [&whole[..], &[Kind::Board], &[Kind::Manifest]] {
            let mut edge = Edge::with(&before, at(BUILT_AT));
            let ask = Ask::get("/v1/home").user("u000001");
            edge.ask(&ask);
            edge.store.publish(&as_of_version(&after, version, kinds));
            for (passes_ms, rung) in [(REFRESH_MS + 2 * SECOND_MS, "isolate"), (STALE_MS, "stale")] {
                edge.pass(passes_ms);
                for _ in 0..20 {
                    let reply = edge.ask(&ask);
                    assert_eq!(ok(&reply)["personalized"], true, "{version} {kinds:?}");
                    assert_eq!(reply.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()));
                    assert_eq!(reply.header("Sinsang-Rung"), Some(rung), "{version} {kinds:?}");
                }
                let status = ok(&edge.get("/v1/status"));
                let refused = status["refused"].as_str().unwrap_or_default();
                assert!(refused.contains(&format!("format version {version} ")), "{refused}");
            }
            // The pipeline is rolled back.
            edge.store.publish(&before);
            edge.pass(PROBE_MAX_MS);
            edge.get("/v1/home");
            let status = ok(&edge.get("/v1/status"));
            assert_eq!((&status["rung"], &status["refused"]), (&"isolate".into(), &serde_json::Value::Null));
        }
    }
}

#[test]
fn a_cold_edge_before_a_snapshot_that_it_can_not_read_stands_on_what_it_can() {
    let (before, after) = two_snapshots();
    for version in UNKNOWN {
        let live = [
            // Named by a readable manifest: the previous snapshot.
            (as_of_version(&after, version, &[Kind::Board, Kind::Tastes]), false, "kv"),
            // Left by another isolate, or by the deploy.
            (as_of_version(&after, version, &[Kind::Manifest, Kind::Board, Kind::Tastes]), true, "cache"),
            (as_of_version(&after, version, &[Kind::Manifest, Kind::Board, Kind::Tastes]), false, "bundle"),
        ];
        for (live, has_cache, rung) in live {
            let mut edge = Edge::with(&before, at(BUILT_AT));
            edge.get("/v1/home");
            edge.restart();
            edge.store.deploy(&before);
            if !has_cache {
                edge.store.cached.clear();
            }
            edge.store.publish(&live);
            let reply = edge.get("/v1/home");
            assert_eq!((reply.status, reply.header("Sinsang-Rung")), (200, Some(rung)), "{version}");
            assert_eq!(reply.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()), "{version}");
            assert!(reply.log.iter().any(|line| line.contains("format version")), "{:?}", reply.log);
            edge.store.reads.clear();
            for _ in 0..100 {
                edge.get("/v1/home");
                edge.pass(100);
            }
            assert!(edge.store.reads.len() < 20, "{} reads of it in ten seconds", edge.store.reads.len());
        }
    }
}

#[test]
fn tastes_of_an_unknown_version_leave_the_shared_order() {
    let snapshot = published(&Shape::SMALL);
    for version in UNKNOWN {
        let mut edge = Edge::with(&as_of_version(&snapshot, version, &[Kind::Tastes]), at(BUILT_AT));
        let reply = edge.ask(&Ask::get("/v1/tabs").user("u000001"));
        let body = ok(&reply);
        assert_eq!((&body["personalized"], reply.header("Sinsang-Rung")), (&false.into(), Some("kv")), "{version}");
        assert_eq!(body["items"], ok(&edge.get("/v1/tabs"))["items"]);
    }
}
