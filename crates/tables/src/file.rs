//! The files of a table: which ones, their format, and how to read the text ones.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use percent_encoding::percent_decode_str;
use sinsang_run::file::open_regular;

use crate::encoding::{Encoding, SAMPLE_BYTES, foreign_mark};
use crate::value::Value;
use crate::{Column, Error, MAX_COLUMNS};

/// Size of the read buffer, in bytes.
const BUFFER_BYTES: usize = 1 << 17;

/// The format of a file's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet, which the pipeline reads.
    Parquet,
    /// One JSON object per line.
    Ndjson,
    /// Separated by commas, tabs or semicolons, with a header.
    Csv,
}

/// The compression of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// None.
    Plain,
    /// Gzip, with any number of members.
    Gzip,
    /// Zstd, with any number of frames.
    Zstd,
}

/// All file name endings of a table's files.
pub const ENDINGS: [(&str, Format, Packing); 13] = [
    ("parquet", Format::Parquet, Packing::Plain),
    ("ndjson", Format::Ndjson, Packing::Plain),
    ("ndjson.gz", Format::Ndjson, Packing::Gzip),
    ("ndjson.zst", Format::Ndjson, Packing::Zstd),
    ("jsonl", Format::Ndjson, Packing::Plain),
    ("jsonl.gz", Format::Ndjson, Packing::Gzip),
    ("jsonl.zst", Format::Ndjson, Packing::Zstd),
    ("csv", Format::Csv, Packing::Plain),
    ("csv.gz", Format::Csv, Packing::Gzip),
    ("csv.zst", Format::Csv, Packing::Zstd),
    ("tsv", Format::Csv, Packing::Plain),
    ("tsv.gz", Format::Csv, Packing::Gzip),
    ("tsv.zst", Format::Csv, Packing::Zstd),
];

/// One file of a table.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// The format of its rows.
    pub format: Format,
    /// Its compression.
    pub packing: Packing,
    /// Size on disk, in bytes.
    pub bytes: u64,
    /// Columns and values in its folders' names: `dt=2026-11-01`, the layout of Hive, Spark, Athena
    /// and Firehose.
    pub partitions: Vec<(String, Option<String>)>,
}

impl SourceFile {
    /// The file at `path`, of `bytes` bytes, without partitions.
    pub fn new(path: PathBuf, format: Format, packing: Packing, bytes: u64) -> Self {
        Self { path, format, packing, bytes, partitions: Vec::new() }
    }

    /// The folders' values for each of `columns`, with the names used.
    pub fn constants(&self, columns: &[Column]) -> Constants<'_> {
        let mut constants =
            Constants { values: [const { Value::Missing }; MAX_COLUMNS], has_any: false, renamed: Vec::new() };
        for (column, value) in columns.iter().zip(&mut constants.values) {
            let ranked = self.partitions.iter().filter_map(|(name, value)| Some((column.rank(name)?, name, value)));
            let Some((rank, name, Some(text))) = ranked.min_by_key(|(rank, ..)| *rank) else { continue };
            *value = Value::Text(Cow::Borrowed(text));
            constants.has_any = true;
            if rank > 0 {
                constants.renamed.push((column.name, name));
            }
        }
        constants
    }
}

/// Values that all rows of a file share, unless a row has its own.
pub struct Constants<'f> {
    /// Values by the column's place.
    pub values: [Value<'f>; MAX_COLUMNS],
    /// Whether there is any value: few tables have partitions, and every row is checked.
    has_any: bool,
    /// Columns that have another name in the folders' names.
    pub renamed: Vec<(&'static str, &'f str)>,
}

impl<'f> Constants<'f> {
    /// Whether there is a value for the column at `place`.
    pub fn has(&self, place: usize) -> bool {
        self.values.get(place).is_some_and(|value| *value != Value::Missing)
    }

    /// Fills in the values missing from a row.
    pub fn complete<'v>(&self, values: &mut [Value<'v>; MAX_COLUMNS])
    where
        'f: 'v,
    {
        if !self.has_any {
            return;
        }
        for (value, constant) in values.iter_mut().zip(&self.values) {
            if *value == Value::Missing && *constant != Value::Missing {
                *value = constant.clone();
            }
        }
    }
}

/// Deepest nesting of partition folders.
const PARTITIONS_DEPTH: usize = 8;

/// The files of the table at `path`: the file itself, or the files of the folder and its partition
/// folders, in the order of their names.
///
/// # Errors
/// If a path is missing or unreadable, or a file's format is unknown.
pub fn list(path: &Path) -> Result<Vec<SourceFile>, Error> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Open { path, source }
    };
    let metadata = fs::metadata(path).map_err(unreadable(path))?;
    if !metadata.is_dir() {
        return Ok(vec![source_file(path.to_path_buf(), &metadata, &[])?]);
    }
    let mut files = Vec::new();
    list_folder(path, &[], &mut files)?;
    if files.is_empty() {
        return Err(Error::EmptyFolder { path: path.to_path_buf() });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn list_folder(path: &Path, partitions: &[(String, Option<String>)], files: &mut Vec<SourceFile>) -> Result<(), Error> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Open { path, source }
    };
    for entry in fs::read_dir(path).map_err(unreadable(path))? {
        let entry = entry.map_err(unreadable(path))?;
        // Writers leave names like `.part.tmp` and `_SUCCESS` beside their data.
        if entry.file_name().as_encoded_bytes().first().is_some_and(|first| matches!(first, b'.' | b'_')) {
            continue;
        }
        let inner = entry.path();
        let metadata = fs::metadata(&inner).map_err(unreadable(&inner))?;
        match partition(&inner).filter(|_| metadata.is_dir() && partitions.len() < PARTITIONS_DEPTH) {
            Some(partition) => list_folder(&inner, &[partitions, &[partition]].concat(), files)?,
            None => files.push(source_file(inner, &metadata, partitions)?),
        }
    }
    Ok(())
}

/// The column and the value in a partition folder's name. Hive writes `%3A` for characters that
/// file names can't have, and a special name for null
/// (org.apache.hadoop.hive.common.FileUtils.escapePathName, hive.exec.default.partition.name).
fn partition(folder: &Path) -> Option<(String, Option<String>)> {
    const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
    let (name, value) = folder.file_name()?.to_str()?.split_once('=')?;
    let plain = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    (!name.is_empty()).then_some((plain(name)?, if value == NULL { None } else { Some(plain(value)?) }))
}

fn source_file(
    path: PathBuf,
    metadata: &fs::Metadata,
    partitions: &[(String, Option<String>)],
) -> Result<SourceFile, Error> {
    if !metadata.is_file() {
        return Err(Error::NotAFile { path });
    }
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ending = ENDINGS.iter().find(|(ending, ..)| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.')));
    match ending {
        Some(&(_, format, packing)) => {
            Ok(SourceFile { partitions: partitions.to_vec(), ..SourceFile::new(path, format, packing, metadata.len()) })
        }
        None => Err(Error::UnknownFormat { path }),
    }
}

/// Looks in a data folder for `table`: a folder of that name, or one file of that name with a known
/// ending.
///
/// # Errors
/// [`Error::Open`] if the folder can't be read; [`Error::Ambiguous`] if several entries match.
pub fn find_table(folder: &Path, table: &str) -> Result<Option<PathBuf>, Error> {
    let mut found = Vec::new();
    let unreadable = |source| Error::Open { path: folder.to_path_buf(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let matches = match name.strip_prefix(table) {
            Some("") => path.is_dir(),
            Some(rest) => ENDINGS.iter().any(|(ending, ..)| {
                rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(ending)) && path.is_file()
            }),
            None => false,
        };
        if matches {
            found.push(path);
        }
    }
    found.sort();
    if found.len() > 1 {
        return Err(Error::Ambiguous { table: table.to_owned(), found });
    }
    Ok(found.pop())
}

/// An open text file, decompressed.
pub struct OpenText<'a> {
    /// Its bytes.
    pub input: Box<dyn BufRead + 'a>,
    /// The encoding suggested by its start.
    pub encoding: Encoding,
}

impl<'a> OpenText<'a> {
    /// Wraps `bytes` as an open text.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { input: Box::new(bytes), encoding: Encoding::of(bytes) }
    }
}

/// Opens a text file, decompressed; `advance` receives the bytes on disk as they are read.
///
/// # Errors
/// [`Error::Open`] if it can't be opened; [`Error::Damaged`] if it can't be decompressed;
/// [`Error::Encoding`] if it begins with the byte order mark of an unsupported encoding.
pub fn open_text<'a>(file: &SourceFile, advance: &'a dyn Fn(u64)) -> Result<OpenText<'a>, Error> {
    let mut input = open_unpacked(file, advance).map_err(|source| Error::Open { path: file.path.clone(), source })?;
    let start = input.fill_buf();
    let damaged = |source| Error::Damaged { path: file.path.clone(), row: 0, source: Box::new(source) };
    if let Some(encoding) = foreign_mark(start.map_err(damaged)?) {
        return Err(Error::Encoding { path: file.path.clone(), encoding });
    }
    let mut sample = Vec::new();
    // Damage this early is reported again to the reader.
    let failed = input.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample).err();
    let encoding = Encoding::of(&sample);
    let input: Box<dyn BufRead> = Box::new(Cursor::new(sample).chain(Failing { failed, input }));
    Ok(OpenText { input, encoding })
}

/// An input that first repeats an earlier error.
struct Failing<R> {
    failed: Option<io::Error>,
    input: R,
}

impl<R: BufRead> Read for Failing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.failed.take().map_or_else(|| self.input.read(buffer), Err)
    }
}

impl<R: BufRead> BufRead for Failing<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.failed.take() {
            Some(failed) => Err(failed),
            None => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
    }
}

fn open_unpacked<'a>(file: &SourceFile, advance: &'a dyn Fn(u64)) -> io::Result<Box<dyn BufRead + 'a>> {
    let counted = Counted { file: open_regular(&file.path)?, advance };
    Ok(match file.packing {
        Packing::Plain => Box::new(BufReader::with_capacity(BUFFER_BYTES, counted)),
        Packing::Gzip => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, counted)),
        )),
        Packing::Zstd => Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::stream::read::Decoder::new(counted)?)),
    })
}

struct Counted<'a> {
    file: File,
    advance: &'a dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.advance)(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_found_by_its_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["broadcasts.CSV.gz", "broadcasts.rejects.ndjson", "broadcasts.txt", "tabs.toml", "events"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(find_table(folder.path(), "broadcasts").unwrap(), Some(folder.path().join("broadcasts.CSV.gz")));
        assert_eq!(find_table(folder.path(), "tabs").unwrap(), None);
        assert_eq!(find_table(folder.path(), "events").unwrap(), None, "a file without an ending has no format");
        fs::create_dir(folder.path().join("broadcasts")).unwrap();
        let error = find_table(folder.path(), "broadcasts").unwrap_err().to_string();
        assert!(error.contains("broadcasts.CSV.gz") && error.contains("keep one"), "{error}");
    }
}
