//! The snapshot deployed with the Worker, served when no store answers
//! (`sinsang_core::pack::bundle`).

use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::{Kind, bundle};
use sinsang_run::replace::{Access, replace};

use crate::snapshot::{self, Snapshot};

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The snapshot on disk can't be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The edge's own reader refuses the bundle.
    #[error("the bundle is unreadable after writing: {0}; the earlier bundle is unchanged")]
    ReadBack(sinsang_core::pack::Damage),
    /// The file can't be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// A written bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleReport {
    /// Its snapshot.
    pub snapshot: String,
    /// When the snapshot was built.
    pub built_at: String,
    /// Bytes of the bundle, which the Worker's script grows by.
    pub bytes: usize,
}

impl std::fmt::Display for BundleReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bundled snapshot {}, built {} ({} bytes)", self.snapshot, self.built_at, self.bytes)
    }
}

/// Writes the bundle of `snapshot` to `output`: its manifest and its board, without any tastes. The
/// write is atomic.
///
/// # Errors
/// A [`BundleError`]; an earlier bundle is then still there.
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
