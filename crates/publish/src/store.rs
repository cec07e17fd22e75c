//! The [`Store`] that snapshots are published to, and its errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, Kind, PackId, TooLarge};
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::Bar;

use crate::gate::Refusal;
use crate::snapshot::{self, Snapshot};
use crate::viewer_share::ViewerShare;

/// Metadata of a pack: the KV metadata of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Time of the last write, in milliseconds since the epoch; `None` for a pack written before
    /// stamps existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// Length of its value in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Stamp {
    /// The stamp of a value of `bytes` bytes, written at `at`.
    pub fn of(at: UnixMillis, bytes: usize) -> Self {
        Self { at: Some(at.0), bytes: u64::try_from(bytes).ok() }
    }
}

/// The packs of a store, by name.
pub type Listing = BTreeMap<PackId, Stamp>;

/// A page of a store's list of packs.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The packs and their stamps.
    pub packs: Vec<(PackId, Stamp)>,
    /// Cursor of the next page; `None` on the last page.
    pub next: Option<String>,
}

/// The most that is written to a store between two checks of the lease.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Most packs.
    pub packs: usize,
    /// Most bytes, except that a single larger pack is allowed.
    pub bytes: u64,
}

/// A key-value store that snapshots are published to.
pub trait Store {
    /// The store's error: it refused, or did not answer.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The time by the clock that this store's leases use.
    fn now(&self) -> UnixMillis;

    /// The page of packs that begins at `cursor`; the first page if it is empty.
    ///
    /// # Errors
    /// If the store does not answer, or does not know the cursor.
    fn page(&mut self, cursor: &str) -> Result<Page, Self::Error>;

    /// All packs: one call per thousand, and a large store takes thousands of calls.
    ///
    /// # Errors
    /// If the store does not answer.
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

    /// The keys that begin with `prefix`: one call per thousand.
    ///
    /// # Errors
    /// If the store does not answer.
    fn keys(&mut self, prefix: &str) -> Result<Vec<String>, Self::Error>;

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// If the store does not answer.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Sets the value of `key`, with its stamp.
    ///
    /// # Errors
    /// If the store refuses the value.
    fn put(&mut self, key: &str, value: &[u8], at: UnixMillis) -> Result<(), Self::Error>;

    /// Removes packs; a missing pack is not an error.
    ///
    /// # Errors
    /// If the store refuses.
    fn remove(&mut self, packs: &[PackId]) -> Result<(), Self::Error>;

    /// Waits for a write to become visible, for the `attempt`-th time from 0; `false` if it should
    /// be visible already.
    fn settle(&mut self, attempt: u32) -> bool;

    /// Waits for `ms` milliseconds, by the clock of [`Self::now`].
    fn wait(&mut self, ms: u32);

    /// Calls of the store's API so far; 0 if they are not counted.
    fn calls(&self) -> u64 {
        0
    }

    /// The most that is written between two checks of the lease.
    fn written_at_once(&self) -> Batch {
        Batch { packs: 10_000, bytes: 128 << 20 }
    }

    /// Those of `packs` that are missing, or that the edge's own reader refuses.
    ///
    /// # Errors
    /// If the store does not answer.
    fn lacking(&mut self, packs: &[Key]) -> Result<Vec<Key>, Self::Error> {
        let mut lacking = Vec::new();
        for key in packs {
            if self.get(&key.to_string())?.is_none_or(|bytes| parse(*key, bytes).is_err()) {
                lacking.push(*key);
            }
        }
        Ok(lacking)
    }

    /// Retries so far.
    fn retries(&self) -> u64 {
        0
    }

    /// Writes `packs` of `source`, in any order, after checking each with the edge's own reader.
    ///
    /// # Errors
    /// At the first pack that can't be read or written.
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

    /// Reads `packs` back, and compares them with `source` and checks them with the edge's own
    /// reader.
    ///
    /// # Errors
    /// At the first pack that can't be read, or differs from what was written.
    fn read_back(&mut self, packs: &[Key], source: &Snapshot, bar: &Bar) -> Result<(), Error<Self::Error>> {
        for key in packs {
            confirm(self, &key.to_string(), &source.read(*key)?, Some(*key))?;
            bar.advance(1);
        }
        Ok(())
    }
}

/// Why a store operation failed. The live snapshot is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + Send + Sync + 'static> {
    /// The snapshot on disk can't be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The store refused, or did not answer.
    #[error("{action} {key} failed: {source}; the live snapshot is unchanged, run it again")]
    Store {
        /// The operation.
        action: &'static str,
        /// Its key.
        key: String,
        /// The store's error.
        source: E,
    },
    /// A value read back differs from the one written.
    #[error(
        "{key} reads back different from what was written ({damage}); the live snapshot is unchanged, run it again"
    )]
    ReadBack {
        /// The key.
        key: String,
        /// The difference.
        damage: String,
    },
    /// The store took the manifest and still serves the previous one.
    #[error(
        "the store accepted the manifest of snapshot {snapshot} but still serves the previous one; wait until `sinsang status` shows {snapshot} as live"
    )]
    Unconfirmed {
        /// The new snapshot.
        snapshot: String,
    },
    /// Another run holds the lease.
    #[error(
        "{holder} has held this store for {action} since {since}; wait until it ends, or until {until} if it was killed"
    )]
    Held {
        /// The other run's action.
        action: String,
        /// Who runs it.
        holder: String,
        /// When its lease began.
        since: UnixMillis,
        /// When its lease ends, unless it is renewed.
        until: UnixMillis,
    },
    /// This run's lease expired, or another run took it.
    #[error("this run lost its lease on the store to {holder}; the live snapshot is unchanged, run it again")]
    LeaseLost {
        /// The current or last holder.
        holder: String,
    },
    /// Another snapshot became live during this run.
    #[error("snapshot {by} became live during this run, {what}; check `sinsang status` and run it again")]
    Overtaken {
        /// The live snapshot.
        by: String,
        /// What happened to this run's snapshot.
        what: &'static str,
    },
    /// The snapshot differs too much from the live one.
    #[error("snapshot {snapshot} was refused:\n{refusal}\n{ADVICE}")]
    Refused {
        /// The snapshot.
        snapshot: String,
        /// The reasons.
        refusal: Refusal,
    },
    /// The manifest, with its history, is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The live manifest can't be read.
    #[error("the live manifest can't be read ({damage}); {advice}")]
    Unread {
        /// The damage.
        damage: Damage,
        /// What to do.
        advice: &'static str,
    },
    /// The overlay's log can't be read.
    #[error(
        "line {line} of the overlay's log can't be read ({why}); the overlay is unchanged: mend the value of the key `overlay/log`"
    )]
    OverlayLog {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// This machine's clock is behind the last change of the overlay.
    #[error(
        "this machine's clock says {now}, and the overlay was last changed at {last_at}; set the clock and run it again"
    )]
    ClockBehind {
        /// The time by this machine's clock.
        now: UnixMillis,
        /// The time of the last change.
        last_at: UnixMillis,
    },
    /// No snapshot is live, so there is none to roll back from.
    #[error("this store has no live snapshot; publish one first, without --share")]
    NothingLive,
    /// A trial needs another snapshot than the live one.
    #[error("snapshot {snapshot} is live, so everybody gets it; leave out --share")]
    IsLive {
        /// The snapshot.
        snapshot: String,
    },
    /// The rollback target was only on trial.
    #[error(
        "snapshot {snapshot} has not been live, so there is no way back to it; {}",
        if *is_on_trial { "`sinsang share 100%` makes it live" } else { "it was withdrawn: publish its folder again" }
    )]
    WasNotLive {
        /// The snapshot.
        snapshot: String,
        /// Whether it still is on trial.
        is_on_trial: bool,
    },
    /// Packs of the snapshot on trial are missing.
    #[error(
        "the store lacks {missing} packs of snapshot {snapshot}, which is on trial; publish its folder again with --share {share}, or withdraw it with `sinsang share 0%`"
    )]
    TrialIncomplete {
        /// The snapshot.
        snapshot: String,
        /// Number of missing packs.
        missing: usize,
        /// The share of viewers who get it.
        share: ViewerShare,
    },
    /// No snapshot is on trial, so there is none to widen or withdraw.
    #[error("no snapshot is on trial in this store; begin with `sinsang publish SNAPSHOT --share 5%`")]
    NoTrial,
    /// The snapshot has tastes of users who asked to be forgotten.
    #[error(
        "snapshot {snapshot} contains tastes of {users} users who asked to be forgotten; build a new snapshot and publish that"
    )]
    Forgotten {
        /// The snapshot.
        snapshot: String,
        /// How many such users it has.
        users: usize,
    },
    /// The rollback target is not among the kept snapshots.
    #[error("no snapshot {snapshot} in the store, only {kept}; publish its folder again with --force")]
    NotKept {
        /// The rollback target.
        snapshot: String,
        /// The kept snapshots.
        kept: String,
    },
    /// Packs of the rollback target are missing.
    #[error("the store lacks {missing} packs of snapshot {snapshot}; publish its folder again with --force")]
    Incomplete {
        /// The rollback target.
        snapshot: String,
        /// Number of missing packs.
        missing: usize,
    },
}

/// What to do about a refusal.
const ADVICE: &str = "the live snapshot is unchanged: check the tables and `sinsang verify`; if the difference is intended, \
    loosen the rule in [publish], or add --force";

/// The bytes of a pack on disk, checked with the edge's own reader.
///
/// # Errors
/// If the file can't be read or is damaged.
pub(crate) fn checked(source: &Snapshot, key: Key) -> Result<Vec<u8>, snapshot::Error> {
    let bytes = source.read(key)?;
    parse(key, bytes.clone()).map_err(|damage| snapshot::Error::Damaged { path: source.file(key), damage })?;
    Ok(bytes)
}

/// Reads `name` until its value equals `bytes`, for as long as the store says that a write may take
/// to become visible.
///
/// # Errors
/// If the store does not answer, or keeps answering with another value.
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

/// Why a value read back is not the one written; `None` if it is.
pub(crate) fn difference(key: Option<Key>, back: Option<Vec<u8>>, written: &[u8]) -> Option<String> {
    match back {
        None => Some("no value".to_owned()),
        Some(back) if back != written => Some("other bytes".to_owned()),
        Some(back) => key.and_then(|key| parse(key, back).err()).map(|damage| damage.to_string()),
    }
}

/// Parses a value as the edge does.
pub(crate) fn parse(key: Key, bytes: Vec<u8>) -> Result<(), Damage> {
    match key {
        Key::Live | Key::Pack(Kind::Manifest, _) => Manifest::parse(bytes).map(|_| ()),
        Key::Pack(Kind::Board, id) => Board::parse(bytes, id).map(|_| ()),
        Key::Pack(Kind::Tastes, id) => TasteShard::parse(bytes, id).map(|_| ()),
        Key::Pulse | Key::PulseOf(_) | Key::Pack(Kind::Pulse, _) => Pulse::parse(bytes).map(|_| ()),
        Key::Overlay | Key::Pack(Kind::Overlay, _) => Overlay::parse(bytes).map(|_| ()),
    }
}

/// The live manifest, if it can be read.
pub(crate) fn live<S: Store>(store: &mut S) -> Result<Option<Manifest>, Error<S::Error>> {
    Ok(read(store, &Key::Live.to_string())?.and_then(|bytes| Manifest::parse(bytes).ok()))
}

/// The manifest kept as the pack `id`, if it is there and complete.
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
