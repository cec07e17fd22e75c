//! Arguments of `sinsang ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::{engine, ledger};
use sinsang_run::progress::Progress;
use sinsang_run::replace::beside;

use super::{Reading, Unusable};

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Resolve a day's broadcasts against the ledger and append the new ones. A repeated table
    /// changes nothing.
    Update(Box<LedgerUpdate>),
    /// Show the ledger's size, its runs, and how far back each shop's history reaches.
    Stats {
        /// The folder of the ledger.
        folder: PathBuf,
    },
    /// Merge runs, so that look-ups read fewer files, and remove leftovers of crashed runs.
    Compact {
        /// The folder of the ledger.
        folder: PathBuf,
        /// Merge all runs, not just the late ones: rewrites the whole ledger.
        #[arg(long)]
        all: bool,
    },
    /// Re-read the whole ledger: checksums, order, and references between tables. Exit code 3 if
    /// something is wrong.
    Check {
        /// The folder of the ledger.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LedgerUpdate {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The folder of the ledger; created if missing.
    #[arg(long, value_name = "FOLDER")]
    pub(super) ledger: PathBuf,
    /// The file for rows that can't be used [default: LEDGER.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,
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
