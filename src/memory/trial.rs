//! Which snapshot a viewer gets while one is on trial.

use super::{Memory, Snapshot};
use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Trial;
use sinsang_core::viewer::UserKey;

impl Memory {
    /// The trial that the current manifest names.
    pub fn trial(&self) -> Option<&Trial> {
        self.current.as_ref()?.manifest.trial()
    }

    /// The manifest of the snapshot on trial, unless that is remembered.
    pub fn missing_trial(&self) -> Option<PackId> {
        let trial = self.trial().filter(|trial| self.find(trial.snapshot).is_none())?;
        Some(trial.manifest)
    }

    /// Whether a snapshot on trial has to be read, fits, and was not out of reach just now.
    pub(super) fn lacks_trial(&self) -> bool {
        self.missing_trial().is_some_and(|id| self.fits(2) && self.lost_shards.iter().all(|lost| lost.0 != id))
    }

    /// Whether the answer to a request may depend on its context, whichever snapshot its viewer
    /// gets.
    pub fn tells_contexts_apart(&self) -> bool {
        let tells = |snapshot: &Snapshot| snapshot.board.tells_contexts_apart();
        self.current().is_some_and(tells) || self.trial().and_then(|trial| self.find(trial.snapshot)).is_some_and(tells)
    }

    /// The snapshot for a request of `viewer`, given by a function that is only called during a
    /// trial.
    pub fn drawn(&self, viewer: impl FnOnce() -> Option<UserKey>) -> Option<&Snapshot> {
        let trial = self.trial().filter(|trial| viewer().is_some_and(|viewer| trial.shows(viewer)));
        trial.and_then(|trial| self.find(trial.snapshot)).or(self.current())
    }
}
