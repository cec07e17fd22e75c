//! Back to a snapshot that was live before: the manifest moves, and nothing else.

use std::fmt;

use serde::Serialize;
use sinsang::key::Key;
use sinsang::pack::manifest::{Manifest, SnapshotId};
use sinsang::time::UnixMillis;

use crate::forgotten::refuse;
use crate::publication::{make_live, packs};
use crate::run::{Run, record};
use crate::store::{Error, Store, kept, list, live};

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackReport {
    /// The snapshot that is live.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// The one that was live before.
    pub from: String,
    /// Whether it was live already and nothing was done.
    pub was_live: bool,
}

impl fmt::Display for RollbackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, built_at, from, was_live } = self;
        if *was_live {
            return write!(f, "snapshot {snapshot} of {built_at} is live already");
        }
        writeln!(f, "snapshot {snapshot} of {built_at} is live, after {from}")?;
        write!(f, "the next publish replaces it: stop what publishes until the cause is found")
    }
}

/// Makes the snapshot `to` live again, or without one the snapshot before the live one, once all of its packs are found to be there.
///
/// # Errors
/// An [`Error`]; whatever was live before still is.
pub fn rollback<S: Store>(
    store: &mut S,
    to: Option<SnapshotId>,
    at: UnixMillis,
) -> Result<RollbackReport, Error<S::Error>> {
    let live = live(store)?.ok_or(Error::NothingLive)?;
    let from = live.snapshot().to_string();
    if to == Some(live.snapshot()) {
        return Ok(report(&live, from, true));
    }
    let target = live.previous().find(|previous| to.is_none_or(|to| to == previous.snapshot));
    let Some(target) = target else {
        let kept: Vec<String> = live.previous().map(|previous| previous.snapshot.to_string()).collect();
        let kept = if kept.is_empty() { "the live one".to_owned() } else { kept.join(", ") };
        return Err(Error::NotKept { snapshot: to.map_or("before it".to_owned(), |to| to.to_string()), kept });
    };
    let snapshot = target.snapshot.to_string();
    let manifest = kept(store, target.manifest)?.ok_or(Error::Incomplete { snapshot: snapshot.clone(), missing: 1 })?;
    let there = list(store)?;
    let missing = packs(&manifest).filter(|key| matches!(key, Key::Pack(_, id) if !there.contains_key(id))).count();
    if missing > 0 {
        return Err(Error::Incomplete { snapshot, missing });
    }
    refuse(store, &manifest)?;
    make_live(store, &manifest, Some(&live), at)?;
    let run = Run { at: at.to_string(), action: "rollback".to_owned(), snapshot, packs: 0, bytes: 0 };
    record(store, run, at);
    Ok(report(&manifest, from, false))
}

fn report(manifest: &Manifest, from: String, was_live: bool) -> RollbackReport {
    let (snapshot, built_at) = (manifest.snapshot().to_string(), manifest.built_at().to_string());
    RollbackReport { snapshot, built_at, from, was_live }
}
