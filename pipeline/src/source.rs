//! Opens the input tables: files of any supported format in, checked and repaired rows in the engine out.
//!
//! Rows are read one by one, so a table never has to fit in memory; what can't be used goes to the rejects file with its
//! place and reason, and `docs/input.md` is the contract that all of it keeps.

mod check;
mod csv;
mod error;
mod file;
mod ndjson;
mod parquet;
mod stage;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use serde::Serialize;
use sinsang::time::UnixMillis;
use tempfile::TempDir;

pub use self::check::{
    ADDRESS_MAX_BYTES, AHEAD_MAX_MS, ID_MAX_BYTES, NAME_MAX_CHARS, PRICE_MAX, REVIEWS_MAX, Repair, SLOT_MAX_MS,
    TABS_MAX, TITLE_MAX_CHARS, listing_id_from_title,
};
pub use self::error::{Error, TooManyRejects};
pub use self::file::find_table;
pub use self::stage::StageError;
pub(crate) use self::stage::{Batches, Stage, Staged};

use self::check::{Broadcasts, Events, Fields, Table, Tabs};
use self::file::{Format, SourceFile};
use self::value::Value;
use crate::progress::{Bar, Progress, Unit};
use crate::reject::{Limit, Reason, ReasonCount, Reject, RejectsFile, Tally};
use crate::table::Tab;

/// The most columns a table has.
const MAX_COLUMNS: usize = 14;
/// Reasons that an error about too many rejects names.
const NAMED_REASONS: usize = 3;

/// How tables are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder in which a temporary one for the staged tables is made; it must exist.
    pub work_dir: PathBuf,
    /// Where rows that can't be used are written; `None` only counts them.
    pub rejects: Option<PathBuf>,
    /// The share of a table that may be set aside.
    pub limit: Limit,
    /// Whether to show how far a read has come.
    pub progress: Progress,
}

/// A column of an input table.
#[derive(Clone, Copy, Debug)]
struct Column {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    /// A text that may be written as a whole number.
    Id,
    Number,
    Time,
    Flag,
}

impl Shape {
    /// The Parquet types it is read from, for an error message.
    fn wanted(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Id => "text or whole numbers",
            Self::Number => "numbers or text",
            Self::Time => "timestamps or RFC 3339 text",
            Self::Flag => "booleans, 0 and 1, or text",
        }
    }
}

/// How often a field was put right in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairCount {
    /// The field.
    pub field: &'static str,
    /// What was done.
    pub repair: Repair,
    /// Rows.
    pub rows: u64,
}

/// What became of a table's rows.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: &'static str,
    /// Files read.
    pub files: usize,
    /// Rows read.
    pub rows: u64,
    /// Rows that can be used.
    pub kept: u64,
    /// Rows that can't, by field and reason, the most frequent first.
    pub set_aside: Vec<ReasonCount>,
    /// Repairs to the kept rows by field.
    pub repaired: Vec<RepairCount>,
    /// Where the rows set aside are, if any were written.
    pub rejects: Option<PathBuf>,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        write!(f, "{}: {} rows in {} {files}, {} kept", self.table, self.rows, self.files, self.kept)?;
        if !self.set_aside.is_empty() {
            let reasons: Vec<String> = self.set_aside.iter().map(ToString::to_string).collect();
            write!(f, "\n  set aside {}: {}", self.rows - self.kept, reasons.join(", "))?;
            if let Some(path) = &self.rejects {
                write!(f, "; see {}", path.display())?;
            }
        }
        if !self.repaired.is_empty() {
            let repairs: Vec<String> = self
                .repaired
                .iter()
                .map(|count| format!("{} {} ({})", count.field, count.repair, count.rows))
                .collect();
            write!(f, "\n  repaired: {}", repairs.join(", "))?;
        }
        Ok(())
    }
}

/// The tables of one run: reads them, holds the staged files and the rejects file. What it registered with the engine
/// can be queried as long as it lives.
pub struct Source {
    context: SessionContext,
    options: Options,
    work: TempDir,
    rejects: RejectsFile,
}

impl Source {
    /// Tables are to be registered in `context`.
    ///
    /// # Errors
    /// Where the work folder can't be made or an earlier rejects file not be removed.
    pub fn new(context: SessionContext, options: Options) -> Result<Self, Error> {
        let rejects = RejectsFile::new(options.rejects.clone())?;
        let work = tempfile::Builder::new()
            .prefix("sinsang-")
            .tempdir_in(&options.work_dir)
            .map_err(|source| Error::WorkDir { path: options.work_dir.clone(), source })?;
        Ok(Self { context, options, work, rejects })
    }

    /// The engine's context.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The folder of the staged tables; it vanishes with the source.
    pub fn work_dir(&self) -> &Path {
        self.work.path()
    }

    /// Reads broadcasts from the file or folder `path` into the table `broadcasts`. `now` is the time of the build.
    ///
    /// The read blocks its thread.
    ///
    /// # Errors
    /// Where a file can't be read or too many rows can't be used; then nothing is registered.
    pub async fn open_broadcasts(&mut self, path: &Path, now: UnixMillis) -> Result<TableReport, Error> {
        self.stage_table(Broadcasts, path, now).await
    }

    /// Reads events from the file or folder `path` into the table `events`. `now` is the time of the build: later
    /// events are set aside, and not counted against the limit.
    ///
    /// The read blocks its thread.
    ///
    /// # Errors
    /// Where a file can't be read or too many rows can't be used; then nothing is registered.
    pub async fn open_events(&mut self, path: &Path, now: UnixMillis) -> Result<TableReport, Error> {
        self.stage_table(Events, path, now).await
    }

    /// Registers an empty table `events`, for a build without any.
    ///
    /// # Errors
    /// Where the work folder can't be written.
    pub async fn without_events(&mut self) -> Result<(), Error> {
        let batches = Batches::of::<crate::table::Event>();
        let file = self.work.path().join("events.parquet");
        let path = Stage::create(&file, batches.schema())?.close()?;
        self.register(Events::NAME, &path).await
    }

    /// Reads the tabs of the file or folder `path`, in the order of their positions, then ids.
    ///
    /// # Errors
    /// Where a file can't be read or too many rows can't be used.
    pub fn open_tabs(&mut self, path: &Path, now: UnixMillis) -> Result<(Vec<Tab>, TableReport), Error> {
        let mut tabs = Vec::new();
        let report = self.read(Tabs::default(), path, now, &mut |tab| {
            tabs.push(tab);
            Ok(())
        })?;
        tabs.sort_by(|a: &Tab, b| (a.position, &a.tab_id).cmp(&(b.position, &b.tab_id)));
        Ok((tabs, report))
    }

    async fn stage_table<T>(&mut self, table: T, path: &Path, now: UnixMillis) -> Result<TableReport, Error>
    where
        T: Table,
        T::Row: Staged,
    {
        let file = self.work.path().join(format!("{}.parquet", T::NAME));
        let mut batches = Batches::of::<T::Row>();
        let mut stage = Stage::create(&file, batches.schema())?;
        let failed = |source| StageError { path: file.clone(), source };
        let report = self.read(table, path, now, &mut |row| {
            if let Some(batch) = batches.push(&row).map_err(failed)? {
                stage.write(&batch)?;
            }
            Ok(())
        })?;
        stage.write(&batches.take().map_err(failed)?)?;
        let path = stage.close()?;
        self.register(T::NAME, &path).await?;
        Ok(report)
    }

    async fn register(&self, table: &'static str, path: &Path) -> Result<(), Error> {
        register_parquet(&self.context, table, path).await.map_err(|source| Error::Register { table, source })
    }

    fn read<T: Table>(
        &mut self,
        table: T,
        path: &Path,
        now: UnixMillis,
        keep: &mut dyn FnMut(T::Row) -> Result<(), Error>,
    ) -> Result<TableReport, Error> {
        let files = file::list(path)?;
        let bytes = files.iter().map(|file| file.bytes).sum();
        let bar = self.options.progress.start(T::NAME, Unit::Bytes, bytes);
        let mut intake = Intake {
            table,
            now,
            keep,
            rejects: &mut self.rejects,
            file: String::new(),
            rows: 0,
            tally: Tally::default(),
            repairs: Vec::new(),
            repaired: BTreeMap::new(),
        };
        for file in &files {
            intake.file = file.path.display().to_string();
            read_file(file, T::COLUMNS, &mut intake, &bar)?;
        }
        let report = intake.report(files.len());
        let (faults, rows) = (intake.tally.faults(), intake.rows);
        self.rejects.flush()?;
        if self.options.limit.is_passed(faults, rows) {
            let mut commonest = report.set_aside;
            commonest.retain(|count| count.reason.is_fault());
            commonest.truncate(NAMED_REASONS);
            return Err(Error::TooManyRejects(Box::new(TooManyRejects {
                table: T::NAME,
                faults,
                rows,
                max_share: self.options.limit.max_share,
                commonest,
                rejects: report.rejects,
            })));
        }
        Ok(report)
    }
}

/// Registers one staged file under a table's name, in place of what had that name.
pub(crate) async fn register_parquet(
    context: &SessionContext,
    table: &str,
    path: &Path,
) -> Result<(), DataFusionError> {
    context.deregister_table(table)?;
    context.register_parquet(table, file_url(path)?, ParquetReadOptions::default()).await
}

/// The address of a local file. The engine would take `*`, `?` and `[` in a bare path for a pattern.
pub(crate) fn file_url(path: &Path) -> io::Result<String> {
    use fmt::Write as _;
    let mut url = String::from("file://");
    for &byte in std::path::absolute(path)?.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => url.push(byte.into()),
            // Writing to a String does not fail.
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
    Ok(url)
}

fn read_file(file: &SourceFile, columns: &'static [Column], rows: &mut dyn Rows, bar: &Bar) -> Result<(), Error> {
    if file.format == Format::Parquet {
        return parquet::read(file, columns, rows, bar);
    }
    let input = file::open_text(file, bar).map_err(|source| Error::Open { path: file.path.clone(), source })?;
    match file.format {
        Format::Csv => csv::read(file, input, columns, rows),
        _ => ndjson::read(file, input, columns, rows),
    }
}

/// Where each of a table's columns stands among those a file has.
fn column_map(path: &Path, columns: &'static [Column], found: &[String]) -> Result<Vec<Option<usize>>, Error> {
    let mut positions = Vec::with_capacity(columns.len());
    let mut missing = Vec::new();
    for column in columns {
        let mut places = found.iter().enumerate().filter(|(_, name)| *name == column.name).map(|(place, _)| place);
        let place = places.next();
        if places.next().is_some() {
            return Err(Error::ColumnTwice { path: path.to_path_buf(), column: column.name });
        }
        if place.is_none() && column.required {
            missing.push(column.name.to_owned());
        }
        positions.push(place);
    }
    if missing.is_empty() {
        Ok(positions)
    } else {
        Err(Error::MissingColumns { path: path.to_path_buf(), missing, found: found.to_vec() })
    }
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// From 1, a CSV header not counted.
    row: u64,
    /// The line a row of text begins on, from 1.
    line: Option<u64>,
}

/// What keeps a row from being taken apart into fields.
struct Fault {
    field: Option<&'static str>,
    reason: Reason,
    detail: Option<String>,
    value: Option<String>,
}

/// Takes the rows of a file as its reader meets them.
trait Rows {
    /// A row, its fields in the order of the table's columns.
    fn row(&mut self, place: Place, values: &[Value<'_>]) -> Result<(), Error>;

    /// A row that could not be taken apart.
    fn fault(&mut self, place: Place, fault: Fault) -> Result<(), Error>;
}

/// Checks the rows of a table, hands on those that can be used and sets the others aside.
struct Intake<'i, T: Table> {
    table: T,
    now: UnixMillis,
    keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
    rejects: &'i mut RejectsFile,
    file: String,
    rows: u64,
    tally: Tally,
    /// The repairs to the row at hand, by position of the column.
    repairs: Vec<(usize, Repair)>,
    repaired: BTreeMap<(usize, Repair), u64>,
}

impl<T: Table> Intake<'_, T> {
    fn set_aside(&mut self, place: Place, fault: Fault) -> Result<(), Error> {
        let nth = self.tally.add(fault.field, fault.reason);
        let reject = Reject {
            table: T::NAME,
            file: &self.file,
            row: place.row,
            line: place.line,
            field: fault.field,
            reason: fault.reason,
            detail: fault.detail,
            value: fault.value,
        };
        Ok(self.rejects.write(&reject, nth)?)
    }

    fn report(&self, files: usize) -> TableReport {
        let repaired = self.repaired.iter().filter_map(|(&(column, repair), &rows)| {
            Some(RepairCount { field: T::COLUMNS.get(column)?.name, repair, rows })
        });
        TableReport {
            table: T::NAME,
            files,
            rows: self.rows,
            kept: self.rows - self.tally.rows(),
            set_aside: self.tally.commonest(),
            repaired: repaired.collect(),
            rejects: self.rejects.written_path().filter(|_| self.tally.rows() > 0).map(Path::to_path_buf),
        }
    }
}

impl<T: Table> Rows for Intake<'_, T> {
    fn row(&mut self, place: Place, values: &[Value<'_>]) -> Result<(), Error> {
        self.rows += 1;
        let not_utf8 = values.iter().position(|value| matches!(value, Value::NotUtf8(_)));
        self.repairs.clear();
        let checked = match not_utf8 {
            Some(column) => Err(check::Refusal { column: Some(column), reason: Reason::NotUtf8 }),
            None => self.table.check(&mut Fields::new(values, &mut self.repairs, self.now)),
        };
        match checked {
            Ok(row) => {
                for repair in &self.repairs {
                    *self.repaired.entry(*repair).or_default() += 1;
                }
                (self.keep)(row)
            }
            Err(refusal) => {
                let field = refusal.column.and_then(|column| T::COLUMNS.get(column)).map(|column| column.name);
                let value = refusal.column.and_then(|column| values.get(column)).and_then(Value::excerpt);
                self.set_aside(place, Fault { field, reason: refusal.reason, detail: None, value })
            }
        }
    }

    fn fault(&mut self, place: Place, fault: Fault) -> Result<(), Error> {
        self.rows += 1;
        self.set_aside(place, fault)
    }
}
