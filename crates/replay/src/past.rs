//! The values of a store that answers were given from, each read and parsed once.

use std::collections::BTreeMap;
use std::rc::Rc;

use sinsang::memory::Snapshot;
use sinsang_core::key::{Key, PULSE_PREFIX};
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::{Damage, Kind, PackId};
use sinsang_core::time::{MINUTE_MS, UnixMillis};
use sinsang_publish::overlay::{Log, log_of};
use sinsang_publish::{Error as StoreError, Move, Store, moves, runs};

use crate::error::Error;

/// What a replay needs of a store.
pub(crate) struct Past<'s, S: Store> {
    store: &'s mut S,
    /// The overlay's log.
    pub(crate) log: Log,
    /// What went live when, the latest first.
    pub(crate) moves: Vec<Move>,
    values: BTreeMap<String, Option<Vec<u8>>>,
    manifests: BTreeMap<PackId, Rc<Manifest>>,
    boards: BTreeMap<PackId, Rc<Board>>,
    pulses: BTreeMap<u32, Rc<Pulse>>,
}

impl<'s, S: Store> Past<'s, S> {
    pub(crate) fn new(store: &'s mut S) -> Result<Self, Error<S::Error>> {
        let (log, moves) = (log_of(store)?, moves(&runs(store)?));
        let (values, manifests, boards, pulses) = Default::default();
        Ok(Self { store, log, moves, values, manifests, boards, pulses })
    }

    /// The value of `key`, if it is there.
    pub(crate) fn value(&mut self, key: Key) -> Result<Option<Vec<u8>>, Error<S::Error>> {
        let name = key.to_string();
        if let Some(value) = self.values.get(&name) {
            return Ok(value.clone());
        }
        let failed = |source| StoreError::Store { action: "reading", key: name.clone(), source };
        let value = self.store.get(&name).map_err(failed)?;
        self.values.insert(name, value.clone());
        Ok(value)
    }

    /// The value of `key`, which an answer was given from.
    pub(crate) fn needed(&mut self, key: Key) -> Result<Vec<u8>, Error<S::Error>> {
        self.value(key)?.ok_or_else(|| Error::Gone { key: key.to_string(), what: what(key) })
    }

    /// The manifest `id`.
    pub(crate) fn manifest(&mut self, id: PackId) -> Result<Rc<Manifest>, Error<S::Error>> {
        if let Some(known) = self.manifests.get(&id) {
            return Ok(Rc::clone(known));
        }
        let key = Key::Pack(Kind::Manifest, id);
        let manifest = Manifest::parse(self.needed(key)?).map_err(|damage| damaged(key, damage))?;
        let manifest = Rc::new(manifest);
        self.manifests.insert(id, Rc::clone(&manifest));
        Ok(manifest)
    }

    /// The snapshot of `manifest`.
    pub(crate) fn snapshot(&mut self, manifest: &Rc<Manifest>) -> Result<Snapshot, Error<S::Error>> {
        let (id, manifest) = (manifest.board(), Rc::clone(manifest));
        if let Some(board) = self.boards.get(&id) {
            return Ok(Snapshot { manifest, board: Rc::clone(board) });
        }
        let key = Key::Pack(Kind::Board, id);
        let board = Rc::new(Board::parse(self.needed(key)?, id).map_err(|damage| damaged(key, damage))?);
        self.boards.insert(id, Rc::clone(&board));
        Ok(Snapshot { manifest, board })
    }

    /// The pulse of that number.
    pub(crate) fn pulse(&mut self, number: u32) -> Result<Rc<Pulse>, Error<S::Error>> {
        if let Some(known) = self.pulses.get(&number) {
            return Ok(Rc::clone(known));
        }
        let key = Key::PulseOf(number);
        let pulse = Rc::new(Pulse::parse(self.needed(key)?).map_err(|damage| damaged(key, damage))?);
        self.pulses.insert(number, Rc::clone(&pulse));
        Ok(pulse)
    }

    /// The overlay of that revision; `None` for revision 0.
    pub(crate) fn overlay(&self, revision: u32) -> Result<Option<Overlay>, Error<S::Error>> {
        if revision == 0 {
            return Ok(None);
        }
        let pack = self.log.pack_of(revision).map_err(StoreError::TooLarge)?;
        let pack = pack.ok_or(Error::UnknownRevision { revision })?;
        Overlay::parse(pack).map(Some).map_err(|damage| damaged(Key::Overlay, damage))
    }

    /// The numbers of the pulses that were made from `back_ms` before `at` to a minute after it.
    /// Keys are listed by their first seven digits, which a quarter of an hour shares.
    pub(crate) fn pulse_numbers(&mut self, at: UnixMillis, back_ms: i64) -> Result<Vec<u32>, Error<S::Error>> {
        const SHARED: u32 = 1_000;
        let (first, last) = (at.plus(-back_ms).to_seconds(), at.plus(MINUTE_MS).to_seconds());
        let mut numbers = Vec::new();
        for head in first / SHARED..=last / SHARED {
            let prefix = format!("{PULSE_PREFIX}{head}");
            let failed = |source| StoreError::Store { action: "listing", key: prefix.clone(), source };
            let keys = self.store.keys(&prefix).map_err(failed)?;
            numbers.extend(keys.iter().filter_map(|key| key.strip_prefix(PULSE_PREFIX)?.parse::<u32>().ok()));
        }
        numbers.retain(|number| (first..=last).contains(number));
        Ok(numbers)
    }
}

/// What is under a key, for people.
fn what(key: Key) -> &'static str {
    match key.kind() {
        Kind::Manifest => "a snapshot's manifest",
        Kind::Board => "a snapshot's board",
        Kind::Tastes => "a shard of users' tastes",
        Kind::Pulse => "the pulse that the list is ordered by",
        Kind::Overlay => "the overlay",
    }
}

fn damaged<E: std::error::Error + Send + Sync + 'static>(key: Key, damage: Damage) -> Error<E> {
    Error::Damaged { key: key.to_string(), what: what(key), damage: damage.to_string() }
}
