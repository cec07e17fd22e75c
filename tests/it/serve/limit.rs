//! Limits: the bytes that an isolate remembers for any requests, and the sizes of requests.

use std::rc::Rc;

use sinsang::memory::{MAX_SNAPSHOT_BYTES, MAX_TASTE_BYTES, MAX_TASTE_SHARDS, Memory, Origin, ShardTurn, Snapshot};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::{self, TasteShard, Widths};
use sinsang_core::pack::{Damage, Kind, MAX_PACK_BYTES};
use sinsang_core::time::{HOUR_MS, UnixMillis};

use crate::support::board::{BUILT_AT, Published, Shape, parts, publish, published, published_after, widths};
use crate::support::edge::{Ask, Edge, json};
use crate::support::{Numbers, at};

const WIDTHS: Widths =
    Widths { vocabulary: 1, vector: 64, channels: 18, hours: 8, tabs: 9, is_narrow: false, notes: 0 };

fn shard(first_key: u64, users: u64) -> Rc<(sinsang_core::pack::PackId, TasteShard)> {
    let records: Vec<(u64, Vec<u8>)> =
        (0..users).map(|user| (first_key + user, vec![7; WIDTHS.record_bytes()])).collect();
    let (bytes, id) = taste::write(&WIDTHS, &records).unwrap();
    Rc::new((id, TasteShard::parse(bytes, id).unwrap()))
}

/// Ten million users in 2^17 shards are 76 to a shard; a client that asks for a user of another
/// shard each time defeats the cache.
#[test]
fn shards_of_ten_million_users_asked_for_in_a_hostile_order_stay_under_the_limit() {
    let mut memory = Memory::default();
    let mut numbers = Numbers::seeded(5);
    let mut most = 0;
    for round in 0..4_000_u64 {
        let users = match numbers.below(40) {
            0 => 4_000, // as large as a shard of far too few shards
            1 => 1,
            _ => 76,
        };
        let shard = shard(round * 10_000, users);
        memory.keep_taste_shard(Rc::clone(&shard));
        most = most.max(memory.taste_bytes());
        assert!(memory.taste_bytes() <= MAX_TASTE_BYTES, "{} bytes after {round}", memory.taste_bytes());
        assert!(memory.taste_shard(shard.0).is_some(), "the one just read is there");
    }
    assert!(most > MAX_TASTE_BYTES / 2, "the test fills it: {most}");
}

#[test]
fn a_great_many_tiny_shards_are_bounded_in_number_too() {
    let mut memory = Memory::default();
    let shards: Vec<_> = (0..3_000).map(|key| shard(key, 1)).collect();
    for shard in &shards {
        memory.keep_taste_shard(Rc::clone(shard));
    }
    let kept = shards.iter().filter(|shard| memory.taste_shard(shard.0).is_some()).count();
    assert_eq!(kept, MAX_TASTE_SHARDS);
}

#[test]
fn a_shard_that_is_too_large_to_remember_still_serves_its_viewer() {
    let mut memory = Memory::default();
    let large = shard(1, 200_000);
    assert!(large.1.bytes() > MAX_TASTE_BYTES);
    memory.keep_taste_shard(Rc::clone(&large));
    assert_eq!(memory.taste_bytes(), 0, "it is not kept");
}

#[test]
fn snapshots_that_lists_go_on_in_are_forgotten_before_memory_runs_out() {
    let mut memory = Memory::default();
    let mut last = None;
    let mut parts = parts(&Shape::SMALL);
    // Unreferenced text, to make the board large; all snapshots share it, and each counts it.
    parts.channels[0].name = "가".repeat(370_000);
    let (bytes, id) = sinsang_core::pack::board_write::write(&parts).unwrap();
    let board = Rc::new(Board::parse(bytes, id).unwrap());
    for hour in 0..8 {
        let manifest = sinsang_core::pack::manifest::ManifestParts {
            built_at: at(BUILT_AT).plus(hour),
            board: id,
            format: parts.format,
            users: 0,
            shards: vec![sinsang_core::pack::PackId::default()],
            beside: Vec::new(),
        };
        let manifest = Rc::new(Manifest::parse(manifest.write().unwrap().0).unwrap());
        let board = Rc::clone(&board);
        memory.adopt(Snapshot { manifest: Rc::clone(&manifest), board }, Origin::Live, UnixMillis(hour));
        assert!(memory.snapshot_bytes() <= MAX_SNAPSHOT_BYTES, "{}", memory.snapshot_bytes());
        last = Some(manifest.snapshot());
    }
    assert_eq!(memory.current().map(Snapshot::id), last);
    assert!(memory.snapshot_bytes() > MAX_SNAPSHOT_BYTES / 2);
}

#[test]
fn a_board_that_no_value_of_the_store_could_hold_is_neither_written_nor_read() {
    let small_parts = parts(&Shape::SMALL);
    let mut parts = parts(&Shape::SMALL);
    parts.channels[0].name = "가".repeat(MAX_PACK_BYTES / 3 + 1);
    let error = sinsang_core::pack::board_write::write(&parts).unwrap_err();
    assert!(error.bytes > MAX_PACK_BYTES);
    assert!(error.to_string().contains("26214400 that a KV value holds"), "{error}");

    let (small, id) = sinsang_core::pack::board_write::write(&small_parts).unwrap();
    let mut large = small;
    large.resize(MAX_PACK_BYTES + 1, 0);
    let length = u32::try_from(large.len()).unwrap().to_le_bytes();
    large[8..12].copy_from_slice(&length);
    assert_eq!(Board::parse(large, id).unwrap_err(), Damage::Truncated);
}

#[test]
fn cursors_of_kept_snapshots_do_not_make_an_isolate_load_them_in_turn() {
    let mut snapshots = vec![published(&Shape::SMALL)];
    for _ in 0..4 {
        snapshots.push(published_after(&Shape::SMALL, snapshots.last().unwrap()));
    }
    let mut edge = Edge::with(&snapshots[0], at(BUILT_AT));
    let mut cursors = Vec::new();
    for snapshot in &snapshots {
        edge.restart();
        edge.store.publish(snapshot);
        let page = json(&edge.get("/v1/new?limit=1"));
        cursors.push(page["next_cursor"].as_str().unwrap().to_owned());
    }
    for round in 0..3 {
        let mut reads = 0;
        for cursor in &cursors {
            assert_eq!(edge.get(&format!("/v1/new?limit=1&cursor={cursor}")).status, 200);
            reads += edge.cost.reads;
        }
        assert!(round == 0 || reads == 0, "{reads} reads in round {round}");
    }
}

#[test]
fn sizes_are_refused_before_anything_is_parsed() {
    let snapshot = published(&Shape::SMALL);
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let status = |edge: &mut Edge, ask: &Ask| {
        let reply = edge.ask(ask);
        (reply.status, json(&reply)["type"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(status(&mut edge, &Ask::get(format!("/v1/{}", "a".repeat(300)))).0, 414);
    assert_eq!(status(&mut edge, &Ask::get(format!("/v1/new?category={}", "a".repeat(3_000)))).0, 414);
    assert_eq!(status(&mut edge, &Ask::get(format!("/v1/new?category={}", "a".repeat(300)))).0, 400);
    assert_eq!(status(&mut edge, &Ask::get("/v1/new").bearer(&"a.b.c".repeat(10_000))).0, 401);
    assert_eq!(status(&mut edge, &Ask::get("/v1/new?viewer=u000001").preview(&"x".repeat(100_000))).0, 403);
    let mut with_body = Ask::get("/v1/new");
    with_body.has_body = true;
    assert_eq!(status(&mut edge, &with_body), (413, "/problems/no-body".to_owned()));
    let many = vec!["\"x\""; 10_000].join(",");
    assert_eq!(
        edge.ask(&Ask::get("/v1/live").if_none_match(&many)).status,
        200,
        "a header too long counts for nothing"
    );
}

/// Three snapshots with boards of about `bytes` bytes each.
fn snapshots_of(bytes: usize) -> Vec<Published> {
    let shape = Shape::SMALL;
    let mut snapshots: Vec<Published> = Vec::new();
    for hour in 0..3 {
        let mut parts = parts(&shape);
        let widths = widths(&parts);
        parts.built_at = at(BUILT_AT).plus(hour * HOUR_MS);
        let empty = sinsang_core::pack::board_write::write(&parts).unwrap().0.len();
        // Text that is stored once for each of its uses.
        parts.categories[0] = "x".repeat(1_000);
        let uses = (sinsang_core::pack::board_write::write(&parts).unwrap().0.len() - empty + 500) / 1_000;
        parts.categories[0] = "x".repeat((bytes - empty) / uses.max(1));
        let previous = snapshots.iter().rev().map(Published::as_beside).collect();
        snapshots.push(publish(&parts, &shape, &widths, previous));
    }
    snapshots
}

#[test]
fn a_list_in_a_board_that_could_not_be_kept_beside_the_current_one_stops_and_reads_nothing() {
    for (bytes, goes_on) in [(24 * 1024 * 1024, false), (14 * 1024 * 1024, true)] {
        let snapshots = snapshots_of(bytes);
        let mut edge = Edge::with(&snapshots[0], at(BUILT_AT).plus(3 * HOUR_MS));
        let cursor = json(&edge.get("/v1/new?limit=1"))["next_cursor"].as_str().unwrap().to_owned();
        assert!(edge.memory.snapshot_bytes() > bytes * 9 / 10, "{} bytes", edge.memory.snapshot_bytes());
        for snapshot in &snapshots[1..] {
            edge.store.publish(snapshot);
        }
        edge.restart();
        edge.get("/v1/home");
        for _ in 0..3 {
            let page = json(&edge.get(&format!("/v1/new?limit=1&cursor={cursor}")));
            let is_cut = page["interrupted"] == true;
            assert_eq!(is_cut, !goes_on, "{bytes} bytes, {} held", edge.memory.snapshot_bytes());
            assert!(goes_on || edge.cost.reads == 0, "{bytes} bytes: {} reads", edge.cost.reads);
            assert!(edge.memory.snapshot_bytes() <= MAX_SNAPSHOT_BYTES, "{bytes} bytes");
        }
    }
}

#[test]
fn large_boards_of_kept_snapshots_are_read_one_after_the_other() {
    let snapshots = snapshots_of(14 * 1024 * 1024);
    let mut memory = Memory::default();
    let key = Key::Pack(Kind::Board, snapshots[2].board);
    let board = Rc::new(Board::parse(snapshots[2].pack(key).to_vec(), snapshots[2].board).unwrap());
    let manifest = Rc::new(Manifest::parse(snapshots[2].manifest.clone()).unwrap());
    let now = UnixMillis(1_000);
    memory.adopt(Snapshot { manifest, board }, Origin::Live, now);
    let take = |memory: &mut Memory, of: usize, now: UnixMillis| {
        memory.take_kept_lease(snapshots[of].manifest_id, now, now.plus(2_000))
    };
    assert_eq!(take(&mut memory, 0, now), ShardTurn::Mine);
    assert_eq!(take(&mut memory, 1, now), ShardTurn::Others, "three such boards are too much");
    memory.end_shard_lease(snapshots[0].manifest_id);
    assert_eq!(take(&mut memory, 1, now), ShardTurn::Mine);
    assert_eq!(take(&mut memory, 0, now.plus(2_000)), ShardTurn::Mine, "a lease runs out");
}
