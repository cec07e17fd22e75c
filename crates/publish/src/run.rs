//! What was last done to a store: a short list beside the snapshots, for `sinsang status`.

use serde::{Deserialize, Serialize};
use sinsang_core::key::RUNS;
use sinsang_core::time::UnixMillis;

use crate::store::{Error, Store, read};

/// Runs that are remembered.
const MAX_RUNS: usize = 50;
/// How often a run is added again that another run's list took the place of.
const ATTEMPTS: u32 = 3;

/// One thing that was done, or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When, in Korean time.
    pub at: String,
    /// `publish`, `rollback`, `collect`, or `refused` for a publish that was not let through.
    pub action: String,
    /// The snapshot that was live after it; the one that was refused.
    pub snapshot: String,
    /// The manifest that was live after a publish or a rollback: what is known of it where it can't be read any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Packs that were written or, by a collection, removed.
    pub packs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Who did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Whether a publish was forced though it differed too much from what was live.
    #[serde(default, rename = "forced", skip_serializing_if = "std::ops::Not::not")]
    pub is_forced: bool,
    /// Why it was refused, or would have been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Run {
    /// A run of a publish that wrote nothing yet.
    pub(crate) fn new((at, by): (UnixMillis, &str), action: &str, snapshot: String, reasons: Vec<String>) -> Self {
        let (at, by) = (at.to_string(), by.to_owned());
        Self { at, action: action.to_owned(), snapshot, by, reasons, ..Self::default() }
    }
}

/// The runs that are remembered, the last first. A list that can't be read is an empty one: nothing depends on it.
///
/// # Errors
/// Where the store does not answer.
pub(crate) fn runs<S: Store>(store: &mut S) -> Result<Vec<Run>, Error<S::Error>> {
    Ok(read(store, RUNS)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Leaves the last runs, and of those before them the last that names a manifest, where these name none.
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

/// Adds a run, and again where the list of another run that ended at the same time took its place. What was done is done whether this is
/// written or not, so the answer says only whether it was.
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
