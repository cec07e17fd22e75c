//! The history as a product ledger: a folder of sorted Parquet files that a day's run looks up and appends to, never rewritten whole.
//!
//! ```text
//! day's table ─ catalogue ─ keys ──► block ─► products ──► listing ─► the same clustering as without a ledger ─► rows of a new run
//! ```
//!
//! Where a command is to answer from it, `recall` makes a history of the day's tables and of what the ledger knows of their products; the
//! day is appended once the answer is written.
//!
//! `head.json` names the files that belong to the ledger; it is replaced in one step after they are on the disk, so a run that dies
//! leaves the ledger as it was. Files never change: `compact` puts runs together in new ones.

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

/// Why a ledger can't be read or written. The ledger is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read: it is missing, or the system refuses.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file can't be written: make room, or see who may write there.
    #[error("{} can't be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or the writer said.
        source: io::Error,
    },
    /// The head is not one: restore it from a copy of the ledger.
    #[error("{} is not the head of a ledger: {source}", path.display())]
    Head {
        /// The head.
        path: PathBuf,
        /// What is wrong with it, with line and column.
        source: serde_json::Error,
    },
    /// The ledger was written by another version.
    #[error("{} has format {found}, and this version reads {}: build the ledger anew, or use the version that wrote it", path.display(), head::FORMAT)]
    Format {
        /// The head.
        path: PathBuf,
        /// The format it names.
        found: u64,
    },
    /// The ledger has files and no head: restore `head.json`, or begin in an empty folder.
    #[error("{} has a ledger's files, such as {}, and no head.json: restore it, or take an empty folder", folder.display(), file.display())]
    NoHead {
        /// The folder.
        folder: PathBuf,
        /// One of its files.
        file: PathBuf,
    },
    /// The head names a file outside the ledger.
    #[error("the head in {} names {file:?}, which is no file of a ledger", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The name.
        file: String,
    },
    /// A file is longer or shorter than it was written.
    #[error("{} has {found} bytes and was written with {wanted}: restore it from a copy of the ledger", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// Bytes by the head.
        wanted: u64,
    },
    /// A file has other rows than it was written with.
    #[error("{} has {found} rows and was written with {wanted}: restore it from a copy of the ledger", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// Its rows.
        found: u64,
        /// Rows by the head.
        wanted: u64,
    },
    /// A file has the columns of something else.
    #[error("{} does not have the columns of the table {table}: restore it from a copy of the ledger", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
    },
    /// A column is not of its type, or has gaps.
    #[error("{}: column {column} is damaged: restore the file from a copy of the ledger", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A file is no Parquet, or damaged inside.
    #[error("{} is damaged: {source}; restore it from a copy of the ledger", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another run works on the ledger: wait for it to end.
    #[error("{} is in use by {holder}: wait for it to end", folder.display())]
    InUse {
        /// The ledger.
        folder: PathBuf,
        /// What the run that holds it says of itself.
        holder: String,
    },
    /// There is no ledger.
    #[error("{} has no ledger: name the folder that `ledger update` or `build --ledger` keeps", folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
    },
    /// The ledger was opened to read it.
    #[error("{} was opened to read it: open it with Ledger::lock to write", folder.display())]
    ReadOnly {
        /// The ledger.
        folder: PathBuf,
    },
    /// The run was stopped between two steps.
    #[error("the run was stopped before {0}; the ledger is as it was")]
    Stopped(Step),
}

/// A ledger, as its head says.
pub struct Ledger {
    folder: PathBuf,
    head: Head,
    tally: Arc<Tally>,
    /// Held as long as the ledger may be written.
    lock: Option<Lock>,
}

impl Ledger {
    /// Opens the ledger in `folder` to read it. One that is not there is empty.
    ///
    /// # Errors
    /// What is wrong with the head, or which of its files is missing or has another length.
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

    /// Opens the ledger in `folder` for one run that may write it, making the folder where it is missing. `now` is what the run says of
    /// itself to another one.
    ///
    /// # Errors
    /// As [`Ledger::open`], and [`Error::InUse`] while another run has it.
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

    /// What its head says.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Bytes that were read of its files so far.
    pub fn bytes_read(&self) -> u64 {
        self.tally.bytes()
    }

    /// Its size, table by table.
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
            tables: Table::ALL.into_iter().map(table).collect(),
            shops: self.head.shops.iter().map(|(shop, &at)| (shop.clone(), UnixMillis(at).to_kst_rfc3339())).collect(),
        }
    }

    /// The statistics that titles are read by. Words that one title has are left out: that is what any word counts that is not there.
    ///
    /// # Errors
    /// Which file can't be read.
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

/// The upper half of an id: what blocking keys name a product by.
pub(crate) fn upper(id: u64) -> u32 {
    u32::try_from(id >> 32).unwrap_or(u32::MAX)
}

/// The ids with one of `marks`, as ranges.
pub(crate) fn ranges(marks: &[u32]) -> Vec<(u64, u64)> {
    marks.iter().map(|&mark| (u64::from(mark) << 32, u64::from(mark) << 32 | u64::from(u32::MAX))).collect()
}

/// One table's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// The table.
    pub table: Table,
    /// Its files.
    pub files: usize,
    /// Its rows, superseded ones included.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// A ledger's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Counts the ledger's heads.
    pub version: u64,
    /// When it was last written, RFC 3339 in +09:00.
    pub written_at: String,
    /// Products, merged ones not counted.
    pub products: u64,
    /// Runs that a look-up goes through.
    pub runs: usize,
    /// Titles behind the statistics in force.
    pub titles_in_force: u64,
    /// Titles behind those that wait.
    pub titles_pending: u64,
    /// Its tables.
    pub tables: Vec<TableStats>,
    /// Start of the first broadcast of each shop in the records.
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
