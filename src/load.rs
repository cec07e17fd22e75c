//! Getting a snapshot whole: first its manifest, then the board that the manifest names, and only then is it used.

use std::rc::Rc;

use crate::key::Key;
use crate::memory::{Memory, Snapshot};
use crate::pack::board::Board;
use crate::pack::manifest::Manifest;
use crate::pack::{Damage, Kind, PackId};
use crate::time::UnixMillis;

/// Why a read brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// The store answered with an error.
    Failed,
    /// The store did not answer in time.
    TimedOut,
}

/// What came of reading a key. A key without a value is an answer, not a failure.
#[derive(Debug)]
pub struct Fetched {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: Result<Option<Vec<u8>>, ReadFailure>,
}

/// How many snapshots back a cold isolate looks for one whose board is there.
const MAX_STEPS_BACK: u8 = 4;

/// A snapshot on its way.
#[derive(Debug)]
pub struct Load {
    source: Key,
    becomes_current: bool,
    steps_back: u8,
    stage: Stage,
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
        Self { source: Key::Live, becomes_current: true, steps_back: 0, stage: Stage::Manifest }
    }

    /// A snapshot that was live before, to be kept beside the current one.
    pub fn kept(manifest: PackId) -> Self {
        Self { source: Key::Pack(Kind::Manifest, manifest), becomes_current: false, ..Self::live() }
    }

    /// A load with nothing left to do.
    pub fn spent() -> Self {
        Self { stage: Stage::Done, ..Self::live() }
    }

    /// The key to read next; `None` when there is nothing more to do, whether it worked or not.
    pub fn wants(&self) -> Option<Key> {
        match &self.stage {
            Stage::Manifest => Some(self.source),
            Stage::Board(manifest) => Some(Key::Pack(Kind::Board, manifest.board())),
            Stage::Done => None,
        }
    }

    /// The manifest whose board is on its way.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.stage {
            Stage::Board(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Takes in the value of the key that [`Self::wants`] named.
    ///
    /// # Errors
    /// A [`Damage`] where the value is no whole pack of its kind; the load then ends.
    pub fn absorb(&mut self, value: Option<Vec<u8>>, memory: &mut Memory, now: UnixMillis) -> Result<(), Damage> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Manifest => {
                // No value: nothing is published.
                let Some(bytes) = value else { return Ok(()) };
                let manifest = Manifest::parse(bytes)?;
                if let Key::Pack(_, id) = self.source
                    && manifest.id() != id
                {
                    return Err(Damage::WrongId);
                }
                self.take_manifest(Rc::new(manifest), memory, now);
                Ok(())
            }
            Stage::Board(manifest) => {
                // No value: KV keeps no order over keys, so the manifest arrived before its board, and a later look will find it.
                match value.map(|bytes| Board::parse(bytes, manifest.board())).transpose() {
                    Ok(Some(board)) => self.finish(Snapshot { manifest, board: Rc::new(board) }, memory, now),
                    Ok(None) => self.step_back(&manifest, memory),
                    Err(damage) => {
                        self.step_back(&manifest, memory);
                        return Err(damage);
                    }
                }
                Ok(())
            }
            Stage::Done => Ok(()),
        }
    }

    /// With nothing else to stand on, goes on with the snapshot that was live before the one of `manifest`.
    fn step_back(&mut self, manifest: &Manifest, memory: &Memory) {
        if let Some(previous) = manifest.previous().next()
            && memory.current().is_none()
            && self.becomes_current
            && self.steps_back < MAX_STEPS_BACK
        {
            self.source = Key::Pack(Kind::Manifest, previous.manifest);
            self.stage = Stage::Manifest;
            self.steps_back += 1;
        }
    }

    fn take_manifest(&mut self, manifest: Rc<Manifest>, memory: &mut Memory, now: UnixMillis) {
        match memory.find_board(manifest.board()) {
            Some(board) => self.finish(Snapshot { manifest, board }, memory, now),
            None => self.stage = Stage::Board(manifest),
        }
    }

    fn finish(&self, snapshot: Snapshot, memory: &mut Memory, now: UnixMillis) {
        if self.becomes_current {
            memory.adopt(snapshot, now);
        } else {
            memory.keep(snapshot);
        }
    }
}
