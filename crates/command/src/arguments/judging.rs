//! Arguments of the commands that judge listings: `resolve`, `audit`.

use super::Reading;
use crate::audit;
use clap::Args;
use sinsang_pipeline::read::rules::{self, Rules};
use std::path::PathBuf;

/// The history, and the rules that judge it.
#[derive(Debug, Args)]
pub(crate) struct Judging {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The rules [default: rules.toml beside the tables, or the built-in ones].
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
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
    /// The NDJSON file to write; an earlier one is replaced once the new one is complete.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Add to each line the time of judgement, the evidence, the nearest earlier listing with the
    /// score and its parts, and the nearest listing of another product.
    #[arg(long)]
    pub(crate) explain: bool,
    /// A ledger with the past: the input then needs only the days that are not in it. They are
    /// appended to the ledger once the output is written (docs/scale.md).
    #[arg(long, value_name = "FOLDER")]
    pub(crate) ledger: Option<PathBuf>,
    /// The file for rows that can't be used [default: OUTPUT.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// Rows of each list in the text; JSON has them all.
    #[arg(long, value_name = "N", default_value_t = audit::ROWS_SHOWN)]
    pub(crate) rows: usize,
}
