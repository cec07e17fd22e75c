//! Arguments of `sinsang check`.

use std::path::PathBuf;

use clap::Args;
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::Progress;

use super::Reader;
use super::value::time;
use crate::check::{self, Checked};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The folder of the tables, or one table's file.
    #[arg(value_name = "FOLDER")]
    input: PathBuf,
    /// Check only this table. Which broadcasts the events join is reported only if broadcasts is
    /// read too.
    #[arg(long, value_enum, value_name = "NAME")]
    table: Option<Checked>,
    #[command(flatten)]
    reader: Reader,
    /// The time taken as the present, as RFC 3339 [default: the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) now: Option<UnixMillis>,
    /// Memory of the build to come, in MiB; a quarter of it is for the pages of a Parquet file.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u64,
}

impl Check {
    pub(crate) fn options(&self, progress: Progress) -> check::Options {
        check::Options {
            input: self.input.clone(),
            table: self.table,
            limit: self.reader.limit(),
            zones: self.reader.zones(),
            page_bytes: self.memory.saturating_mul(1 << 20) / 4,
            progress,
        }
    }
}
