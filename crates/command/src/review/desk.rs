//! The dialogue of a review: reads an answer a line, and writes it to the corrections file before
//! it asks the next question.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Read as _, Write};
use std::path::PathBuf;

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_identity::correction::{self as corrections, Corrections, Decision, Pair};
use sinsang_pipeline::read::correction;

use super::{Question, Questions};

/// Why a review ended early. Earlier answers are in the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The corrections file can't be used: correct it first.
    #[error(transparent)]
    Corrections(#[from] correction::Error),
    /// The corrections file can't be written: make room, or check its permissions.
    #[error("{} can't be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The terminal can't be read or written.
    #[error("the terminal can't be read or written: {0}")]
    Terminal(#[from] io::Error),
}

/// The counts of a review.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Answers "same".
    pub same: usize,
    /// Answers "different".
    pub different: usize,
    /// Questions skipped.
    pub skipped: usize,
    /// Questions settled by earlier answers.
    pub settled: usize,
    /// Questions left unasked.
    pub left: usize,
    /// The corrections file.
    pub file: PathBuf,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { same, different, skipped, settled, left, file } = self;
        write!(
            f,
            "{same} same, {different} different in {}; {skipped} skipped, {settled} settled by earlier answers, {left} left",
            file.display()
        )
    }
}

/// An answer, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer<'l> {
    Same(&'l str),
    Different(&'l str),
    Skip,
    Stop,
}

impl<'l> Answer<'l> {
    fn read(line: &'l str) -> Option<Self> {
        let line = line.trim();
        let (word, why) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Some(match word.to_lowercase().as_str() {
            "s" | "same" | "같음" | "같다" => Self::Same(why.trim()),
            "d" | "different" | "다름" | "다르다" => Self::Different(why.trim()),
            "k" | "skip" | "건너뜀" => Self::Skip,
            "q" | "stop" | "그만" => Self::Stop,
            _ => return None,
        })
    }
}

/// The person who answers, and the file for the answers.
#[derive(Clone, Debug)]
pub struct Desk<'d> {
    /// The corrections file.
    file: PathBuf,
    /// The person who answers.
    who: &'d str,
    /// The present.
    now: UnixMillis,
}

impl<'d> Desk<'d> {
    /// A desk for `who`, with answers appended to the corrections file `file`, which is created if
    /// missing.
    ///
    /// # Errors
    /// [`Error::Write`] if the file can't be opened for writing.
    pub fn begin(file: PathBuf, who: &'d str, now: UnixMillis) -> Result<Self, Error> {
        match OpenOptions::new().create(true).append(true).open(&file) {
            Ok(_) => Ok(Self { file, who, now }),
            Err(source) => Err(Error::Write { path: file, source }),
        }
    }

    /// Asks the questions on `output` and reads a line of `input` for each. The end of the input
    /// stops the review, even within a line.
    ///
    /// # Errors
    /// [`enum@Error`]; earlier answers are in the file.
    pub fn ask(
        &self,
        questions: &Questions<'_>,
        input: &mut impl BufRead,
        output: &mut impl Write,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome { file: self.file.clone(), ..Outcome::default() };
        let count = questions.questions.len();
        for (place, question) in questions.questions.iter().enumerate() {
            if self.corrections()?.decides(&question.listing.name(), &question.earlier.name()) {
                outcome.settled += 1;
                continue;
            }
            writeln!(output, "\n[{}/{count}] {question}", place + 1)?;
            match self.answer(question, input, output)? {
                Answer::Same(_) => outcome.same += 1,
                Answer::Different(_) => outcome.different += 1,
                Answer::Skip => outcome.skipped += 1,
                Answer::Stop => {
                    outcome.left = count - place;
                    break;
                }
            }
        }
        Ok(outcome)
    }

    /// Asks until the answer is valid, and records it.
    fn answer(
        &self,
        question: &Question<'_>,
        input: &mut impl BufRead,
        output: &mut impl Write,
    ) -> Result<Answer<'static>, Error> {
        let mut line = Vec::new();
        loop {
            write!(output, "같은 상품입니까? s 같음 / d 다름 (뒤에 까닭) / k 건너뜀 / q 그만 > ")?;
            output.flush()?;
            line.clear();
            input.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                writeln!(output)?;
                return Ok(Answer::Stop);
            }
            let line = String::from_utf8_lossy(&line);
            let (kind, why, answer) = match Answer::read(&line) {
                Some(Answer::Same(why)) => (Pair::Same, why, Answer::Same("")),
                Some(Answer::Different(why)) => (Pair::Different, why, Answer::Different("")),
                Some(Answer::Skip) => return Ok(Answer::Skip),
                Some(Answer::Stop) => return Ok(Answer::Stop),
                None => {
                    writeln!(output, "  {:?}은(는) 답이 아닙니다.", line.trim())?;
                    continue;
                }
            };
            match self.append(question, kind, why)? {
                Ok(()) => return Ok(answer),
                Err(contradiction) => writeln!(output, "  앞선 결정과 어긋나 적지 않았습니다: {contradiction}")?,
            }
        }
    }

    fn corrections(&self) -> Result<Corrections, Error> {
        Ok(correction::read(&self.file, self.now)?)
    }

    /// Appends an answer, or returns the contradiction if it contradicts the file. Other reviewers
    /// wait for the file's lock, and a full disk leaves the file unchanged.
    fn append(&self, question: &Question<'_>, kind: Pair, why: &str) -> Result<Result<(), String>, Error> {
        let entry = self.entry(question, kind, why);
        let path = &self.file;
        let failed = |source| Error::Write { path: path.clone(), source };
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
        file.lock().map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let text = correction::text(bytes, path)?;
        correction::parse(&text, path, self.now)?;
        match correction::parse(&format!("{text}{entry}"), path, self.now) {
            Ok(_) => {}
            // The entry's own line is not in the file; the mistake's text names the line that it
            // contradicts.
            Err(correction::Error::Corrections(corrections::Error::Mistakes { mistakes, .. })) => {
                return Ok(Err(mistakes.into_iter().map(|mistake| mistake.what).collect::<Vec<_>>().join("; ")));
            }
            Err(error) => return Err(error.into()),
        }
        file.write_all(entry.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
            // An incomplete entry would stop every command that reads the file.
            let _ = file.set_len(length);
            failed(source)
        })?;
        Ok(Ok(()))
    }

    fn entry(&self, question: &Question<'_>, kind: Pair, why: &str) -> String {
        let Question { verdict, probability, .. } = question;
        let why = if why.is_empty() {
            let (verdict, percent) = (verdict.as_str(), probability * 100.0);
            format!("reviewed; it was judged {verdict}, the same product with a probability of {percent:.0} %")
        } else {
            why.to_owned()
        };
        let [a, b] = [question.listing.name(), question.earlier.name()];
        let titles = [question.listing.title, question.earlier.title];
        kind.entry([&a, &b], titles, &Decision { who: self.who.to_owned(), why }, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_word_with_a_reason_behind_it() {
        for (line, expected) in [
            ("s\n", Some(Answer::Same(""))),
            ("  Same  the lid comes first \n", Some(Answer::Same("the lid comes first"))),
            ("다름 28 cm와 32 cm", Some(Answer::Different("28 cm와 32 cm"))),
            ("k", Some(Answer::Skip)),
            ("q", Some(Answer::Stop)),
            ("", None),
            ("yes", None),
        ] {
            assert_eq!(Answer::read(line), expected, "{line:?}");
        }
    }
}
