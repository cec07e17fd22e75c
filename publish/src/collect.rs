//! Removing packs that no kept snapshot names, as git removes what nothing refers to.
//!
//! A pack goes only once it is named neither by the live manifest nor by one that it keeps, and was last written longer ago than the
//! grace period. A publish writes a pack again that is there, unnamed and not fresh ([`FRESH_MS`]), so what a publish under way relies on
//! is always younger than any grace period. What is kept is looked up again before each part of the removal.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang::key::Key;
use sinsang::pack::PackId;
use sinsang::pack::manifest::Manifest;
use sinsang::time::{HOUR_MS, UnixMillis};

use crate::progress::{Progress, Unit};
use crate::publication::packs;
use crate::run::{Run, record};
use crate::store::{Error, Store, kept, list, live};

/// The shortest grace period, in milliseconds: longer than any publish takes.
pub const MIN_GRACE_MS: i64 = 6 * HOUR_MS;
/// How long after it was written a pack that nothing names counts as there for a publish, in milliseconds.
pub(crate) const FRESH_MS: i64 = MIN_GRACE_MS / 2;
/// Packs removed between two looks at what is kept.
const REMOVED_AT_ONCE: usize = 10_000;

/// What a collection did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectReport {
    /// Packs that were there.
    pub packs: usize,
    /// Packs that kept snapshots name.
    pub named: usize,
    /// Packs that nothing names and that are younger than the grace period, or of unknown age.
    pub in_grace: usize,
    /// Packs that were removed.
    pub removed: usize,
    /// Their bytes, as far as they are stamped.
    pub removed_bytes: u64,
    /// Whether nothing was removed because that was asked for.
    pub is_dry: bool,
}

impl fmt::Display for CollectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packs, named, in_grace, removed, removed_bytes, is_dry } = self;
        let verb = if *is_dry { "would be removed" } else { "removed" };
        write!(f, "{removed} of {packs} packs {verb} ({removed_bytes} bytes); {named} named, {in_grace} in grace")
    }
}

/// Removes the packs of `store` that no kept snapshot names and that were last written `grace_ms` ago or longer.
///
/// # Errors
/// Where the store fails, or a kept manifest can't be read: then nothing can be told to be unnamed, and nothing is removed.
pub fn collect<S: Store>(
    store: &mut S,
    grace_ms: i64,
    is_dry: bool,
    at: UnixMillis,
    progress: Progress,
) -> Result<CollectReport, Error<S::Error>> {
    let grace_ms = grace_ms.max(MIN_GRACE_MS);
    let there = list(store)?;
    let (snapshot, named) = named(store)?;
    let unnamed: Vec<_> = there.iter().filter(|(id, _)| !named.contains(id)).collect();
    let is_old = |written_at: Option<i64>| written_at.is_some_and(|written| at.since(UnixMillis(written)) >= grace_ms);
    let old: Vec<_> = unnamed.iter().filter(|(_, stamp)| is_old(stamp.at)).collect();
    let mut report = CollectReport {
        packs: there.len(),
        named: there.len() - unnamed.len(),
        in_grace: unnamed.len() - old.len(),
        removed: 0,
        removed_bytes: 0,
        is_dry,
    };
    let bar = progress.start("removing packs", Unit::Items, old.len() as u64);
    for part in old.chunks(REMOVED_AT_ONCE) {
        let named = self::named(store)?.1;
        let going: Vec<PackId> = part.iter().map(|(id, _)| **id).filter(|id| !named.contains(id)).collect();
        if !is_dry {
            store.remove(&going).map_err(|source| Error::Store { action: "removing", key: "packs".into(), source })?;
        }
        report.removed += going.len();
        report.removed_bytes += going.iter().filter_map(|id| there.get(id)?.bytes).sum::<u64>();
        bar.advance(part.len() as u64);
    }
    if !is_dry {
        let (packs, bytes) = (report.removed, report.removed_bytes);
        record(store, Run { at: at.to_string(), action: "collect".to_owned(), snapshot, packs, bytes }, at);
    }
    Ok(report)
}

/// The live snapshot, and all packs that it and the kept ones before it name.
fn named<S: Store>(store: &mut S) -> Result<(String, BTreeSet<PackId>), Error<S::Error>> {
    let live = live(store)?.ok_or(Error::NothingLive)?;
    let mut named: BTreeSet<PackId> = ids(&live).collect();
    for previous in live.previous() {
        let snapshot = previous.snapshot.to_string();
        let manifest = kept(store, previous.manifest)?.ok_or(Error::Incomplete { snapshot, missing: 1 })?;
        named.extend(ids(&manifest));
    }
    Ok((live.snapshot().to_string(), named))
}

fn ids(manifest: &Manifest) -> impl Iterator<Item = PackId> {
    let packs = packs(manifest).filter_map(|key| match key {
        Key::Pack(_, id) => Some(id),
        Key::Live | Key::Pulse | Key::PulseOf(_) => None,
    });
    packs.chain([manifest.id()])
}
