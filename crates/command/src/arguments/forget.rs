//! Arguments of `sinsang forget`.

use std::path::PathBuf;

use clap::Args;
use sinsang_core::viewer::UserHasher;
use sinsang_pipeline::read::forgotten::{Error, Subject};

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Users, by the app's ids.
    #[arg(required_unless_present = "devices", value_name = "USER")]
    users: Vec<String>,
    /// A device, by the app's id for it (Sinsang-Device) or by its name in events, d and 16 hex
    /// digits; may be given several times.
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<String>,
    /// The folder of the tables that snapshots are built from. Rows of the table events are removed
    /// from NDJSON, and only counted in CSV and Parquet and in the lab's files. Rejects and
    /// viewers.json beside the tables are cleaned too.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) input: PathBuf,
    /// A snapshot's folder: reports whether it has the viewers' tastes, and cleans
    /// SNAPSHOT.rejects.ndjson and SNAPSHOT.viewers.json.
    #[arg(long = "snapshot", value_name = "FOLDER")]
    pub(crate) snapshots: Vec<PathBuf>,
    /// A further rejects file to clean.
    #[arg(long = "rejects", value_name = "FILE")]
    pub(crate) rejects: Vec<PathBuf>,
    /// A further viewers file to clean.
    #[arg(long = "viewers", value_name = "FILE")]
    pub(crate) viewers: Vec<PathBuf>,
    /// Event objects to clean, including those set aside: a folder, or s3://bucket/folder as for
    /// `ingest objects`. All of them are read.
    #[arg(long = "objects", value_name = "SOURCE")]
    pub(crate) objects: Vec<String>,
    /// Search the local KV that `wrangler dev --persist-to FOLDER` serves from, and keep it from
    /// serving an earlier snapshot with the viewers' tastes again.
    #[arg(long, value_name = "FOLDER", conflicts_with = "remote")]
    pub(crate) local: Option<PathBuf>,
    /// The same for the Workers KV namespace that the environment names.
    #[arg(long)]
    pub(crate) remote: bool,
    /// The folder of wrangler.toml, for --local.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
    /// Report what was found, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Forget {
    /// The viewers to forget, users first.
    pub(crate) fn subjects(&self, hashers: &[UserHasher]) -> Result<Vec<Subject>, Error> {
        let users = self.users.iter().map(|id| Subject::user(id, hashers));
        users.chain(self.devices.iter().map(|id| Subject::device(id, hashers))).collect()
    }
}
