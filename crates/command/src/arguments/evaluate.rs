//! What `sinsang evaluate` is asked for.

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
    /// Precision and recall of "the same product" on labelled pairs of titles, beside three baselines.
    Identity {
        /// A table like pairs.tsv: title_a, price_a, title_b, price_b, brand, category, label, class.
        file: PathBuf,
        #[command(flatten)]
        identity: Identity,
    },
    /// Products and verdicts of a whole schedule on labelled pairs and listings of it, and what is split (docs/identity.md).
    Schedule(EvaluateSchedule),
    /// How well tastes rank real purchases, new items and known ones, beside simpler ways (docs/ranking.md).
    Ranking(EvaluateRanking),
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateSchedule {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// Labelled pairs, tab-separated: listing_a, listing_b, label (same, different, unclear); class, draw and weight where there are.
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    /// Listings that were read, tab-separated: listing, label (new, repeat, unclear); draw and note where there are.
    #[arg(long, value_name = "FILE")]
    pub(crate) verdicts: Option<PathBuf>,
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
