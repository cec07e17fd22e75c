//! Users who asked to be forgotten, as the store knows them: by their keys, each with the time from which snapshots are built without them. No
//! snapshot that has one of them becomes live, be it by a rollback or because an old folder is published again.

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

/// How often the list is written again that another run's took the place of.
const ATTEMPTS: u32 = 3;

/// The list: keys of users, each with the time that the first snapshot without them was built at.
type List = BTreeMap<u64, UnixMillis>;

/// What a snapshot of the store has of some users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The snapshot.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// Whether it is the live one; others are kept, to be rolled back to.
    pub is_live: bool,
    /// Those of the users whose tastes it has.
    pub keys: Vec<UserKey>,
}

/// Adds `keys` to the store's list of users whom no snapshot may know, with `since`, the time from which snapshots are built without them. Answers
/// with how many were not on it. The list is written under the store's lease, which `holder` waits for: of two lists that are written at once the
/// earlier would be lost.
///
/// # Errors
/// An [`Error`] where the store does not answer, its list is damaged, or another run keeps the store for longer than ten minutes.
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
            // Two runs that took the lease in the same moment both get here, and one of the lists is not what it wrote.
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

/// Refuses `snapshot`, a folder, where it has tastes of a user whom the store lists as forgotten.
///
/// # Errors
/// [`Error::Forgotten`], or what keeps the snapshot or the list from being read.
pub fn refuse_forgotten<S: Store>(snapshot: &Snapshot, store: &mut S) -> Result<(), Error<S::Error>> {
    let (manifest, keys) = (snapshot.manifest()?, list(store)?.into_keys().collect::<Vec<_>>());
    let mut users = 0;
    for (id, keys) in by_shard(&manifest, &keys) {
        let shard = snapshot.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id))?;
        users += keys.iter().filter(|key| shard.find(key.0).is_some()).count();
    }
    verdict(&manifest, users)
}

/// Refuses the snapshot of `manifest`, which the store has, where it has tastes of a user whom the store lists as forgotten. Since when they are
/// counts for nothing: it was told by another clock than that of the build, and a snapshot that is built later may know them all the same.
///
/// # Errors
/// [`Error::Forgotten`], or what keeps the store from telling.
pub(crate) fn refuse<S: Store>(store: &mut S, manifest: &Manifest) -> Result<(), Error<S::Error>> {
    let keys: Vec<u64> = list(store)?.into_keys().collect();
    let users = held(store, manifest, &keys)?.len();
    verdict(manifest, users)
}

/// What the live snapshot and those that are kept have of the users of `keys`, the live one first.
///
/// # Errors
/// An [`Error`] where the store does not answer.
pub fn standing<S: Store>(store: &mut S, keys: &[UserKey]) -> Result<Vec<Standing>, Error<S::Error>> {
    let keys: Vec<u64> = keys.iter().map(|key| key.0).collect();
    let Some(live) = Found::new(store)?.manifest else { return Ok(Vec::new()) };
    let mut manifests = vec![];
    for previous in live.previous() {
        manifests.extend(kept(store, previous.manifest)?);
    }
    manifests.insert(0, live);
    let mut standings = Vec::new();
    for (place, manifest) in manifests.iter().enumerate() {
        let keys = held(store, manifest, &keys)?;
        let (snapshot, built_at) = (manifest.snapshot().to_string(), manifest.built_at().to_string());
        standings.push(Standing { snapshot, built_at, is_live: place == 0, keys });
    }
    Ok(standings)
}

fn verdict<E: std::error::Error + Send + Sync + 'static>(manifest: &Manifest, users: usize) -> Result<(), Error<E>> {
    match users {
        0 => Ok(()),
        users => Err(Error::Forgotten { snapshot: manifest.snapshot().to_string(), users }),
    }
}

/// The store's list. A damaged one is an error: to take it for an empty one would serve the forgotten again.
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

/// The shards of `manifest` that would have `keys`, each with those.
fn by_shard(manifest: &Manifest, keys: &[u64]) -> BTreeMap<PackId, Vec<UserKey>> {
    let mut shards: BTreeMap<PackId, Vec<UserKey>> = BTreeMap::new();
    for key in keys {
        if let Some(shard) = manifest.shard_of(*key) {
            shards.entry(shard).or_default().push(UserKey(*key));
        }
    }
    shards
}

/// Those of `keys` whose tastes the snapshot of `manifest` has in the store. A shard that is gone has none.
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
