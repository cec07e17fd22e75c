//! Removing packs that no kept snapshot names, as git removes what nothing refers to.
//!
//! A pack goes only once it is named neither by the live manifest nor by one that it keeps, and was last written longer ago than the
//! grace period. A pass goes through the store's list page by page, within a budget of calls: at its end the place is kept in the store,
//! and the next run goes on from there. Before packs are removed the run takes the lease and looks again at what is kept, so that no
//! publish is under way that relies on one of them; what a publish wrote before it was cut short, the next one does not rely on once
//! a collection had the lease.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sinsang_core::key::COLLECTION;
use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{MINUTE_MS, UnixMillis};
use sinsang_run::progress::{Progress, Unit};

use crate::found::Found;
use crate::grace::MIN_GRACE_MS;
use crate::lease::under;
use crate::publication::{pack, packs};
use crate::run::{Run, record};
use crate::store::{Error, Store, kept, live, read};

/// Packs removed under one lease, in calls of 10,000.
const REMOVED_AT_ONCE: usize = 50_000;
/// Calls that removing packs and keeping the place take at the most, tries that fail apart.
const LAST_CALLS: u64 = 30;

/// How a store is collected.
#[derive(Clone, Copy, Debug)]
pub struct CollectOptions<'a> {
    /// How long ago a pack has to have been written to be removed, in milliseconds; at least [`MIN_GRACE_MS`].
    pub grace_ms: i64,
    /// Whether nothing is removed.
    pub is_dry: bool,
    /// Calls after which the run ends and keeps its place; nothing for as many as it takes.
    pub budget: Option<u64>,
    /// How long after a pass began the next one begins, in milliseconds.
    pub every_ms: i64,
    /// The time of the run.
    pub at: UnixMillis,
    /// Who collects, as the lease and the history of runs name it.
    pub holder: &'a str,
    /// Whether a bar is shown.
    pub progress: Progress,
}

/// What a pass through the store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// When it began, in milliseconds since the epoch.
    pub begun_at: i64,
    /// Packs that were there.
    pub packs: usize,
    /// Their bytes, as far as they are stamped.
    pub bytes: u64,
    /// Packs that kept snapshots name.
    pub named: usize,
    /// Packs that nothing names and that are younger than the grace period, or of unknown age.
    pub in_grace: usize,
    /// Packs that were removed.
    pub removed: usize,
    /// Their bytes, as far as they are stamped.
    pub removed_bytes: u64,
}

/// Where the collection of a store stands, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The pass that is under way, and the cursor of its next page.
    #[serde(default)]
    pass: Option<(Pass, String)>,
    /// The last pass that came to its end.
    #[serde(default)]
    last: Option<Pass>,
}

/// What a collection did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectReport {
    /// The pass, as far as it has come: by this run, and by those before that it goes on from.
    #[serde(flatten)]
    pub pass: Pass,
    /// Whether it came to its end.
    pub is_whole: bool,
    /// Minutes until the next pass is due; 0 where one is under way.
    pub due_in_minutes: i64,
    /// Packs that this run removed.
    pub removed_now: usize,
    /// Calls of the store's interface; 0 where they are not counted.
    pub calls: u64,
    /// Why the run ended before the pass or its budget did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Whether nothing was removed because that was asked for.
    pub is_dry: bool,
    /// The last pass that came to its end, with what the store held after it.
    pub last: Option<Pass>,
}

impl fmt::Display for CollectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, is_whole, due_in_minutes, is_dry, stopped, .. } = self;
        if *due_in_minutes > 0 && pass.packs == 0 {
            return write!(f, "nothing to do: the next pass is due in {due_in_minutes} min");
        }
        let Pass { packs, named, in_grace, removed, removed_bytes, .. } = pass;
        let verb = if *is_dry { "would be removed" } else { "removed" };
        write!(f, "{removed} of {packs} packs {verb} ({removed_bytes} bytes); {named} named, {in_grace} in grace")?;
        if !is_whole {
            write!(f, "; the pass is not at its end, and the next run goes on with it")?;
        }
        stopped.iter().try_for_each(|why| write!(f, "\nended early: {why}"))
    }
}

/// Removes the packs of `store` that no kept snapshot names and that are old enough.
///
/// # Errors
/// Where the store fails, or a kept manifest can't be read: then nothing can be told to be unnamed, and nothing is removed.
pub fn collect<S: Store>(store: &mut S, options: &CollectOptions<'_>) -> Result<CollectReport, Error<S::Error>> {
    let calls_before = store.calls();
    let mut named = named(store)?;
    let mut state = if options.is_dry { State::default() } else { state(store)? };
    let since_last = state.last.as_ref().map(|last| options.at.since(UnixMillis(last.begun_at)));
    let is_due = state.pass.is_some() || since_last.is_none_or(|since| since >= options.every_ms || since < 0);
    let (pass, mut cursor) = state.pass.take().unwrap_or_default();
    let mut report = CollectReport {
        pass: if pass.begun_at == 0 { Pass { begun_at: options.at.0, ..Pass::default() } } else { pass },
        is_whole: false,
        due_in_minutes: 0,
        removed_now: 0,
        calls: 0,
        stopped: None,
        is_dry: options.is_dry,
        last: state.last.clone(),
    };
    if !is_due {
        report.due_in_minutes = ((options.every_ms - since_last.unwrap_or(0)) / MINUTE_MS).max(1);
        return Ok(report);
    }
    let bar = options.progress.start("packs looked at", Unit::Items, 0);
    let may_go_on = |calls: u64| options.budget.is_none_or(|budget| calls - calls_before + LAST_CALLS < budget);
    let mut going: Vec<(PackId, u64)> = Vec::new();
    // The place and the counts before what is going to be removed: where that fails, it is looked at again.
    let mut safe = (report.pass.clone(), cursor.clone());
    while may_go_on(store.calls()) {
        let page = match store.page(&cursor) {
            Ok(page) => page,
            Err(error) if !cursor.is_empty() && report.removed_now == 0 && going.is_empty() => {
                // A place that the store does not know any more: the pass begins anew, now.
                tracing::warn!(%error, "the place of the last run is lost; the pass begins anew");
                report.pass = Pass { begun_at: options.at.0, ..Pass::default() };
                cursor.clear();
                safe = (report.pass.clone(), String::new());
                store.page("").map_err(|source| Error::Store { action: "listing", key: "packs".into(), source })?
            }
            Err(source) => return Err(Error::Store { action: "listing", key: "packs".into(), source }),
        };
        bar.advance(page.packs.len() as u64);
        for (id, stamp) in page.packs {
            report.pass.packs += 1;
            report.pass.bytes += stamp.bytes.unwrap_or(0);
            let is_old =
                stamp.at.is_some_and(|at| options.at.since(UnixMillis(at)) >= options.grace_ms.max(MIN_GRACE_MS));
            if named.contains(&id) {
                report.pass.named += 1;
            } else if is_old {
                going.push((id, stamp.bytes.unwrap_or(0)));
            } else {
                report.pass.in_grace += 1;
            }
        }
        report.is_whole = page.next.is_none();
        cursor = page.next.unwrap_or_default();
        if going.len() >= REMOVED_AT_ONCE || report.is_whole || !may_go_on(store.calls()) {
            match remove(store, &std::mem::take(&mut going), &mut report, options) {
                Ok(fresh) => named = fresh,
                Err(error @ (Error::Held { .. } | Error::LeaseLost { .. })) => {
                    report.stopped = Some(error.to_string());
                    report.is_whole = false;
                    (report.pass, cursor) = safe.clone();
                }
                Err(error) => return Err(error),
            }
            safe = (report.pass.clone(), cursor.clone());
        }
        if report.is_whole || report.stopped.is_some() {
            break;
        }
    }
    if !report.is_whole && report.stopped.is_none() {
        (report.pass, cursor) = safe;
    }
    if !options.is_dry {
        keep(store, &mut state, &mut report, cursor, options)?;
    }
    report.calls = store.calls() - calls_before;
    Ok(report)
}

/// Removes what is going under the lease, but for what a kept snapshot names by then; answers with all that they name.
fn remove<S: Store>(
    store: &mut S,
    part: &[(PackId, u64)],
    report: &mut CollectReport,
    options: &CollectOptions<'_>,
) -> Result<BTreeSet<PackId>, Error<S::Error>> {
    let mut take = |store: &mut S| {
        let named = named(store)?;
        let (kept, gone): (Vec<_>, Vec<_>) = part.iter().partition(|(id, _)| named.contains(id));
        let ids: Vec<PackId> = gone.iter().map(|(id, _)| *id).collect();
        if !options.is_dry && !ids.is_empty() {
            store.remove(&ids).map_err(|source| Error::Store { action: "removing", key: "packs".into(), source })?;
        }
        report.pass.named += kept.len();
        report.pass.removed += gone.len();
        report.removed_now += gone.len();
        report.pass.removed_bytes += gone.iter().map(|(_, bytes)| bytes).sum::<u64>();
        Ok(named)
    };
    if options.is_dry || part.is_empty() {
        return take(store);
    }
    under(store, options.holder, "collect", |store, _| take(store))
}

/// Keeps the place in the store, or that the pass came to its end, and tells the history.
fn keep<S: Store>(
    store: &mut S,
    state: &mut State,
    report: &mut CollectReport,
    cursor: String,
    options: &CollectOptions<'_>,
) -> Result<(), Error<S::Error>> {
    if report.is_whole {
        state.last = Some(report.pass.clone());
        report.last.clone_from(&state.last);
    } else {
        state.pass = Some((report.pass.clone(), cursor));
    }
    let bytes = serde_json::to_vec(state).unwrap_or_default();
    let put = store.put(COLLECTION, &bytes, options.at);
    put.map_err(|source| Error::Store { action: "writing", key: COLLECTION.into(), source })?;
    if report.is_whole || report.removed_now > 0 {
        let (packs, bytes) = (report.pass.removed, report.pass.removed_bytes);
        let snapshot = live(store)?.map_or_else(String::new, |live| live.snapshot().to_string());
        let (at, by) = (options.at.to_string(), options.holder.to_owned());
        let run = Run { at, action: "collect".to_owned(), snapshot, packs, bytes, by, ..Run::default() };
        record(store, &run, options.at);
    }
    Ok(())
}

/// Where the collection of `store` stands. One that can't be read is at its beginning.
fn state<S: Store>(store: &mut S) -> Result<State, Error<S::Error>> {
    Ok(read(store, COLLECTION)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// All packs that the live snapshot and the kept ones before it name.
fn named<S: Store>(store: &mut S) -> Result<BTreeSet<PackId>, Error<S::Error>> {
    let found = Found::new(store)?;
    if let Some(damage) = found.damage {
        return Err(Error::Unread { damage, advice: "roll back to a snapshot, or publish one with --force" });
    }
    let live = found.manifest.ok_or(Error::NothingLive)?;
    let mut named: BTreeSet<PackId> = ids(&live).collect();
    for previous in live.previous() {
        let snapshot = previous.snapshot.to_string();
        let manifest = kept(store, previous.manifest)?.ok_or(Error::Incomplete { snapshot, missing: 1 })?;
        named.extend(ids(&manifest));
    }
    Ok(named)
}

fn ids(manifest: &Manifest) -> impl Iterator<Item = PackId> {
    packs(manifest).filter_map(pack).chain([manifest.id()])
}

#[cfg(test)]
mod tests;
