//! Arguments of `sinsang evaluate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::evaluate::ranking;
use sinsang_run::progress::Progress;

use super::value::day;
use super::{Identity, Judging, Reading};

#[derive(Debug, Subcommand)]
pub(crate) enum Evaluate {
    /// Measure precision and recall of "the same product" on labelled pairs of titles, beside three
    /// baselines.
    Identity {
        /// A table like pairs.tsv, with title_a, price_a, title_b, price_b, brand, category, label
        /// and class.
        file: PathBuf,
        #[command(flatten)]
        identity: Identity,
    },
    /// Measure a whole schedule's products and verdicts on labelled pairs and listings, and count
    /// equal titles split into several products (docs/identity.md).
    Schedule(EvaluateSchedule),
    /// Measure how well tastes rank what users did later with new and known products, beside
    /// simpler methods: on the operator's own tables, or on another shop's log (docs/ranking.md).
    Ranking(EvaluateRanking),
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateSchedule {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// Labelled pairs, tab-separated: listing_a, listing_b, label (same, different, unclear);
    /// optionally class, draw and weight.
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    /// Labelled listings, tab-separated: listing, label (new, repeat, unclear); optionally draw and
    /// note.
    #[arg(long, value_name = "FILE")]
    pub(crate) verdicts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateRanking {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// A mapping of another shop's log, such as examples/logs/online-retail.toml: --input is then
    /// the log's file or folder (docs/measurements/ranking.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// A day that splits the data: tastes learn from what was done before it, and rank what was
    /// done in the 30 days after it; may be given several times [default: the log's, or the last
    /// three windows of the data].
    #[arg(long = "cut", value_name = "DAY", value_parser = day)]
    cuts: Vec<UnixMillis>,
    /// Half-life of what was done, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ranking::HALF_LIFE_DAYS)]
    half_life_days: f64,
    /// Train with the default settings instead of those that the weeks before each cut choose
    #[arg(long)]
    default_settings: bool,
}

impl EvaluateRanking {
    pub(crate) fn options(&self, data: ranking::Data, progress: Progress) -> ranking::Options {
        ranking::Options {
            data,
            cuts: self.cuts.clone(),
            half_life_days: self.half_life_days,
            tune: !self.default_settings,
            progress,
        }
    }
}
