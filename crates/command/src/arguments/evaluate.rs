//! Arguments of `sinsang evaluate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::engine;
use sinsang_pipeline::evaluate::ranking;
use sinsang_run::progress::Progress;

use super::value::day;
use super::{Identity, Judging};

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
    /// Measure how well tastes rank real purchases of new and known items, beside simpler methods
    /// (docs/ranking.md).
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
    /// UCI Online Retail II as one Parquet file.
    #[arg(long, value_name = "FILE")]
    retail: PathBuf,
    /// A day that splits the data: tastes learn from purchases before it, and rank purchases of the
    /// 30 days after it; may be given several times.
    #[arg(long = "cut", value_name = "DAY", value_parser = day, default_values = ranking::CUTS)]
    cuts: Vec<UnixMillis>,
}

impl EvaluateRanking {
    pub(crate) fn options(&self, progress: Progress) -> ranking::Options {
        let engine = engine::Options::default();
        ranking::Options { retail: self.retail.clone(), cuts: self.cuts.clone(), engine, progress }
    }
}
