//! The arguments of the `sinsang` command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use sinsang::time::UnixMillis;
use sinsang_pipeline::evaluate::ranking;
use sinsang_pipeline::import::retail;
use sinsang_pipeline::progress::Progress;
use sinsang_pipeline::reject::Limit;
use sinsang_pipeline::{build, engine, generate};

/// Sinsang's pipeline: broadcast schedules, history and events in, a published snapshot out.
///
/// Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 checked and found wrong.
#[derive(Debug, Parser)]
#[command(name = "sinsang", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How reports and errors are written.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Show no progress bar, even on a terminal.
    #[arg(long, global = true)]
    quiet: bool,
}

impl Arguments {
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
    /// Build a snapshot from tables.
    ///
    /// Reads broadcasts, events, tabs and rules.toml from a folder (docs/input.md) and writes the packs of a snapshot. The environment
    /// variable SINSANG_USER_KEY has the secret that users are hashed with, the edge's USER_KEY.
    Build(Build),
    /// Make a snapshot live.
    Publish(Publish),
    /// Show a snapshot, or a product or a user in it.
    Inspect(Inspect),
    /// Measure what is decided against labels.
    #[command(subcommand)]
    Evaluate(Evaluate),
    /// Re-read a snapshot with the edge's own reader and check all that can be checked.
    Verify(Verify),
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

#[derive(Debug, Subcommand)]
pub(crate) enum Evaluate {
    /// Precision and recall of "the same product" on labelled pairs of titles, beside three baselines.
    Identity {
        /// A table like pairs.tsv: title_a, price_a, title_b, price_b, brand, category, label, class.
        file: PathBuf,
    },
    /// How well tastes rank real purchases, new items and known ones, beside simpler ways (docs/ranking.md).
    Ranking(EvaluateRanking),
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateRanking {
    /// UCI Online Retail II as one Parquet file.
    #[arg(long, value_name = "FILE")]
    retail: PathBuf,
    /// A day that what was bought before is learned from, and what was bought in the 30 days after is ranked; may be given several times.
    #[arg(long = "cut", value_name = "DAY", value_parser = day, default_values = ranking::CUTS)]
    cuts: Vec<UnixMillis>,
}

impl EvaluateRanking {
    pub(crate) fn options(&self, progress: Progress) -> ranking::Options {
        let engine = engine::Options::default();
        ranking::Options { retail: self.retail.clone(), cuts: self.cuts.clone(), engine, progress }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder of the tables.
    #[arg(long, value_name = "FOLDER")]
    input: PathBuf,
    /// The folder of the snapshot; an earlier one in it is replaced.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// The rules [default: rules.toml beside the tables, or the built-in ones].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Where rows that can't be used are written [default: OUTPUT.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// The share of a table that may be set aside, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    max_rejects: f64,
    /// The time of the build, as RFC 3339 [default: the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) now: Option<UnixMillis>,
    /// Memory for the engine, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: usize,
}

impl Build {
    pub(crate) fn options(&self, user_key: String, progress: Progress) -> build::Options {
        build::Options {
            input: self.input.clone(),
            output: self.output.clone(),
            rules: self.rules.clone(),
            rejects: self.rejects.clone(),
            limit: Limit { max_share: self.max_rejects },
            user_key,
            engine: engine::Options { memory_bytes: self.memory.saturating_mul(1 << 20), ..engine::Options::default() },
            progress,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The folder of the snapshot.
    pub(crate) snapshot: PathBuf,
    /// Publish to the local KV that `wrangler dev --persist-to FOLDER` serves from.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) local: PathBuf,
    /// The folder of wrangler.toml.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
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

fn time(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(text).ok_or_else(|| "expected RFC 3339, such as 2026-11-22T09:00:00+09:00".to_owned())
}

/// A day at midnight UTC.
fn day(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(&format!("{text}T00:00:00Z"))
        .ok_or_else(|| "expected a day, such as 2011-09-01".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("expected a number from 0 to 1".to_owned()) }
}
