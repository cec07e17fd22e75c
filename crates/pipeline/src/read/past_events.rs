//! The events of a build's tables alone, for reports on what viewers did.

use std::path::PathBuf;

use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserHasher;
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;

use crate::engine;
use crate::read::forgotten::{self, Forgotten};
use crate::read::rekey::{self, Renamed};
use crate::read::source::{self, Source, find_table};

/// The tables, and how to read them.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The folder of a build's tables, of which `events` is read.
    pub tables: PathBuf,
    /// The secret that snapshots are built with.
    pub user_key: String,
    /// The end of the period.
    pub until: UnixMillis,
    /// The progress display.
    pub progress: Progress,
}

/// Why events can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no events.
    #[error("{} has no table of events: name the folder of a build's tables", tables.display())]
    NoEvents {
        /// The folder.
        tables: PathBuf,
    },
    /// No key to hash users with.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the key that snapshots are built with")]
    NoUserKey,
    /// The engine can't start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The events can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The list of forgotten users can't be read.
    #[error(transparent)]
    Forgotten(#[from] forgotten::Error),
    /// The file of users under two keys can't be read.
    #[error(transparent)]
    Renamed(#[from] rekey::Error),
}

/// Opens the table `events`, and reads the list of forgotten viewers beside it.
///
/// # Errors
/// An [`Error`] that names the file.
pub async fn open(asked: &Asked) -> Result<(Source, Forgotten), Error> {
    let hasher = UserHasher::new(asked.user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    let renamed = Renamed::read(&asked.tables)?;
    let forgotten = Forgotten::read(&asked.tables)?.by_all_names(&renamed);
    let no_events = || Error::NoEvents { tables: asked.tables.clone() };
    let events = find_table(&asked.tables, "events").map_err(source::Error::from)?.ok_or_else(no_events)?;
    let engine = engine::Options::default();
    let options = source::Options {
        work_dir: engine.work_dir(),
        rejects: None,
        limit: Limit::default(),
        zones: Zones::default(),
        page_bytes: engine.memory_bytes as u64 / 4,
        progress: asked.progress,
    };
    let work = options.work_folder()?;
    let spill_dir = Some(work.path().join("spill"));
    let mut source = Source::within(work, engine::open(&engine::Options { spill_dir, ..engine })?, options)?;
    source.rename(renamed);
    source.open_events(&events, asked.until, Some(hasher)).await?;
    Ok((source, forgotten))
}
