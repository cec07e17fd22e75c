//! From a snapshot folder to a store: packs first, each read back with the edge's own reader, and the manifest last.
//!
//! A publish that is cut short leaves packs that nothing names yet, and the store live as it was.

mod bundle;
mod local;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang::key::Key;
use sinsang::pack::board::Board;
use sinsang::pack::manifest::{Manifest, Previous};
use sinsang::pack::taste::TasteShard;
use sinsang::pack::{Damage, Kind, PackId, TooLarge};

pub use bundle::{BundleError, BundleReport, bundle};
pub use local::{LocalKv, LocalKvError};

use crate::progress::{Progress, Unit};
use crate::snapshot::{self, Snapshot};

/// Snapshots before the live one that its manifest keeps, for rollback and for lists that are being paged through.
pub const KEPT_SNAPSHOTS: usize = 4;

/// A place that snapshots are published to.
pub trait Store {
    /// Why it refused or did not answer.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The names of the packs that are there.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn packs(&mut self) -> Result<BTreeSet<PackId>, Self::Error>;

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn get(&mut self, key: Key) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Sets the value of `key`.
    ///
    /// # Errors
    /// Where the store does not take it.
    fn put(&mut self, key: Key, value: &[u8]) -> Result<(), Self::Error>;
}

/// Why a snapshot is not live. Whatever was live before still is.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + Send + Sync + 'static> {
    /// The snapshot on disk can't be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The store failed.
    #[error("{action} {key}: {source}; publish again, nothing that was live has changed")]
    Store {
        /// What was tried.
        action: &'static str,
        /// With which key.
        key: String,
        /// What the store said.
        source: E,
    },
    /// A value came back other than it was written.
    #[error("{key} does not read back as it was written ({damage}); publish again, nothing that was live has changed")]
    ReadBack {
        /// The key.
        key: Key,
        /// What is wrong with what came back.
        damage: String,
    },
    /// The manifest with its history is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// What a publish did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The snapshot that is live.
    pub snapshot: String,
    /// The one that was live before.
    pub previous: Option<String>,
    /// Packs of the snapshot.
    pub packs: usize,
    /// Packs that were not there yet.
    pub written: usize,
    /// Their bytes.
    pub written_bytes: usize,
    /// Whether the snapshot was live already and nothing was done.
    pub was_live: bool,
    /// What was written besides, to be deployed with the Worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleReport>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, packs, written, written_bytes, .. } = self;
        if self.was_live {
            write!(f, "snapshot {snapshot} is live already")?;
        } else {
            write!(f, "snapshot {snapshot} is live: {written} of its {packs} packs written ({written_bytes} bytes)")?;
            if let Some(previous) = &self.previous {
                write!(f, ", before it {previous}")?;
            }
        }
        self.bundle.iter().try_for_each(|bundle| write!(f, "\n{bundle}"))
    }
}

/// Makes `snapshot` live in `store`.
///
/// # Errors
/// An [`Error`]; whatever was live before still is.
pub fn publish<S: Store>(snapshot: &Snapshot, store: &mut S, progress: Progress) -> Result<Report, Error<S::Error>> {
    let manifest = snapshot.manifest()?;
    let live = live(store)?;
    let mut parts = manifest.parts();
    let packs: Vec<Key> = packs(&manifest).collect();
    let mut report = Report {
        snapshot: manifest.snapshot().to_string(),
        previous: live.as_ref().map(|live| live.snapshot().to_string()),
        packs: packs.len(),
        written: 0,
        written_bytes: 0,
        was_live: false,
        bundle: None,
    };
    let there = store.packs().map_err(|source| Error::Store { action: "listing", key: "packs".to_owned(), source })?;
    let missing: Vec<Key> =
        packs.into_iter().filter(|key| matches!(key, Key::Pack(_, id) if !there.contains(id))).collect();
    if let Some(live) = live.as_ref().filter(|live| live.snapshot() == manifest.snapshot() && missing.is_empty()) {
        return Ok(Report {
            previous: live.previous().next().map(|previous| previous.snapshot.to_string()),
            was_live: true,
            ..report
        });
    }
    let bar = progress.start("publishing packs", Unit::Rows, missing.len() as u64);
    for key in missing {
        let bytes = snapshot.read(key)?;
        write(store, key, &bytes)?;
        report.written += 1;
        report.written_bytes += bytes.len();
        bar.advance(1);
    }
    parts.previous = live.map(|live| history(&live, &manifest)).unwrap_or_default();
    let (bytes, id) = parts.write()?;
    write(store, Key::Pack(Kind::Manifest, id), &bytes)?;
    write(store, Key::Live, &bytes)?;
    Ok(report)
}

/// The packs that `manifest` names, each once.
pub fn packs(manifest: &Manifest) -> impl Iterator<Item = Key> {
    let parts = manifest.parts();
    let shards: BTreeSet<PackId> = parts.shards.into_iter().filter(|shard| !shard.is_none()).collect();
    std::iter::once(Key::Pack(Kind::Board, parts.board)).chain(shards.into_iter().map(|id| Key::Pack(Kind::Tastes, id)))
}

/// The live manifest. A damaged one counts as none: publishing is how it is repaired.
fn live<S: Store>(store: &mut S) -> Result<Option<Manifest>, Error<S::Error>> {
    let value = store.get(Key::Live).map_err(|source| Error::Store {
        action: "reading",
        key: Key::Live.to_string(),
        source,
    })?;
    Ok(value.and_then(|bytes| Manifest::parse(bytes).ok()))
}

/// What comes before `next` once it takes the place of `live`.
fn history(live: &Manifest, next: &Manifest) -> Vec<Previous> {
    let before = Previous { snapshot: live.snapshot(), manifest: live.id(), built_at: live.built_at() };
    let history = std::iter::once(before).chain(live.previous());
    history.filter(|previous| previous.snapshot != next.snapshot()).take(KEPT_SNAPSHOTS).collect()
}

/// Writes a value and reads it back.
fn write<S: Store>(store: &mut S, key: Key, bytes: &[u8]) -> Result<(), Error<S::Error>> {
    store.put(key, bytes).map_err(|source| Error::Store { action: "writing", key: key.to_string(), source })?;
    let back =
        store.get(key).map_err(|source| Error::Store { action: "reading back", key: key.to_string(), source })?;
    let Some(back) = back else { return Err(Error::ReadBack { key, damage: "no value".to_owned() }) };
    if back != bytes {
        return Err(Error::ReadBack { key, damage: "other bytes".to_owned() });
    }
    parse(key, back).map_err(|damage| Error::ReadBack { key, damage: damage.to_string() })
}

/// Reads a value as the edge does.
fn parse(key: Key, bytes: Vec<u8>) -> Result<(), Damage> {
    match key {
        Key::Live | Key::Pack(Kind::Manifest, _) => Manifest::parse(bytes).map(|_| ()),
        Key::Pack(Kind::Board, id) => Board::parse(bytes, id).map(|_| ()),
        Key::Pack(Kind::Tastes, id) => TasteShard::parse(bytes, id).map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use sinsang::pack::manifest::ManifestParts;
    use sinsang::pack::taste::Widths;
    use sinsang::time::UnixMillis;

    /// A store in memory that takes a number of writes, then refuses.
    #[derive(Default)]
    struct Shelf {
        values: BTreeMap<String, Vec<u8>>,
        writes_left: usize,
        flips: bool,
    }

    impl Store for Shelf {
        type Error = std::io::Error;

        fn packs(&mut self) -> Result<BTreeSet<PackId>, Self::Error> {
            Ok(self.values.keys().filter_map(|key| Key::pack_of(key)).collect())
        }

        fn get(&mut self, key: Key) -> Result<Option<Vec<u8>>, Self::Error> {
            Ok(self.values.get(&key.to_string()).cloned())
        }

        fn put(&mut self, key: Key, value: &[u8]) -> Result<(), Self::Error> {
            self.writes_left =
                self.writes_left.checked_sub(1).ok_or_else(|| std::io::Error::other("the line is cut"))?;
            let mut value = value.to_vec();
            if self.flips {
                value[40] ^= 1;
            }
            self.values.insert(key.to_string(), value);
            Ok(())
        }
    }

    fn snapshot(folder: &std::path::Path, at: i64) -> Snapshot {
        let widths = Widths { vocabulary: 1, vector: 1, ..Widths::default() };
        let (shard, shard_id) = sinsang::pack::taste::write(&widths, &[(7, vec![1])]).unwrap();
        let parts = sinsang::pack::board_write::BoardParts {
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
        assert_eq!(publish(&first, &mut store, Progress::hidden()).unwrap().written, 2);
        let live = store.values[&Key::Live.to_string()].clone();
        for cut in 0..3 {
            let mut store = Shelf { values: store.values.clone(), writes_left: cut, ..Shelf::default() };
            assert!(matches!(
                publish(&second, &mut store, Progress::hidden()),
                Err(Error::Store { action: "writing", .. })
            ));
            assert_eq!(store.values[&Key::Live.to_string()], live, "cut at write {cut}");
            store.writes_left = 100;
            let report = publish(&second, &mut store, Progress::hidden()).unwrap();
            assert_eq!(report.previous.as_deref(), Some(first.manifest().unwrap().snapshot().to_string().as_str()));
            let manifest = Manifest::parse(store.values[&Key::Live.to_string()].clone()).unwrap();
            let kept: Vec<_> = manifest.previous().map(|previous| previous.snapshot).collect();
            assert_eq!(kept, [first.manifest().unwrap().snapshot()]);
            assert!(publish(&second, &mut store, Progress::hidden()).unwrap().was_live);
        }
    }

    /// Two publishers take turns at every write, each as far along as the other lets it be.
    #[test]
    fn of_two_publishers_at_once_one_is_live_in_the_end_and_all_that_its_manifest_names_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let [before, one, other] = [1, 2, 3].map(|at| snapshot(&folder.path().join(at.to_string()), at));
        let mut store = Shelf { writes_left: 100, ..Shelf::default() };
        publish(&before, &mut store, Progress::hidden()).unwrap();
        for cut in 0..4 {
            let mut store = Shelf { values: store.values.clone(), writes_left: cut, ..Shelf::default() };
            // The first is held up in the middle of its writes; the second goes through; then the first goes on from the start.
            let held_up = publish(&one, &mut store, Progress::hidden());
            store.writes_left = 100;
            publish(&other, &mut store, Progress::hidden()).unwrap();
            assert_eq!(live_of(&store).snapshot(), other.manifest().unwrap().snapshot());
            whole(&store);
            if held_up.is_err() {
                publish(&one, &mut store, Progress::hidden()).unwrap();
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
            publish(next, &mut store, Progress::hidden()).unwrap();
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
        let error = publish(&snapshot(folder.path(), 1), &mut store, Progress::hidden()).unwrap_err();
        assert!(matches!(error, Error::ReadBack { .. }), "{error}");
        assert!(!store.values.contains_key(&Key::Live.to_string()));
    }
}
