//! The history of runs on a store: a short list beside the snapshots, for `sinsang status`.

use serde::{Deserialize, Serialize};
use sinsang_core::key::RUNS;
use sinsang_core::time::UnixMillis;

use crate::store::{Error, Store, read};
use crate::viewer_share::ViewerShare;

/// Runs kept in the list.
const MAX_RUNS: usize = 50;
/// Attempts to add a run whose list another run overwrites.
const ATTEMPTS: u32 = 3;

/// One publish, change of a trial, rollback, collection or refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Time of the run, in Korean time.
    pub at: String,
    /// `publish`, `share` or `withdraw` for a trial, `rollback`, `collect`, or `refused` for a
    /// rejected publish.
    pub action: String,
    /// The snapshot that was live afterwards; for a trial the one that was tried, for a refusal the
    /// refused one.
    pub snapshot: String,
    /// The share of viewers who get a snapshot on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ViewerShare>,
    /// The manifest that was live after a publish or a rollback. It is the fallback if the live
    /// manifest becomes unreadable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Packs written, or removed by a collection.
    pub packs: usize,
    /// Bytes of those packs.
    pub bytes: u64,
    /// The operator who ran it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Whether a publish was forced although it differed too much from the live snapshot.
    #[serde(default, rename = "forced", skip_serializing_if = "std::ops::Not::not")]
    pub is_forced: bool,
    /// Reasons for the refusal, or those that a forced publish overrode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Run {
    /// A run that has written nothing yet.
    pub(crate) fn new((at, by): (UnixMillis, &str), action: &str, snapshot: String, reasons: Vec<String>) -> Self {
        let (at, by) = (at.to_string(), by.to_owned());
        Self { at, action: action.to_owned(), snapshot, by, reasons, ..Self::default() }
    }
}

/// The history, most recent first. An unreadable list counts as empty: nothing depends on it.
///
/// # Errors
/// [`Error::Store`] if the store does not answer.
pub(crate) fn runs<S: Store>(store: &mut S) -> Result<Vec<Run>, Error<S::Error>> {
    Ok(read(store, RUNS)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Cuts the list to [`MAX_RUNS`], and keeps the most recent run that names a manifest even if it is
/// older.
fn shorten(runs: &mut Vec<Run>) {
    match runs.iter().position(|run| run.manifest.is_some()) {
        Some(named) if named >= MAX_RUNS => {
            let named = runs.swap_remove(named);
            runs.truncate(MAX_RUNS - 1);
            runs.push(named);
        }
        _ => runs.truncate(MAX_RUNS),
    }
}

/// Adds a run, and retries if a concurrent run overwrote the list. The run's work is done either
/// way, so the result only says whether the record was written.
pub(crate) fn record<S: Store>(store: &mut S, run: &Run, at: UnixMillis) -> bool {
    for _ in 0..ATTEMPTS {
        let Ok(mut runs) = runs(store) else { return false };
        if runs.contains(run) {
            return true;
        }
        runs.insert(0, run.clone());
        shorten(&mut runs);
        if !serde_json::to_vec(&runs).is_ok_and(|bytes| store.put(RUNS, &bytes, at).is_ok()) {
            return false;
        }
    }
    runs(store).is_ok_and(|runs| runs.contains(run))
}
