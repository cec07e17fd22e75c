//! A request as a state machine: [`Serve::next`] says what to read or gives the reply, [`Serve::absorb`] takes in what was read.
//!
//! It is never async and never reads. A warm request reads nothing; a cold isolate's first personal answer takes two rounds: the manifest,
//! then the board and the viewer's taste shard together.

use crate::key::Key;
use crate::load::{Fetched, Load};
use crate::memory::{Memory, Snapshot};
use crate::pack::manifest::SnapshotId;
use crate::pack::taste::{Taste, TasteShard};
use crate::pack::{Kind, PackId};
use crate::reply::{Reply, Rung, Timing};
use crate::request::{Config, Raw, Refusal, Request, Route};
use crate::surface::View;
use crate::time::UnixMillis;
use crate::viewer::UserKey;

/// What the shell has to do next.
#[derive(Debug)]
pub enum Step {
    /// Read these keys, together, and give them to [`Serve::absorb`].
    Read(Vec<Key>),
    /// Answer.
    Reply(Reply),
}

/// A request on its way.
#[derive(Debug)]
pub struct Serve<'a> {
    raw: Raw<'a>,
    config: &'a Config,
    request: Result<Request, Refusal>,
    began_at: UnixMillis,
    live: Option<Load>,
    kept: Option<Load>,
    shard_tried: Option<PackId>,
    reads: u32,
    has_read: bool,
    log: Vec<String>,
}

impl<'a> Serve<'a> {
    /// Takes in a request that arrives at `now`.
    pub fn begin(raw: Raw<'a>, config: &'a Config, now: UnixMillis) -> Self {
        Self {
            raw,
            config,
            // Tokens are made by clocks that no demonstration moves.
            request: Request::parse(&raw, config, now.plus(config.clock_offset_ms.saturating_neg())),
            began_at: now,
            live: None,
            kept: None,
            shard_tried: None,
            reads: 0,
            has_read: false,
            log: Vec::new(),
        }
    }

    /// What to do at `now`.
    pub fn next(&mut self, memory: &mut Memory, now: UnixMillis) -> Step {
        let request = match &self.request {
            Ok(request) => request.clone(),
            Err(refusal) => return self.refuse(&refusal.clone(), now),
        };
        if request.route == Route::Health {
            return Step::Reply(crate::reply::health(&request, &self.raw, self.config));
        }
        if self.live.is_none() && memory.is_stale(now) {
            self.live = Some(Load::live());
        }
        if let Some(keys) = self.live_reads(request.viewer.key(), memory) {
            if memory.breaker.admit(now) {
                return self.read(keys);
            }
            self.live = Some(Load::spent());
        }
        let Some(snapshot) = self.snapshot(&request, memory) else {
            return match self.kept.as_ref().and_then(Load::wants) {
                Some(key) if memory.breaker.admit(now) => self.read(vec![key]),
                // The live manifest may have moved on in another isolate: one look decides.
                _ if self.live.is_none() && memory.breaker.admit(now) => {
                    self.live = Some(Load::live());
                    self.read(vec![Key::Live])
                }
                _ if memory.current().is_none() && request.route == Route::Status => {
                    let (raw, config, timing) = (&self.raw, self.config, self.timing(now));
                    let mut reply =
                        crate::reply::status_without_data(&request, raw, config, memory.breaker, timing, now);
                    reply.log = std::mem::take(&mut self.log);
                    Step::Reply(reply)
                }
                _ if memory.current().is_none() => self.refuse(&Refusal::NoData, now),
                _ => self.refuse(&Refusal::CursorGone, now),
            };
        };
        // A list that began in the shared order goes on in it, whatever can be read by then.
        let is_shared = request.route.cursor().is_some_and(|cursor| !cursor.is_personal);
        let key = request.viewer.key().filter(|_| !is_shared);
        let shard_id = key.and_then(|key| snapshot.manifest.shard_of(key.0));
        let shard = shard_id.and_then(|id| memory.taste_shard(id));
        if let Some(id) = shard_id
            && shard.is_none()
            && self.shard_tried != Some(id)
        {
            self.shard_tried = Some(id);
            if memory.breaker.admit(now) {
                return self.read(vec![Key::Pack(Kind::Tastes, id)]);
            }
        }
        self.answer(&request, &snapshot, shard.as_deref(), memory, now)
    }

    /// Takes in what was read, at `now`.
    pub fn absorb(&mut self, fetched: Vec<Fetched>, memory: &mut Memory, now: UnixMillis) {
        for Fetched { key, value } in fetched {
            let value = match value {
                Ok(value) => {
                    memory.breaker.succeeded();
                    self.has_read |= value.is_some();
                    value
                }
                Err(failure) => {
                    memory.breaker.failed(now);
                    self.log.push(format!("reading {key}: {failure:?}"));
                    self.give_up(key);
                    continue;
                }
            };
            let outcome =
                match [&mut self.live, &mut self.kept].into_iter().flatten().find(|load| load.wants() == Some(key)) {
                    Some(load) => load.absorb(value, memory, now),
                    None => absorb_shard(key, value, memory),
                };
            if let Err(damage) = outcome {
                self.log.push(format!("{key}: {damage}"));
            }
        }
    }

    fn give_up(&mut self, key: Key) {
        for load in [&mut self.live, &mut self.kept] {
            if load.as_ref().is_some_and(|load| load.wants() == Some(key)) {
                *load = Some(Load::spent());
            }
        }
    }

    /// What the live snapshot's load wants, with the taste shard that its manifest names for the viewer in the same round.
    fn live_reads(&mut self, viewer: Option<UserKey>, memory: &mut Memory) -> Option<Vec<Key>> {
        let load = self.live.as_ref()?;
        let mut keys = vec![load.wants()?];
        let shard = viewer.zip(load.manifest()).and_then(|(key, manifest)| manifest.shard_of(key.0));
        if let Some(id) = shard.filter(|id| memory.taste_shard(*id).is_none()) {
            self.shard_tried = Some(id);
            keys.push(Key::Pack(Kind::Tastes, id));
        }
        Some(keys)
    }

    fn read(&mut self, keys: Vec<Key>) -> Step {
        self.reads = self.reads.saturating_add(u32::try_from(keys.len()).unwrap_or(u32::MAX));
        Step::Read(keys)
    }

    /// The snapshot to answer from: a cursor's own, or the current one. Where it is one that was live before and is not remembered, its
    /// load is begun.
    fn snapshot(&mut self, request: &Request, memory: &Memory) -> Option<Snapshot> {
        let current = memory.current()?;
        let wanted: SnapshotId = request.route.snapshot().unwrap_or(current.id());
        if let Some(snapshot) = memory.find(wanted) {
            return Some(snapshot.clone());
        }
        if self.kept.is_none() {
            self.kept = current
                .manifest
                .previous()
                .find(|previous| previous.snapshot == wanted)
                .map(|previous| Load::kept(previous.manifest));
        }
        None
    }

    fn timing(&self, now: UnixMillis) -> Timing {
        Timing { reads: self.reads, ms: now.since(self.began_at) }
    }

    fn refuse(&mut self, refusal: &Refusal, now: UnixMillis) -> Step {
        let mut reply = crate::reply::refuse(refusal, &self.raw, self.config, self.timing(now));
        reply.log = std::mem::take(&mut self.log);
        Step::Reply(reply)
    }

    fn answer(
        &mut self,
        request: &Request,
        snapshot: &Snapshot,
        shard: Option<&(PackId, TasteShard)>,
        memory: &mut Memory,
        now: UnixMillis,
    ) -> Step {
        let record = request.viewer.key().zip(shard).and_then(|(key, shard)| {
            let fits = shard.1.widths().vocabulary == snapshot.board.vocabulary();
            shard.1.find(key.0).filter(|_| fits).map(|record| (record, shard.1.widths()))
        });
        if record.is_none() && request.route.cursor().is_some_and(|cursor| cursor.is_personal) {
            // Going on in another order would repeat and skip.
            return self.refuse(&Refusal::CursorGone, now);
        }
        let view = View {
            board: &snapshot.board,
            taste: record.map(|(record, widths)| Taste::cut(record, widths)),
            now: request.as_of.unwrap_or(now),
        };
        let rung = if memory.is_stale(now) {
            Rung::Stale
        } else if self.has_read {
            Rung::Kv
        } else {
            Rung::Isolate
        };
        let facts = crate::reply::Facts {
            request,
            raw: &self.raw,
            config: self.config,
            manifest: &snapshot.manifest,
            view,
            taste_record: record.map(|(record, _)| record),
            rung,
            breaker: memory.breaker,
            timing: self.timing(now),
            now,
        };
        let mut reply = crate::reply::answer(&facts);
        reply.log = std::mem::take(&mut self.log);
        reply.wants_refresh = memory.take_refresh(now);
        Step::Reply(reply)
    }
}

fn absorb_shard(key: Key, value: Option<Vec<u8>>, memory: &mut Memory) -> Result<(), crate::pack::Damage> {
    if let (Key::Pack(Kind::Tastes, id), Some(bytes)) = (key, value) {
        memory.keep_taste_shard(id, TasteShard::parse(bytes, id)?);
    }
    Ok(())
}

/// Looks the live manifest up in the background, so that no request waits for it.
#[derive(Debug)]
pub struct Refresh(Load);

impl Refresh {
    /// A refresh whose lease [`Memory::take_refresh`] gave.
    pub fn begin() -> Self {
        Self(Load::live())
    }

    /// The key to read next, or `None` when it is done.
    pub fn next(&mut self, memory: &mut Memory, now: UnixMillis) -> Option<Key> {
        self.0.wants().filter(|_| memory.breaker.admit(now))
    }

    /// Takes in what was read, and returns what is worth logging.
    pub fn absorb(&mut self, fetched: Fetched, memory: &mut Memory, now: UnixMillis) -> Option<String> {
        let Fetched { key, value } = fetched;
        match value {
            Ok(value) => {
                memory.breaker.succeeded();
                self.0.absorb(value, memory, now).err().map(|damage| format!("{key}: {damage}"))
            }
            Err(failure) => {
                memory.breaker.failed(now);
                self.0 = Load::spent();
                Some(format!("refreshing {key}: {failure:?}"))
            }
        }
    }
}
