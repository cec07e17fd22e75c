//! `sinsang check`: reads tables as a build would and passes their rows to the doctor
//! (`crates/tables/src/doctor.rs`), without staging or an engine.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::compose;
use sinsang_pipeline::read::rules::{self, Rules};
use sinsang_pipeline::read::source::{find_table, read_file};
use sinsang_run::progress::{Progress, Unit};
use sinsang_tables::check::{Broadcasts, Events, Table, Tabs};
use sinsang_tables::doctor::{Audience, Bar, Check, Read, Report, Schedule};
use sinsang_tables::intake::Observer;
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::{Error as InputError, Intake, Zones, file};

/// A table that can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Checked {
    /// The schedule and its history.
    Broadcasts,
    /// What users did.
    Events,
    /// The top bar.
    Tabs,
}

impl Checked {
    const ALL: [Self; 3] = [Self::Broadcasts, Self::Events, Self::Tabs];

    /// The table's name.
    fn name(self) -> &'static str {
        match self {
            Self::Broadcasts => Broadcasts::NAME,
            Self::Events => Events::NAME,
            Self::Tabs => Tabs::NAME,
        }
    }

    /// What a build lacks without the table; `None` if the table is required.
    fn without(self) -> Option<&'static str> {
        match self {
            Self::Broadcasts => None,
            Self::Events => Some("there is no such table; without it nothing is personal"),
            Self::Tabs => Some("there is no such table; without it the bar has the two tabs that Sinsang fills"),
        }
    }
}

/// The settings of a check.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the tables, or one table's file.
    pub input: PathBuf,
    /// The only table to check; `None` checks all that exist.
    pub table: Option<Checked>,
    /// The share of a table that a build may set aside.
    pub limit: Limit,
    /// The zones of times without an offset.
    pub zones: Zones,
    /// Bytes of memory for the pages of a Parquet file.
    pub page_bytes: u64,
    /// Where the progress of reading is shown.
    pub progress: Progress,
}

/// Why nothing can be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder can't be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The rules, which set the board's window, can't be read.
    #[error(transparent)]
    Rules(#[from] rules::Error),
}

/// Reads the tables as of `now` and reports the findings. An unreadable file does not stop the
/// others from being read.
///
/// # Errors
/// If the folder or its rules can't be read.
pub fn check(options: &Options, now: UnixMillis) -> Result<Report, Error> {
    let mut check = Check::new(now);
    let mut reader = Reader { options, now, check: &mut check };
    let mut schedule = Schedule::new(now, compose::window(&Rules::find(None, options.folder())?, now));
    let has_schedule = reader.read(Broadcasts, Checked::Broadcasts, &mut schedule)?;
    if let Some(read) = &has_schedule {
        reader.check.broadcasts(&mut schedule, read);
    }
    let mut bar = Bar::default();
    let has_bar = reader.read(Tabs::default(), Checked::Tabs, &mut bar)?;
    if let Some(read) = &has_bar {
        reader.check.tabs(&mut bar, read);
    }
    let schedule = has_schedule.is_some().then_some(&schedule);
    let mut audience = Audience::new(now, schedule, has_bar.is_some().then_some(&bar));
    if let Some(read) = reader.read(Events::default(), Checked::Events, &mut audience)? {
        reader.check.events(&mut audience, &read);
    }
    Ok(check.finish())
}

impl Options {
    /// The folder in which rules.toml is looked up.
    fn folder(&self) -> &Path {
        if self.input.is_file() { self.input.parent().unwrap_or(Path::new(".")) } else { &self.input }
    }

    /// The path of `table`, if it is to be checked.
    fn find(&self, table: Checked) -> Result<Option<PathBuf>, InputError> {
        if self.table.is_some_and(|only| only != table) {
            return Ok(None);
        }
        if self.input.is_file() {
            // A file's name says which table it is; if not, it is the table that every build needs.
            let name = self.input.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let named = Checked::ALL.into_iter().find(|table| name.starts_with(table.name()));
            let is_it = self.table.or(named).unwrap_or(Checked::Broadcasts) == table;
            return Ok(is_it.then(|| self.input.clone()));
        }
        find_table(&self.input, table.name())
    }
}

/// Reads the tables in turn.
struct Reader<'c> {
    options: &'c Options,
    now: UnixMillis,
    check: &'c mut Check,
}

impl Reader<'_> {
    /// Reads a table past its observer. `None` if the table is not to be checked, or if it is
    /// missing or can't be listed, which is reported.
    fn read<T: Table, O: Observer<T::Row>>(
        &mut self,
        table: T,
        which: Checked,
        observer: &mut O,
    ) -> Result<Option<Read>, InputError> {
        let Options { input, limit, zones, page_bytes, progress, .. } = self.options;
        let path = match self.options.find(which) {
            Ok(path) => path,
            // A folder that can't be read has no tables to report on.
            Err(error @ InputError::Open { .. }) => return Err(error),
            Err(error) => {
                self.check.unreadable(T::NAME, &error.to_string());
                return Ok(None);
            }
        };
        let Some(path) = path else {
            if self.options.table.is_none_or(|only| only == which) && !input.is_file() {
                self.miss(which);
            }
            return Ok(None);
        };
        let files = match file::list(&path) {
            Ok(files) => files,
            Err(error) => {
                self.check.unreadable(T::NAME, &error.to_string());
                return Ok(None);
            }
        };
        let bar = progress.start(T::NAME, Unit::Bytes, files.iter().map(|file| file.bytes).sum());
        let (mut rejects, mut keep) = (RejectsFile::default(), |_| Ok(()));
        let mut intake = Intake::observed(table, self.now, zones, &mut rejects, &mut keep, observer);
        let mut errors = Vec::new();
        for file in &files {
            intake.begin_file(&file.path);
            if let Err(error) = read_file(file, T::COLUMNS, &mut intake, &bar, *page_bytes) {
                errors.push(error.to_string());
            }
        }
        let refusal = intake.refusal(*limit);
        let report = intake.finish(Limit { max_share: 1.0 })?;
        Ok(Some(Read { report, refusal, errors }))
    }

    /// Reports a missing table.
    fn miss(&mut self, table: Checked) {
        if let Some(without) = table.without().filter(|_| self.options.table.is_none()) {
            self.check.not_judged(format!("{}: {without}", table.name()));
            return;
        }
        let (folder, name) = (self.options.input.display(), table.name());
        let error = format!("{folder} has no table {name}: neither a folder {name} nor a file {name}.csv or the like");
        self.check.unreadable(name, &error);
    }
}
