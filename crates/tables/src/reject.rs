//! Rejected rows: the reasons, the places, the file they are written to, and the limit on their
//! number.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use strum::VariantArray as _;

use serde::{Deserialize, Serialize, Serializer};
use sinsang_core::time::UnixMillis;

use crate::file::Packing;
use crate::purge::purge;

/// Rows that the rejects file holds for one table, field and reason; further ones are only counted.
pub const WRITTEN_PER_REASON: u64 = 100_000;

/// Why a row can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr, strum::VariantArray)]
pub enum Reason {
    /// The field, or the line, is not valid UTF-8.
    #[strum(serialize = "not UTF-8")]
    NotUtf8,
    /// The line is not JSON.
    #[strum(serialize = "not JSON")]
    NotJson,
    /// The line is JSON, but not an object: an array, a number or another value without fields.
    #[strum(serialize = "not a JSON object")]
    NotAnObject,
    /// A JSON object names the field twice.
    #[strum(serialize = "field given twice")]
    FieldTwice,
    /// The row, or the line of text, is longer than 1 MiB.
    #[strum(serialize = "row longer than 1 MiB")]
    RowTooLong,
    /// A CSV field opens a quote that is never closed, or that swallows the rows after it.
    #[strum(serialize = "quote not closed")]
    UnclosedQuote,
    /// A CSV row has a different number of fields from the header.
    #[strum(serialize = "another number of fields than the header")]
    FieldCount,
    /// A required field is missing or blank.
    #[strum(serialize = "missing")]
    Missing,
    /// A required field has a value of the wrong type, for instance a list for a text.
    #[strum(serialize = "value of another kind")]
    WrongKind,
    /// A title without a letter or a digit, so nothing can be compared.
    #[strum(serialize = "no letter or digit")]
    NoWords,
    /// A title that is a placeholder: the slot is planned, and its product not known yet.
    #[strum(serialize = "no product yet")]
    Placeholder,
    /// A text is longer than its limit.
    #[strum(serialize = "too long")]
    TooLong,
    /// An unreadable time.
    #[strum(serialize = "not a time")]
    NotATime,
    /// A time before 1990.
    #[strum(serialize = "before 1990")]
    TooEarly,
    /// A time more than a year after the time of the build.
    #[strum(serialize = "more than a year ahead")]
    TooLate,
    /// An event after the time of the build.
    #[strum(serialize = "in the future")]
    InTheFuture,
    /// An event of an unknown kind.
    #[strum(serialize = "unknown kind")]
    UnknownKind,
    /// An event that names no object.
    #[strum(serialize = "concerns nothing")]
    NoObject,
    /// A position that is not an integer from 0 to 65,535.
    #[strum(serialize = "not a whole number from 0 to 65535")]
    NotAPosition,
    /// A flag that is neither true nor false.
    #[strum(serialize = "neither true nor false")]
    NotAFlag,
    /// An invalid viewer name: neither 16 hexadecimal digits nor `d` and 16.
    #[strum(serialize = "no viewer's name")]
    NotAViewer,
    /// A user id that means nobody: `undefined`, `0`.
    #[strum(serialize = "nobody's")]
    Nobody,
    /// An id that a spreadsheet rounded: `1.23457E+12`.
    #[strum(serialize = "digits left out")]
    Rounded,
    /// A line that breaks the rules for events.
    #[strum(serialize = "not as docs/events.md has it")]
    NotAnEvent,
    /// An earlier row has the same key.
    #[strum(serialize = "given before")]
    Duplicate,
    /// More rows than the table may have.
    #[strum(serialize = "one row too many")]
    TooMany,
}

impl Reason {
    /// All reasons, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason's wording in the rejects file and in reports.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the row counts against the [`Limit`]. Rows after the build's time are not damaged,
    /// since a build of a past day meets many; nor are slots whose product is not known yet, nor
    /// events of visitors who are not signed in.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::InTheFuture | Self::Placeholder | Self::Nobody)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One rejected row, as the rejects file shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Reject<'a> {
    /// The table.
    pub table: &'a str,
    /// The file, by the path under which it was opened.
    pub file: &'a str,
    /// The row within the file, from 1; a CSV header is not a row.
    pub row: u64,
    /// The line of a text file, from 1, on which the row begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The field at fault; absent if the whole row is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// The reason.
    pub reason: Reason,
    /// Further detail, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The value at fault, or its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The number of a table's rows with one field and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// The field at fault; `None` if whole rows are.
    pub field: Option<&'static str>,
    /// The reason.
    pub reason: Reason,
    /// Number of rows.
    pub rows: u64,
}

impl fmt::Display for ReasonCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "{field} {} ({})", self.reason, self.rows),
            None => write!(f, "{} ({})", self.reason, self.rows),
        }
    }
}

/// The share of a table that may be rejected before the read fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// From 0 (no row at all) to 1 (any number).
    pub max_share: f64,
}

impl Default for Limit {
    fn default() -> Self {
        Self { max_share: 0.05 }
    }
}

impl Limit {
    /// Whether `faults` of `rows` rows exceed the limit.
    pub fn is_passed(self, faults: u64, rows: u64) -> bool {
        share(faults, rows) > self.max_share
    }
}

/// `part` as a share of `whole`; 0 if `whole` is 0.
#[expect(clippy::cast_precision_loss, reason = "a share for reading: the last bits of counts past 2^52 do not matter")]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The rejects file can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write the rejects file {}: {source}; choose another with --rejects", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// The rejects of one table: counts by field and reason.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(Option<&'static str>, Reason), u64>,
}

impl Tally {
    /// Counts one more, and returns the count for its field and reason.
    pub fn add(&mut self, field: Option<&'static str>, reason: Reason) -> u64 {
        let count = self.counts.entry((field, reason)).or_default();
        *count += 1;
        *count
    }

    /// Rows that count against the limit.
    pub fn faults(&self) -> u64 {
        self.counts.iter().filter(|((_, reason), _)| reason.is_fault()).map(|(_, rows)| rows).sum()
    }

    /// All rejected rows.
    pub fn rows(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The counts, most frequent first.
    pub fn commonest(&self) -> Vec<ReasonCount> {
        let mut counts: Vec<_> =
            self.counts.iter().map(|(&(field, reason), &rows)| ReasonCount { field, reason, rows }).collect();
        counts.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| (a.field, a.reason).cmp(&(b.field, b.reason))));
        counts
    }
}

/// The rejects file of a run: NDJSON, one [`Reject`] per line. It is created with its first line.
#[derive(Debug, Default)]
pub struct RejectsFile {
    path: Option<PathBuf>,
    writer: Option<BufWriter<File>>,
    /// The time of the run, if the file keeps the rejects of earlier runs.
    run: Option<UnixMillis>,
}

/// A reject with the time of its run.
#[derive(Serialize)]
struct Dated<'a> {
    run: String,
    #[serde(flatten)]
    reject: &'a Reject<'a>,
}

impl RejectsFile {
    /// Writes rejects to `path`, or only counts them if it is `None`. Removes an earlier run's
    /// file.
    ///
    /// # Errors
    /// If an earlier file can't be removed.
    pub fn new(path: Option<PathBuf>) -> Result<Self, Error> {
        if let Some(path) = &path {
            match fs::remove_file(path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error { path: path.clone(), source });
                }
                _ => {}
            }
        }
        Ok(Self { path, writer: None, run: None })
    }

    /// Adds rejects to those of earlier runs at `path`, each with the time of its run, `now`: their
    /// sources are not read again.
    pub fn kept(path: PathBuf, now: UnixMillis) -> Self {
        Self { path: Some(path), writer: None, run: Some(now) }
    }

    /// Removes rejects of runs before `oldest`, and those without a run. Returns how many.
    ///
    /// # Errors
    /// If the file can't be read or written.
    pub fn expire(&self, oldest: UnixMillis) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Run {
            run: String,
        }
        let Some(path) = self.path.as_ref().filter(|path| path.exists()) else { return Ok(0) };
        let run =
            |line: &[u8]| serde_json::from_slice(line).ok().and_then(|Run { run }| UnixMillis::parse_rfc3339(&run));
        purge(path, Packing::Plain, &mut |line| run(line).is_some_and(|run| run >= oldest))
            .map_err(|source| Error { path: path.clone(), source })
    }

    /// The file's path, once it has a line.
    pub fn written_path(&self) -> Option<&Path> {
        self.writer.as_ref().and(self.path.as_deref())
    }

    /// Writes one row, the `nth` of its table, field and reason; skips it beyond
    /// [`WRITTEN_PER_REASON`].
    ///
    /// # Errors
    /// If the file can't be created or written.
    pub fn write(&mut self, reject: &Reject<'_>, nth: u64) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        if nth > WRITTEN_PER_REASON {
            return Ok(());
        }
        let failed = |source| Error { path: path.clone(), source };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let mut how = OpenOptions::new();
                how.create(true).write(true).append(self.run.is_some()).truncate(self.run.is_none());
                // Private, because it quotes rows of users.
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
                let file = how.open(path).map_err(failed)?;
                keep_private(&file).map_err(failed)?;
                none.insert(BufWriter::new(file))
            }
        };
        let written = match self.run {
            Some(run) => serde_json::to_writer(&mut *writer, &Dated { run: run.to_utc_rfc3339(), reject }),
            None => serde_json::to_writer(&mut *writer, reject),
        };
        written.map_err(|error| failed(error.into()))?;
        writer.write_all(b"\n").map_err(failed)
    }

    /// Flushes the written lines to the system.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        match (&mut self.writer, &self.path) {
            (Some(writer), Some(path)) => writer.flush().map_err(|source| Error { path: path.clone(), source }),
            _ => Ok(()),
        }
    }
}

/// Removes other users' permissions on an existing file. A device or a pipe is left as it is.
#[cfg(unix)]
fn keep_private(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata()?;
    let mut permissions = metadata.permissions();
    if !metadata.is_file() || permissions.mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() & !0o077);
    file.set_permissions(permissions)
}

#[cfg(not(unix))]
fn keep_private(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_a_share_and_rows_ahead_of_time_do_not_count() {
        let mut tally = Tally::default();
        for _ in 0..5 {
            tally.add(Some("title"), Reason::Missing);
        }
        for _ in 0..50 {
            tally.add(Some("at"), Reason::InTheFuture);
        }
        assert_eq!((tally.faults(), tally.rows()), (5, 55));
        let limit = Limit::default();
        assert!(!limit.is_passed(tally.faults(), 100));
        assert!(limit.is_passed(6, 100));
        assert!(!limit.is_passed(0, 0));
        assert!(Limit { max_share: 0.0 }.is_passed(1, 1_000_000));
        assert!(!Limit { max_share: 1.0 }.is_passed(7, 7));
    }

    #[test]
    fn the_file_appears_with_its_first_row_and_replaces_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        fs::write(&path, "old").unwrap();
        let mut file = RejectsFile::new(Some(path.clone())).unwrap();
        assert!(!path.exists() && file.written_path().is_none());
        let reject = Reject {
            table: "tabs",
            file: "tabs.csv",
            row: 3,
            line: Some(4),
            field: Some("label"),
            reason: Reason::Missing,
            detail: None,
            value: None,
        };
        file.write(&reject, 1).unwrap();
        file.write(&reject, WRITTEN_PER_REASON + 1).unwrap();
        file.flush().unwrap();
        let expected = "{\"table\":\"tabs\",\"file\":\"tabs.csv\",\"row\":3,\"line\":4,\"field\":\"label\",\"reason\":\"missing\"}\n";
        assert_eq!(fs::read_to_string(file.written_path().unwrap()).unwrap(), expected);
    }

    #[test]
    fn rejects_of_earlier_runs_stay_until_they_are_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        let at = |day: i64| UnixMillis(day * sinsang_core::time::DAY_MS);
        let (reason, table, file) = (Reason::NotJson, "events", "a.ndjson.gz");
        let reject = Reject { table, file, row: 3, line: None, field: None, reason, detail: None, value: None };
        for run in [20, 21, 22] {
            let mut file = RejectsFile::kept(path.clone(), at(run));
            // A run without rejects keeps those of earlier runs.
            if run != 22 {
                file.write(&reject, 1).unwrap();
                file.flush().unwrap();
            }
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"run\":\"1970-01-21T00:00:00.000Z\",\"table\":\"events\""), "{text}");
        assert_eq!(text.lines().count(), 2);
        assert_eq!(RejectsFile::kept(path.clone(), at(22)).expire(at(21)).unwrap(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
