//! The snapshot that is deployed with the Worker, for when no store answers (`sinsang_core::pack::bundle`).

use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::{Kind, bundle};
use sinsang_run::replace::{Access, replace};

use crate::snapshot::{self, Snapshot};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The snapshot on disk can't be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The edge's own reader refuses what was made.
    #[error("the bundle can't be read back: {0}")]
    ReadBack(sinsang_core::pack::Damage),
    /// The file can't be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What was bundled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleReport {
    /// The snapshot.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// Bytes of the bundle, which the Worker's script grows by.
    pub bytes: usize,
}

impl std::fmt::Display for BundleReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot {} of {} is bundled ({} bytes)", self.snapshot, self.built_at, self.bytes)
    }
}

/// Writes the bundle of `snapshot` to `output`: its manifest and its board, without anybody's tastes. The file is whole or not there.
///
/// # Errors
/// A [`BundleError`]; a bundle that was there before is then still there.
pub fn bundle(snapshot: &Snapshot, output: &Path) -> Result<BundleReport, BundleError> {
    let manifest = snapshot.manifest()?;
    let board = snapshot.read(Key::Pack(Kind::Board, manifest.board()))?;
    let bytes = bundle::write(manifest.bytes(), &board);
    bundle::parse(&bytes).map_err(BundleError::ReadBack)?;
    replace(output, &bytes, Access::Everybody).map_err(|source| BundleError::Io { path: output.to_owned(), source })?;
    Ok(BundleReport {
        snapshot: manifest.snapshot().to_string(),
        built_at: manifest.built_at().to_string(),
        bytes: bytes.len(),
    })
}
