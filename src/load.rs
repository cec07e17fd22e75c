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

/// A snapshot on its way.
#[derive(Debug)]
pub struct Load {
    source: Key,
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
        Self { source: Key::Live, stage: Stage::Manifest }
    }

    /// A snapshot that was live before, to be kept beside the current one.
    pub fn kept(manifest: PackId) -> Self {
        Self { source: Key::Pack(Kind::Manifest, manifest), stage: Stage::Manifest }
    }

    /// A load with nothing left to do.
    pub fn spent() -> Self {
        Self { source: Key::Live, stage: Stage::Done }
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
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        // No value: nothing is published, or the manifest arrived before its board, and a later look will find it.
        let Some(bytes) = value else { return Ok(()) };
        match stage {
            Stage::Manifest => {
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
                let board = Rc::new(Board::parse(bytes, manifest.board())?);
                self.finish(Snapshot { manifest, board }, memory, now);
                Ok(())
            }
            Stage::Done => Ok(()),
        }
    }

    fn take_manifest(&mut self, manifest: Rc<Manifest>, memory: &mut Memory, now: UnixMillis) {
        match memory.find_board(manifest.board()) {
            Some(board) => self.finish(Snapshot { manifest, board }, memory, now),
            None => self.stage = Stage::Board(manifest),
        }
    }

    fn finish(&self, snapshot: Snapshot, memory: &mut Memory, now: UnixMillis) {
        match self.source {
            Key::Live => memory.adopt(snapshot, now),
            Key::Pack(..) => memory.keep(snapshot),
        }
    }
}
