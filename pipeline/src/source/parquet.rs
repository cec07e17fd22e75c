//! Parquet files batch by batch, each column under the type it happens to have.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sinsang::time::{KST_OFFSET_MS, SECOND_MS, UnixMillis};

use sinsang_input::encoding::decode_cp949;
use sinsang_input::file::SourceFile;
use sinsang_input::reject::excerpt_bytes;
use sinsang_input::value::Value;
use sinsang_input::{Column, ColumnMap, Error, MAX_COLUMNS, Place, Rows, Shape};

use crate::progress::Bar;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8_192;

/// Hands every row of a file to `rows`; the bar counts the file's bytes in the measure of the rows done.
pub(crate) fn read(file: &SourceFile, columns: &'static [Column], rows: &mut dyn Rows, bar: &Bar) -> Result<(), Error> {
    let path = file.path.as_path();
    let open = File::open(path).map_err(|source| Error::Open { path: path.to_path_buf(), source })?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(open).map_err(|source| Error::Damaged {
        path: path.to_path_buf(),
        row: 0,
        source: Box::new(source),
    })?;
    let ColumnMap { places, renamed } = check_schema(path, columns, builder.schema())?;
    for (column, from) in &renamed {
        rows.renamed(column, from);
    }
    let names: Vec<Option<String>> = places
        .iter()
        .map(|place| place.and_then(|place| builder.schema().fields().get(place)).map(|field| field.name().clone()))
        .collect();
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0).max(1);
    let projection = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied().flatten());
    let damaged = |row, source| Error::Damaged { path: path.to_path_buf(), row, source };
    let batches = builder
        .with_batch_size(BATCH_ROWS)
        .with_projection(projection)
        .build()
        .map_err(|source| damaged(0, Box::new(source)))?;
    let mut row = 0;
    let mut bytes_shown = 0;
    for batch in batches {
        let batch = batch.map_err(|source| damaged(row, Box::new(source)))?;
        let cells = Cells::new(&batch, &names).map_err(|source| damaged(row, Box::new(source)))?;
        for index in 0..batch.num_rows() {
            row += 1;
            rows.row(Place { row, line: None }, &cells.row(index))?;
        }
        let bytes_done = u64::try_from(u128::from(file.bytes) * u128::from(row.min(total)) / u128::from(total));
        let bytes_done = bytes_done.unwrap_or(file.bytes);
        bar.advance(bytes_done - bytes_shown);
        bytes_shown = bytes_done;
    }
    Ok(())
}

/// Where each known column stands in the file, once its type is seen to be readable.
fn check_schema(path: &Path, columns: &'static [Column], schema: &SchemaRef) -> Result<ColumnMap, Error> {
    let found: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let map = ColumnMap::new(path, columns, &found)?;
    for (column, position) in columns.iter().zip(&map.places) {
        let Some(position) = *position else { continue };
        let data_type = schema.field(position).data_type();
        if !is_readable(column.shape, data_type) {
            return Err(Error::ColumnType {
                path: path.to_path_buf(),
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
        DataType::Timestamp(..) => shape == Shape::Time,
        DataType::Boolean => shape == Shape::Flag,
        _ if data_type.is_integer() => matches!(shape, Shape::Id | Shape::Number | Shape::Flag),
        _ if data_type.is_floating() => matches!(shape, Shape::Id | Shape::Number),
        _ => data_type.is_decimal() && shape == Shape::Number,
    }
}

/// The columns of a batch in the table's order, each under one of the few types that rows are read from.
struct Cells(Vec<Cell>);

enum Cell {
    Absent,
    Text(StringArray),
    Bytes(BinaryArray),
    Whole(Int64Array),
    Unsigned(UInt64Array),
    Real(Float64Array),
    Flag(BooleanArray),
    Time(Vec<Value<'static>>),
}

impl Cells {
    /// `names` are the columns' names in the file.
    fn new(batch: &RecordBatch, names: &[Option<String>]) -> Result<Self, ArrowError> {
        let cell = |name: &Option<String>| {
            let column = name.as_ref().and_then(|name| batch.column_by_name(name));
            column.map_or(Ok(Cell::Absent), Cell::new)
        };
        names.iter().map(cell).collect::<Result<_, _>>().map(Self)
    }

    fn row(&self, index: usize) -> [Value<'_>; MAX_COLUMNS] {
        let mut values = [const { Value::Missing }; MAX_COLUMNS];
        for (value, cell) in values.iter_mut().zip(&self.0) {
            *value = cell.value(index);
        }
        values
    }
}

impl Cell {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        if let DataType::Dictionary(_, values) = array.data_type() {
            return Self::new(&cast(array, values)?);
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Absent,
            DataType::Timestamp(unit, zone) => Self::Time(instants(array, *unit, zone.is_some())),
            DataType::Boolean => Self::Flag(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive().clone()),
            data_type if data_type.is_string() => Self::Text(cast(array, &DataType::Utf8)?.as_string().clone()),
            data_type if data_type.is_integer() => Self::Whole(cast(array, &DataType::Int64)?.as_primitive().clone()),
            data_type if data_type.is_floating() || data_type.is_decimal() => {
                Self::Real(cast(array, &DataType::Float64)?.as_primitive().clone())
            }
            _ => Self::Bytes(cast(array, &DataType::Binary)?.as_binary().clone()),
        })
    }

    fn value(&self, index: usize) -> Value<'_> {
        match self {
            Self::Text(array) if array.is_valid(index) => Value::Text(Cow::Borrowed(array.value(index))),
            Self::Bytes(array) if array.is_valid(index) => match str::from_utf8(array.value(index)) {
                Ok(text) => Value::Text(Cow::Borrowed(text)),
                Err(_) => decode_cp949(array.value(index))
                    .map_or_else(|| Value::NotUtf8(excerpt_bytes(array.value(index))), Value::Decoded),
            },
            Self::Whole(array) if array.is_valid(index) => Value::Whole(array.value(index).into()),
            Self::Unsigned(array) if array.is_valid(index) => Value::Whole(array.value(index).into()),
            Self::Real(array) if array.is_valid(index) => Value::Real(array.value(index)),
            Self::Flag(array) if array.is_valid(index) => Value::Flag(array.value(index)),
            Self::Time(instants) => instants.get(index).cloned().unwrap_or_default(),
            _ => Value::Missing,
        }
    }
}

/// The instants of a timestamp column; one without a zone holds Korean time.
fn instants(array: &ArrayRef, unit: TimeUnit, has_zone: bool) -> Vec<Value<'static>> {
    let offset_ms = if has_zone { 0 } else { KST_OFFSET_MS };
    let instant = |value: Option<i64>| {
        let Some(value) = value else { return Value::Missing };
        let ms = match unit {
            TimeUnit::Second => value.checked_mul(SECOND_MS),
            TimeUnit::Millisecond => Some(value),
            TimeUnit::Microsecond => Some(value.div_euclid(1_000)),
            TimeUnit::Nanosecond => Some(value.div_euclid(1_000_000)),
        };
        ms.and_then(|ms| ms.checked_sub(offset_ms)).map_or(Value::TimeOutOfRange, |ms| Value::Time(UnixMillis(ms)))
    };
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().iter().map(instant).collect(),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().iter().map(instant).collect(),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().iter().map(instant).collect(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().iter().map(instant).collect(),
    }
}
