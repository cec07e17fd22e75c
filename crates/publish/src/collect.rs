//! Garbage collection of packs that no kept snapshot names, as git removes unreachable objects.
//!
//! A pack is removed only if neither the live manifest nor a manifest it keeps names it, no
//! answer of late may have come from it, and it was last written longer ago than the grace
//! period. A pass lists the store page by page, within a budget of calls; when the budget ends,
//! the store keeps the cursor and the next run continues there. Before removing packs, the run
//! takes the lease and reads the kept manifests again, so no publish that relies on one of
//! those packs is under way. After a collection held the lease, the next publish ignores the
//! packs that an interrupted one wrote.

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
use crate::past::Past;
use crate::price;
use crate::publication::{pack, packs};
use crate::run::{Run, record};
use crate::store::{Error, Store, kept, live, read};

/// Packs removed under one lease, in calls of 10,000.
const REMOVED_AT_ONCE: usize = 50_000;
/// Most calls for removing packs and keeping the place, not counting failed attempts.
const LAST_CALLS: u64 = 30;

/// How to collect a store.
#[derive(Clone, Copy, Debug)]
pub struct CollectOptions<'a> {
    /// Grace period of an unnamed pack since its last write, in milliseconds; at least
    /// [`MIN_GRACE_MS`].
    pub grace_ms: i64,
    /// For how long answers can be replayed, in milliseconds: packs of snapshots that were live or
    /// on trial since then stay; 0 for none.
    pub replayable_ms: i64,
    /// Whether this is a dry run, which removes nothing.
    pub is_dry: bool,
    /// Calls after which the run ends and keeps its place; unlimited if `None`.
    pub budget: Option<u64>,
    /// Time from the start of one pass to the start of the next, in milliseconds.
    pub every_ms: i64,
    /// The time of the run.
    pub at: UnixMillis,
    /// The operator, as the lease and the history of runs name them.
    pub holder: &'a str,
    /// Whether to show a progress bar.
    pub progress: Progress,
}

/// Counts of a pass through the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// When it began, in milliseconds since the epoch.
    pub begun_at: i64,
    /// Packs in the store.
    pub packs: usize,
    /// Bytes of the stamped packs.
    pub bytes: u64,
    /// Packs that kept snapshots name.
    pub named: usize,
    /// Unnamed packs past the grace period that stay for replays alone.
    #[serde(default)]
    pub replayable: usize,
    /// Bytes of those packs that are stamped.
    #[serde(default)]
    pub replayable_bytes: u64,
    /// Unnamed packs that are younger than the grace period, or of unknown age.
    pub in_grace: usize,
    /// Removed packs.
    pub removed: usize,
    /// Bytes of the removed packs that are stamped.
    pub removed_bytes: u64,
}

/// The stored state of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The current pass, and the cursor of its next page.
    #[serde(default)]
    pass: Option<(Pass, String)>,
    /// The last completed pass.
    #[serde(default)]
    last: Option<Pass>,
}

/// The outcome of a collection, or of a dry run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CollectReport {
    /// The pass so far, including the earlier runs that this one continues.
    #[serde(flatten)]
    pub pass: Pass,
    /// Whether the pass is complete.
    pub is_whole: bool,
    /// Minutes until the next pass is due; 0 if one is under way.
    pub due_in_minutes: i64,
    /// Packs that this run removed.
    pub removed_now: usize,
    /// Calls of the store's API; 0 if they are not counted.
    pub calls: u64,
    /// Dollars a month that the store takes for the packs that stay for replays alone, beyond what
    /// the plan includes.
    pub replay_dollars: f64,
    /// Why the run ended before the pass was complete or the budget used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Whether this was a dry run.
    pub is_dry: bool,
    /// The last completed pass, with the store's contents after it.
    pub last: Option<Pass>,
}

impl fmt::Display for CollectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, is_whole, due_in_minutes, is_dry, stopped, .. } = self;
        if *due_in_minutes > 0 && pass.packs == 0 {
            return write!(f, "nothing to do: next pass due in {due_in_minutes} min");
        }
        let Pass { packs, named, replayable, replayable_bytes, in_grace, removed, removed_bytes, .. } = pass;
        let verb = if *is_dry { "would be removed" } else { "removed" };
        write!(
            f,
            "{removed} of {packs} packs {verb} ({removed_bytes} bytes); {named} in use, {in_grace} in the grace period"
        )?;
        if *replayable > 0 {
            let dollars = self.replay_dollars;
            write!(
                f,
                "; {replayable} kept for replays alone ({replayable_bytes} bytes, {dollars:.2} dollars a month; fewer with --replay-days)"
            )?;
        }
        if !is_whole {
            write!(f, "; the pass is incomplete; the next run continues it")?;
        }
        stopped.iter().try_for_each(|why| write!(f, "\nended early: {why}"))
    }
}

/// Removes packs of `store` that no kept snapshot names and that are past the grace period.
///
/// # Errors
/// If the store fails, or a kept manifest can't be read: then no pack can be proved unnamed, and
/// none is removed.
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
        replay_dollars: 0.0,
        stopped: None,
        is_dry: options.is_dry,
        last: state.last.clone(),
    };
    if !is_due {
        report.due_in_minutes = ((options.every_ms - since_last.unwrap_or(0)) / MINUTE_MS).max(1);
        return Ok(report);
    }
    let replayable = match options.replayable_ms {
        0 => Past::default(),
        ms => Past::new(store, options.at.plus(-ms))?,
    };
    let bar = options.progress.start("checking packs", Unit::Items, 0);
    let may_go_on = |calls: u64| options.budget.is_none_or(|budget| calls - calls_before + LAST_CALLS < budget);
    let mut going: Vec<(PackId, u64)> = Vec::new();
    // The place and counts before the pending removals: if removing fails, those packs are examined
    // again.
    let mut safe = (report.pass.clone(), cursor.clone());
    while may_go_on(store.calls()) {
        let page = match store.page(&cursor) {
            Ok(page) => page,
            Err(error) if !cursor.is_empty() && report.removed_now == 0 && going.is_empty() => {
                // The store no longer knows the cursor, so the pass restarts.
                tracing::warn!(%error, "the store no longer knows the last run's cursor; restarting the pass");
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
            } else if is_old && replayable.has(id) {
                report.pass.replayable += 1;
                report.pass.replayable_bytes += stamp.bytes.unwrap_or(0);
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
    report.replay_dollars = price::stored(report.pass.replayable_bytes);
    report.calls = store.calls() - calls_before;
    Ok(report)
}

/// Removes the packs of `part` under the lease, except those that a kept snapshot names by then.
/// Returns all named packs.
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

/// Stores the place, or the completed pass, and adds the run to the history.
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

/// The state of the collection of `store`; an unreadable one counts as the beginning.
fn state<S: Store>(store: &mut S) -> Result<State, Error<S::Error>> {
    Ok(read(store, COLLECTION)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// The packs that the live snapshot and the kept ones before it name.
fn named<S: Store>(store: &mut S) -> Result<BTreeSet<PackId>, Error<S::Error>> {
    let found = Found::new(store)?;
    let live = found.needed()?;
    let mut named: BTreeSet<PackId> = ids(live).collect();
    for previous in live.beside() {
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
