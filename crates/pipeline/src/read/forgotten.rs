//! Viewers who asked to be forgotten: a list of their names beside the tables. A build leaves all that they did out of everything, so the next
//! publish is without them; `sinsang forget` finds and removes what else knows them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sinsang_core::viewer::{UserHasher, UserKey, ViewerName};
use sinsang_run::file::{read_bytes, read_text};
use sinsang_run::replace::{Access, replace};
use sinsang_tables::value::{clean, spellings};

use crate::read::rekey::Renamed;

/// The file of the list: a line a viewer, 16 hex digits of a user's key, `d` and 16 of a device's.
pub const FILE: &str = "forgotten.txt";
/// Bytes of the list: of over ten million viewers.
const FILE_BYTES: u64 = 256 << 20;

/// Why nobody is forgotten.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the list is none.
    #[error("{}, line {line}: '{text}' is no viewer's name: 16 hex digits, or d and 16", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// There is no folder of tables.
    #[error("{} is no folder of tables", path.display())]
    NoFolder {
        /// What was given.
        path: PathBuf,
    },
    /// An id is none.
    #[error("'{id}' is no id: it is blank")]
    NoId {
        /// What was given.
        id: String,
    },
    /// No key for users.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the edge's USER_KEY")]
    NoUserKey,
}

/// Viewers to be forgotten, by their names.
#[derive(Clone, Debug, Default)]
pub struct Forgotten {
    names: BTreeSet<ViewerName>,
}

impl Forgotten {
    /// Reads the list of the tables in `folder`; without one nobody is forgotten.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the line.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::read_file(&folder.join(FILE))
    }

    /// Reads the list at `path`; without one nobody is forgotten.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the line.
    pub fn read_file(path: &Path) -> Result<Self, Error> {
        let text = match read_text(path, FILE_BYTES) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| Error::File { path: path.to_owned(), source })?,
        };
        let mut names = BTreeSet::new();
        for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let wrong = || Error::Line { path: path.to_owned(), line: line + 1, text: text.chars().take(40).collect() };
            names.insert(ViewerName::parse(text.trim()).ok_or_else(wrong)?);
        }
        Ok(Self { names })
    }

    /// The same viewers by all their names.
    #[must_use]
    pub fn by_all_names(mut self, renamed: &Renamed) -> Self {
        let users: Vec<UserKey> = self.users().flat_map(|key| renamed.all(key)).collect();
        self.names.extend(users.into_iter().map(ViewerName::User));
        self
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether the viewer is whom `name` names.
    pub fn holds(&self, name: &str) -> bool {
        ViewerName::parse(name).is_some_and(|name| self.names.contains(&name))
    }

    /// All names, as events have them.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(ToString::to_string)
    }

    /// Writes the users among them to `path`, a line each, for whoever publishes the snapshot that is without them.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_users(&self, path: &Path) -> Result<(), Error> {
        let lines: Vec<String> = self.users().map(|key| key.to_string()).collect();
        replace(path, lines.join("\n").as_bytes(), Access::Everybody)
            .map_err(|source| Error::File { path: path.to_owned(), source })
    }

    /// The keys of the users among them: packs know no devices.
    pub fn users(&self) -> impl Iterator<Item = UserKey> {
        self.names.iter().filter_map(|name| match name {
            ViewerName::User(key) => Some(*key),
            ViewerName::Device(_) => None,
        })
    }
}

/// How a build names users, and whom it leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// Makes names of ids.
    pub hasher: &'a UserHasher,
    /// Which names are one user's.
    pub renamed: &'a Renamed,
    /// Who is left out, by all their names.
    pub forgotten: &'a Forgotten,
}

impl Whose<'_> {
    /// The name of the user whom a file calls `id`, cleaned as tables are read.
    pub fn name(&self, id: &str) -> String {
        self.renamed.one(self.hasher.key(&clean(id).0)).to_string()
    }

    /// Whether that user asked to be forgotten, be it under the id as it stands.
    pub fn is_forgotten(&self, id: &str) -> bool {
        self.forgotten.holds(&self.name(id)) || self.forgotten.holds(&self.hasher.key(id).to_string())
    }
}

/// Somebody who is to be forgotten.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What was given: the app's id of a user or a device, or a device's name.
    pub given: String,
    /// The ways in which the id may be spelled where it stands in clear; of what was given as a name there are none.
    pub ids: BTreeSet<String>,
    /// The names that events and packs know them by.
    pub names: BTreeSet<ViewerName>,
}

impl Subject {
    /// The user whom the app calls `id`, by each of `hashers`. An id is told by the app, and cleaned where tables are read: a name for each
    /// spelling, so that no difference between the two keeps anything.
    ///
    /// # Errors
    /// [`Error::NoId`].
    pub fn user(id: &str, hashers: &[UserHasher]) -> Result<Self, Error> {
        let ids = Self::ids(id)?;
        let names = ids.iter().flat_map(|id| hashers.iter().map(|hasher| ViewerName::User(hasher.key(id)))).collect();
        Ok(Self { given: id.to_owned(), ids, names })
    }

    /// The device that the app calls `id`, or that events name so: `d` and 16 hex digits.
    ///
    /// # Errors
    /// [`Error::NoId`].
    pub fn device(id: &str, hashers: &[UserHasher]) -> Result<Self, Error> {
        let mut ids = Self::ids(id)?;
        let mut names: BTreeSet<ViewerName> =
            ids.iter().flat_map(|id| hashers.iter().map(|hasher| ViewerName::Device(hasher.device(id)))).collect();
        if let Some(name @ ViewerName::Device(_)) = ViewerName::parse(id.trim()) {
            names.insert(name);
            ids.clear();
        }
        Ok(Self { given: id.to_owned(), ids, names })
    }

    /// The same, by the names that they have under another key too.
    #[must_use]
    pub fn by_all_names(self, renamed: &Renamed) -> Self {
        let Forgotten { names } = Forgotten { names: self.names }.by_all_names(renamed);
        Self { names, ..self }
    }

    fn ids(id: &str) -> Result<BTreeSet<String>, Error> {
        if clean(id).0.is_empty() { Err(Error::NoId { id: id.to_owned() }) } else { Ok(spellings(id)) }
    }
}

/// Makes hashers of the secret that is in use, and of the one before or after it while it is changed.
///
/// # Errors
/// [`Error::NoUserKey`] where the first is empty.
pub fn hashers(user_key: &str, other: Option<&str>) -> Result<Vec<UserHasher>, Error> {
    let first = UserHasher::new(user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    Ok(std::iter::once(first).chain(other.and_then(|other| UserHasher::new(other.as_bytes()))).collect())
}

/// What came of adding viewers to the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Those who were added.
    pub added: usize,
    /// Those who were on it already.
    pub known: usize,
    /// The list.
    pub list: PathBuf,
}

/// Adds `subjects` to the list of the tables in `folder`; a dry run only counts.
///
/// # Errors
/// An [`Error`] that names the file.
pub fn add(folder: &Path, subjects: &[Subject], is_dry_run: bool) -> Result<Added, Error> {
    if !folder.is_dir() {
        return Err(Error::NoFolder { path: folder.to_owned() });
    }
    let Forgotten { mut names } = Forgotten::read(folder)?;
    let list = folder.join(FILE);
    let (mut lines, mut added, mut known) = (String::new(), 0, 0);
    // Whoever added a line by hand may have left it without an end.
    let is_open = read_bytes(&list, FILE_BYTES).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    for subject in subjects {
        let new: Vec<ViewerName> = subject.names.iter().filter(|name| names.insert(**name)).copied().collect();
        *(if new.is_empty() { &mut known } else { &mut added }) += 1;
        for name in new {
            lines.push_str(&name.to_string());
            lines.push('\n');
        }
    }
    if !is_dry_run && !lines.is_empty() {
        if is_open {
            lines.insert(0, '\n');
        }
        let written = fs::OpenOptions::new().append(true).create(true).open(&list);
        let written = written.and_then(|mut file| file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|source| Error::File { path: list.clone(), source })?;
    }
    Ok(Added { added, known, list })
}
