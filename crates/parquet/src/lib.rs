//! Parquet files read batch by batch, each column under whatever type it has: `sinsang-tables`
//! takes rows from here as from its own text readers. It is a separate crate because those need no
//! Arrow, and this one nothing of the pipeline's engine.

mod bound;

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringViewArray, UInt64Array,
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use sinsang_core::time::{DAY_MS, SECOND_MS, UnixMillis};
use sinsang_run::file::open_regular;
use sinsang_tables::encoding::{Decoded, Encoding};
use sinsang_tables::excerpt::excerpt_bytes;
use sinsang_tables::file::SourceFile;
use sinsang_tables::line::ROW_MAX_BYTES;
use sinsang_tables::reject::Reason;
use sinsang_tables::value::{Value, Written};
use sinsang_tables::{Column, ColumnMap, Error, Fault, MAX_COLUMNS, Place, Rows, Shape};

pub use bound::DEFAULT_PAGE_BYTES;

/// Rows per batch.
const BATCH_ROWS: usize = 8_192;

/// A file whose pages would take too much memory.
#[derive(Debug, thiserror::Error)]
#[error(
    "its pages need {} MiB of memory, over the limit of {} MiB: write the file with smaller pages, or raise --memory, \
     a quarter of which is this limit",
    bytes >> 20,
    most >> 20
)]
struct TooLarge {
    bytes: u64,
    most: u64,
}

/// Opens a Parquet file to read the columns at the places that `chosen` picks from the file's
/// columns. Texts are views: otherwise a dictionary of a few long ones would be copied out for each
/// row. Refuses a file whose pages take more than `most` bytes.
///
/// # Errors
/// [`Error::Open`] if the file can't be opened; [`Error::Damaged`] if its content can't be read;
/// [`Error::TooLarge`] if its pages take too much memory; any error of `chosen`.
pub fn open(
    path: &Path,
    most: u64,
    chosen: impl FnOnce(&SchemaRef) -> Result<Vec<usize>, Error>,
) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
    let damaged =
        |source: Box<dyn std::error::Error + Send + Sync>| Error::Damaged { path: path.to_path_buf(), row: 0, source };
    let parquet = |source: ParquetError| damaged(Box::new(source));
    let file = open_regular(path).map_err(|source| Error::Open { path: path.to_path_buf(), source })?;
    let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(parquet)?;
    let places = chosen(found.schema())?;
    let metadata = Arc::clone(found.metadata());
    let mask = ProjectionMask::roots(metadata.file_metadata().schema_descr(), places);
    let extent = bound::extent(&file, &metadata, &mask, most).map_err(|source| damaged(Box::new(source)))?;
    if extent.bytes > most {
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            source: Box::new(TooLarge { bytes: extent.bytes, most }),
        });
    }
    let views = ArrowReaderOptions::default().with_schema(with_views(found.schema()));
    let viewed = ArrowReaderMetadata::try_new(metadata, views).map_err(parquet)?;
    let fitting = usize::try_from(most / extent.shared_bytes.max(1)).unwrap_or(usize::MAX);
    let rows = BATCH_ROWS.min(fitting).max(1);
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, viewed).with_batch_size(rows).with_projection(mask))
}

/// `schema` with string types replaced by views.
fn with_views(schema: &SchemaRef) -> SchemaRef {
    fn view(data_type: &DataType) -> DataType {
        match data_type {
            DataType::Dictionary(_, values)
                if values.is_string() || matches!(**values, DataType::Binary | DataType::LargeBinary) =>
            {
                view(values)
            }
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            data_type if data_type.is_string() => DataType::Utf8View,
            data_type => data_type.clone(),
        }
    }
    let viewed = |field: &Arc<Field>| field.as_ref().clone().with_data_type(view(field.data_type()));
    Arc::new(Schema::new_with_metadata(
        schema.fields().iter().map(viewed).collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// Passes every row of a file to `rows`, and reports progress to `advance` in bytes of the file, in
/// proportion to the rows read. The file's pages may take `most` bytes.
///
/// # Errors
/// If the file can't be read or lacks one of `columns`; any error of `rows`.
pub fn read(
    file: &SourceFile,
    columns: &'static [Column],
    rows: &mut dyn Rows,
    advance: &dyn Fn(u64),
    most: u64,
) -> Result<(), Error> {
    let path = file.path.as_path();
    let constants = file.constants(columns);
    let mut names: Vec<Option<String>> = Vec::new();
    let builder = open(path, most, |schema| {
        let ColumnMap { places, renamed } = check_schema(file, columns, schema)?;
        for (column, from) in &renamed {
            rows.renamed(column, from);
        }
        let name = |place: &Option<usize>| {
            place.and_then(|place| schema.fields().get(place)).map(|field| field.name().clone())
        };
        names = places.iter().map(name).collect();
        Ok(places.into_iter().flatten().collect())
    })?;
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0).max(1);
    let damaged = |row, source| Error::Damaged { path: path.to_path_buf(), row, source };
    let is_utc = names.iter().map(|name| name.as_ref().is_some_and(|name| is_int96(&builder, name))).collect();
    let mut texts = vec![Encoding::default(); names.len()];
    let layout = Layout { names, is_utc };
    let batches = builder.build().map_err(|source| damaged(0, Box::new(source)))?;
    let mut row = 0;
    let mut bytes_shown = 0;
    for batch in batches {
        let batch = batch.map_err(|source| damaged(row, Box::new(source)))?;
        let cells = Cells::new(&batch, &layout).map_err(|source| damaged(row, Box::new(source)))?;
        for index in 0..batch.num_rows() {
            row += 1;
            let place = Place { row, line: None };
            if let Some(start) = cells.excess(index) {
                let value = Some(start);
                rows.fault(place, Fault { field: None, reason: Reason::RowTooLong, detail: None, value })?;
                continue;
            }
            let mut values = cells.row(index, &mut texts);
            constants.complete(&mut values);
            rows.row(place, &values)?;
        }
        let bytes_done = u64::try_from(u128::from(file.bytes) * u128::from(row.min(total)) / u128::from(total));
        let bytes_done = bytes_done.unwrap_or(file.bytes);
        advance(bytes_done - bytes_shown);
        bytes_shown = bytes_done;
    }
    Ok(())
}

/// The table's columns as the file has them, in the table's order.
struct Layout {
    /// Column names in the file.
    names: Vec<Option<String>>,
    /// Whether timestamps without a zone are instants.
    is_utc: Vec<bool>,
}

/// Whether a column has the INT96 type, in which Spark, Hive and Impala write instants by default:
/// the type itself has no zone, and its writers mean UTC (Spark,
/// `spark.sql.parquet.outputTimestampType`).
fn is_int96(builder: &ParquetRecordBatchReaderBuilder<File>, name: &str) -> bool {
    let columns = builder.parquet_schema().columns();
    columns.iter().any(|column| column.path().string() == name && column.physical_type() == PhysicalType::INT96)
}

/// The place of each known column in the file, after checking that its type is readable.
fn check_schema(file: &SourceFile, columns: &'static [Column], schema: &SchemaRef) -> Result<ColumnMap, Error> {
    let found: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let map = ColumnMap::new(file, columns, &found)?;
    for (column, position) in columns.iter().zip(&map.places) {
        let Some(position) = *position else { continue };
        let data_type = schema.field(position).data_type();
        if !is_readable(column.shape, data_type) {
            return Err(Error::ColumnType {
                path: file.path.clone(),
                column: column.name,
                found: data_type.to_string(),
                wanted: column.shape.wanted(),
            });
        }
    }
    Ok(map)
}

fn is_readable(shape: Shape, data_type: &DataType) -> bool {
    let text = data_type.is_string()
        || matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null);
    match data_type {
        DataType::Dictionary(_, values) => is_readable(shape, values),
        _ if text => true,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => {
            shape == Shape::Time
        }
        DataType::Boolean => shape == Shape::Flag,
        _ if data_type.is_integer() || data_type.is_floating() => shape != Shape::Text,
        _ if is_small_decimal(data_type) => matches!(shape, Shape::Id | Shape::Number | Shape::Time),
        _ => data_type.is_decimal() && shape == Shape::Number,
    }
}

/// Whether a decimal's digits fit 128 bits. A larger one is not an id.
fn is_small_decimal(data_type: &DataType) -> bool {
    data_type.is_decimal() && !matches!(data_type, DataType::Decimal256(..))
}

/// The columns of a batch in the table's order, converted to the few types that rows are read from.
struct Cells(Vec<Cell>);

enum Cell {
    Absent,
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Whole(Int64Array),
    Unsigned(UInt64Array),
    Real(Float64Array),
    Flag(BooleanArray),
    /// Values converted for the whole batch.
    Read(Vec<Value<'static>>),
}

impl Cells {
    fn new(batch: &RecordBatch, layout: &Layout) -> Result<Self, ArrowError> {
        let cell = |(name, is_utc): (&Option<String>, &bool)| {
            let column = name.as_ref().and_then(|name| batch.column_by_name(name));
            column.map_or(Ok(Cell::Absent), |column| Cell::new(column, *is_utc))
        };
        layout.names.iter().zip(&layout.is_utc).map(cell).collect::<Result<_, _>>().map(Self)
    }

    /// The start of a row's longest text, if its texts exceed the byte limit of a text row.
    fn excess(&self, index: usize) -> Option<String> {
        let texts = self.0.iter().map(|cell| cell.text(index));
        let (bytes, longest) = texts.fold((0_usize, [].as_slice()), |(bytes, longest), text| {
            (bytes.saturating_add(text.len()), if text.len() > longest.len() { text } else { longest })
        });
        (bytes > ROW_MAX_BYTES).then(|| excerpt_bytes(longest))
    }

    /// The values of a row; `texts` holds the encodings of columns whose texts are bytes.
    fn row(&self, index: usize, texts: &mut [Encoding]) -> [Value<'_>; MAX_COLUMNS] {
        let mut values = [const { Value::Missing }; MAX_COLUMNS];
        for ((value, cell), encoding) in values.iter_mut().zip(&self.0).zip(texts) {
            *value = cell.value(index, encoding);
        }
        values
    }
}

impl Cell {
    fn new(array: &ArrayRef, is_utc: bool) -> Result<Self, ArrowError> {
        if let DataType::Dictionary(_, values) = array.data_type() {
            return Self::new(&cast(array, values)?, is_utc);
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Absent,
            DataType::Timestamp(unit, zone) => Self::Read(times(array, *unit, zone.is_some() || is_utc)),
            DataType::Date32 | DataType::Date64 => Self::Read(parts(&cast(array, &DataType::Date32)?, |days: i32| {
                Written::Date(i64::from(days).saturating_mul(DAY_MS))
            })?),
            DataType::Time32(_) | DataType::Time64(_) => {
                let ms = cast(array, &DataType::Time64(TimeUnit::Microsecond))?;
                let ms: Int64Array = cast(&ms, &DataType::Int64)?.as_primitive().clone();
                Self::Read(
                    ms.iter()
                        .map(|us| us.map_or(Value::Missing, |us| Value::Written(Written::Clock(us / 1_000))))
                        .collect(),
                )
            }
            data_type if is_small_decimal(data_type) => Self::Read(decimals(array)?),
            DataType::Boolean => Self::Flag(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive().clone()),
            data_type if data_type.is_string() => {
                Self::Text(cast(array, &DataType::Utf8View)?.as_string_view().clone())
            }
            data_type if data_type.is_integer() => Self::Whole(cast(array, &DataType::Int64)?.as_primitive().clone()),
            data_type if data_type.is_floating() || data_type.is_decimal() => {
                Self::Real(cast(array, &DataType::Float64)?.as_primitive().clone())
            }
            _ => Self::Bytes(cast(array, &DataType::BinaryView)?.as_binary_view().clone()),
        })
    }

    /// The bytes of a text; empty if the value is not a text.
    fn text(&self, index: usize) -> &[u8] {
        match self {
            Self::Text(array) if array.is_valid(index) => array.value(index).as_bytes(),
            Self::Bytes(array) if array.is_valid(index) => array.value(index),
            _ => &[],
        }
    }

    fn value(&self, index: usize, encoding: &mut Encoding) -> Value<'_> {
        match self {
            Self::Text(array) if array.is_valid(index) => Value::Text(Cow::Borrowed(array.value(index))),
            Self::Bytes(array) if array.is_valid(index) => match encoding.read(array.value(index)) {
                Decoded::Utf8(text) => Value::Text(Cow::Borrowed(text)),
                Decoded::Cp949(text) => Value::Decoded(text),
                Decoded::Neither => Value::NotUtf8(excerpt_bytes(array.value(index))),
            },
            Self::Whole(array) if array.is_valid(index) => Value::Whole(array.value(index).into()),
            Self::Unsigned(array) if array.is_valid(index) => Value::Whole(array.value(index).into()),
            Self::Real(array) if array.is_valid(index) => Value::Real(array.value(index)),
            Self::Flag(array) if array.is_valid(index) => Value::Flag(array.value(index)),
            Self::Read(values) => values.get(index).cloned().unwrap_or_default(),
            _ => Value::Missing,
        }
    }
}

/// Nullable dates.
fn parts(array: &ArrayRef, written: impl Fn(i32) -> Written) -> Result<Vec<Value<'static>>, ArrowError> {
    let days: Int32Array = cast(array, &DataType::Int32)?.as_primitive().clone();
    Ok(days.iter().map(|days| days.map_or(Value::Missing, |days| Value::Written(written(days)))).collect())
}

/// Decimals: integers if the fraction is zero, as databases write ids and counts.
#[expect(clippy::cast_precision_loss, reason = "a fraction is rounded to whole won or set aside")]
fn decimals(array: &ArrayRef) -> Result<Vec<Value<'static>>, ArrowError> {
    let (DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale)) =
        array.data_type()
    else {
        return Ok(Vec::new());
    };
    let scale = *scale;
    let numbers: Decimal128Array = cast(array, &DataType::Decimal128(38, scale))?.as_primitive().clone();
    let unit = 10_i128.checked_pow(scale.unsigned_abs().into()).unwrap_or(i128::MAX);
    let read = |number: i128| match scale {
        ..=0 => number.checked_mul(unit).map_or(Value::Real(f64::MAX), Value::Whole),
        _ if number % unit == 0 => Value::Whole(number / unit),
        _ => Value::Real(number as f64 / unit as f64),
    };
    Ok(numbers.iter().map(|number| number.map_or(Value::Missing, read)).collect())
}

/// The times of a timestamp column: instants, or local times of a zone that the column does not
/// name.
fn times(array: &ArrayRef, unit: TimeUnit, are_instants: bool) -> Vec<Value<'static>> {
    let instant = |value: Option<i64>| {
        let Some(value) = value else { return Value::Missing };
        let ms = match unit {
            TimeUnit::Second => value.checked_mul(SECOND_MS),
            TimeUnit::Millisecond => Some(value),
            TimeUnit::Microsecond => Some(value.div_euclid(1_000)),
            TimeUnit::Nanosecond => Some(value.div_euclid(1_000_000)),
        };
        ms.map_or(Value::TimeOutOfRange, |ms| {
            if are_instants { Value::Time(UnixMillis(ms)) } else { Value::Written(Written::Local(ms)) }
        })
    };
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().iter().map(instant).collect(),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().iter().map(instant).collect(),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().iter().map(instant).collect(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().iter().map(instant).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::StringViewBuilder;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::properties::WriterProperties;

    /// Writes a file with one column of texts.
    fn write(path: &Path, rows: &[&str], properties: fn(&mut Properties)) {
        // Each distinct text is stored once: all copies would not fit in memory.
        let mut texts = StringViewBuilder::new().with_deduplicate_strings();
        for row in rows {
            texts.append_value(row);
        }
        let texts: ArrayRef = Arc::new(texts.finish());
        let batch = RecordBatch::try_from_iter([("title", texts)]).unwrap();
        let mut chosen =
            Properties(WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())));
        properties(&mut chosen);
        let mut writer =
            ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(chosen.0.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    struct Properties(parquet::file::properties::WriterPropertiesBuilder);

    fn opened(path: &Path, most: u64) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
        open(path, most, |_| Ok(vec![0]))
    }

    /// Bytes of the largest batch of a file.
    fn held(path: &Path) -> usize {
        let batches = opened(path, bound::DEFAULT_PAGE_BYTES).unwrap().build().unwrap();
        batches.map(|batch| batch.unwrap().get_array_memory_size()).max().unwrap()
    }

    #[test]
    fn a_page_that_says_it_unpacks_to_too_much_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let long = "0".repeat(48 << 20);
        write(&path, &[&long, "short"], |_| ());
        assert!(std::fs::metadata(&path).unwrap().len() < 1 << 16, "it is small on the disk");
        let error = opened(&path, 32 << 20).unwrap_err().to_string();
        for part in ["a.parquet", "the limit of 32 MiB", "--memory"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(opened(&path, 128 << 20).is_ok());
        let file = File::open(&path).unwrap();
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).unwrap();
        let extent = bound::extent(&file, metadata.metadata(), &ProjectionMask::all(), u64::MAX).unwrap();
        assert!((48 << 20..56 << 20).contains(&extent.bytes), "{extent:?}");
        // The bytes at the offset are not a header.
        std::fs::write(&path, [b"PAR1".as_slice(), &[0xff; 64], &std::fs::read(&path).unwrap()[68..]].concat())
            .unwrap();
        assert!(opened(&path, 128 << 20).is_err());
    }

    #[test]
    fn texts_that_are_told_once_are_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let long = "0".repeat(1 << 16);
        // Copied out, these are 512 MiB per batch.
        write(&path, &vec![long.as_str(); BATCH_ROWS + 9], |properties| {
            properties.0 = std::mem::take(&mut properties.0).set_dictionary_page_size_limit(1 << 20);
        });
        assert!(held(&path) < 2 << 20, "{} bytes", held(&path));
    }

    #[test]
    fn texts_that_share_their_beginnings_are_read_few_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let rows: Vec<String> = (0..256).map(|row| format!("{}{row:04}", "0".repeat(1 << 20))).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        write(&path, &rows, |properties| {
            properties.0 = std::mem::take(&mut properties.0)
                .set_dictionary_enabled(false)
                .set_encoding(parquet::basic::Encoding::DELTA_BYTE_ARRAY);
        });
        let most = 16 << 20;
        let batches = opened(&path, most).unwrap().build().unwrap();
        let (mut rows, mut largest) = (0, 0);
        for batch in batches {
            let batch = batch.unwrap();
            rows += batch.num_rows();
            largest = largest.max(batch.get_array_memory_size());
        }
        assert!(rows == 256 && largest as u64 <= 3 * most, "{rows} rows, {largest} bytes");
    }
}
