//! Searches copies of viewers' events: counts the viewers' rows and, in text files of ours, removes
//! them.

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
use sinsang_publish::{self, Store, ViewerShare};
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

mod text;

use text::{PARTS, is_whole, names_viewer, users, whole};

/// The most bytes of a viewers file: at most 50 viewers with 20 events each.
const VIEWERS_BYTES: u64 = 16 << 20;
/// The suffix of lock files, held while a file is rewritten. Their names begin with a dot, so that
/// readers skip them.
const LOCK: &str = ".lock";
/// The suffix of rejects files.
const REJECTS: &str = ".rejects.ndjson";

/// Why a copy can't be searched. The search continues with the others.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
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
    /// A lab file can't be read.
    #[error(transparent)]
    Lab(#[from] external_vectors::Error),
    /// Another run is rewriting the file.
    #[error("{}: {holder} is rewriting it; try again when that run has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// The name of the other run.
        holder: String,
    },
    /// A viewers file is invalid.
    #[error("{}: not a valid viewers file: {source}; nothing was removed from it", path.display())]
    Viewers {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: serde_json::Error,
    },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

/// A searched copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// The file, or the source of objects.
    pub place: String,
    /// Rows of the viewers in it.
    pub rows: u64,
    /// What happened to the rows.
    pub outcome: Outcome,
}

/// What happened to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They were removed.
    Removed,
    /// They remain, because it was a dry run.
    Kept,
    /// They remain, in a file that is not ours to rewrite.
    LeftToOwner,
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, rows, outcome } = self;
        let outcome = match outcome {
            _ if *rows == 0 => "",
            Outcome::Removed => " removed",
            Outcome::Kept => " would be removed",
            Outcome::LeftToOwner => ", which you must delete: sinsang does not rewrite CSV and Parquet files",
        };
        write!(f, "{place}: {rows} rows{outcome}")
    }
}

/// A search for viewers in copies of their events.
pub struct Search<'a> {
    subjects: &'a [Subject],
    is_dry_run: bool,
    /// Rows of each subject.
    rows: RefCell<Vec<u64>>,
    copies: Vec<Copy>,
    snapshots: Vec<(Known, Vec<usize>)>,
    /// The copies that could not be searched, with the reasons.
    problems: Vec<String>,
}

impl<'a> Search<'a> {
    /// Begins a search for `subjects`; a dry run removes nothing.
    pub fn new(subjects: &'a [Subject], is_dry_run: bool) -> Self {
        let rows = RefCell::new(vec![0; subjects.len()]);
        Self { subjects, is_dry_run, rows, copies: Vec::new(), snapshots: Vec::new(), problems: Vec::new() }
    }

    /// Records why a copy could not be searched, if it failed; the search continues.
    pub fn note<E: fmt::Display>(&mut self, outcome: Result<(), E>) {
        self.problems.extend(outcome.err().map(|error| error.to_string()));
    }

    /// Searches the tables of `folder`: events, lab files, and the rejects and viewers files beside
    /// them.
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
        // The lock keeps writers away meanwhile.
        let _folder = if path.is_dir() { Some(EventTable::open(&path)?) } else { None };
        let _file = if path.is_dir() { None } else { self.hold(&path)? };
        // An empty folder is not a table, and has no events.
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
        for path in rules.audience_lists().map(|path| folder.join(path)) {
            let rows = |text: String| text.lines().filter(|line| self.count(self.of_name(line))).count() as u64;
            let (place, outcome) = (path.display().to_string(), Outcome::LeftToOwner);
            match read_text(&path, VIEWERS_BYTES).map(rows) {
                Ok(rows) => self.copies.push(Copy { place, rows, outcome }),
                Err(error) => self.note(Err(Error::file(&path)(error))),
            }
        }
        Ok(())
    }

    /// Locks a file against other runs that rewrite it; a dry run takes no lock. The lock is a
    /// separate file, because the file itself is replaced.
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

    /// Searches a rejects file, which quotes rows or their beginnings.
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

    /// Searches a viewers file, with or without events.
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

    /// Searches the objects of `source`, including those that the consumer set aside. Damaged
    /// objects are recorded, and the others searched.
    ///
    /// # Errors
    /// [`Error::Ingest`] if the objects can't be read or written.
    pub async fn objects(&mut self, source: &str, variable: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
        let objects = Objects::new(source, 0, variable)?;
        let is_wanted = |line: &[u8]| !self.count(self.of_row(line));
        let purged = purge_objects(&objects, self.is_dry_run, &is_wanted).await?;
        self.copies.push(Copy { place: source.to_owned(), rows: purged.lines, outcome: self.outcome() });
        for Damaged { object, reason } in purged.damaged {
            self.problems.push(format!(
                "{source}: {object}: {reason}; nothing was removed from it: replace it by an intact object, or delete it"
            ));
        }
        Ok(())
    }

    /// Searches a snapshot's folder, after the files beside it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if the snapshot can't be read.
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

    /// Searches the live and kept snapshots of `store`. Unless it is a dry run, the store first
    /// records the viewers, so that no snapshot with their tastes becomes live again; `holder`
    /// names this run.
    ///
    /// # Errors
    /// The store's error.
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
            let place = match standing.share {
                _ if standing.is_live => "live",
                Some(share) if share != ViewerShare::NONE => "on trial",
                _ => "kept in the store",
            };
            self.know(standing.snapshot, place, known);
        }
        Ok(())
    }

    /// Adds the findings to `report`.
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

    /// Removes a file's lines that belong to a subject.
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

    /// Counts a row of the subject at `place`; `false` if there is no subject.
    fn count(&self, place: Option<usize>) -> bool {
        let mut all = self.rows.borrow_mut();
        let rows = place.and_then(|place| all.get_mut(place));
        rows.map(|rows| *rows += 1).is_some()
    }

    /// The subject with this `id`, cleaned as in tables.
    fn of_id(&self, id: &str) -> Option<usize> {
        let id = clean(id).0;
        let id = code::restored(&id).unwrap_or(&id);
        self.subjects.iter().position(|subject| subject.ids.contains(id))
    }

    /// The subject with this `name`.
    fn of_name(&self, name: &str) -> Option<usize> {
        let name = ViewerName::parse(clean(name).0.as_ref())?;
        self.subjects.iter().position(|subject| subject.names.contains(&name))
    }

    /// The subject of a row of events; an unreadable row is searched as text.
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
            // The field that holds a quarantined row is searched as text.
            match () {
                () if is("user_id", name) => self.of_id(&text),
                () if is("viewer", name) => self.of_name(&text),
                () if name == "line" => self.of_text(&text),
                () => None,
            }
        })
    }

    /// The subject of a reject, found in the text it quotes.
    fn of_reject(&self, line: &[u8]) -> Option<usize> {
        let Ok(reject) = serde_json::from_slice::<Map<String, Json>>(line) else {
            return self.of_text(&String::from_utf8_lossy(line));
        };
        let field = reject.get("field").and_then(Json::as_str);
        let quoted = |told: &str| {
            // Another column's value never identifies a viewer, but a quoted row may have a
            // viewer's column.
            let text = reject.get(told).and_then(Json::as_str)?;
            let is_row = text.contains(PARTS);
            if is_row || field.is_none_or(names_viewer) { self.of_text(text) } else { None }
        };
        quoted("value").or_else(|| quoted("detail"))
    }

    /// The subject whose name or id is a separate value in `text`: the whole text, a CSV field, or
    /// a user's or viewer's value in JSON, which may be truncated.
    fn of_text(&self, text: &str) -> Option<usize> {
        let stands = |needle: &str| text.match_indices(needle).any(|(at, _)| is_whole(text, at, needle.len()));
        self.subjects.iter().position(|subject| {
            subject.names.iter().any(|name| stands(&name.to_string())) || subject.ids.iter().any(|id| stands(id))
        })
    }
}

/// Counts the subjects' rows in a table that is not rewritten.
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

/// Names of forgotten viewers, from the list beside the table; the table leaves their events out.
///
/// # Errors
/// [`forgotten::Error`] if the list can't be read.
pub fn left_out(table: &Path) -> Result<std::collections::BTreeSet<String>, forgotten::Error> {
    let folder = table.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Forgotten::read(folder)?.names().collect())
}
