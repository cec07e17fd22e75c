//! What is live in a store, what is kept for going back, how large it all is, and what was last done.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang::key::Key;
use sinsang::pack::PackId;
use sinsang::pack::manifest::Manifest;
use sinsang::time::{MINUTE_MS, UnixMillis};

use crate::publication::packs;
use crate::run::{Run, runs};
use crate::store::{Error, Store, kept, list, live};

/// Runs that the text shows; JSON has them all.
const RUNS_SHOWN: usize = 10;

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
    /// Packs that it names and the store does not have.
    pub missing: usize,
    /// Bytes of its packs, as far as they are stamped.
    pub bytes: u64,
}

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The snapshot that answers come from, if there is one.
    pub live: Option<Stored>,
    /// Those before it that one can go back to, the last first.
    pub kept: Vec<Stored>,
    /// Packs in the store.
    pub packs: usize,
    /// Their bytes, as far as they are stamped.
    pub bytes: u64,
    /// Packs that no kept snapshot names, which `sinsang collect` removes once they are old enough.
    pub unnamed: usize,
    /// What was last done, the last first.
    pub runs: Vec<Run>,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, built_at, age_minutes, users, pack_format, packs, missing, bytes } = self;
        write!(f, "{snapshot} of {built_at} ({age_minutes} min old)")?;
        match users {
            Some(users) => {
                let format = pack_format.unwrap_or_default();
                write!(f, ": {users} users, {packs} packs of format {format}, {bytes} bytes")?;
            }
            None => write!(f, ": its manifest can't be read")?,
        }
        if *missing > 0 { write!(f, ", {missing} PACKS MISSING") } else { Ok(()) }
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.live {
            Some(live) => writeln!(f, "live   {live}")?,
            None => writeln!(f, "live   nothing")?,
        }
        for kept in &self.kept {
            writeln!(f, "kept   {kept}")?;
        }
        writeln!(f, "store  {} packs, {} bytes; {} named by no kept snapshot", self.packs, self.bytes, self.unnamed)?;
        for Run { at, action, snapshot, packs, bytes } in self.runs.iter().take(RUNS_SHOWN) {
            writeln!(f, "run    {at} {action}: {snapshot}, {packs} packs, {bytes} bytes")?;
        }
        Ok(())
    }
}

/// Looks a store over.
///
/// # Errors
/// Where it does not answer.
pub fn status<S: Store>(store: &mut S, now: UnixMillis) -> Result<StatusReport, Error<S::Error>> {
    let there = list(store)?;
    let mut named: BTreeSet<PackId> = BTreeSet::new();
    let live = live(store)?;
    let mut stored = |manifest: &Manifest| {
        let ids: BTreeSet<PackId> = packs(manifest).filter_map(pack).chain([manifest.id()]).collect();
        let report = Stored {
            snapshot: manifest.snapshot().to_string(),
            built_at: manifest.built_at().to_string(),
            age_minutes: now.since(manifest.built_at()) / MINUTE_MS,
            users: Some(manifest.users()),
            pack_format: Some(manifest.format().version()),
            packs: ids.len(),
            missing: ids.iter().filter(|id| !there.contains_key(id)).count(),
            bytes: ids.iter().filter_map(|id| there.get(id)?.bytes).sum(),
        };
        named.extend(ids);
        report
    };
    let report = live.as_ref().map(&mut stored);
    let mut before = Vec::new();
    for previous in live.iter().flat_map(Manifest::previous) {
        before.push(match kept(store, previous.manifest)? {
            Some(manifest) => stored(&manifest),
            None => Stored {
                snapshot: previous.snapshot.to_string(),
                built_at: previous.built_at.to_string(),
                age_minutes: now.since(previous.built_at) / MINUTE_MS,
                users: None,
                pack_format: None,
                packs: 0,
                missing: 1,
                bytes: 0,
            },
        });
    }
    Ok(StatusReport {
        live: report,
        kept: before,
        packs: there.len(),
        bytes: there.values().filter_map(|stamp| stamp.bytes).sum(),
        unnamed: there.keys().filter(|id| !named.contains(id)).count(),
        runs: runs(store)?,
    })
}

fn pack(key: Key) -> Option<PackId> {
    match key {
        Key::Pack(_, id) => Some(id),
        Key::Live | Key::Pulse | Key::PulseOf(_) => None,
    }
}
