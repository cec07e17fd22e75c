//! The source of input tables: files of any supported format in, checked and repaired rows in the
//! engine out.
//!
//! Rows are read one by one, so a table never has to fit in memory. Unusable rows go to the rejects
//! file with their place and reason. `docs/input.md` specifies all of it.

mod stage;
mod work;

use std::path::{Path, PathBuf};
use std::{fmt, io};

use datafusion::error::DataFusionError;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserHasher;
use sinsang_tables::check::{Broadcasts, Events, Table, Tabs};
use sinsang_tables::doctor::Offsets;
use sinsang_tables::file::{self, Format, SourceFile};
use sinsang_tables::{Column, Intake, Observer, Rows, Zones, csv, ndjson};

pub use self::stage::StageError;
pub(crate) use self::stage::{Batches, Stage, Staged, columns};
pub use self::work::{PREFIX as WORK_PREFIX, WorkFolder};
pub use sinsang_parquet::DEFAULT_PAGE_BYTES;
pub use sinsang_tables::check::{
    ADDRESS_MAX_BYTES, AHEAD_MAX_MS, PRICE_MAX, REVIEWS_MAX, Repair, SLOT_MAX_MS, TABS_MAX, TITLE_MAX_CHARS,
    listing_id_from_title,
};
pub use sinsang_tables::file::find_table;
pub use sinsang_tables::{Error as InputError, TableReport};

use crate::read::rekey::Renamed;
use sinsang_run::progress::{Bar, Progress, Unit};
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::table::Tab;

/// How to read tables.
#[derive(Clone, Debug)]
pub struct Options {
    /// Parent of the temporary folder for staged tables; it must exist.
    pub work_dir: PathBuf,
    /// The file for rejected rows; `None` only counts them.
    pub rejects: Option<PathBuf>,
    /// The largest share of a table that may be set aside.
    pub limit: Limit,
    /// Time zones of times without an offset.
    pub zones: Zones,
    /// Most memory for the pages of a Parquet file, in bytes.
    pub page_bytes: u64,
    /// The progress display.
    pub progress: Progress,
}

impl Options {
    /// Creates the temporary folder of a run.
    ///
    /// # Errors
    /// [`Error::WorkDir`] if it can't be created.
    pub fn work_folder(&self) -> Result<WorkFolder, Error> {
        WorkFolder::new(&self.work_dir).map_err(|source| Error::WorkDir { path: self.work_dir.clone(), source })
    }
}

/// Why a table can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read, or too many of its rows are unusable.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The folder for staged tables can't be created.
    #[error("can't create a work folder in {}: {source}; make room there or choose another", path.display())]
    WorkDir {
        /// The folder asked for.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A staged table can't be written.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The engine can't register the staged table.
    #[error("the query engine rejected the table {table}: {source}")]
    Register {
        /// The table.
        table: &'static str,
        /// The engine's error.
        source: DataFusionError,
    },
}

/// The tables of one run: reads them, and owns the staged files and the rejects file. Registered
/// tables can be queried until it is dropped.
pub struct Source {
    context: SessionContext,
    options: Options,
    work: WorkFolder,
    rejects: RejectsFile,
    renamed: Renamed,
}

impl Source {
    /// A source that registers its tables in `context`.
    ///
    /// # Errors
    /// An [`Error`] if the work folder can't be created, or an earlier rejects file can't be
    /// removed.
    pub fn new(context: SessionContext, options: Options) -> Result<Self, Error> {
        let work = options.work_folder()?;
        Self::within(work, context, options)
    }

    /// As [`Self::new`], in an existing work folder.
    ///
    /// # Errors
    /// An [`Error`] if an earlier rejects file can't be removed.
    pub fn within(work: WorkFolder, context: SessionContext, options: Options) -> Result<Self, Error> {
        let rejects = RejectsFile::new(options.rejects.clone()).map_err(InputError::from)?;
        Ok(Self { context, options, work, rejects, renamed: Renamed::default() })
    }

    /// Replaces the names of users with several names by one of them, in all tables opened
    /// afterwards.
    pub fn rename(&mut self, renamed: Renamed) {
        self.renamed = renamed;
    }

    /// Which names belong to one user.
    pub fn renamed(&self) -> &Renamed {
        &self.renamed
    }

    /// The engine's context.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The folder of the staged tables, removed when the source is dropped.
    pub fn work_dir(&self) -> &Path {
        self.work.path()
    }

    /// Reads the file or folder `path` into the table `broadcasts`. `now` is the time of the build.
    ///
    /// Blocks its thread while reading.
    ///
    /// # Errors
    /// An [`Error`] if a file can't be read or too many rows are unusable; nothing is registered
    /// then.
    pub async fn open_broadcasts(&mut self, path: &Path, now: UnixMillis) -> Result<TableReport, Error> {
        let mut offsets = Offsets::default();
        let mut report = self.stage_table(Broadcasts, path, now, &mut offsets).await?;
        report.warnings = offsets.findings();
        Ok(report)
    }

    /// Reads the file or folder `path` into the table `events`. `now` is the time of the build:
    /// later events are set aside, and do not count against the limit. With a `hasher`, users are
    /// named by their keys.
    ///
    /// Blocks its thread while reading.
    ///
    /// # Errors
    /// An [`Error`] if a file can't be read or too many rows are unusable; nothing is registered
    /// then.
    pub async fn open_events(
        &mut self,
        path: &Path,
        now: UnixMillis,
        hasher: Option<UserHasher>,
    ) -> Result<TableReport, Error> {
        self.stage_table(Events { hasher }, path, now, ()).await
    }

    /// Registers an empty table `events`, for a build without events.
    ///
    /// # Errors
    /// An [`Error`] if the work folder can't be written.
    pub async fn without_events(&mut self) -> Result<(), Error> {
        let batches = Batches::of::<sinsang_tables::table::Event>();
        let file = self.work.path().join("events.parquet");
        let path = Stage::create(&file, batches.schema())?.close()?;
        self.register(Events::NAME, &path).await
    }

    /// Reads the tabs of the file or folder `path`, by position, then id.
    ///
    /// # Errors
    /// An [`Error`] if a file can't be read or too many rows are unusable.
    pub fn open_tabs(&mut self, path: &Path, now: UnixMillis) -> Result<(Vec<Tab>, TableReport), Error> {
        let mut tabs = Vec::new();
        let report = self.read(Tabs::default(), path, now, (), &mut |tab| {
            tabs.push(tab);
            Ok(())
        })?;
        tabs.sort_by(|a: &Tab, b| (a.position, &a.tab_id).cmp(&(b.position, &b.tab_id)));
        Ok((tabs, report))
    }

    async fn stage_table<T>(
        &mut self,
        table: T,
        path: &Path,
        now: UnixMillis,
        observer: impl Observer<T::Row>,
    ) -> Result<TableReport, Error>
    where
        T: Table,
        T::Row: Staged,
    {
        let file = self.work.path().join(format!("{}.parquet", T::NAME));
        let mut batches = Batches::of::<T::Row>();
        let mut stage = Stage::create(&file, batches.schema())?;
        let failed = |source| StageError { path: file.clone(), source };
        let taken = |error: StageError| InputError::Taken(Box::new(error));
        // Moved out for the closure, because the reader borrows the rest.
        let renamed = std::mem::take(&mut self.renamed);
        let report = self.read(table, path, now, observer, &mut |mut row| {
            row.rename(&renamed);
            if let Some(batch) = batches.push(&row).map_err(failed).map_err(taken)? {
                stage.write(&batch).map_err(taken)?;
            }
            Ok(())
        });
        self.renamed = renamed;
        let report = report?;
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
        observer: impl Observer<T::Row>,
        keep: &mut dyn FnMut(T::Row) -> Result<(), InputError>,
    ) -> Result<TableReport, Error> {
        let files = file::list(path)?;
        let bytes = files.iter().map(|file| file.bytes).sum();
        let bar = self.options.progress.start(T::NAME, Unit::Bytes, bytes);
        let mut intake = Intake::observed(table, now, &self.options.zones, &mut self.rejects, keep, observer);
        for file in &files {
            intake.begin_file(&file.path);
            read_file(file, T::COLUMNS, &mut intake, &bar, self.options.page_bytes)?;
        }
        Ok(intake.finish(self.options.limit)?)
    }
}

/// Registers one staged file under a table's name, replacing the previous table.
pub(crate) async fn register_parquet(
    context: &SessionContext,
    table: &str,
    path: &Path,
) -> Result<(), DataFusionError> {
    context.deregister_table(table)?;
    context.register_parquet(table, file_url(path)?, ParquetReadOptions::default()).await
}

/// The URL of a local file. In a bare path the engine takes `*`, `?` and `[` for a glob pattern.
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

/// Passes the rows of a file to `rows`; the pages of a Parquet file may take `page_bytes`.
///
/// # Errors
/// An error if the file can't be read, and any error of `rows`.
pub fn read_file(
    file: &SourceFile,
    columns: &'static [Column],
    rows: &mut dyn Rows,
    bar: &Bar,
    page_bytes: u64,
) -> Result<(), InputError> {
    let advance = |bytes| bar.advance(bytes);
    if file.format == Format::Parquet {
        return sinsang_parquet::read(file, columns, rows, &advance, page_bytes);
    }
    let text = file::open_text(file, &advance)?;
    match file.format {
        Format::Csv => csv::read(file, text, columns, rows),
        _ => ndjson::read(file, text, columns, rows),
    }
}
