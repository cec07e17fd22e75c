//! Tests of snapshots that contain forgotten users, in an in-memory store.

use sinsang_core::key::LEASE;
use sinsang_core::pack::manifest::ManifestParts;
use sinsang_core::pack::taste::Widths;
use sinsang_core::pack::{Format, board_write};
use sinsang_core::time::CLOCK_LEEWAY_MS;

use super::*;
use crate::lease::LEASE_MS;
use crate::shelf::{Shelf, board, options};
use crate::{publish, rollback};

/// A snapshot of `users`, in two shards.
fn snapshot(folder: &std::path::Path, built_at: i64, users: &[u64]) -> Snapshot {
    let built_at = UnixMillis(built_at);
    let widths = Widths { vocabulary: 1, vector: 1, ..Widths::default() };
    let mut packs = BTreeMap::new();
    let shards: Vec<PackId> = [0, 1]
        .into_iter()
        .map(|half| {
            let records: Vec<(u64, Vec<u8>)> =
                users.iter().filter(|key| *key >> 63 == half).map(|key| (*key, vec![1])).collect();
            if records.is_empty() {
                return PackId::default();
            }
            let (shard, id) = sinsang_core::pack::taste::write(&widths, &records).unwrap();
            packs.insert(id, shard);
            id
        })
        .collect();
    let (board, id) = board_write::write(&board(built_at, 1)).unwrap();
    packs.insert(id, board);
    let users = u32::try_from(users.len()).unwrap();
    let manifest = ManifestParts { built_at, board: id, format: Format::Two, users, shards, beside: Vec::new() };
    let snapshot = Snapshot::at(folder);
    snapshot.write(&packs, &manifest.write().unwrap().0).unwrap();
    snapshot
}

const LOW: UserKey = UserKey(7);
const HIGH: UserKey = UserKey(1 << 63 | 7);

#[test]
fn a_snapshot_that_knows_somebody_forgotten_never_becomes_live_again() {
    let folder = tempfile::tempdir().unwrap();
    // Forced, because this test is not about differences between snapshots.
    let options = options(9, true);
    let mut store = Shelf::new();
    let [first, second, third] = [(1, [LOW.0, HIGH.0].as_slice()), (2, &[LOW.0]), (3, &[5])]
        .map(|(built_at, users)| snapshot(&folder.path().join(built_at.to_string()), built_at, users));
    for snapshot in [&first, &second] {
        refuse_forgotten(snapshot, &mut store).unwrap();
        publish(snapshot, &mut store, &options).unwrap();
    }
    let at = UnixMillis(9);
    let by = (at, "a test");
    let to = |snapshot: &Snapshot| Some(snapshot.manifest().unwrap().snapshot());
    assert_eq!(note_forgotten(&mut store, [HIGH], UnixMillis(2), by).unwrap(), 1);
    assert_eq!(note_forgotten(&mut store, [HIGH], UnixMillis(3), by).unwrap(), 0, "the first time counts");
    let error = rollback(&mut store, to(&first), at, "a test").unwrap_err();
    assert!(matches!(error, Error::Forgotten { users: 1, .. }), "{error}");
    assert!(matches!(refuse_forgotten(&first, &mut store), Err(Error::Forgotten { users: 1, .. })));
    refuse_forgotten(&second, &mut store).unwrap();
    let standings = standing(&mut store, &[LOW, HIGH]).unwrap();
    assert_eq!(standings.iter().map(|one| one.is_live).collect::<Vec<_>>(), [true, false]);
    assert_eq!([&standings[0].keys, &standings[1].keys], [&vec![LOW], &vec![LOW, HIGH]]);

    publish(&third, &mut store, &options).unwrap();
    rollback(&mut store, to(&second), at, "a test").unwrap();
    note_forgotten(&mut store, [LOW], UnixMillis(3), by).unwrap();
    publish(&third, &mut store, &options).unwrap();
    assert!(matches!(rollback(&mut store, to(&second), at, "a test"), Err(Error::Forgotten { users: 1, .. })));
    assert!(matches!(refuse_forgotten(&second, &mut store), Err(Error::Forgotten { users: 1, .. })));
    assert_eq!(standing(&mut store, &[LOW]).unwrap()[0].keys, []);

    store.put(FORGOTTEN, b"no list", at).unwrap();
    let error = rollback(&mut store, to(&second), at, "a test").unwrap_err().to_string();
    assert!(error.starts_with("forgotten reads back different"), "{error}");
}

#[test]
fn a_snapshot_that_was_built_after_somebody_was_forgotten_and_knows_them_is_not_gone_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Shelf::new();
    let [first, second] = [(10, [LOW.0].as_slice()), (11, &[5])]
        .map(|(built_at, users)| snapshot(&folder.path().join(built_at.to_string()), built_at, users));
    publish(&first, &mut store, &options(12, true)).unwrap();
    publish(&second, &mut store, &options(12, true)).unwrap();
    // By the clock of the run that forgot the user, it was long before the build.
    note_forgotten(&mut store, [LOW], UnixMillis(2), (UnixMillis(12), "a test")).unwrap();
    let error = rollback(&mut store, None, UnixMillis(12), "a test").unwrap_err();
    assert!(matches!(error, Error::Forgotten { users: 1, .. }), "{error}");
}

#[test]
fn of_two_who_forget_at_once_neither_loses_a_name() {
    let by = (UnixMillis(1), "a test");
    let lease = |until: i64| format!(r#"{{"holder":"another","action":"forget","since":1,"until":{until}}}"#);
    // Another run holds the store and is killed, and its lease expires.
    let mut store = Shelf::new();
    store.values.insert(LEASE.to_owned(), lease(LEASE_MS).into_bytes());
    assert_eq!(note_forgotten(&mut store, [LOW], UnixMillis(1), by).unwrap(), 1);
    assert!(store.now >= LEASE_MS, "{}", store.now);
    // Keys that are listed already need neither the lease nor a wait.
    let calls = store.calls;
    assert_eq!(note_forgotten(&mut store, [LOW], UnixMillis(9), by).unwrap(), 0);
    assert_eq!(store.calls, calls + 1);

    // Another run ignores the lease and overwrites the list.
    let other = format!("{HIGH} 1");
    store.meanwhile = Some((FORGOTTEN.to_owned(), vec![(FORGOTTEN.to_owned(), other.into_bytes())]));
    note_forgotten(&mut store, [UserKey(3)], UnixMillis(1), by).unwrap();
    let all = list(&mut store).unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(all, [3, HIGH.0], "what the other run did not see is gone, this run's is not");

    // A lease that never ends is reported after a while.
    let mut store = Shelf::new();
    store.values.insert(LEASE.to_owned(), lease(LEASE_MS).into_bytes());
    store.holds_on = true;
    let error = note_forgotten(&mut store, [LOW], UnixMillis(1), by).unwrap_err();
    assert!(matches!(&error, Error::Held { holder, .. } if holder == "another"), "{error}");
    assert!(store.now < 2 * LEASE_MS);
}

#[test]
fn what_a_publish_left_unfinished_outlives_a_name_that_is_noted() {
    let mut store = Shelf::new();
    let lease = r#"{"holder":"a test","action":"publish","since":1,"until":0,"unfinished":{"snapshot":"0","beside":null,"last":"x","since":1}}"#;
    store.values.insert(LEASE.to_owned(), lease.into());
    note_forgotten(&mut store, [LOW], UnixMillis(1), (UnixMillis(1), "a test")).unwrap();
    let left = String::from_utf8(store.values[LEASE].clone()).unwrap();
    assert!(left.contains(r#""unfinished":{"snapshot":"0""#), "{left}");
}

#[test]
fn a_lease_of_next_year_holds_nobody_up() {
    let mut store = Shelf::new();
    for (ahead, is_held) in
        [(LEASE_MS + CLOCK_LEEWAY_MS, true), (LEASE_MS + CLOCK_LEEWAY_MS + 1, false), (i64::MAX, false)]
    {
        let lease = format!(r#"{{"holder":"another","action":"publish","since":1,"until":{ahead}}}"#);
        store.values.insert(LEASE.to_owned(), lease.into_bytes());
        let outcome = rollback(&mut store, None, UnixMillis(1), "a test").unwrap_err();
        assert_eq!(matches!(outcome, Error::Held { .. }), is_held, "{ahead}: {outcome}");
        assert!(is_held || matches!(outcome, Error::NothingLive), "{outcome}");
    }
}
