//! The ledger's Parquet files: written once, ordered by key, and read only at pages that may hold a
//! key.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, Bytes};
use datafusion::arrow::array::{Array, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::PageIndexPolicy;
use datafusion::parquet::file::page_index::column_index::ColumnIndexMetaData;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use sinsang_run::file::open_regular;
use xxhash_rust::xxh3::Xxh3;

use super::Error;
use super::head::{Entry, Hex, Table, name, path_of};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8_192;

/// Rows of a page: few enough that finding one key reads little, and enough that the page index
/// stays small.
fn page_rows(table: Table) -> usize {
    match table {
        Table::Listing => 256,
        Table::Airing => 1_024,
        Table::Block => 2_048,
        Table::Word | Table::Lesson | Table::Merge | Table::Move => 8_192,
    }
}

/// The most rows of a file: a key look-up holds the file's page index in memory.
pub fn part_rows(table: Table) -> u64 {
    match table {
        Table::Listing => 2 << 20,
        Table::Airing => 4 << 20,
        Table::Block => 16 << 20,
        Table::Word | Table::Lesson | Table::Merge | Table::Move => 64 << 20,
    }
}

fn properties(table: Table) -> WriterProperties {
    let key = ColumnPath::from("key");
    let product = ColumnPath::from("product");
    let zstd = ZstdLevel::try_new(1).map_or(Compression::SNAPPY, Compression::ZSTD);
    let builder = WriterProperties::builder()
        .set_created_by("sinsang".to_owned())
        .set_data_page_row_count_limit(page_rows(table))
        .set_write_batch_size(page_rows(table))
        .set_max_row_group_row_count(Some(if table == Table::Block { 1 << 20 } else { 1 << 17 }))
        // Keys are sorted, so page statistics help; other columns need none.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        .set_compression(if table == Table::Block { Compression::UNCOMPRESSED } else { zstd });
    let builder = [&key, &product].into_iter().fold(builder, |builder, column| {
        builder
            .set_column_statistics_enabled(column.clone(), EnabledStatistics::Page)
            .set_column_encoding(column.clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
    });
    ["shop", "brand", "category", "channel", "lesson"]
        .into_iter()
        .fold(builder, |builder, column| builder.set_column_dictionary_enabled(ColumnPath::from(column), true))
        .build()
}

/// Counts and hashes the bytes written.
struct Hashing {
    file: File,
    hash: Xxh3,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file being written; rows must arrive in ascending order of key.
pub struct Writer {
    table: Table,
    file: String,
    path: PathBuf,
    rows_out: ArrowWriter<io::BufWriter<Hashing>>,
    rows: u64,
    first: u64,
    last: u64,
}

impl Writer {
    /// Creates the file, replacing a failed run's.
    ///
    /// # Errors
    /// [`Error::Write`] if the file can't be created.
    pub fn create(folder: &Path, table: Table, file: String, schema: SchemaRef) -> Result<Self, Error> {
        let path = folder.join(&file);
        let failed = |source| Error::Write { path: path.clone(), source };
        let opened = File::create(&path).map_err(failed)?;
        let hashing = io::BufWriter::with_capacity(1 << 20, Hashing { file: opened, hash: Xxh3::new(), bytes: 0 });
        let rows_out = ArrowWriter::try_new(hashing, schema, Some(properties(table)));
        let rows_out = rows_out.map_err(|source| failed(source.into()))?;
        Ok(Self { table, file, path, rows_out, rows: 0, first: 0, last: 0 })
    }

    /// Appends rows with keys from `first` to `last`.
    ///
    /// # Errors
    /// [`Error::Write`] if the rows can't be written.
    pub fn write(&mut self, batch: &RecordBatch, first: u64, last: u64) -> Result<(), Error> {
        if self.rows == 0 {
            self.first = first;
        }
        self.last = last;
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(0);
        self.rows_out.write(batch).map_err(|source| Error::Write { path: self.path.clone(), source: source.into() })
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Finishes the file and syncs it to the disk.
    ///
    /// # Errors
    /// [`Error::Write`] if the file can't be finished or synced.
    pub fn close(self) -> Result<Entry, Error> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let buffered = self.rows_out.into_inner().map_err(|source| failed(source.into()))?;
        let hashing = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
        hashing.file.sync_all().map_err(failed)?;
        Ok(Entry {
            table: self.table,
            file: self.file,
            rows: self.rows,
            bytes: hashing.bytes,
            first: Hex(self.first),
            last: Hex(self.last),
            checksum: Hex(hashing.hash.digest()),
        })
    }
}

/// The cost of reading.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Bytes read from the system.
    pub(crate) bytes: AtomicU64,
    /// Rows decoded.
    pub(crate) rows: AtomicU64,
}

impl Tally {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A file that counts the bytes read.
struct Counted {
    file: File,
    length: u64,
    tally: Arc<Tally>,
}

impl Length for Counted {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Counted {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // The reader calls this only for a page header, before it knows the page's length.
        let length = usize::try_from(self.length.saturating_sub(start)).unwrap_or(usize::MAX).min(1 << 16);
        self.get_bytes(start, length).map(Bytes::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let inside = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        if inside.is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of {}", self.length)));
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        self.tally.bytes.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
        Ok(buffer.into())
    }
}

/// An open file of a ledger.
pub(crate) struct Opened {
    path: PathBuf,
    reader: Counted,
    metadata: ArrowReaderMetadata,
}

impl Opened {
    /// Opens a file that the head lists, and checks its length, rows and columns.
    pub(crate) fn open(folder: &Path, entry: &Entry, schema: &SchemaRef, tally: &Arc<Tally>) -> Result<Self, Error> {
        let path = path_of(folder, entry)?;
        let file = open_regular(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let length = file.metadata().map_err(|source| Error::Read { path: path.clone(), source })?.len();
        if length != entry.bytes {
            return Err(Error::Length { path, found: length, wanted: entry.bytes });
        }
        let reader = Counted { file, length, tally: Arc::clone(tally) };
        let damaged = |source: ParquetError| Error::Damaged { path: path.clone(), source: Box::new(source) };
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&reader, options).map_err(damaged)?;
        if metadata.schema().fields() != schema.fields() {
            return Err(Error::Columns { path, table: entry.table.as_str() });
        }
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        if rows != entry.rows {
            return Err(Error::Rows { path, found: rows, wanted: entry.rows });
        }
        Ok(Self { path, reader, metadata })
    }

    /// Batches of the pages that may hold a key of `wanted`, or of all pages.
    fn batches(self, wanted: Option<&[(u64, u64)]>) -> Result<(PathBuf, ParquetRecordBatchReader), Error> {
        let damaged = |source: ParquetError| Error::Damaged { path: self.path.clone(), source: Box::new(source) };
        let selected = wanted.map(|wanted| pages(&self.metadata, wanted));
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.reader, self.metadata.clone());
        let builder = builder.with_batch_size(BATCH_ROWS);
        let builder = match selected {
            Some((groups, selection)) => builder.with_row_groups(groups).with_row_selection(selection),
            None => builder,
        };
        builder.build().map_err(damaged).map(|batches| (self.path.clone(), batches))
    }
}

/// The row groups, and the rows within them, of the pages that may hold a key of `wanted`. Ranges
/// must ascend.
fn pages(metadata: &ArrowReaderMetadata, wanted: &[(u64, u64)]) -> (Vec<usize>, RowSelection) {
    let file = metadata.metadata();
    let mut groups = Vec::new();
    let mut selectors: Vec<RowSelector> = Vec::new();
    let may_have = |first: i64, last: i64| {
        let (first, last) = (first.cast_unsigned(), last.cast_unsigned());
        let at = wanted.partition_point(|&(_, to)| to < first);
        wanted.get(at).is_some_and(|&(from, _)| from <= last)
    };
    for (number, group) in file.row_groups().iter().enumerate() {
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let keys = file.column_index().and_then(|index| index.get(number)).and_then(|columns| columns.first());
        let places = file.offset_index().and_then(|index| index.get(number)).and_then(|columns| columns.first());
        let (Some(ColumnIndexMetaData::INT64(keys)), Some(places)) = (keys, places) else {
            groups.push(number);
            selectors.push(RowSelector::select(rows));
            continue;
        };
        let begin = selectors.len();
        let mut any = false;
        let starts = places.page_locations().iter().map(|page| usize::try_from(page.first_row_index).unwrap_or(0));
        let ends = starts.clone().skip(1).chain([rows]);
        for (((start, end), &first), &last) in starts.zip(ends).zip(keys.min_values()).zip(keys.max_values()) {
            let count = end.saturating_sub(start);
            if may_have(first, last) {
                any = true;
                selectors.push(RowSelector::select(count));
            } else {
                selectors.push(RowSelector::skip(count));
            }
        }
        if any {
            groups.push(number);
        } else {
            selectors.truncate(begin);
        }
    }
    (groups, RowSelection::from(selectors))
}

/// The keys of a batch: its first column.
pub(crate) fn keys_of<'a>(path: &Path, batch: &'a RecordBatch) -> Result<&'a [u64], Error> {
    let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<UInt64Array>());
    let whole = column.filter(|column| column.null_count() == 0);
    whole
        .map(|column| column.values().as_ref())
        .ok_or_else(|| Error::Column { path: path.to_path_buf(), column: "key" })
}

/// Typed rows of a table.
pub trait Row: Sized + Send {
    /// The rows' table.
    const TABLE: Table;
    /// The columns, the key first.
    fn schema() -> SchemaRef;
    /// The row's key, by which rows are ordered.
    fn key(&self) -> u64;
    /// Converts rows to columns.
    ///
    /// # Errors
    /// An error if the rows exceed a batch.
    fn batch(rows: &[Self]) -> Result<RecordBatch, ParquetError>;
    /// The rows of a batch at `places`.
    ///
    /// # Errors
    /// The name of a missing or invalid column.
    fn read(batch: &RecordBatch, places: &[usize]) -> Result<Vec<Self>, &'static str>;
}

/// Finds the rows with a key in one of the ranges `wanted`, which must ascend and not overlap.
/// Files are searched in parallel, one thread a core, and only pages that may hold a key are read.
/// Each file's rows keep their order.
pub(crate) fn find<R: Row>(
    folder: &Path,
    entries: &[&Entry],
    wanted: &[(u64, u64)],
    tally: &Arc<Tally>,
) -> Result<Vec<Vec<R>>, Error> {
    let schema = R::schema();
    let of_file = |entry: &&Entry| {
        let from = wanted.partition_point(|&(_, to)| to < entry.first.0);
        let to = wanted.partition_point(|&(from, _)| from <= entry.last.0);
        let Some(wanted) = wanted.get(from..to).filter(|wanted| !wanted.is_empty()) else { return Ok(Vec::new()) };
        let opened = Opened::open(folder, entry, &schema, tally)?;
        let (path, batches) = opened.batches(Some(wanted))?;
        let mut rows = Vec::new();
        let mut places = Vec::new();
        let mut next = 0;
        for batch in batches {
            let batch = batch.map_err(|source| Error::Damaged { path: path.clone(), source: Box::new(source) })?;
            tally.rows.fetch_add(u64::try_from(batch.num_rows()).unwrap_or(0), Ordering::Relaxed);
            places.clear();
            for (place, &key) in keys_of(&path, &batch)?.iter().enumerate() {
                while wanted.get(next).is_some_and(|&(_, to)| to < key) {
                    next += 1;
                }
                match wanted.get(next) {
                    Some(&(from, _)) if from <= key => places.push(place),
                    Some(_) => {}
                    None => break,
                }
            }
            if !places.is_empty() {
                let read = R::read(&batch, &places).map_err(|column| Error::Column { path: path.clone(), column })?;
                rows.extend(read);
            }
        }
        Ok(rows)
    };
    entries.par_iter().map(of_file).collect()
}

/// Reads all rows of a file, batch by batch, in order.
pub(crate) struct Scan<R> {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    rows: std::vec::IntoIter<R>,
}

impl<R: Row> Scan<R> {
    pub(crate) fn open(folder: &Path, entry: &Entry, tally: &Arc<Tally>) -> Result<Self, Error> {
        let (path, batches) = Opened::open(folder, entry, &R::schema(), tally)?.batches(None)?;
        Ok(Self { path, batches, rows: Vec::new().into_iter() })
    }
}

impl<R: Row> Iterator for Scan<R> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            let batch = match self.batches.next()? {
                Ok(batch) => batch,
                Err(source) => {
                    return Some(Err(Error::Damaged { path: self.path.clone(), source: Box::new(source) }));
                }
            };
            let places: Vec<usize> = (0..batch.num_rows()).collect();
            match R::read(&batch, &places) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(column) => return Some(Err(Error::Column { path: self.path.clone(), column })),
            }
        }
    }
}

/// Writes ordered rows into as many files as they need.
pub(crate) struct Parts<'a, R> {
    folder: &'a Path,
    sequence: u64,
    entries: Vec<Entry>,
    writer: Option<Writer>,
    rows: Vec<R>,
}

impl<'a, R: Row> Parts<'a, R> {
    pub(crate) fn new(folder: &'a Path, sequence: u64) -> Self {
        Self { folder, sequence, entries: Vec::new(), writer: None, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: R) -> Result<(), Error> {
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let (Some(first), Some(last)) = (self.rows.first().map(Row::key), self.rows.last().map(Row::key)) else {
            return Ok(());
        };
        let mut writer = if let Some(writer) = self.writer.take() {
            writer
        } else {
            let part = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
            Writer::create(self.folder, R::TABLE, name(R::TABLE, self.sequence, part), R::schema())?
        };
        let batch = R::batch(&self.rows);
        let path = || self.folder.join(name(R::TABLE, self.sequence, 0));
        let batch = batch.map_err(|source| Error::Write { path: path(), source: source.into() })?;
        writer.write(&batch, first, last)?;
        self.rows.clear();
        if writer.rows() >= part_rows(R::TABLE) {
            self.entries.push(writer.close()?);
        } else {
            self.writer = Some(writer);
        }
        Ok(())
    }

    /// Closes the last file and returns all; empty without rows.
    pub(crate) fn close(mut self) -> Result<Vec<Entry>, Error> {
        self.flush()?;
        if let Some(writer) = self.writer.take() {
            self.entries.push(writer.close()?);
        }
        Ok(self.entries)
    }
}

/// XXH3 of a file's bytes.
pub(crate) fn checksum(path: &Path) -> Result<u64, Error> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    let mut file = open_regular(path).map_err(failed)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(hash.digest());
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

/// The ledger's files in `folder` that `named` lacks: a failed run left them.
pub(crate) fn orphans<'a>(folder: &Path, named: impl Iterator<Item = &'a Entry>) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_path_buf(), source };
    let named: std::collections::BTreeSet<&str> = named.map(|entry| entry.file.as_str()).collect();
    let mut orphans = Vec::new();
    for file in fs::read_dir(folder).map_err(failed)? {
        let file = file.map_err(failed)?;
        let name = file.file_name();
        let Some(name) = name.to_str() else { continue };
        let ours = Table::ALL.iter().any(|table| {
            name.strip_prefix(table.as_str()).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".parquet"))
        });
        if ours && !named.contains(name) {
            orphans.push(file.path());
        }
    }
    orphans.sort();
    Ok(orphans)
}
