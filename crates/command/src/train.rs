//! `sinsang identity train`: fits a matcher to labels of a schedule and writes it to a file.

use std::path::{Path, PathBuf};

use sinsang_identity::identity::{Listing, Policy};
use sinsang_identity::train::{self, Labels, Report};
use sinsang_pipeline::read::history::Tables;
use sinsang_run::replace::{Access, replace};

/// Why no matcher was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The labels can't be used.
    #[error(transparent)]
    Labels(#[from] train::Error),
    /// The file can't be written: make room, or name another file.
    #[error("{} can't be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Fits a matcher to `labels` of the schedule in `tables` and writes it to `output`, which is
/// replaced once complete.
///
/// # Errors
/// [`enum@Error`] if labels can't be read or are too few, or the file can't be written.
pub fn train(tables: &Tables, policy: &Policy, labels: &Labels, output: &Path) -> Result<Report, Error> {
    let failed = |source| Error::Write { path: output.to_path_buf(), source };
    let listings: Vec<Listing> = tables.catalogue.entries.iter().map(|entry| entry.listing.clone()).collect();
    let (matcher, report) = train::train(&listings, policy, labels)?;
    replace(output, matcher.model().to_string().as_bytes(), Access::Everybody).map_err(failed)?;
    Ok(Report { output: output.to_path_buf(), ..report })
}
