//! The model of tastes between builds: a file that builds reuse until it is too old; users who
//! appear in between are folded in with it.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde::Serialize;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_run::file::read_bytes;
use sinsang_run::replace::{Access, replace};
use sinsang_taste::Unusable;

use crate::learn::taste::{self, Learned, Trained};

/// Byte limit of a model: far more words and products than a build has.
const MODEL_BYTES: u64 = 1 << 30;

/// The age and origin of the model that a build used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When the model was trained, RFC 3339.
    pub trained_at: String,
    /// Whether this build trained it.
    pub trained_now: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.trained_now { "this build" } else { "an earlier build" };
        write!(f, "  folded in with the model that {by} trained at {}", self.trained_at)
    }
}

/// A model file and its maximum age.
#[derive(Clone, Debug)]
pub struct Shelf<'a> {
    file: &'a Path,
    train_every_days: u32,
}

/// The model of one build: taken from the file, and written back if trained.
#[derive(Debug)]
pub struct Keeping<'a> {
    place: Option<Shelf<'a>>,
    kept_at: Option<UnixMillis>,
    /// Why an expected model can't be used or kept.
    pub notes: Vec<String>,
}

impl<'a> Keeping<'a> {
    /// Reads the model in `file` into `options`, which tastes are learned with.
    pub fn begin(file: Option<&'a Path>, train_every_days: u32, options: &mut taste::Options, now: UnixMillis) -> Self {
        let shelf = file.map(|file| Shelf::new(file, train_every_days));
        let (kept, note) = shelf.as_ref().map_or((None, None), |shelf| shelf.take_up(options, now));
        let kept_at = kept.as_ref().map(|(_, at)| *at);
        options.kept = kept.map(|(trained, _)| trained);
        Self { place: shelf, kept_at, notes: note.into_iter().collect() }
    }

    /// Writes the model to the file if this build trained it, and reports its age. A failed write
    /// adds a note.
    pub fn end(&mut self, learned: &Learned, options: &taste::Options, now: UnixMillis) -> Option<Report> {
        let place = self.place.as_ref()?;
        let trained_now = learned.report.trained;
        if trained_now {
            let kept = place.keep(learned.model.trained(), options, now);
            self.notes.extend(kept.err().map(|error| error.to_string()));
        }
        let trained_at = self.kept_at.filter(|_| !trained_now).unwrap_or(now).to_kst_rfc3339();
        Some(Report { trained_at, trained_now })
    }
}

/// Why the model can't be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be written.
    #[error("the model can't be written to {}: {source}; the next build trains again", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The model does not fit the file's format.
    #[error("the model can't be written: {0}")]
    Format(#[from] Unusable),
}

/// Settings beside the recipe that a stored model must match.
fn besides(options: &taste::Options) -> String {
    format!("half-life {} days, {:?}, tuned {}", options.half_life_days, options.weights, options.tune)
}

impl<'a> Shelf<'a> {
    /// The file, and the days after which its model is too old; 0 never reuses one.
    pub fn new(file: &'a Path, train_every_days: u32) -> Self {
        Self { file, train_every_days }
    }

    /// The stored model and its time. `None` if no model is usable at `now`, with a note if one was
    /// expected: a bad file never stops a build, because it can train another.
    pub fn take_up(
        &self,
        options: &taste::Options,
        now: UnixMillis,
    ) -> (Option<(Trained, UnixMillis)>, Option<String>) {
        if self.train_every_days == 0 {
            return (None, None);
        }
        let note = |what: &dyn fmt::Display| Some(format!("{}: {what}; trained a new model", self.file.display()));
        let bytes = match read_bytes(self.file, MODEL_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (None, None),
            Err(error) => return (None, note(&error)),
        };
        match Trained::take_up(&bytes, &options.recipe, &besides(options)) {
            Err(error) => (None, note(&error)),
            Ok((_, at)) if at > now.0 => {
                (None, note(&format!("its time, {}, is in the future", UnixMillis(at).to_kst_rfc3339())))
            }
            Ok((_, at)) if now.0 - at >= i64::from(self.train_every_days) * DAY_MS => (None, None),
            Ok((trained, at)) => (Some((trained, UnixMillis(at))), None),
        }
    }

    /// Replaces the stored model. An empty model is not stored: the next build may have data to
    /// learn from.
    ///
    /// # Errors
    /// An [`Error`] if it can't be written. The file is then unchanged.
    pub fn keep(&self, trained: &Trained, options: &taste::Options, now: UnixMillis) -> Result<(), Error> {
        if trained.products() == 0 {
            return Ok(());
        }
        let bytes = trained.keep(&besides(options), now.0)?;
        let failed = |source| Error::Write { path: self.file.to_owned(), source };
        fs::create_dir_all(self.file.parent().unwrap_or(self.file)).map_err(failed)?;
        replace(self.file, &bytes, Access::Everybody).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use sinsang_taste::{Catalogue, Lessons, Model, Sparse, Tuned};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn trained() -> Trained {
        let mut descriptions = Sparse::new(2);
        (0..4).for_each(|product| descriptions.push([(product % 2, 1.0)]));
        let mut users = Sparse::new(4);
        (0..6).for_each(|user| users.push([(user % 2, 1.0), (2 + user % 2, 1.0)]));
        let counts = [0.0; 4];
        let catalogue = Catalogue {
            ids: &[1, 2, 3, 4],
            descriptions: &descriptions,
            names: &descriptions,
            month: &counts,
            fortnight: &counts,
        };
        let lessons = Lessons { strengths: &users, sums: &users, catalogue };
        Model::train(&lessons, &[0, 1, 2, 3], &Tuned::default_of(taste::Options::default().recipe, 30.0))
            .trained()
            .clone()
    }

    #[test]
    fn a_model_is_used_for_its_days_and_what_is_wrong_with_another_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("models/tastes.safetensors");
        let (shelf, options) = (Shelf::new(&file, 7), taste::Options::default());
        let taken = |shelf: &Shelf<'_>, options: &taste::Options, days: i64| {
            let (model, note) = shelf.take_up(options, NOW.plus(days * DAY_MS));
            (model.map(|(trained, at)| (trained.products(), at)), note.unwrap_or_default())
        };
        let nothing = (None, String::new());
        assert_eq!(taken(&shelf, &options, 0), nothing, "there is none yet");
        shelf.keep(&trained(), &options, NOW).unwrap();
        let bytes = fs::read(&file).unwrap();
        for days in [0, 6] {
            assert_eq!(taken(&shelf, &options, days), (Some((4, NOW)), String::new()));
        }
        assert_eq!(taken(&shelf, &options, 7), nothing, "it is old");
        assert_eq!(taken(&Shelf::new(&file, 0), &options, 0), nothing, "every build trains");
        let other = taste::Options { half_life_days: 20.0, ..options.clone() };
        for (what, options, days, said) in
            [("of the future", &options, -1, "is in the future"), ("of other rules", &other, 0, "was requested")]
        {
            let (model, note) = taken(&shelf, options, days);
            assert!(model.is_none() && note.contains(said) && note.contains("tastes.safetensors"), "{what}: {note}");
        }
        for (bytes, said) in [(&bytes[..bytes.len() / 2], "not a complete safetensors file"), (b"", "not a complete")] {
            fs::write(&file, bytes).unwrap();
            let (model, note) = taken(&shelf, &options, 0);
            assert!(model.is_none() && note.contains(said), "{note}");
        }
    }
}
