//! What keeps a table from being read at all, told so that its owner knows the file and what to do.

use std::path::PathBuf;
use std::{fmt, io};

use crate::reject::{self, ReasonCount, share};

/// Why a table can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is missing or may not be read.
    #[error("{} can't be opened: {source}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without a single file of data.
    #[error("the folder {} holds no file: put the table's files into it", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Something inside a table's folder that is neither file nor link to one.
    #[error("{} is not a file: a table is one file, or a folder with nothing but files", path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// A file whose name does not tell its format.
    #[error(
        "the format of {} is not known: a table's files end in .parquet, .ndjson, .jsonl or .csv, the text ones also \
         with .gz or .zst after it",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// More than one file or folder for a table.
    #[error("more than one {table} table: {}; keep one, or put the files into a folder named {table}", list(found))]
    Ambiguous {
        /// The table.
        table: String,
        /// What answers to its name.
        found: Vec<PathBuf>,
    },
    /// A file that ends too early or is not what its name says. None of the table is used: half a history would turn
    /// repeats into new products.
    #[error("{} is damaged or was cut off, after row {row}: {source}; get the file again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The last row that could be read.
        row: u64,
        /// What its reader said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that would take more memory to read than it may.
    #[error("{}: {source}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much it would take, how much is allowed, and which setting says so.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A CSV header that is neither UTF-8 nor CP949.
    #[error("the header of {} is neither UTF-8 nor CP949: save the file as UTF-8, or convert it with iconv", path.display())]
    HeaderNotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A text file in an encoding whose lines can't be told apart.
    #[error("{} is {encoding}: save it as UTF-8, for instance with iconv -f {encoding} -t UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Its encoding, by the mark it begins with.
        encoding: &'static str,
    },
    /// A CSV header that does not end.
    #[error("the first line of {} is no CSV header: a quote in it is not closed, or it is longer than 1 MiB", path.display())]
    HeaderUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// A file without the columns that the table needs.
    #[error(
        "{} lacks the required {}; it has {}",
        path.display(),
        names("column", missing),
        if found.is_empty() { "no columns".to_owned() } else { names("column", found) }
    )]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// What is required and absent.
        missing: Vec<String>,
        /// What is there.
        found: Vec<String>,
    },
    /// A column that the file has twice.
    #[error("{} has more than one column {column}: rename all but one", path.display())]
    ColumnTwice {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A Parquet column of a type that the field can't be read from.
    #[error("the column {column} of {} holds {found}; it takes {wanted}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its Arrow type.
        found: String,
        /// What can be read.
        wanted: &'static str,
    },
    /// More rows can't be used than the limit allows.
    #[error("{0}")]
    TooManyRejects(Box<TooManyRejects>),
    /// The rejects file can't be written.
    #[error(transparent)]
    Rejects(#[from] reject::Error),
    /// Whoever takes the rows can't go on.
    #[error(transparent)]
    Taken(Box<dyn std::error::Error + Send + Sync>),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn names(noun: &str, names: &[String]) -> String {
    format!("{noun}{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// A table of which more was set aside than the limit allows.
#[derive(Debug)]
pub struct TooManyRejects {
    /// The table.
    pub table: &'static str,
    /// Rows set aside for a fault of theirs.
    pub faults: u64,
    /// Rows read.
    pub rows: u64,
    /// The limit.
    pub max_share: f64,
    /// The commonest reasons, the most frequent first.
    pub commonest: Vec<ReasonCount>,
    /// Where the rows are, if they were to be written.
    pub rejects: Option<PathBuf>,
}

impl fmt::Display for TooManyRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, most) = (share(self.faults, self.rows) * 100.0, self.max_share * 100.0);
        write!(
            f,
            "{} of the {} rows of {} can't be used ({found:.1} %, at most {most} % may be): ",
            self.faults, self.rows, self.table
        )?;
        let reasons: Vec<String> = self.commonest.iter().map(ToString::to_string).collect();
        f.write_str(&reasons.join(", "))?;
        match &self.rejects {
            Some(path) => write!(f, "; see {}", path.display())?,
            None => f.write_str("; name a file with --rejects to see them")?,
        }
        f.write_str("; --max-rejects raises the limit")
    }
}
