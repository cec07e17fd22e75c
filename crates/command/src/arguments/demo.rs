//! Arguments of `sinsang generate` and `sinsang import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use sinsang_core::time::UnixMillis;
use sinsang_demo::generate;
use sinsang_demo::import::retail;

use super::value::time;

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The folder to write to; created if missing.
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// Days of history [default: 180, or 45 with --quick].
    #[arg(long)]
    pub(super) days: Option<u32>,
    /// Users [default: 2000, or fewer with --quick].
    #[arg(long)]
    pub(super) users: Option<usize>,
    /// The seed of all random draws.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// The time at which history ends, as RFC 3339 [default: the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) now: Option<UnixMillis>,
    /// Generate a small set, for tests.
    #[arg(long)]
    pub(super) quick: bool,
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
    /// UCI Online Retail II: an item's first sale on a day becomes its broadcast, a purchase an
    /// event (docs/demo-data.md).
    OnlineRetail(OnlineRetail),
}

#[derive(Debug, Args)]
pub(crate) struct OnlineRetail {
    /// The data set as one Parquet file.
    pub(super) file: PathBuf,
    /// The folder to write to; created if missing.
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// The time taken as the present, as RFC 3339 [default: 2011-09-01T00:00:00Z].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) as_of: Option<UnixMillis>,
}

impl OnlineRetail {
    pub(crate) fn options(&self, progress: ProgressBar) -> retail::Options {
        let options = retail::Options::new(&self.file, &self.out);
        retail::Options { as_of: self.as_of.unwrap_or(options.as_of), progress, ..options }
    }
}
