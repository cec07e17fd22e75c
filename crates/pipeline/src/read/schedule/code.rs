//! Shared codes: a code that many shops give to many things identifies nothing, so its listings are
//! identified by their titles, like listings without a code.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::StreamExt as _;

use super::Error;
use crate::engine::sql;
use crate::read::source::{Stage, listing_id_from_title, register_parquet};

/// The fewest shops that share such a code.
const SHOPS: i64 = 3;
/// The fewest titles for each of those shops. In three months of real schedules no code had more
/// than eight titles, and none two shops.
const TITLES: i64 = 4;

/// Counts of shared codes and their rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) codes: u64,
    pub(super) rows: u64,
}

/// Replaces shared codes in `broadcasts` by ids derived from the titles.
pub(super) async fn set_aside(context: &SessionContext, work_dir: &Path) -> Result<Shared, Error> {
    let question = context.sql(sql!("shared_code")).await?;
    let answer = question.with_param_values(vec![ScalarValue::Int64(Some(SHOPS)), ScalarValue::Int64(Some(TITLES))])?;
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for batch in answer.collect().await? {
        codes.extend(text(&batch, "listing_id")?.iter().flatten().map(str::to_owned));
    }
    let mut shared = Shared { codes: u64::try_from(codes.len()).unwrap_or(u64::MAX), rows: 0 };
    if codes.is_empty() {
        return Ok(shared);
    }
    let mut rows = context.table("broadcasts").await?.execute_stream().await?;
    let mut stage = Stage::create(&work_dir.join("broadcasts_by_title.parquet"), rows.schema())?;
    while let Some(batch) = rows.next().await {
        stage.write(&by_title(&batch?, &codes, &mut shared.rows)?)?;
    }
    drop(rows);
    let staged = stage.close()?;
    context.deregister_table("broadcasts")?;
    register_parquet(context, "broadcasts", &staged).await?;
    Ok(shared)
}

fn by_title(batch: &RecordBatch, codes: &BTreeSet<String>, changed: &mut u64) -> Result<RecordBatch, DataFusionError> {
    let (ids, titles) = (text(batch, "listing_id")?, text(batch, "title")?);
    let named = ids.iter().zip(titles).map(|(id, title)| match (id, title) {
        (Some(id), Some(title)) if codes.contains(id) => {
            *changed += 1;
            Some(listing_id_from_title(title))
        }
        (id, _) => id.map(str::to_owned),
    });
    let named: ArrayRef = Arc::new(named.collect::<StringArray>());
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| if field.name() == "listing_id" { Arc::clone(&named) } else { Arc::clone(column) });
    let columns = columns.collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn text<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray, DataFusionError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| DataFusionError::Internal(format!("the column {name} is no text")))
}
