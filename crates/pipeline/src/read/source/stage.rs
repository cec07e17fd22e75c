//! Staging of checked rows: Arrow batches, written to Parquet files in the work folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use sinsang_tables::row::{Cell, Kind, Row};
use sinsang_tables::table::{Broadcast, Event};

use crate::read::rekey::Renamed;

/// Rows of a batch for the writer.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group, which the writer holds in memory.
const GROUP_ROWS: usize = 1 << 18;

/// A staged file can't be written: make room in the work folder, or choose another.
#[derive(Debug, thiserror::Error)]
#[error("the work file {} can't be written: {source}; make room there or choose another work folder", path.display())]
pub struct StageError {
    /// The file.
    pub path: PathBuf,
    /// The writer's error.
    pub source: ParquetError,
}

/// A Parquet file being written.
pub(crate) struct Stage {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl Stage {
    /// Creates the file, replacing an existing one.
    pub(crate) fn create(path: &Path, schema: SchemaRef) -> Result<Self, StageError> {
        let failed = |source| StageError { path: path.to_path_buf(), source };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = File::create(path).map_err(|source| failed(source.into()))?;
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), writer })
    }

    /// Appends rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), StageError> {
        self.writer.write(batch).map_err(|source| StageError { path: self.path.clone(), source })
    }

    /// Finishes the file and returns its path.
    pub(crate) fn close(self) -> Result<PathBuf, StageError> {
        match self.writer.close() {
            Ok(_) => Ok(self.path),
            Err(source) => Err(StageError { path: self.path, source }),
        }
    }
}

/// Typed rows that can be staged as a table.
pub(crate) trait Staged: Row {
    /// Replaces the name of a user with several names by the representative one.
    fn rename(&mut self, _: &Renamed) {}
}

impl Staged for Broadcast {}

impl Staged for Event {
    fn rename(&mut self, renamed: &Renamed) {
        self.user_id = renamed.one_text(std::mem::take(&mut self.user_id));
    }
}

/// The columns of a table of `T`: text, and 64-bit numbers; times are milliseconds since 1970.
pub(crate) fn columns<T: Row>() -> impl Iterator<Item = Field> {
    T::FIELDS.iter().map(|field| {
        let kind = if field.kind == Kind::Text { DataType::Utf8 } else { DataType::Int64 };
        Field::new(field.name, kind, field.is_optional)
    })
}

enum Builder {
    Text(StringBuilder),
    Whole(Int64Builder),
}

impl Builder {
    fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(texts), Cell::Text(text)) => texts.append_option(text),
            (Self::Text(_), _) | (_, Cell::Text(_)) => unreachable!("columns follow from the kinds of fields"),
            (Self::Whole(numbers), Cell::Count(count)) => numbers.append_option(count.map(i64::from)),
            (Self::Whole(numbers), Cell::Time(at)) => numbers.append_option(at.map(|at| at.0)),
            (Self::Whole(numbers), Cell::Flag(flag)) => numbers.append_option(flag.map(i64::from)),
        }
    }
}

/// Gathers rows into batches.
pub(crate) struct Batches {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

impl Batches {
    /// An empty builder with the columns of `T`.
    pub(crate) fn of<T: Staged>() -> Self {
        let fields: Vec<Field> = columns::<T>().collect();
        let builders = fields
            .iter()
            .map(|field| match field.data_type() {
                DataType::Utf8 => Builder::Text(StringBuilder::new()),
                _ => Builder::Whole(Int64Builder::new()),
            })
            .collect();
        Self { schema: Arc::new(Schema::new(fields)), builders, rows: 0 }
    }

    /// The schema of the columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Adds a row, and returns a batch once it is full.
    pub(crate) fn push<T: Staged>(&mut self, row: &T) -> Result<Option<RecordBatch>, ParquetError> {
        let mut builders = self.builders.iter_mut();
        row.cells(|cell| builders.next().expect("a builder for each field").append(cell));
        self.rows += 1;
        if self.rows < BATCH_ROWS { Ok(None) } else { self.take().map(Some) }
    }

    /// The rows gathered so far.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ParquetError> {
        self.rows = 0;
        let schema = self.schema();
        let arrays = self.builders.iter_mut().map(|builder| match builder {
            Builder::Text(builder) => Arc::new(builder.finish()) as ArrayRef,
            Builder::Whole(builder) => Arc::new(builder.finish()) as ArrayRef,
        });
        Ok(RecordBatch::try_new(schema, arrays.collect())?)
    }
}
