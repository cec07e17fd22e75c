//! Arguments of `sinsang compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::read::rules;
use sinsang_publish::{Limits, Place};

use super::store::limits;
use super::value::time;

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The snapshot that would go live: a folder, or 16 hex digits of a snapshot in the store.
    #[arg(value_name = "NEXT")]
    next: String,
    /// The snapshot before it, named likewise [default: the store's live snapshot].
    #[arg(value_name = "BEFORE")]
    before: Option<String>,
    /// The store: the local KV that `wrangler dev --persist-to FOLDER` serves from.
    #[arg(long, value_name = "FOLDER", conflicts_with = "remote")]
    pub(crate) local: Option<PathBuf>,
    /// The store: the Workers KV namespace that the environment names.
    #[arg(long)]
    pub(crate) remote: bool,
    /// The folder of wrangler.toml, for --local.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
    /// The tables of a build, whose events of the last 24 hours are looked up in both snapshots;
    /// SINSANG_USER_KEY holds the secret that they were built with.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) tables: Option<PathBuf>,
    /// The moment at which both are ranked and the next one would go live, as RFC 3339 [default:
    /// the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<UnixMillis>,
    /// Write the comparison as a page, one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,
    /// The rules, whose section `publish` is the gate: a file, or a folder with rules.toml
    /// [default: the built-in rules].
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    rules: Option<PathBuf>,
}

impl Compare {
    /// The places of the next snapshot and the one before.
    pub(crate) fn places(&self) -> [Place; 2] {
        [place(&self.next), self.before.as_deref().map_or(Place::Live, place)]
    }

    /// The gate's limits.
    ///
    /// # Errors
    /// If the rules can't be used.
    pub(crate) fn limits(&self) -> Result<Limits, rules::Error> {
        limits(self.rules.as_deref())
    }
}

/// A folder of that name counts before a snapshot's id.
fn place(name: &str) -> Place {
    let id = SnapshotId::parse(name).filter(|_| !Path::new(name).exists());
    id.map_or_else(|| Place::Folder(PathBuf::from(name)), Place::Kept)
}
