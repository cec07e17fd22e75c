//! The queries of `sql/taste_*.sql` on a DataFusion context, and their rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{DataFrame, SessionContext};

use super::Error;
use super::profile::Row;
use super::weight::DecayedWeight;
use crate::engine;

/// A named question about the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! query {
    ($name:literal) => {
        Query { name: $name, sql: include_str!(concat!("../../sql/", $name, ".sql")) }
    };
}

pub(crate) const FATE: Query = query!("taste_fate");
pub(crate) const COUNT: Query = query!("taste_count");
pub(crate) const BOT: Query = query!("taste_bot");
pub(crate) const LISTING: Query = query!("taste_listing");
pub(crate) const EVENT: Query = query!("taste_event");
pub(crate) const POPULATION: Query = query!("taste_population");
pub(crate) const USER: Query = query!("taste_user");
pub(crate) const SHOWN: Query = query!("taste_shown");
pub(crate) const LATELY: Query = query!("taste_lately");
pub(crate) const PASSED: Query = query!("taste_passed");

/// Tables that [`super::learn`] registers while it runs.
pub(crate) const OWN_TABLES: [&str; 5] = ["taste_fate", "taste_listing", "taste_event", "taste_weight", "taste_bot"];

impl Query {
    pub(crate) fn failed(self, source: DataFusionError) -> Error {
        Error::Query { query: self.name, source: Box::new(source) }
    }

    /// Plans the query with its numbers filled in.
    pub(crate) async fn plan(self, ctx: &SessionContext, numbers: &[(&str, i64)]) -> Result<DataFrame, Error> {
        let values: Vec<(String, ScalarValue)> =
            numbers.iter().map(|&(name, value)| (name.to_owned(), ScalarValue::Int64(Some(value)))).collect();
        let planned = ctx.sql(self.sql).await.map_err(|source| self.failed(source))?;
        if values.is_empty() {
            return Ok(planned);
        }
        planned.with_param_values(values).map_err(|source| self.failed(source))
    }

    /// Registers the query as a view of its own name.
    pub(crate) async fn register(self, ctx: &SessionContext, numbers: &[(&str, i64)]) -> Result<(), Error> {
        let view = self.plan(ctx, numbers).await?.into_view();
        ctx.register_table(self.name, view).map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Runs the query and registers its rows as a table of its own name.
    pub(crate) async fn materialise(self, ctx: &SessionContext) -> Result<(), Error> {
        let planned = self.plan(ctx, &[]).await?;
        let schema = Arc::clone(planned.schema().inner());
        let batches = planned.collect().await.map_err(|source| self.failed(source))?;
        engine::register_rows(ctx, self.name, schema, batches).map_err(|source| self.failed(source))
    }

    /// Starts the query; batches come as they are made.
    pub(crate) async fn stream(
        self,
        ctx: &SessionContext,
        numbers: &[(&str, i64)],
    ) -> Result<SendableRecordBatchStream, Error> {
        self.plan(ctx, numbers).await?.execute_stream().await.map_err(|source| self.failed(source))
    }

    /// Runs a query of a text and a number, small enough to be held.
    pub(crate) async fn counts(
        self,
        ctx: &SessionContext,
        numbers: &[(&str, i64)],
    ) -> Result<Vec<(String, u64)>, Error> {
        let batches = self.plan(ctx, numbers).await?.collect().await.map_err(|source| self.failed(source))?;
        let mut counts = Vec::new();
        for batch in &batches {
            let columns = Columns { query: self, batch };
            let (names, numbers) = (columns.text(0)?, columns.number(1)?);
            for (name, number) in names.iter().zip(numbers.iter()) {
                counts.push((
                    name.unwrap_or_default().to_owned(),
                    number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
                ));
            }
        }
        Ok(counts)
    }
}

/// A context over the same tables that has `taste_hash` and joins as the queries are written. DataFusion would swap the
/// sides by its estimates, and takes a few thousand filtered events for less than a table of listings: with millions of
/// them it then holds the events in memory.
pub(crate) fn own_context(ctx: &SessionContext) -> SessionContext {
    let mut state = ctx.state();
    state.config_mut().options_mut().optimizer.join_reordering = false;
    let own = SessionContext::new_with_state(state);
    own.register_udf(hash_function());
    own
}

/// Registers what an event weighs by kind and age, for `taste_event` to join.
pub(crate) fn register_weights(ctx: &SessionContext, weights: &[DecayedWeight]) -> Result<(), Error> {
    let kinds: StringArray = weights.iter().map(|line| Some(line.kind.as_str())).collect();
    let ages: Int64Array = weights.iter().map(|line| Some(line.age_days)).collect();
    let weights: Int64Array = weights.iter().map(|line| Some(line.weight)).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("kind", Arc::new(kinds)), ("age_days", Arc::new(ages)), ("weight", Arc::new(weights))];
    register(ctx, "taste_weight", &columns)
}

/// Registers the users to leave out.
pub(crate) fn register_bots<'a>(ctx: &SessionContext, users: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let users: StringArray = users.map(Some).collect();
    register(ctx, "taste_bot", &[("user_id", Arc::new(users))])
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

/// `taste_hash(user_id)`: a whole number from 0 that spreads users over buckets, the same on every machine.
pub(crate) fn hash_function() -> ScalarUDF {
    let hash = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let users = arrays.first().ok_or_else(|| DataFusionError::Plan("taste_hash takes a user id".to_owned()))?;
        let hashes: Int64Array = users.as_string::<i32>().iter().map(|user| user.map(user_hash)).collect();
        Ok(ColumnarValue::Array(Arc::new(hashes)))
    };
    create_udf("taste_hash", vec![DataType::Utf8], DataType::Int64, Volatility::Immutable, Arc::new(hash))
}

/// FNV-1a of the id's bytes, folded to 32 bits so that a remainder uses them all.
pub(crate) fn user_hash(user: &str) -> i64 {
    let hash = user
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    i64::from((hash >> 32) as u32 ^ (hash & 0xffff_ffff) as u32)
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

/// Hands each row of a batch of [`USER`] or [`POPULATION`] over, with the user it belongs to.
pub(crate) fn each_row(query: Query, batch: &RecordBatch, mut take: impl FnMut(&str, &Row<'_>)) -> Result<(), Error> {
    let columns = Columns { query, batch };
    let (users, products, names_product) = (columns.text(0)?, columns.text(1)?, columns.truth(2)?);
    let (channels, tabs) = (columns.text(3)?, columns.text(4)?);
    let (hours, weights, events) = (columns.number(5)?, columns.number(6)?, columns.number(7)?);
    for at in 0..batch.num_rows() {
        let row = Row {
            product: text_at(&products, at),
            names_product: names_product.is_valid(at) && names_product.value(at),
            channel: text_at(&channels, at),
            tab: text_at(&tabs, at),
            hour_bucket: hours.value(at),
            weight: weights.value(at),
            events: u64::try_from(events.value(at)).unwrap_or(0),
        };
        take(text_at(&users, at).unwrap_or_default(), &row);
    }
    Ok(())
}

/// Hands each row of a batch of [`PASSED`] over: user, product, and how often it was shown.
pub(crate) fn each_passed(batch: &RecordBatch, mut take: impl FnMut(&str, &str, i64)) -> Result<(), Error> {
    let columns = Columns { query: PASSED, batch };
    let (users, products, shown) = (columns.text(0)?, columns.text(1)?, columns.number(2)?);
    for at in 0..batch.num_rows() {
        if let Some((user, product)) = text_at(&users, at).zip(text_at(&products, at)) {
            take(user, product, shown.value(at));
        }
    }
    Ok(())
}

/// The text of a row; an empty one is none.
fn text_at(column: &StringArray, at: usize) -> Option<&str> {
    (column.is_valid(at) && !column.value(at).is_empty()).then(|| column.value(at))
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;

    use super::*;

    fn register_texts(ctx: &SessionContext, table: &'static str, columns: &[&'static str], rows: usize) {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|at| at.to_string())));
        let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|&name| (name, Arc::clone(&column))).collect();
        register(ctx, table, &columns).unwrap();
    }

    #[tokio::test]
    async fn events_are_streamed_past_the_smaller_tables_even_where_they_look_fewer() {
        let ctx = SessionContext::new();
        let fields = ["user_id", "kind", "fate", "shop", "listing_id", "product_id", "tab_id", "channel"];
        register_texts(&ctx, "fates", &fields, 1);
        register_texts(&ctx, "taste_listing", &["shop", "listing_id", "product", "channel"], 1_000);
        register_bots(&ctx, ["a", "b"].into_iter()).unwrap();
        register_weights(&ctx, &super::super::weight::decayed(&super::super::Weights::default(), 30.0).unwrap())
            .unwrap();
        let fates = ctx.sql("SELECT *, CAST(1 AS BIGINT) AS at FROM fates").await.unwrap();
        ctx.register_table("taste_fate", fates.into_view()).unwrap();

        let own = own_context(&ctx);
        EVENT.register(&own, &[("last_ms", 10)]).await.unwrap();
        let planned = USER.plan(&own, &[("buckets", 1), ("bucket", 0)]).await.unwrap();
        let plan = displayable(planned.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string();
        let joins: Vec<&str> = plan.match_indices("join_type=").map(|(at, _)| &plan[at..at + 15]).collect();
        assert_eq!(joins, ["join_type=Right", "join_type=Inner", "join_type=Right"], "{plan}");
        assert!(plan.contains("join_type=RightAnti"), "{plan}");
        assert!(ctx.sql(USER.sql).await.is_err(), "the function is not left on the caller's context");
    }

    #[test]
    fn every_kind_of_event_is_usable() {
        for kind in crate::table::EventKind::ALL {
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
