//! Logs of other shops: a small TOML file says which columns of which tables are users, items and
//! times, so that a further public data set needs no code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::{Array as _, AsArray as _, BooleanArray, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext};
use serde::Deserialize;
use sinsang_core::event::EventKind;
use sinsang_core::time::UnixMillis;

use super::shop::{Deed, Item, Shop};
use super::{Error, SetAside};

/// A mapping of a log's columns. Values of [`Acts`] and [`Items`] are SQL expressions over the
/// columns of their table; docs/measurements/ranking.md
/// has the format.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Who made the data, where, and under which licence; shown with the figures.
    pub source: String,
    /// Days that split the data, if the command names none.
    #[serde(default)]
    pub cuts: Vec<String>,
    /// Users with acts on an item without whom it is left out.
    #[serde(default = "one")]
    pub least_users: usize,
    /// What users did.
    pub acts: Acts,
    /// What the items are, if another table says so.
    pub items: Option<Items>,
}

/// The table of acts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acts {
    /// A Parquet, CSV or NDJSON file, or a folder of them, in the input folder; `.` for the input
    /// itself.
    pub table: String,
    /// Separator of a CSV file's columns.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// The user.
    pub user: String,
    /// The item.
    pub item: String,
    /// The time: a timestamp, or milliseconds since 1970.
    pub at: String,
    /// Acts of a user on an item under one of these count once; each row counts without.
    #[serde(default)]
    pub order: Option<String>,
    /// The kind of act, as events name it.
    #[serde(default = "purchase")]
    pub kind: String,
    /// Rows to keep.
    #[serde(default, rename = "where")]
    pub keep: Option<String>,
    /// The item's description as of its first act.
    #[serde(flatten)]
    pub described: Described,
}

/// The table of items.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Items {
    /// As [`Acts::table`].
    pub table: String,
    /// As [`Acts::delimiter`].
    #[serde(default)]
    pub delimiter: Option<char>,
    /// The item.
    pub item: String,
    /// What it is.
    #[serde(flatten)]
    pub described: Described,
}

/// The columns of a description.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Described {
    /// The title.
    pub title: Option<String>,
    /// The brand.
    pub brand: Option<String>,
    /// The category.
    pub category: Option<String>,
    /// The price in won.
    pub price: Option<String>,
}

fn one() -> usize {
    1
}

fn purchase() -> String {
    "'purchase'".to_owned()
}

/// Why a mapping can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadMapping {
    /// It can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is no mapping.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: Box<toml::de::Error>,
    },
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`BadMapping`], with the place.
    pub fn read(path: &Path) -> Result<Self, BadMapping> {
        let text = fs::read_to_string(path).map_err(|source| BadMapping::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| BadMapping::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    /// The days that split the data.
    pub(super) fn days(&self) -> Result<Vec<UnixMillis>, Error> {
        let day = |cut: &String| {
            UnixMillis::parse_rfc3339(&format!("{cut}T00:00:00Z")).ok_or_else(|| Error::NoDay { cut: cut.clone() })
        };
        self.cuts.iter().map(day).collect()
    }

    /// Reads the log in `input`, a folder or a file, and registers the tables that tastes are
    /// learned from.
    pub(super) async fn shop(&self, context: &SessionContext, input: &Path) -> Result<Shop, Error> {
        let acts = &self.acts;
        let file = place(input, &acts.table);
        let failed = |source: DataFusionError| Error::Read { path: file.clone(), source: Box::new(source) };
        open(context, "log_acts", &file, acts.delimiter).await.map_err(failed)?;
        check(context, "log_acts", &file, &acts.values()).await?;
        let rows = context.sql(&acts.query()).await.map_err(failed)?.collect().await.map_err(failed)?;
        let mut told: BTreeMap<String, Item> = BTreeMap::new();
        let mut set_aside = SetAside::default();
        let (deeds, mut items) = self.deeds(&rows, &mut set_aside).map_err(failed)?;
        drop(rows);
        if let Some(of) = &self.items {
            let file = place(input, &of.table);
            let failed = |source: DataFusionError| Error::Read { path: file.clone(), source: Box::new(source) };
            open(context, "log_items", &file, of.delimiter).await.map_err(failed)?;
            check(context, "log_items", &file, &of.values()).await?;
            let rows = context.sql(&of.query()).await.map_err(failed)?.collect().await.map_err(failed)?;
            for batch in &rows {
                let columns = Columns::of(batch, 1).map_err(failed)?;
                let codes = text(batch, 0).map_err(failed)?;
                for row in (0..batch.num_rows()).filter(|row| codes.is_valid(*row)) {
                    set_aside.unread_prices += u64::from(columns.has_unread_price(row));
                    told.entry(codes.value(row).to_owned()).or_insert_with(|| columns.item(row));
                }
            }
        }
        for (code, item) in &mut items {
            if let Some(told) = told.remove(code) {
                item.title = if told.title.is_empty() { std::mem::take(&mut item.title) } else { told.title };
                item.brand = told.brand.or(item.brand.take());
                item.category = told.category.or(item.category.take());
                item.price = told.price.or(item.price);
            }
        }
        let items = items.into_iter().zip(1..).map(|((code, item), id)| (code, Item { id, ..item })).collect();
        Shop::of_log(context, self.source.clone(), items, &deeds, set_aside).map_err(failed)
    }

    /// The deeds that count, and the items by code; counts what does not count.
    fn deeds(
        &self,
        rows: &[RecordBatch],
        set_aside: &mut SetAside,
    ) -> Result<(Vec<Deed>, BTreeMap<String, Item>), DataFusionError> {
        let mut deeds = Vec::new();
        let mut items: BTreeMap<String, Item> = BTreeMap::new();
        let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut counted = BTreeSet::new();
        for batch in rows {
            let (users, codes, kinds, orders) = (text(batch, 0)?, text(batch, 1)?, text(batch, 3)?, text(batch, 4)?);
            let at = cast(batch.column(2), &DataType::Int64)?.as_primitive::<Int64Type>().clone();
            let described = Columns::of(batch, 5)?;
            for row in 0..batch.num_rows() {
                if !(users.is_valid(row) && codes.is_valid(row) && at.is_valid(row)) {
                    set_aside.incomplete += 1;
                    continue;
                }
                let Some(kind) = EventKind::parse(kinds.value(row)) else {
                    set_aside.of_unknown_kind += 1;
                    continue;
                };
                set_aside.unread_prices += u64::from(described.has_unread_price(row));
                let (user, code) = (users.value(row).to_owned(), codes.value(row).to_owned());
                items.entry(code.clone()).or_insert_with(|| described.item(row));
                if self.least_users > 1 {
                    of.entry(code.clone()).or_default().insert(user.clone());
                }
                if orders.is_valid(row) && !counted.insert((orders.value(row).to_owned(), user.clone(), code.clone())) {
                    set_aside.repeated += 1;
                    continue;
                }
                deeds.push(Deed { user, code, at: at.value(row), kind });
            }
        }
        if self.least_users > 1 {
            items.retain(|code, _| of.get(code).is_some_and(|users| users.len() >= self.least_users));
            let all = deeds.len();
            deeds.retain(|deed| items.contains_key(&deed.code));
            set_aside.of_rare_items = (all - deeds.len()) as u64;
        }
        Ok((deeds, items))
    }
}

impl Acts {
    /// Keys and what stands there.
    fn values(&self) -> Vec<(String, &str)> {
        let Self { user, item, at, kind, order, keep, .. } = self;
        let needed =
            [("user", user), ("item", item), ("at", at), ("kind", kind)].map(|(key, value)| (key, Some(value)));
        let further = [("order", order.as_ref()), ("where", keep.as_ref())];
        let of_acts = needed.into_iter().chain(further);
        let of_acts = of_acts.filter_map(|(key, value)| Some((format!("acts.{key}"), value?.as_str())));
        [of_acts.collect(), self.described.values("acts")].concat()
    }

    fn query(&self) -> String {
        let Self { user, item, at, kind, .. } = self;
        let order = self.order.as_deref().unwrap_or("NULL");
        let keep = self.keep.as_deref().unwrap_or("TRUE");
        format!(
            "SELECT * FROM (SELECT CAST({user} AS VARCHAR) AS user_id, CAST({item} AS VARCHAR) AS item, \
             CAST(arrow_cast({at}, 'Timestamp(Millisecond, None)') AS BIGINT) AS at, \
             CAST({kind} AS VARCHAR) AS kind, CAST({order} AS VARCHAR) AS of_order, {} \
             FROM log_acts WHERE {keep}) ORDER BY at, of_order, item, title, price, user_id",
            self.described.columns()
        )
    }
}

impl Items {
    /// Keys and what stands there.
    fn values(&self) -> Vec<(String, &str)> {
        [vec![("items.item".to_owned(), self.item.as_str())], self.described.values("items")].concat()
    }

    fn query(&self) -> String {
        format!(
            "SELECT * FROM (SELECT CAST({} AS VARCHAR) AS item, {} FROM log_items) ORDER BY item, title, price",
            self.item,
            self.described.columns()
        )
    }
}

impl Described {
    /// Keys and what stands there.
    fn values<'a>(&'a self, of: &str) -> Vec<(String, &'a str)> {
        let Self { title, brand, category, price } = self;
        let keys = [("title", title), ("brand", brand), ("category", category), ("price", price)];
        keys.into_iter().filter_map(|(key, value)| Some((format!("{of}.{key}"), value.as_deref()?))).collect()
    }

    fn columns(&self) -> String {
        let of = |expression: &Option<String>| expression.clone().unwrap_or_else(|| "NULL".to_owned());
        format!(
            "trim(CAST({} AS VARCHAR)) AS title, CAST({} AS VARCHAR) AS brand, \
             CAST({} AS VARCHAR) AS category, TRY_CAST({} AS DOUBLE) AS price, {} IS NOT NULL AS has_price",
            of(&self.title),
            of(&self.brand),
            of(&self.category),
            of(&self.price),
            of(&self.price)
        )
    }
}

/// Plans each value by itself, so that a mistake is told by its key.
async fn check(context: &SessionContext, table: &str, file: &Path, values: &[(String, &str)]) -> Result<(), Error> {
    for (key, value) in values {
        if let Err(source) = context.sql(&format!("SELECT {value} FROM {table}")).await {
            let (key, value, path) = (key.clone(), (*value).to_owned(), file.to_owned());
            return Err(Error::Value { key, value, path, source: Box::new(source) });
        }
    }
    Ok(())
}

/// A table's path: the input itself, or something in it.
fn place(input: &Path, table: &str) -> PathBuf {
    if table == "." { input.to_owned() } else { input.join(table) }
}

/// Registers a file or a folder of files by their ending.
async fn open(
    context: &SessionContext,
    name: &str,
    path: &Path,
    delimiter: Option<char>,
) -> Result<(), DataFusionError> {
    let text = path.to_string_lossy();
    let within = |ending: &str| {
        let of = |path: &Path| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
        of(path) || fs::read_dir(path).is_ok_and(|files| files.flatten().any(|file| of(&file.path())))
    };
    if within("parquet") {
        return context.register_parquet(name, &*text, ParquetReadOptions::default()).await;
    }
    if within("ndjson") || within("json") {
        let ending = if within("ndjson") { ".ndjson" } else { ".json" };
        return context.register_json(name, &*text, JsonReadOptions::default().file_extension(ending)).await;
    }
    let ending = path.extension().map_or(".csv".to_owned(), |ending| format!(".{}", ending.to_string_lossy()));
    let separator = delimiter.and_then(|separator| u8::try_from(separator).ok()).unwrap_or(b',');
    context.register_csv(name, &*text, CsvReadOptions::default().file_extension(&ending).delimiter(separator)).await
}

fn text(batch: &RecordBatch, at: usize) -> Result<StringArray, DataFusionError> {
    Ok(cast(batch.column(at), &DataType::Utf8)?.as_string::<i32>().clone())
}

/// The columns of descriptions in a batch.
struct Columns {
    texts: [StringArray; 3],
    prices: Float64Array,
    have_prices: BooleanArray,
}

impl Columns {
    /// Five columns from `first` on.
    fn of(batch: &RecordBatch, first: usize) -> Result<Self, DataFusionError> {
        let prices = cast(batch.column(first + 3), &DataType::Float64)?.as_primitive::<Float64Type>().clone();
        let have_prices = batch.column(first + 4).as_boolean().clone();
        let texts = [text(batch, first)?, text(batch, first + 1)?, text(batch, first + 2)?];
        Ok(Self { texts, prices, have_prices })
    }

    fn has_unread_price(&self, row: usize) -> bool {
        self.have_prices.value(row) && !self.prices.is_valid(row)
    }

    fn item(&self, row: usize) -> Item {
        let text = |at: usize| {
            let column: &StringArray = &self.texts[at];
            (column.is_valid(row) && !column.value(row).is_empty()).then(|| column.value(row).to_owned())
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
        let price = self.prices.is_valid(row).then(|| self.prices.value(row).round().clamp(1.0, 4e9) as u32);
        Item { id: 0, title: text(0).unwrap_or_default(), brand: text(1), category: text(2), price }
    }
}
