//! The data set's rows: read from Parquet, filtered, and their texts stored once each.

use std::collections::HashMap;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use indicatif::ProgressBar;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sinsang_core::time::UnixMillis;
use sinsang_run::file::open_regular;

use super::{Error, LeftOut, WON_A_POUND};

const BATCH_ROWS: usize = 65_536;

/// A sale of a product at a price. Texts are indices into [`Sales`].
#[derive(Clone, Debug)]
pub(super) struct Sale {
    pub(super) invoice: usize,
    pub(super) item: usize,
    pub(super) title: usize,
    /// Milliseconds since the Unix epoch; the file's clock is taken as UTC.
    pub(super) at: i64,
    /// Price in won.
    pub(super) price: u32,
    /// The customer's number.
    pub(super) user: Option<u64>,
    pub(super) country: usize,
}

/// All sales by time; simultaneous ones in the file's order.
pub(super) struct Sales {
    pub(super) list: Vec<Sale>,
    pub(super) items: Vec<String>,
    pub(super) titles: Vec<String>,
    pub(super) countries: Vec<String>,
}

/// Texts, each stored once.
#[derive(Default)]
struct Texts {
    index: HashMap<String, usize>,
    texts: Vec<String>,
}

impl Texts {
    fn index(&mut self, text: &str) -> usize {
        if let Some(index) = self.index.get(text) {
            return *index;
        }
        self.texts.push(text.to_owned());
        self.index.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }
}

#[derive(Default)]
struct Reader {
    sales: Vec<Sale>,
    invoices: Texts,
    items: Texts,
    titles: Texts,
    countries: Texts,
    rows: usize,
    left_out: LeftOut,
}

/// Reads the sales before `end`; also returns the number of rows in the file and the rows left out.
pub(super) fn read(path: &Path, end: UnixMillis, progress: &ProgressBar) -> Result<(Sales, usize, LeftOut), Error> {
    let failed = |detail: String| Error::Read { path: path.to_owned(), detail };
    let file = open_regular(path).map_err(|e| failed(e.to_string()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| failed(e.to_string()))?;
    progress.set_length(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0));
    progress.set_message("reading");
    let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(|e| failed(e.to_string()))?;
    let mut reader = Reader::default();
    for batch in batches {
        reader.batch(path, &batch.map_err(|e| failed(e.to_string()))?, end)?;
        progress.set_position(u64::try_from(reader.rows).unwrap_or(u64::MAX));
    }
    let mut sales = reader.sales;
    sales.sort_by_key(|sale| sale.at);
    let sales = Sales {
        list: sales,
        items: reader.items.texts,
        titles: reader.titles.texts,
        countries: reader.countries.texts,
    };
    Ok((sales, reader.rows, reader.left_out))
}

impl Reader {
    fn batch(&mut self, path: &Path, batch: &RecordBatch, end: UnixMillis) -> Result<(), Error> {
        let column = |name: &'static str, to: &DataType| {
            let bad = |detail: String| Error::Column { path: path.to_owned(), column: name, detail };
            let column = batch.column_by_name(name).ok_or_else(|| bad("is missing".to_owned()))?;
            cast(column, to).map_err(|e| bad(e.to_string()))
        };
        let invoices = column("invoice", &DataType::Utf8)?;
        let items = column("item_id", &DataType::Utf8)?;
        let titles = column("title", &DataType::Utf8)?;
        let quantities = column("qty", &DataType::Int64)?;
        let times = column("ts", &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let prices = column("price", &DataType::Float64)?;
        let users = column("user_id", &DataType::Float64)?;
        let countries = column("country", &DataType::Utf8)?;
        let text = |array: &'_ dyn Array, row: usize| -> Option<String> {
            let array = array.as_string_opt::<i32>()?;
            let text = array.is_valid(row).then(|| array.value(row).trim())?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let quantities = quantities.as_primitive::<Int64Type>();
        let times = times.as_primitive::<TimestampMillisecondType>();
        let prices = prices.as_primitive::<Float64Type>();
        let users = users.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            self.rows += 1;
            let at = times.is_valid(row).then(|| times.value(row)).filter(|at| *at >= 0);
            let (Some(invoice), Some(item), Some(at)) = (text(&invoices, row), text(&items, row), at) else {
                self.left_out.unreadable += 1;
                continue;
            };
            let quantity = if quantities.is_valid(row) { quantities.value(row) } else { 0 };
            let price = won(if prices.is_valid(row) { prices.value(row) } else { 0.0 });
            let title = text(&titles, row);
            if invoice.starts_with(['C', 'c']) || quantity <= 0 {
                self.left_out.cancelled += 1;
            } else if !is_product(&item) {
                self.left_out.not_a_product += 1;
            } else if price == 0 {
                self.left_out.free += 1;
            } else if at >= end.0 {
                self.left_out.too_late += 1;
            } else if let Some(title) = title {
                let country = text(&countries, row).unwrap_or_else(|| "Unspecified".to_owned());
                self.sales.push(Sale {
                    invoice: self.invoices.index(&invoice),
                    item: self.items.index(&item.to_uppercase()),
                    title: self.titles.index(&title),
                    at,
                    price,
                    user: users.is_valid(row).then(|| users.value(row)).and_then(customer),
                    country: self.countries.index(&country),
                });
            } else {
                self.left_out.unreadable += 1;
            }
        }
        Ok(())
    }
}

/// Whether an item code is a product's: five digits, then optional letters for colour or size.
fn is_product(item: &str) -> bool {
    item.len() >= 5 && item.bytes().take(5).all(|byte| byte.is_ascii_digit())
}

/// A price in pounds as whole won; 0 if it is not above 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held within the range first")]
fn won(pounds: f64) -> u32 {
    if pounds > 0.0 { (pounds * WON_A_POUND).round().clamp(1.0, 4_000_000_000.0) as u32 } else { 0 }
}

/// The customer's number, which the file holds as a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole positive number")]
fn customer(number: f64) -> Option<u64> {
    ((1.0..=9e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}
