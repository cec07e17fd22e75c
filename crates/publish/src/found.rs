//! The live manifest of a store, or the last readable one from the history.

use sinsang_core::key::Key;
use sinsang_core::pack::manifest::{Manifest, SnapshotId};
use sinsang_core::pack::{Damage, PackId};

use crate::run::runs;
use crate::store::{Error, Store, kept, read};

/// The live manifest, as a publish and a rollback find it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The live manifest; if it can't be read, the most recent one in the history of runs.
    pub(crate) manifest: Option<Manifest>,
    /// Damage of the live manifest.
    pub(crate) damage: Option<Damage>,
}

impl Found {
    /// Reads the live manifest of `store`.
    ///
    /// # Errors
    /// [`Error::Store`] if the store does not answer.
    pub(crate) fn new<S: Store>(store: &mut S) -> Result<Self, Error<S::Error>> {
        let Some(bytes) = read(store, &Key::Live.to_string())? else {
            return Ok(Self { manifest: None, damage: None });
        };
        Ok(match Manifest::parse(bytes) {
            Ok(manifest) => Self { manifest: Some(manifest), damage: None },
            Err(damage) => Self { manifest: last(store)?, damage: Some(damage) },
        })
    }

    /// The live manifest, if it is readable.
    pub(crate) fn shown(&self) -> Option<&Manifest> {
        self.manifest.as_ref().filter(|_| self.damage.is_none())
    }

    /// The live manifest, for a run that can do nothing without it.
    ///
    /// # Errors
    /// [`Error::NothingLive`] if there is none; [`Error::Unread`] if it can't be read.
    pub(crate) fn needed<E: std::error::Error + Send + Sync + 'static>(&self) -> Result<&Manifest, Error<E>> {
        match self.damage {
            Some(damage) => {
                Err(Error::Unread { damage, advice: "roll back to a snapshot, or publish one with --force" })
            }
            None => self.manifest.as_ref().ok_or(Error::NothingLive),
        }
    }

    /// The id of the snapshot on trial beside the live one.
    pub(crate) fn trial(&self) -> Option<SnapshotId> {
        Some(self.shown()?.trial()?.snapshot)
    }
}

/// The most recent manifest that the history of runs names and the store still has.
fn last<S: Store>(store: &mut S) -> Result<Option<Manifest>, Error<S::Error>> {
    for run in runs(store)? {
        let Some(id) = run.manifest.as_deref().and_then(PackId::parse) else { continue };
        if let Some(manifest) = kept(store, id)? {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}
