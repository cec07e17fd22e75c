//! The copies of what viewers did: rows that are found there are counted and, where the copy is text of ours, removed.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::Serialize;
use serde_json::{Map, Value as Json};
use sinsang_core::code;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::viewer::ViewerName;
use sinsang_event_import::{Damaged, Objects, Table as EventTable, purge_objects};
use sinsang_pipeline::read::forgotten::{self, Forgotten, Subject};
use sinsang_pipeline::read::rules::{self, Rules};
use sinsang_pipeline::read::{external_vectors, source};
use sinsang_publish::snapshot::{self, Snapshot};
use sinsang_publish::{self, Store};
use sinsang_run::file::read_text;
use sinsang_run::lock::{Denied, Lock};
use sinsang_run::progress::{Progress, Unit};
use sinsang_run::replace::{Access, beside, replace};
use sinsang_tables::check::{Events, Table as _};
use sinsang_tables::file::{self, Format, Packing, SourceFile};
use sinsang_tables::purge::purge;
use sinsang_tables::value::{Value, clean};
use sinsang_tables::{Error as InputError, Fault, Place, Rows};

use super::{Known, Report};

/// Bytes of a file of viewers: at most 50 of them with 20 events each.
const VIEWERS_BYTES: u64 = 16 << 20;
/// What the names of files end in that are held while a file is rewritten. They begin with a point, so that readers pass over them.
const LOCK: &str = ".lock";
/// What the names of rejects files end in.
const REJECTS: &str = ".rejects.ndjson";

/// Why a copy can't be looked through. The others are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A table can't be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The table is being written, or objects can't be read or written.
    #[error(transparent)]
    Ingest(#[from] sinsang_event_import::Error),
    /// A snapshot can't be read.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The rules, which name the lab's files, can't be read.
    #[error(transparent)]
    Rules(#[from] rules::Error),
    /// A file of the lab's can't be read.
    #[error(transparent)]
    Lab(#[from] external_vectors::Error),
    /// Another run rewrites the file.
    #[error("{}: {holder} rewrites it; do it again when that has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// What the other run says of itself.
        holder: String,
    },
    /// A file of viewers is none.
    #[error("{}: {source}; nothing of it was removed", path.display())]
    Viewers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

/// A copy that was looked through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// The file, or the source of objects.
    pub place: String,
    /// Rows of the viewers.
    pub rows: u64,
    /// What became of them.
    pub outcome: Outcome,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They are gone.
    Removed,
    /// They are there: it was a dry run.
    Kept,
    /// They are there, in a file that is not ours to rewrite.
    LeftToOwner,
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, rows, outcome } = self;
        let outcome = match outcome {
            _ if *rows == 0 => "",
            Outcome::Removed => " removed",
            Outcome::Kept => " would be removed",
            Outcome::LeftToOwner => ", which its owner has to delete: a CSV or Parquet file is not rewritten",
        };
        write!(f, "{place}: {rows} rows{outcome}")
    }
}

/// Looks for viewers in copies of what they did.
pub struct Search<'a> {
    subjects: &'a [Subject],
    is_dry_run: bool,
    /// Rows of each.
    rows: RefCell<Vec<u64>>,
    copies: Vec<Copy>,
    snapshots: Vec<(Known, Vec<usize>)>,
    /// What of the copies could not be looked through.
    problems: Vec<String>,
}

impl<'a> Search<'a> {
    /// Begins a search for `subjects`; a dry run removes nothing.
    pub fn new(subjects: &'a [Subject], is_dry_run: bool) -> Self {
        let rows = RefCell::new(vec![0; subjects.len()]);
        Self { subjects, is_dry_run, rows, copies: Vec::new(), snapshots: Vec::new(), problems: Vec::new() }
    }

    /// Notes why a copy could not be looked through; the search goes on with the others.
    pub fn note<E: fmt::Display>(&mut self, outcome: Result<(), E>) {
        self.problems.extend(outcome.err().map(|error| error.to_string()));
    }

    /// The tables of `folder`: events, the lab's files, and the rejects and files of viewers beside them.
    pub fn tables(&mut self, folder: &Path) {
        let events = self.events(folder);
        self.note(events);
        let lab = self.lab(folder);
        self.note(lab);
        let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect(),
            Err(error) => return self.note(Err(Error::file(folder)(error))),
        };
        paths.sort();
        for path in paths {
            match path.file_name().and_then(|name| name.to_str()) {
                Some(name) if name.starts_with('.') => {}
                Some(name) if name.ends_with(REJECTS) => self.rejects(&path),
                Some("viewers.json") => self.viewers(&path),
                _ => {}
            }
        }
    }

    fn events(&mut self, folder: &Path) -> Result<(), Error> {
        let Some(path) = file::find_table(folder, Events::NAME)? else { return Ok(()) };
        // Nobody adds to it meanwhile.
        let _folder = if path.is_dir() { Some(EventTable::open(&path)?) } else { None };
        let _file = if path.is_dir() { None } else { self.hold(&path)? };
        // An empty folder is no table, and has nobody's events.
        let files = match file::list(&path) {
            Err(InputError::EmptyFolder { .. }) => Vec::new(),
            files => files?,
        };
        for file in files {
            let outcome = self.table_file(&file);
            self.note(outcome);
        }
        Ok(())
    }

    fn lab(&mut self, folder: &Path) -> Result<(), Error> {
        let rules = Rules::find(None, folder)?;
        for path in [&rules.lab.users, &rules.lab.lists].into_iter().flatten().map(|path| folder.join(path)) {
            let mut rows = 0;
            let outcome = external_vectors::each_user(&path, &mut |id| rows += u64::from(self.count(self.of_id(id))));
            self.note(outcome);
            self.copies.push(Copy { place: path.display().to_string(), rows, outcome: Outcome::LeftToOwner });
        }
        Ok(())
    }

    /// Holds a file against other runs that rewrite it; a dry run rewrites none. The lock lies beside it, for the file itself is replaced.
    fn hold(&self, path: &Path) -> Result<Option<Lock>, Error> {
        if self.is_dry_run {
            return Ok(None);
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(LOCK);
        match Lock::take(&path.with_file_name(name), &format!("process {}", std::process::id())) {
            Ok(lock) => Ok(Some(lock)),
            Err(Denied::Held(holder)) => Err(Error::Busy { path: path.to_owned(), holder }),
            Err(Denied::File(source)) => Err(Error::file(path)(source)),
        }
    }

    fn table_file(&mut self, file: &SourceFile) -> Result<(), Error> {
        let place = file.path.display().to_string();
        if file.format == Format::Ndjson {
            let rows = self.purge(&file.path, file.packing, &|line| self.of_row(line))?;
            self.copies.push(Copy { place, rows, outcome: self.outcome() });
            return Ok(());
        }
        let column = |name| Events::COLUMNS.iter().position(|column| column.name == name);
        let mut counting = Counting { search: self, user: column("user_id"), viewer: column("viewer"), rows: 0 };
        let bar = Progress::hidden().start(Events::NAME, Unit::Bytes, file.bytes);
        source::read_file(file, Events::COLUMNS, &mut counting, &bar, source::DEFAULT_PAGE_BYTES)?;
        let rows = counting.rows;
        self.copies.push(Copy { place, rows, outcome: Outcome::LeftToOwner });
        Ok(())
    }

    /// A file of rejects, which quotes rows or their start.
    pub fn rejects(&mut self, path: &Path) {
        let outcome = self.of_rejects(path);
        self.note(outcome);
    }

    fn of_rejects(&mut self, path: &Path) -> Result<(), Error> {
        let _held = self.hold(path)?;
        let rows = self.purge(path, Packing::Plain, &|line| self.of_reject(line))?;
        self.copies.push(Copy { place: path.display().to_string(), rows, outcome: self.outcome() });
        Ok(())
    }

    /// A file of viewers, with or without what they did.
    pub fn viewers(&mut self, path: &Path) {
        let outcome = self.of_viewers(path);
        self.note(outcome);
    }

    fn of_viewers(&mut self, path: &Path) -> Result<(), Error> {
        let _held = self.hold(path)?;
        let text = read_text(path, VIEWERS_BYTES).map_err(Error::file(path))?;
        let mut told: Json =
            serde_json::from_str(&text).map_err(|source| Error::Viewers { path: path.to_owned(), source })?;
        let mut rows = 0;
        if let Some(viewers) = told.get_mut("viewers").and_then(Json::as_array_mut) {
            viewers.retain(|viewer| {
                let found = viewer.get("user_id").and_then(Json::as_str).and_then(|id| self.of_id(id));
                rows += u64::from(self.count(found));
                found.is_none()
            });
        }
        if rows > 0 && !self.is_dry_run {
            replace(path, told.to_string().as_bytes(), Access::Owner).map_err(Error::file(path))?;
        }
        self.copies.push(Copy { place: path.display().to_string(), rows, outcome: self.outcome() });
        Ok(())
    }

    /// The objects of `source`, those that the consumer set aside too. Damaged ones are noted, and the others searched.
    ///
    /// # Errors
    /// An [`Error`].
    pub async fn objects(&mut self, source: &str, variable: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
        let objects = Objects::new(source, 0, variable)?;
        let is_wanted = |line: &[u8]| !self.count(self.of_row(line));
        let purged = purge_objects(&objects, self.is_dry_run, &is_wanted).await?;
        self.copies.push(Copy { place: source.to_owned(), rows: purged.lines, outcome: self.outcome() });
        for Damaged { object, reason } in purged.damaged {
            self.problems.push(format!(
                "{source}: {object}: {reason}; nothing of it was removed: put a whole one in its place, or remove it"
            ));
        }
        Ok(())
    }

    /// A snapshot's folder, and the files beside it, which are looked through first.
    ///
    /// # Errors
    /// An [`Error`].
    pub fn snapshot(&mut self, folder: &Path) -> Result<(), Error> {
        let (rejects, viewers) = (beside(folder, REJECTS.trim_start_matches('.')), beside(folder, "viewers.json"));
        if rejects.exists() {
            self.rejects(&rejects);
        }
        if viewers.exists() {
            self.viewers(&viewers);
        }
        let snapshot = Snapshot::at(folder);
        let manifest = snapshot.manifest()?;
        let mut known = Vec::new();
        for (place, subject) in self.subjects.iter().enumerate() {
            for key in users(&subject.names) {
                let Some(id) = manifest.shard_of(key) else { continue };
                let shard = snapshot.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id))?;
                if shard.find(key).is_some() && !known.contains(&place) {
                    known.push(place);
                }
            }
        }
        self.know(folder.display().to_string(), "on disk: build it again", known);
        Ok(())
    }

    /// The live snapshot of `store` and those that are kept. Unless it is a dry run, the store first notes the viewers, so that none of these becomes
    /// live again; `holder` is who does so.
    ///
    /// # Errors
    /// What the store says.
    pub fn store<S: Store>(&mut self, store: &mut S, holder: &str) -> Result<(), sinsang_publish::Error<S::Error>> {
        let keys: Vec<_> =
            self.subjects.iter().flat_map(|subject| users(&subject.names)).map(sinsang_core::viewer::UserKey).collect();
        if !self.is_dry_run {
            let now = store.now();
            sinsang_publish::note_forgotten(store, keys.iter().copied(), now, (now, holder))?;
        }
        for standing in sinsang_publish::standing(store, &keys)? {
            let is_known =
                |subject: &Subject| users(&subject.names).any(|key| standing.keys.iter().any(|of| of.0 == key));
            let known = (0..).zip(self.subjects).filter(|(_, subject)| is_known(subject)).map(|(at, _)| at).collect();
            let place = if standing.is_live { "live" } else { "kept in the store" };
            self.know(standing.snapshot, place, known);
        }
        Ok(())
    }

    /// Adds to `report` what was found.
    pub fn tell(self, report: &mut Report) {
        for (found, rows) in report.found.iter_mut().zip(self.rows.into_inner()) {
            found.rows = rows;
        }
        for (place, found) in report.found.iter_mut().enumerate() {
            let is_known = self.snapshots.iter().any(|(_, known)| known.contains(&place));
            found.has_tastes = (!self.snapshots.is_empty()).then_some(is_known);
        }
        report.copies = self.copies;
        report.problems = self.problems;
        report.snapshots = self.snapshots.into_iter().map(|(known, _)| known).collect();
    }

    fn know(&mut self, snapshot: String, place: &'static str, subjects: Vec<usize>) {
        self.snapshots.push((Known { snapshot, place, users: subjects.len() }, subjects));
    }

    fn outcome(&self) -> Outcome {
        if self.is_dry_run { Outcome::Kept } else { Outcome::Removed }
    }

    /// Removes the lines of a file that are somebody's.
    fn purge(&self, path: &Path, packing: Packing, whose: &dyn Fn(&[u8]) -> Option<usize>) -> Result<u64, Error> {
        let mut rows = 0;
        let mut is_wanted = |line: &[u8]| {
            let is_theirs = self.count(whose(line));
            rows += u64::from(is_theirs);
            !is_theirs || self.is_dry_run
        };
        purge(path, packing, &mut is_wanted).map_err(Error::file(path))?;
        Ok(rows)
    }

    /// Counts a row of the subject at `place`; `false` where there is none.
    fn count(&self, place: Option<usize>) -> bool {
        let mut all = self.rows.borrow_mut();
        let rows = place.and_then(|place| all.get_mut(place));
        rows.map(|rows| *rows += 1).is_some()
    }

    /// Whose `id` is, cleaned as tables are read.
    fn of_id(&self, id: &str) -> Option<usize> {
        let id = clean(id).0;
        let id = code::restored(&id).unwrap_or(&id);
        self.subjects.iter().position(|subject| subject.ids.contains(id))
    }

    /// Whom `name` names.
    fn of_name(&self, name: &str) -> Option<usize> {
        let name = ViewerName::parse(clean(name).0.as_ref())?;
        self.subjects.iter().position(|subject| subject.names.contains(&name))
    }

    /// Whose a row of events is; one that can't be read is searched as a text.
    fn of_row(&self, line: &[u8]) -> Option<usize> {
        let Ok(row) = serde_json::from_slice::<Map<String, Json>>(line) else {
            return self.of_text(&String::from_utf8_lossy(line));
        };
        let is = |wanted: &str, name: &str| {
            Events::COLUMNS.iter().any(|column| column.name == wanted && column.rank(name).is_some())
        };
        row.iter().find_map(|(name, value)| {
            let text = match value {
                Json::String(text) => text.clone(),
                Json::Number(number) => whole(number.as_f64()).unwrap_or_else(|| number.to_string()),
                _ => return None,
            };
            // What holds a row that was set aside is searched as a text.
            match () {
                () if is("user_id", name) => self.of_id(&text),
                () if is("viewer", name) => self.of_name(&text),
                () if name == "line" => self.of_text(&text),
                () => None,
            }
        })
    }

    /// Whose a reject is, by what it quotes.
    fn of_reject(&self, line: &[u8]) -> Option<usize> {
        let Ok(reject) = serde_json::from_slice::<Map<String, Json>>(line) else {
            return self.of_text(&String::from_utf8_lossy(line));
        };
        let field = reject.get("field").and_then(Json::as_str);
        let quoted = |told: &str| {
            // The value of another column is nobody, whatever it is; a quoted row may have theirs beside it.
            let text = reject.get(told).and_then(Json::as_str)?;
            let is_row = text.contains(PARTS);
            if is_row || field.is_none_or(names_viewer) { self.of_text(text) } else { None }
        };
        quoted("value").or_else(|| quoted("detail"))
    }

    /// Whose name or id stands in `text` as a value of its own: all of it, a field of CSV, or the value of a user or a viewer in JSON, which may be cut.
    fn of_text(&self, text: &str) -> Option<usize> {
        let stands = |needle: &str| text.match_indices(needle).any(|(at, _)| is_whole(text, at, needle.len()));
        self.subjects.iter().position(|subject| {
            subject.names.iter().any(|name| stands(&name.to_string())) || subject.ids.iter().any(|id| stands(id))
        })
    }
}

/// What ends a value within a row: of CSV or of JSON.
const PARTS: [char; 6] = [',', ';', '\t', '|', '"', '}'];

/// Whether a column names a viewer.
fn names_viewer(name: &str) -> bool {
    Events::COLUMNS.iter().any(|column| matches!(column.name, "user_id" | "viewer") && column.rank(name).is_some())
}

/// Whether the `length` bytes of `text` from `at` on are a value of their own.
fn is_whole(text: &str, at: usize, length: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at + length..)) else { return false };
    // JSON within JSON has its quotes escaped.
    let (before, after) = (before.trim_end(), after.trim_start().trim_start_matches('\\'));
    if !(after.is_empty() || after.starts_with(PARTS)) {
        return false;
    }
    let unquoted = |text: &'_ str| -> Option<usize> {
        let text = text.strip_suffix('"')?;
        Some(text.trim_end_matches('\\').len())
    };
    let bare = unquoted(before).and_then(|end| before.get(..end)).unwrap_or(before).trim_end();
    let key = bare.strip_suffix(':').map(str::trim_end).and_then(|text| text.get(..unquoted(text)?));
    match key {
        Some(text) => text.rsplit('"').next().is_some_and(names_viewer),
        None => before.is_empty() || before.ends_with(PARTS),
    }
}

/// The keys of users among `names`.
fn users<'n>(names: impl IntoIterator<Item = &'n ViewerName>) -> impl Iterator<Item = u64> {
    names.into_iter().filter_map(|name| match name {
        ViewerName::User(key) => Some(key.0),
        ViewerName::Device(_) => None,
    })
}

/// A whole number that a table wrote as `12345.0`.
fn whole(number: Option<f64>) -> Option<String> {
    number.filter(|number| number.fract() == 0.0 && number.abs() < 9e15).map(|number| format!("{number:.0}"))
}

/// Counts rows of a table that is not rewritten.
struct Counting<'s, 'a> {
    search: &'s Search<'a>,
    user: Option<usize>,
    viewer: Option<usize>,
    rows: u64,
}

impl Rows for Counting<'_, '_> {
    fn row(&mut self, _: Place, values: &[Value<'_>]) -> Result<(), InputError> {
        let text = |column: Option<usize>| match values.get(column?)? {
            Value::Whole(number) => Some(number.to_string()),
            Value::Real(number) => whole(Some(*number)),
            value => value.as_text().map(str::to_owned),
        };
        let by_name = text(self.viewer).and_then(|name| self.search.of_name(&name));
        let found = by_name.or_else(|| text(self.user).and_then(|id| self.search.of_id(&id)));
        self.rows += u64::from(self.search.count(found));
        Ok(())
    }

    fn fault(&mut self, _: Place, fault: Fault) -> Result<(), InputError> {
        let found = fault.value.and_then(|value| self.search.of_text(&value));
        self.rows += u64::from(self.search.count(found));
        Ok(())
    }

    fn renamed(&mut self, _: &'static str, _: &str) {}
}

/// The names whose events a table is to be without, by the list beside it.
///
/// # Errors
/// [`forgotten::Error`] where the list can't be read.
pub fn left_out(table: &Path) -> Result<std::collections::BTreeSet<String>, forgotten::Error> {
    let folder = table.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Forgotten::read(folder)?.names().collect())
}
