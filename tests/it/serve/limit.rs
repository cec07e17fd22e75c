//! What is bounded: the bytes that an isolate remembers, whatever is asked of it, and the sizes of what is asked.

use std::rc::Rc;

use sinsang::memory::{MAX_SNAPSHOT_BYTES, MAX_TASTE_BYTES, MAX_TASTE_SHARDS, Memory, Origin, Snapshot};
use sinsang::pack::board::Board;
use sinsang::pack::manifest::Manifest;
use sinsang::pack::taste::{self, TasteShard, Widths};
use sinsang::time::UnixMillis;

use crate::support::board::{BUILT_AT, Shape, published, published_after};
use crate::support::edge::{Ask, Edge, json};
use crate::support::{Numbers, at};

const WIDTHS: Widths =
    Widths { vocabulary: 1, vector: 64, channels: 18, hours: 8, tabs: 9, is_narrow: false, notes: 0 };

fn shard(first_key: u64, users: u64) -> Rc<(sinsang::pack::PackId, TasteShard)> {
    let records: Vec<(u64, Vec<u8>)> =
        (0..users).map(|user| (first_key + user, vec![7; WIDTHS.record_bytes()])).collect();
    let (bytes, id) = taste::write(&WIDTHS, &records).unwrap();
    Rc::new((id, TasteShard::parse(bytes, id).unwrap()))
}

/// Ten million users in 2^17 shards are 76 to a shard; whoever asks for a user of another shard each time makes nothing stay.
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
    let mut parts = crate::support::board::parts(&Shape::SMALL);
    // Text that nothing refers to, so that the board has a size to speak of; all snapshots share it, and count it each.
    parts.channels[0].name = "가".repeat(370_000);
    let (bytes, id) = sinsang::pack::board_write::write(&parts).unwrap();
    let board = Rc::new(Board::parse(bytes, id).unwrap());
    for hour in 0..8 {
        let manifest = sinsang::pack::manifest::ManifestParts {
            built_at: at(BUILT_AT).plus(hour),
            board: id,
            format: parts.format,
            users: 0,
            shards: vec![sinsang::pack::PackId::default()],
            previous: Vec::new(),
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
