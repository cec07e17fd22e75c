//! Rows of statistics over titles.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt16Array, UInt32Array, UInt64Array};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::parquet::errors::ParquetError;
use sinsang_identity::identity::{Key, Lesson, Lessons};

use super::super::file::Row;
use super::super::head::Table;
use super::{Columns, batch, schema};

/// The number of titles with a word or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WordRow {
    /// The key of the word, or the blocking key.
    pub key: Key,
    /// Number of titles with it.
    pub titles: u32,
}

/// The number of listings that support a lesson about one or two words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LessonRow {
    /// The row's number in its file.
    pub key: u64,
    /// The lesson.
    pub lesson: Lesson,
    /// The word.
    pub word: String,
    /// The other word; empty if the lesson is about one word.
    pub other: String,
    /// Number of listings that support it.
    pub listings: u32,
}

impl LessonRow {
    /// Converts lessons to rows, in order.
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

    /// Adds the row to `lessons`.
    pub fn add_to(self, lessons: &mut Lessons) {
        let listings = lessons.entry((self.lesson, self.word, self.other)).or_default();
        *listings = listings.saturating_add(self.listings);
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
