//! Rollback to an earlier snapshot: only the manifest moves.

use std::fmt;

use serde::Serialize;
use sinsang_core::pack::manifest::{Manifest, SnapshotId};
use sinsang_core::time::UnixMillis;

use crate::forgotten::refuse;
use crate::found::Found;
use crate::history::{ended, of};
use crate::lease::{Held, under};
use crate::publication::{make_live, missing};
use crate::run::{Run, record};
use crate::store::{Error, Store, kept};

/// The outcome of a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackReport {
    /// The live snapshot.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// The snapshot that was live before.
    pub from: String,
    /// Whether it was live already, so that nothing was done.
    pub was_live: bool,
    /// A snapshot whose trial this ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

impl fmt::Display for RollbackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, built_at, from, was_live, withdrawn } = self;
        if *was_live {
            return write!(f, "snapshot {snapshot}, built {built_at}, is already live");
        }
        writeln!(f, "snapshot {snapshot}, built {built_at}, is live; it replaced {from}")?;
        withdrawn.iter().try_for_each(|trial| writeln!(f, "{}", ended(trial)))?;
        write!(f, "the next publish replaces it: stop scheduled publishes until the cause is found")
    }
}

/// Makes the snapshot `to` live again, or the one before the live one if `to` is `None`, after
/// checking that its packs are there: all if there are up to 200, otherwise 200 spread evenly. If
/// the live manifest can't be read, the history of runs says which snapshot was live, and `to` may
/// name it too. The lease and the history of runs name `holder`.
///
/// # Errors
/// An [`Error`]; the live snapshot is then unchanged.
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
        let advice = "the history of runs does not name its snapshot: publish one with --force";
        return Err(found.damage.map_or(Error::NothingLive, |damage| Error::Unread { damage, advice }));
    };
    let from = live.snapshot().to_string();
    if to == Some(live.snapshot()) && found.damage.is_none() {
        return Ok(report(live, from, true, None));
    }
    // If the live manifest can't be read, the snapshot that was live last is a target too, but only
    // by name.
    let last = of(live);
    let last = found.damage.as_ref().and(to).map(|_| last);
    let target = last.into_iter().chain(live.previous()).find(|one| to.is_none_or(|to| to == one.snapshot));
    let Some(target) = target else {
        let kept: Vec<String> = live.previous().map(|previous| previous.snapshot.to_string()).collect();
        let kept = if kept.is_empty() { "the live one".to_owned() } else { kept.join(", ") };
        if let Some(tried) = live.beside().find(|beside| to == Some(beside.snapshot)) {
            let is_on_trial = tried.share.is_some_and(|share| share > 0);
            return Err(Error::WasNotLive { snapshot: tried.snapshot.to_string(), is_on_trial });
        }
        return Err(Error::NotKept {
            snapshot: to.map_or("before the live one".to_owned(), |to| to.to_string()),
            kept,
        });
    };
    let snapshot = target.snapshot.to_string();
    let manifest = kept(store, target.manifest)?.ok_or(Error::Incomplete { snapshot: snapshot.clone(), missing: 1 })?;
    let missing = missing(store, &manifest)?;
    if missing > 0 {
        return Err(Error::Incomplete { snapshot, missing });
    }
    refuse(store, &manifest)?;
    let moved = make_live(store, &manifest, &found, at, held)?;
    record(store, &moved.of(Run::new((at, holder), "rollback", snapshot, Vec::new())), at);
    let withdrawn = found.trial().map(|trial| trial.to_string());
    Ok(report(&manifest, from, false, withdrawn))
}

fn report(manifest: &Manifest, from: String, was_live: bool, withdrawn: Option<String>) -> RollbackReport {
    let (snapshot, built_at) = (manifest.snapshot().to_string(), manifest.built_at().to_string());
    RollbackReport { snapshot, built_at, from, was_live, withdrawn }
}
