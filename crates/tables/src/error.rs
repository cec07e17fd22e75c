//! Errors that keep a whole table from being read, worded so that its owner knows the file and what
//! to do.

use std::path::PathBuf;
use std::{fmt, io};

use crate::reject::{self, ReasonCount, share};

/// Why a whole table can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is missing or not readable.
    #[error("can't open {}: {source}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder without any data file.
    #[error("no data file in the folder {}: put the table's files into it", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// An entry of a table's folder that is neither a file nor a link to one.
    #[error("{} is not a file: a table is one file, or a folder of files only", path.display())]
    NotAFile {
        /// The entry.
        path: PathBuf,
    },
    /// A file whose name does not show its format.
    #[error(
        "unknown format of {}: name a table's files .parquet, .ndjson, .jsonl or .csv; text files may add .gz or .zst",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Several files or folders for one table.
    #[error("more than one {table} table: {}; keep one, or put the files into a folder named {table}", list(found))]
    Ambiguous {
        /// The table.
        table: String,
        /// The files and folders with its name.
        found: Vec<PathBuf>,
    },
    /// A file that ends too early or does not match its format. None of the table is used: half a
    /// history would turn repeats into new products.
    #[error("{} is damaged or truncated after row {row}: {source}; fetch the file again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The last readable row.
        row: u64,
        /// The reader's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that would take more memory to read than allowed.
    #[error("{}: {source}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The memory needed, the limit, and the setting that raises it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A CSV header that is neither UTF-8 nor CP949.
    #[error("the header of {} is neither UTF-8 nor CP949: save the file as UTF-8, or convert it with iconv", path.display())]
    HeaderNotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A text file in an encoding whose lines can't be split.
    #[error("{} is {encoding}: save it as UTF-8, for instance with iconv -f {encoding} -t UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Its encoding, from its byte order mark.
        encoding: &'static str,
    },
    /// A CSV header that does not end.
    #[error("the first line of {} is not a CSV header: it has an unclosed quote or is longer than 1 MiB", path.display())]
    HeaderUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// A file without the columns that the table needs.
    #[error(
        "{} is missing the required {}; it has {}",
        path.display(),
        names("column", missing),
        if found.is_empty() { "no columns".to_owned() } else { names("column", found) }
    )]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The missing required columns.
        missing: Vec<String>,
        /// The columns of the file.
        found: Vec<String>,
    },
    /// A column that appears twice in the file.
    #[error("{} has a duplicate column {column}: rename all but one", path.display())]
    ColumnTwice {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A Parquet column of a type that can't be converted to the field's.
    #[error("the column {column} of {} has type {found}, expected {wanted}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its Arrow type.
        found: String,
        /// The accepted types.
        wanted: &'static str,
    },
    /// More rows are unusable than the limit allows.
    #[error("{0}")]
    TooManyRejects(Box<TooManyRejects>),
    /// The rejects file can't be written.
    #[error(transparent)]
    Rejects(#[from] reject::Error),
    /// The consumer of the rows failed.
    #[error(transparent)]
    Taken(Box<dyn std::error::Error + Send + Sync>),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn names(noun: &str, names: &[String]) -> String {
    format!("{noun}{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// A table with more rejects than the limit allows.
#[derive(Debug)]
pub struct TooManyRejects {
    /// The table.
    pub table: &'static str,
    /// Rows rejected as faulty.
    pub faults: u64,
    /// Rows read.
    pub rows: u64,
    /// The limit.
    pub max_share: f64,
    /// The most common reasons, most frequent first.
    pub commonest: Vec<ReasonCount>,
    /// Path of the rejects file, if one was written.
    pub rejects: Option<PathBuf>,
}

impl fmt::Display for TooManyRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, most) = (share(self.faults, self.rows) * 100.0, self.max_share * 100.0);
        write!(
            f,
            "{} of {} rows of {} are unusable ({found:.1} %, limit {most} %): ",
            self.faults, self.rows, self.table
        )?;
        let reasons: Vec<String> = self.commonest.iter().map(ToString::to_string).collect();
        f.write_str(&reasons.join(", "))?;
        match &self.rejects {
            Some(path) => write!(f, "; see {}", path.display())?,
            None => f.write_str("; write them to a file with --rejects")?,
        }
        f.write_str("; raise the limit with --max-rejects")
    }
}
