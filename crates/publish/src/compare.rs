//! Compares two snapshots, each in a folder or in a store, and says whether the gate of `publish`
//! would let the first replace the second.

mod page;
mod text;
mod word;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::{Manifest, SnapshotId};
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, Kind, PackId};
use sinsang_core::time::UnixMillis;

use crate::comparison::{Comparison, Draw, Side};
use crate::forgotten::{self, refuse_forgotten};
use crate::gate::{Limits, Refusal};
use crate::hindsight::Hindsight;
use crate::snapshot::{self, Snapshot};
use crate::store::{self, Store, kept, read};

/// Where a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// The store's live snapshot.
    Live,
    /// The live snapshot or a kept one, by its id.
    Kept(SnapshotId),
}

/// Why two snapshots can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError<E: std::error::Error + Send + Sync + 'static> {
    /// The store or a folder can't be read.
    #[error(transparent)]
    Store(#[from] store::Error<E>),
    /// A folder can't be read.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// A name is neither a snapshot's folder nor an id.
    #[error(
        "{} is neither a snapshot's folder nor the 16 hex digits, in lower case, of a snapshot in the store",
        path.display()
    )]
    NoSnapshot {
        /// The name.
        path: PathBuf,
    },
    /// There is nothing to compare with.
    #[error(
        "nothing to compare with: name a second snapshot, or the store whose live snapshot is meant, \
         with --local FOLDER or --remote"
    )]
    NothingBefore,
    /// A snapshot is named by its id, without a store.
    #[error("{snapshot} is a snapshot's id, and no store is named: add --local FOLDER or --remote, or give a folder")]
    NoStore {
        /// The id.
        snapshot: SnapshotId,
    },
    /// No snapshot is live.
    #[error("this store has no live snapshot to compare with: name a second snapshot")]
    NothingLive,
    /// The store does not keep the snapshot.
    #[error("this store has no snapshot {snapshot}, only {kept}: name one of them, or a folder")]
    NotKept {
        /// The id.
        snapshot: SnapshotId,
        /// The ids of the live snapshot and the kept ones.
        kept: String,
    },
    /// A part of a snapshot in the store can't be read.
    #[error("{what}; look with `sinsang status`, or compare with another snapshot")]
    Unread {
        /// The part, and the damage.
        what: String,
    },
}

/// A snapshot that was found: its manifest, and the folder of its packs unless they are in the
/// store.
#[derive(Debug)]
pub struct Located {
    /// Its manifest.
    pub manifest: Manifest,
    folder: Option<Snapshot>,
}

impl Located {
    /// Finds the snapshot at `place`.
    ///
    /// # Errors
    /// A [`CompareError`] if it is not there or its manifest can't be read.
    pub fn find<S: Store>(place: &Place, store: Option<&mut S>) -> Result<Self, CompareError<S::Error>> {
        let manifest = match (place, store) {
            (Place::Folder(path), _) => {
                let folder = Snapshot::at(path);
                if !folder.file(Key::Live).exists() {
                    return Err(CompareError::NoSnapshot { path: path.clone() });
                }
                return Ok(Self { manifest: folder.manifest()?, folder: Some(folder) });
            }
            (Place::Live, None) => return Err(CompareError::NothingBefore),
            (Place::Kept(snapshot), None) => return Err(CompareError::NoStore { snapshot: *snapshot }),
            (Place::Live, Some(store)) => live(store)?,
            (Place::Kept(snapshot), Some(store)) => of_store(store, *snapshot)?,
        };
        Ok(Self { manifest, folder: None })
    }

    fn packs(&self) -> Packs<'_> {
        Packs { manifest: &self.manifest, folder: self.folder.as_ref() }
    }

    /// Reads its board.
    ///
    /// # Errors
    /// A [`CompareError`] if the board can't be read.
    pub fn board<S: Store>(&self, store: Option<&mut S>) -> Result<Board, CompareError<S::Error>> {
        self.packs().board(store)?.map_err(|what| CompareError::Unread { what })
    }

    /// Reads one of its taste shards; `None` if it can't be read.
    pub fn shard<S: Store>(&self, id: PackId, store: Option<&mut S>) -> Option<TasteShard> {
        self.packs().shard(id, store).ok()?.ok()
    }
}

fn live<S: Store>(store: &mut S) -> Result<Manifest, CompareError<S::Error>> {
    let bytes = read(store, &Key::Live.to_string())?.ok_or(CompareError::NothingLive)?;
    let unread = |damage: Damage| CompareError::Unread { what: format!("the live manifest can't be read ({damage})") };
    Manifest::parse(bytes).map_err(unread)
}

fn of_store<S: Store>(store: &mut S, snapshot: SnapshotId) -> Result<Manifest, CompareError<S::Error>> {
    let live = live(store)?;
    if live.snapshot() == snapshot {
        return Ok(live);
    }
    if let Some(previous) = live.beside().find(|beside| beside.snapshot == snapshot) {
        let what = || format!("the manifest of snapshot {snapshot} can't be read");
        return kept(store, previous.manifest)?.ok_or_else(|| CompareError::Unread { what: what() });
    }
    let known = std::iter::once(live.snapshot()).chain(live.beside().map(|beside| beside.snapshot));
    let known: Vec<String> = known.map(|known| known.to_string()).collect();
    Err(CompareError::NotKept { snapshot, kept: known.join(", ") })
}

/// The packs of a snapshot in a folder or, without one, in the store.
#[derive(Clone, Copy)]
struct Packs<'a> {
    manifest: &'a Manifest,
    folder: Option<&'a Snapshot>,
}

/// A pack, or why the store's can't be read.
type Found<T> = Result<T, String>;

impl Packs<'_> {
    fn pack<T, S: Store>(
        &self,
        (what, key, id): (&str, Key, PackId),
        store: Option<&mut S>,
        parse: fn(Vec<u8>, PackId) -> Result<T, Damage>,
    ) -> Result<Found<T>, store::Error<S::Error>> {
        let snapshot = self.manifest.snapshot();
        let unread =
            |damage: &dyn std::fmt::Display| format!("the {what} {id} of snapshot {snapshot} can't be read ({damage})");
        match (self.folder, store) {
            (Some(folder), _) => Ok(Ok(folder.parse(key, |bytes| parse(bytes, id))?)),
            (None, None) => Ok(Err(unread(&"no store is named"))),
            (None, Some(store)) => Ok(match read(store, &key.to_string())? {
                None => Err(unread(&"it is missing")),
                Some(bytes) => parse(bytes, id).map_err(|damage| unread(&damage)),
            }),
        }
    }

    fn board<S: Store>(&self, store: Option<&mut S>) -> Result<Found<Board>, store::Error<S::Error>> {
        let id = self.manifest.board();
        self.pack(("board", Key::Pack(Kind::Board, id), id), store, Board::parse)
    }

    fn shard<S: Store>(&self, id: PackId, store: Option<&mut S>) -> Result<Found<TasteShard>, store::Error<S::Error>> {
        self.pack(("taste shard", Key::Pack(Kind::Tastes, id), id), store, TasteShard::parse)
    }
}

/// Two snapshots compared, and what the gate says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareReport {
    /// The gate's reasons against the next snapshot; empty if it may go live.
    pub refusal: Refusal,
    /// What differs.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// How well each would have ranked users' latest actions, if tables were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hindsight: Option<Hindsight>,
}

/// Compares `next` with `before`, both ranked at `at`, under the operators' `limits`.
///
/// # Errors
/// A [`CompareError`] if a board or a folder can't be read, or the store does not answer. What
/// can't be read of the store's tastes is among the gate's reasons.
pub fn compare<S: Store>(
    [next, before]: [&Located; 2],
    mut store: Option<&mut S>,
    limits: &Limits,
    at: UnixMillis,
) -> Result<CompareReport, CompareError<S::Error>> {
    let next_board = next.board(store.as_deref_mut())?;
    let before_board = before.board(store.as_deref_mut())?;
    let boards = [&next_board, &before_board];
    let (comparison, mut refusal) = judged([next.packs(), before.packs()], boards, store.as_deref_mut(), (limits, at))?;
    if let Some(store) = store {
        let checked = match &next.folder {
            Some(folder) => refuse_forgotten(folder, store),
            None => forgotten::refuse(store, &next.manifest),
        };
        match checked {
            Err(store::Error::Forgotten { users, .. }) => refusal.forgotten(users),
            outcome => outcome?,
        }
    }
    Ok(CompareReport { refusal, comparison, hindsight: None })
}

/// The gate's reasons against the snapshot of `next`, in the folder `snapshot` or else in the
/// store, in place of the store's `live`.
///
/// # Errors
/// If the snapshot's folder can't be read, or the store does not answer. What can't be read of the
/// live snapshot is among the reasons.
pub(crate) fn refusal<S: Store>(
    (snapshot, next): (Option<&Snapshot>, &Manifest),
    live: Option<&Manifest>,
    store: &mut S,
    (limits, at): (&Limits, UnixMillis),
) -> Result<Refusal, store::Error<S::Error>> {
    let folder = Packs { manifest: next, folder: snapshot };
    let board = match folder.board(Some(store))? {
        Ok(board) => board,
        Err(what) => {
            let mut refusal = Refusal::default();
            refusal.unread(&what);
            return Ok(refusal);
        }
    };
    let alone = || Refusal::alone(&crate::summary::Summary::of(next, &board), limits, at);
    let Some(live) = live else { return Ok(alone()) };
    let packs = Packs { manifest: live, folder: None };
    let live_board = match packs.board(Some(store))? {
        Ok(board) => board,
        Err(what) => {
            let mut refusal = alone();
            refusal.unread(&what);
            return Ok(refusal);
        }
    };
    let (_, refusal) = judged([folder, packs], [&board, &live_board], Some(store), (limits, at))?;
    Ok(refusal)
}

/// The comparison of two snapshots with their boards, and what the gate says of it. Taste shards of
/// the store that can't be read are among its reasons.
fn judged<S: Store>(
    packs: [Packs<'_>; 2],
    [next_board, before_board]: [&Board; 2],
    mut store: Option<&mut S>,
    (limits, at): (&Limits, UnixMillis),
) -> Result<(Comparison, Refusal), store::Error<S::Error>> {
    let [next, before] = packs;
    let draw = Draw::of(next.manifest, before.manifest);
    let [of_next, of_before] = packs.map(|packs| draw.shards(packs.manifest));
    let (mut shards, mut unread) = (BTreeMap::new(), Vec::new());
    for id in of_next.union(&of_before) {
        // Equal names are equal bytes, so one place gives what the other can't.
        let named = [(next, of_next.contains(id)), (before, of_before.contains(id))];
        let named: Vec<Packs<'_>> = named.into_iter().filter(|(_, names)| *names).map(|(packs, _)| packs).collect();
        match first_shard(&named, *id, store.as_deref_mut())? {
            Ok(shard) => drop(shards.insert(*id, shard)),
            Err(what) => unread.push(what),
        }
    }
    let [next, before] = [(next, next_board), (before, before_board)].map(|(packs, board)| Side {
        manifest: packs.manifest,
        board,
        shards: &shards,
    });
    let comparison = Comparison::of(&next, &before, &draw, at);
    let mut refusal = Refusal::of(&comparison, limits, at);
    for what in &unread {
        refusal.unread(what);
    }
    Ok((comparison, refusal))
}

/// The shard `id` from the first of `places` that has it intact; otherwise what the last one says.
fn first_shard<S: Store>(
    places: &[Packs<'_>],
    id: PackId,
    mut store: Option<&mut S>,
) -> Result<Found<TasteShard>, store::Error<S::Error>> {
    let mut last = Ok(Err(format!("nothing names the taste shard {id}")));
    for packs in places {
        last = packs.shard(id, store.as_deref_mut());
        if matches!(last, Ok(Ok(_))) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests;
