//! Rows of the input tables written to files: Parquet, NDJSON or CSV, the text ones plain or compressed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array};
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression as ParquetCompression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_tables::table::{Broadcast, Event, Tab};

/// Rows of Parquet written at once.
const BATCH_ROWS: usize = 16_384;
/// Bytes held back before they go to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused; make sure that the folder exists, may be written to and has room.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file that was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A row could not be put into the file's format.
    #[error("cannot encode a row for {}: {detail}", path.display())]
    Encode {
        /// The file that was being written.
        path: PathBuf,
        /// What the encoder said.
        detail: String,
    },
}

/// The layout of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Apache Parquet, compressed inside with Snappy.
    Parquet,
    /// A JSON object a line; missing fields are `null`.
    Ndjson,
    /// Comma-separated with a header line; missing fields are empty.
    Csv,
}

/// What is laid over a text file. Parquet compresses by itself and ignores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
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
    /// What is laid over it.
    pub compression: Compression,
}

impl TableFormat {
    /// `.parquet`.
    pub const PARQUET: Self = Self { encoding: Encoding::Parquet, compression: Compression::Plain };
    /// `.ndjson.zst`.
    pub const NDJSON_ZST: Self = Self { encoding: Encoding::Ndjson, compression: Compression::Zstd };
    /// `.csv`.
    pub const CSV: Self = Self { encoding: Encoding::Csv, compression: Compression::Plain };

    /// The format that an extension such as `ndjson.zst` (with or without a leading dot) spells.
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

/// A row of `broadcasts` as a shop's schedule spells it: unlike [`Broadcast`] it may lack its code, hold placeholder texts
/// and write times in ways that are still to be repaired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BroadcastRow {
    /// The shop's item code.
    pub listing_id: Option<String>,
    /// The shop.
    pub shop: String,
    /// The TV channel's name.
    pub channel: String,
    /// The title as aired.
    pub title: String,
    /// The brand or a text that stands for none.
    pub brand: Option<String>,
    /// The schedule's own category name.
    pub category: Option<String>,
    /// Price in won.
    pub price: Option<u32>,
    /// Price before the discount in won.
    pub list_price: Option<u32>,
    /// Address of a picture.
    pub image: Option<String>,
    /// Address of the item's page.
    pub url: Option<String>,
    /// RFC 3339, or with an hour from 24 on for the night after the date.
    pub starts_at: String,
    /// As `starts_at`.
    pub ends_at: Option<String>,
    /// Reviews shown when the row was collected.
    pub review_count: Option<u32>,
    /// RFC 3339.
    pub collected_at: Option<String>,
}

impl From<&Broadcast> for BroadcastRow {
    fn from(row: &Broadcast) -> Self {
        Self {
            listing_id: Some(row.listing_id.clone()),
            shop: row.shop.clone(),
            channel: row.channel.clone(),
            title: row.title.clone(),
            brand: row.brand.clone(),
            category: row.category.clone(),
            price: row.price,
            list_price: row.list_price,
            image: row.image.clone(),
            url: row.url.clone(),
            starts_at: row.starts_at.to_kst_rfc3339(),
            ends_at: row.ends_at.map(UnixMillis::to_kst_rfc3339),
            review_count: row.review_count,
            collected_at: row.collected_at.map(UnixMillis::to_kst_rfc3339),
        }
    }
}

#[derive(Serialize)]
struct EventText<'a> {
    user_id: &'a str,
    at: String,
    kind: &'static str,
    shop: Option<&'a str>,
    listing_id: Option<&'a str>,
    product_id: Option<&'a str>,
    tab_id: Option<&'a str>,
    channel: Option<&'a str>,
    region: Option<&'a str>,
    device_class: Option<&'a str>,
}

#[derive(Serialize)]
struct TabText<'a> {
    tab_id: &'a str,
    label: &'a str,
    position: u16,
    pinned: bool,
    target: &'a str,
}

/// Removes the tables of an earlier run from `folder`, whatever their format, so that no table is there twice.
///
/// # Errors
/// Where a file is there but cannot be removed.
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

/// Writes `rows` to `path` and returns how many there were. In Parquet the times are text columns.
///
/// # Errors
/// Where the file cannot be made or a row cannot be encoded.
pub fn write_broadcasts(path: &Path, format: TableFormat, rows: &[BroadcastRow]) -> Result<usize, Error> {
    if format.encoding != Encoding::Parquet {
        return write_text(path, format, rows.iter());
    }
    write_parquet(path, rows, |rows| {
        RecordBatch::try_from_iter_with_nullable([
            ("listing_id", texts(rows, |r| r.listing_id.as_deref()), true),
            ("shop", texts(rows, |r| Some(&r.shop)), false),
            ("channel", texts(rows, |r| Some(&r.channel)), false),
            ("title", texts(rows, |r| Some(&r.title)), false),
            ("brand", texts(rows, |r| r.brand.as_deref()), true),
            ("category", texts(rows, |r| r.category.as_deref()), true),
            ("price", numbers(rows, |r| r.price), true),
            ("list_price", numbers(rows, |r| r.list_price), true),
            ("image", texts(rows, |r| r.image.as_deref()), true),
            ("url", texts(rows, |r| r.url.as_deref()), true),
            ("starts_at", texts(rows, |r| Some(&r.starts_at)), false),
            ("ends_at", texts(rows, |r| r.ends_at.as_deref()), true),
            ("review_count", numbers(rows, |r| r.review_count), true),
            ("collected_at", texts(rows, |r| r.collected_at.as_deref()), true),
        ])
    })
}

/// Writes `rows` to `path` and returns how many there were. In Parquet `at` is a timestamp in milliseconds, UTC.
///
/// # Errors
/// Where the file cannot be made or a row cannot be encoded.
pub fn write_events(path: &Path, format: TableFormat, rows: &[Event]) -> Result<usize, Error> {
    if format.encoding != Encoding::Parquet {
        let rows = rows.iter().map(|r| EventText {
            user_id: &r.user_id,
            at: r.at.to_kst_rfc3339(),
            kind: r.kind.as_str(),
            shop: r.shop.as_deref(),
            listing_id: r.listing_id.as_deref(),
            product_id: r.product_id.as_deref(),
            tab_id: r.tab_id.as_deref(),
            channel: r.channel.as_deref(),
            region: r.region.as_deref(),
            device_class: r.device_class,
        });
        return write_text(path, format, rows);
    }
    write_parquet(path, rows, |rows| {
        let at = TimestampMillisecondArray::from_iter_values(rows.iter().map(|r| r.at.0)).with_timezone("UTC");
        RecordBatch::try_from_iter_with_nullable([
            ("user_id", texts(rows, |r| Some(&r.user_id)), false),
            ("at", Arc::new(at) as ArrayRef, false),
            ("kind", texts(rows, |r| Some(r.kind.as_str())), false),
            ("shop", texts(rows, |r| r.shop.as_deref()), true),
            ("listing_id", texts(rows, |r| r.listing_id.as_deref()), true),
            ("product_id", texts(rows, |r| r.product_id.as_deref()), true),
            ("tab_id", texts(rows, |r| r.tab_id.as_deref()), true),
            ("channel", texts(rows, |r| r.channel.as_deref()), true),
            ("region", texts(rows, |r| r.region.as_deref()), true),
            ("device_class", texts(rows, |r| r.device_class), true),
        ])
    })
}

/// Writes `rows` to `path` and returns how many there were.
///
/// # Errors
/// Where the file cannot be made or a row cannot be encoded.
pub fn write_tabs(path: &Path, format: TableFormat, rows: &[Tab]) -> Result<usize, Error> {
    if format.encoding != Encoding::Parquet {
        let rows = rows.iter().map(|r| TabText {
            tab_id: &r.tab_id,
            label: &r.label,
            position: r.position,
            pinned: r.pinned,
            target: &r.target,
        });
        return write_text(path, format, rows);
    }
    write_parquet(path, rows, |rows| {
        let position = Int64Array::from_iter_values(rows.iter().map(|r| i64::from(r.position)));
        let pinned: arrow_array::BooleanArray = rows.iter().map(|r| Some(r.pinned)).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("tab_id", texts(rows, |r| Some(&r.tab_id)), false),
            ("label", texts(rows, |r| Some(&r.label)), false),
            ("position", Arc::new(position) as ArrayRef, false),
            ("pinned", Arc::new(pinned) as ArrayRef, false),
            ("target", texts(rows, |r| Some(&r.target)), false),
        ])
    })
}

/// Writes any rows as NDJSON or CSV and returns how many there were; a Parquet format is written as NDJSON.
///
/// # Errors
/// Where the file cannot be made or a row cannot be encoded.
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
            // A header without name and time keeps equal rows equal bytes.
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

fn write_parquet<T>(
    path: &Path,
    rows: &[T],
    batch: impl Fn(&[T]) -> Result<RecordBatch, ArrowError>,
) -> Result<usize, Error> {
    let encode = |detail: String| Error::Encode { path: path.to_owned(), detail };
    let parquet = |source: ParquetError| encode(source.to_string());
    let file = File::create(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let properties = WriterProperties::builder().set_compression(ParquetCompression::SNAPPY).build();
    let empty = batch(&[]).map_err(|e| encode(e.to_string()))?;
    let file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut writer = ArrowWriter::try_new(file, empty.schema(), Some(properties)).map_err(parquet)?;
    for chunk in rows.chunks(BATCH_ROWS) {
        let batch = batch(chunk).map_err(|e| encode(e.to_string()))?;
        writer.write(&batch).map_err(parquet)?;
    }
    writer.close().map_err(parquet)?;
    Ok(rows.len())
}

fn texts<'a, T>(rows: &'a [T], field: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(field).collect::<StringArray>())
}

fn numbers<T>(rows: &[T], field: impl Fn(&T) -> Option<u32>) -> ArrayRef {
    Arc::new(rows.iter().map(field).collect::<UInt32Array>())
}

#[cfg(test)]
mod tests {
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
        let row = BroadcastRow {
            title: "★ 물결 팬츠".into(),
            price: Some(59_900),
            starts_at: late.into(),
            ..BroadcastRow::default()
        };
        let rows = vec![row; BATCH_ROWS + 1];
        assert_eq!(write_broadcasts(&path, TableFormat::PARQUET, &rows).unwrap(), rows.len());
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
        assert_eq!(write_tabs(&path, TableFormat::PARQUET, &[]).unwrap(), 0);
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
            assert_eq!(write_tabs(&path, format, &rows).unwrap(), 1);
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
