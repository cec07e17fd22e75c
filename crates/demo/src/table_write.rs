//! Files of the input tables: Parquet, NDJSON or CSV; the text formats plain or compressed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder, TimestampMillisecondBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression as ParquetCompression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use sinsang_core::time::UnixMillis;
use sinsang_tables::row::{Cell, Kind, Row};

/// Rows of each Parquet batch.
const BATCH_ROWS: usize = 16_384;
/// Bytes buffered before a write to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// Why a table can't be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system failed; make sure that the folder exists, is writable and has room.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file being written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A row can't be encoded in the file's format.
    #[error("cannot encode a row for {}: {detail}", path.display())]
    Encode {
        /// The file being written.
        path: PathBuf,
        /// The encoder's error.
        detail: String,
    },
}

/// The layout of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Apache Parquet, compressed inside with Snappy.
    Parquet,
    /// One JSON object on each line; missing fields are `null`.
    Ndjson,
    /// Comma-separated with a header line; missing fields are empty.
    Csv,
}

/// Compression of a text file. Parquet compresses internally and ignores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None.
    #[default]
    Plain,
    /// gzip, `.gz`.
    Gzip,
    /// Zstandard, `.zst`.
    Zstd,
}

/// A file format as its extension spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFormat {
    /// The layout.
    pub encoding: Encoding,
    /// The compression of a text layout.
    pub compression: Compression,
}

impl TableFormat {
    /// `.parquet`.
    pub const PARQUET: Self = Self { encoding: Encoding::Parquet, compression: Compression::Plain };
    /// `.ndjson.zst`.
    pub const NDJSON_ZST: Self = Self { encoding: Encoding::Ndjson, compression: Compression::Zstd };
    /// `.csv`.
    pub const CSV: Self = Self { encoding: Encoding::Csv, compression: Compression::Plain };

    /// Parses an extension, `ndjson.zst` for example, with or without a leading dot.
    pub fn parse(extension: &str) -> Option<Self> {
        let text = extension.trim_start_matches('.');
        let (text, compression) = match text.rsplit_once('.') {
            Some((rest, "gz")) => (rest, Compression::Gzip),
            Some((rest, "zst")) => (rest, Compression::Zstd),
            _ => (text, Compression::Plain),
        };
        let encoding = match (text, compression) {
            ("parquet", Compression::Plain) => Encoding::Parquet,
            ("ndjson" | "jsonl", _) => Encoding::Ndjson,
            ("csv", _) => Encoding::Csv,
            _ => return None,
        };
        Some(Self { encoding, compression })
    }

    /// The extension without a leading dot.
    pub fn extension(self) -> String {
        let encoding = match self.encoding {
            Encoding::Parquet => return "parquet".to_owned(),
            Encoding::Ndjson => "ndjson",
            Encoding::Csv => "csv",
        };
        match self.compression {
            Compression::Plain => encoding.to_owned(),
            Compression::Gzip => format!("{encoding}.gz"),
            Compression::Zstd => format!("{encoding}.zst"),
        }
    }

    /// The path of `table` in `folder`.
    pub fn path(self, folder: &Path, table: &str) -> PathBuf {
        folder.join(format!("{table}.{}", self.extension()))
    }
}

/// A row as text formats spell it: times as RFC 3339 in Korean time.
struct Spelt<'a, T>(&'a T);

impl<T: Row> Serialize for Spelt<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = serializer.serialize_struct("row", T::FIELDS.len())?;
        let mut names = T::FIELDS.iter().map(|field| field.name);
        let mut done = Ok(());
        self.0.cells(|cell| {
            let name = names.next().expect("a name for each cell");
            if done.is_ok() {
                done = match cell {
                    Cell::Text(text) => to.serialize_field(name, &text),
                    Cell::Count(count) => to.serialize_field(name, &count),
                    Cell::Time(at) => to.serialize_field(name, &at.map(UnixMillis::to_kst_rfc3339)),
                    Cell::Flag(flag) => to.serialize_field(name, &flag),
                };
            }
        });
        done?;
        to.end()
    }
}

/// A column of Parquet while it is filled.
enum Column {
    Text(StringBuilder),
    Count(UInt32Builder),
    Time(TimestampMillisecondBuilder),
    Flag(BooleanBuilder),
}

impl Column {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Count => Self::Count(UInt32Builder::new()),
            Kind::Time => Self::Time(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
        }
    }

    fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => column.append_option(text),
            (Self::Count(column), Cell::Count(count)) => column.append_option(count),
            (Self::Time(column), Cell::Time(at)) => column.append_option(at.map(|at| at.0)),
            (Self::Flag(column), Cell::Flag(flag)) => column.append_option(flag),
            _ => unreachable!("columns follow from the kinds of fields"),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut column) => Arc::new(column.finish()),
            Self::Count(mut column) => Arc::new(column.finish()),
            Self::Time(mut column) => Arc::new(column.finish()),
            Self::Flag(mut column) => Arc::new(column.finish()),
        }
    }
}

fn batch<T: Row>(rows: &[T]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<Column> = T::FIELDS.iter().map(|field| Column::of(field.kind)).collect();
    for row in rows {
        let mut columns = columns.iter_mut();
        row.cells(|cell| columns.next().expect("a column for each cell").append(cell));
    }
    let columns = T::FIELDS.iter().zip(columns).map(|(field, column)| (field.name, column.finish(), field.is_optional));
    RecordBatch::try_from_iter_with_nullable(columns)
}

/// Removes the tables of an earlier run from `folder`, whatever their format, so that none exists
/// twice.
///
/// # Errors
/// [`Error::Io`] if a file can't be removed.
pub fn remove_tables(folder: &Path) -> Result<(), Error> {
    for table in ["broadcasts", "events", "tabs"] {
        for extension in [
            "parquet",
            "ndjson",
            "ndjson.gz",
            "ndjson.zst",
            "jsonl",
            "jsonl.gz",
            "jsonl.zst",
            "csv",
            "csv.gz",
            "csv.zst",
        ] {
            let path = folder.join(format!("{table}.{extension}"));
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(Error::Io { path, source }),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Writes the rows of a table to `path` and returns how many there were. In Parquet a time is a
/// timestamp in milliseconds, UTC; in text it is RFC 3339.
///
/// # Errors
/// Where the file cannot be made or a row cannot be encoded.
pub fn write_table<T: Row>(path: &Path, format: TableFormat, rows: &[T]) -> Result<usize, Error> {
    match format.encoding {
        Encoding::Parquet => write_parquet(path, rows),
        Encoding::Ndjson | Encoding::Csv => write_text(path, format, rows.iter().map(Spelt)),
    }
}

/// Writes rows of any type as NDJSON or CSV and returns their number; a Parquet format writes
/// NDJSON.
///
/// # Errors
/// [`Error::Io`] if the file can't be written; [`Error::Encode`] if a row can't be encoded.
pub fn write_text<T: Serialize>(
    path: &Path,
    format: TableFormat,
    rows: impl Iterator<Item = T>,
) -> Result<usize, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path).map_err(io)?);
    match format.compression {
        Compression::Plain => encode_text(path, format.encoding, rows, file).and_then(|(n, mut file)| {
            file.flush().map_err(io)?;
            Ok(n)
        }),
        Compression::Gzip => {
            // A header without name and time: equal rows give equal bytes.
            let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::new(4));
            let (n, gzip) = encode_text(path, format.encoding, rows, gzip)?;
            gzip.finish().and_then(|mut file| file.flush()).map_err(io)?;
            Ok(n)
        }
        Compression::Zstd => {
            let zstd = zstd::Encoder::new(file, 1).map_err(io)?;
            let (n, zstd) = encode_text(path, format.encoding, rows, zstd)?;
            zstd.finish().and_then(|mut file| file.flush()).map_err(io)?;
            Ok(n)
        }
    }
}

fn encode_text<T: Serialize, W: Write>(
    path: &Path,
    encoding: Encoding,
    rows: impl Iterator<Item = T>,
    mut to: W,
) -> Result<(usize, W), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let encode = |detail: String| Error::Encode { path: path.to_owned(), detail };
    let mut count = 0;
    if encoding == Encoding::Csv {
        let mut csv = csv::WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(to);
        for row in rows {
            csv.serialize(row).map_err(|e| encode(e.to_string()))?;
            count += 1;
        }
        let to = csv.into_inner().map_err(|e| io(io::Error::other(e.to_string())))?;
        return Ok((count, to));
    }
    let mut block = Vec::with_capacity(BUFFER_BYTES);
    for row in rows {
        serde_json::to_writer(&mut block, &row).map_err(|e| encode(e.to_string()))?;
        block.push(b'\n');
        count += 1;
        if block.len() >= BUFFER_BYTES - 4_096 {
            to.write_all(&block).map_err(io)?;
            block.clear();
        }
    }
    to.write_all(&block).map_err(io)?;
    Ok((count, to))
}

fn write_parquet<T: Row>(path: &Path, rows: &[T]) -> Result<usize, Error> {
    let encode = |detail: String| Error::Encode { path: path.to_owned(), detail };
    let parquet = |source: ParquetError| encode(source.to_string());
    let file = File::create(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let properties = WriterProperties::builder().set_compression(ParquetCompression::SNAPPY).build();
    let empty = batch::<T>(&[]).map_err(|e| encode(e.to_string()))?;
    let file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut writer = ArrowWriter::try_new(file, empty.schema(), Some(properties)).map_err(parquet)?;
    for chunk in rows.chunks(BATCH_ROWS) {
        let batch = batch(chunk).map_err(|e| encode(e.to_string()))?;
        writer.write(&batch).map_err(parquet)?;
    }
    writer.close().map_err(parquet)?;
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use sinsang_tables::table::{BroadcastText, Tab};

    use super::*;

    #[test]
    fn an_extension_names_its_format_and_the_other_way_round() {
        for text in ["parquet", "ndjson", "ndjson.gz", "ndjson.zst", "csv", "csv.gz", "csv.zst"] {
            assert_eq!(TableFormat::parse(text).unwrap().extension(), text);
        }
        assert_eq!(TableFormat::parse(".jsonl"), TableFormat::parse("ndjson"));
        for bad in ["parquet.gz", "xlsx", "", "gz"] {
            assert_eq!(TableFormat::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn parquet_holds_broadcasts_and_tabs_as_they_are() {
        use arrow_array::Array as _;
        use arrow_array::cast::AsArray as _;
        use arrow_array::types::UInt32Type;
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

        let folder = tempfile::tempdir().unwrap();
        let path = TableFormat::PARQUET.path(folder.path(), "broadcasts");
        let late = "2026-11-22T25:10:00+09:00";
        let row = BroadcastText {
            title: "★ 물결 팬츠".into(),
            price: Some(59_900),
            starts_at: late.into(),
            ..BroadcastText::default()
        };
        let rows = vec![row; BATCH_ROWS + 1];
        assert_eq!(write_table(&path, TableFormat::PARQUET, &rows).unwrap(), rows.len());
        let read = |path: &Path| -> Vec<RecordBatch> {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
            reader.build().unwrap().map(Result::unwrap).collect()
        };
        let batches = read(&path);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows.len());
        let column = |name: &str| batches[0].column_by_name(name).unwrap();
        assert_eq!(column("title").as_string::<i32>().value(7), "★ 물결 팬츠");
        assert_eq!(column("starts_at").as_string::<i32>().value(7), late);
        assert_eq!(column("price").as_primitive::<UInt32Type>().value(7), 59_900);
        assert!(column("listing_id").is_null(7) && column("ends_at").is_null(7));

        let path = TableFormat::PARQUET.path(folder.path(), "tabs");
        assert_eq!(write_table::<Tab>(&path, TableFormat::PARQUET, &[]).unwrap(), 0);
        assert_eq!(read(&path).len(), 0);
    }

    #[test]
    fn every_text_format_holds_the_same_tabs() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [Tab {
            tab_id: "new".into(),
            label: "신상품, \"새것\"".into(),
            position: 0,
            pinned: true,
            target: "/new".into(),
        }];
        let read = |format: TableFormat| {
            let path = format.path(folder.path(), "tabs");
            assert_eq!(write_table(&path, format, &rows).unwrap(), 1);
            let bytes = std::fs::read(path).unwrap();
            let mut text = String::new();
            match format.compression {
                Compression::Plain => text = String::from_utf8(bytes).unwrap(),
                Compression::Gzip => {
                    io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
                }
                Compression::Zstd => text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
            }
            text
        };
        for (encoding, expected) in [
            (
                Encoding::Ndjson,
                "{\"tab_id\":\"new\",\"label\":\"신상품, \\\"새것\\\"\",\"position\":0,\"pinned\":true,\"target\":\"/new\"}\n",
            ),
            (Encoding::Csv, "tab_id,label,position,pinned,target\nnew,\"신상품, \"\"새것\"\"\",0,true,/new\n"),
        ] {
            for compression in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
                assert_eq!(read(TableFormat { encoding, compression }), expected);
            }
        }
    }
}
