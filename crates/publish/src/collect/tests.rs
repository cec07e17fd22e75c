//! Tests of collecting an in-memory store: within a budget, resuming where the previous run
//! stopped, and never removing packs that a publish relies on.

use sinsang_core::key::{Key, LEASE};
use sinsang_core::time::{DAY_MS, HOUR_MS};
use sinsang_core::viewer::UserKey;

use super::*;
use crate::forgotten::note_forgotten;
use crate::lease::{Held, LEASE_MS};
use crate::publication::publish;
use crate::run::runs;
use crate::shelf::{Shelf, options as publishing, snapshot};

const NOW: i64 = 1_795_305_600_000;

fn options(at: i64, budget: Option<u64>) -> CollectOptions<'static> {
    let progress = Progress::hidden();
    let at = UnixMillis(at);
    let (grace_ms, replayable_ms, every_ms) = (0, 0, DAY_MS);
    CollectOptions { grace_ms, replayable_ms, is_dry: false, budget, every_ms, at, holder: "a collection", progress }
}

/// A store with eight snapshots of 16 shards each, published an hour apart, of which three are not
/// kept.
fn filled() -> (tempfile::TempDir, Shelf) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Shelf { now: NOW, ..Shelf::new() };
    for turn in 0..8 {
        let at = NOW + turn * HOUR_MS;
        store.now = at;
        let next = snapshot(&folder.path().join(turn.to_string()), at, 1, 16);
        publish(&next, &mut store, &publishing(at, false)).unwrap();
    }
    (folder, store)
}

fn packs_of(store: &Shelf) -> usize {
    store.values.keys().filter(|key| Key::pack_of(key).is_some()).count()
}

#[test]
fn a_pass_goes_on_over_runs_of_a_budget_and_the_next_one_begins_when_it_is_due() {
    let (_folder, mut store) = filled();
    let all = packs_of(&store);
    assert_eq!(all, 8 * 18);
    let begun = NOW + DAY_MS;
    store.now = begun;
    let mut whole = store.cut(10_000);
    let at_once = collect(&mut whole, &options(begun, None)).unwrap();
    assert_eq!((at_once.pass.packs, at_once.pass.removed, at_once.is_whole), (all, 3 * 18, true));

    // Each run may make about forty calls, thirty of them for removing.
    let mut runs_of_it = 0;
    let last = loop {
        let calls = store.calls;
        let at = begun + runs_of_it * HOUR_MS;
        store.now = at;
        let report = collect(&mut store, &options(at, Some(40))).unwrap();
        assert!(store.calls - calls <= 45 && report.calls == store.calls - calls, "{report}");
        runs_of_it += 1;
        if report.is_whole {
            break report;
        }
        assert!(report.to_string().contains("the next run continues it"), "{report}");
    };
    assert!((3..20).contains(&runs_of_it), "{runs_of_it} runs");
    assert_eq!(last.pass, at_once.pass, "what several runs add up to is what one comes to");
    assert_eq!(packs_of(&store), packs_of(&whole));
    assert_eq!(last.last, Some(last.pass.clone()));

    // Nothing is due until a day after the pass began.
    let calls = store.calls;
    let early = collect(&mut store, &options(begun + DAY_MS - 90_000, Some(40))).unwrap();
    assert_eq!((early.due_in_minutes, early.pass.packs, store.calls - calls), (1, 0, 6));
    assert!(early.to_string().contains("due in 1 min"), "{early}");
    assert_eq!(early.last, last.last, "what the last pass came to is still told");
    let next = collect(&mut store, &options(begun + DAY_MS, None)).unwrap();
    assert_eq!((next.pass.packs, next.pass.removed), (5 * 18, 0));
    assert_eq!(runs(&mut store).unwrap()[0].action, "collect");
}

#[test]
fn a_collection_stops_where_a_publish_is_under_way_and_removes_nothing() {
    let (_folder, mut store) = filled();
    let all = packs_of(&store);
    let at = NOW + DAY_MS;
    store.now = at;
    let held = Held::take(&mut store, "a publisher", "publish").unwrap();
    let report = collect(&mut store, &options(at, None)).unwrap();
    assert_eq!((packs_of(&store), report.pass.removed, report.is_whole), (all, 0, false));
    assert!(report.stopped.unwrap().starts_with("a publisher has held this store for publish"));
    held.give_back(&mut store, true);
    let report = collect(&mut store, &options(at + HOUR_MS, None)).unwrap();
    assert_eq!((report.pass.packs, report.pass.removed, report.is_whole), (all, 3 * 18, true));
}

#[test]
fn what_becomes_named_while_a_pass_goes_on_stays() {
    let (folder, mut store) = filled();
    let at = NOW + DAY_MS;
    store.now = at;
    // A rollback becomes visible just as the collection takes the lease: the very first snapshot is
    // live again.
    let oldest = Manifest::parse(store.values[&Key::Live.to_string()].clone()).unwrap();
    let mut parts = snapshot(folder.path().join("0").as_path(), NOW, 1, 16).manifest().unwrap().parts();
    parts.beside = oldest.beside().collect();
    let (bytes, _) = parts.write().unwrap();
    store.meanwhile = Some((LEASE.to_owned(), vec![(Key::Live.to_string(), bytes)]));
    let report = collect(&mut store, &options(at, None)).unwrap();
    for key in packs(&store.live()) {
        assert!(store.values.contains_key(&key.to_string()), "{key} is gone");
    }
    assert!(report.pass.removed > 0 && report.is_whole, "{report}");
}

#[test]
fn a_place_that_the_store_forgot_begins_the_pass_anew() {
    let (_folder, mut store) = filled();
    let at = NOW + DAY_MS;
    store.now = at;
    assert!(!collect(&mut store, &options(at, Some(40))).unwrap().is_whole);
    store.is_forgetful = true;
    let report = collect(&mut store, &options(at + HOUR_MS, Some(37))).unwrap();
    assert_eq!(report.pass.packs, 10, "a page from the beginning");
    assert_eq!(report.pass.begun_at, at + HOUR_MS);
}

#[test]
fn a_dry_run_keeps_no_place_and_takes_no_lease() {
    let (_folder, mut store) = filled();
    let at = NOW + DAY_MS;
    store.now = at + LEASE_MS;
    let before = store.values.clone();
    let report = collect(&mut store, &CollectOptions { is_dry: true, ..options(at, None) }).unwrap();
    assert_eq!((report.pass.removed, report.is_whole, store.values == before), (3 * 18, true, true));
}

/// What `replay_hours` of replays keep at `at`, and leave to be removed.
fn replayable(store: &Shelf, at: i64, replay_hours: i64) -> CollectReport {
    let mut store = store.cut(10_000);
    store.now = at;
    let options = CollectOptions { replayable_ms: replay_hours * HOUR_MS, ..options(at, None) };
    collect(&mut store, &options).unwrap()
}

#[test]
fn what_was_live_or_read_on_within_the_time_of_replays_stays_and_its_price_is_told() {
    let (_folder, store) = filled();
    let at = NOW + DAY_MS;
    // Since an hour and a half before the last publish: the snapshot before was live, and four were
    // beside it. Of the oldest two nothing can be replayed.
    let report = replayable(&store, at, 24 - 6);
    assert_eq!((report.pass.named, report.pass.replayable, report.pass.removed), (5 * 18, 18, 2 * 18), "{report}");
    let report = replayable(&store, at, 24);
    assert_eq!((report.pass.named, report.pass.replayable, report.pass.removed), (5 * 18, 3 * 18, 0), "{report}");
    let bytes = f64::from(u32::try_from(report.pass.replayable_bytes).unwrap());
    assert!(bytes > 0.0 && (report.replay_dollars - 0.5e-9 * bytes).abs() < 1e-12);
    assert!(report.to_string().contains("; 54 kept for replays alone ("), "{report}");
    let report = replayable(&store, at + 8 * DAY_MS, 24);
    assert_eq!((report.pass.replayable, report.pass.removed), (0, 3 * 18), "four are kept whatever their age");
}

#[test]
fn a_snapshot_on_trial_stays_for_replays() {
    let (folder, mut store) = filled();
    let tried = snapshot(&folder.path().join("tried"), NOW + 8 * HOUR_MS, 1, 16);
    store.now = NOW + 8 * HOUR_MS;
    let share = Some("5%".parse().unwrap());
    let trial = crate::publication::Options { share, ..publishing(store.now, false) };
    publish(&tried, &mut store, &trial).unwrap();
    for turn in 9..14 {
        store.now = NOW + turn * HOUR_MS;
        let next = snapshot(&folder.path().join(turn.to_string()), store.now, 1, 16);
        let options = publishing(store.now, false);
        publish(&next, &mut store, &options).unwrap();
    }
    let tried: Vec<String> = packs(&tried.manifest().unwrap()).map(|key| key.to_string()).collect();
    for (hours, is_there) in [(36, true), (1, false)] {
        let mut store = store.cut(10_000);
        store.now = NOW + DAY_MS + 12 * HOUR_MS;
        let options = CollectOptions { replayable_ms: hours * HOUR_MS, ..options(store.now, None) };
        collect(&mut store, &options).unwrap();
        assert!(tried.iter().all(|key| store.values.contains_key(key) == is_there), "{hours} hours");
    }
}

#[test]
fn replays_keep_no_shard_that_may_hold_a_user_who_asked_to_be_forgotten() {
    let (folder, mut store) = filled();
    store.now = NOW + 8 * HOUR_MS;
    // Snapshots are built without that user from the third on.
    let since = UnixMillis(NOW + 2 * HOUR_MS);
    note_forgotten(&mut store, [UserKey(3 << 60 | 5)], since, (since, "a test")).unwrap();
    let mut after = store.cut(10_000);
    after.now = NOW + DAY_MS;
    let options = CollectOptions { replayable_ms: DAY_MS, ..options(after.now, None) };
    let report = collect(&mut after, &options).unwrap();
    assert_eq!((report.pass.replayable, report.pass.removed), (3 * 18 - 2, 2), "{report}");
    for turn in 0..8 {
        let manifest = crate::snapshot::Snapshot::at(&folder.path().join(turn.to_string())).manifest().unwrap();
        let shard = |at: u64| Key::Pack(sinsang_core::pack::Kind::Tastes, manifest.shard_of(at << 60).unwrap());
        let is_there = |at: u64| after.values.contains_key(&shard(at).to_string());
        assert_eq!((is_there(2), is_there(3)), (true, turn >= 2), "snapshot {turn}");
    }
}
