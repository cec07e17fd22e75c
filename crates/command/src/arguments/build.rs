//! Arguments of `sinsang build`.

use std::path::PathBuf;

use clap::Args;
use sinsang_core::pack::Format as PackFormat;
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::{build, engine};
use sinsang_run::progress::Progress;

use super::value::{pack_format, time};
use super::{Engine, Identity, Reader, Unusable};

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder of the tables.
    #[arg(long, value_name = "FOLDER")]
    input: PathBuf,
    /// The folder of the snapshot; an earlier snapshot in it is replaced.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// The rules [default: rules.toml beside the tables, or the built-in ones].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The file for rows that can't be used [default: OUTPUT.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// The file to which the build appends a line of results, for the preview page's plots
    /// [default: OUTPUT.builds.ndjson].
    #[arg(long, value_name = "FILE")]
    builds: Option<PathBuf>,
    /// A file of a few users, {"viewers":[{"user_id","label"}]}. Their latest events are written to
    /// OUTPUT.viewers.json, for preview pages opened with the secret, and to no snapshot.
    #[arg(long, value_name = "FILE")]
    viewers: Option<PathBuf>,
    #[command(flatten)]
    reader: Reader,
    /// The format of the packs. Edges that read 2 also read 1; deploy them everywhere before a
    /// build writes 2 (docs/operations.md, Migrations). In 1, the weights of the pulse are fixed.
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = pack_format)]
    pack_format: PackFormat,
    /// The time of the build, as RFC 3339 [default: the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) now: Option<UnixMillis>,
    /// A ledger with the past: the tables then need only the days that are not in it, from a day
    /// before the present on. They are appended to the ledger once the snapshot is written
    /// (docs/scale.md).
    #[arg(long, value_name = "FOLDER")]
    ledger: Option<PathBuf>,
    /// The file that keeps the taste model between builds. Builds reuse the model for the rules'
    /// taste.train_every_days, and place new users and products by it; then it is trained again.
    /// Without this file, every build trains.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    engine: Engine,
}

impl Build {
    pub(crate) fn options(
        &self,
        user_key: String,
        progress: Progress,
        connect: Option<engine::Connect>,
        now: UnixMillis,
    ) -> Result<build::Options, Unusable> {
        Ok(build::Options {
            input: self.input.clone(),
            output: self.output.clone(),
            rules: self.rules.clone(),
            rejects: self.rejects.clone(),
            builds: self.builds.clone(),
            viewers: self.viewers.clone(),
            limit: self.reader.limit(),
            zones: self.reader.zones(),
            user_key,
            format: self.pack_format,
            ledger: self.ledger.clone(),
            model: self.model.clone(),
            policy: self.identity.policy(Some(&self.input), now)?,
            engine: self.engine.options(connect)?,
            progress,
        })
    }
}
