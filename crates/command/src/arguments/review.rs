//! What `sinsang review` takes.

use std::path::PathBuf;

use clap::Args;

use super::Judging;
use super::value::name;

#[derive(Debug, Args)]
pub(crate) struct Review {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// A ledger that keeps the past, so that the input need only have the days that are not in it. It stays as it is.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) ledger: Option<PathBuf>,
    /// Who answers, which each correction names.
    #[arg(long, value_name = "NAME", required_unless_present = "list", value_parser = name)]
    pub(crate) who: Option<String>,
    /// Tell the questions and ask none, as --format json does.
    #[arg(long)]
    pub(crate) list: bool,
    /// Days to come [default: window.ahead_days of the rules].
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<u32>,
    /// The most questions.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) most: usize,
}

impl Review {
    /// The file that answers are appended to.
    pub(crate) fn file(&self) -> PathBuf {
        self.judging.reading.corrections_file()
    }
}
