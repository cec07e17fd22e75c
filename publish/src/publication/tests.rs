//! Publishing, rolling back and collecting in a store in memory that can be cut, and can change what it keeps.

use super::*;
use std::collections::BTreeMap;

use crate::bundle::bundle;
use crate::store::{Stamp, parse};
use sinsang::pack::manifest::ManifestParts;
use sinsang::pack::taste::Widths;
use sinsang::time::UnixMillis;

/// A store in memory that takes a number of writes, then refuses.
#[derive(Default)]
struct Shelf {
    values: BTreeMap<String, Vec<u8>>,
    stamps: BTreeMap<String, Stamp>,
    writes_left: usize,
    flips: bool,
}

impl Store for Shelf {
    type Error = std::io::Error;

    fn packs(&mut self) -> Result<Listing, Self::Error> {
        let stamp = |key: &String| self.stamps.get(key).copied().unwrap_or_default();
        Ok(self.values.keys().filter_map(|key| Some((Key::pack_of(key)?, stamp(key)))).collect())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.values.get(key).cloned())
    }

    fn put(&mut self, key: &str, value: &[u8], at: UnixMillis) -> Result<(), Self::Error> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or_else(|| std::io::Error::other("the line is cut"))?;
        self.stamps.insert(key.to_owned(), Stamp::of(at, value.len()));
        let mut value = value.to_vec();
        if self.flips {
            value[40] ^= 1;
        }
        self.values.insert(key.to_owned(), value);
        Ok(())
    }

    fn remove(&mut self, packs: &[PackId]) -> Result<(), Self::Error> {
        for id in packs {
            self.values.remove(&Key::Pack(Kind::Board, *id).to_string());
        }
        Ok(())
    }

    fn settle(&mut self, _attempt: u32) -> bool {
        false
    }
}

fn at(ms: i64) -> Options {
    Options { at: UnixMillis(ms), read_back: None, progress: Progress::hidden() }
}

fn snapshot(folder: &std::path::Path, at: i64) -> Snapshot {
    let widths = Widths { vocabulary: 1, vector: 1, ..Widths::default() };
    let (shard, shard_id) = sinsang::pack::taste::write(&widths, &[(7, vec![1])]).unwrap();
    let parts = sinsang::pack::board_write::BoardParts {
        format: sinsang::pack::Format::Two,
        built_at: UnixMillis(at),
        history_from: UnixMillis(0),
        blocks: Vec::new(),
        channels: Vec::new(),
        categories: Vec::new(),
        products: Vec::new(),
        slots: Vec::new(),
        tabs: Vec::new(),
        weights: sinsang::rank::Weights::default(),
        mix: sinsang::pack::mix::MixParts::default(),
    };
    let (board, board_id) = sinsang::pack::board_write::write(&parts).unwrap();
    let manifest = ManifestParts {
        built_at: UnixMillis(at),
        board: board_id,
        format: parts.format,
        users: 1,
        shards: vec![shard_id],
        previous: Vec::new(),
    };
    let snapshot = Snapshot::at(folder);
    snapshot.write(&BTreeMap::from([(shard_id, shard), (board_id, board)]), &manifest.write().unwrap().0).unwrap();
    snapshot
}

#[test]
fn a_publish_cut_at_any_write_leaves_what_was_live_and_the_next_one_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 1);
    let second = snapshot(&folder.path().join("second"), 2);
    let mut store = Shelf { writes_left: 100, ..Shelf::default() };
    assert_eq!(publish(&first, &mut store, &at(0)).unwrap().written, 2);
    let live = store.values[&Key::Live.to_string()].clone();
    for cut in 0..3 {
        let mut store =
            Shelf { values: store.values.clone(), stamps: store.stamps.clone(), writes_left: cut, ..Shelf::default() };
        assert!(matches!(publish(&second, &mut store, &at(0)), Err(Error::Store { action: "writing", .. })));
        assert_eq!(store.values[&Key::Live.to_string()], live, "cut at write {cut}");
        store.writes_left = 100;
        let report = publish(&second, &mut store, &at(0)).unwrap();
        assert_eq!(report.previous.as_deref(), Some(first.manifest().unwrap().snapshot().to_string().as_str()));
        let manifest = Manifest::parse(store.values[&Key::Live.to_string()].clone()).unwrap();
        let kept: Vec<_> = manifest.previous().map(|previous| previous.snapshot).collect();
        assert_eq!(kept, [first.manifest().unwrap().snapshot()]);
        assert!(publish(&second, &mut store, &at(0)).unwrap().was_live);
    }
}

/// Two publishers take turns at every write, each as far along as the other lets it be.
#[test]
fn of_two_publishers_at_once_one_is_live_in_the_end_and_all_that_its_manifest_names_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let [before, one, other] = [1, 2, 3].map(|at| snapshot(&folder.path().join(at.to_string()), at));
    let mut store = Shelf { writes_left: 100, ..Shelf::default() };
    publish(&before, &mut store, &at(0)).unwrap();
    for cut in 0..4 {
        let mut store =
            Shelf { values: store.values.clone(), stamps: store.stamps.clone(), writes_left: cut, ..Shelf::default() };
        // The first is held up in the middle of its writes; the second goes through; then the first goes on from the start.
        let held_up = publish(&one, &mut store, &at(0));
        store.writes_left = 100;
        publish(&other, &mut store, &at(0)).unwrap();
        assert_eq!(live_of(&store).snapshot(), other.manifest().unwrap().snapshot());
        whole(&store);
        if held_up.is_err() {
            publish(&one, &mut store, &at(0)).unwrap();
            whole(&store);
            let history: Vec<_> = live_of(&store).previous().map(|previous| previous.snapshot).collect();
            assert!(history.contains(&other.manifest().unwrap().snapshot()), "neither is lost to those who page");
        }
    }
}

fn live_of(store: &Shelf) -> Manifest {
    Manifest::parse(store.values[&Key::Live.to_string()].clone()).unwrap()
}

/// Everything that the live manifest names, and each manifest before it, can be read by the edge's own reader.
fn whole(store: &Shelf) {
    let live = live_of(store);
    let previous = live.previous().map(|previous| Key::Pack(Kind::Manifest, previous.manifest));
    for key in packs(&live).chain(previous) {
        parse(key, store.values[&key.to_string()].clone()).unwrap();
    }
}

#[test]
fn publishing_a_snapshot_again_rolls_back_to_it_and_keeps_the_one_that_was_live() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 1);
    let second = snapshot(&folder.path().join("second"), 2);
    let mut store = Shelf { writes_left: 100, ..Shelf::default() };
    for next in [&first, &second, &first] {
        publish(next, &mut store, &at(0)).unwrap();
        whole(&store);
    }
    assert_eq!(live_of(&store).snapshot(), first.manifest().unwrap().snapshot());
    let kept: Vec<_> = live_of(&store).previous().map(|previous| previous.snapshot).collect();
    assert_eq!(kept, [second.manifest().unwrap().snapshot()]);
}

#[test]
fn a_bundle_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let source = snapshot(&folder.path().join("first"), 1);
    let file = folder.path().join("snapshot.bundle");
    let report = bundle(&source, &file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(report.bytes, bytes.len());
    let (manifest, board) = sinsang::pack::bundle::parse(&bytes).unwrap();
    assert_eq!((manifest.id(), board.id()), (source.manifest().unwrap().id(), manifest.board()));
    for cut in 0..bytes.len() {
        assert!(sinsang::pack::bundle::parse(&bytes[..cut]).is_err(), "cut to {cut}");
    }
    std::fs::remove_file(source.file(Key::Pack(Kind::Board, board.id()))).unwrap();
    bundle(&source, &file).unwrap_err();
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the one before stays");
}

#[test]
fn a_store_that_changes_bytes_is_found_out_before_the_manifest_moves() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Shelf { writes_left: 100, flips: true, ..Shelf::default() };
    let error = publish(&snapshot(folder.path(), 1), &mut store, &at(0)).unwrap_err();
    assert!(matches!(error, Error::ReadBack { .. }), "{error}");
    assert!(!store.values.contains_key(&Key::Live.to_string()));
}
