//! What is live in a store, and what was live last where that can't be read.

use sinsang_core::key::Key;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Damage, PackId};

use crate::run::runs;
use crate::store::{Error, Store, kept, read};

/// What is live, as a publish and a rollback find it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The live manifest; where it can't be read, the one that was live last by the history of runs.
    pub(crate) manifest: Option<Manifest>,
    /// What is wrong with the live one.
    pub(crate) damage: Option<Damage>,
}

impl Found {
    /// What is live in `store`.
    ///
    /// # Errors
    /// Where it does not answer.
    pub(crate) fn new<S: Store>(store: &mut S) -> Result<Self, Error<S::Error>> {
        let Some(bytes) = read(store, &Key::Live.to_string())? else {
            return Ok(Self { manifest: None, damage: None });
        };
        Ok(match Manifest::parse(bytes) {
            Ok(manifest) => Self { manifest: Some(manifest), damage: None },
            Err(damage) => Self { manifest: last(store)?, damage: Some(damage) },
        })
    }

    /// The manifest that stands under the key of the live one.
    pub(crate) fn shown(&self) -> Option<&Manifest> {
        self.manifest.as_ref().filter(|_| self.damage.is_none())
    }
}

/// The manifest that was live last, by the history of runs.
fn last<S: Store>(store: &mut S) -> Result<Option<Manifest>, Error<S::Error>> {
    for run in runs(store)? {
        let Some(id) = run.manifest.as_deref().and_then(PackId::parse) else { continue };
        if let Some(manifest) = kept(store, id)? {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}
