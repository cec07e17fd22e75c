//! Rows of merged products and moved listings.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array, UInt64Array};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::parquet::errors::ParquetError;

use super::super::file::Row;
use super::super::head::Table;
use super::{Columns, batch, schema};

/// A product merged into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergeRow {
    /// The retired id.
    pub key: u64,
    /// The product that it was merged into.
    pub into: u64,
}

/// A listing that a correction moved to another product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoveRow {
    /// The product that had it; equal to `into` if the listing was moved back.
    pub key: u64,
    /// The listing's mark: bits of the key of its shop and code.
    pub listing: u32,
    /// The product that it was moved to.
    pub into: u64,
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
