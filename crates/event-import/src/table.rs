//! The table `events` as a folder of complete files: `2026-11-22T13-0001.ndjson.gz` holds events of
//! one hour.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sinsang_core::time::UnixMillis;
use sinsang_run::file::open_regular;
use sinsang_run::lock::{Denied, Lock};
use sinsang_run::replace::{Access, Replacement};
use sinsang_tables::line::Lines;

use crate::Error;
use crate::line::{Hour, Line};

pub(crate) const ENDING: &str = ".ndjson.gz";
/// Readers of tables skip names that begin with a dot.
const LOCK: &str = ".lock";

/// A folder of events to which only this run adds.
#[derive(Debug)]
pub struct Table {
    folder: PathBuf,
    /// Viewers whose events are not stored.
    left_out: BTreeSet<String>,
    /// Held until the table is dropped.
    _lock: Lock,
}

/// The counts of added lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) events: u64,
    pub(crate) known: u64,
    pub(crate) files: u64,
}

impl Table {
    /// Opens the table in `folder`, which is created if missing.
    ///
    /// # Errors
    /// [`Error::Busy`] if another run holds it; [`Error::File`] if it can't be written.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let path = folder.join(LOCK);
        match Lock::take(&path, &format!("process {}", std::process::id())) {
            Ok(lock) => Ok(Self { folder: folder.to_path_buf(), left_out: BTreeSet::new(), _lock: lock }),
            Err(Denied::Held(holder)) => Err(Error::Busy { path: folder.to_path_buf(), holder }),
            Err(Denied::File(source)) => Err(Error::File { path, source }),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Skips the events of `viewers`, given by name, from here on: those who asked to be forgotten.
    #[must_use]
    pub fn without(self, viewers: BTreeSet<String>) -> Self {
        Self { left_out: viewers, ..self }
    }

    pub(crate) fn is_left_out(&self, viewer: &str) -> bool {
        self.left_out.contains(viewer)
    }

    /// Removes the files of hours before that of `oldest`, and returns how many.
    ///
    /// # Errors
    /// [`Error::File`] if one can't be removed.
    pub fn expire(&mut self, oldest: UnixMillis) -> Result<u64, Error> {
        let oldest = Hour::of(oldest);
        let mut expired = 0;
        for entry in fs::read_dir(&self.folder).map_err(Error::file(&self.folder))? {
            let path = entry.map_err(Error::file(&self.folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(ENDING)?.rsplit_once('-'));
            if name.and_then(|(hour, _)| Hour::parse_text(hour)).is_some_and(|hour| hour < oldest) {
                fs::remove_file(&path).map_err(Error::file(&path))?;
                expired += 1;
            }
        }
        Ok(expired)
    }

    /// Adds the events of `lines` that the table lacks, one file per hour. On success they are
    /// durably on disk; on an error, those of some hours may be.
    pub(crate) fn add(&mut self, lines: Vec<Line>) -> Result<Added, Error> {
        let mut hours: BTreeMap<Hour, Vec<Line>> = BTreeMap::new();
        for line in lines {
            hours.entry(line.hour).or_default().push(line);
        }
        let mut added = Added::default();
        for (hour, lines) in hours {
            let files = self.files_of(hour)?;
            let mut seen = HashSet::new();
            for (_, path) in &files {
                read_events(path, &mut seen)?;
            }
            let all = lines.len() as u64;
            let new: Vec<Line> = lines.into_iter().filter(|line| seen.insert(event(&line.viewer, &line.id))).collect();
            added.events += new.len() as u64;
            added.known += all - new.len() as u64;
            if !new.is_empty() {
                let number = files.last().map_or(1, |(number, _)| number + 1);
                self.write(&format!("{hour}-{number:04}{ENDING}"), &new)?;
                added.files += 1;
            }
        }
        Ok(added)
    }

    /// The files of `hour`, with their numbers.
    fn files_of(&self, hour: Hour) -> Result<Vec<(u32, PathBuf)>, Error> {
        let start = format!("{hour}-");
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::file(&self.folder))? {
            let entry = entry.map_err(Error::file(&self.folder))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&start)?.strip_suffix(ENDING)?.parse().ok());
            files.extend(number.map(|number: u32| (number, entry.path())));
        }
        files.sort();
        Ok(files)
    }

    fn write(&self, name: &str, lines: &[Line]) -> Result<(), Error> {
        let path = self.folder.join(name);
        let whole = || -> std::io::Result<()> {
            let mut file = Replacement::of(&path)?;
            let mut packed = GzEncoder::new(BufWriter::new(file.file()), Compression::default());
            for line in lines {
                packed.write_all(line.text.as_bytes())?;
                packed.write_all(b"\n")?;
            }
            packed.finish()?.flush()?;
            // Durable on disk, including its name, before the source may drop the events.
            file.put(Access::Owner)
        };
        whole().map_err(Error::file(&path))
    }
}

/// An event's identity: a hash of its viewer and its id, half as large as they are. It includes the
/// viewer because apps choose ids: guessing another viewer's id must not make that viewer's event
/// look known.
type EventKey = [u8; 16];

fn event(viewer: &str, id: &str) -> EventKey {
    let digest = Sha256::new().chain_update(viewer).chain_update([0]).chain_update(id).finalize();
    digest.first_chunk().copied().unwrap_or_default()
}

/// Adds the events of a file to `seen`.
fn read_events(path: &Path, seen: &mut HashSet<EventKey>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        event_id: Cow<'a, str>,
        #[serde(borrow)]
        viewer: Cow<'a, str>,
    }
    let file = open_regular(path).map_err(Error::file(path))?;
    let mut lines = Lines::new(BufReader::new(MultiGzDecoder::new(file)));
    let mut text = Vec::new();
    while lines.read(&mut text).map_err(Error::file(path))? != sinsang_tables::line::Line::End {
        seen.extend(serde_json::from_slice(&text).ok().map(|Row { event_id, viewer }| event(&viewer, &event_id)));
        text.clear();
    }
    Ok(())
}
