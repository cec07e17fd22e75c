//! What was last done to a store: a short list beside the snapshots, for `sinsang status`.

use serde::{Deserialize, Serialize};
use sinsang::key::RUNS;
use sinsang::time::UnixMillis;

use crate::store::{Error, Store, read};

/// Runs that are remembered.
const MAX_RUNS: usize = 50;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When, in Korean time.
    pub at: String,
    /// `publish`, `rollback` or `collect`.
    pub action: String,
    /// The snapshot that was live after it.
    pub snapshot: String,
    /// Packs that were written or, by a collection, removed.
    pub packs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The runs that are remembered, the last first. A list that can't be read is an empty one: nothing depends on it.
///
/// # Errors
/// Where the store does not answer.
pub(crate) fn runs<S: Store>(store: &mut S) -> Result<Vec<Run>, Error<S::Error>> {
    Ok(read(store, RUNS)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Adds a run. What was done is done whether this is written or not, so the answer says only whether it was.
pub(crate) fn record<S: Store>(store: &mut S, run: Run, at: UnixMillis) -> bool {
    let Ok(mut runs) = runs(store) else { return false };
    runs.insert(0, run);
    runs.truncate(MAX_RUNS);
    serde_json::to_vec(&runs).is_ok_and(|bytes| store.put(RUNS, &bytes, at).is_ok())
}
