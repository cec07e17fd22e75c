//! A place that snapshots are published to, and what can go wrong there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, Kind, PackId, TooLarge};
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::Bar;

use crate::gate::Refusal;
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

/// A part of a store's list of packs.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Packs and their stamps.
    pub packs: Vec<(PackId, Stamp)>,
    /// What the next page is asked for with; nothing where this is the last.
    pub next: Option<String>,
}

/// How much a store is given to write between two looks at the lease.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Packs at the most.
    pub packs: usize,
    /// Their bytes, a single larger pack excepted.
    pub bytes: u64,
}

/// A place that snapshots are published to.
pub trait Store {
    /// Why it refused or did not answer.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The time by the clock that leases of this store are kept by.
    fn now(&self) -> UnixMillis;

    /// The packs that are there from `cursor` on; from the first on where it is empty.
    ///
    /// # Errors
    /// Where the store does not answer, or does not know the cursor.
    fn page(&mut self, cursor: &str) -> Result<Page, Self::Error>;

    /// All packs that are there: a call for each thousand, of which a large store has thousands.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn packs(&mut self) -> Result<Listing, Self::Error> {
        let (mut listing, mut cursor) = (Listing::new(), String::new());
        loop {
            let page = self.page(&cursor)?;
            listing.extend(page.packs);
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(listing),
            }
        }
    }

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

    /// Waits for so many milliseconds, by the clock of [`Self::now`].
    fn wait(&mut self, ms: u32);

    /// Calls of the store's interface so far, as far as they are counted.
    fn calls(&self) -> u64 {
        0
    }

    /// How much is written between two looks at the lease.
    fn written_at_once(&self) -> Batch {
        Batch { packs: 10_000, bytes: 128 << 20 }
    }

    /// Those of `packs` that are not there, or that the edge's own reader refuses.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn lacking(&mut self, packs: &[Key]) -> Result<Vec<Key>, Self::Error> {
        let mut lacking = Vec::new();
        for key in packs {
            if self.get(&key.to_string())?.is_none_or(|bytes| parse(*key, bytes).is_err()) {
                lacking.push(*key);
            }
        }
        Ok(lacking)
    }

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
    /// Another run has the store.
    #[error(
        "{action} by {holder} has this store since {since}, until {until} at the latest; wait for it, or until then if that run was killed"
    )]
    Held {
        /// What the other run does.
        action: String,
        /// Who runs it.
        holder: String,
        /// Since when.
        since: UnixMillis,
        /// When its lease ends, unless it renews it.
        until: UnixMillis,
    },
    /// This run's lease ended, or another run took it after that.
    #[error("this run lost its lease of the store to {holder}; do it again, nothing that was live has changed")]
    LeaseLost {
        /// Who has it, or had it last.
        holder: String,
    },
    /// Another snapshot became live while this run went on.
    #[error("snapshot {by} became live while this run went on, {what}; look at `sinsang status`, and do it again")]
    Overtaken {
        /// The snapshot that is live.
        by: String,
        /// What became of this run's.
        what: &'static str,
    },
    /// The snapshot differs too much from what is live.
    #[error("snapshot {snapshot} is not published:\n{refusal}\n{ADVICE}")]
    Refused {
        /// The snapshot.
        snapshot: String,
        /// Why.
        refusal: Refusal,
    },
    /// The manifest with its history is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// What is live can't be read.
    #[error("the live manifest can't be read ({damage}); {advice}")]
    Unread {
        /// What is wrong with it.
        damage: Damage,
        /// What to do.
        advice: &'static str,
    },
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
    #[error("snapshot {snapshot} is not kept here, only {kept}; publish its folder again with --force instead")]
    NotKept {
        /// The snapshot.
        snapshot: String,
        /// Those that are.
        kept: String,
    },
    /// Packs of the snapshot to go back to are gone.
    #[error(
        "{missing} packs of snapshot {snapshot} are not in the store; publish its folder again with --force instead"
    )]
    Incomplete {
        /// The snapshot.
        snapshot: String,
        /// Packs that are not there.
        missing: usize,
    },
}

/// What to do about a refusal.
const ADVICE: &str = "what is live stays: look at the tables and at `sinsang verify`; where the difference is meant, \
    loosen the rule in [publish], or publish with --force";

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

/// The live manifest, where it can be read.
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
