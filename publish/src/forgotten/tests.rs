//! Snapshots that know users who asked to be forgotten, in a store in memory.

use super::*;
use sinsang::pack::manifest::ManifestParts;
use sinsang::pack::taste::Widths;
use sinsang::pack::{Format, board_write};

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
            let (shard, id) = sinsang::pack::taste::write(&widths, &records).unwrap();
            packs.insert(id, shard);
            id
        })
        .collect();
    let (board, id) = board_write::write(&board(built_at, 1)).unwrap();
    packs.insert(id, board);
    let users = u32::try_from(users.len()).unwrap();
    let manifest = ManifestParts { built_at, board: id, format: Format::Two, users, shards, previous: Vec::new() };
    let snapshot = Snapshot::at(folder);
    snapshot.write(&packs, &manifest.write().unwrap().0).unwrap();
    snapshot
}

const LOW: UserKey = UserKey(7);
const HIGH: UserKey = UserKey(1 << 63 | 7);

#[test]
fn a_snapshot_that_knows_somebody_forgotten_never_becomes_live_again() {
    let folder = tempfile::tempdir().unwrap();
    // Forced: what differs from snapshot to snapshot is not what is tried here.
    let options = options(9, true);
    let mut store = Shelf::new();
    let [first, second, third] = [(1, [LOW.0, HIGH.0].as_slice()), (2, &[LOW.0]), (3, &[5])]
        .map(|(built_at, users)| snapshot(&folder.path().join(built_at.to_string()), built_at, users));
    for snapshot in [&first, &second] {
        refuse_forgotten(snapshot, &mut store).unwrap();
        publish(snapshot, &mut store, &options).unwrap();
    }
    let at = UnixMillis(9);
    let to = |snapshot: &Snapshot| Some(snapshot.manifest().unwrap().snapshot());
    assert_eq!(note_forgotten(&mut store, [HIGH], UnixMillis(2), at).unwrap(), 1);
    assert_eq!(note_forgotten(&mut store, [HIGH], UnixMillis(3), at).unwrap(), 0, "the first time counts");
    let error = rollback(&mut store, to(&first), at, "a test").unwrap_err();
    assert!(matches!(error, Error::Forgotten { users: 1, .. }), "{error}");
    assert!(matches!(refuse_forgotten(&first, &mut store), Err(Error::Forgotten { users: 1, .. })));
    refuse_forgotten(&second, &mut store).unwrap();
    let standings = standing(&mut store, &[LOW, HIGH]).unwrap();
    assert_eq!(standings.iter().map(|one| one.is_live).collect::<Vec<_>>(), [true, false]);
    assert_eq!([&standings[0].keys, &standings[1].keys], [&vec![LOW], &vec![LOW, HIGH]]);

    publish(&third, &mut store, &options).unwrap();
    rollback(&mut store, to(&second), at, "a test").unwrap();
    note_forgotten(&mut store, [LOW], UnixMillis(3), at).unwrap();
    publish(&third, &mut store, &options).unwrap();
    assert!(matches!(rollback(&mut store, to(&second), at, "a test"), Err(Error::Forgotten { users: 1, .. })));
    assert!(matches!(refuse_forgotten(&second, &mut store), Err(Error::Forgotten { users: 1, .. })));
    assert_eq!(standing(&mut store, &[LOW]).unwrap()[0].keys, []);

    store.put(FORGOTTEN, b"no list", at).unwrap();
    let error = rollback(&mut store, to(&second), at, "a test").unwrap_err().to_string();
    assert!(error.starts_with("forgotten does not read back"), "{error}");
}
