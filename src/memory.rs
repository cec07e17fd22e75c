//! An isolate's memory between requests: plain values, bounded by bytes, that may vanish at any
//! time.

mod overlays;
mod trial;

use std::rc::Rc;

use crate::breaker::{Breaker, spread};
use sinsang_core::key::Key;
use sinsang_core::overlay::KEPT_MS;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::{Manifest, SnapshotId};
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, PackId};
use sinsang_core::time::{MINUTE_MS, SECOND_MS, UnixMillis};

pub use overlays::{Amended, OVERLAY_STALE_MS, OverlayTurn, Overlays};

/// Age of the last look at the manifest after which a background look is due: well above the second
/// that KV wants between writes of one key, below the minute that a write takes to spread.
pub const REFRESH_MS: i64 = 30 * SECOND_MS;
/// Age of the last look after which a request looks before it answers; an answer without that look
/// is stale.
pub const STALE_MS: i64 = 10 * MINUTE_MS;
/// Shortest and longest wait of an isolate after a look that failed.
pub const RETRY_MS: (i64, i64) = (4 * SECOND_MS, 6 * SECOND_MS);
/// A look that hasn't reported within this time counts as lost.
const LOOK_LEASE_MS: i64 = 10 * SECOND_MS;
/// Longer than any read's lease: a lease that seems longer was taken before the clock went back.
const LONGEST_LEASE_MS: i64 = MINUTE_MS;
/// Snapshots kept beside the current one, for lists that are being paged through and for a trial:
/// as many as a manifest names, so that cursors can't make an isolate load them in turn.
const BESIDE_SNAPSHOTS: usize = 4;
/// Limit on snapshots' bytes. The current one is kept whatever its size, and one on trial if two of
/// the current one's size fit; KV's limit on values bounds a board to 25 MiB.
pub const MAX_SNAPSHOT_BYTES: usize = 40 * 1024 * 1024;
/// Limit on taste shards' bytes. An isolate has 128 MB for everything.
pub const MAX_TASTE_BYTES: usize = 16 * 1024 * 1024;
/// Limit on the number of taste shards, so that finding one stays cheap.
pub const MAX_TASTE_SHARDS: usize = 1024;
/// Taste shards that an isolate may read from the store at once.
pub const MAX_SHARD_READS: usize = 16;
/// Limit on the number of shards remembered as unavailable.
const MAX_LOST_SHARDS: usize = 256;
/// Upper bound of a remembered shard's overhead in bytes.
const SHARD_OVERHEAD_BYTES: usize = 512;

/// A taste shard with its name.
pub type NamedShard = (PackId, TasteShard);

/// A complete snapshot: its manifest and its board.
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

    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.manifest.bytes().len().saturating_add(self.board.bytes())
    }
}

/// Time between background looks at the pulse, made beside those at the manifest: about as long as
/// it takes to change.
const PULSE_LOOK_MS: i64 = 55 * SECOND_MS;
/// Age past which a pulse says nothing about present demand.
pub const MAX_PULSE_AGE_MS: i64 = 10 * MINUTE_MS;
/// How far a pulse's clock may be ahead of the edge's.
pub const MAX_PULSE_LEAD_MS: i64 = MINUTE_MS;
/// Pulses remembered for lists that are being paged through, of at most 32 KB each.
const PULSES: usize = 12;
/// How long a list may be read on by its pulse. The store keeps pulses for longer, for replays, but
/// an overlay says no longer what stood when a list began.
const PULSE_KEPT_MS: i64 = KEPT_MS;
/// Pulses that requests of this isolate may read each second for continued lists; it bounds the
/// cost of made-up cursors.
const PULSE_READS: u8 = 4;

/// The source of the current snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The store named it as live.
    #[default]
    Live,
    /// Another isolate left it in the data centre's cache.
    Cache,
    /// It was bundled with the Worker at deploy.
    Bundle,
}

/// Which request may read a taste shard from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardTurn {
    /// The asking request's: it holds the lease.
    Mine,
    /// Another request is reading it, or too many reads are under way: try again a little later.
    Others,
    /// Nobody's: a moment ago the store had no intact copy, or took too long.
    Nobody,
}

/// A taste shard with its lookup key, so that a search touches no other shard.
#[derive(Debug)]
struct Shelf {
    id: PackId,
    /// The value of the use counter at its last use.
    used: u64,
    shard: Rc<NamedShard>,
}

/// Repeated reads of packs that the store did not have at first, since the isolate began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondReads {
    /// Number of repeated reads.
    pub count: u32,
    /// Number of those that found the pack: the data centre's cached absence was out of date.
    pub found: u32,
}

impl SecondReads {
    /// Counts a repeated read and whether it found the pack.
    pub fn note(&mut self, is_found: bool) {
        self.count = self.count.saturating_add(1);
        self.found = self.found.saturating_add(u32::from(is_found));
    }
}

/// The memory of one isolate.
#[derive(Debug, Default)]
pub struct Memory {
    /// Breaker of the store.
    pub store: Breaker,
    /// Breaker of the data centre's cache.
    pub cache: Breaker,
    /// The overlay, and boards as it leaves them.
    pub overlays: Overlays,
    /// Counts of packs that were asked for twice.
    pub second_reads: SecondReads,
    /// Bytes of Wasm memory when the shell last measured it; it never shrinks. Zero on the host.
    pub wasm_bytes: usize,
    seed: u64,
    current: Option<Snapshot>,
    generation: u32,
    origin: Origin,
    /// When the store last named the live snapshot.
    seen_at: Option<UnixMillis>,
    /// Earliest next look at the live manifest: a lease while a look is under way, a pause
    /// otherwise.
    look_at: Option<UnixMillis>,
    /// When the live manifest was last looked up for a list of an unknown snapshot.
    list_look_at: Option<UnixMillis>,
    /// The last value refused on the way to the live snapshot, and why; cleared by a successful
    /// look.
    refused: Option<(Key, Damage)>,
    /// Snapshots beside the current one: first the one on trial, if it has been read, then older
    /// ones, the latest first.
    beside: Vec<Snapshot>,
    tastes: Vec<Shelf>,
    /// Counts uses of taste shards.
    uses: u64,
    /// Taste shards, and manifests of kept snapshots, that requests are reading, with the end of
    /// each lease.
    shard_leases: Vec<(PackId, UnixMillis)>,
    /// The leases among them that are for snapshots, which are larger than any shard.
    kept_loads: Vec<(PackId, UnixMillis)>,
    /// Taste shards and manifests that the store could not deliver intact, with the end of the
    /// pause; the latest last.
    lost_shards: Vec<(PackId, UnixMillis)>,
    /// The newest of the latest pulses seen.
    pulse: Option<Rc<Pulse>>,
    /// That pulse and those of continued lists, the last adopted first.
    pulses: Vec<Rc<Pulse>>,
    /// Earliest next look at the latest pulse.
    pulse_look_at: Option<UnixMillis>,
    /// The second in which requests last read pulses, and the number of reads in it.
    pulse_reads: (UnixMillis, u8),
}

impl Memory {
    /// An empty memory whose waits derive from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { store: Breaker::seeded(seed), cache: Breaker::seeded(seed.rotate_left(21)), seed, ..Self::default() }
    }

    /// The snapshot to answer from.
    pub fn current(&self) -> Option<&Snapshot> {
        self.current.as_ref()
    }

    /// Counts adoptions of snapshots, pulses and overlays: answers made from memory are valid for
    /// one generation.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The source of the current snapshot.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether the store hasn't confirmed for [`STALE_MS`], at `now`, that the current snapshot is
    /// live.
    pub fn is_stale(&self, now: UnixMillis) -> bool {
        self.current.is_none() || self.seen_at.is_none_or(|seen_at| now.since(seen_at).saturating_abs() > STALE_MS)
    }

    /// Whether the store last named the live snapshot before `at`.
    pub fn seen_before(&self, at: UnixMillis) -> bool {
        self.seen_at.is_none_or(|seen_at| seen_at < at)
    }

    /// Takes the lease of a look at the live manifest at `now`, if one is due and none is under
    /// way.
    pub fn take_look(&mut self, now: UnixMillis) -> bool {
        let is_free = self.look_at.is_none_or(|at| is_over(at, now, REFRESH_MS + SECOND_MS));
        if is_free {
            self.look_at = Some(now.plus(LOOK_LEASE_MS));
        }
        is_free
    }

    /// Whether the live manifest may be looked up at `now` for a list of an unknown snapshot: once
    /// a second, regardless of the last outcome.
    pub fn take_list_look(&mut self, now: UnixMillis) -> bool {
        let is_free = self.list_look_at.is_none_or(|at| !(0..SECOND_MS).contains(&now.since(at)));
        if is_free {
            self.list_look_at = Some(now);
        }
        is_free
    }

    /// A look failed at `now`: the next one waits a little, unless there is no snapshot to answer
    /// from.
    pub fn look_failed(&mut self, now: UnixMillis) {
        let (least, most) = RETRY_MS;
        self.look_at = self.current.as_ref().map(|_| now.plus(spread(self.seed, least, most)));
    }

    /// The live manifest was read at `now` and names the current snapshot.
    pub fn seen(&mut self, now: UnixMillis) {
        self.seen_at = Some(now);
        self.refused = None;
        // The background reads a snapshot on trial, which no request waits for.
        let wait_ms =
            if self.lacks_trial() { SECOND_MS } else { spread(self.seed, REFRESH_MS, REFRESH_MS + SECOND_MS) };
        self.look_at = Some(now.plus(wait_ms));
    }

    /// The live snapshot is unusable because of the value of `key`: the edge keeps its snapshot and
    /// reports why.
    pub fn refuse(&mut self, key: Key, damage: Damage) {
        self.refused = Some((key, damage));
    }

    /// Why the live snapshot was last refused, unless a look has succeeded since.
    pub fn refused(&self) -> Option<(Key, Damage)> {
        self.refused
    }

    /// Makes `snapshot`, from `origin`, the current one as of `now`.
    pub fn adopt(&mut self, snapshot: Snapshot, origin: Origin, now: UnixMillis) {
        self.generation = self.generation.wrapping_add(1);
        self.beside.retain(|beside| beside.id() != snapshot.id());
        if let Some(before) = self.current.replace(snapshot)
            && self.current.as_ref().map(Snapshot::id) != Some(before.id())
        {
            self.beside.insert(0, before);
        }
        self.trim_snapshots();
        self.origin = origin;
        if origin == Origin::Live {
            self.seen(now);
        }
    }

    /// The latest pulse, unless it is too old at `real_now`, or too far ahead of it. `real_now` is
    /// the real clock, also in demonstrations.
    pub fn pulse(&self, real_now: UnixMillis) -> Option<&Rc<Pulse>> {
        let usable = -MAX_PULSE_LEAD_MS..=MAX_PULSE_AGE_MS;
        self.pulse.as_ref().filter(|pulse| usable.contains(&real_now.since(pulse.made_at())))
    }

    /// The pulse of this number, if it is remembered.
    pub fn find_pulse(&self, number: u32) -> Option<&Rc<Pulse>> {
        self.pulses.iter().find(|pulse| pulse.number() == number)
    }

    /// Keeps a pulse for viewers who are paging through a list that it ordered.
    pub fn keep_pulse(&mut self, pulse: Rc<Pulse>) {
        self.pulses.retain(|known| known.number() != pulse.number());
        self.pulses.truncate(PULSES.saturating_sub(1));
        self.pulses.insert(0, pulse);
    }

    /// Makes `pulse` the latest, unless a later one is known: the store may return an old value
    /// again. A known pulse so much later that `pulse` would be too old to use was made by a clock
    /// that ran ahead, and is replaced.
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

    /// Takes an overlay, or its absence; returns whether it is new. `seen_at` is when the store
    /// said so, `None` if another place did.
    pub fn adopt_overlay(&mut self, overlay: Option<Overlay>, seen_at: Option<UnixMillis>) -> bool {
        let is_new = self.overlays.adopt(overlay, seen_at);
        if is_new {
            self.generation = self.generation.wrapping_add(1);
        }
        is_new
    }

    /// A look at the overlay failed at `now`: the next one waits a little.
    pub fn lose_overlay(&mut self, now: UnixMillis) {
        let (least, most) = RETRY_MS;
        self.overlays.failed(now.plus(spread(self.seed, least, most)));
    }

    /// Whether a look at the latest pulse is due at `now`. It then is taken, and the next one is
    /// due a while later.
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

    /// Keeps a snapshot for viewers who are paging through it.
    pub fn keep(&mut self, snapshot: Snapshot) {
        self.end_shard_lease(snapshot.manifest.id());
        if self.find(snapshot.id()).is_none() {
            self.beside.insert(0, snapshot);
            self.trim_snapshots();
        }
    }

    /// Puts the snapshot on trial first, and forgets the last ones beyond the limits.
    fn trim_snapshots(&mut self) {
        let on_trial = self.trial().map(|trial| trial.snapshot);
        let place = self.beside.iter().position(|beside| Some(beside.id()) == on_trial);
        if let Some(place) = place.filter(|place| *place > 0) {
            let trial = self.beside.remove(place);
            self.beside.insert(0, trial);
        }
        self.beside.truncate(BESIDE_SNAPSHOTS);
        let pinned = usize::from(place.is_some());
        while self.snapshot_bytes() > MAX_SNAPSHOT_BYTES && self.beside.len() > pinned {
            self.beside.pop();
        }
    }

    /// Bytes of remembered snapshots. A board that two of them share counts twice.
    pub fn snapshot_bytes(&self) -> usize {
        self.snapshots().fold(0, |sum: usize, snapshot| sum.saturating_add(snapshot.bytes()))
    }

    fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.current.iter().chain(&self.beside)
    }

    /// The snapshot of `id`, if it is remembered.
    pub fn find(&self, id: SnapshotId) -> Option<&Snapshot> {
        self.snapshots().find(|snapshot| snapshot.id() == id)
    }

    /// The board of `id`, if a remembered snapshot has it.
    pub fn find_board(&self, id: PackId) -> Option<Rc<Board>> {
        self.snapshots().find(|snapshot| snapshot.board.id() == id).map(|snapshot| Rc::clone(&snapshot.board))
    }

    /// The taste shard of `id`; marks it as used.
    pub fn taste_shard(&mut self, id: PackId) -> Option<Rc<NamedShard>> {
        let found = self.tastes.iter_mut().find(|one| one.id == id)?;
        self.uses = self.uses.wrapping_add(1);
        found.used = self.uses;
        Some(Rc::clone(&found.shard))
    }

    /// Takes the lease of reading the shard of `id`, if it is free. It lasts until `until` unless
    /// it is ended.
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

    /// Takes the lease of reading the older snapshot of the manifest `id`. Boards being read and
    /// the current one have to fit into [`MAX_SNAPSHOT_BYTES`]; a board too large to be kept isn't
    /// read at all.
    pub fn take_kept_lease(&mut self, id: PackId, now: UnixMillis, until: UnixMillis) -> ShardTurn {
        self.kept_loads.retain(|lease| !is_over(lease.1, now, LONGEST_LEASE_MS));
        if !self.fits(2) {
            return ShardTurn::Nobody;
        }
        if !self.fits(self.kept_loads.len().saturating_add(2)) {
            return ShardTurn::Others;
        }
        let turn = self.take_shard_lease(id, now, until);
        if turn == ShardTurn::Mine {
            self.kept_loads.push((id, until));
        }
        turn
    }

    /// Whether so many boards fit, each as large as the current one: boards of one deployment have
    /// about the same size.
    fn fits(&self, boards: usize) -> bool {
        boards.saturating_mul(self.current.as_ref().map_or(0, Snapshot::bytes)) <= MAX_SNAPSHOT_BYTES
    }

    /// Ends the lease of the shard of `id`, whether or not the read succeeded.
    pub fn end_shard_lease(&mut self, id: PackId) {
        self.shard_leases.retain(|lease| lease.0 != id);
        self.kept_loads.retain(|lease| lease.0 != id);
    }

    /// The store had no intact shard of `id` at `now`, or took too long: for a while, its viewers
    /// don't wait for it.
    pub fn lose_shard(&mut self, id: PackId, now: UnixMillis) {
        self.end_shard_lease(id);
        if self.lost_shards.len() >= MAX_LOST_SHARDS {
            self.lost_shards.remove(0);
        }
        let (least, most) = RETRY_MS;
        self.lost_shards.push((id, now.plus(spread(self.seed, least, most))));
    }

    /// Remembers a taste shard, evicting the least recently used ones above the limits.
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

    /// Bytes of remembered taste shards.
    pub fn taste_bytes(&self) -> usize {
        self.tastes.iter().fold(0, |sum: usize, shelf| sum.saturating_add(shard_bytes(&shelf.shard)))
    }
}

/// Whether a time set at most `longest_ms` ahead has come at `now`. A time further away was set
/// before the clock went back.
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
