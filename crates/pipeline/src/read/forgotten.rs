//! Viewers to forget: a list of names beside the tables. A build ignores all their events, so the
//! next snapshot lacks them; `sinsang forget` finds and removes their traces elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sinsang_core::viewer::{UserHasher, UserKey, ViewerName};
use sinsang_run::file::{read_bytes, read_text};
use sinsang_run::replace::{Access, replace};
use sinsang_tables::value::{clean, spellings};

use crate::read::rekey::Renamed;

/// The list's file, one viewer a line: 16 hex digits of a user's key, or `d` and 16 of a device's.
pub const FILE: &str = "forgotten.txt";
/// Byte limit of the list: over ten million viewers.
const FILE_BYTES: u64 = 256 << 20;

/// Why the list of viewers to forget can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A line is not a viewer's name.
    #[error("{}, line {line}: '{text}' is not a viewer's name: write 16 hex digits, or d and 16", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The line's text, cut at 40 characters.
        text: String,
    },
    /// The path is not a folder.
    #[error("{} is not a folder: name the folder of the tables", path.display())]
    NoFolder {
        /// The path given.
        path: PathBuf,
    },
    /// An id is blank.
    #[error("'{id}' is blank: give an id")]
    NoId {
        /// The id given.
        id: String,
    },
    /// No key to hash users with.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the edge's USER_KEY")]
    NoUserKey,
}

/// Names of the viewers to forget.
#[derive(Clone, Debug, Default)]
pub struct Forgotten {
    names: BTreeSet<ViewerName>,
}

impl Forgotten {
    /// Reads the list beside the tables in `folder`; a missing file is an empty list.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the line.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::read_file(&folder.join(FILE))
    }

    /// Reads the list at `path`; a missing file is an empty list.
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

    /// Adds the other names of each user.
    #[must_use]
    pub fn by_all_names(mut self, renamed: &Renamed) -> Self {
        let users: Vec<UserKey> = self.users().flat_map(|key| renamed.all(key)).collect();
        self.names.extend(users.into_iter().map(ViewerName::User));
        self
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether the list holds the viewer `name`.
    pub fn holds(&self, name: &str) -> bool {
        ViewerName::parse(name).is_some_and(|name| self.names.contains(&name))
    }

    /// All names, spelled as in events.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(ToString::to_string)
    }

    /// Writes the users among them to `path`, one a line, for publishing a snapshot without them.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be written.
    pub fn write_users(&self, path: &Path) -> Result<(), Error> {
        let lines: Vec<String> = self.users().map(|key| key.to_string()).collect();
        replace(path, lines.join("\n").as_bytes(), Access::Everybody)
            .map_err(|source| Error::File { path: path.to_owned(), source })
    }

    /// The keys of the users among them; packs hold no devices.
    pub fn users(&self) -> impl Iterator<Item = UserKey> {
        self.names.iter().filter_map(|name| match name {
            ViewerName::User(key) => Some(*key),
            ViewerName::Device(_) => None,
        })
    }
}

/// How a build names users, and which of them it leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// Hashes ids to names.
    pub hasher: &'a UserHasher,
    /// Which names belong to one user.
    pub renamed: &'a Renamed,
    /// Viewers to leave out, by all their names.
    pub forgotten: &'a Forgotten,
}

impl Whose<'_> {
    /// The name of the user with the file's `id`, cleaned as in tables.
    pub fn name(&self, id: &str) -> String {
        self.renamed.one(self.hasher.key(&clean(id).0)).to_string()
    }

    /// Whether the user is forgotten, under any name or under the raw id.
    pub fn is_forgotten(&self, id: &str) -> bool {
        self.forgotten.holds(&self.name(id)) || self.forgotten.holds(&self.hasher.key(id).to_string())
    }
}

/// A viewer to forget.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The id or name given: the app's id of a user or a device, or a device's name.
    pub given: String,
    /// Spellings of the id where it is stored in clear text; empty if a name was given.
    pub ids: BTreeSet<String>,
    /// The viewer's names in events and packs.
    pub names: BTreeSet<ViewerName>,
}

impl Subject {
    /// The user with the app's `id`, under each of `hashers`. The app sends raw ids and tables hold
    /// cleaned ones: every spelling gets a name, so that a difference between them leaves no trace
    /// behind.
    ///
    /// # Errors
    /// [`Error::NoId`] if the id is blank.
    pub fn user(id: &str, hashers: &[UserHasher]) -> Result<Self, Error> {
        let ids = Self::ids(id)?;
        let names = ids.iter().flat_map(|id| hashers.iter().map(|hasher| ViewerName::User(hasher.key(id)))).collect();
        Ok(Self { given: id.to_owned(), ids, names })
    }

    /// The device with the app's `id`, or with the name that events use: `d` and 16 hex digits.
    ///
    /// # Errors
    /// [`Error::NoId`] if the id is blank.
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

    /// Adds the names under another key.
    #[must_use]
    pub fn by_all_names(self, renamed: &Renamed) -> Self {
        let Forgotten { names } = Forgotten { names: self.names }.by_all_names(renamed);
        Self { names, ..self }
    }

    fn ids(id: &str) -> Result<BTreeSet<String>, Error> {
        if clean(id).0.is_empty() { Err(Error::NoId { id: id.to_owned() }) } else { Ok(spellings(id)) }
    }
}

/// Makes hashers of the current secret and, during a key change, of the one before or after it.
///
/// # Errors
/// [`Error::NoUserKey`] if the current secret is empty.
pub fn hashers(user_key: &str, other: Option<&str>) -> Result<Vec<UserHasher>, Error> {
    let first = UserHasher::new(user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    Ok(std::iter::once(first).chain(other.and_then(|other| UserHasher::new(other.as_bytes()))).collect())
}

/// The result of adding viewers to the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Viewers added.
    pub added: usize,
    /// Viewers already listed.
    pub known: usize,
    /// The list's file.
    pub list: PathBuf,
}

/// Adds `subjects` to the list beside the tables in `folder`; a dry run only counts.
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
    // A line added by hand may lack its line feed.
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
