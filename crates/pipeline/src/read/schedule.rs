//! The schedule: the rows of `broadcasts`, reduced to one row a slot, each with an end.

mod code;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::StreamExt as _;
use serde::{Serialize, Serializer};
use sinsang_core::time::{DAY_MS, HOUR_MS, KST_OFFSET_MS, MINUTE_MS, UnixMillis};
use sinsang_tables::table::Broadcast;

use crate::engine::sql;
use crate::read::overlay;
use crate::read::source::{self, Stage, StageError, register_parquet};

/// The table that [`build`] registers.
pub const TABLE: &str = "slots";
/// The length of a slot without an end, if nothing follows it on its channel.
pub const DEFAULT_SLOT_MS: i64 = 60 * MINUTE_MS;
/// The longest slot that is measured or filled in. Given ends may be later.
pub const FILLED_SLOT_MAX_MS: i64 = 210 * MINUTE_MS;

/// The longest pause between two rows of one collection of a channel: a crawl reads page after
/// page, and the next crawl begins hours later.
pub const COLLECTION_PAUSE_MS: i64 = 2 * MINUTE_MS;
/// The longest time without a start within one schedule; slots beyond it form a schedule of their
/// own.
pub const COVERED_MAX_MS: i64 = 6 * HOUR_MS;

/// The columns of `slots`: those of `broadcasts`, with `ends_at` never null. Times are milliseconds
/// since 1970-01-01T00:00:00Z, prices won.
fn columns() -> Vec<Field> {
    source::columns::<Broadcast>()
        .map(|field| if field.name() == "ends_at" { field.with_nullable(false) } else { field })
        .collect()
}

/// Why the schedule can't be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A query failed: it may need more memory or room to spill.
    #[error("the schedule can't be built from the table broadcasts: {0}; more memory or room to spill may help")]
    Engine(#[from] DataFusionError),
    /// The staged table can't be written.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// Counts of the schedule's repair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows of `broadcasts`.
    pub rows: u64,
    /// Codes discarded because several shops give each to many things.
    pub shared_codes: u64,
    /// Rows with a discarded code, identified by their title instead.
    pub shared_code_rows: u64,
    /// Rows replaced by a later row of the same slot.
    pub duplicates: u64,
    /// Slots missing from a later collection of their channel, which has their listing elsewhere;
    /// left out.
    pub moved: u64,
    /// Slots missing from a later collection of their channel, as is their listing; left out.
    pub cancelled: u64,
    /// Rows of `slots`.
    pub slots: u64,
    /// What operators' overlay changed, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<overlay::Report>,
    /// Channels.
    pub channels: u64,
    /// Slots with a given end.
    pub ends_given: u64,
    /// Slots ended by the next start on their channel.
    pub ends_from_next: u64,
    /// Slots given an hour because nothing follows them.
    pub ends_default: u64,
    /// Slots cut at 210 minutes because the next start is later.
    pub ends_capped: u64,
    /// Times on a channel that begin before an earlier slot ends; kept unchanged.
    pub overlaps: u64,
    /// Times on a channel that reach past midnight in Korea.
    pub over_midnight: u64,
    /// The first start.
    #[serde(serialize_with = "as_rfc3339")]
    pub first_start: Option<UnixMillis>,
    /// The last end.
    #[serde(serialize_with = "as_rfc3339")]
    pub last_end: Option<UnixMillis>,
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn as_rfc3339<S: Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(UnixMillis::to_kst_rfc3339).serialize(serializer)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "slots: {} on {} channels from {} rows, {} duplicates left out",
            self.slots, self.channels, self.rows, self.duplicates
        )?;
        if self.shared_codes > 0 {
            write!(
                f,
                "\n  {} codes discarded, because several shops give them to many things: {} rows identified by title",
                self.shared_codes, self.shared_code_rows
            )?;
        }
        if self.moved + self.cancelled > 0 {
            write!(
                f,
                "\n  left out slots missing from a later schedule of the channel: {} moved, {} cancelled",
                self.moved, self.cancelled
            )?;
        }
        if let (Some(first), Some(last)) = (self.first_start, self.last_end) {
            write!(f, "\n  from {first} to {last}")?;
        }
        write!(
            f,
            "\n  ends: {} given, {} from the next start, {} cut at 210 minutes, {} an hour by default",
            self.ends_given, self.ends_from_next, self.ends_capped, self.ends_default
        )?;
        write!(f, "\n  {} overlap on their channel, {} run over midnight", self.overlaps, self.over_midnight)?;
        self.overlay.iter().try_for_each(|overlay| write!(f, "\n  {overlay}"))
    }
}

/// Builds the table `slots` from `broadcasts`, staged in `work_dir`: one row for each (channel,
/// `starts_at`, shop, `listing_id`), `ends_at` never null, ordered by start, channel, shop and
/// listing. The order of `broadcasts` does not matter. Slots missing from a later collection of
/// their channel are left out, and counted.
///
/// # Errors
/// [`Error::Engine`] if `broadcasts` is missing or memory runs out, [`Error::Stage`] if the folder
/// can't be written.
pub async fn build(context: &SessionContext, work_dir: &Path) -> Result<Report, Error> {
    let shared = code::set_aside(context, work_dir).await?;
    let mut report = Report {
        rows: count_rows(context).await?,
        shared_codes: shared.codes,
        shared_code_rows: shared.rows,
        ..Report::default()
    };
    // Each answer is staged as a table for the next query. As one query the plan would nest so
    // deeply that sending it to a cluster and planning it there overflows a thread's stack, and
    // shared subqueries would run twice.
    for (table, question, parameter) in [
        ("slot_collection", sql!("slot_collection"), Some(COLLECTION_PAUSE_MS)),
        ("slot_mention", sql!("slot_mention"), Some(COVERED_MAX_MS)),
        ("slot_latest", sql!("slot_latest"), None),
    ] {
        stage_answer(context, work_dir, table, question, parameter).await?;
    }
    let question = context.sql(sql!("slots")).await?;
    let question = question.with_param_values(vec![
        ScalarValue::Int64(Some(DEFAULT_SLOT_MS)),
        ScalarValue::Int64(Some(FILLED_SLOT_MAX_MS)),
    ])?;
    let schema: SchemaRef = Arc::new(Schema::new(columns()));
    let mut stage = Stage::create(&work_dir.join("slots.parquet"), Arc::clone(&schema))?;
    let mut answer = question.execute_stream().await?;
    while let Some(batch) = answer.next().await {
        let batch = report.take_kept(&batch?)?;
        report.count_ends(&batch);
        stage.write(&of_columns(&batch, &schema)?)?;
    }
    register_parquet(context, TABLE, &stage.close()?).await?;
    report.count_slots(context).await?;
    Ok(report)
}

/// The columns of `schema`, picked from a batch with more columns.
fn of_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let columns: Result<Vec<ArrayRef>, DataFusionError> = schema
        .fields()
        .iter()
        .map(|field| Ok(Arc::clone(batch.column(batch.schema().index_of(field.name())?))))
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns?)?)
}

/// Stages the answer to a query, with its one parameter in milliseconds, as the table `name`.
async fn stage_answer(
    context: &SessionContext,
    work_dir: &Path,
    name: &str,
    question: &str,
    parameter: Option<i64>,
) -> Result<(), Error> {
    let question = context.sql(question).await?;
    let question =
        question.with_param_values(parameter.map(|ms| ScalarValue::Int64(Some(ms))).into_iter().collect::<Vec<_>>())?;
    let mut answer = question.execute_stream().await?;
    let mut stage = Stage::create(&work_dir.join(format!("{name}.parquet")), answer.schema())?;
    while let Some(batch) = answer.next().await {
        stage.write(&batch?)?;
    }
    register_parquet(context, name, &stage.close()?).await?;
    Ok(())
}

async fn count_rows(context: &SessionContext) -> Result<u64, DataFusionError> {
    Ok(u64::try_from(context.table("broadcasts").await?.count().await?).unwrap_or(u64::MAX))
}

impl Report {
    /// Counts the moved and cancelled slots, and returns the others.
    fn take_kept(&mut self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let column = batch.column_by_name("fate").and_then(|column| column.as_string_opt::<i32>());
        let column = column.ok_or_else(|| DataFusionError::Internal("the column fate is no text".to_owned()))?;
        let kept: BooleanArray = column.iter().map(|fate| Some(fate == Some("kept"))).collect();
        for fate in column.iter().flatten() {
            match fate {
                "moved" => self.moved += 1,
                "cancelled" => self.cancelled += 1,
                _ => {}
            }
        }
        Ok(filter_record_batch(batch, &kept)?)
    }

    fn count_ends(&mut self, batch: &RecordBatch) {
        let Some(column) = batch.column_by_name("end_from") else { return };
        let Some(from) = column.as_string_opt::<i32>() else { return };
        for from in from.iter().flatten() {
            let count = match from {
                "given" => &mut self.ends_given,
                "next" => &mut self.ends_from_next,
                "capped" => &mut self.ends_capped,
                _ => &mut self.ends_default,
            };
            *count += 1;
        }
    }

    async fn count_slots(&mut self, context: &SessionContext) -> Result<(), DataFusionError> {
        let question = context.sql(sql!("slot_counts")).await?;
        let question = question
            .with_param_values(vec![ScalarValue::Int64(Some(KST_OFFSET_MS)), ScalarValue::Int64(Some(DAY_MS))])?;
        let answer = question.collect().await?;
        let number = |name: &str| -> Option<i64> {
            let column: &Int64Array = answer.first()?.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
            (!column.is_empty() && column.is_valid(0)).then(|| column.value(0))
        };
        let count = |name: &str| number(name).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        self.slots = count("slots");
        self.duplicates = self.rows.saturating_sub(self.slots + self.moved + self.cancelled);
        self.channels = count("channels");
        self.overlaps = count("overlaps");
        self.over_midnight = count("over_midnight");
        self.first_start = number("first_start").map(UnixMillis);
        self.last_end = number("last_end").map(UnixMillis);
        Ok(())
    }
}
