//! A request as a state machine: [`Serve::next`] asks for reads or gives the reply,
//! [`Serve::absorb`] takes the values read.
//!
//! It is never async and never reads. A warm request reads nothing; a cold isolate's first personal
//! answer takes two rounds: the manifest, then the board and the viewer's taste shard together. If
//! the store does not answer, it goes down the ladder: the isolate's memory, the data centre's
//! cache, the snapshot bundled at deploy. All reads of a request together take at most
//! [`Config::read_limit_ms`]. Before that, a token whose signature the platform has to check waits
//! for the result: [`Step::Verify`], [`Serve::absorb_proof`].

mod answer;
mod overlay;
mod own;
mod proof;
mod refresh;
mod store_health;

use std::rc::Rc;

use crate::auth::Unproven;
use crate::memory::{Memory, Origin, OverlayTurn, ShardTurn, Snapshot};
use crate::reply::{Reply, Timing};
use crate::request::{Config, Halt, Raw, Refusal, Request, Route};
use crate::snapshot_load::{Fetched, Keep, Load, Place, Read, ReadFailure};
use sinsang_core::key::Key;
use sinsang_core::pack::bundle;
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::{SECOND_MS, UnixMillis};
use sinsang_core::viewer::{DeviceId, UserKey};

use answer::Own;
use overlay::absorb_overlay;
use own::{PulseRead, TasteRead, pulse_of, shard_of};
pub use refresh::Refresh;
use store_health::{breaker, report};

/// Poll interval in milliseconds of requests that wait while another one of the isolate reads for
/// them.
const WAIT_MS: u32 = 20;
/// A read with less time left than this is not made, in milliseconds.
const MIN_READ_MS: i64 = 5;

/// The shell's next action.
#[derive(Debug)]
pub enum Step {
    /// Make these reads together, and pass the results to [`Serve::absorb`].
    Read(Vec<Read>),
    /// Pass the bytes bundled with the Worker, if any, to [`Serve::absorb_bundle`].
    Bundle,
    /// Ask the platform whether one of its keys signed this token, and pass the answer to
    /// [`Serve::absorb_proof`].
    Verify(Rc<Unproven>),
    /// Ask again in this many milliseconds: another request of this isolate is reading the same.
    Wait(u32),
    /// Send this answer.
    Reply(Reply),
}

/// A request in progress.
#[derive(Debug)]
pub struct Serve<'a> {
    raw: Raw<'a>,
    config: &'a Config,
    request: Result<Request, Halt>,
    began_at: UnixMillis,
    live: Option<Load>,
    has_looked: bool,
    holds_look: bool,
    wants_bundle: bool,
    kept: Option<Load>,
    /// The manifest whose lease this request holds while it loads a kept snapshot.
    kept_lease: Option<PackId>,
    taste: TasteRead,
    pulse: PulseRead,
    /// The place that the overlay is read from next, unless all have been asked.
    overlay: Option<Place>,
    waits: u32,
    reads: u32,
    /// The lowest place on the ladder that gave a value.
    lowest: Option<Place>,
    log: Vec<String>,
    keeps: Vec<Keep>,
}

impl<'a> Serve<'a> {
    /// A request that arrives at `now`.
    pub fn begin(raw: Raw<'a>, config: &'a Config, now: UnixMillis) -> Self {
        Self {
            raw,
            config,
            // Issuers' clocks are real; a demonstration shifts only the Worker's.
            request: Request::parse(&raw, config, now.plus(config.clock_offset_ms.saturating_neg()), None),
            began_at: now,
            live: None,
            has_looked: false,
            holds_look: false,
            wants_bundle: true,
            kept: None,
            kept_lease: None,
            taste: TasteRead::default(),
            pulse: PulseRead::default(),
            overlay: Some(Place::Store),
            waits: 0,
            reads: 0,
            lowest: None,
            log: Vec::new(),
            keeps: Vec::new(),
        }
    }

    /// A request that has been parsed, such as one of a viewer whose token a replay does not have.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn of(raw: Raw<'a>, config: &'a Config, request: Result<Request, Halt>, now: UnixMillis) -> Self {
        Self { request, ..Self::begin(raw, config, now) }
    }

    /// The answer at `now`, if all of it is in memory and fresh. Otherwise `None`, without side
    /// effects: [`Self::next`] then says what to read, check or wait for.
    pub fn warm(&mut self, memory: &mut Memory, now: UnixMillis) -> Option<Reply> {
        let request = std::mem::replace(&mut self.request, Err(Refusal::NotFound.into()));
        let step = match &request {
            Err(Halt::Refused(refusal)) => Some(self.refuse(refusal, now)),
            Err(Halt::Unproven(_)) => None,
            // Health needs no memory, and must be answered even if this path fails.
            Ok(request) if matches!(request.route, Route::Health) => None,
            Ok(request) => self.answer_warm(request, memory, now),
        };
        self.request = request;
        match step {
            Some(Step::Reply(reply)) => Some(reply),
            _ => None,
        }
    }

    fn answer_warm(&mut self, request: &Request, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        let snapshot = self.snapshot(request, memory)?;
        if memory.is_stale(now)
            || self.wants_overlay(request, memory, now).is_some()
            || pulse_of(request).is_some_and(|number| memory.find_pulse(number).is_none())
        {
            return None;
        }
        let shard_id = shard_of(request, &snapshot);
        let shard = match shard_id {
            None => None,
            Some(id) => Some(memory.taste_shard(id)?),
        };
        Some(self.answer(request, &snapshot, shard.as_deref(), shard_id.is_some(), memory, now))
    }

    /// The next step at `now`.
    pub fn next(&mut self, memory: &mut Memory, now: UnixMillis) -> Step {
        let request = match &self.request {
            Ok(request) => request.clone(),
            Err(Halt::Refused(refusal)) => return self.refuse(&refusal.clone(), now),
            Err(Halt::Unproven(unproven)) => return Step::Verify(Rc::clone(unproven)),
        };
        if matches!(request.route, Route::Health) {
            return Step::Reply(crate::reply::health(&request, &self.raw, self.config));
        }
        if self.live.is_none()
            && let Some(wait) = self.begin_look(memory, now)
        {
            return wait;
        }
        if let Some(step) = self.read_live(request.taster(), memory, now) {
            return step;
        }
        if let Some(step) = self.read_overlay(&request, memory, now) {
            return step;
        }
        if memory.current().is_none() && std::mem::take(&mut self.wants_bundle) {
            return Step::Bundle;
        }
        self.end_look(memory, now);
        let Some(snapshot) = self.snapshot(&request, memory) else {
            return self.without_snapshot(&request, memory, now);
        };
        let shard_id = shard_of(&request, &snapshot);
        if let Some(id) = shard_id {
            if self.taste.id != Some(id) {
                self.taste = TasteRead::begin(id);
            }
            if let Some(step) = self.read_shard(memory, now) {
                return step;
            }
        }
        if let Some(step) = self.read_pulse(&request, memory, now) {
            return step;
        }
        let shard = self.taste.shard.clone().filter(|shard| Some(shard.0) == shard_id);
        self.answer(&request, &snapshot, shard.as_deref(), shard_id.is_some(), memory, now)
    }

    /// Takes the results of reads, at `now`.
    pub fn absorb(&mut self, fetched: Vec<Fetched>, memory: &mut Memory, now: UnixMillis) {
        for fetched in fetched {
            self.reads = self.reads.saturating_add(u32::from(fetched.is_second));
            self.log.extend(fetched.note_second(memory));
            let Fetched { place, key, value, .. } = fetched;
            report(place, value.is_ok(), memory, now);
            let load =
                [&mut self.live, &mut self.kept].into_iter().flatten().find(|load| load.wants() == Some((place, key)));
            if key == Key::Overlay {
                self.log.extend(absorb_overlay(place, value, memory, &mut self.keeps, now));
                continue;
            }
            let value = match value {
                Ok(value) => value,
                Err(failure) => {
                    self.log.push(format!("reading {key} from {place:?}: {failure:?}"));
                    match (load, key) {
                        (_, Key::PulseOf(_)) => self.pulse = PulseRead::Lost,
                        (Some(load), _) => load.fall(memory),
                        (None, _) => self.taste.fall(),
                    }
                    if let (Place::Store, Key::Pack(Kind::Tastes, id)) = (place, key) {
                        match failure {
                            ReadFailure::Failed => memory.end_shard_lease(id),
                            ReadFailure::TimedOut => memory.lose_shard(id, now),
                        }
                    }
                    continue;
                }
            };
            if value.is_some() && self.lowest != Some(Place::Cache) {
                self.lowest = Some(place);
            }
            let outcome = match (load, key) {
                (_, Key::PulseOf(number)) => self.absorb_pulse(number, value, memory),
                (Some(load), _) => {
                    let outcome = load.absorb(value, memory, now);
                    self.keeps.append(&mut load.take_keeps());
                    outcome
                }
                (None, Key::Pack(Kind::Tastes, id)) if self.taste.wants() == Some((place, id)) => {
                    let outcome = self.taste.absorb(id, value, memory);
                    if place == Place::Store {
                        self.keeps.extend(self.taste.shard.clone().map(Keep::Shard));
                        if self.taste.shard.is_none() {
                            memory.lose_shard(id, now);
                        }
                    }
                    outcome
                }
                _ => Ok(()),
            };
            if let Err(damage) = outcome {
                self.log.push(format!("{key} from {place:?}: {damage}"));
            }
        }
    }

    /// Takes the bytes bundled with the Worker, at `now`.
    pub fn absorb_bundle(&mut self, bytes: Option<&[u8]>, memory: &mut Memory, now: UnixMillis) {
        match bytes.filter(|bytes| !bytes.is_empty()).map(bundle::parse).transpose() {
            Ok(Some((manifest, board))) if memory.current().is_none() => {
                memory.adopt(Snapshot { manifest: Rc::new(manifest), board: Rc::new(board) }, Origin::Bundle, now);
            }
            Ok(_) => {}
            Err(damage) => self.log.push(format!("the bundled snapshot: {damage}")),
        }
    }

    /// Takes the intact values that the store gave, for the data centre's cache.
    pub fn take_keeps(&mut self) -> Vec<Keep> {
        std::mem::take(&mut self.keeps)
    }

    /// Decides whether this request looks for the live snapshot. In a cold isolate one request
    /// looks, and the others wait for it.
    fn begin_look(&mut self, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        let is_cold = memory.current().is_none();
        // While the store is down, requests with a snapshot leave probing to the background.
        let is_due = is_cold || (memory.is_stale(now) && !memory.store.is_open());
        if is_due && memory.take_look(now) {
            self.holds_look = true;
        } else if is_cold {
            if self.time_left_ms(Place::Store, now).is_some()
                && let Some(wait) = self.wait()
            {
                return Some(wait);
            }
            // The request that looks is slow or lost.
        } else {
            self.live = Some(Load::spent());
            return None;
        }
        self.has_looked = true;
        self.live = Some(Load::live());
        None
    }

    fn end_look(&mut self, memory: &mut Memory, now: UnixMillis) {
        if std::mem::take(&mut self.holds_look) && memory.is_stale(now) {
            memory.look_failed(now);
        }
    }

    /// The next reads of the live snapshot, together with the viewer's taste shard once the
    /// manifest names it.
    fn read_live(&mut self, viewer: Option<UserKey>, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        let read = self.next_read(|serve| &mut serve.live, memory, now)?;
        let manifest = self.live.as_ref().and_then(Load::manifest);
        let shard = viewer.zip(manifest).and_then(|(key, manifest)| manifest.shard_of(key.0));
        let mut reads = vec![read];
        if read == (Read { place: Place::Store, key: Key::Live, ..read })
            && memory.overlays.must_look(now)
            && memory.overlays.take_look(now) == OverlayTurn::Mine
        {
            self.overlay = Some(Place::Cache);
            reads.push(Read { key: Key::Overlay, ..read });
        }
        if let Some(id) = shard.filter(|_| read.place == Place::Store) {
            self.taste = TasteRead::begin(id);
            self.taste.recall(memory);
            let until = now.plus(read.limit_ms.into());
            if self.taste.wants().is_some() && memory.take_shard_lease(id, now, until) == ShardTurn::Mine {
                reads.push(Read { key: Key::Pack(Kind::Tastes, id), ..read });
            }
        }
        Some(self.read(reads))
    }

    /// The next read of a load. Places that may not be read now are skipped.
    fn next_read(
        &mut self,
        load: impl Fn(&mut Self) -> &mut Option<Load>,
        memory: &mut Memory,
        now: UnixMillis,
    ) -> Option<Read> {
        loop {
            let (place, key) = load(self).as_ref().and_then(Load::wants)?;
            if let Some(limit_ms) = self.time_left_ms(place, now).filter(|_| breaker(place, memory).admit(now)) {
                return Some(Read { place, key, limit_ms });
            }
            if let Some(load) = load(self) {
                load.fall(memory);
            }
        }
    }

    /// Time limit of a read in `place` that begins at `now`. A quarter of the request's time is
    /// reserved for the cache.
    fn time_left_ms(&self, place: Place, now: UnixMillis) -> Option<u32> {
        let limit = self.config.read_limit_ms;
        let share = if place == Place::Store { limit.saturating_sub(limit / 4) } else { limit };
        let left = i64::from(share).saturating_sub(now.since(self.began_at).max(0));
        u32::try_from(left).ok().filter(|_| left >= MIN_READ_MS)
    }

    /// The next read of the viewer's taste shard. One request reads a shard, and others that want
    /// it wait.
    fn read_shard(&mut self, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        loop {
            self.taste.recall(memory);
            let (place, id) = self.taste.wants()?;
            let key = Key::Pack(Kind::Tastes, id);
            if let Some(limit_ms) = self.time_left_ms(place, now)
                && !breaker(place, memory).is_open()
            {
                let turn = match place {
                    Place::Store => memory.take_shard_lease(id, now, now.plus(limit_ms.into())),
                    Place::Cache => ShardTurn::Mine,
                };
                match turn {
                    ShardTurn::Mine if breaker(place, memory).admit_refill(now) => {
                        return Some(self.read(vec![Read { place, key, limit_ms }]));
                    }
                    ShardTurn::Mine => memory.end_shard_lease(id),
                    ShardTurn::Others => {
                        if let Some(wait) = self.wait() {
                            return Some(wait);
                        }
                    }
                    ShardTurn::Nobody => {}
                }
            }
            self.taste.fall();
        }
    }

    /// The real time when the clock says `now`: pulses, like tokens, carry times of real clocks.
    fn real(&self, now: UnixMillis) -> UnixMillis {
        now.plus(self.config.clock_offset_ms.saturating_neg())
    }

    fn wait(&mut self) -> Option<Step> {
        (self.waits < self.config.read_limit_ms / WAIT_MS).then(|| {
            self.waits = self.waits.saturating_add(1);
            Step::Wait(WAIT_MS)
        })
    }

    fn read(&mut self, reads: Vec<Read>) -> Step {
        self.reads = self.reads.saturating_add(u32::try_from(reads.len()).unwrap_or(u32::MAX));
        Step::Read(reads)
    }

    /// The snapshot to answer from, if it is remembered: the chosen one (a cursor's or a
    /// preview's), or the one that the viewer gets.
    fn snapshot(&self, request: &Request, memory: &Memory) -> Option<Snapshot> {
        memory.current()?;
        match request.snapshot() {
            Some(chosen) => memory.find(chosen),
            None if request.route.is_of_viewer() => memory.drawn(|| self.drawn_as(request)),
            None => memory.current(),
        }
        .cloned()
    }

    /// The key by which experiments and trials draw this request's viewer: the user's, or that of
    /// the device without a token.
    fn drawn_as(&self, request: &Request) -> Option<UserKey> {
        let device = || self.config.devices.as_ref().zip(DeviceId::parse(self.raw.device?)?.id());
        request.viewer.key().or_else(|| device().map(|(devices, id)| devices.device(id)))
    }

    /// Begins to load an older snapshot for a continued list. One request loads it, and others that
    /// want it wait; a snapshot that was unavailable a moment ago isn't tried.
    fn begin_kept(&mut self, request: &Request, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        if self.kept.is_some() {
            return None;
        }
        let wanted = request.snapshot()?;
        let manifest = memory.current()?.manifest.beside().find(|beside| beside.snapshot == wanted)?.manifest;
        self.kept = match memory.take_kept_lease(manifest, now, now.plus(self.config.read_limit_ms.into())) {
            ShardTurn::Mine => {
                self.kept_lease = Some(manifest);
                Some(Load::kept(manifest))
            }
            ShardTurn::Others => match self.wait() {
                Some(wait) => return Some(wait),
                None => Some(Load::spent()),
            },
            ShardTurn::Nobody => Some(Load::spent()),
        };
        None
    }

    /// The next step if the snapshot to answer from isn't remembered: there is none at all, or the
    /// chosen one is missing.
    fn without_snapshot(&mut self, request: &Request, memory: &mut Memory, now: UnixMillis) -> Step {
        if let Some(wait) = self.begin_kept(request, memory, now) {
            return wait;
        }
        if let Some(read) = self.next_read(|serve| &mut serve.kept, memory, now) {
            return self.read(vec![read]);
        }
        if let Some(manifest) = self.kept_lease.take() {
            memory.lose_shard(manifest, now);
        }
        let Some(current) = memory.current().cloned() else {
            if !matches!(request.route, Route::Status) {
                return self.refuse(&Refusal::NoData, now);
            }
            let timing = self.timing(now);
            let times = (now, self.real(now));
            let mut reply = crate::reply::status_without_data(request, &self.raw, self.config, memory, timing, times);
            reply.log = std::mem::take(&mut self.log);
            return Step::Reply(reply);
        };
        // Another isolate may have met a newer manifest: one look decides, unless the last look was
        // just now.
        if self.kept.is_none()
            && !self.has_looked
            && memory.seen_before(now.plus(-SECOND_MS))
            && memory.take_list_look(now)
        {
            self.has_looked = true;
            self.live = Some(Load::live());
            return self.next(memory, now);
        }
        let is_list = request.route.cursor().is_some();
        // Decides between gone for good, as the store says, and only out of reach.
        if self.kept.is_none() && self.has_looked && !memory.seen_before(self.began_at) {
            let refusal = if is_list { Refusal::CursorGone } else { Refusal::SnapshotGone };
            return self.refuse(&refusal, now);
        }
        // A preview's chosen snapshot is never replaced by another.
        if !is_list {
            return self.refuse(&Refusal::NoData, now);
        }
        self.reply(request, &current, &Own { is_cut: true, ..Own::default() }, memory, now)
    }

    fn timing(&self, now: UnixMillis) -> Timing {
        Timing { reads: self.reads, ms: now.since(self.began_at) }
    }

    fn refuse(&mut self, refusal: &Refusal, now: UnixMillis) -> Step {
        let mut reply = crate::reply::refuse(refusal, &self.raw, self.config, self.timing(now), now);
        reply.log = std::mem::take(&mut self.log);
        Step::Reply(reply)
    }
}
