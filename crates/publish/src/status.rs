//! What is live in a store, what is kept for going back, how large it all is, and what was last done.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{MINUTE_MS, UnixMillis};

use crate::found::Found;
use crate::publication::{pack, packs, sample};
use crate::run::{Run, runs};
use crate::store::{Error, Listing, Store, kept, list};

/// Runs that the text shows; JSON has them all.
const RUNS_SHOWN: usize = 10;
/// Packs that are looked at of the live snapshot, and of each that is kept, where the store is not listed. The board is among them.
const LOOKS: (usize, usize) = (40, 6);

/// How a store is looked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Some packs of each snapshot are read: some seventy calls, however large the store is.
    Sample,
    /// All packs of the store are listed: a call for each thousand.
    Full,
}

/// A snapshot in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// Its name.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// Minutes since then.
    pub age_minutes: i64,
    /// Users with tastes; nothing where its manifest can't be read.
    pub users: Option<u32>,
    /// The pack format of its board; nothing where its manifest can't be read.
    pub pack_format: Option<u16>,
    /// Packs that it names.
    pub packs: usize,
    /// Packs that were looked at: all of them where the store was listed.
    pub looked_at: usize,
    /// Those of them that the store does not have.
    pub missing: usize,
    /// Bytes of its packs, as far as they are stamped; nothing where the store was not listed.
    pub bytes: Option<u64>,
}

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The snapshot that answers come from, if there is one.
    pub live: Option<Stored>,
    /// What is wrong with the live manifest, where it can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Those before it that one can go back to, the last first.
    pub kept: Vec<Stored>,
    /// What the store holds in all; nothing where it was not listed.
    #[serde(flatten)]
    pub all: Option<Holding>,
    /// What was last done, the last first.
    pub runs: Vec<Run>,
}

/// All that a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Packs in the store.
    pub packs: usize,
    /// Their bytes, as far as they are stamped.
    pub bytes: u64,
    /// Packs that no kept snapshot names, which `sinsang collect` removes once they are old enough.
    pub unnamed: usize,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, built_at, age_minutes, users, pack_format, packs, looked_at, missing, bytes } = self;
        write!(f, "{snapshot} of {built_at} ({age_minutes} min old)")?;
        match users {
            Some(users) => {
                let format = pack_format.unwrap_or_default();
                write!(f, ": {users} users, {packs} packs of format {format}")?;
                match bytes {
                    Some(bytes) => write!(f, ", {bytes} bytes")?,
                    None => write!(f, ", {looked_at} of them looked at")?,
                }
            }
            None => write!(f, ": its manifest can't be read")?,
        }
        if *missing > 0 { write!(f, ", {missing} PACKS MISSING") } else { Ok(()) }
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.live, &self.damage) {
            (Some(live), _) => writeln!(f, "live   {live}")?,
            (None, Some(damage)) => writeln!(f, "live   a manifest that can't be read ({damage})")?,
            (None, None) => writeln!(f, "live   nothing")?,
        }
        for kept in &self.kept {
            writeln!(f, "kept   {kept}")?;
        }
        if let Some(Holding { packs, bytes, unnamed }) = &self.all {
            writeln!(f, "store  {packs} packs, {bytes} bytes; {unnamed} named by no kept snapshot")?;
        }
        for Run { at, action, snapshot, packs, bytes, by, is_forced, reasons, .. } in self.runs.iter().take(RUNS_SHOWN)
        {
            let forced = if *is_forced { " (forced)" } else { "" };
            write!(f, "run    {at} {action}{forced}: {snapshot}, {packs} packs, {bytes} bytes")?;
            if !by.is_empty() {
                write!(f, ", by {by}")?;
            }
            reasons.iter().try_for_each(|reason| write!(f, "\n         {reason}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Looks a store over.
///
/// # Errors
/// Where it does not answer.
pub fn status<S: Store>(store: &mut S, now: UnixMillis, depth: Depth) -> Result<StatusReport, Error<S::Error>> {
    let there = if depth == Depth::Full { Some(list(store)?) } else { None };
    let mut named: BTreeSet<PackId> = BTreeSet::new();
    let found = Found::new(store)?;
    let live = found.manifest.as_ref();
    let (looks, looks_kept) = LOOKS;
    let mut report = live.map(|live| stored(store, live, (now, looks), there.as_ref())).transpose()?;
    named.extend(live.into_iter().flat_map(ids));
    // Where the live manifest can't be read, the one that was live last is what one can go back to.
    let mut before: Vec<Stored> = found.damage.as_ref().and_then(|_| report.take()).into_iter().collect();
    for previous in live.into_iter().flat_map(Manifest::previous) {
        before.push(match kept(store, previous.manifest)? {
            Some(manifest) => {
                named.extend(ids(&manifest));
                stored(store, &manifest, (now, looks_kept), there.as_ref())?
            }
            None => Stored {
                snapshot: previous.snapshot.to_string(),
                built_at: previous.built_at.to_string(),
                age_minutes: now.since(previous.built_at) / MINUTE_MS,
                users: None,
                pack_format: None,
                packs: 0,
                looked_at: 1,
                missing: 1,
                bytes: None,
            },
        });
    }
    let all = there.map(|there| Holding {
        packs: there.len(),
        bytes: there.values().filter_map(|stamp| stamp.bytes).sum(),
        unnamed: there.keys().filter(|id| !named.contains(id)).count(),
    });
    let damage = found.damage.map(|damage| damage.to_string());
    Ok(StatusReport { live: report, damage, kept: before, all, runs: runs(store)? })
}

/// What is told of the snapshot of `manifest`, by a list of what is `there` or by a look at so many packs.
fn stored<S: Store>(
    store: &mut S,
    manifest: &Manifest,
    (now, looks): (UnixMillis, usize),
    there: Option<&Listing>,
) -> Result<Stored, Error<S::Error>> {
    let ids: BTreeSet<PackId> = ids(manifest).collect();
    let (looked_at, missing) = if let Some(there) = there {
        (ids.len(), ids.iter().filter(|id| !there.contains_key(id)).count())
    } else {
        let keys = sample(&packs(manifest).collect::<Vec<_>>(), Some(looks));
        let lacking = store.lacking(&keys);
        let lacking =
            lacking.map_err(|source| Error::Store { action: "looking at", key: "packs".to_owned(), source })?;
        (keys.len(), lacking.len())
    };
    Ok(Stored {
        snapshot: manifest.snapshot().to_string(),
        built_at: manifest.built_at().to_string(),
        age_minutes: now.since(manifest.built_at()) / MINUTE_MS,
        users: Some(manifest.users()),
        pack_format: Some(manifest.format().version()),
        packs: ids.len(),
        looked_at,
        missing,
        bytes: there.map(|there| ids.iter().filter_map(|id| there.get(id)?.bytes).sum()),
    })
}

/// The packs of the snapshot of `manifest`, its own among them.
fn ids(manifest: &Manifest) -> impl Iterator<Item = PackId> + use<> {
    packs(manifest).filter_map(pack).chain([manifest.id()])
}
