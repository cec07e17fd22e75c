//! What operators said of broadcasts between builds: a broadcast that was cancelled has not aired,
//! and one that was moved aired then. So verdicts follow the overlay, too.
//!
//! `sinsang overlay history --output overlay.ndjson` writes the file beside the tables.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_publish::overlay::{Deed, Log, Said};
use sinsang_run::file::read_text;

use crate::engine::sql;
use crate::read::source::{Stage, StageError, register_parquet};

/// The name of the file beside the tables.
pub const FILE: &str = "overlay.ndjson";
/// The most bytes of the file.
const MOST_BYTES: u64 = 25 << 20;

/// Why the overlay can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line is no entry.
    #[error("{} line {line}: {why}; write it with `sinsang overlay history --output`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A query failed.
    #[error("the overlay can't be applied to the schedule: {0}; more memory or room to spill may help")]
    Engine(#[from] DataFusionError),
    /// The staged table can't be written.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// Counts of what the overlay changed in the schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Entries about broadcasts.
    pub said: usize,
    /// Slots before.
    pub slots_before: usize,
    /// Slots after.
    pub slots_after: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { said, slots_before, slots_after } = self;
        write!(f, "overlay: {said} changes of broadcasts; {slots_before} slots before, {slots_after} after")
    }
}

/// The entries about broadcasts in `folder`'s [`FILE`] that nobody took back; none without the
/// file. One that has ended is still true of its broadcast.
///
/// # Errors
/// An [`Error`] that names the file, and the line in it if that is no entry.
pub fn find(folder: &Path) -> Result<Vec<Said>, Error> {
    let path = folder.join(FILE);
    let text = match read_text(&path, MOST_BYTES) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|source| Error::Read { path: path.clone(), source })?,
    };
    let log = Log::parse(&text).map_err(|(line, why)| Error::Line { path, line, why })?;
    let is_meant = |said: &Said| said.removed.is_none() && said.statement.deed.is_of_slots();
    Ok(log.entries().iter().filter(|said| is_meant(said)).cloned().collect())
}

/// Replaces the table `slots` by what `said` makes of it, staged in `work_dir`.
///
/// # Errors
/// An [`Error`] if a query fails or the folder can't be written.
pub async fn amend(context: &SessionContext, work_dir: &Path, slots: &str, said: &[Said]) -> Result<Report, Error> {
    let mut report = Report { said: said.len(), ..Report::default() };
    if said.is_empty() {
        return Ok(report);
    }
    report.slots_before = context.table(slots).await?.count().await?;
    context.register_batch("said", rows(said)?)?;
    let schema: SchemaRef = Arc::new(context.table(slots).await?.schema().as_arrow().clone());
    let mut answer = context.sql(sql!("slots_said")).await?.execute_stream().await?;
    let mut stage = Stage::create(&work_dir.join("slots_said.parquet"), Arc::clone(&schema))?;
    while let Some(batch) = answer.next().await {
        let batch = batch?;
        report.slots_after += batch.num_rows();
        stage.write(
            &RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).map_err(DataFusionError::from)?,
        )?;
    }
    let staged = stage.close()?;
    register_parquet(context, slots, &staged).await?;
    context.deregister_table("said")?;
    Ok(report)
}

/// The table `said`: a row for each broadcast that an entry is about.
fn rows(said: &[Said]) -> Result<RecordBatch, DataFusionError> {
    type Texts = Vec<Option<String>>;
    let at = |text: Option<&String>| text.and_then(|text| UnixMillis::parse_rfc3339(text)).map(|at| at.0);
    let mut texts: [Texts; 6] = Default::default();
    let mut times: [Vec<Option<i64>>; 3] = Default::default();
    for said in said {
        let statement = &said.statement;
        let is_replaced = statement.deed != Deed::Cancel;
        for row in &said.of {
            let to = said.to.as_ref().filter(|_| is_replaced);
            let values = [
                Some(row.channel.clone()),
                Some(row.shop.clone()),
                Some(row.listing_id.clone()),
                to.map(|to| to.channel.clone()),
                to.map(|to| to.shop.clone()),
                to.map(|to| to.listing_id.clone()),
            ];
            texts.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
            let own = [&statement.starts_at, &statement.to_starts_at, &statement.to_ends_at];
            times.iter_mut().zip(own).for_each(|(column, text)| column.push(at(text.as_ref())));
        }
    }
    let names = ["channel", "shop", "listing_id", "to_channel", "to_shop", "to_listing_id"];
    let mut fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    fields.extend(["starts_at", "to_starts_at", "to_ends_at"].map(|name| Field::new(name, DataType::Int64, true)));
    let columns = texts.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
    let columns = columns.chain(times.into_iter().map(|column| Arc::new(Int64Array::from(column)) as ArrayRef));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect())?)
}
