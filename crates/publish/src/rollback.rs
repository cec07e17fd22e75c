//! Back to a snapshot that was live before: the manifest moves, and nothing else.

use std::fmt;

use serde::Serialize;
use sinsang_core::pack::manifest::{Manifest, Previous, SnapshotId};
use sinsang_core::time::UnixMillis;

use crate::forgotten::refuse;
use crate::found::Found;
use crate::lease::{Held, under};
use crate::publication::{make_live, packs, sample};
use crate::run::{Run, record};
use crate::store::{Error, Store, kept};

/// Packs of the older snapshot that are looked at, the board among them. No collection removes what a kept manifest names.
const LOOKS: usize = 200;

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

/// Makes the snapshot `to` live again, or without one the snapshot before the live one, once its packs are found to be there: all of up to 200,
/// of more as many, spread evenly. Where the live manifest can't be read, the history of runs tells which snapshot was live: it can be named too. `holder` is who asks, as the lease and the history of runs name it.
///
/// # Errors
/// An [`Error`]; whatever was live before still is.
pub fn rollback<S: Store>(
    store: &mut S,
    to: Option<SnapshotId>,
    at: UnixMillis,
    holder: &str,
) -> Result<RollbackReport, Error<S::Error>> {
    under(store, holder, "rollback", |store, held| go_back(store, to, (at, holder), held))
}

fn go_back<S: Store>(
    store: &mut S,
    to: Option<SnapshotId>,
    (at, holder): (UnixMillis, &str),
    held: &mut Held,
) -> Result<RollbackReport, Error<S::Error>> {
    let found = Found::new(store)?;
    let Some(live) = &found.manifest else {
        let advice = "no run that is remembered names it: publish a snapshot with --force";
        return Err(found.damage.map_or(Error::NothingLive, |damage| Error::Unread { damage, advice }));
    };
    let from = live.snapshot().to_string();
    if to == Some(live.snapshot()) && found.damage.is_none() {
        return Ok(report(live, from, true));
    }
    // The one that was live last is gone back to where the live manifest can't be read, once it is named.
    let last = Previous { snapshot: live.snapshot(), manifest: live.id(), built_at: live.built_at() };
    let last = found.damage.as_ref().and(to).map(|_| last);
    let target = last.into_iter().chain(live.previous()).find(|one| to.is_none_or(|to| to == one.snapshot));
    let Some(target) = target else {
        let kept: Vec<String> = live.previous().map(|previous| previous.snapshot.to_string()).collect();
        let kept = if kept.is_empty() { "the live one".to_owned() } else { kept.join(", ") };
        return Err(Error::NotKept { snapshot: to.map_or("before it".to_owned(), |to| to.to_string()), kept });
    };
    let snapshot = target.snapshot.to_string();
    let manifest = kept(store, target.manifest)?.ok_or(Error::Incomplete { snapshot: snapshot.clone(), missing: 1 })?;
    let looked_at = sample(&packs(&manifest).collect::<Vec<_>>(), Some(LOOKS));
    let lacking = store.lacking(&looked_at);
    let missing =
        lacking.map_err(|source| Error::Store { action: "looking at", key: "packs".to_owned(), source })?.len();
    if missing > 0 {
        return Err(Error::Incomplete { snapshot, missing });
    }
    refuse(store, &manifest)?;
    let id = make_live(store, &manifest, &found, at, held)?;
    let (action, by) = ("rollback".to_owned(), holder.to_owned());
    let manifest_id = Some(id.to_string());
    record(store, &Run { at: at.to_string(), action, snapshot, by, manifest: manifest_id, ..Run::default() }, at);
    Ok(report(&manifest, from, false))
}

fn report(manifest: &Manifest, from: String, was_live: bool) -> RollbackReport {
    let (snapshot, built_at) = (manifest.snapshot().to_string(), manifest.built_at().to_string());
    RollbackReport { snapshot, built_at, from, was_live }
}
