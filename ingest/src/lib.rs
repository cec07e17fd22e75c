//! Events into Sinsang: what the Worker's queue left in object storage, or Kafka holds, becomes files of the table `events`, each event once.
//!
//! ```text
//! object ┐
//!        ├─ line ─ table: a file more for each hour that events are of, without those that it has already
//! kafka  ┘
//! ```
//!
//! Both sources deliver at least once. An event that comes again names the same time and `event_id`, so it belongs to the same hour, and only
//! that hour's files have to be looked at to know it: there is no list of all events ever seen. What has been read is noted after its rows
//! are on the disk: a run that dies reads some of it again, and adds nothing twice.
//!
//! `docs/events.md` has the fields of an event.

mod kafka;
mod line;
mod object;
mod table;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use sinsang_input::reject::{ReasonCount, Reject, RejectsFile, Tally, excerpt_bytes};

pub use kafka::{Kafka, ingest as ingest_kafka};
pub use line::Hour;
pub use object::{Objects, ingest as ingest_objects};
pub use table::Table;

use line::{Fault, Line};

/// Bytes of lines that are held before they are written.
const HELD_BYTES: usize = 256 << 20;

/// Why events could not be taken in. What was taken in before it stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another run holds the table.
    #[error("{holder} takes events into {}; try again when it has ended", path.display())]
    Busy {
        /// The folder of the table.
        path: PathBuf,
        /// What the run that holds it says of itself.
        holder: String,
    },
    /// The note of what was read before is damaged.
    #[error("{}: {source}; without it objects are read again, which adds no event twice: remove it", path.display())]
    Note {
        /// The note.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A source is no folder and no address of a store.
    #[error("'{source_name}' is neither a folder nor the address of a store such as s3://bucket/folder: {reason}")]
    NoSource {
        /// What was given.
        source_name: String,
        /// What is wrong.
        reason: String,
    },
    /// The store did not give what was asked of it.
    #[error("{place}: {source}")]
    Store {
        /// What was asked for.
        place: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The brokers did not give what was asked of them.
    #[error("Kafka, {doing}: {source}")]
    Kafka {
        /// What was being done.
        doing: &'static str,
        /// What librdkafka said.
        source: rdkafka::error::KafkaError,
    },
    /// The rejects file can't be written.
    #[error(transparent)]
    Rejects(#[from] sinsang_input::reject::Error),
}

impl Error {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// What a run took in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Objects, or messages of Kafka, that were read.
    pub read: u64,
    /// Objects that had been read by an earlier run.
    pub read_before: u64,
    /// Objects that can't be unpacked, by name; they are noted as read.
    pub damaged: Vec<String>,
    /// Lines in them.
    pub lines: u64,
    /// Events that are new to the table.
    pub events: u64,
    /// Events that it had already.
    pub known: u64,
    /// Lines that are no events, the commonest reasons first.
    pub rejected: Vec<ReasonCount>,
    /// Files that were added to the table.
    pub files: u64,
    /// The latest hour that was read, of the time of receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<Hour>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, read_before, damaged, lines, events, known, rejected, files, mark } = self;
        writeln!(
            f,
            "{read} read, {read_before} read before; {lines} lines, {events} events new, {known} known, in {files} files"
        )?;
        if let Some(mark) = mark {
            writeln!(f, "read up to {mark} UTC of receipt")?;
        }
        for name in damaged {
            writeln!(f, "damaged: {name}")?;
        }
        for reason in rejected {
            writeln!(f, "set aside: {reason}")?;
        }
        Ok(())
    }
}

/// Lines on their way into the table: sorted out, held, written in portions.
struct Intake<'a> {
    table: &'a mut Table,
    rejects: &'a mut RejectsFile,
    tally: Tally,
    held: Vec<Line>,
    held_bytes: usize,
    report: Report,
}

impl<'a> Intake<'a> {
    fn new(table: &'a mut Table, rejects: &'a mut RejectsFile) -> Self {
        Self { table, rejects, tally: Tally::default(), held: Vec::new(), held_bytes: 0, report: Report::default() }
    }

    /// Takes the line `number`, from 1, of `source`; blank ones are passed over.
    fn take(&mut self, source: &str, number: u64, bytes: &[u8]) -> Result<(), Error> {
        if bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        self.report.lines += 1;
        match Line::parse(bytes) {
            Ok(line) => {
                self.held_bytes += line.text.len();
                self.held.push(line);
                Ok(())
            }
            Err(Fault { field, reason, detail }) => {
                let nth = self.tally.add(field, reason);
                let value = Some(excerpt_bytes(bytes));
                let reject =
                    Reject { table: "events", file: source, row: number, line: None, field, reason, detail, value };
                Ok(self.rejects.write(&reject, nth)?)
            }
        }
    }

    fn is_full(&self) -> bool {
        self.held_bytes >= HELD_BYTES
    }

    /// Brings what is held onto the disk.
    fn write(&mut self) -> Result<(), Error> {
        let added = self.table.add(std::mem::take(&mut self.held))?;
        self.held_bytes = 0;
        self.report.events += added.events;
        self.report.known += added.known;
        self.report.files += added.files;
        Ok(self.rejects.flush()?)
    }

    fn finish(mut self) -> Result<Report, Error> {
        self.write()?;
        self.report.rejected = self.tally.commonest();
        Ok(self.report)
    }
}
