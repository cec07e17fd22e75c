//! What the commands take that work on a store: which one, and what is done there.

use std::path::{Path, PathBuf};

use clap::Args;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_pipeline::read::rules::{self, Rules};
use sinsang_run::progress::Progress;

use super::value::snapshot_id;

/// Which store.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Where {
    /// The local KV that `wrangler dev --persist-to FOLDER` serves from.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) local: Option<PathBuf>,
    /// The namespace of Workers KV that the environment names.
    #[arg(long)]
    pub(crate) remote: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) place: Where,
    /// The folder of wrangler.toml, for --local.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
    /// Connections to Cloudflare at once, for --remote.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) connections: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tell what would be written, what that costs and how long it takes, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How many of the written packs are read back, spread evenly over them [default: all, or 200 with --remote, whose API gives 4 values
    /// a second].
    #[arg(long, value_name = "N")]
    pub(crate) read_back: Option<usize>,
    /// The rules, whose section `publish` says how far the snapshot may differ from what is live: a file, or the folder that rules.toml is looked
    /// for in, such as that of the tables [default: the built-in ones].
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    rules: Option<PathBuf>,
    /// Publish though the snapshot differs more from what is live than the rules let it; the history of runs says so, and why.
    #[arg(long)]
    force: bool,
    /// The speed that --dry-run counts with, in Mbit/s.
    #[arg(long, value_name = "MBIT", default_value_t = 100.0)]
    pub(crate) uplink: f64,
    /// What the last builds came to, for the preview page's plots; brought along where it is there [default: SNAPSHOT.builds.ndjson].
    #[arg(long, value_name = "FILE")]
    pub(crate) builds: Option<PathBuf>,
    /// Also write what is deployed with the Worker for when no store answers, as `sinsang bundle` does.
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

/// Packs that are read back from Cloudflare where nothing else is said.
const REMOTE_READ_BACK: usize = 200;

impl Publish {
    pub(crate) fn options<'a>(
        &self,
        at: UnixMillis,
        holder: &'a str,
        progress: Progress,
    ) -> Result<sinsang_publish::Options<'a>, rules::Error> {
        let read_back = self.read_back.or(self.target.place.remote.then_some(REMOTE_READ_BACK));
        let limits = self.rules.as_deref().map(rules_at).transpose()?.unwrap_or_default().publish;
        Ok(sinsang_publish::Options { at, holder, read_back, limits, is_forced: self.force, progress })
    }
}

fn rules_at(path: &Path) -> Result<Rules, rules::Error> {
    if path.is_dir() { Rules::find(None, path) } else { Rules::read(path) }
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The snapshot: 16 hex digits, as `sinsang status` shows it [default: the one before the live one].
    #[arg(value_parser = snapshot_id)]
    pub(crate) snapshot: Option<SnapshotId>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) target: Target,
    /// List all packs of the store, a call for each thousand, rather than read some of each snapshot [default: with --local].
    #[arg(long)]
    full: bool,
}

impl Status {
    pub(crate) fn depth(&self) -> sinsang_publish::Depth {
        if self.full || !self.target.place.remote {
            sinsang_publish::Depth::Full
        } else {
            sinsang_publish::Depth::Sample
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Collect {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Hours since it was last written for which a pack stays though nothing names it; 6 or more.
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = clap::value_parser!(u16).range(6..=8760))]
    grace: u16,
    /// Calls of the API after which the run ends; the next one goes on from there. 100 or more [default: as many as it takes].
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u64).range(100..))]
    budget: Option<u64>,
    /// Hours from the beginning of a pass through the store to that of the next; a run before that does nothing.
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    every: u16,
    /// Tell what would be removed, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Collect {
    pub(crate) fn options<'a>(
        &self,
        at: UnixMillis,
        holder: &'a str,
        progress: Progress,
    ) -> sinsang_publish::CollectOptions<'a> {
        let [grace_ms, every_ms] = [self.grace, self.every].map(|hours| i64::from(hours) * HOUR_MS);
        let (is_dry, budget) = (self.dry_run, self.budget);
        sinsang_publish::CollectOptions { grace_ms, is_dry, budget, every_ms, at, holder, progress }
    }
}
