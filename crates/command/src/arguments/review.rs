//! Arguments of `sinsang review`.

use std::path::PathBuf;

use clap::Args;

use super::Judging;
use super::value::name;

#[derive(Debug, Args)]
pub(crate) struct Review {
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// A ledger with the past: the input then needs only the days that are not in it. The ledger is
    /// not changed.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) ledger: Option<PathBuf>,
    /// The name of the person who answers, written to each correction.
    #[arg(long, value_name = "NAME", required_unless_present = "list", value_parser = name)]
    pub(crate) who: Option<String>,
    /// Print the questions without asking them, as --format json does.
    #[arg(long)]
    pub(crate) list: bool,
    /// The number of days to come [default: window.ahead_days of the rules].
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<u32>,
    /// The most questions to ask.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) most: usize,
}

impl Review {
    /// The corrections file, to which answers are appended.
    pub(crate) fn file(&self) -> PathBuf {
        self.judging.reading.corrections_file()
    }
}
