//! The state of a store before a publish: which packs the snapshot needs, and which of them exist.

use std::collections::BTreeSet;

use sinsang_core::key::Key;
use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{CLOCK_LEEWAY_MS, UnixMillis};

use super::{Options, pack, packs, sample, shard};
use crate::compare;
use crate::found::Found;
use crate::gate::Refusal;
use crate::grace::FRESH_MS;
use crate::lease::Unfinished;
use crate::snapshot::Snapshot;
use crate::store::{Error, Store, kept, list};
use crate::viewer_share::ViewerShare;

/// Packs checked among those that a publish assumes to exist by their names.
const LOOKS: usize = 24;

/// The state of a store before a publish.
pub(super) struct Start {
    pub(super) manifest: Manifest,
    pub(super) found: Found,
    /// Packs of the snapshot.
    pub(super) packs: usize,
    /// The packs to write: the board first, then shards in the order of their names.
    pub(super) missing: Vec<Key>,
    pub(super) missing_bytes: u64,
    /// Start time of the publish that this one resumes.
    pub(super) resumed_since: Option<i64>,
}

impl Start {
    /// Finds the packs that `snapshot` needs; `unfinished` is the record of an earlier interrupted
    /// publish.
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
        let lacking = lacking.map_err(|source| Error::Store { action: "checking", key: "packs".to_owned(), source })?;
        if !lacking.is_empty() {
            // Names are unreliable here: somebody else removed or damaged packs.
            tracing::warn!(lacking = lacking.len(), "packs of kept snapshots can't be read; listing all packs");
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

    /// Checks that the snapshot can be shown to a `share` of viewers beside the live one.
    ///
    /// # Errors
    /// [`Error::NothingLive`], [`Error::Unread`] or [`Error::IsLive`] if there is no other one.
    pub(super) fn may_be_tried<E>(&self, share: Option<ViewerShare>) -> Result<(), Error<E>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        if share.is_none() {
            return Ok(());
        }
        let live = self.found.needed()?;
        if live.snapshot() == self.manifest.snapshot() {
            return Err(Error::IsLive { snapshot: live.snapshot().to_string() });
        }
        Ok(())
    }

    /// The reasons to refuse the snapshot in place of the live one.
    pub(super) fn refusal<S: Store>(
        &self,
        snapshot: &Snapshot,
        store: &mut S,
        options: &Options<'_>,
    ) -> Result<Refusal, Error<S::Error>> {
        // Rewriting packs of the same snapshot changes nothing, so there is nothing to compare.
        let live = self.found.manifest.as_ref().filter(|live| live.snapshot() != self.manifest.snapshot());
        let mut refusal =
            compare::refusal((Some(snapshot), &self.manifest), live, store, (&options.limits, options.at))?;
        if let Some(damage) = &self.found.damage {
            refusal.unread(&format!("the live manifest can't be read ({damage})"));
        }
        Ok(refusal)
    }
}

/// The packs named by the live manifest and the manifests it keeps.
fn named<S: Store>(store: &mut S, live: Option<&Manifest>) -> Result<BTreeSet<PackId>, Error<S::Error>> {
    let mut named: BTreeSet<PackId> = live.into_iter().flat_map(packs).filter_map(pack).collect();
    for previous in live.into_iter().flat_map(Manifest::beside) {
        if let Some(manifest) = kept(store, previous.manifest)? {
            named.extend(packs(&manifest).filter_map(pack));
        }
    }
    Ok(named)
}
