//! Standard output and standard error. All text for people passes through here, so that external
//! titles, headers and messages neither control the terminal nor reverse neighbouring text.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use sinsang_core::printable::printable;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// Writes lines to standard output. A reader that stops early, such as `head`, is not an error.
///
/// # Errors
/// The system's error for standard output.
pub fn say(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{}", printable(text)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes `bytes` to standard output as they are, for programs; a terminal gets them printable and
/// with a line feed, as [`say`] writes.
///
/// # Errors
/// The system's error for standard output.
pub fn pass(bytes: &[u8]) -> io::Result<()> {
    let mut output = io::stdout();
    if output.is_terminal() {
        return say(&String::from_utf8_lossy(bytes));
    }
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes lines to standard error, and ignores failures.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// Prints an argument error or the requested help, and returns the exit code.
pub fn end_of(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        complain(error.render().to_string().trim_end());
    } else {
        // A reader that stops early is not an error.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

/// Escapes text with [`printable`] and writes it to the inner writer. Invalid UTF-8 becomes `�`.
#[derive(Debug)]
pub struct Printable<W>(pub W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Formats the fields of text log lines. The library's own format escapes only messages and errors.
pub(crate) fn fields() -> impl for<'w> FormatFields<'w> {
    let write = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", printable(&text)),
            name => write!(writer, "{name}={}", printable(&text)),
        }
    };
    debug_fn(write).delimited(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_through_it_commands_no_terminal() {
        let mut output = Printable(Vec::new());
        write!(output, "\u{1b}[2J신상: {} > ", "\u{202e}a".to_owned()).unwrap();
        output.write_all(b"\x1b]0;x\x07\xff\n").unwrap();
        output.flush().unwrap();
        assert_eq!(String::from_utf8(output.0).unwrap(), "\\u001b[2J신상: \\u202ea > \\u001b]0;x\\u0007\u{fffd}\n");
    }

    #[test]
    fn log_lines_are_printable_whatever_field_it_stands_in() {
        #[derive(Clone, Default)]
        struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let sink = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || sink.clone())
            .with_ansi(false)
            .without_time()
            .fmt_fields(fields())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let error = io::Error::other("\u{1b}[31mred\u{202e}");
            tracing::warn!(%error, said = %"\u{9b}2J", count = 7, text = "\u{1b}x", "a call\u{7} is tried again");
        });
        let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let expected =
            "a call\\u0007 is tried again error=\\u001b[31mred\\u202e said=\\u009b2J count=7 text=\"\\u{1b}x\"";
        assert!(line.trim_end().ends_with(expected), "{line:?}");
    }
}
