//! What an isolate remembers between requests: plain values, bounded, that may vanish at any time.

use std::rc::Rc;

use crate::breaker::Breaker;
use crate::pack::PackId;
use crate::pack::board::Board;
use crate::pack::manifest::{Manifest, SnapshotId};
use crate::pack::taste::TasteShard;
use crate::time::{MINUTE_MS, SECOND_MS, UnixMillis};

/// A manifest is looked up again, in the background, when it was last seen this long ago: well above the second that KV wants between
/// writes of one key, below the minute that it takes to spread one.
pub const REFRESH_MS: i64 = 30 * SECOND_MS;
/// A manifest that was last seen this long ago is looked up before the answer.
pub const STALE_MS: i64 = 10 * MINUTE_MS;
/// A background refresh that has not reported by then is taken for lost.
const REFRESH_LEASE_MS: i64 = 10 * SECOND_MS;
/// Snapshots kept for lists that are being paged through.
const OLDER_SNAPSHOTS: usize = 2;
/// Most bytes of taste shards that are kept. An isolate has 128 MB for everything.
pub const MAX_TASTE_BYTES: usize = 16 * 1024 * 1024;

/// A whole snapshot: its manifest and its board.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Names the taste shards and the snapshots before.
    pub manifest: Rc<Manifest>,
    /// The board that the manifest names.
    pub board: Rc<Board>,
}

impl Snapshot {
    /// The snapshot's name.
    pub fn id(&self) -> SnapshotId {
        self.manifest.snapshot()
    }
}

/// The memory of one isolate.
#[derive(Debug, Default)]
pub struct Memory {
    /// May the store be asked?
    pub breaker: Breaker,
    current: Option<Snapshot>,
    seen_at: UnixMillis,
    refreshing_until: Option<UnixMillis>,
    older: Vec<Snapshot>,
    /// Least recently used first.
    tastes: Vec<Rc<(PackId, TasteShard)>>,
}

impl Memory {
    /// The snapshot to answer from.
    pub fn current(&self) -> Option<&Snapshot> {
        self.current.as_ref()
    }

    /// Whether the manifest must be looked up before an answer at `now`.
    pub fn is_stale(&self, now: UnixMillis) -> bool {
        self.current.is_none() || now.since(self.seen_at) > STALE_MS
    }

    /// Takes the lease of a background refresh at `now`, where one is due and none is on its way.
    pub fn take_refresh(&mut self, now: UnixMillis) -> bool {
        let is_due = now.since(self.seen_at) > REFRESH_MS;
        let is_free = self.refreshing_until.is_none_or(|until| now >= until);
        if is_due && is_free {
            self.refreshing_until = Some(now.plus(REFRESH_LEASE_MS));
        }
        is_due && is_free
    }

    /// The live manifest was read at `now` and is the one of the current snapshot.
    pub fn seen(&mut self, now: UnixMillis) {
        self.seen_at = now;
        self.refreshing_until = None;
    }

    /// `snapshot` is live as of `now`.
    pub fn adopt(&mut self, snapshot: Snapshot, now: UnixMillis) {
        self.older.retain(|older| older.id() != snapshot.id());
        if let Some(before) = self.current.replace(snapshot) {
            self.keep(before);
        }
        self.seen(now);
    }

    /// Keeps a snapshot for those who are paging through it.
    pub fn keep(&mut self, snapshot: Snapshot) {
        if self.find(snapshot.id()).is_none() {
            self.older.insert(0, snapshot);
            self.older.truncate(OLDER_SNAPSHOTS);
        }
    }

    /// The snapshot of `id`, if it is remembered.
    pub fn find(&self, id: SnapshotId) -> Option<&Snapshot> {
        self.current.iter().chain(&self.older).find(|snapshot| snapshot.id() == id)
    }

    /// The board of `id`, if a remembered snapshot has it.
    pub fn find_board(&self, id: PackId) -> Option<Rc<Board>> {
        self.current
            .iter()
            .chain(&self.older)
            .find(|snapshot| snapshot.board.id() == id)
            .map(|snapshot| Rc::clone(&snapshot.board))
    }

    /// The taste shard of `id`, which counts as used.
    pub fn taste_shard(&mut self, id: PackId) -> Option<Rc<(PackId, TasteShard)>> {
        let place = self.tastes.iter().position(|shard| shard.0 == id)?;
        let shard = self.tastes.remove(place);
        self.tastes.push(Rc::clone(&shard));
        Some(shard)
    }

    /// Remembers a taste shard, forgetting the least recently used ones where it gets too much.
    pub fn keep_taste_shard(&mut self, id: PackId, shard: TasteShard) {
        if self.tastes.iter().all(|known| known.0 != id) {
            self.tastes.push(Rc::new((id, shard)));
        }
        while self.taste_bytes() > MAX_TASTE_BYTES && self.tastes.len() > 1 {
            self.tastes.remove(0);
        }
    }

    /// Bytes of taste shards that are remembered.
    pub fn taste_bytes(&self) -> usize {
        self.tastes.iter().map(|shard| shard.1.bytes()).sum()
    }
}
