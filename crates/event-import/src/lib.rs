//! Import of events: objects that the Worker's queue left in object storage, or messages in Kafka,
//! become files of the table `events`, each event once.
//!
//! ```text
//! object ┐
//!        ├─ line ─ table: one more file for each hour of events, without those that it has
//! kafka  ┘
//! ```
//!
//! Both sources deliver at least once. A repeated event has the same viewer, `event_id` and time,
//! so it belongs to the same hour, and only that hour's files need to be read to recognize it:
//! there is no list of all events ever seen. Progress is recorded after the rows are on disk: if a
//! run dies, the next one reads some of the source again, and adds nothing twice.
//!
//! Memory is bounded while an object or a topic is read, however large it unpacks.
//!
//! `docs/events.md` has the fields of an event.

mod kafka;
mod line;
mod object;
mod table;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use sinsang_core::json::joined;
use sinsang_tables::excerpt::excerpt_bytes;
use sinsang_tables::reject::{ReasonCount, Reject, RejectsFile, Tally};

pub use kafka::{Kafka, ingest as ingest_kafka};
pub use line::Hour;
pub use object::{DEFAULT_OBJECT_BYTES, Objects, Purged, ingest as ingest_objects, purge as purge_objects};
pub use table::Table;

use line::{Fault, Line};

/// Bytes of memory that lines may take before they are written, even in the middle of an object.
const HELD_BYTES: usize = 128 << 20;
/// Largest overhead of an allocation, in bytes.
const ALLOCATION_BYTES: usize = 16;
/// Damaged objects that a report's text names one by one.
const NAMED_OBJECTS: usize = 20;

/// Why an import failed. Events imported before the error stay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another run holds the table.
    #[error("{holder} is writing events to {}; try again after it exits", path.display())]
    Busy {
        /// The folder of the table.
        path: PathBuf,
        /// The text that the other run wrote into its lock.
        holder: String,
    },
    /// The record of earlier imports is damaged.
    #[error("invalid record of imports {}: {source}; remove it: the next run reads all objects again, without duplicates", path.display())]
    Note {
        /// The record's file.
        path: PathBuf,
        /// Its parse error.
        source: serde_json::Error,
    },
    /// A source is neither a folder nor the address of a store.
    #[error("'{source_name}' is neither a folder nor a store's address such as s3://bucket/folder: {reason}")]
    NoSource {
        /// The given source.
        source_name: String,
        /// The reason.
        reason: String,
    },
    /// The store failed a request.
    #[error("{place}: {source}")]
    Store {
        /// The store, and the object or folder requested.
        place: String,
        /// The store's error.
        source: object_store::Error,
    },
    /// The Kafka brokers failed a request.
    #[error("Kafka failed while {doing}: {source}")]
    Kafka {
        /// The step that failed.
        doing: &'static str,
        /// librdkafka's error.
        source: rdkafka::error::KafkaError,
    },
    /// Kafka's brokers went silent before the run reached the topic's end.
    #[error(
        "Kafka: no message arrived for {} s{}, but {left} messages of {topic} are unread (partitions {partitions}); the table \
         has the {read} read ones: check the brokers and run it again",
        silent.as_secs(),
        if *is_assigned { "" } else { " because the group assigned no partition to this run" }
    )]
    Left {
        /// The topic.
        topic: String,
        /// Unread messages before the ends that partitions had when the run began.
        left: u64,
        /// The partitions with unread messages.
        partitions: String,
        /// Time without a message.
        silent: std::time::Duration,
        /// Whether the run had partitions assigned.
        is_assigned: bool,
        /// Messages read.
        read: u64,
    },
    /// The rejects file can't be written.
    #[error(transparent)]
    Rejects(#[from] sinsang_tables::reject::Error),
}

impl Error {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// The counts of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Objects, or Kafka messages, read.
    pub read: u64,
    /// Objects read by an earlier run.
    pub read_before: u64,
    /// Objects that can't be read to their end. Each run checks them, and reads them again once
    /// they change.
    pub damaged: Vec<Damaged>,
    /// Objects that an earlier run found damaged, unchanged since.
    pub damaged_before: u64,
    /// Files in a folder whose names no object can have, and links that form a cycle: each run
    /// skips them.
    pub aside: Vec<Damaged>,
    /// Objects dated in the future. They are read, but do not advance the source's mark.
    pub ahead: u64,
    /// Lines read; each part of a line that joins several objects counts as one.
    pub lines: u64,
    /// Bytes unpacked.
    pub unpacked_bytes: u64,
    /// Events added to the table.
    pub events: u64,
    /// Events that the table had already.
    pub known: u64,
    /// Events of forgotten viewers, which are not stored.
    pub forgotten: u64,
    /// Invalid lines by reason, the most common first.
    pub rejected: Vec<ReasonCount>,
    /// Files added to the table.
    pub files: u64,
    /// Files removed from the table for their age.
    pub expired: u64,
    /// The latest hour read, by time of receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<Hour>,
}

/// An object that can't be read to its end. The lines before the damage count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// Its name.
    pub object: String,
    /// The damage.
    pub reason: String,
}

impl Report {
    /// Whether the run read something and found no event: the source is wrong, or a producer is
    /// broken.
    pub fn is_useless(&self) -> bool {
        let Self { lines, damaged, events, known, forgotten, .. } = self;
        (*lines > 0 || !damaged.is_empty()) && events + known + forgotten == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, read_before, lines, events, known, files, .. } = self;
        writeln!(
            f,
            "{read} read, {read_before} read earlier; {lines} lines: {events} new events, {known} known ones, in {files} files"
        )?;
        if let Some(mark) = self.mark {
            writeln!(f, "read events received until {mark} UTC")?;
        }
        for Damaged { object, reason } in self.damaged.iter().take(NAMED_OBJECTS) {
            writeln!(f, "damaged: {object}: {reason}")?;
        }
        for Damaged { object, reason } in self.aside.iter().take(NAMED_OBJECTS) {
            writeln!(f, "skipped: {object}: {reason}")?;
        }
        let passed_over = self.aside.len().saturating_sub(NAMED_OBJECTS) as u64;
        let unnamed = self.damaged.len().saturating_sub(NAMED_OBJECTS) as u64;
        for (count, what) in [
            (unnamed, "more objects are damaged"),
            (passed_over, "more names are skipped"),
            (self.damaged_before, "objects are still damaged: replace them with complete ones"),
            (self.ahead, "objects are dated in the future: check the clock of their writer"),
            (self.forgotten, "events of forgotten viewers were dropped"),
            (self.expired, "expired files of the table were removed"),
        ] {
            if count > 0 {
                writeln!(f, "{count} {what}")?;
            }
        }
        for reason in &self.rejected {
            writeln!(f, "set aside: {reason}")?;
        }
        if self.is_useless() {
            writeln!(f, "no event found: check that this is the source of the app's events")?;
        }
        Ok(())
    }
}

/// Buffers lines on their way into the table, and writes them in portions.
struct Intake<'a> {
    table: &'a mut Table,
    rejects: &'a mut RejectsFile,
    tally: Tally,
    held: Vec<Line>,
    held_bytes: usize,
    /// Most bytes of memory for held lines.
    most_bytes: usize,
    report: Report,
}

impl<'a> Intake<'a> {
    fn new(table: &'a mut Table, rejects: &'a mut RejectsFile) -> Self {
        let (tally, held) = (Tally::default(), Vec::new());
        Self { table, rejects, tally, held, held_bytes: 0, most_bytes: HELD_BYTES, report: Report::default() }
    }

    /// Takes the line `number`, from 1, of `source`: one event, or several that their writer
    /// joined. Blank lines are skipped.
    fn take(&mut self, source: &str, number: u64, bytes: &[u8]) -> Result<(), Error> {
        if bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let parsed = Line::parse(bytes);
        let parts = if parsed.is_err() { str::from_utf8(bytes).ok().and_then(joined) } else { None };
        let Some(parts) = parts else { return self.take_one(source, number, bytes, parsed) };
        for part in parts {
            let part = part.as_bytes();
            self.take_one(source, number, part, Line::parse(part))?;
        }
        Ok(())
    }

    /// Takes the result of parsing `bytes`.
    fn take_one(&mut self, source: &str, row: u64, bytes: &[u8], parsed: Result<Line, Fault>) -> Result<(), Error> {
        self.report.lines += 1;
        match parsed {
            Ok(line) => {
                if self.table.is_left_out(&line.viewer) {
                    self.report.forgotten += 1;
                    return Ok(());
                }
                self.held_bytes += memory(&line);
                self.held.push(line);
                Ok(())
            }
            Err(Fault { field, reason, detail }) => {
                let nth = self.tally.add(field, reason);
                let value = Some(excerpt_bytes(bytes));
                let reject = Reject { table: "events", file: source, row, line: None, field, reason, detail, value };
                Ok(self.rejects.write(&reject, nth)?)
            }
        }
    }

    fn is_full(&self) -> bool {
        self.held_bytes >= self.most_bytes
    }

    /// Writes the held lines to disk.
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

/// Bytes of memory that a held `line` takes.
fn memory(line: &Line) -> usize {
    let Line { id, viewer, text, .. } = line;
    let bytes = |text: &String| text.capacity() + ALLOCATION_BYTES;
    size_of::<Line>() + bytes(id) + bytes(viewer) + bytes(text)
}
