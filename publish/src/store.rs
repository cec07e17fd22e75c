//! A place that snapshots are published to, and what can go wrong there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sinsang::key::Key;
use sinsang::pack::board::Board;
use sinsang::pack::manifest::Manifest;
use sinsang::pack::pulse::Pulse;
use sinsang::pack::taste::TasteShard;
use sinsang::pack::{Damage, Kind, PackId, TooLarge};
use sinsang::time::UnixMillis;

use crate::progress::Bar;
use crate::snapshot::{self, Snapshot};

/// What a store remembers beside a pack: the KV metadata of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// When it was last written, in milliseconds since the epoch; nothing for a pack from before there were stamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// The length of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Stamp {
    /// The stamp of a value of `bytes` that is written at `at`.
    pub fn of(at: UnixMillis, bytes: usize) -> Self {
        Self { at: Some(at.0), bytes: u64::try_from(bytes).ok() }
    }
}

/// The packs of a store, by name.
pub type Listing = BTreeMap<PackId, Stamp>;

/// A place that snapshots are published to.
pub trait Store {
    /// Why it refused or did not answer.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The packs that are there.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn packs(&mut self) -> Result<Listing, Self::Error>;

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Sets the value of `key`, with its stamp.
    ///
    /// # Errors
    /// Where the store does not take it.
    fn put(&mut self, key: &str, value: &[u8], at: UnixMillis) -> Result<(), Self::Error>;

    /// Removes packs; one that is not there is no error.
    ///
    /// # Errors
    /// Where the store does not take it.
    fn remove(&mut self, packs: &[PackId]) -> Result<(), Self::Error>;

    /// Waits a while for what was written to show, the `attempt`-th time from 0; `false` where it should have shown by then.
    fn settle(&mut self, attempt: u32) -> bool;

    /// How often something was tried again so far.
    fn retries(&self) -> u64 {
        0
    }

    /// Writes `packs` of `source`, in any order, each checked with the edge's own reader before.
    ///
    /// # Errors
    /// At the first that can't be read or written.
    fn put_packs(
        &mut self,
        packs: &[Key],
        source: &Snapshot,
        at: UnixMillis,
        bar: &Bar,
    ) -> Result<(), Error<Self::Error>> {
        for key in packs {
            let bytes = checked(source, *key)?;
            let name = key.to_string();
            self.put(&name, &bytes, at).map_err(|source| Error::Store { action: "writing", key: name, source })?;
            bar.advance(bytes.len() as u64);
        }
        Ok(())
    }

    /// Reads `packs` back and holds them against `source` and the edge's own reader.
    ///
    /// # Errors
    /// At the first that can't be read, or is not what was written.
    fn read_back(&mut self, packs: &[Key], source: &Snapshot, bar: &Bar) -> Result<(), Error<Self::Error>> {
        for key in packs {
            confirm(self, &key.to_string(), &source.read(*key)?, Some(*key))?;
            bar.advance(1);
        }
        Ok(())
    }
}

/// Why something was not done to a store. Whatever was live before still is.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + Send + Sync + 'static> {
    /// The snapshot on disk can't be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The store failed.
    #[error("{action} {key}: {source}; do it again, nothing that was live has changed")]
    Store {
        /// What was tried.
        action: &'static str,
        /// With which key.
        key: String,
        /// What the store said.
        source: E,
    },
    /// A value came back other than it was written.
    #[error("{key} does not read back as it was written ({damage}); do it again, nothing that was live has changed")]
    ReadBack {
        /// The key.
        key: String,
        /// What is wrong with what came back.
        damage: String,
    },
    /// The manifest was taken and does not show yet.
    #[error(
        "the store took the manifest of snapshot {snapshot} and still answers with the one before; it is live once `sinsang status` says so"
    )]
    Unconfirmed {
        /// The snapshot.
        snapshot: String,
    },
    /// The manifest with its history is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// There is no snapshot to go back from.
    #[error("nothing is live in this store; publish a snapshot first")]
    NothingLive,
    /// The snapshot has tastes of users who asked to be forgotten.
    #[error(
        "snapshot {snapshot} has the tastes of {users} who asked to be forgotten, and would serve them again: build one anew and publish that"
    )]
    Forgotten {
        /// The snapshot.
        snapshot: String,
        /// How many of them.
        users: usize,
    },
    /// The snapshot to go back to is not one that is kept.
    #[error("snapshot {snapshot} is not kept here, only {kept}; publish its folder again instead")]
    NotKept {
        /// The snapshot.
        snapshot: String,
        /// Those that are.
        kept: String,
    },
    /// Packs of the snapshot to go back to are gone.
    #[error("{missing} packs of snapshot {snapshot} are not in the store; publish its folder again instead")]
    Incomplete {
        /// The snapshot.
        snapshot: String,
        /// Packs that are not there.
        missing: usize,
    },
}

/// The bytes of a pack on disk, once the edge's own reader has taken them.
///
/// # Errors
/// Where the file can't be read or is damaged.
pub(crate) fn checked(source: &Snapshot, key: Key) -> Result<Vec<u8>, snapshot::Error> {
    let bytes = source.read(key)?;
    parse(key, bytes.clone()).map_err(|damage| snapshot::Error::Damaged { path: source.file(key), damage })?;
    Ok(bytes)
}

/// Reads `name` until it is `bytes`, as long as the store says that a write may take to show.
///
/// # Errors
/// Where it does not answer, or keeps answering with something else.
pub(crate) fn confirm<S: Store + ?Sized>(
    store: &mut S,
    name: &str,
    bytes: &[u8],
    key: Option<Key>,
) -> Result<(), Error<S::Error>> {
    for attempt in 0.. {
        let back =
            store.get(name).map_err(|source| Error::Store { action: "reading back", key: name.to_owned(), source })?;
        match difference(key, back, bytes) {
            None => break,
            Some(_) if store.settle(attempt) => {}
            Some(damage) => return Err(Error::ReadBack { key: name.to_owned(), damage }),
        }
    }
    Ok(())
}

/// What is wrong with what came back for what was written.
pub(crate) fn difference(key: Option<Key>, back: Option<Vec<u8>>, written: &[u8]) -> Option<String> {
    match back {
        None => Some("no value".to_owned()),
        Some(back) if back != written => Some("other bytes".to_owned()),
        Some(back) => key.and_then(|key| parse(key, back).err()).map(|damage| damage.to_string()),
    }
}

/// Reads a value as the edge does.
pub(crate) fn parse(key: Key, bytes: Vec<u8>) -> Result<(), Damage> {
    match key {
        Key::Live | Key::Pack(Kind::Manifest, _) => Manifest::parse(bytes).map(|_| ()),
        Key::Pack(Kind::Board, id) => Board::parse(bytes, id).map(|_| ()),
        Key::Pack(Kind::Tastes, id) => TasteShard::parse(bytes, id).map(|_| ()),
        Key::Pulse | Key::PulseOf(_) | Key::Pack(Kind::Pulse, _) => Pulse::parse(bytes).map(|_| ()),
    }
}

/// The live manifest. A damaged one counts as none: publishing is how it is repaired.
pub(crate) fn live<S: Store>(store: &mut S) -> Result<Option<Manifest>, Error<S::Error>> {
    Ok(read(store, &Key::Live.to_string())?.and_then(|bytes| Manifest::parse(bytes).ok()))
}

/// The manifest that is kept as the pack `id`, if it is there and whole.
pub(crate) fn kept<S: Store>(store: &mut S, id: PackId) -> Result<Option<Manifest>, Error<S::Error>> {
    let bytes = read(store, &Key::Pack(Kind::Manifest, id).to_string())?;
    Ok(bytes.and_then(|bytes| Manifest::parse(bytes).ok()).filter(|manifest| manifest.id() == id))
}

pub(crate) fn read<S: Store>(store: &mut S, name: &str) -> Result<Option<Vec<u8>>, Error<S::Error>> {
    store.get(name).map_err(|source| Error::Store { action: "reading", key: name.to_owned(), source })
}

pub(crate) fn list<S: Store>(store: &mut S) -> Result<Listing, Error<S::Error>> {
    store.packs().map_err(|source| Error::Store { action: "listing", key: "packs".to_owned(), source })
}
