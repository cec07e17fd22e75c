//! Where a store stands before a publish: what the snapshot needs of it, and what of that is there.

use std::collections::BTreeSet;
use std::fmt;

use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Damage, Kind, PackId};
use sinsang_core::time::{CLOCK_LEEWAY_MS, UnixMillis};

use super::{Options, pack, packs, sample, shard};
use crate::found::Found;
use crate::gate::{Refusal, Summary};
use crate::grace::FRESH_MS;
use crate::lease::Unfinished;
use crate::snapshot::Snapshot;
use crate::store::{Error, Store, kept, list, read};

/// Packs that are looked at of those that a publish finds there by name alone.
const LOOKS: usize = 24;

/// Where a store stands before a publish.
pub(super) struct Start {
    pub(super) manifest: Manifest,
    pub(super) found: Found,
    /// Packs of the snapshot.
    pub(super) packs: usize,
    /// Those that have to be written: the board first, then shards in the order of their names.
    pub(super) missing: Vec<Key>,
    pub(super) missing_bytes: u64,
    /// When the publish that this one goes on with began.
    pub(super) resumed_since: Option<i64>,
}

impl Start {
    /// Looks at what `snapshot` needs; `unfinished` is what a publish before left.
    pub(super) fn new<S: Store>(
        snapshot: &Snapshot,
        store: &mut S,
        unfinished: Option<Unfinished>,
    ) -> Result<Self, Error<S::Error>> {
        let manifest = snapshot.manifest()?;
        let found = Found::new(store)?;
        let live = found.manifest.as_ref();
        let all: Vec<Key> = packs(&manifest).collect();
        let named = named(store, live)?;
        let unfinished = unfinished.filter(|unfinished| {
            unfinished.snapshot == manifest.snapshot().to_string()
                && unfinished.beside == live.map(|live| live.id().to_string())
                && (-CLOCK_LEEWAY_MS..FRESH_MS).contains(&store.now().since(UnixMillis(unfinished.since)))
        });
        let last = unfinished.as_ref().and_then(Unfinished::last);
        let is_there = |key: &Key| {
            let is_written = shard(*key).zip(last).is_some_and(|(id, last)| id <= last);
            is_written || pack(*key).is_some_and(|id| named.contains(&id))
        };
        let (there, mut missing): (Vec<Key>, Vec<Key>) = all.iter().partition(|key| is_there(key));
        let lacking = store.lacking(&sample(&there, Some(LOOKS)));
        let lacking =
            lacking.map_err(|source| Error::Store { action: "looking at", key: "packs".to_owned(), source })?;
        if !lacking.is_empty() {
            // Names can't be relied on here: somebody else removed packs, or damaged them.
            tracing::warn!(lacking = lacking.len(), "packs that kept snapshots name can't be read; all are listed");
            let listed = list(store)?;
            let is_lost = |key: &Key| lacking.contains(key) || !pack(*key).is_some_and(|id| listed.contains_key(&id));
            missing = all.iter().copied().filter(|key| !is_there(key) || is_lost(key)).collect();
        }
        let mut missing_bytes = 0;
        for key in &missing {
            missing_bytes += snapshot.bytes_of(*key)?;
        }
        let resumed_since = unfinished.map(|unfinished| unfinished.since);
        Ok(Self { manifest, found, packs: all.len(), missing, missing_bytes, resumed_since })
    }

    pub(super) fn is_live(&self) -> bool {
        self.missing.is_empty() && self.found.shown().is_some_and(|live| live.snapshot() == self.manifest.snapshot())
    }

    /// What keeps the snapshot from taking the place of the live one.
    pub(super) fn refusal<S: Store>(
        &self,
        snapshot: &Snapshot,
        store: &mut S,
        options: &Options<'_>,
    ) -> Result<Refusal, Error<S::Error>> {
        let next = Summary::of_folder(snapshot, &self.manifest)?;
        let live = match &self.found.manifest {
            // The same snapshot, whose packs have to be written again, is no other.
            Some(live) if live.snapshot() != self.manifest.snapshot() => Some(summary(store, live)?),
            _ => None,
        };
        let of_live = live.as_ref().and_then(|live| live.as_ref().ok());
        let mut refusal = Refusal::of(&next, of_live, &options.limits, options.at);
        if let Some(damage) = &self.found.damage {
            refusal.unread(&format!("the live manifest can't be read ({damage})"));
        }
        live.and_then(Result::err).iter().for_each(|what| refusal.unread(what));
        Ok(refusal)
    }
}

/// The packs that the live manifest and those that it keeps name.
fn named<S: Store>(store: &mut S, live: Option<&Manifest>) -> Result<BTreeSet<PackId>, Error<S::Error>> {
    let mut named: BTreeSet<PackId> = live.into_iter().flat_map(packs).filter_map(pack).collect();
    for previous in live.into_iter().flat_map(Manifest::previous) {
        if let Some(manifest) = kept(store, previous.manifest)? {
            named.extend(packs(&manifest).filter_map(pack));
        }
    }
    Ok(named)
}

/// The numbers of the snapshot of `manifest` in `store`, or what of it can't be read.
fn summary<S: Store>(store: &mut S, manifest: &Manifest) -> Result<Result<Summary, String>, Error<S::Error>> {
    let (id, snapshot) = (manifest.board(), manifest.snapshot());
    let unread = |what: &dyn fmt::Display| format!("the board {id} of snapshot {snapshot} can't be read ({what})");
    let Some(bytes) = read(store, &Key::Pack(Kind::Board, id).to_string())? else {
        return Ok(Err(unread(&"it is not there")));
    };
    let board = Board::parse(bytes, id).map_err(|damage: Damage| unread(&damage));
    Ok(board.map(|board| Summary::of(manifest, &board)))
}
