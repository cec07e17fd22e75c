//! The queries of `sql/taste_*.sql` on a DataFusion context, and their rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{DataFrame, SessionContext};
use sinsang_core::context::Context;

use super::Error;
use super::deed::Row;
use super::weight::DecayedWeight;
use crate::engine::{self, function};

/// A named query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! query {
    ($name:literal) => {
        Query { name: $name, sql: include_str!(concat!("../../../sql/", $name, ".sql")) }
    };
}

pub(crate) const SIZE: Query = query!("taste_size");
pub(crate) const FATE: Query = query!("taste_fate");
pub(crate) const LISTING: Query = query!("taste_listing");
pub(crate) const EVENT: Query = query!("taste_event");

/// Tables that [`super::learn`] registers while it runs.
pub(crate) const OWN_TABLES: [&str; 3] = ["taste_fate", "taste_listing", "taste_weight"];

impl Query {
    pub(crate) fn failed(self, source: DataFusionError) -> Error {
        Error::Query { query: self.name, source: Box::new(source) }
    }

    /// Plans the query with its parameters.
    pub(crate) async fn plan(self, ctx: &SessionContext, numbers: &[(&str, i64)]) -> Result<DataFrame, Error> {
        let values: Vec<(String, ScalarValue)> =
            numbers.iter().map(|&(name, value)| (name.to_owned(), ScalarValue::Int64(Some(value)))).collect();
        let planned = ctx.sql(self.sql).await.map_err(|source| self.failed(source))?;
        if values.is_empty() {
            return Ok(planned);
        }
        planned.with_param_values(values).map_err(|source| self.failed(source))
    }

    /// Registers the query as a view of the same name.
    pub(crate) async fn register(self, ctx: &SessionContext, numbers: &[(&str, i64)]) -> Result<(), Error> {
        let view = self.plan(ctx, numbers).await?.into_view();
        ctx.register_table(self.name, view).map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Runs the query and registers its rows as a table of the same name.
    pub(crate) async fn materialise(self, ctx: &SessionContext) -> Result<(), Error> {
        let planned = self.plan(ctx, &[]).await?;
        let schema = Arc::clone(planned.schema().inner());
        let batches = planned.collect().await.map_err(|source| self.failed(source))?;
        engine::register_rows(ctx, self.name, schema, batches).map_err(|source| self.failed(source))
    }

    /// Starts the query; batches arrive as they are produced.
    pub(crate) async fn stream(
        self,
        ctx: &SessionContext,
        numbers: &[(&str, i64)],
    ) -> Result<SendableRecordBatchStream, Error> {
        self.plan(ctx, numbers).await?.execute_stream().await.map_err(|source| self.failed(source))
    }

    /// Runs a query that returns one number.
    pub(crate) async fn number(self, ctx: &SessionContext) -> Result<u64, Error> {
        let batches = self.plan(ctx, &[]).await?.collect().await.map_err(|source| self.failed(source))?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(0) };
        Ok(u64::try_from(Columns { query: self, batch }.number(0)?.value(0)).unwrap_or(0))
    }
}

/// A context over the same tables, with `taste_hash`, that joins in the order written. DataFusion
/// would swap the sides by its estimates: it takes a few thousand filtered events for fewer rows
/// than a table of listings, and then holds millions of events in memory.
pub(crate) fn own_context(ctx: &SessionContext) -> SessionContext {
    let mut state = ctx.state();
    state.config_mut().options_mut().optimizer.join_reordering = false;
    let own = SessionContext::new_with_state(state);
    own.register_udf(function::taste_hash());
    own
}

/// Registers the weights of events by kind and age, for `taste_event` to join.
pub(crate) fn register_weights(ctx: &SessionContext, weights: &[DecayedWeight]) -> Result<(), Error> {
    let kinds: StringArray = weights.iter().map(|line| Some(line.kind.as_str())).collect();
    let ages: Int64Array = weights.iter().map(|line| Some(line.age_days)).collect();
    let weights: Int64Array = weights.iter().map(|line| Some(line.weight)).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("kind", Arc::new(kinds)), ("age_days", Arc::new(ages)), ("weight", Arc::new(weights))];
    register(ctx, "taste_weight", &columns)
}

fn register(ctx: &SessionContext, name: &'static str, columns: &[(&str, ArrayRef)]) -> Result<(), Error> {
    let failed = |source| Error::Query { query: name, source: Box::new(source) };
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.iter().map(|(_, column)| Arc::clone(column)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|source| failed(source.into()))?;
    engine::register_rows(ctx, name, schema, vec![batch]).map_err(failed)
}

/// Reads the columns of a batch by position.
struct Columns<'a> {
    query: Query,
    batch: &'a RecordBatch,
}

impl Columns<'_> {
    fn column(&self, at: usize, kind: &DataType) -> Result<ArrayRef, Error> {
        let column = self.batch.columns().get(at);
        let column = column.ok_or_else(|| self.query.failed(DataFusionError::Internal(format!("no column {at}"))))?;
        cast(column, kind).map_err(|source| self.query.failed(source.into()))
    }

    fn text(&self, at: usize) -> Result<StringArray, Error> {
        Ok(self.column(at, &DataType::Utf8)?.as_string::<i32>().clone())
    }

    fn number(&self, at: usize) -> Result<Int64Array, Error> {
        Ok(self.column(at, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    fn truth(&self, at: usize) -> Result<BooleanArray, Error> {
        Ok(self.column(at, &DataType::Boolean)?.as_boolean().clone())
    }
}

/// Passes each row of a batch of [`EVENT`] to `take`: the user, the event's fate, and the event,
/// which is filled in if the fate is `usable`.
pub(crate) fn each_event<E: From<Error>>(
    batch: &RecordBatch,
    mut take: impl FnMut(&str, &str, &Row<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let columns = Columns { query: EVENT, batch };
    let (users, fates, products, names_product) =
        (columns.text(0)?, columns.text(1)?, columns.text(2)?, columns.truth(3)?);
    let (channels, tabs) = (columns.text(4)?, columns.text(5)?);
    let (hours, weights, ages) = (columns.number(6)?, columns.number(7)?, columns.number(8)?);
    let (impressions, weekends) = (columns.truth(9)?, columns.truth(10)?);
    let (regions, devices) = (columns.text(11)?, columns.text(12)?);
    let is = |column: &BooleanArray, at: usize| column.is_valid(at) && column.value(at);
    for at in 0..batch.num_rows() {
        let row = Row {
            product: text_at(&products, at),
            names_product: is(&names_product, at),
            channel: text_at(&channels, at),
            tab: text_at(&tabs, at),
            hour_bucket: hours.value(at),
            weight: weights.value(at),
            age_days: ages.value(at),
            is_impression: is(&impressions, at),
            is_weekend: is(&weekends, at),
            context: Context::of_names(
                text_at(&regions, at).unwrap_or_default(),
                text_at(&devices, at).unwrap_or_default(),
            ),
        };
        take(text_at(&users, at).unwrap_or_default(), text_at(&fates, at).unwrap_or_default(), &row)?;
    }
    Ok(())
}

/// The text of a row; `None` if it is null or empty.
fn text_at(column: &StringArray, at: usize) -> Option<&str> {
    (column.is_valid(at) && !column.value(at).is_empty()).then(|| column.value(at))
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;

    use super::*;
    use crate::engine::function::user_hash;

    fn register_texts(ctx: &SessionContext, table: &'static str, columns: &[&'static str], rows: usize) {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|at| at.to_string())));
        let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|&name| (name, Arc::clone(&column))).collect();
        register(ctx, table, &columns).unwrap();
    }

    #[tokio::test]
    async fn events_are_streamed_past_the_smaller_tables_even_where_they_look_fewer() {
        let ctx = SessionContext::new();
        let fields = [
            "user_id",
            "kind",
            "fate",
            "shop",
            "listing_id",
            "product_id",
            "tab_id",
            "channel",
            "region",
            "device_class",
        ];
        register_texts(&ctx, "fates", &fields, 1);
        register_texts(&ctx, "taste_listing", &["shop", "listing_id", "product", "channel"], 1_000);
        register_weights(&ctx, &super::super::weight::decayed(&super::super::Weights::default(), 30.0).unwrap())
            .unwrap();
        let fates = ctx.sql("SELECT *, CAST(1 AS BIGINT) AS at FROM fates").await.unwrap();
        ctx.register_table("taste_fate", fates.into_view()).unwrap();

        let own = own_context(&ctx);
        let planned = EVENT.plan(&own, &[("last_ms", 10)]).await.unwrap();
        let plan = displayable(planned.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string();
        let joins: Vec<&str> = plan.match_indices("join_type=").map(|(at, _)| &plan[at..at + 15]).collect();
        assert_eq!(joins, ["join_type=Right", "join_type=Right"], "{plan}");
    }

    #[test]
    fn every_kind_of_event_is_usable() {
        for &kind in sinsang_core::event::EventKind::ALL {
            assert!(FATE.sql.contains(&format!("'{}'", kind.as_str())), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn the_hash_takes_any_kind_of_text() {
        let ctx = own_context(&SessionContext::new());
        for kind in ["Utf8", "Utf8View", "LargeUtf8"] {
            let question = format!("SELECT taste_hash(arrow_cast('신상', '{kind}')) AS hash");
            let answer = ctx.sql(&question).await.unwrap().collect().await.unwrap();
            assert_eq!(answer[0].column(0).as_primitive::<Int64Type>().value(0), user_hash("신상"), "{kind}");
        }
    }

    #[test]
    fn the_hash_spreads_users_evenly() {
        let mut buckets = [0; 16];
        for user in 0..16_000 {
            buckets[usize::try_from(user_hash(&format!("u{user:06}")) % 16).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|&users| (850..1_150).contains(&users)), "{buckets:?}");
    }
}
