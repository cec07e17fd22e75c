//! The store's list of users who asked to be forgotten: their keys, each with the time from which
//! snapshots are built without them. A snapshot with tastes of one of them never becomes live,
//! neither by a rollback nor by publishing an old folder again.

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::key::{FORGOTTEN, Key};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserKey;

use crate::found::Found;
use crate::lease::{FORGET, after_others};
use crate::snapshot::Snapshot;
use crate::store::{Error, Store, confirm, kept, read};
use crate::viewer_share::ViewerShare;

/// Attempts to write the list if a concurrent run overwrites it.
const ATTEMPTS: u32 = 3;

/// The list: user keys, each with the build time of the first snapshot without the user.
type List = BTreeMap<u64, UnixMillis>;

/// Which of some users a snapshot in the store contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The snapshot.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// Whether it is the live one.
    pub is_live: bool,
    /// The share of viewers who get it in place of the live one, none once it is withdrawn; `None`
    /// for the live one and for earlier ones, which are kept for rollback.
    pub share: Option<ViewerShare>,
    /// Users whose tastes it has.
    pub keys: Vec<UserKey>,
}

/// Adds `keys` to the store's list of users whom no snapshot may contain, with `since`, the time
/// from which snapshots are built without them. Returns how many were not listed yet. The list is
/// written under the store's lease, which `holder` waits for: without it, one of two concurrent
/// writes would be lost.
///
/// # Errors
/// An [`Error`] if the store does not answer, its list is damaged, or another run holds the store
/// for longer than ten minutes.
pub fn note_forgotten<S: Store>(
    store: &mut S,
    keys: impl IntoIterator<Item = UserKey>,
    since: UnixMillis,
    (at, holder): (UnixMillis, &str),
) -> Result<usize, Error<S::Error>> {
    let keys: BTreeSet<u64> = keys.into_iter().map(|key| key.0).collect();
    let is_on = |all: &List| keys.iter().all(|key| all.contains_key(key));
    if is_on(&list(store)?) {
        return Ok(0);
    }
    after_others(store, holder, FORGET, |store, held| {
        let (mut added, mut attempt) = (0, 0);
        loop {
            let mut all = list(store)?;
            let before = all.len();
            for key in &keys {
                all.entry(*key).or_insert(since);
            }
            added += all.len() - before;
            held.secure(store)?;
            let lines: Vec<String> = all.iter().map(|(key, since)| format!("{} {}", UserKey(*key), since.0)).collect();
            let text = lines.join("\n");
            let failed = |source| Error::Store { action: "writing", key: FORGOTTEN.to_owned(), source };
            store.put(FORGOTTEN, text.as_bytes(), at).map_err(failed)?;
            // Two runs that took the lease at the same moment both get here, and one of them finds
            // the other's list.
            let is_kept = confirm(store, FORGOTTEN, text.as_bytes(), None);
            match is_kept {
                Ok(()) => return Ok(added),
                Err(Error::ReadBack { .. }) if is_on(&list(store)?) => return Ok(added),
                Err(Error::ReadBack { .. }) if attempt < ATTEMPTS => (attempt, added) = (attempt + 1, 0),
                Err(error) => return Err(error),
            }
        }
    })
}

/// Refuses the folder `snapshot` if it has tastes of a user on the store's list.
///
/// # Errors
/// [`Error::Forgotten`] if it has; any other [`Error`] if the snapshot or the list can't be read.
pub fn refuse_forgotten<S: Store>(snapshot: &Snapshot, store: &mut S) -> Result<(), Error<S::Error>> {
    let (manifest, keys) = (snapshot.manifest()?, list(store)?.into_keys().collect::<Vec<_>>());
    let mut users = 0;
    for (id, keys) in by_shard(&manifest, &keys) {
        let shard = snapshot.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id))?;
        users += keys.iter().filter(|key| shard.find(key.0).is_some()).count();
    }
    verdict(&manifest, users)
}

/// Refuses the stored snapshot of `manifest` if it has tastes of a user on the store's list. The
/// listed times are ignored: they come from another clock than the build's, and even a snapshot
/// built later may contain the user.
///
/// # Errors
/// [`Error::Forgotten`] if it has; any other [`Error`] if the store can't be read.
pub(crate) fn refuse<S: Store>(store: &mut S, manifest: &Manifest) -> Result<(), Error<S::Error>> {
    let keys: Vec<u64> = list(store)?.into_keys().collect();
    let users = held(store, manifest, &keys)?.len();
    verdict(manifest, users)
}

/// Whether `key` is on the store's list: nothing that was shown to that user is replayed.
///
/// # Errors
/// An [`Error`] if the store does not answer, or its list is damaged.
pub fn is_forgotten<S: Store>(store: &mut S, key: UserKey) -> Result<bool, Error<S::Error>> {
    Ok(list(store)?.contains_key(&key.0))
}

/// The users on the store's list, each with the time from which snapshots are built without them.
///
/// # Errors
/// As [`is_forgotten`].
pub(crate) fn since<S: Store>(store: &mut S) -> Result<Vec<(UserKey, UnixMillis)>, Error<S::Error>> {
    Ok(list(store)?.into_iter().map(|(key, since)| (UserKey(key), since)).collect())
}

/// Which users of `keys` the live and the kept snapshots contain, the live one first.
///
/// # Errors
/// An [`Error`] if the store does not answer.
pub fn standing<S: Store>(store: &mut S, keys: &[UserKey]) -> Result<Vec<Standing>, Error<S::Error>> {
    let keys: Vec<u64> = keys.iter().map(|key| key.0).collect();
    let Some(live) = Found::new(store)?.manifest else { return Ok(Vec::new()) };
    let mut manifests = vec![];
    for beside in live.beside() {
        manifests.extend(kept(store, beside.manifest)?.map(|manifest| (manifest, beside.share)));
    }
    manifests.insert(0, (live, None));
    let mut standings = Vec::new();
    for (place, (manifest, share)) in manifests.iter().enumerate() {
        let keys = held(store, manifest, &keys)?;
        let (snapshot, built_at) = (manifest.snapshot().to_string(), manifest.built_at().to_string());
        let share = share.map(ViewerShare::of);
        standings.push(Standing { snapshot, built_at, is_live: place == 0, share, keys });
    }
    Ok(standings)
}

fn verdict<E: std::error::Error + Send + Sync + 'static>(manifest: &Manifest, users: usize) -> Result<(), Error<E>> {
    match users {
        0 => Ok(()),
        users => Err(Error::Forgotten { snapshot: manifest.snapshot().to_string(), users }),
    }
}

/// The store's list. Damage is an error: treating it as empty would serve forgotten users again.
fn list<S: Store>(store: &mut S) -> Result<List, Error<S::Error>> {
    let Some(bytes) = read(store, FORGOTTEN)? else { return Ok(List::new()) };
    let damaged = |damage: String| Error::ReadBack { key: FORGOTTEN.to_owned(), damage };
    let text = String::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    let entry = |line: &str| {
        let (key, since) = line.split_once(' ')?;
        Some((UserKey::parse(key)?.0, UnixMillis(since.parse().ok()?)))
    };
    let lines = text.lines().enumerate();
    lines.map(|(at, line)| entry(line).ok_or_else(|| damaged(format!("line {}", at + 1)))).collect()
}

/// The shards of `manifest` that would contain `keys`, each with its keys.
fn by_shard(manifest: &Manifest, keys: &[u64]) -> BTreeMap<PackId, Vec<UserKey>> {
    let mut shards: BTreeMap<PackId, Vec<UserKey>> = BTreeMap::new();
    for key in keys {
        if let Some(shard) = manifest.shard_of(*key) {
            shards.entry(shard).or_default().push(UserKey(*key));
        }
    }
    shards
}

/// Those of `keys` whose tastes the stored snapshot of `manifest` has. A missing shard has none.
fn held<S: Store>(store: &mut S, manifest: &Manifest, keys: &[u64]) -> Result<Vec<UserKey>, Error<S::Error>> {
    let mut held = Vec::new();
    for (id, keys) in by_shard(manifest, keys) {
        let name = Key::Pack(Kind::Tastes, id).to_string();
        let Some(bytes) = read(store, &name)? else { continue };
        let damaged = |damage: sinsang_core::pack::Damage| Error::ReadBack { key: name, damage: damage.to_string() };
        let shard = TasteShard::parse(bytes, id).map_err(damaged)?;
        held.extend(keys.into_iter().filter(|key| shard.find(key.0).is_some()));
    }
    held.sort();
    Ok(held)
}

#[cfg(test)]
mod tests;
