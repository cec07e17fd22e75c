//! Tests of publishing and bundling, in an in-memory store that can fail after some writes and
//! corrupt values.

use sinsang_core::key::{LEASE, RUNS};

use super::*;
use crate::bundle::bundle;
use crate::lease::LEASE_MS;
use crate::rollback::rollback;
use crate::run::runs;
use crate::shelf::{Shelf, options, snapshot};
use crate::status::{Depth, status};
use crate::store::parse;

#[test]
fn a_publish_cut_at_any_write_leaves_what_was_live_and_the_next_one_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 1, 1, 1);
    let second = snapshot(&folder.path().join("second"), 2, 1, 1);
    let mut store = Shelf::new();
    assert_eq!(publish(&first, &mut store, &options(1, false)).unwrap().written, 2);
    let live = store.values[&Key::Live.to_string()].clone();
    // The lease, the board and the manifest as a pack are written before the live manifest.
    for cut in 0..4 {
        let mut store = store.cut(cut);
        let died = publish(&second, &mut store, &options(2, false));
        assert!(matches!(died, Err(Error::Store { action: "writing", .. })), "{died:?}");
        assert_eq!(store.values[&Key::Live.to_string()], live, "cut at write {cut}");
        // A run that held the lease could not release it either, so the next one waits for its end.
        store.writes_left = 100;
        if cut > 0 {
            let held = publish(&second, &mut store, &options(2, false));
            assert!(matches!(held, Err(Error::Held { .. })), "{held:?}");
            store.now += LEASE_MS;
        }
        let report = publish(&second, &mut store, &options(2, false)).unwrap();
        assert_eq!(report.previous.as_deref(), Some(first.manifest().unwrap().snapshot().to_string().as_str()));
        let kept: Vec<_> = store.live().previous().map(|previous| previous.snapshot).collect();
        assert_eq!(kept, [first.manifest().unwrap().snapshot()]);
        assert!(publish(&second, &mut store, &options(2, false)).unwrap().was_live);
        assert_eq!(store.lists, 0, "nothing is listed");
    }
}

/// Interrupts one publisher at each stage, and runs another.
#[test]
fn of_two_publishers_at_once_one_waits_and_neither_is_lost_to_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let [before, one, other] = [1, 2, 3].map(|at| snapshot(&folder.path().join(at.to_string()), at, 1, 1));
    let mut store = Shelf::new();
    publish(&before, &mut store, &options(1, false)).unwrap();
    for cut in 1..4 {
        let mut store = store.cut(cut);
        publish(&one, &mut store, &options(2, false)).unwrap_err();
        store.writes_left = 100;
        // The first publisher stops in the middle of its writes, and holds the store until its
        // lease ends.
        let told = publish(&other, &mut store, &options(3, false)).unwrap_err().to_string();
        assert!(told.starts_with("a test has held this store for publish since 1970-01-01T09:00:00"), "{told}");
        assert_eq!(store.live().snapshot(), before.manifest().unwrap().snapshot());
        store.now += LEASE_MS;
        publish(&other, &mut store, &options(3, false)).unwrap();
        whole(&store);
        let told: Vec<_> = runs(&mut store).unwrap().into_iter().map(|run| (run.action, run.by)).collect();
        let told: Vec<_> = told.iter().map(|(action, by)| (action.as_str(), by.as_str())).collect();
        assert_eq!(told, [("publish", "a test"), ("refused", "a test"), ("publish", "a test")]);
    }
}

#[test]
fn a_manifest_that_moves_meanwhile_is_not_overwritten_and_the_history_says_who_lost() {
    let folder = tempfile::tempdir().unwrap();
    let [before, one, other] = [1, 2, 3].map(|at| snapshot(&folder.path().join(at.to_string()), at, 1, 1));
    let mut store = Shelf::new();
    publish(&before, &mut store, &options(1, false)).unwrap();
    let mut beside = store.cut(100);
    publish(&other, &mut beside, &options(3, false)).unwrap();
    let theirs: Vec<_> = beside.values.into_iter().filter(|(key, _)| key != LEASE && key != RUNS).collect();
    let board = Key::Pack(Kind::Board, one.manifest().unwrap().board()).to_string();

    // A writer that ignores the lease moves the manifest while this run writes its board.
    let mut early = store.cut(100);
    early.meanwhile = Some((board.clone(), theirs.clone()));
    let error = publish(&one, &mut early, &options(2, false)).unwrap_err();
    assert!(matches!(&error, Error::Overtaken { what, .. } if what.contains("did not")), "{error}");
    assert_eq!(early.live().snapshot(), other.manifest().unwrap().snapshot());

    // A writer does so right after this run moved the manifest.
    let mut late = store.cut(100);
    late.meanwhile = Some((Key::Live.to_string(), theirs));
    let error = publish(&one, &mut late, &options(2, false)).unwrap_err();
    assert!(matches!(&error, Error::Overtaken { what, .. } if what.contains("after")), "{error}");

    // Another run takes the lease that this run lets expire.
    let mut taken = store.cut(100);
    taken.now = 1;
    let lease = r#"{"holder":"another","action":"publish","since":2,"until":9999999999999}"#;
    taken.meanwhile = Some((board, vec![(LEASE.to_owned(), lease.into())]));
    let error = publish(&one, &mut taken, &options(2, false)).unwrap_err();
    assert!(matches!(&error, Error::LeaseLost { holder } if holder == "another"), "{error}");
    assert_eq!(taken.live().snapshot(), before.manifest().unwrap().snapshot());
    assert_eq!(taken.values[LEASE], lease.as_bytes(), "another's lease is not given back");
    for store in [&mut early, &mut late, &mut taken] {
        let last = runs(store).unwrap().remove(0);
        assert_eq!((last.action.as_str(), last.snapshot), ("refused", one.manifest().unwrap().snapshot().to_string()));
        assert_eq!(last.reasons.len(), 1);
    }
}

#[test]
fn a_snapshot_that_differs_too_much_goes_live_by_force_alone_and_the_history_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let usual = snapshot(&folder.path().join("usual"), 1, 40, 1);
    let eight = snapshot(&folder.path().join("eight"), 2, 8, 1);
    let none = snapshot(&folder.path().join("none"), 3, 0, 1);
    let mut store = Shelf::new();
    publish(&usual, &mut store, &options(1, false)).unwrap();
    let live = store.values[&Key::Live.to_string()].clone();
    for (snapshot, expected) in [(&eight, "8 products, the live one has 40"), (&none, "0 products and 0 broadcasts")] {
        assert!(!plan(snapshot, &mut store, &options(3, false)).unwrap().refusal.is_empty());
        let error = publish(snapshot, &mut store, &options(3, false)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("--force"), "{error}");
        assert_eq!(store.values[&Key::Live.to_string()], live);
        let refused = runs(&mut store).unwrap().remove(0);
        assert_eq!((refused.action.as_str(), refused.is_forced), ("refused", false));
        assert!(refused.reasons[0].contains(expected), "{refused:?}");
    }
    let ahead = publish(&eight, &mut Shelf::new(), &options(-300_001, false)).unwrap_err().to_string();
    assert!(ahead.contains("ahead of the clock"), "{ahead}");
    let report = publish(&eight, &mut store, &options(2, true)).unwrap();
    assert!(report.to_string().contains("forced despite\n  8 products"), "{report}");
    let forced = runs(&mut store).unwrap().remove(0);
    assert_eq!((forced.action.as_str(), forced.is_forced, forced.reasons), ("publish", true, report.forced.texts()));
    // Unneeded force is not recorded.
    let again = snapshot(&folder.path().join("again"), 4, 8, 1);
    assert!(publish(&again, &mut store, &options(4, true)).unwrap().forced.is_empty());
    assert!(!runs(&mut store).unwrap().remove(0).is_forced);
}

/// The live snapshot can't be read: the board is missing, or the manifest is overwritten.
#[test]
fn what_cant_be_held_against_what_is_live_goes_live_by_force_alone_and_what_was_kept_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, third] = [1, 2, 3].map(|at| snapshot(&folder.path().join(at.to_string()), at, 40, 1));
    let nine = snapshot(&folder.path().join("nine"), 4, 9, 1);
    let id = |snapshot: &Snapshot| snapshot.manifest().unwrap().snapshot();
    let mut whole = Shelf::new();
    for (at, one) in (1..).zip([&first, &second, &third]) {
        publish(one, &mut whole, &options(at, false)).unwrap();
    }
    let board = Key::Pack(Kind::Board, third.manifest().unwrap().board()).to_string();
    let kept = |store: &Shelf| store.live().previous().map(|one| one.snapshot).collect::<Vec<_>>();

    let mut gone = whole.cut(100);
    gone.values.remove(&board);
    let mut damaged = whole.cut(100);
    damaged.values.insert(board.clone(), b"xx".to_vec());
    let mut overwritten = whole.cut(100);
    overwritten.values.insert(Key::Live.to_string(), b"xx".to_vec());
    for (store, told) in [
        (&mut gone, "can't be read (it is missing), so the two can't be compared"),
        (&mut damaged, "the board"),
        (&mut overwritten, "the live manifest can't be read ("),
    ] {
        let refused = plan(&nine, store, &options(4, false)).unwrap().refusal;
        assert!(refused.reasons.iter().any(|reason| reason.rule == "unread"), "{refused}");
        let error = publish(&nine, store, &options(4, false)).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("--force"), "{error}");
        // A rollback still works, to the previous snapshot and to one by name.
        let back = rollback(&mut store.cut(100), None, UnixMillis(4), "a test").unwrap();
        assert_eq!((back.snapshot, back.from), (id(&second).to_string(), id(&third).to_string()));
        rollback(&mut store.cut(100), Some(id(&first)), UnixMillis(4), "a test").unwrap();
        let report = publish(&nine, store, &options(4, true)).unwrap();
        assert_eq!(report.previous, Some(id(&third).to_string()));
        assert!(runs(store).unwrap()[0].is_forced);
        assert_eq!(kept(store), [id(&third), id(&second), id(&first)], "{told}");
    }

    // The snapshot whose manifest was overwritten can be named too.
    let mut overwritten = whole.cut(100);
    overwritten.values.insert(Key::Live.to_string(), b"xx".to_vec());
    let looked = status(&mut overwritten, UnixMillis(4), Depth::Sample).unwrap();
    assert!(looked.to_string().starts_with("live   unreadable manifest ("), "{looked}");
    assert_eq!(
        looked.kept.iter().map(|one| one.snapshot.clone()).collect::<Vec<_>>()[..2],
        [id(&third), id(&second)].map(|id| id.to_string())
    );
    let back = rollback(&mut overwritten, Some(id(&third)), UnixMillis(4), "a test").unwrap();
    assert!(!back.was_live);
    assert_eq!(overwritten.live().snapshot(), id(&third));
    assert_eq!(kept(&overwritten), [id(&second), id(&first)]);

    // However many runs are refused in between, the history names the last live snapshot; without
    // the history there is no rollback target.
    let mut refused = whole.cut(1_000);
    refused.values.insert(Key::Live.to_string(), b"xx".to_vec());
    for at in 10..80 {
        publish(&nine, &mut refused, &options(at, false)).unwrap_err();
    }
    assert_eq!(
        rollback(&mut refused.cut(100), None, UnixMillis(90), "a test").unwrap().snapshot,
        id(&second).to_string()
    );
    refused.values.remove(RUNS);
    let error = rollback(&mut refused, None, UnixMillis(90), "a test").unwrap_err();
    assert!(matches!(&error, Error::Unread { .. }) && error.to_string().contains("--force"), "{error}");
    publish(&nine, &mut refused, &options(91, false)).unwrap_err();
    publish(&nine, &mut refused, &options(92, true)).unwrap();

    // Writing the live snapshot's own packs again repairs it, and is no difference to refuse.
    let mut repaired = whole.cut(100);
    repaired.values.remove(&board);
    assert_eq!(publish(&third, &mut repaired, &options(5, false)).unwrap().written, 1);
}

#[test]
fn a_publish_goes_on_with_what_the_one_before_wrote_but_not_once_a_collection_had_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 1, 1, 1);
    let second = snapshot(&folder.path().join("second"), 2, 1, 8);
    for collects in [false, true] {
        let mut store = Shelf::new();
        publish(&first, &mut store, &options(1, false)).unwrap();
        // Written, but not live yet.
        let mut held = crate::lease::Held::take(&mut store, "a test", "publish").unwrap();
        let start = Start::new(&second, &mut store, None).unwrap();
        assert_eq!(start.missing.len(), 9);
        store.now += 2_000;
        write(&start, &second, &mut store, (UnixMillis(2), &Progress::hidden().start("", Unit::Bytes, 1)), &mut held)
            .unwrap();
        held.give_back(&mut store, false);
        if collects {
            crate::lease::under(&mut store, "a collection", "collect", |_, _| Ok(())).unwrap();
        }
        let report = publish(&second, &mut store, &options(2, false)).unwrap();
        assert_eq!(report.written, if collects { 9 } else { 1 });
        whole(&store);
    }
}

/// Checks that the edge's own reader can read every pack that the live manifest names, and each
/// earlier manifest.
fn whole(store: &Shelf) {
    let live = store.live();
    let previous = live.previous().map(|previous| Key::Pack(Kind::Manifest, previous.manifest));
    for key in packs(&live).chain(previous) {
        parse(key, store.values[&key.to_string()].clone()).unwrap();
    }
}

#[test]
fn publishing_a_snapshot_again_by_force_rolls_back_to_it_and_keeps_the_one_that_was_live() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 1, 1, 1);
    let second = snapshot(&folder.path().join("second"), 2, 1, 1);
    let mut store = Shelf::new();
    for next in [&first, &second, &first] {
        publish(next, &mut store, &options(2, true)).unwrap();
        whole(&store);
    }
    assert_eq!(store.live().snapshot(), first.manifest().unwrap().snapshot());
    let kept: Vec<_> = store.live().previous().map(|previous| previous.snapshot).collect();
    assert_eq!(kept, [second.manifest().unwrap().snapshot()]);
    let error = publish(&second, &mut store.cut(100), &options(2, false));
    assert!(error.is_ok(), "a later one needs no force");
}

#[test]
fn a_bundle_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let source = snapshot(&folder.path().join("first"), 1, 1, 1);
    let file = folder.path().join("snapshot.bundle");
    let report = bundle(&source, &file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(report.bytes, bytes.len());
    let (manifest, board) = sinsang_core::pack::bundle::parse(&bytes).unwrap();
    assert_eq!((manifest.id(), board.id()), (source.manifest().unwrap().id(), manifest.board()));
    for cut in 0..bytes.len() {
        assert!(sinsang_core::pack::bundle::parse(&bytes[..cut]).is_err(), "cut to {cut}");
    }
    std::fs::remove_file(source.file(Key::Pack(Kind::Board, board.id()))).unwrap();
    bundle(&source, &file).unwrap_err();
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the one before stays");
}

#[test]
fn a_store_that_changes_bytes_is_found_out_before_the_manifest_moves() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Shelf { flips: true, ..Shelf::new() };
    let error = publish(&snapshot(folder.path(), 1, 1, 1), &mut store, &options(1, false)).unwrap_err();
    assert!(matches!(error, Error::ReadBack { .. }), "{error}");
    assert!(!store.values.contains_key(&Key::Live.to_string()));
}
