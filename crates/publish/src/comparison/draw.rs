//! The viewers of a comparison: drawn by a hash of both snapshots' ids, so that the same two give
//! the same viewers, from few shards, so that a large store costs few reads.

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::{Manifest, shard_index};
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::scatter::scatter;

/// The most viewers drawn.
pub const MOST_VIEWERS: usize = 200;
/// The most taste shards read of each snapshot.
pub const MOST_SHARDS: usize = 8;

/// Which stretches of users' keys a comparison looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The seed of all draws.
    pub(super) seed: u64,
    /// The number of highest bits of a key that name its stretch.
    bits: u32,
    /// The stretches, at most [`MOST_SHARDS`].
    stretches: BTreeSet<usize>,
}

impl Draw {
    /// Draws stretches of keys in which one of the snapshots has users. Where one divides its users
    /// into more shards than the other, a stretch is one of the narrower shards.
    pub fn of(next: &Manifest, before: &Manifest) -> Self {
        let seed = scatter(next.snapshot().0, before.snapshot().0);
        let bits = next.shard_count().max(before.shard_count()).trailing_zeros();
        let has_users = |stretch: &u64| {
            let key = first_key(*stretch, bits);
            next.shard_of(key).or(before.shard_of(key)).is_some()
        };
        let mut stretches: Vec<u64> = (0..1_u64 << bits).filter(has_users).collect();
        stretches.sort_by_cached_key(|stretch| scatter(seed, *stretch));
        let first = stretches.into_iter().take(MOST_SHARDS);
        let stretches = first.map(|stretch| shard_index(first_key(stretch, bits), bits)).collect();
        Self { seed, bits, stretches }
    }

    /// The shards of `manifest` to read, at most [`MOST_SHARDS`].
    pub fn shards(&self, manifest: &Manifest) -> BTreeSet<PackId> {
        let keys = self.stretches.iter().map(|stretch| first_key(*stretch as u64, self.bits));
        keys.filter_map(|key| manifest.shard_of(key)).collect()
    }

    /// The keys of at most [`MOST_VIEWERS`] viewers of the stretches, from both snapshots' shards.
    pub(super) fn viewers(&self, shards: &BTreeMap<PackId, TasteShard>) -> Vec<u64> {
        let mut drawn = BTreeSet::new();
        for shard in shards.values() {
            for key in (0..shard.len()).map(|index| shard.key(index)) {
                if self.stretches.contains(&shard_index(key, self.bits)) {
                    drawn.insert((scatter(self.seed, key), key));
                }
                if drawn.len() > MOST_VIEWERS {
                    drawn.pop_last();
                }
            }
        }
        drawn.into_iter().map(|(_, key)| key).collect()
    }
}

/// The lowest key of a stretch.
fn first_key(stretch: u64, bits: u32) -> u64 {
    stretch.checked_shl(64_u32.saturating_sub(bits)).unwrap_or(0)
}
