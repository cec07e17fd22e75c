//! Checked rows on their way into the engine: Arrow batches, written to Parquet files in a work folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use sinsang_core::time::UnixMillis;
use sinsang_tables::table::{Broadcast, Event};

use crate::read::rekey::Renamed;

/// Rows gathered before they are handed to the writer.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group: what the writer holds in memory.
const GROUP_ROWS: usize = 1 << 18;

/// A staged file can't be written: make room in the work folder, or choose another.
#[derive(Debug, thiserror::Error)]
#[error("the work file {} can't be written: {source}; make room there or choose another work folder", path.display())]
pub struct StageError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub source: ParquetError,
}

/// A Parquet file being written.
pub(crate) struct Stage {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl Stage {
    /// Makes the file, replacing what is there.
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

    /// Ends the file and answers where it is.
    pub(crate) fn close(self) -> Result<PathBuf, StageError> {
        match self.writer.close() {
            Ok(_) => Ok(self.path),
            Err(source) => Err(StageError { path: self.path, source }),
        }
    }
}

/// Typed rows that can be staged.
pub(crate) trait Staged: Sized {
    /// The columns, and which of them may be null.
    const FIELDS: &'static [(&'static str, DataType, bool)];

    /// Appends the row's fields in the order of `FIELDS`.
    fn append(&self, cells: &mut Builders<'_>);

    /// Names users of several names by the one that stands for them.
    fn rename(&mut self, _: &Renamed) {}
}

/// The builders of a batch, handed out column by column.
pub(crate) struct Builders<'b>(std::slice::IterMut<'b, Builder>);

impl Builders<'_> {
    fn text(&mut self, value: Option<&str>) {
        if let Some(Builder::Text(builder)) = self.0.next() {
            builder.append_option(value);
        }
    }

    fn whole(&mut self, value: Option<i64>) {
        if let Some(Builder::Whole(builder)) = self.0.next() {
            builder.append_option(value);
        }
    }

    fn time(&mut self, value: Option<UnixMillis>) {
        self.whole(value.map(|at| at.0));
    }
}

enum Builder {
    Text(StringBuilder),
    Whole(Int64Builder),
}

/// Gathers rows of a table into batches.
pub(crate) struct Batches {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

impl Batches {
    /// Starts empty, with the columns of `T`.
    pub(crate) fn of<T: Staged>() -> Self {
        let fields: Vec<Field> = T::FIELDS
            .iter()
            .map(|(name, data_type, nullable)| Field::new(*name, data_type.clone(), *nullable))
            .collect();
        let builders = fields
            .iter()
            .map(|field| match field.data_type() {
                DataType::Utf8 => Builder::Text(StringBuilder::new()),
                _ => Builder::Whole(Int64Builder::new()),
            })
            .collect();
        Self { schema: Arc::new(Schema::new(fields)), builders, rows: 0 }
    }

    /// The columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Takes a row, and gives a batch where that fills one.
    pub(crate) fn push<T: Staged>(&mut self, row: &T) -> Result<Option<RecordBatch>, ParquetError> {
        row.append(&mut Builders(self.builders.iter_mut()));
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

const TEXT: DataType = DataType::Utf8;
const WHOLE: DataType = DataType::Int64;

impl Staged for Broadcast {
    const FIELDS: &'static [(&'static str, DataType, bool)] = &[
        ("listing_id", TEXT, false),
        ("shop", TEXT, false),
        ("channel", TEXT, false),
        ("title", TEXT, false),
        ("brand", TEXT, true),
        ("category", TEXT, true),
        ("price", WHOLE, true),
        ("list_price", WHOLE, true),
        ("image", TEXT, true),
        ("url", TEXT, true),
        ("starts_at", WHOLE, false),
        ("ends_at", WHOLE, true),
        ("review_count", WHOLE, true),
        ("collected_at", WHOLE, true),
    ];

    fn append(&self, cells: &mut Builders<'_>) {
        cells.text(Some(&self.listing_id));
        cells.text(Some(&self.shop));
        cells.text(Some(&self.channel));
        cells.text(Some(&self.title));
        cells.text(self.brand.as_deref());
        cells.text(self.category.as_deref());
        cells.whole(self.price.map(i64::from));
        cells.whole(self.list_price.map(i64::from));
        cells.text(self.image.as_deref());
        cells.text(self.url.as_deref());
        cells.time(Some(self.starts_at));
        cells.time(self.ends_at);
        cells.whole(self.review_count.map(i64::from));
        cells.time(self.collected_at);
    }
}

impl Staged for Event {
    const FIELDS: &'static [(&'static str, DataType, bool)] = &[
        ("user_id", TEXT, false),
        ("at", WHOLE, false),
        ("kind", TEXT, false),
        ("shop", TEXT, true),
        ("listing_id", TEXT, true),
        ("product_id", TEXT, true),
        ("tab_id", TEXT, true),
        ("channel", TEXT, true),
        ("region", TEXT, true),
        ("device_class", TEXT, true),
    ];

    fn rename(&mut self, renamed: &Renamed) {
        self.user_id = renamed.one_text(std::mem::take(&mut self.user_id));
    }

    fn append(&self, cells: &mut Builders<'_>) {
        cells.text(Some(&self.user_id));
        cells.time(Some(self.at));
        cells.text(Some(self.kind.as_str()));
        cells.text(self.shop.as_deref());
        cells.text(self.listing_id.as_deref());
        cells.text(self.product_id.as_deref());
        cells.text(self.tab_id.as_deref());
        cells.text(self.channel.as_deref());
        cells.text(self.region.as_deref());
        cells.text(self.device_class);
    }
}
