//! The product ledger: past listings in a folder of sorted Parquet files, which a day's run
//! searches and appends to, without rewriting it.
//!
//! ```text
//! day's table ─ catalogue ─ keys ─► block ─► products ─► listing ─► the same clustering as
//!                                                       without a ledger ─► rows of a new run
//! ```
//!
//! To answer from the ledger, `recall` builds a history from the day's tables and the ledger's
//! records of their products; the day is appended once the answer is written.
//!
//! `head.json` lists the ledger's files. It is replaced atomically after they are on the disk, so a
//! failed run leaves the ledger unchanged. Files are immutable: `compact` merges runs into new
//! ones.

mod check;
mod commit;
mod compact;
pub mod file;
pub mod head;
mod merged;
mod place;
mod recall;
pub mod row;
mod update;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_run::lock::{Denied, Lock};

pub use check::{CheckReport, check};
pub use commit::Step;
pub use compact::{CompactReport, Extent, compact};
pub use place::{Candidates, Sought};
pub use recall::{Run, look, read};
pub use update::{Options, Report, UpdateError, append, update};

use file::{Scan, Tally};
use head::{Entry, Head, Table, path_of};
pub(crate) use merged::Merged;
use row::{LessonRow, WordRow};
use sinsang_identity::identity::{Counts, Lessons, Statistics};

const LOCK: &str = "lock";

/// Why a ledger can't be read or written. The ledger is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read: it is missing, or access is denied.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file can't be written: make room, or check its permissions.
    #[error("{} can't be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system or the writer.
        source: io::Error,
    },
    /// The head is invalid: restore it from a copy of the ledger.
    #[error("{} is not the head of a ledger: {source}", path.display())]
    Head {
        /// The head.
        path: PathBuf,
        /// The parser's error, with line and column.
        source: serde_json::Error,
    },
    /// Another version wrote the ledger.
    #[error("{} has format {found}, but this version reads {}: rebuild the ledger, or use the version that wrote it", path.display(), head::FORMAT)]
    Format {
        /// The head.
        path: PathBuf,
        /// The format in the head.
        found: u64,
    },
    /// The folder has ledger files but no head: restore `head.json`, or choose an empty folder.
    #[error("{} has ledger files, for example {}, but no head.json: restore it, or choose an empty folder", folder.display(), file.display())]
    NoHead {
        /// The folder.
        folder: PathBuf,
        /// One of the ledger files.
        file: PathBuf,
    },
    /// The head names a file outside the ledger.
    #[error("the head in {} lists {file:?}, which is not a ledger file", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The file's name in the head.
        file: String,
    },
    /// A file's length differs from the head.
    #[error("{} has {found} bytes, expected {wanted}: restore it from a copy of the ledger", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The file's length in bytes.
        found: u64,
        /// The length in the head, in bytes.
        wanted: u64,
    },
    /// A file's number of rows differs from the head.
    #[error("{} has {found} rows, expected {wanted}: restore it from a copy of the ledger", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// Rows in the file.
        found: u64,
        /// Rows according to the head.
        wanted: u64,
    },
    /// A file has other columns than its table.
    #[error("{} does not have the columns of the table {table}: restore it from a copy of the ledger", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
    },
    /// A column has the wrong type, or nulls.
    #[error("{}: column {column} is damaged: restore the file from a copy of the ledger", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
    },
    /// A file is not Parquet, or is damaged inside.
    #[error("{} is damaged: {source}; restore it from a copy of the ledger", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reader's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another run has locked the ledger: wait for it to end.
    #[error("{} is in use by {holder}: wait for it to end", folder.display())]
    InUse {
        /// The ledger.
        folder: PathBuf,
        /// The description that the other run left in the lock.
        holder: String,
    },
    /// The folder has no ledger.
    #[error("{} has no ledger: name the folder that `ledger update` or `build --ledger` writes", folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
    },
    /// The ledger is open for reading only.
    #[error("{} is open for reading only: open it with Ledger::lock to write", folder.display())]
    ReadOnly {
        /// The ledger.
        folder: PathBuf,
    },
    /// The run was stopped between two steps.
    #[error("the run was stopped before {0}; the ledger is unchanged")]
    Stopped(Step),
}

/// An open ledger.
pub struct Ledger {
    folder: PathBuf,
    head: Head,
    tally: Arc<Tally>,
    /// Held while the ledger may be written.
    lock: Option<Lock>,
}

impl Ledger {
    /// Opens the ledger in `folder` for reading. A missing ledger is empty.
    ///
    /// # Errors
    /// An [`Error`] if the head is invalid, or one of its files is missing or has another length.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let head = Head::read(folder)?;
        for entry in head.files() {
            let path = path_of(folder, entry)?;
            let metadata = fs::metadata(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
            if metadata.len() != entry.bytes {
                return Err(Error::Length { path, found: metadata.len(), wanted: entry.bytes });
            }
        }
        Ok(Self { folder: folder.to_path_buf(), head, tally: Arc::default(), lock: None })
    }

    /// Opens the ledger in `folder` for one run that may write it, creating the folder if missing.
    /// `now` is the run's start, which a concurrent run is told.
    ///
    /// # Errors
    /// As [`Ledger::open`], and [`Error::InUse`] while another run holds the lock.
    pub fn lock(folder: &Path, now: UnixMillis) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_path_buf(), source })?;
        let path = folder.join(LOCK);
        let holder = format!("process {} since {}", std::process::id(), now.to_kst_rfc3339());
        let lock = Lock::take(&path, &holder).map_err(|denied| match denied {
            Denied::Held(holder) => Error::InUse { folder: folder.to_path_buf(), holder },
            Denied::File(source) => Error::Write { path, source },
        })?;
        Ok(Self { lock: Some(lock), ..Self::open(folder)? })
    }

    fn writable(&self) -> Result<(), Error> {
        if self.lock.is_some() { Ok(()) } else { Err(Error::ReadOnly { folder: self.folder.clone() }) }
    }

    /// The ledger's head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Bytes read from the ledger's files so far.
    pub fn bytes_read(&self) -> u64 {
        self.tally.bytes()
    }

    /// The ledger's size by table.
    pub fn stats(&self) -> Stats {
        let table = |table: Table| {
            let entries: Vec<&Entry> = self.head.files().filter(|entry| entry.table == table).collect();
            TableStats {
                table,
                files: entries.len(),
                rows: entries.iter().map(|entry| entry.rows).sum(),
                bytes: entries.iter().map(|entry| entry.bytes).sum(),
            }
        };
        Stats {
            version: self.head.version,
            written_at: self.head.written_at.clone(),
            products: self.head.products,
            runs: self.head.runs.len(),
            titles_in_force: self.head.in_force.titles,
            titles_pending: self.head.pending.titles,
            tables: Table::ALL.iter().copied().map(table).collect(),
            shops: self.head.shops.iter().map(|(shop, &at)| (shop.clone(), UnixMillis(at).to_kst_rfc3339())).collect(),
        }
    }

    /// The statistics in force, which titles are read by. Words of one title only are omitted: that
    /// is the count of a missing word.
    ///
    /// # Errors
    /// An [`Error`] that names the unreadable file.
    pub fn in_force(&self) -> Result<Statistics, Error> {
        let mut words = Vec::new();
        let mut lessons = Lessons::new();
        let files = &self.head.in_force.files;
        let several = files.iter().filter(|entry| entry.table == Table::Word).count() > 1;
        for entry in files {
            match entry.table {
                Table::Word => {
                    for row in Scan::<WordRow>::open(&self.folder, entry, &self.tally)? {
                        let row = row?;
                        if several || row.titles > 1 {
                            words.push((row.key, row.titles));
                        }
                    }
                }
                Table::Lesson => {
                    for row in Scan::<LessonRow>::open(&self.folder, entry, &self.tally)? {
                        row?.add_to(&mut lessons);
                    }
                }
                Table::Listing | Table::Airing | Table::Block | Table::Merge | Table::Move => {}
            }
        }
        let titles = u32::try_from(self.head.in_force.titles).unwrap_or(u32::MAX);
        Ok(Statistics { titles, words: Arc::new(Counts::new(words)), lessons })
    }
}

/// The upper half of an id: a product's mark in the blocking keys.
pub(crate) fn upper(id: u64) -> u32 {
    u32::try_from(id >> 32).unwrap_or(u32::MAX)
}

/// The ranges of ids with one of `marks`.
pub(crate) fn ranges(marks: &[u32]) -> Vec<(u64, u64)> {
    marks.iter().map(|&mark| (u64::from(mark) << 32, u64::from(mark) << 32 | u64::from(u32::MAX))).collect()
}

/// One table's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// The table.
    pub table: Table,
    /// Number of files.
    pub files: usize,
    /// Number of rows, superseded ones included.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// A ledger's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The head's number.
    pub version: u64,
    /// The time of the last write, RFC 3339 in +09:00.
    pub written_at: String,
    /// Products, without merged ones.
    pub products: u64,
    /// Runs that a look-up searches.
    pub runs: usize,
    /// Titles counted in the statistics in force.
    pub titles_in_force: u64,
    /// Titles counted in the pending statistics.
    pub titles_pending: u64,
    /// The tables' sizes.
    pub tables: Vec<TableStats>,
    /// Start of each shop's first recorded broadcast.
    pub shops: BTreeMap<String, String>,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "version {} of {}: {} products in {} runs",
            self.version, self.written_at, self.products, self.runs
        )?;
        writeln!(f, "words of {} titles in force, of {} pending", self.titles_in_force, self.titles_pending)?;
        for TableStats { table, files, rows, bytes } in &self.tables {
            writeln!(f, "{:<8} {rows:>13} rows {bytes:>15} bytes in {files} files", table.as_str())?;
        }
        for (shop, since) in &self.shops {
            writeln!(f, "{shop} since {since}")?;
        }
        Ok(())
    }
}
