//! The arguments of the `sinsang` command.

mod build;
mod check;
mod compare;
mod demo;
mod evaluate;
mod experiment;
mod forget;
mod identity;
mod ingest;
mod judging;
mod ledger;
mod overlay;
mod replay;
mod review;
mod rules;
mod store;
mod token;
mod value;
mod why;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::engine;
use sinsang_pipeline::read::history;
use sinsang_run::progress::Progress;
use sinsang_tables::reject::Limit;
use sinsang_tables::{ZoneSetting, Zones};

use crate::telemetry::LogFormat;
use crate::terminal;

pub(crate) use build::Build;
pub(crate) use check::Check;
pub(crate) use compare::Compare;
pub(crate) use demo::{Generate, Import};
pub(crate) use evaluate::{Evaluate, EvaluateRanking};
pub(crate) use experiment::{ExperimentCommand, ExperimentPlan, ExperimentReport};
pub(crate) use forget::Forget;
use identity::{BadIdentity, Identity};
pub(crate) use identity::{IdentityCommand, Train};
pub(crate) use ingest::{IngestCommand, IngestKafka, IngestObjects};
pub(crate) use judging::{Audit, Judging, Resolve};
pub(crate) use ledger::LedgerCommand;
pub(crate) use overlay::{Author, OverlayCommand};
pub(crate) use replay::Replay;
pub(crate) use review::Review;
pub(crate) use rules::{RulesCheck, RulesCommand, RulesReport};
pub(crate) use store::{Collect, Publish, Rollback, Share, Status, Target};
pub(crate) use token::Token;
use value::{amount, share, time};
pub(crate) use why::Why;

/// Sinsang's pipeline: broadcast schedules, history and events in, a published snapshot out.
///
/// Exit codes: 0 success, 1 failure, 2 invalid arguments, 3 a check failed.
#[derive(Debug, Parser)]
#[command(name = "sinsang", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The format of reports and errors.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Show no progress bar, even on a terminal.
    #[arg(long, global = true)]
    quiet: bool,
    /// The format of log lines on standard error. SINSANG_LOG filters them [default: warn]: a
    /// level, or directives such as warn,sinsang=info.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Write the run's metrics in Prometheus' text format, for node_exporter's textfile collector
    /// (docs/operations.md). The file is replaced when the command completes, and stays unchanged
    /// if it fails.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
}

impl Arguments {
    /// Parses the arguments of this process. Errors go to standard error, escaped like all external
    /// text.
    ///
    /// # Errors
    /// The exit code, if the arguments are invalid or ask for help.
    pub fn of_process() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| terminal::end_of(&error))
    }

    pub(crate) fn progress(&self) -> Progress {
        if self.is_silent() { Progress::hidden() } else { Progress::on_terminal() }
    }

    /// A progress bar that counts `unit`s, shown on a terminal only. The caller sets its length.
    pub(crate) fn bar(&self, unit: &str) -> ProgressBar {
        if self.is_silent() {
            return ProgressBar::hidden();
        }
        let template = format!("{{wide_bar}} {{human_pos}} of {{human_len}} {unit}");
        let bar = ProgressBar::new(0);
        ProgressStyle::with_template(&template).map_or(bar.clone(), |style| bar.with_style(style))
    }

    fn is_silent(&self) -> bool {
        self.quiet || self.format == Format::Json
    }
}

impl Command {
    /// The command's name on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) => "generate",
            Self::Import(_) => "import",
            Self::Check(_) => "check",
            Self::Build(_) => "build",
            Self::Resolve(_) => "resolve",
            Self::Review(_) => "review",
            Self::Why(_) => "why",
            Self::Audit(_) => "audit",
            Self::Compare(_) => "compare",
            Self::Publish(_) => "publish",
            Self::Share(_) => "share",
            Self::Rollback(_) => "rollback",
            Self::Status(_) => "status",
            Self::Collect(_) => "collect",
            Self::Overlay(_) => "overlay",
            Self::Replay(_) => "replay",
            Self::Experiment(_) => "experiment",
            Self::Cost(_) => "cost",
            Self::Bundle(_) => "bundle",
            Self::Token(_) => "token",
            Self::Inspect(_) => "inspect",
            Self::Evaluate(_) => "evaluate",
            Self::Identity(_) => "identity",
            Self::Verify(_) => "verify",
            Self::Rules(_) => "rules",
            Self::Forget(_) => "forget",
            Self::Rekey(_) => "rekey",
            Self::Ingest(_) => "ingest",
            Self::Ledger(_) => "ledger",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For machines: one JSON document.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make demonstration tables with known truth.
    Generate(Generate),
    /// Map a public data set to tables.
    #[command(subcommand)]
    Import(Import),
    /// Read tables without building, and report what they contain and what looks wrong.
    ///
    /// For each column: the number of values in each form, with examples, and the values that were
    /// repaired, assumed, dropped or set aside, with the first place of each. For each table: shops
    /// that vanished, lost days, times nine hours off and the like, with why it matters and what to
    /// do (docs/input.md). Exit codes: 0 nothing looks wrong, 3 something does, 1 a build would
    /// fail: a table can't be read, or more rows are unusable than --max-rejects allows.
    Check(Check),
    /// Build a snapshot from tables.
    ///
    /// Reads broadcasts, events, tabs and rules.toml from a folder (docs/input.md) and writes the
    /// packs of a snapshot. The environment variable SINSANG_USER_KEY holds the secret that users
    /// are hashed with: the edge's USER_KEY.
    Build(Build),
    /// Decide which listings are one product and which products are new, and write a line of JSON
    /// for each listing.
    ///
    /// A line has listing_id, shop, title, product_id and verdict: new, repeat or unknown. A
    /// listing is judged as of the start of its first broadcast that has not ended by --now, or of
    /// its first broadcast if all have ended. A code used for several products has a line for each.
    /// If the table has no listing_id, it is `~` and 16 hex digits made from the title
    /// (docs/input.md).
    Resolve(Resolve),
    /// Ask a person about the least certain decisions on the days to come, the most harmful first.
    ///
    /// Each question shows a listing with a broadcast to come and the earlier listing that it was
    /// judged by, with both titles and the reasons. The answers are `s` (same) and `d` (different),
    /// each with an optional reason behind it, `k` (skip) and `q` (stop). They are appended to the
    /// corrections file, which every judging command follows, and from which `identity train`
    /// learns (docs/corrections.md).
    Review(Review),
    /// Tell a listing's story in Korean: its product, how it joined the product, its verdict, and
    /// why.
    Why(Why),
    /// List, by shop, titles that claim to be new although the product has aired, and new products
    /// whose title does not say so.
    Audit(Audit),
    /// Show what changes if a snapshot replaces another, before anybody sees it.
    ///
    /// Compares sizes, verdicts by shop, the products that come to the tab `new` and leave it, with
    /// the evidence of both boards, and the first 20 places of drawn viewers; with --tables, also
    /// how well each would have ranked users' actions of the last 24 hours. Says first what the
    /// gate of `publish` objects to; the exit code is 3 then.
    Compare(Compare),
    /// Make a snapshot live.
    ///
    /// Writes the packs that the store lacks, reads written packs back, and moves the manifest
    /// last. An interrupted publish leaves the live snapshot unchanged, and the next publish
    /// continues. Without --force, publish refuses, with exit code 3, a snapshot that differs more
    /// from the live one than the rules allow, has no broadcasts, or was built ahead of the clock.
    /// Only one run at a time publishes, rolls back or removes packs. For --remote, the environment
    /// names the namespace at Cloudflare: CLOUDFLARE_ACCOUNT_ID, SINSANG_KV_NAMESPACE_ID and
    /// CLOUDFLARE_API_TOKEN.
    Publish(Publish),
    /// Show the snapshot on trial to more or fewer viewers, to all or to none.
    ///
    /// `sinsang publish SNAPSHOT --share 5%` begins a trial. Only the manifest moves: answers
    /// change within a minute or two. Lists that began in a snapshot go on in it, also when it is
    /// withdrawn.
    Share(Share),
    /// Make the snapshot before the live one, or another kept snapshot, live again.
    Rollback(Rollback),
    /// Show a store's live and kept snapshots, their age and size, and its latest runs.
    Status(Status),
    /// Remove packs that no kept snapshot names, once they are old enough and no answer of the last
    /// days is replayed from them.
    ///
    /// Lists all packs of the store, with one call for each thousand; --budget spreads this over
    /// several runs.
    Collect(Collect),
    /// Hide, correct or promote something between builds, within 90 seconds and for a time.
    #[command(subcommand)]
    Overlay(OverlayCommand),
    /// Give an answer of the last week again, to the byte, and tell why each place was so.
    ///
    /// Runs the edge's own code on the snapshot, the pulse and the overlay of then, which the store
    /// keeps for a week, and writes the body to standard output. Isolates follow a change within a
    /// minute or two, so it is not certain what one of them used: the ETag of the answer decides.
    /// SINSANG_USER_KEY holds the edge's USER_KEY (docs/operations.md).
    Replay(Replay),
    /// Add new events to the table `events`, each once (docs/events.md).
    #[command(subcommand)]
    Ingest(IngestCommand),
    /// Plan an experiment, or report on one.
    #[command(subcommand)]
    Experiment(ExperimentCommand),
    /// Estimate a month's bill at Cloudflare, beside that of a design with a key for each user
    /// (docs/operations.md).
    Cost(Cost),
    /// Bundle a snapshot with the Worker, for when no store answers.
    ///
    /// Writes the snapshot's manifest and board, without tastes, to one file that is deployed with
    /// the Worker's script.
    Bundle(Bundle),
    /// Sign a token that names a viewer, as the app's backend does, and write it to standard
    /// output.
    ///
    /// For trying and debugging, such as curl -H "Authorization: Bearer $(sinsang token …)"; the
    /// app's own backend signs the app's tokens (docs/tokens.md). SINSANG_JWT_HS256_KEY holds the
    /// Worker's JWT_HS256_KEY; or SINSANG_JWT_ES256_KEY, as a JWK, the private half of its
    /// JWT_ES256_PUBLIC_KEY.
    Token(Token),
    /// Show a snapshot, or a product or a user in it.
    Inspect(Inspect),
    /// Measure decisions against labels.
    #[command(subcommand)]
    Evaluate(Evaluate),
    /// Train the matcher, which decides whether two listings are one product.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Re-read a snapshot with the edge's own reader, and check it completely.
    Verify(Verify),
    /// Check the operators' rules.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Forget users and devices: the next build leaves out their events, and its snapshot their
    /// tastes.
    ///
    /// Adds their hashed names to forgotten.txt beside the tables, removes their rows from the
    /// copies named here, and reports what was found where and what could not be searched
    /// (docs/privacy.md). SINSANG_USER_KEY holds the secret; during a change of keys,
    /// SINSANG_USER_KEY_OTHER holds the one before or after it.
    Forget(Forget),
    /// Change USER_KEY without losing tastes: tell builds the names of users under two keys.
    ///
    /// Writes renamed.txt beside the tables, two hashes a line, from a list of the app's user ids.
    /// Builds then join the events of both names and write tastes under both, so the edge and the
    /// intake may change their key at any time (docs/operations.md). SINSANG_USER_KEY holds one
    /// secret and SINSANG_USER_KEY_OTHER the other.
    Rekey(Rekey),
    /// Keep the history as a product ledger, so that a day's run resolves only new listings.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// Limits and time zones for reading tables.
#[derive(Debug, Args)]
pub(crate) struct Reader {
    /// The share of a table's rows that may be set aside, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    max_rejects: f64,
    /// The time zone of times without an offset, for all tables, a table or a column: UTC,
    /// broadcasts=UTC, broadcasts.collected_at=+09:00; may be given several times [default: Korean
    /// time, and such times are counted].
    #[arg(long, value_name = "[TABLE[.COLUMN]=]ZONE")]
    timezone: Vec<ZoneSetting>,
}

impl Reader {
    pub(crate) fn limit(&self) -> Limit {
        Limit { max_share: self.max_rejects }
    }

    pub(crate) fn zones(&self) -> Zones {
        Zones::new(self.timezone.clone())
    }
}

/// The source of the history, and how to read it.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// The folder of the tables, or the table of broadcasts: a Parquet, NDJSON or CSV file
    /// (docs/input.md).
    #[arg(long, visible_alias = "schedule", value_name = "TABLE_OR_FOLDER")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    reader: Reader,
    /// The time that decides which broadcasts have begun or are still to come, as RFC 3339
    /// [default: the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) now: Option<UnixMillis>,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    engine: Engine,
}

impl Reading {
    pub(crate) fn options(
        &self,
        rejects: Option<PathBuf>,
        progress: Progress,
        connect: Option<engine::Connect>,
        now: UnixMillis,
    ) -> Result<history::Options, Unusable> {
        Ok(history::Options {
            input: self.input.clone(),
            rejects,
            limit: self.reader.limit(),
            zones: self.reader.zones(),
            policy: self.identity.policy(Some(self.folder()), now)?,
            engine: self.engine.options(connect)?,
            progress,
        })
    }

    /// The corrections file: `--corrections`, or the one beside the tables.
    pub(crate) fn corrections_file(&self) -> PathBuf {
        self.identity.corrections_file(self.folder())
    }

    /// The folder in which rules.toml is looked up.
    fn folder(&self) -> &Path {
        if self.input.is_file() { self.input.parent().unwrap_or(Path::new(".")) } else { &self.input }
    }
}

/// The query engine: its memory, its parallelism, and optionally a cluster.
#[derive(Debug, Args)]
pub(crate) struct Engine {
    /// Memory for the query engine, in MiB. A cluster's executors have their own.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: usize,
    /// Run queries on a cluster: the address of its scheduler, df://HOST:PORT (docs/scale.md).
    #[arg(long, value_name = "URL")]
    cluster: Option<String>,
    /// The folder in which tables are staged during the run; all machines of a cluster must see it
    /// under this path [default: the system's temporary folder].
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,
    /// Parallel partitions of a query [default: the cores, or 16 on a cluster].
    #[arg(long, value_name = "N")]
    partitions: Option<NonZeroUsize>,
}

/// Why arguments can't be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// `--cluster` can't be followed.
    #[error(transparent)]
    Cluster(#[from] NoCluster),
    /// A file that changes product identity can't be used.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
}

/// `--cluster` was given to a binary without a cluster client.
#[derive(Debug, thiserror::Error)]
#[error(
    "--cluster {url} needs a cluster client, and this sinsang was built without one: build bin/sinsang-cluster with `make cluster` and give it the same arguments"
)]
pub(crate) struct NoCluster {
    url: String,
}

impl Engine {
    fn options(&self, connect: Option<engine::Connect>) -> Result<engine::Options, NoCluster> {
        let cluster = match (&self.cluster, connect) {
            (None, _) => None,
            (Some(url), Some(connect)) => Some(engine::Cluster { url: url.clone(), connect }),
            (Some(url), None) => return Err(NoCluster { url: url.clone() }),
        };
        Ok(engine::Options {
            memory_bytes: self.memory.saturating_mul(1 << 20),
            cluster,
            work_dir: self.work_dir.clone(),
            partitions: self.partitions,
            ..engine::Options::default()
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// The snapshot's folder; the estimate uses the bytes of its board and of its tastes for each
    /// user.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) snapshot: PathBuf,
    /// Users in a month.
    #[arg(long, value_name = "N", value_parser = amount)]
    users: f64,
    /// Requests of each user in a month.
    #[arg(long, value_name = "N", value_parser = amount)]
    requests_per_user: f64,
    /// Publishes a day.
    #[arg(long, value_name = "N", value_parser = amount)]
    publishes_per_day: f64,
    /// CPU time of a request in microseconds [default: the one of /v1/home in docs/performance.md].
    #[arg(long, value_name = "US", value_parser = amount)]
    pub(crate) cpu: Option<f64>,
    /// A file of prices and assumptions, in place of the built-in crates/publish/data/cost.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

impl Cost {
    pub(crate) fn usage(&self) -> sinsang_publish::Usage {
        let Self { users, requests_per_user, publishes_per_day, .. } = *self;
        sinsang_publish::Usage { users, requests_per_user, publishes_per_day }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
    /// The file to write; the Worker's build takes `build/snapshot.bundle`.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
    /// Show this product: 16 hex digits, as answers show them.
    #[arg(long, value_name = "ID", conflicts_with = "user")]
    pub(crate) product: Option<String>,
    /// Show this user's tastes; SINSANG_USER_KEY holds the secret.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Rekey {
    /// A file with the app's user ids, one a line. They are not stored.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: PathBuf,
    /// The folder of the tables that snapshots are built from.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) input: PathBuf,
}
