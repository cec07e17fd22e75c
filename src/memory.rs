//! What an isolate remembers between requests: plain values, bounded by bytes, that may vanish at any time.

use std::rc::Rc;

use crate::breaker::{Breaker, spread};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::{Manifest, SnapshotId};
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, PackId};
use sinsang_core::time::{DAY_MS, MINUTE_MS, SECOND_MS, UnixMillis};

/// A manifest is looked up again, in the background, when it was last seen this long ago: well above the second that KV wants between
/// writes of one key, below the minute that it takes to spread one.
pub const REFRESH_MS: i64 = 30 * SECOND_MS;
/// A manifest that was last seen this long ago is looked up before the answer, and an answer without it is a stale one.
pub const STALE_MS: i64 = 10 * MINUTE_MS;
/// The least and the most that an isolate waits after a look that brought nothing.
pub const RETRY_MS: (i64, i64) = (4 * SECOND_MS, 6 * SECOND_MS);
/// A look that has not reported by then is taken for lost.
const LOOK_LEASE_MS: i64 = 10 * SECOND_MS;
/// Longer than any lease of a read: one that seems to last longer is of a clock that has gone back since.
const LONGEST_LEASE_MS: i64 = MINUTE_MS;
/// Snapshots kept for lists that are being paged through: as many as a manifest names, so that cursors can't make an isolate load them in turn.
const OLDER_SNAPSHOTS: usize = 4;
/// Most bytes of snapshots that are kept. The current one is kept whatever its size, which a KV value bounds to 25 MiB for its board.
pub const MAX_SNAPSHOT_BYTES: usize = 40 * 1024 * 1024;
/// Most bytes of taste shards that are kept. An isolate has 128 MB for everything.
pub const MAX_TASTE_BYTES: usize = 16 * 1024 * 1024;
/// Most taste shards that are kept, so that looking for one stays cheap.
pub const MAX_TASTE_SHARDS: usize = 1024;
/// Most taste shards that an isolate reads from the store at once.
pub const MAX_SHARD_READS: usize = 16;
/// Most taste shards that are known not to be had.
const MAX_LOST_SHARDS: usize = 256;
/// What a remembered shard takes besides its bytes, at most.
const SHARD_OVERHEAD_BYTES: usize = 512;

/// A taste shard with its name.
pub type NamedShard = (PackId, TasteShard);

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

    /// Bytes it holds in memory.
    pub fn bytes(&self) -> usize {
        self.manifest.bytes().len().saturating_add(self.board.bytes())
    }
}

/// A pulse is looked up again, in the background beside the manifest, when it was last looked up this long ago: about as often as it changes.
const PULSE_LOOK_MS: i64 = 55 * SECOND_MS;
/// Past this age a pulse says nothing of what is wanted now.
pub const MAX_PULSE_AGE_MS: i64 = 10 * MINUTE_MS;
/// A pulse may be made by a clock that is as much ahead of the edge's.
const MAX_PULSE_LEAD_MS: i64 = MINUTE_MS;
/// Pulses that are remembered for lists that are being paged through, of 32 KB at the most each.
const PULSES: usize = 12;
/// How long the store keeps a pulse under its number.
const PULSE_KEPT_MS: i64 = DAY_MS;
/// Pulses that requests of this isolate may read in a second, for lists that go on: made-up cursors cost no more.
const PULSE_READS: u8 = 4;

/// Where the current snapshot came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The store named it as live.
    #[default]
    Live,
    /// The data centre's cache had it from another isolate.
    Cache,
    /// It was bundled with the Worker at deploy.
    Bundle,
}

/// Whose turn it is to read a taste shard from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardTurn {
    /// The request's that asked, which has the lease now.
    Mine,
    /// Another request reads it, or too many are being read: look again a little later.
    Others,
    /// Nobody's: the store did not have it whole a moment ago, or took too long.
    Nobody,
}

/// A taste shard with what it is found by, so that looking for one touches no other.
#[derive(Debug)]
struct Shelf {
    id: PackId,
    /// The use that was the last of it.
    used: u64,
    shard: Rc<NamedShard>,
}

/// Packs that the store had not at first and was asked for once more, since the isolate began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondReads {
    /// How often it was asked once more.
    pub count: u32,
    /// How often the pack was there then: what is remembered of it elsewhere in the data centre was out of date.
    pub found: u32,
}

impl SecondReads {
    /// Counts one that found the pack, or did not.
    pub fn note(&mut self, is_found: bool) {
        self.count = self.count.saturating_add(1);
        self.found = self.found.saturating_add(u32::from(is_found));
    }
}

/// The memory of one isolate.
#[derive(Debug, Default)]
pub struct Memory {
    /// May the store be asked?
    pub store: Breaker,
    /// May the data centre's cache be asked?
    pub cache: Breaker,
    /// Packs that were asked for twice.
    pub second_reads: SecondReads,
    /// Bytes of Wasm memory when the shell last looked; it never shrinks. Zero on the host.
    pub wasm_bytes: usize,
    seed: u64,
    current: Option<Snapshot>,
    generation: u32,
    origin: Origin,
    /// When the store last said which snapshot is live.
    seen_at: Option<UnixMillis>,
    /// No look at the live manifest before this: a lease while one is out, a pause otherwise.
    look_at: Option<UnixMillis>,
    /// When the live manifest was last looked up for a list of an unknown snapshot.
    list_look_at: Option<UnixMillis>,
    /// What was refused on the way to the live snapshot since it was last seen, and why.
    refused: Option<(Key, Damage)>,
    older: Vec<Snapshot>,
    tastes: Vec<Shelf>,
    /// Counts uses of taste shards.
    uses: u64,
    /// Taste shards, and manifests of kept snapshots, that requests are reading, and until when that is believed.
    shard_leases: Vec<(PackId, UnixMillis)>,
    /// Those of them that are snapshots, which are larger than any shard.
    kept_loads: Vec<(PackId, UnixMillis)>,
    /// The same that the store did not have whole, and until when it is not asked for them again. The latest last.
    lost_shards: Vec<(PackId, UnixMillis)>,
    /// The newest pulse that was the latest one.
    pulse: Option<Rc<Pulse>>,
    /// The same and those that lists go on by, the last that was met first.
    pulses: Vec<Rc<Pulse>>,
    /// No look at the latest pulse before this.
    pulse_look_at: Option<UnixMillis>,
    /// When a request last read a pulse, to the second, and how many did in that second.
    pulse_reads: (UnixMillis, u8),
}

impl Memory {
    /// An empty memory whose waits follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { store: Breaker::seeded(seed), cache: Breaker::seeded(seed.rotate_left(21)), seed, ..Self::default() }
    }

    /// The snapshot to answer from.
    pub fn current(&self) -> Option<&Snapshot> {
        self.current.as_ref()
    }

    /// Counts the times that a snapshot was adopted: what was made from memory holds for one.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Where the current snapshot came from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether the store has not said for a while, at `now`, that the current snapshot is the live one.
    pub fn is_stale(&self, now: UnixMillis) -> bool {
        self.current.is_none() || self.seen_at.is_none_or(|seen_at| now.since(seen_at).saturating_abs() > STALE_MS)
    }

    /// Whether the store last said before `at` which snapshot is live.
    pub fn seen_before(&self, at: UnixMillis) -> bool {
        self.seen_at.is_none_or(|seen_at| seen_at < at)
    }

    /// Takes the lease of a look at the live manifest at `now`, where one is due and none is out.
    pub fn take_look(&mut self, now: UnixMillis) -> bool {
        let is_free = self.look_at.is_none_or(|at| is_over(at, now, REFRESH_MS + SECOND_MS));
        if is_free {
            self.look_at = Some(now.plus(LOOK_LEASE_MS));
        }
        is_free
    }

    /// Whether the live manifest may be looked up at `now` for a list of an unknown snapshot: once a second, whatever came of the last.
    pub fn take_list_look(&mut self, now: UnixMillis) -> bool {
        let is_free = self.list_look_at.is_none_or(|at| !(0..SECOND_MS).contains(&now.since(at)));
        if is_free {
            self.list_look_at = Some(now);
        }
        is_free
    }

    /// A look ended at `now` without a word from the store: the next one waits a little, unless there is nothing to answer from.
    pub fn look_failed(&mut self, now: UnixMillis) {
        let (least, most) = RETRY_MS;
        self.look_at = self.current.as_ref().map(|_| now.plus(spread(self.seed, least, most)));
    }

    /// The live manifest was read at `now` and is the one of the current snapshot.
    pub fn seen(&mut self, now: UnixMillis) {
        self.seen_at = Some(now);
        self.refused = None;
        self.look_at = Some(now.plus(spread(self.seed, REFRESH_MS, REFRESH_MS + SECOND_MS)));
    }

    /// The live snapshot can't be had because the value of `key` is refused: the edge goes on with what it has, and says why.
    pub fn refuse(&mut self, key: Key, damage: Damage) {
        self.refused = Some((key, damage));
    }

    /// Why the live snapshot was last refused, if it was and has not been had since.
    pub fn refused(&self) -> Option<(Key, Damage)> {
        self.refused
    }

    /// `snapshot` is the one to answer from as of `now`, as `origin` has it.
    pub fn adopt(&mut self, snapshot: Snapshot, origin: Origin, now: UnixMillis) {
        self.generation = self.generation.wrapping_add(1);
        self.older.retain(|older| older.id() != snapshot.id());
        if let Some(before) = self.current.replace(snapshot)
            && self.current.as_ref().map(Snapshot::id) != Some(before.id())
        {
            self.older.insert(0, before);
        }
        self.trim_snapshots();
        self.origin = origin;
        if origin == Origin::Live {
            self.seen(now);
        }
    }

    /// The latest pulse, unless it is too old at `real_now`, or of a clock that is ahead of it. No demonstration moves that clock.
    pub fn pulse(&self, real_now: UnixMillis) -> Option<&Rc<Pulse>> {
        let usable = -MAX_PULSE_LEAD_MS..=MAX_PULSE_AGE_MS;
        self.pulse.as_ref().filter(|pulse| usable.contains(&real_now.since(pulse.made_at())))
    }

    /// The pulse of this number, if it is remembered.
    pub fn find_pulse(&self, number: u32) -> Option<&Rc<Pulse>> {
        self.pulses.iter().find(|pulse| pulse.number() == number)
    }

    /// Keeps a pulse for those who are paging through a list of its order.
    pub fn keep_pulse(&mut self, pulse: Rc<Pulse>) {
        self.pulses.retain(|known| known.number() != pulse.number());
        self.pulses.truncate(PULSES.saturating_sub(1));
        self.pulses.insert(0, pulse);
    }

    /// `pulse` is the latest, unless a later one was met: the store may show an old value again. One that is later by so much that
    /// `pulse` would be too old to be used was made by a clock that ran ahead, and gives way.
    pub fn adopt_pulse(&mut self, pulse: Rc<Pulse>) {
        let is_next = |known: &Rc<Pulse>| {
            let lead_ms = known.made_at().since(pulse.made_at());
            known.number() < pulse.number() || lead_ms > MAX_PULSE_AGE_MS + MAX_PULSE_LEAD_MS
        };
        if self.pulse.as_ref().is_none_or(is_next) {
            self.generation = self.generation.wrapping_add(1);
            self.pulse = Some(Rc::clone(&pulse));
            self.keep_pulse(pulse);
        }
    }

    /// Whether the latest pulse is to be looked up at `now`, which nobody does for a while then.
    pub fn take_pulse_look(&mut self, now: UnixMillis) -> bool {
        let is_due = self.pulse_look_at.is_none_or(|at| is_over(at, now, PULSE_LOOK_MS));
        if is_due {
            self.pulse_look_at = Some(now.plus(PULSE_LOOK_MS));
        }
        is_due
    }

    /// Whether a request may read a pulse at `now`.
    pub fn take_pulse_read(&mut self, now: UnixMillis) -> bool {
        let second = now.floor(SECOND_MS);
        let reads = if self.pulse_reads.0 == second { self.pulse_reads.1 } else { 0 };
        self.pulse_reads = (second, reads.saturating_add(1));
        reads < PULSE_READS
    }

    /// Keeps a snapshot for those who are paging through it.
    pub fn keep(&mut self, snapshot: Snapshot) {
        self.end_shard_lease(snapshot.manifest.id());
        if self.find(snapshot.id()).is_none() {
            self.older.insert(0, snapshot);
            self.trim_snapshots();
        }
    }

    fn trim_snapshots(&mut self) {
        self.older.truncate(OLDER_SNAPSHOTS);
        while self.snapshot_bytes() > MAX_SNAPSHOT_BYTES && self.older.pop().is_some() {}
    }

    /// Bytes of snapshots that are remembered. Two that share a board count it twice.
    pub fn snapshot_bytes(&self) -> usize {
        self.current.iter().chain(&self.older).fold(0, |sum: usize, snapshot| sum.saturating_add(snapshot.bytes()))
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
    pub fn taste_shard(&mut self, id: PackId) -> Option<Rc<NamedShard>> {
        let found = self.tastes.iter_mut().find(|one| one.id == id)?;
        self.uses = self.uses.wrapping_add(1);
        found.used = self.uses;
        Some(Rc::clone(&found.shard))
    }

    /// Takes the lease of reading the shard of `id`, which lasts until `until` unless it is ended, where it is free.
    pub fn take_shard_lease(&mut self, id: PackId, now: UnixMillis, until: UnixMillis) -> ShardTurn {
        self.shard_leases.retain(|lease| !is_over(lease.1, now, LONGEST_LEASE_MS));
        self.lost_shards.retain(|lost| !is_over(lost.1, now, LONGEST_LEASE_MS));
        if self.lost_shards.iter().any(|lost| lost.0 == id) {
            return ShardTurn::Nobody;
        }
        if self.shard_leases.len() >= MAX_SHARD_READS || self.shard_leases.iter().any(|lease| lease.0 == id) {
            return ShardTurn::Others;
        }
        self.shard_leases.push((id, until));
        ShardTurn::Mine
    }

    /// The same for the snapshot of the manifest `id`, beside the current one. Boards on their way and those that are kept fit into what
    /// snapshots may take; one that could not be kept is not read for a list that will not find it.
    pub fn take_kept_lease(&mut self, id: PackId, now: UnixMillis, until: UnixMillis) -> ShardTurn {
        self.kept_loads.retain(|lease| !is_over(lease.1, now, LONGEST_LEASE_MS));
        // Boards of one deployment are about as large as one another.
        let bytes = self.current.as_ref().map_or(0, Snapshot::bytes);
        let fits = |boards: usize| boards.saturating_mul(bytes) <= MAX_SNAPSHOT_BYTES;
        if !fits(2) {
            return ShardTurn::Nobody;
        }
        if !fits(self.kept_loads.len().saturating_add(2)) {
            return ShardTurn::Others;
        }
        let turn = self.take_shard_lease(id, now, until);
        if turn == ShardTurn::Mine {
            self.kept_loads.push((id, until));
        }
        turn
    }

    /// The shard of `id` was read, or could not be.
    pub fn end_shard_lease(&mut self, id: PackId) {
        self.shard_leases.retain(|lease| lease.0 != id);
        self.kept_loads.retain(|lease| lease.0 != id);
    }

    /// The store did not have the shard of `id` whole at `now`, or took too long: its viewers don't wait for it again for a while.
    pub fn lose_shard(&mut self, id: PackId, now: UnixMillis) {
        self.end_shard_lease(id);
        if self.lost_shards.len() >= MAX_LOST_SHARDS {
            self.lost_shards.remove(0);
        }
        let (least, most) = RETRY_MS;
        self.lost_shards.push((id, now.plus(spread(self.seed, least, most))));
    }

    /// Remembers a taste shard, forgetting the least recently used ones where it gets too much.
    pub fn keep_taste_shard(&mut self, shard: Rc<NamedShard>) {
        self.end_shard_lease(shard.0);
        if self.tastes.iter().all(|shelf| shelf.id != shard.0) {
            self.uses = self.uses.wrapping_add(1);
            self.tastes.push(Shelf { id: shard.0, used: self.uses, shard });
        }
        let mut bytes = self.taste_bytes();
        while bytes > MAX_TASTE_BYTES || self.tastes.len() > MAX_TASTE_SHARDS {
            let oldest = (0..).zip(&self.tastes).min_by_key(|(_, one)| one.used);
            let Some((place, oldest)) = oldest else { break };
            bytes = bytes.saturating_sub(shard_bytes(&oldest.shard));
            self.tastes.swap_remove(place);
        }
    }

    /// Bytes of taste shards that are remembered.
    pub fn taste_bytes(&self) -> usize {
        self.tastes.iter().fold(0, |sum: usize, shelf| sum.saturating_add(shard_bytes(&shelf.shard)))
    }
}

/// Whether a time that was to come within `longest_ms` has come at `now`. One that is further away is of a clock that has gone back.
fn is_over(at: UnixMillis, now: UnixMillis, longest_ms: i64) -> bool {
    now >= at || at.since(now) > longest_ms
}

/// Whether the store may have a pulse of this number at `real_now`.
pub fn may_have_pulse(number: u32, real_now: UnixMillis) -> bool {
    let age = real_now.since(UnixMillis::from_seconds(number));
    (-MINUTE_MS..=PULSE_KEPT_MS).contains(&age)
}

fn shard_bytes(shard: &NamedShard) -> usize {
    shard.1.bytes().saturating_add(SHARD_OVERHEAD_BYTES)
}
