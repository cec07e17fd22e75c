//! Events into Sinsang: what the Worker's queue left in object storage, or Kafka holds, becomes files of the table `events`, each event once.
//!
//! ```text
//! object ┐
//!        ├─ line ─ table: a file more for each hour that events are of, without those that it has already
//! kafka  ┘
//! ```
//!
//! Both sources deliver at least once. An event that comes again names the same viewer, `event_id` and time, so it belongs to the same hour,
//! and only that hour's files have to be looked at to know it: there is no list of all events ever seen. What has been read is noted after its
//! rows are on the disk: a run that dies reads some of it again, and adds nothing twice.
//!
//! What is held in memory is bounded while an object or a topic is read, whatever it unpacks to.
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

/// Bytes of memory that lines may take before they are written, in the midst of an object too.
const HELD_BYTES: usize = 128 << 20;
/// What an allocation takes beside its bytes, at the most.
const ALLOCATION_BYTES: usize = 16;
/// Damaged objects that the text of a report names one by one.
const NAMED_OBJECTS: usize = 20;

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
    /// Kafka's brokers went silent before the end that the topic had at the start.
    #[error(
        "Kafka: {left} messages of {topic} are left to read (partitions {partitions}), and none came for {} s{}; {read} were read and are in \
         the table: see to the brokers and run it again",
        silent.as_secs(),
        if *is_assigned { "" } else { ", for the group gave this run no partition" }
    )]
    Left {
        /// The topic.
        topic: String,
        /// Messages before the ends that partitions had when the run began.
        left: u64,
        /// The partitions that they are in.
        partitions: String,
        /// How long nothing came.
        silent: std::time::Duration,
        /// Whether the run had been given partitions.
        is_assigned: bool,
        /// Messages that were read.
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

/// What a run took in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Objects, or messages of Kafka, that were read.
    pub read: u64,
    /// Objects that had been read by an earlier run.
    pub read_before: u64,
    /// Objects that can't be read to their end. They are looked at again by each run, and read again once they have changed.
    pub damaged: Vec<Damaged>,
    /// Objects that were damaged when an earlier run read them, and have not changed since.
    pub damaged_before: u64,
    /// What below a folder no object can be called, and links that lead in a circle: passed over by each run.
    pub aside: Vec<Damaged>,
    /// Objects that are dated after the present. They are read; how far a source was read does not follow them.
    pub ahead: u64,
    /// Lines in them; each part of a line that joins several objects counts as one.
    pub lines: u64,
    /// Bytes that they unpacked to.
    pub unpacked_bytes: u64,
    /// Events that are new to the table.
    pub events: u64,
    /// Events that it had already.
    pub known: u64,
    /// Events of viewers who asked to be forgotten: not stored.
    pub forgotten: u64,
    /// Lines that are no events, the commonest reasons first.
    pub rejected: Vec<ReasonCount>,
    /// Files that were added to the table.
    pub files: u64,
    /// Files of the table that were removed for their age.
    pub expired: u64,
    /// The latest hour that was read, of the time of receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<Hour>,
}

/// An object that can't be read to its end. The lines before the damage count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// Its name.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Report {
    /// Whether something was read and nothing of it was an event: the wrong source, or a producer that broke.
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
            "{read} read, {read_before} read before; {lines} lines, {events} events new, {known} known, in {files} files"
        )?;
        if let Some(mark) = self.mark {
            writeln!(f, "read up to {mark} UTC of receipt")?;
        }
        for Damaged { object, reason } in self.damaged.iter().take(NAMED_OBJECTS) {
            writeln!(f, "damaged: {object}: {reason}")?;
        }
        for Damaged { object, reason } in self.aside.iter().take(NAMED_OBJECTS) {
            writeln!(f, "passed over: {object}: {reason}")?;
        }
        let passed_over = self.aside.len().saturating_sub(NAMED_OBJECTS) as u64;
        let unnamed = self.damaged.len().saturating_sub(NAMED_OBJECTS) as u64;
        for (count, what) in [
            (unnamed, "further objects are damaged"),
            (passed_over, "further names are passed over"),
            (self.damaged_before, "objects that were damaged before are so still: put whole ones in their place"),
            (self.ahead, "objects are dated after the present: look to the clock of whoever writes them"),
            (self.forgotten, "events of viewers to be forgotten were left out"),
            (self.expired, "files of the table were removed for their age"),
        ] {
            if count > 0 {
                writeln!(f, "{count} {what}")?;
            }
        }
        for reason in &self.rejected {
            writeln!(f, "set aside: {reason}")?;
        }
        if self.is_useless() {
            writeln!(f, "nothing that was read is an event: is this the source of the app's events?")?;
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
    /// Bytes of memory that may be held.
    most_bytes: usize,
    report: Report,
}

impl<'a> Intake<'a> {
    fn new(table: &'a mut Table, rejects: &'a mut RejectsFile) -> Self {
        let (tally, held) = (Tally::default(), Vec::new());
        Self { table, rejects, tally, held, held_bytes: 0, most_bytes: HELD_BYTES, report: Report::default() }
    }

    /// Takes the line `number`, from 1, of `source`: an event, or several that their writer joined. Blank ones are passed over.
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

    /// Takes what `bytes` were read as.
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

/// The bytes of memory that holding `line` takes.
fn memory(line: &Line) -> usize {
    let Line { id, viewer, text, .. } = line;
    let bytes = |text: &String| text.capacity() + ALLOCATION_BYTES;
    size_of::<Line>() + bytes(id) + bytes(viewer) + bytes(text)
}
