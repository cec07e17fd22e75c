//! What makes two listings one product, and `sinsang identity`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::matcher::{self, Matcher};
use sinsang_identity::identity::{Policy, PolicyError};
use sinsang_pipeline::read::correction;
use sinsang_run::file::{SETTINGS_BYTES, read_text};

use super::Reading;

/// What makes two listings one product, where it is not what is built in.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// The identity policy: a file with those keys of it that are to differ (docs/identity.md).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// More words that titles are read by, beside the built-in ones (docs/identity.md).
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// A matcher that `sinsang identity train` wrote, in the place of the built-in one.
    #[arg(long, value_name = "FILE")]
    matcher: Option<PathBuf>,
    /// What people decided, which stands above all of this: listings that are one product or two, verdicts (docs/corrections.md) [default:
    /// corrections.toml beside the tables, where it is there].
    #[arg(long, value_name = "FILE")]
    corrections: Option<PathBuf>,
}

/// A file that says what makes two listings one product can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadIdentity {
    /// It can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is no policy, or no file of words.
    #[error("{}: {source}", path.display())]
    Policy {
        path: PathBuf,
        #[source]
        source: PolicyError,
    },
    /// It holds no corrections that can be used.
    #[error(transparent)]
    Corrections(#[from] correction::Error),
    /// It is no matcher.
    #[error("{}: {source}", path.display())]
    Matcher {
        path: PathBuf,
        #[source]
        source: matcher::Error,
    },
}

impl Identity {
    /// The corrections file: the one named, or else the one beside the tables in `folder`.
    pub(crate) fn corrections_file(&self, folder: &Path) -> PathBuf {
        self.corrections.clone().unwrap_or_else(|| folder.join(correction::FILE))
    }

    /// The policy that these files make of the built-in one, for a run at `now` on the tables in `folder`.
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
    /// Fit a matcher to labels of a schedule, and tell by cross-validation how well it does (docs/identity.md).
    ///
    /// The same labels give the same matcher. It holds no title and no word; commands that judge take it by --matcher.
    Train(Train),
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Labelled pairs of its listings, tab-separated: listing_a, listing_b, label (same, different, unclear); confidence (high, medium,
    /// low) where there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    /// Listings of it that were read, tab-separated: listing, label (new, repeat, unclear); siblings and seen, listings with spaces between
    /// them, draw, note and confidence where there are.
    #[arg(long, value_name = "FILE")]
    pub(crate) verdicts: Option<PathBuf>,
    /// Labelled pairs of titles of no schedule, as `sinsang evaluate identity` takes them.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) titles: Vec<PathBuf>,
    /// The file to write the matcher to, JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}
