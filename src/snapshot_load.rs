//! Getting a snapshot whole: first its manifest, then the board that the manifest names, and only then is it used.
//!
//! A value is had from the store or, where the store has none that is whole, from the data centre's cache. Packs are named by their
//! content, so it does not matter where one came from; a manifest from the cache says that the snapshot does.

use std::rc::Rc;

use crate::memory::{Memory, NamedShard, Origin, Snapshot};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Damage, Kind, PackId};
use sinsang_core::time::{CLOCK_LEEWAY_MS, UnixMillis};

/// Why a read brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// The store answered with an error.
    Failed,
    /// The store did not answer in time.
    TimedOut,
}

/// Where a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Workers KV.
    Store,
    /// The data centre's cache, which other isolates filled.
    Cache,
}

/// A read to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Where.
    pub place: Place,
    /// What.
    pub key: Key,
    /// How long it may take, in milliseconds; it has failed after that.
    pub limit_ms: u32,
}

/// What came of a read. A key without a value is an answer, not a failure.
#[derive(Debug)]
pub struct Fetched {
    /// Where.
    pub place: Place,
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: Result<Option<Vec<u8>>, ReadFailure>,
    /// Whether the store had no such pack at first, and was asked once more past what its data centre remembers of that.
    pub is_second: bool,
}

impl Fetched {
    /// Counts it where it was read twice, and returns what is worth logging of that.
    pub fn note_second(&self, memory: &mut Memory) -> Option<String> {
        if !self.is_second {
            return None;
        }
        let is_found = matches!(self.value, Ok(Some(_)));
        memory.second_reads.note(is_found);
        is_found.then(|| format!("{} was there only when it was asked for again", self.key))
    }
}

/// A value that the store gave, for the data centre's cache.
#[derive(Clone, Debug)]
pub enum Keep {
    /// The manifest of the live snapshot.
    Live(Rc<Manifest>),
    /// A board.
    Board(Rc<Board>),
    /// A taste shard.
    Shard(Rc<NamedShard>),
}

impl Keep {
    /// The key to keep it under.
    pub fn key(&self) -> Key {
        match self {
            Self::Live(_) => Key::Live,
            Self::Board(board) => Key::Pack(Kind::Board, board.id()),
            Self::Shard(shard) => Key::Pack(Kind::Tastes, shard.0),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Live(manifest) => manifest.bytes(),
            Self::Board(board) => board.pack().bytes(),
            Self::Shard(shard) => shard.1.pack().bytes(),
        }
    }
}

/// How many snapshots back a cold isolate looks for one whose board is there.
const MAX_STEPS_BACK: u8 = 4;

/// A snapshot on its way.
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
    /// The snapshot before one that is not believed, for where nothing else is to be had.
    before: Option<PackId>,
}

#[derive(Debug)]
enum Stage {
    Manifest,
    Board(Rc<Manifest>),
    Done,
}

impl Load {
    /// The snapshot that is live, to become the current one.
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

    /// A snapshot that was live before, to be kept beside the current one.
    pub fn kept(manifest: PackId) -> Self {
        Self { source: Key::Pack(Kind::Manifest, manifest), becomes_current: false, ..Self::live() }
    }

    /// A load with nothing left to do.
    pub fn spent() -> Self {
        Self { stage: Stage::Done, ..Self::live() }
    }

    /// What to read next, and where; `None` when there is nothing more to do, whether it worked or not.
    pub fn wants(&self) -> Option<(Place, Key)> {
        let key = match &self.stage {
            Stage::Manifest => self.source,
            Stage::Board(manifest) => Key::Pack(Kind::Board, manifest.board()),
            Stage::Done => return None,
        };
        Some((self.place, key))
    }

    /// The manifest whose board is on its way.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.stage {
            Stage::Board(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Whether the snapshot that was looked for is there now.
    pub fn is_found(&self) -> bool {
        self.is_found
    }

    /// What the store gave for this load, whole, once.
    pub fn take_keeps(&mut self) -> Vec<Keep> {
        std::mem::take(&mut self.keeps)
    }

    /// What [`Self::wants`] named can't be had there: goes on with the next place that may have it.
    pub fn fall(&mut self, memory: &Memory) {
        // An isolate that has a snapshot stands on it, which is no older than what others have left in the cache.
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

    /// Takes in the value of the key that [`Self::wants`] named.
    ///
    /// # Errors
    /// A [`Damage`] where the value is no whole pack of its kind; the load then goes on elsewhere, or ends.
    pub fn absorb(&mut self, value: Option<Vec<u8>>, memory: &mut Memory, now: UnixMillis) -> Result<(), Damage> {
        let Some((_, key)) = self.wants() else { return Ok(()) };
        // Without a value, nothing is published, or KV, which keeps no order over keys, has the manifest before its board.
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
            // What a list that goes on needs is no news about the live snapshot.
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
        // By its date it would be fresh for as long as it is ahead, whatever becomes of the schedule.
        if self.becomes_current && manifest.built_at().since(now) > CLOCK_LEEWAY_MS {
            self.before = manifest.previous().next().map(|previous| previous.manifest);
            return Err(Damage::Ahead);
        }
        if self.place == Place::Cache && self.source == Key::Live {
            self.origin = Origin::Cache;
        }
        let manifest = Rc::new(manifest);
        // The store may have the board though it had no manifest.
        self.place = Place::Store;
        match memory.find_board(manifest.board()) {
            Some(board) => self.finish(Snapshot { manifest, board }, memory, now),
            None => self.stage = Stage::Board(manifest),
        }
        Ok(())
    }

    /// With nothing else to stand on, goes on with the snapshot whose manifest is kept as `before`.
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
