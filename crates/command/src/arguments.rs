//! The arguments of the `sinsang` command.

mod build;
mod check;
mod evaluate;
mod forget;
mod identity;
mod ingest;
mod review;
mod store;
mod value;
mod why;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use sinsang_core::time::UnixMillis;
use sinsang_demo::generate;
use sinsang_demo::import::retail;
use sinsang_pipeline::read::history;
use sinsang_pipeline::read::rules::{self, Rules};
use sinsang_pipeline::{engine, ledger};
use sinsang_run::progress::Progress;
use sinsang_run::replace::beside;
use sinsang_tables::reject::Limit;
use sinsang_tables::{ZoneSetting, Zones};

use crate::telemetry::LogFormat;
use crate::{audit, terminal};

pub(crate) use build::Build;
pub(crate) use check::Check;
pub(crate) use evaluate::Evaluate;
pub(crate) use forget::Forget;
use identity::{BadIdentity, Identity};
pub(crate) use identity::{IdentityCommand, Train};
pub(crate) use ingest::{IngestCommand, IngestKafka, IngestObjects};
pub(crate) use review::Review;
pub(crate) use store::{Collect, Publish, Rollback, Status};
use value::{amount, level, share, time, variant};
pub(crate) use why::Why;

/// Sinsang's pipeline: broadcast schedules, history and events in, a published snapshot out.
///
/// Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 checked and found wrong.
#[derive(Debug, Parser)]
#[command(name = "sinsang", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How reports and errors are written.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Show no progress bar, even on a terminal.
    #[arg(long, global = true)]
    quiet: bool,
    /// How log lines on standard error are written. SINSANG_LOG says which [default: warn]: a level, or directives such as
    /// warn,sinsang=info.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Write what the run came to as metrics in Prometheus' text form, for node_exporter's textfile collector; the file is replaced
    /// once the command is done, and stays as it was where it fails (docs/operations.md).
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
}

impl Arguments {
    /// The arguments of this process; where they are none, or ask for help, the code that it ends with. What is wrong with them is quoted on
    /// standard error as any text from elsewhere is.
    ///
    /// # Errors
    /// The exit code.
    pub fn of_process() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| terminal::end_of(&error))
    }

    pub(crate) fn progress(&self) -> Progress {
        if self.is_silent() { Progress::hidden() } else { Progress::on_terminal() }
    }

    /// A bar that counts `unit`s; what it counts to is set by who counts. It shows on a terminal only.
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
    /// What it is called on the command line.
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
            Self::Publish(_) => "publish",
            Self::Rollback(_) => "rollback",
            Self::Status(_) => "status",
            Self::Collect(_) => "collect",
            Self::Experiment(_) => "experiment",
            Self::Cost(_) => "cost",
            Self::Bundle(_) => "bundle",
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
    /// Read tables without building, and tell what they hold and what looks wrong.
    ///
    /// For each column: how many values came in which form, with examples; what was repaired, assumed, dropped or set aside, with the first
    /// place. For each table as a whole: shops that vanished, lost days, times nine hours off and the like, with why it matters and what to
    /// do (docs/input.md). Exit codes: 0 nothing looks wrong, 3 something does, 1 a build would fail: a table can't be read, or more of it
    /// can't be used than --max-rejects allows.
    Check(Check),
    /// Build a snapshot from tables.
    ///
    /// Reads broadcasts, events, tabs and rules.toml from a folder (docs/input.md) and writes the packs of a snapshot. The environment
    /// variable SINSANG_USER_KEY has the secret that users are hashed with, the edge's USER_KEY.
    Build(Build),
    /// Decide which listings are one product and which products are new, and write a line of JSON for each listing.
    ///
    /// A line has listing_id, shop, title, product_id and verdict: new, repeat or unknown, as of the start of the listing's first broadcast
    /// that has not ended by --now; of a listing without one, as of its first broadcast. A code that was used for several products has a line
    /// for each. Where the table has no listing_id, it is `~` and 16 hex digits made from the title (docs/input.md).
    Resolve(Resolve),
    /// Ask a person about the least certain decisions on the days to come, the most harmful first.
    ///
    /// Each question is a listing with a broadcast to come and the earlier one that it was judged by, with both titles and the reasons.
    /// Answers are `s` (same), `d` (different), each with a reason behind it where there is one to give, `k` (skip) and `q` (stop). They are
    /// appended to the corrections file, which every command that judges follows, and `identity train` learns from (docs/corrections.md).
    Review(Review),
    /// Tell a listing's story in Korean: its product, how it came to it, its verdict and why.
    Why(Why),
    /// List titles that claim to be new and have aired, and new products that do not say so, by shop.
    Audit(Audit),
    /// Make a snapshot live.
    ///
    /// Writes the packs that are not there yet, reads back what was written, and moves the manifest last. A publish that is cut short leaves
    /// what was live; the next one goes on from there. A snapshot that differs more from what is live than the rules let it is refused, with
    /// exit code 3, unless --force is given; so is one of no broadcasts, or built ahead of the clock. One run at a time publishes, rolls back
    /// or removes packs. A namespace at Cloudflare (--remote) is named by the environment:
    /// CLOUDFLARE_ACCOUNT_ID, SINSANG_KV_NAMESPACE_ID and CLOUDFLARE_API_TOKEN.
    Publish(Publish),
    /// Make the snapshot live that was live before, or another one that is kept.
    Rollback(Rollback),
    /// Show what is live in a store, what is kept, how old and large it is, and what was last done.
    Status(Status),
    /// Remove packs that no kept snapshot names, once they are old enough.
    ///
    /// Goes through the list of all packs, a call for each thousand; with --budget over several runs.
    Collect(Collect),
    /// Take events into the table `events`, each once (docs/events.md).
    #[command(subcommand)]
    Ingest(IngestCommand),
    /// Tell what an experiment shows.
    #[command(subcommand)]
    Experiment(ExperimentCommand),
    /// Estimate what a month costs at Cloudflare, beside a design with a key for each user (docs/operations.md).
    Cost(Cost),
    /// Bundle a snapshot with the Worker, for when no store answers.
    ///
    /// Writes the snapshot's manifest and board, without anybody's tastes, to one file that is deployed with the Worker's script.
    Bundle(Bundle),
    /// Show a snapshot, or a product or a user in it.
    Inspect(Inspect),
    /// Measure what is decided against labels.
    #[command(subcommand)]
    Evaluate(Evaluate),
    /// Work on what makes two listings one product.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Re-read a snapshot with the edge's own reader and check all that can be checked.
    Verify(Verify),
    /// Work on the operators' rules.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Forget users and devices: the next build leaves out all that they did, and its publish is without them.
    ///
    /// Writes their names, which are hashes, to forgotten.txt beside the tables, and removes their rows from what it is pointed at; it tells
    /// what was found where, and what not (docs/privacy.md). SINSANG_USER_KEY has the secret, and SINSANG_USER_KEY_OTHER the one before or
    /// after it while it is changed.
    Forget(Forget),
    /// Change USER_KEY without losing anybody's tastes: tell builds which names users have under two keys.
    ///
    /// Writes renamed.txt beside the tables, two hashes a line, from a list of the app's user ids. Builds then take the events of both names
    /// together and write tastes under both, so that the edge and the intake may change their key when they like (docs/operations.md).
    /// SINSANG_USER_KEY has the one secret and SINSANG_USER_KEY_OTHER the other.
    Rekey(Rekey),
    /// Keep the history as a product ledger, so that a day's run resolves only what is new.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The folder to write to; made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Days of history [default: 180, or 45 with --quick].
    #[arg(long)]
    days: Option<u32>,
    /// Users [default: 2000, or fewer with --quick].
    #[arg(long)]
    users: Option<usize>,
    /// What every draw follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The moment that history ends at, as RFC 3339 [default: the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<UnixMillis>,
    /// A small set, for tests.
    #[arg(long)]
    quick: bool,
}

impl Generate {
    pub(crate) fn options(&self, clock: UnixMillis, progress: ProgressBar) -> generate::Options {
        let mut options = generate::Options::new(&self.out, self.now.unwrap_or(clock));
        options.progress = progress;
        if self.quick {
            options = options.quick();
        }
        options.days = self.days.unwrap_or(options.days);
        options.users = self.users.unwrap_or(options.users);
        options.seed = self.seed;
        options
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// UCI Online Retail II: an item's first sale on a day is its broadcast, a purchase an event (docs/demo-data.md).
    OnlineRetail(OnlineRetail),
}

#[derive(Debug, Args)]
pub(crate) struct OnlineRetail {
    /// The data set as one Parquet file.
    file: PathBuf,
    /// The folder to write to; made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The moment that is taken as the present, as RFC 3339 [default: 2011-09-01T00:00:00Z].
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<UnixMillis>,
}

impl OnlineRetail {
    pub(crate) fn options(&self, progress: ProgressBar) -> retail::Options {
        let options = retail::Options::new(&self.file, &self.out);
        retail::Options { as_of: self.as_of.unwrap_or(options.as_of), progress, ..options }
    }
}

/// What tables may hold.
#[derive(Debug, Args)]
pub(crate) struct Reader {
    /// The share of a table that may be set aside, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    max_rejects: f64,
    /// The zone of times that have no offset, of all tables, a table or a column: UTC, broadcasts=UTC, broadcasts.collected_at=+09:00; may be given several
    /// times [default: Korean time, which is counted].
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

/// Where the history is read from, and how.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// The folder of the tables, or the table of broadcasts: a Parquet, NDJSON or CSV file (docs/input.md).
    #[arg(long, visible_alias = "schedule", value_name = "TABLE_OR_FOLDER")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    reader: Reader,
    /// The time that decides which broadcasts have begun or are still to come, as RFC 3339 [default: the present].
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

    /// The corrections file: the one named, or else the one beside the tables.
    pub(crate) fn corrections_file(&self) -> PathBuf {
        self.identity.corrections_file(self.folder())
    }

    /// The folder that rules.toml is looked for in.
    fn folder(&self) -> &Path {
        if self.input.is_file() { self.input.parent().unwrap_or(Path::new(".")) } else { &self.input }
    }
}

/// The history, and the rules that it is judged by.
#[derive(Debug, Args)]
pub(crate) struct Judging {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The rules [default: rules.toml beside the tables, or the built-in ones].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl Judging {
    pub(crate) fn rules(&self) -> Result<Rules, rules::Error> {
        Rules::find(self.rules.as_deref(), self.reading.folder())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// The file to write to, NDJSON; an earlier one is replaced once the new one is whole.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Add to each line as of when it is judged, the evidence, the nearest earlier listing with the score and its parts, and the nearest
    /// one that is another product.
    #[arg(long)]
    pub(crate) explain: bool,
    /// A ledger that keeps the past, so that the input need only have the days that are not in it; they are appended to it once the output
    /// is written (docs/scale.md).
    #[arg(long, value_name = "FOLDER")]
    pub(crate) ledger: Option<PathBuf>,
    /// Where rows that can't be used are written [default: OUTPUT.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// Rows of each list that the text shows; JSON has them all.
    #[arg(long, value_name = "N", default_value_t = audit::ROWS_SHOWN)]
    pub(crate) rows: usize,
}

/// Where the questions of a command are answered, and with what.
#[derive(Debug, Args)]
pub(crate) struct Engine {
    /// Memory for the engine, in MiB. Executors of a cluster have their own.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: usize,
    /// Have a cluster do it: the address of its scheduler, df://HOST:PORT (docs/scale.md).
    #[arg(long, value_name = "URL")]
    cluster: Option<String>,
    /// The folder that tables are staged in while they are worked on; all machines of a cluster must see it under this path [default: the
    /// system's temporary folder].
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,
    /// The parts that a question is worked on in at once [default: the cores, or 16 on a cluster].
    #[arg(long, value_name = "N")]
    partitions: Option<NonZeroUsize>,
}

/// Arguments that ask for what there is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// A cluster.
    #[error(transparent)]
    Cluster(#[from] NoCluster),
    /// A file that says what makes two listings one product.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
}

/// A cluster is asked of a command that was built without one.
#[derive(Debug, thiserror::Error)]
#[error(
    "this sinsang was built without a cluster's client, so --cluster {url} can't be followed: `make cluster` builds bin/sinsang-cluster, which takes the same commands and arguments"
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

#[derive(Debug, Subcommand)]
pub(crate) enum ExperimentCommand {
    /// Rates of each variant with intervals and p-values that hold at every look, the ratio of viewers, novelty (docs/experiments.md).
    Report(ExperimentReport),
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentReport {
    /// The experiment.
    pub(crate) experiment: String,
    /// Files of events, NDJSON as it is or by gzip, or folders of them such as the table `events`.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,
    /// A variant and its share of traffic, such as fresh=0.5; the first is the control.
    #[arg(long = "variant", required = true, value_name = "NAME=SHARE", value_parser = variant)]
    variants: Vec<(String, f64)>,
    /// Viewers of a variant and the control together after which the intervals are to be narrowest.
    #[arg(long, value_name = "N", default_value_t = 20_000.0, value_parser = amount)]
    planned: f64,
    /// The level: the share of experiments without a difference that may come out significant at any look.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = level)]
    alpha: f64,
    /// Look at devices beside viewers who are signed in. Whoever makes up devices decides then what comes out.
    #[arg(long)]
    devices: bool,
    /// Write a picture of the report, SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

impl ExperimentReport {
    pub(crate) fn settings(&self) -> sinsang_experiment::Settings {
        let Self { experiment, variants, planned, alpha, devices, .. } = self;
        let (experiment, variants) = (experiment.clone(), variants.clone());
        sinsang_experiment::Settings { experiment, variants, planned: *planned, alpha: *alpha, devices: *devices }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// A snapshot folder: the bytes of its board and of tastes for each user are what the estimate takes.
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
    /// CPU time of a request in microseconds [default: what docs/performance.md has for /v1/home].
    #[arg(long, value_name = "US", value_parser = amount)]
    pub(crate) cpu: Option<f64>,
    /// Prices and assumptions in place of the built-in ones, which crates/publish/data/cost.toml has.
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
    /// The file to write, `build/snapshot.bundle` for the Worker that is built.
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
    /// Show this user's tastes; SINSANG_USER_KEY has the secret.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check a rules file: errors with line and column, and directives that contradict each other.
    Check {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Rekey {
    /// The app's user ids, one a line. They are read, and not kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: PathBuf,
    /// The folder of the tables that snapshots are built from.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) input: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Resolve a day's broadcasts against the ledger and append what is new. A table that comes twice changes nothing.
    Update(Box<LedgerUpdate>),
    /// Show the ledger's size, its runs and how far back each shop reaches.
    Stats {
        /// The folder of the ledger.
        folder: PathBuf,
    },
    /// Put runs together, so that look-ups go through fewer files, and remove what a run left that died.
    Compact {
        /// The folder of the ledger.
        folder: PathBuf,
        /// All runs, not just the late ones: rewrites the whole ledger.
        #[arg(long)]
        all: bool,
    },
    /// Re-read the whole ledger: checksums, order, and that each table has what the others name. Exit code 3 where something is wrong.
    Check {
        /// The folder of the ledger.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LedgerUpdate {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The folder of the ledger; made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    ledger: PathBuf,
    /// Where rows that can't be used are written [default: LEDGER.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl LedgerUpdate {
    pub(crate) fn options(
        &self,
        progress: Progress,
        connect: Option<engine::Connect>,
        now: UnixMillis,
    ) -> Result<ledger::Options, Unusable> {
        let rejects = self.rejects.clone().unwrap_or_else(|| beside(&self.ledger, "rejects.ndjson"));
        Ok(ledger::Options {
            ledger: self.ledger.clone(),
            history: self.reading.options(Some(rejects), progress, connect, now)?,
        })
    }
}
