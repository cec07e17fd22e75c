//! Loads a complete snapshot: first its manifest, then the board that the manifest names; it is
//! used only once both are there.
//!
//! Values come from the store or, if the store has no intact one, from the data centre's cache.
//! Packs are named by their content, so their source doesn't matter; a snapshot whose manifest came
//! from the cache is marked as such.

use std::rc::Rc;

use crate::memory::{Memory, NamedShard, Origin, Snapshot};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::{Damage, Kind, PackId};
use sinsang_core::time::{CLOCK_LEEWAY_MS, UnixMillis};

/// Why a read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// The store answered with an error.
    Failed,
    /// The store did not answer in time.
    TimedOut,
}

/// A place to read values from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Workers KV.
    Store,
    /// The data centre's cache, filled by other isolates.
    Cache,
}

/// A read to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The place to read from.
    pub place: Place,
    /// The key to read.
    pub key: Key,
    /// Timeout in milliseconds.
    pub limit_ms: u32,
}

/// The result of a read. A key without a value is a result, not a failure.
#[derive(Debug)]
pub struct Fetched {
    /// The place that was read.
    pub place: Place,
    /// The key.
    pub key: Key,
    /// Its value, or `None` if it has none.
    pub value: Result<Option<Vec<u8>>, ReadFailure>,
    /// Whether the store had no such pack at first and was asked again, past its data centre's
    /// cached absence.
    pub is_second: bool,
}

impl Fetched {
    /// Counts a repeated read; returns a line worth logging.
    pub fn note_second(&self, memory: &mut Memory) -> Option<String> {
        if !self.is_second {
            return None;
        }
        let is_found = matches!(self.value, Ok(Some(_)));
        memory.second_reads.note(is_found);
        is_found.then(|| format!("{} was there only when it was asked for again", self.key))
    }
}

/// A value from the store, to be left in the data centre's cache.
#[derive(Clone, Debug)]
pub enum Keep {
    /// The manifest of the live snapshot.
    Live(Rc<Manifest>),
    /// A board.
    Board(Rc<Board>),
    /// A taste shard.
    Shard(Rc<NamedShard>),
    /// The overlay.
    Overlay(Rc<Overlay>),
}

impl Keep {
    /// The value's key.
    pub fn key(&self) -> Key {
        match self {
            Self::Live(_) => Key::Live,
            Self::Board(board) => Key::Pack(Kind::Board, board.id()),
            Self::Shard(shard) => Key::Pack(Kind::Tastes, shard.0),
            Self::Overlay(_) => Key::Overlay,
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Live(manifest) => manifest.bytes(),
            Self::Board(board) => board.pack().bytes(),
            Self::Shard(shard) => shard.1.pack().bytes(),
            Self::Overlay(overlay) => overlay.bytes(),
        }
    }
}

/// How many older snapshots a cold isolate tries to find one whose board is available.
const MAX_STEPS_BACK: u8 = 4;

/// The state of loading one snapshot.
#[derive(Debug)]
pub struct Load {
    source: Key,
    becomes_current: bool,
    steps_back: u8,
    place: Place,
    origin: Origin,
    stage: Stage,
    is_found: bool,
    keeps: Vec<Keep>,
    /// The predecessor of a snapshot that was rejected, as a last resort.
    before: Option<PackId>,
}

#[derive(Debug)]
enum Stage {
    Manifest,
    Board(Rc<Manifest>),
    Done,
}

impl Load {
    /// Loads the live snapshot, to become the current one.
    pub fn live() -> Self {
        Self {
            source: Key::Live,
            becomes_current: true,
            steps_back: 0,
            place: Place::Store,
            origin: Origin::Live,
            stage: Stage::Manifest,
            is_found: false,
            keeps: Vec::new(),
            before: None,
        }
    }

    /// Loads an older snapshot, to be kept beside the current one.
    pub fn kept(manifest: PackId) -> Self {
        Self { source: Key::Pack(Kind::Manifest, manifest), becomes_current: false, ..Self::live() }
    }

    /// A finished load.
    pub fn spent() -> Self {
        Self { stage: Stage::Done, ..Self::live() }
    }

    /// The next read's place and key; `None` at the end, successful or not.
    pub fn wants(&self) -> Option<(Place, Key)> {
        let key = match &self.stage {
            Stage::Manifest => self.source,
            Stage::Board(manifest) => Key::Pack(Kind::Board, manifest.board()),
            Stage::Done => return None,
        };
        Some((self.place, key))
    }

    /// The manifest whose board is being loaded.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.stage {
            Stage::Board(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Whether the load succeeded.
    pub fn is_found(&self) -> bool {
        self.is_found
    }

    /// Takes the intact values that the store gave for this load.
    pub fn take_keeps(&mut self) -> Vec<Keep> {
        std::mem::take(&mut self.keeps)
    }

    /// The place that [`Self::wants`] named can't give the value: moves to the next one that may.
    pub fn fall(&mut self, memory: &Memory) {
        // An isolate with a snapshot keeps it: it is no older than what other isolates have left in
        // the cache.
        let is_enough = self.source == Key::Live && memory.current().is_some() && matches!(self.stage, Stage::Manifest);
        if self.place == Place::Store && !is_enough {
            self.place = Place::Cache;
            return;
        }
        self.place = Place::Store;
        let before = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Board(manifest) => manifest.previous().next().map(|previous| previous.manifest),
            Stage::Manifest | Stage::Done => self.before.take(),
        };
        self.step_back(before, memory);
    }

    /// Takes the value of the key that [`Self::wants`] named.
    ///
    /// # Errors
    /// [`Damage`] if the value is not an intact pack of its kind; the load then continues elsewhere
    /// or ends.
    pub fn absorb(&mut self, value: Option<Vec<u8>>, memory: &mut Memory, now: UnixMillis) -> Result<(), Damage> {
        let Some((_, key)) = self.wants() else { return Ok(()) };
        // No value: either nothing is published, or KV, which keeps no order over keys, shows a
        // manifest before its board.
        let Some(bytes) = value else {
            self.fall(memory);
            return Ok(());
        };
        let outcome = match &self.stage {
            Stage::Manifest => self.absorb_manifest(bytes, memory, now),
            Stage::Board(manifest) => {
                let manifest = Rc::clone(manifest);
                Board::parse(bytes, manifest.board()).map(|board| {
                    let board = Rc::new(board);
                    if self.place == Place::Store {
                        self.keeps.push(Keep::Board(Rc::clone(&board)));
                    }
                    self.finish(Snapshot { manifest, board }, memory, now);
                })
            }
            Stage::Done => Ok(()),
        };
        if let Err(damage) = outcome {
            // A continued list's old snapshot says nothing about the live one.
            if self.becomes_current {
                memory.refuse(key, damage);
            }
            self.fall(memory);
        }
        outcome
    }

    fn absorb_manifest(&mut self, bytes: Vec<u8>, memory: &mut Memory, now: UnixMillis) -> Result<(), Damage> {
        let manifest = Manifest::parse(bytes)?;
        if let Key::Pack(_, id) = self.source
            && manifest.id() != id
        {
            return Err(Damage::WrongId);
        }
        // A manifest dated ahead would count as fresh for that much longer, whatever happens to the
        // schedule.
        if self.becomes_current && manifest.built_at().since(now) > CLOCK_LEEWAY_MS {
            self.before = manifest.previous().next().map(|previous| previous.manifest);
            return Err(Damage::Ahead);
        }
        if self.place == Place::Cache && self.source == Key::Live {
            self.origin = Origin::Cache;
        }
        let manifest = Rc::new(manifest);
        // The store may have the board even if it had no manifest.
        self.place = Place::Store;
        match memory.find_board(manifest.board()) {
            Some(board) => self.finish(Snapshot { manifest, board }, memory, now),
            None => self.stage = Stage::Board(manifest),
        }
        Ok(())
    }

    /// If the isolate has no snapshot, tries the one whose manifest is `before`.
    fn step_back(&mut self, before: Option<PackId>, memory: &Memory) {
        if let Some(before) = before
            && memory.current().is_none()
            && self.becomes_current
            && self.steps_back < MAX_STEPS_BACK
        {
            self.source = Key::Pack(Kind::Manifest, before);
            self.stage = Stage::Manifest;
            self.steps_back = self.steps_back.saturating_add(1);
        }
    }

    fn finish(&mut self, snapshot: Snapshot, memory: &mut Memory, now: UnixMillis) {
        self.stage = Stage::Done;
        self.is_found = true;
        if !self.becomes_current {
            memory.keep(snapshot);
            return;
        }
        let is_new = memory.current().is_none_or(|current| current.manifest.id() != snapshot.manifest.id());
        if self.origin == Origin::Live && is_new {
            self.keeps.push(Keep::Live(Rc::clone(&snapshot.manifest)));
        }
        memory.adopt(snapshot, self.origin, now);
    }
}
