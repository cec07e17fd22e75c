//! Arguments that change product identity, and those of `sinsang identity`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::matcher::{self, Matcher};
use sinsang_identity::identity::{Policy, PolicyError};
use sinsang_pipeline::read::correction;
use sinsang_run::file::{SETTINGS_BYTES, read_text};

use super::Reading;

/// Files that change the built-in identity policy.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// The identity policy: a file with the keys to change (docs/identity.md).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// More words for reading titles, besides the built-in ones (docs/identity.md).
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// A matcher written by `sinsang identity train`, in place of the built-in one.
    #[arg(long, value_name = "FILE")]
    matcher: Option<PathBuf>,
    /// People's decisions, which overrule everything else: listings that are one product or two,
    /// and verdicts (docs/corrections.md) [default: corrections.toml beside the tables, if it
    /// exists].
    #[arg(long, value_name = "FILE")]
    corrections: Option<PathBuf>,
}

/// Why a file that changes product identity can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadIdentity {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is not a valid policy or words file.
    #[error("{}: {source}", path.display())]
    Policy {
        path: PathBuf,
        #[source]
        source: PolicyError,
    },
    /// The corrections file can't be used.
    #[error(transparent)]
    Corrections(#[from] correction::Error),
    /// The file is not a valid matcher.
    #[error("{}: {source}", path.display())]
    Matcher {
        path: PathBuf,
        #[source]
        source: matcher::Error,
    },
}

impl Identity {
    /// The corrections file: `--corrections`, or the one beside the tables in `folder`.
    pub(crate) fn corrections_file(&self, folder: &Path) -> PathBuf {
        self.corrections.clone().unwrap_or_else(|| folder.join(correction::FILE))
    }

    /// The built-in policy with the changes in these files, for a run at `now` on the tables in
    /// `folder`.
    pub(crate) fn policy(&self, folder: Option<&Path>, now: UnixMillis) -> Result<Policy, BadIdentity> {
        let read = |path: &Path| {
            read_text(path, SETTINGS_BYTES).map_err(|source| BadIdentity::Read { path: path.to_owned(), source })
        };
        let bad = |path: &Path| {
            let path = path.to_owned();
            |source| BadIdentity::Policy { path, source }
        };
        let mut policy = match &self.policy {
            Some(path) => Policy::with(&read(path)?).map_err(bad(path))?,
            None => Policy::default(),
        };
        if let Some(path) = &self.words {
            policy.add_words(&read(path)?).map_err(bad(path))?;
        }
        if let Some(path) = &self.matcher {
            let matcher = Matcher::read(&read(path)?);
            let matcher = matcher.map_err(|source| BadIdentity::Matcher { path: path.clone(), source })?;
            policy.matcher = Arc::new(matcher);
        }
        policy.corrections = Arc::new(correction::find(self.corrections.as_deref(), folder, now)?);
        Ok(policy)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Fit a matcher to labels of a schedule, and measure it by cross-validation
    /// (docs/identity.md).
    ///
    /// The same labels give the same matcher. It contains no titles or words; judging commands use
    /// it with --matcher.
    Train(Train),
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Labelled pairs of the schedule's listings, tab-separated: listing_a, listing_b, label (same,
    /// different, unclear); optionally confidence (high, medium, low).
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    /// Labelled listings of the schedule, tab-separated: listing, label (new, repeat, unclear);
    /// optionally siblings and seen (listings separated by spaces), draw, note and confidence.
    #[arg(long, value_name = "FILE")]
    pub(crate) verdicts: Option<PathBuf>,
    /// Labelled pairs of titles outside the schedule, as for `sinsang evaluate identity`.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) titles: Vec<PathBuf>,
    /// The JSON file to write the matcher to.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}
