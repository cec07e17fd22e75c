//! Snapshots that answers may be replayed from: those that were live or on trial of late, and those
//! that lists were read on in beside them.

use std::collections::BTreeSet;

use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserKey;

use crate::forgotten;
use crate::publication::{pack, packs};
use crate::run::{live_since, moves, runs};
use crate::store::{Error, Store, kept};

/// The packs of past snapshots, by the first half of their names: of a week of hourly snapshots,
/// ten million users have eleven million. Two packs with the same half are kept if one of them is.
#[derive(Debug, Default)]
pub(crate) struct Past {
    halves: Vec<u64>,
}

impl Past {
    /// The packs of the snapshots that were live or on trial at some time since `since`. A taste
    /// shard that may hold a user who asked to be forgotten is none of them.
    ///
    /// # Errors
    /// If the store does not answer, or its list of the forgotten is damaged.
    pub(crate) fn new<S: Store>(store: &mut S, since: UnixMillis) -> Result<Self, Error<S::Error>> {
        let forgotten = forgotten::since(store)?;
        let moves = moves(&runs(store)?);
        let live: BTreeSet<PackId> = live_since(&moves, since).iter().map(|one| one.manifest).collect();
        let (mut beside, mut past) = (BTreeSet::new(), Self::default());
        // A manifest that an earlier run removed has nothing left to keep.
        for id in &live {
            let Some(manifest) = kept(store, *id)? else { continue };
            beside.extend(manifest.beside().map(|beside| beside.manifest).filter(|id| !live.contains(id)));
            past.add(&manifest, &forgotten);
        }
        for id in beside {
            if let Some(manifest) = kept(store, id)? {
                past.add(&manifest, &forgotten);
            }
        }
        past.halves.sort_unstable();
        past.halves.dedup();
        Ok(past)
    }

    fn add(&mut self, manifest: &Manifest, forgotten: &[(UserKey, UnixMillis)]) {
        let without = forgotten.iter().filter(|(_, since)| manifest.built_at() < *since);
        let left_out: BTreeSet<PackId> = without.filter_map(|(key, _)| manifest.shard_of(key.0)).collect();
        let ids = packs(manifest).filter_map(pack).chain([manifest.id()]);
        self.halves.extend(ids.filter(|id| !left_out.contains(id)).map(half));
    }

    /// Whether a past snapshot has the pack `id`.
    pub(crate) fn has(&self, id: PackId) -> bool {
        self.halves.binary_search(&half(id)).is_ok()
    }
}

fn half(id: PackId) -> u64 {
    id.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
