//! Lines of bounded length, and portions of lines onto which writers joined several objects.

use std::io::{self, BufRead, Read as _};

use sinsang_core::json::documents;

/// Most bytes of a text row, without its line end.
pub const ROW_MAX_BYTES: usize = 1 << 20;

/// The outcome of reading a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A complete line, with its end unless the file ends without one.
    Whole,
    /// The start of a line longer than [`ROW_MAX_BYTES`]; the rest was skipped.
    TooLong,
    /// The end of the file.
    End,
}

/// A reader of lines of bounded length.
pub struct Lines<R> {
    input: R,
    /// Lines begun so far.
    pub begun: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input`.
    pub fn new(input: R) -> Self {
        Self { input, begun: 0 }
    }

    /// The input, some of which may have been read ahead.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Appends the next line to `into`, without the byte order mark that may open the first line.
    ///
    /// # Errors
    /// The input's error.
    pub fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Line> {
        let line = self.read_part(into)?;
        if line == Line::TooLong {
            self.skip()?;
        }
        Ok(line)
    }

    /// As [`Lines::read`], but leaves the rest of a line that is too long to [`Lines::read_on`] or
    /// [`Lines::skip`].
    fn read_part(&mut self, into: &mut Vec<u8>) -> io::Result<Line> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        let start = into.len();
        let line = self.append(into, ROW_MAX_BYTES + 1)?;
        if into.len() == start {
            return Ok(Line::End);
        }
        self.begun += 1;
        if self.begun == 1 && into.get(start..).is_some_and(|line| line.starts_with(MARK)) {
            into.drain(start..start + MARK.len());
        }
        Ok(line)
    }

    /// Appends more of a line that is too long, until `into` again exceeds [`ROW_MAX_BYTES`].
    fn read_on(&mut self, into: &mut Vec<u8>) -> io::Result<Line> {
        self.append(into, (ROW_MAX_BYTES + 1).saturating_sub(into.len()))
    }

    /// Appends at most `most` bytes of a line.
    fn append(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<Line> {
        let read = self.input.by_ref().take(most as u64).read_until(b'\n', into)?;
        if read < most || into.last() == Some(&b'\n') { Ok(Line::Whole) } else { Ok(Line::TooLong) }
    }

    /// Skips the rest of a line.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|&b| b == b'\n');
            let skipped = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(skipped);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// A line, or as many of the objects joined on it as fit [`ROW_MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion<'p> {
    /// The number of the line, from 1.
    pub line: u64,
    /// The bytes of the line or of the objects.
    pub text: &'p [u8],
    /// Whether this is the start of a line that is too long and begins with an incomplete object.
    /// The rest of it is skipped.
    pub is_cut: bool,
}

/// A reader of lines of objects. Firehose joins objects without a line end, so a file may be one
/// line: it is read in portions that end at the end of an object.
pub struct Portions<R> {
    lines: Lines<R>,
    text: Vec<u8>,
    /// Bytes of `text` already returned.
    handed: usize,
    /// Whether the bytes after them belong to the same line.
    goes_on: bool,
}

impl<R: BufRead> Portions<R> {
    /// The portions of `input`.
    pub fn new(input: R) -> Self {
        Self { lines: Lines::new(input), text: Vec::new(), handed: 0, goes_on: false }
    }

    /// The input, some of which may have been read ahead.
    pub fn into_inner(self) -> R {
        self.lines.into_inner()
    }

    /// Reads the next portion; `None` at the end.
    ///
    /// # Errors
    /// The input's error.
    pub fn read(&mut self) -> io::Result<Option<Portion<'_>>> {
        let line = if self.goes_on {
            self.text.drain(..self.handed);
            self.lines.read_on(&mut self.text)?
        } else {
            self.text.clear();
            self.lines.read_part(&mut self.text)?
        };
        (self.handed, self.goes_on) = (self.text.len(), false);
        let mut is_cut = false;
        match line {
            Line::End => return Ok(None),
            Line::Whole => {}
            Line::TooLong => match whole_objects(&self.text) {
                0 => {
                    self.lines.skip()?;
                    is_cut = true;
                }
                whole => (self.handed, self.goes_on) = (whole, true),
            },
        }
        let text = self.text.get(..self.handed).unwrap_or_default();
        Ok(Some(Portion { line: self.lines.begun, text, is_cut }))
    }
}

/// Bytes of the complete objects at the start of `text`.
fn whole_objects(text: &[u8]) -> usize {
    // A text cut within a character is also cut within an object.
    let text = match str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => text.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok()).unwrap_or_default(),
    };
    let rest = documents(text).last().map_or(text, |(_, rest)| rest);
    text.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_are_bounded_and_counted() {
        let long = "x".repeat(ROW_MAX_BYTES + 5);
        let exact = "y".repeat(ROW_MAX_BYTES);
        let text = format!("\u{feff}a\n\n{long}\nb\n{exact}\nlast");
        let mut lines = Lines::new(BufReader::with_capacity(7, text.as_bytes()));
        let mut seen = Vec::new();
        loop {
            let mut line = Vec::new();
            let kind = lines.read(&mut line).unwrap();
            if kind == Line::End {
                break;
            }
            seen.push((kind, line.len(), lines.begun));
        }
        let (whole, long) = (Line::Whole, Line::TooLong);
        let expected = [
            (whole, 2, 1),
            (whole, 1, 2),
            (long, ROW_MAX_BYTES + 1, 3),
            (whole, 2, 4),
            (whole, ROW_MAX_BYTES + 1, 5),
            (whole, 4, 6),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_line_of_many_objects_comes_in_portions_that_end_with_one() {
        let object = format!("{{\"a\":\"{}\"}}", "x".repeat(ROW_MAX_BYTES / 3));
        let long = "y".repeat(ROW_MAX_BYTES + 1);
        let text = format!("{{}}\n{}\n{long}{object}\n{object}", object.repeat(7));
        let mut portions = Portions::new(BufReader::with_capacity(1000, text.as_bytes()));
        let mut seen = Vec::new();
        while let Some(Portion { line, text, is_cut }) = portions.read().unwrap() {
            seen.push((!is_cut, text.trim_ascii_end().len(), line));
        }
        let two = (true, 2 * object.len(), 2);
        let rest = [(true, object.len(), 2), (false, ROW_MAX_BYTES + 1, 3), (true, object.len(), 4)];
        assert_eq!(seen, [[(true, 2, 1), two, two, two].as_slice(), &rest].concat());
    }
}
