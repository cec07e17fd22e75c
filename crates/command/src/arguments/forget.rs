//! Arguments of `sinsang forget`.

use std::path::PathBuf;

use clap::Args;
use sinsang_core::viewer::UserHasher;
use sinsang_pipeline::read::forgotten::{Error, Subject};

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// The users, by the app's ids.
    #[arg(required_unless_present = "devices", value_name = "USER")]
    users: Vec<String>,
    /// A device, by the id that the app gave it (Sinsang-Device) or by its name in events, d and 16 hex digits; may be given several times.
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<String>,
    /// The folder of the tables that snapshots are built from. Rows of the table events are removed where it is NDJSON, those of CSV and
    /// Parquet are counted; so are those of the lab's files. Rejects and viewers.json beside them are cleaned too.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) input: PathBuf,
    /// A snapshot's folder: tells whether it has tastes of theirs, and cleans the files SNAPSHOT.rejects.ndjson and SNAPSHOT.viewers.json.
    #[arg(long = "snapshot", value_name = "FOLDER")]
    pub(crate) snapshots: Vec<PathBuf>,
    /// A further file of rejects to clean.
    #[arg(long = "rejects", value_name = "FILE")]
    pub(crate) rejects: Vec<PathBuf>,
    /// A further file of viewers to clean.
    #[arg(long = "viewers", value_name = "FILE")]
    pub(crate) viewers: Vec<PathBuf>,
    /// Objects of events to clean, those set aside among them: a folder, or s3://bucket/folder as of `ingest objects`. All of them are read.
    #[arg(long = "objects", value_name = "SOURCE")]
    pub(crate) objects: Vec<String>,
    /// Look into the local KV that `wrangler dev --persist-to FOLDER` serves from, and have it serve no snapshot from before again that knows
    /// them.
    #[arg(long, value_name = "FOLDER", conflicts_with = "remote")]
    pub(crate) local: Option<PathBuf>,
    /// The same for the namespace of Workers KV that the environment names.
    #[arg(long)]
    pub(crate) remote: bool,
    /// The folder of wrangler.toml, for --local.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
    /// Tell what there is, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Forget {
    /// Who is to be forgotten, the users first.
    pub(crate) fn subjects(&self, hashers: &[UserHasher]) -> Result<Vec<Subject>, Error> {
        let users = self.users.iter().map(|id| Subject::user(id, hashers));
        users.chain(self.devices.iter().map(|id| Subject::device(id, hashers))).collect()
    }
}
