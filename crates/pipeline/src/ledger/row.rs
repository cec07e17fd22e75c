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
use sinsang_identity::identity::{self, Key, Lesson, Lessons, code_key};

use super::file::Row;
use super::head::Table;

/// Titles of one listing that a ledger keeps: the first ones it had.
const MAX_TITLES: usize = 64;

/// A blocking key and a product that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posting {
    /// The key.
    pub key: Key,
    /// The product, by the upper half of its id.
    pub mark: u32,
}

/// A listing of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingRow {
    /// The product's id at the time the row was written; `merge` tells where it went since.
    pub product: u64,
    /// The shop.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
    /// Its titles in the order they were first seen.
    pub titles: Vec<String>,
    /// The brand field.
    pub brand: Option<String>,
    /// The schedule's own category.
    pub category: Option<String>,
    /// Price in won.
    pub price: Option<u32>,
    /// Address of a picture.
    pub image: Option<String>,
    /// Reviews at the first sight that told.
    pub review_count: Option<u32>,
    /// Start of its first broadcast, planned ones included.
    pub first_at: UnixMillis,
    /// Start of its last broadcast, planned ones included.
    pub last_at: UnixMillis,
}

impl ListingRow {
    /// What a table says of a listing.
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

    /// This row with what `other` says besides. What the later of them says of price, brand, category and picture counts.
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

    /// As identity sees it.
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

/// What tells the listings of one product apart in its airings: bits of the key of shop and code.
pub(crate) fn listing_mark(shop: &str, listing_id: &str) -> u32 {
    u32::try_from(code_key(shop, listing_id) >> 32).unwrap_or(u32::MAX)
}

/// A broadcast that has begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AiringRow {
    /// The product's id at the time the row was written.
    pub product: u64,
    /// The listing, by bits of the key of its shop and code.
    pub listing: u32,
    /// Start of the slot.
    pub starts_at: UnixMillis,
    /// The channel's name.
    pub channel: String,
    /// End of the slot.
    pub ends_at: UnixMillis,
    /// Which of the listing's titles it had.
    pub title: u16,
}

/// How many titles have a word or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WordRow {
    /// The word's or blocking key's key.
    pub key: Key,
    /// Titles that have it.
    pub titles: u32,
}

/// How many listings teach something of a word, or of two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LessonRow {
    /// The number of the row in its file.
    pub key: u64,
    /// What they teach.
    pub lesson: Lesson,
    /// The word.
    pub word: String,
    /// The other word; empty where the lesson is of one.
    pub other: String,
    /// Listings that teach it.
    pub listings: u32,
}

impl LessonRow {
    /// Lessons as rows, in their order.
    pub fn all(lessons: &Lessons) -> Vec<Self> {
        let row = |(key, ((lesson, word, other), &listings)): (u64, (&(Lesson, String, String), &u32))| Self {
            key,
            lesson: *lesson,
            word: word.clone(),
            other: other.clone(),
            listings,
        };
        (0..).zip(lessons).map(row).collect()
    }

    /// Adds what the row says to others.
    pub fn add_to(self, lessons: &mut Lessons) {
        let listings = lessons.entry((self.lesson, self.word, self.other)).or_default();
        *listings = listings.saturating_add(self.listings);
    }
}

/// A product that turned out to be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergeRow {
    /// The id that is no longer given.
    pub key: u64,
    /// The product that it is.
    pub into: u64,
}

/// A listing that a correction brought to another product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoveRow {
    /// The product that had it; the same as `into` where it is back.
    pub key: u64,
    /// The listing, by bits of the key of its shop and code.
    pub listing: u32,
    /// The product that it is.
    pub into: u64,
}

fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    Arc::new(Schema::new(
        fields.iter().map(|(name, data_type, null)| Field::new(*name, data_type.clone(), *null)).collect::<Vec<_>>(),
    ))
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, ParquetError> {
    RecordBatch::try_new(schema, columns).map_err(|error: ArrowError| ParquetError::ArrowError(error.to_string()))
}

/// The columns of a batch by name, under the types that a row wants.
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

impl Row for WordRow {
    const TABLE: Table = Table::Word;

    fn schema() -> SchemaRef {
        schema(&[("key", DataType::UInt64, false), ("titles", DataType::UInt32, false)])
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let keys = UInt64Array::from_iter_values(rows.iter().map(|row| row.key));
        let titles = UInt32Array::from_iter_values(rows.iter().map(|row| row.titles));
        batch(Self::schema(), vec![Arc::new(keys), Arc::new(titles)])
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (keys, titles) = (columns.wide("key")?, columns.narrow("titles")?);
        Ok(places.iter().map(|&at| Self { key: keys.value(at), titles: titles.value(at) }).collect())
    }
}

impl Row for LessonRow {
    const TABLE: Table = Table::Lesson;

    fn schema() -> SchemaRef {
        schema(&[
            ("key", DataType::UInt64, false),
            ("lesson", DataType::UInt16, false),
            ("word", DataType::Utf8, false),
            ("other", DataType::Utf8, false),
            ("listings", DataType::UInt32, false),
        ])
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let columns = vec![
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.key))) as ArrayRef,
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.lesson.code()))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.word))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.other))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.listings))),
        ];
        batch(Self::schema(), columns)
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (keys, lessons, listings) = (columns.wide("key")?, columns.small("lesson")?, columns.narrow("listings")?);
        let (words, others) = (columns.text("word")?, columns.text("other")?);
        let read = |&at: &usize| {
            Ok(Self {
                key: keys.value(at),
                lesson: Lesson::of_code(lessons.value(at)).ok_or("lesson")?,
                word: words.value(at).to_owned(),
                other: others.value(at).to_owned(),
                listings: listings.value(at),
            })
        };
        places.iter().map(read).collect()
    }
}

impl Row for MergeRow {
    const TABLE: Table = Table::Merge;

    fn schema() -> SchemaRef {
        schema(&[("key", DataType::UInt64, false), ("into", DataType::UInt64, false)])
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let keys = UInt64Array::from_iter_values(rows.iter().map(|row| row.key));
        let into = UInt64Array::from_iter_values(rows.iter().map(|row| row.into));
        batch(Self::schema(), vec![Arc::new(keys), Arc::new(into)])
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (keys, into) = (columns.wide("key")?, columns.wide("into")?);
        Ok(places.iter().map(|&at| Self { key: keys.value(at), into: into.value(at) }).collect())
    }
}

impl Row for MoveRow {
    const TABLE: Table = Table::Move;

    fn schema() -> SchemaRef {
        schema(&[
            ("key", DataType::UInt64, false),
            ("listing", DataType::UInt32, false),
            ("into", DataType::UInt64, false),
        ])
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError> {
        let keys = UInt64Array::from_iter_values(rows.iter().map(|row| row.key));
        let listings = UInt32Array::from_iter_values(rows.iter().map(|row| row.listing));
        let into = UInt64Array::from_iter_values(rows.iter().map(|row| row.into));
        batch(Self::schema(), vec![Arc::new(keys), Arc::new(listings), Arc::new(into)])
    }

    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str> {
        let columns = Columns(batch);
        let (keys, listings, into) = (columns.wide("key")?, columns.narrow("listing")?, columns.wide("into")?);
        let read = |&at: &usize| Self { key: keys.value(at), listing: listings.value(at), into: into.value(at) };
        Ok(places.iter().map(read).collect())
    }
}
