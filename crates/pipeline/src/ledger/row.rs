//! The rows of the ledger's tables, and their columns in Parquet.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, Int64Array, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
    UInt16Array, UInt32Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt16Type, UInt32Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{self, Key, code_key};

use super::file::Row;
use super::head::Table;

mod merge;
mod statistic;

pub use merge::{MergeRow, MoveRow};
pub use statistic::{LessonRow, WordRow};

/// The most titles of one listing in the ledger: its first ones.
const MAX_TITLES: usize = 64;

/// A blocking key and one product with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posting {
    /// The key.
    pub key: Key,
    /// The upper half of the product's id.
    pub mark: u32,
}

/// A listing of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingRow {
    /// The product's id when the row was written; `merge` has its later target.
    pub product: u64,
    /// The shop.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
    /// Titles in the order of first sight.
    pub titles: Vec<String>,
    /// The brand field.
    pub brand: Option<String>,
    /// The schedule's own category.
    pub category: Option<String>,
    /// Price in won.
    pub price: Option<u32>,
    /// URL of a picture.
    pub image: Option<String>,
    /// Number of reviews when first given.
    pub review_count: Option<u32>,
    /// Start of the first broadcast, planned ones included.
    pub first_at: UnixMillis,
    /// Start of the last broadcast, planned ones included.
    pub last_at: UnixMillis,
}

impl ListingRow {
    /// A row from a table's listing.
    pub(crate) fn new(product: u64, listing: &identity::Listing) -> Self {
        Self {
            product,
            shop: listing.shop.clone(),
            listing_id: listing.listing_id.clone(),
            titles: listing.titles.iter().rev().take(MAX_TITLES).cloned().collect(),
            brand: listing.brand.clone(),
            category: listing.category.clone(),
            price: listing.price,
            image: listing.image.clone(),
            review_count: listing.review_count,
            first_at: listing.first_at,
            last_at: listing.last_at,
        }
    }

    /// Merges `other` into this row. Price, brand, category and picture come from the later of
    /// them.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        let later = (other.last_at, other.first_at) >= (self.last_at, self.first_at);
        let choose = |mine: Option<String>, theirs: &Option<String>| match (mine, theirs) {
            (None, theirs) => theirs.clone(),
            (_, Some(theirs)) if later => Some(theirs.clone()),
            (mine, _) => mine,
        };
        self.brand = choose(self.brand, &other.brand);
        self.category = choose(self.category, &other.category);
        self.image = choose(self.image, &other.image);
        self.price = if later { other.price.or(self.price) } else { self.price.or(other.price) };
        self.review_count = self.review_count.or(other.review_count);
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        for title in &other.titles {
            if self.titles.len() < MAX_TITLES && !self.titles.contains(title) {
                self.titles.push(title.clone());
            }
        }
        self
    }

    /// The listing as identity sees it.
    pub(crate) fn listing(&self) -> identity::Listing {
        identity::Listing {
            shop: self.shop.clone(),
            listing_id: self.listing_id.clone(),
            titles: self.titles.iter().rev().cloned().collect(),
            brand: self.brand.clone(),
            category: self.category.clone(),
            price: self.price,
            image: self.image.clone(),
            review_count: self.review_count,
            first_at: self.first_at,
            last_at: self.last_at,
            airings: 0,
        }
    }
}

/// The mark of a listing within a product's airings: bits of the key of shop and code.
pub(crate) fn listing_mark(shop: &str, listing_id: &str) -> u32 {
    u32::try_from(code_key(shop, listing_id) >> 32).unwrap_or(u32::MAX)
}

/// A past or current broadcast.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AiringRow {
    /// The product's id when the row was written.
    pub product: u64,
    /// The listing's mark: bits of the key of its shop and code.
    pub listing: u32,
    /// Start of the slot.
    pub starts_at: UnixMillis,
    /// The channel's name.
    pub channel: String,
    /// End of the slot.
    pub ends_at: UnixMillis,
    /// Index of its title in the listing's titles.
    pub title: u16,
}

fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    Arc::new(Schema::new(
        fields.iter().map(|(name, data_type, null)| Field::new(*name, data_type.clone(), *null)).collect::<Vec<_>>(),
    ))
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, ParquetError> {
    RecordBatch::try_new(schema, columns).map_err(|error: ArrowError| ParquetError::ArrowError(error.to_string()))
}

/// The columns of a batch by name and type.
struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn column(&self, name: &'static str) -> Result<&'a ArrayRef, &'static str> {
        self.0.column_by_name(name).ok_or(name)
    }

    fn wide(&self, name: &'static str) -> Result<&'a UInt64Array, &'static str> {
        self.column(name)?.as_primitive_opt::<UInt64Type>().ok_or(name)
    }

    fn narrow(&self, name: &'static str) -> Result<&'a UInt32Array, &'static str> {
        self.column(name)?.as_primitive_opt::<UInt32Type>().ok_or(name)
    }

    fn small(&self, name: &'static str) -> Result<&'a UInt16Array, &'static str> {
        self.column(name)?.as_primitive_opt::<UInt16Type>().ok_or(name)
    }

    fn time(&self, name: &'static str) -> Result<&'a Int64Array, &'static str> {
        self.column(name)?.as_primitive_opt::<Int64Type>().ok_or(name)
    }

    fn text(&self, name: &'static str) -> Result<&'a StringArray, &'static str> {
        self.column(name)?.as_string_opt::<i32>().ok_or(name)
    }

    fn texts(&self, name: &'static str) -> Result<&'a ListArray, &'static str> {
        self.column(name)?.as_list_opt::<i32>().ok_or(name)
    }
}

fn optional_text(column: &StringArray, at: usize) -> Option<String> {
    column.is_valid(at).then(|| column.value(at).to_owned())
}

impl Row for Posting {
    const TABLE: Table = Table::Block;

    fn schema() -> SchemaRef {
        schema(&[("key", DataType::UInt64, false), ("mark", DataType::UInt32, false)])
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let keys = UInt64Array::from_iter_values(rows.iter().map(|row| row.key));
        let marks = UInt32Array::from_iter_values(rows.iter().map(|row| row.mark));
        batch(Self::schema(), vec![Arc::new(keys), Arc::new(marks)])
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (keys, marks) = (columns.wide("key")?, columns.narrow("mark")?);
        Ok(places.iter().map(|&at| Self { key: keys.value(at), mark: marks.value(at) }).collect())
    }
}

impl Row for ListingRow {
    const TABLE: Table = Table::Listing;

    fn schema() -> SchemaRef {
        let title = Field::new("title", DataType::Utf8, false);
        schema(&[
            ("product", DataType::UInt64, false),
            ("shop", DataType::Utf8, false),
            ("listing_id", DataType::Utf8, false),
            ("titles", DataType::List(Arc::new(title)), false),
            ("brand", DataType::Utf8, true),
            ("category", DataType::Utf8, true),
            ("price", DataType::UInt32, true),
            ("image", DataType::Utf8, true),
            ("review_count", DataType::UInt32, true),
            ("first_at", DataType::Int64, false),
            ("last_at", DataType::Int64, false),
        ])
    }

    fn key(&self) -> u64 {
        self.product
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let field = Field::new("title", DataType::Utf8, false);
        let mut titles = ListBuilder::new(StringBuilder::new()).with_field(field);
        for row in rows {
            for title in &row.titles {
                titles.values().append_value(title);
            }
            titles.append(true);
        }
        let text = |of: fn(&Self) -> Option<&str>| Arc::new(rows.iter().map(of).collect::<StringArray>()) as ArrayRef;
        let number = |of: fn(&Self) -> Option<u32>| Arc::new(rows.iter().map(of).collect::<UInt32Array>()) as ArrayRef;
        let time = |of: fn(&Self) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let columns = vec![
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.product))) as ArrayRef,
            text(|row| Some(&row.shop)),
            text(|row| Some(&row.listing_id)),
            Arc::new(titles.finish()),
            text(|row| row.brand.as_deref()),
            text(|row| row.category.as_deref()),
            number(|row| row.price),
            text(|row| row.image.as_deref()),
            number(|row| row.review_count),
            time(|row| row.first_at.0),
            time(|row| row.last_at.0),
        ];
        batch(Self::schema(), columns)
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (products, shops, codes) = (columns.wide("product")?, columns.text("shop")?, columns.text("listing_id")?);
        let (titles, brands, categories) =
            (columns.texts("titles")?, columns.text("brand")?, columns.text("category")?);
        let (prices, images, reviews) =
            (columns.narrow("price")?, columns.text("image")?, columns.narrow("review_count")?);
        let (firsts, lasts) = (columns.time("first_at")?, columns.time("last_at")?);
        let read = |at: usize| {
            let titles = titles.value(at);
            let titles = titles.as_string_opt::<i32>().ok_or("titles")?;
            Ok(Self {
                product: products.value(at),
                shop: shops.value(at).to_owned(),
                listing_id: codes.value(at).to_owned(),
                titles: titles.iter().flatten().map(str::to_owned).collect(),
                brand: optional_text(brands, at),
                category: optional_text(categories, at),
                price: prices.is_valid(at).then(|| prices.value(at)),
                image: optional_text(images, at),
                review_count: reviews.is_valid(at).then(|| reviews.value(at)),
                first_at: UnixMillis(firsts.value(at)),
                last_at: UnixMillis(lasts.value(at)),
            })
        };
        places.iter().map(|&at| read(at)).collect()
    }
}

impl Row for AiringRow {
    const TABLE: Table = Table::Airing;

    fn schema() -> SchemaRef {
        schema(&[
            ("product", DataType::UInt64, false),
            ("listing", DataType::UInt32, false),
            ("starts_at", DataType::Int64, false),
            ("channel", DataType::Utf8, false),
            ("ends_at", DataType::Int64, false),
            ("title", DataType::UInt16, false),
        ])
    }

    fn key(&self) -> u64 {
        self.product
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let columns = vec![
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.product))) as ArrayRef,
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.listing))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.starts_at.0))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.channel))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.ends_at.0))),
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.title))),
        ];
        batch(Self::schema(), columns)
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (products, listings, starts) =
            (columns.wide("product")?, columns.narrow("listing")?, columns.time("starts_at")?);
        let (channels, ends, titles) = (columns.text("channel")?, columns.time("ends_at")?, columns.small("title")?);
        let read = |&at: &usize| Self {
            product: products.value(at),
            listing: listings.value(at),
            starts_at: UnixMillis(starts.value(at)),
            channel: channels.value(at).to_owned(),
            ends_at: UnixMillis(ends.value(at)),
            title: titles.value(at),
        };
        Ok(places.iter().map(read).collect())
    }
}
