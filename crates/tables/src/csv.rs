//! The row reader for CSV files, and for those with tabs or semicolons: it handles quoted fields
//! over several lines, and a bad row never costs the good rows after it.

use std::borrow::Cow;
use std::io::{self, BufRead};

use csv_core::ReadRecordResult;

use crate::encoding::{Decoded, Encoding};
use crate::excerpt::excerpt_bytes;
use crate::file::{OpenText, SourceFile};
use crate::line::{Line, Lines, ROW_MAX_BYTES};
use crate::reject::Reason;
use crate::value::Value;
use crate::{Column, ColumnMap, Error, Fault, MAX_COLUMNS, Place, Rows};

/// Most fields of a row; a row with more is damaged.
const FIELDS_MAX: usize = 4_096;

/// Passes every row of a file to `rows`.
///
/// # Errors
/// If the header can't be used or the file ends too early; any error of `rows`.
pub fn read(
    file: &SourceFile,
    text: OpenText<'_>,
    columns: &'static [Column],
    rows: &mut dyn Rows,
) -> Result<(), Error> {
    let OpenText { input, mut encoding } = text;
    let mut records = Records::new(input);
    let damaged = |row| move |source| Error::Damaged { path: file.path.clone(), row, source: Box::new(source) };
    let not_utf8 = || Error::HeaderNotUtf8 { path: file.path.clone() };
    records.find_separator().map_err(damaged(0))?;
    let header = match records.next(None).map_err(damaged(0))? {
        Record::Row { .. } => header_names(&records, &mut encoding).ok_or_else(not_utf8)?,
        Record::Bad { .. } => return Err(Error::HeaderUnreadable { path: file.path.clone() }),
        Record::End => Vec::new(),
    };
    let ColumnMap { places, renamed } = ColumnMap::new(file, columns, &header)?;
    let constants = file.constants(columns);
    for (column, from) in &renamed {
        rows.renamed(column, from);
    }
    let mut row = 0;
    loop {
        match records.next(Some(header.len())).map_err(damaged(row))? {
            Record::End => return Ok(()),
            Record::Bad { line, reason, start } => {
                row += 1;
                rows.fault(
                    Place { row, line: Some(line) },
                    Fault { field: None, reason, detail: None, value: Some(start) },
                )?;
            }
            // Spreadsheets also write the blank rest of a sheet.
            Record::Row { .. } if records.is_blank_from(0) => {}
            Record::Row { line } => {
                row += 1;
                let place = Place { row, line: Some(line) };
                if records.fields.len() >= header.len() && records.is_blank_from(header.len()) {
                    let mut values = [const { Value::Missing }; MAX_COLUMNS];
                    for (value, position) in values.iter_mut().zip(&places) {
                        *value = position
                            .map_or(Value::Missing, |position| value_of(records.field(position), &mut encoding));
                    }
                    constants.complete(&mut values);
                    rows.row(place, &values)?;
                } else {
                    let detail = Some(format!("{} fields where the header has {}", records.fields.len(), header.len()));
                    let value = Some(excerpt_bytes(records.row_text()));
                    rows.fault(place, Fault { field: None, reason: Reason::FieldCount, detail, value })?;
                }
            }
        }
    }
}

fn value_of<'b>(bytes: &'b [u8], encoding: &mut Encoding) -> Value<'b> {
    match encoding.read(bytes) {
        Decoded::Utf8("") => Value::Missing,
        Decoded::Utf8(text) => Value::Text(Cow::Borrowed(text)),
        Decoded::Cp949(text) => Value::Decoded(text),
        Decoded::Neither => Value::NotUtf8(excerpt_bytes(bytes)),
    }
}

fn header_names<R: BufRead>(records: &Records<R>, encoding: &mut Encoding) -> Option<Vec<String>> {
    let mut name = |field| match encoding.read(field) {
        Decoded::Utf8(name) => Some(name.trim().to_owned()),
        Decoded::Cp949(name) => Some(name.trim().to_owned()),
        Decoded::Neither => None,
    };
    (0..records.fields.len()).map(|index| name(records.field(index))).collect()
}

/// The outcome of reading a record.
enum Record {
    /// A record, with its fields in [`Records`].
    Row {
        line: u64,
    },
    /// A line that is not a record, with its start.
    Bad {
        line: u64,
        reason: Reason,
        start: String,
    },
    End,
}

/// The records of a CSV file, parsed by `csv_core` from lines that are kept until their record is
/// complete: if a quote swallows the rows after it, only its own line is rejected, and reading
/// resumes with the next.
struct Records<R> {
    lines: Lines<R>,
    core: csv_core::Reader,
    separator: u8,
    /// Lines read but not yet consumed.
    raw: Vec<u8>,
    /// Start of the next record in `raw`.
    next: usize,
    /// Start of the latest record in `raw`.
    begin: usize,
    /// The number of the line at `next`.
    line: u64,
    /// A line too long to keep, which follows `raw`: its number and its start.
    too_long_next: Option<(u64, String)>,
    /// The unquoted bytes of the latest record, field after field.
    text: Vec<u8>,
    /// The end of each field in `text`; may be longer than `fields`.
    ends: Vec<usize>,
    /// The fields of the latest record, as places in `ends`.
    fields: std::ops::Range<usize>,
}

impl<R: BufRead> Records<R> {
    fn new(input: R) -> Self {
        Self {
            lines: Lines::new(input),
            core: csv_core::Reader::new(),
            separator: b',',
            raw: Vec::new(),
            next: 0,
            begin: 0,
            line: 1,
            too_long_next: None,
            text: vec![0; 4_096],
            ends: vec![0; 64],
            fields: 0..0,
        }
    }

    /// Detects the separator from the first line: tabs or semicolons if it has no comma. Excel's
    /// `sep=;` line names it, and is skipped.
    fn find_separator(&mut self) -> io::Result<()> {
        const SEPARATORS: [u8; 3] = [b',', b'\t', b';'];
        if !self.read_line()? {
            return Ok(());
        }
        let line = self.raw.trim_ascii();
        let told = match line.strip_prefix(b"sep=") {
            Some(&[separator]) if SEPARATORS.contains(&separator) => {
                self.advance(self.raw.len());
                Some(separator)
            }
            // Trimming removed the tab at the end.
            Some([]) if self.raw.starts_with(b"sep=\t") => {
                self.advance(self.raw.len());
                Some(b'\t')
            }
            _ => SEPARATORS.into_iter().find(|separator| line.contains(separator)),
        };
        self.separator = told.unwrap_or(b',');
        self.core = csv_core::ReaderBuilder::new().delimiter(self.separator).build();
        Ok(())
    }

    /// Whether the latest record is blank from field `first` on.
    fn is_blank_from(&self, first: usize) -> bool {
        (first..self.fields.len()).all(|index| self.field(index).trim_ascii().is_empty())
    }

    /// Field `index` of the latest record.
    fn field(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or(0);
        let begin = index.checked_sub(1).map_or(0, end);
        self.text.get(begin..end(index)).unwrap_or_default()
    }

    /// The text of the latest record in the file.
    fn row_text(&self) -> &[u8] {
        self.raw.get(self.begin..self.next).unwrap_or_default()
    }

    /// Reads the next record. A record of several lines that has not `fields` fields, or in which a
    /// quote closes in the middle of text, is treated as an unclosed quote.
    fn next(&mut self, fields: Option<usize>) -> io::Result<Record> {
        if let Some(end) = self.skip_to_record()? {
            return Ok(end);
        }
        let line = self.line;
        self.begin = self.next;
        match self.parse()? {
            Some(consumed) => {
                let raw = self.raw.get(self.next..self.next + consumed).unwrap_or_default();
                let several_lines = raw.iter().position(|&b| b == b'\n').is_some_and(|end| end + 1 < raw.len());
                let other_count =
                    fields.is_some_and(|fields| self.fields.len() < fields || !self.is_blank_from(fields));
                if several_lines && (other_count || !closes_at_separators(raw, self.separator)) {
                    return Ok(self.give_up_line(Reason::UnclosedQuote));
                }
                self.advance(consumed);
                Ok(Record::Row { line })
            }
            None => Ok(self.give_up_line(Reason::UnclosedQuote)),
        }
    }

    /// Skips blank lines up to the first byte of a record. If there is no record, returns what is
    /// there.
    fn skip_to_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            while let Some(b'\r' | b'\n') = self.raw.get(self.next) {
                self.advance(1);
            }
            if self.next < self.raw.len() {
                return Ok(None);
            }
            self.raw.clear();
            self.next = 0;
            if let Some((line, start)) = self.too_long_next.take() {
                self.line = line + 1;
                return Ok(Some(Record::Bad { line, reason: Reason::RowTooLong, start }));
            }
            if !self.read_line()? && self.too_long_next.is_none() {
                return Ok(Some(Record::End));
            }
        }
    }

    /// Appends a line to `raw`; `false` if there is none.
    fn read_line(&mut self) -> io::Result<bool> {
        if self.too_long_next.is_some() {
            return Ok(false);
        }
        let before = self.raw.len();
        match self.lines.read(&mut self.raw)? {
            Line::End => Ok(false),
            Line::Whole => {
                // With a line end added, a last line without one can be told apart from an open
                // quote.
                if self.raw.last() != Some(&b'\n') {
                    self.raw.push(b'\n');
                }
                Ok(true)
            }
            Line::TooLong => {
                let start = excerpt_bytes(self.raw.get(before..).unwrap_or_default());
                self.too_long_next = Some((self.lines.begun, start));
                self.raw.truncate(before);
                Ok(false)
            }
        }
    }

    /// Parses the record at `next`, reading more lines while a quote is open. Returns its length in
    /// bytes, or `None` if the quote is not closed within [`ROW_MAX_BYTES`].
    fn parse(&mut self) -> io::Result<Option<usize>> {
        self.core.reset();
        let (mut consumed, mut written, mut ended) = (0, 0, 0);
        loop {
            let input = self.raw.get(self.next + consumed..).unwrap_or_default();
            if input.is_empty() {
                if consumed > ROW_MAX_BYTES || !self.read_line()? {
                    return Ok(None);
                }
                continue;
            }
            let (result, took, wrote, ends) = self.core.read_record(
                input,
                self.text.get_mut(written..).unwrap_or_default(),
                self.ends.get_mut(ended..).unwrap_or_default(),
            );
            consumed += took;
            written += wrote;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= FIELDS_MAX => return Ok(None),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => {
                    self.fields = 0..ended;
                    return Ok(Some(consumed));
                }
            }
        }
    }

    /// Rejects the line at `next`, and leaves the lines after it to be read again.
    fn give_up_line(&mut self, reason: Reason) -> Record {
        let rest = self.raw.get(self.next..).unwrap_or_default();
        let length = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |end| end + 1);
        let start = excerpt_bytes(rest.get(..length).unwrap_or_default());
        let line = self.line;
        self.advance(length);
        Record::Bad { line, reason, start }
    }

    fn advance(&mut self, bytes: usize) {
        let passed = self.raw.get(self.next..self.next + bytes).unwrap_or_default();
        self.line += passed.split(|&b| b == b'\n').skip(1).count() as u64;
        self.next += bytes;
    }
}

/// Whether every quoted field of a record ends with its closing quote. `csv_core` reads on
/// otherwise, which lets an open quote swallow rows up to the next quote in the file.
fn closes_at_separators(record: &[u8], separator: u8) -> bool {
    let (mut quoted, mut field_begins) = (false, true);
    let mut rest = record;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if quoted {
            if byte == b'"' {
                match after.split_first() {
                    Some((b'"', after)) => rest = after,
                    None | Some((b'\r' | b'\n', _)) => quoted = false,
                    Some((&after, _)) if after == separator => quoted = false,
                    Some(_) => return false,
                }
            }
        } else {
            quoted = field_begins && byte == b'"';
        }
        field_begins = !quoted && byte == separator;
    }
    true
}
