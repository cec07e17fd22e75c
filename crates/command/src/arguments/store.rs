//! Arguments of the commands on a store.

use std::path::{Path, PathBuf};

use clap::Args;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_pipeline::read::rules::{self, Rules};
use sinsang_publish::{Limits, ShareOptions, ViewerShare};
use sinsang_run::progress::Progress;

use super::value::{snapshot_id, trial_share};

/// The store: a local KV or a Workers KV namespace.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Where {
    /// The local KV that `wrangler dev --persist-to FOLDER` serves from.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) local: Option<PathBuf>,
    /// The Workers KV namespace that the environment names.
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
    /// Parallel connections to Cloudflare, for --remote.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) connections: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Report what would be written, its cost and its duration, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The number of written packs to read back, spread evenly [default: all, or 200 with --remote,
    /// whose API returns 4 values a second].
    #[arg(long, value_name = "N")]
    pub(crate) read_back: Option<usize>,
    /// The rules, whose section `publish` limits how far the snapshot may differ from the live one:
    /// a file, or a folder with rules.toml, such as that of the tables [default: the built-in
    /// rules].
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    rules: Option<PathBuf>,
    /// Publish a snapshot even if it differs more from the live one than the rules allow; the
    /// history of runs records this with the reasons.
    #[arg(long)]
    force: bool,
    /// Show the snapshot to this share of viewers beside the live one, such as 5%, instead of
    /// making it live; `sinsang share` widens or withdraws it. Viewers without a token are drawn by
    /// their device; those without a device get the live one.
    #[arg(long, value_name = "PERCENT", value_parser = trial_share, conflicts_with = "bundle")]
    share: Option<ViewerShare>,
    /// The upload speed that --dry-run assumes, in Mbit/s.
    #[arg(long, value_name = "MBIT", default_value_t = 100.0)]
    pub(crate) uplink: f64,
    /// The results of the latest builds, for the preview page's plots; published too if the file
    /// exists [default: SNAPSHOT.builds.ndjson].
    #[arg(long, value_name = "FILE")]
    pub(crate) builds: Option<PathBuf>,
    /// Also write the file that is deployed with the Worker for when no store answers, as
    /// `sinsang bundle` does.
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

/// Packs read back from Cloudflare by default.
const REMOTE_READ_BACK: usize = 200;

impl Publish {
    pub(crate) fn options<'a>(
        &self,
        at: UnixMillis,
        holder: &'a str,
        progress: Progress,
    ) -> Result<sinsang_publish::Options<'a>, rules::Error> {
        let read_back = self.read_back.or(self.target.place.remote.then_some(REMOTE_READ_BACK));
        let limits = limits(self.rules.as_deref())?;
        let (is_forced, share) = (self.force, self.share);
        Ok(sinsang_publish::Options { at, holder, read_back, limits, is_forced, share, progress })
    }
}

/// The limits of the gate in a file or folder of rules, or those by default.
///
/// # Errors
/// If the rules can't be used.
pub(super) fn limits(rules: Option<&Path>) -> Result<Limits, rules::Error> {
    Ok(rules.map(rules_at).transpose()?.unwrap_or_default().publish)
}

fn rules_at(path: &Path) -> Result<Rules, rules::Error> {
    if path.is_dir() { Rules::find(None, path) } else { Rules::read(path) }
}

#[derive(Debug, Args)]
pub(crate) struct Share {
    /// The share of viewers who get the snapshot on trial: more or fewer, such as 25%; 100% makes
    /// it live, 0% withdraws it.
    #[arg(value_name = "PERCENT")]
    pub(crate) percent: ViewerShare,
    #[command(flatten)]
    pub(crate) target: Target,
    /// The rules, whose section `publish` limits how far it may differ from the live one: a file,
    /// or a folder with rules.toml [default: the built-in rules].
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    rules: Option<PathBuf>,
    /// Show the snapshot to more viewers even if it differs more from the live one than the rules
    /// allow; the history of runs records this with the reasons.
    #[arg(long)]
    force: bool,
}

impl Share {
    pub(crate) fn options<'a>(&self, at: UnixMillis, holder: &'a str) -> Result<ShareOptions<'a>, rules::Error> {
        Ok(ShareOptions { at, holder, limits: limits(self.rules.as_deref())?, is_forced: self.force })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The snapshot: 16 hex digits, as `sinsang status` shows them [default: the one before the
    /// live one].
    #[arg(value_parser = snapshot_id)]
    pub(crate) snapshot: Option<SnapshotId>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) target: Target,
    /// List all packs of the store, with one call for each thousand, instead of reading some of
    /// each snapshot [default: with --local].
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
    /// Hours after its last write during which an unnamed pack is kept; 6 or more.
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = clap::value_parser!(u16).range(6..=8760))]
    grace: u16,
    /// Days for which `sinsang replay` can give answers again: packs of snapshots that were live or
    /// on trial since then stay; 0 to 7.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u8).range(0..=7))]
    replay_days: u8,
    /// The most API calls of a run, which the next run continues; 100 or more [default: no limit].
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u64).range(100..))]
    budget: Option<u64>,
    /// The fewest hours between the starts of two passes through the store; a run before that does
    /// nothing.
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    every: u16,
    /// Report what would be removed, and remove nothing.
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
        let replayable_ms = i64::from(self.replay_days) * DAY_MS;
        let (is_dry, budget) = (self.dry_run, self.budget);
        sinsang_publish::CollectOptions { grace_ms, replayable_ms, is_dry, budget, every_ms, at, holder, progress }
    }
}
