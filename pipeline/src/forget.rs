//! Users who asked to be forgotten: a list of their keyed hashes beside the tables. A build leaves all that they did out of everything, so the
//! next publish is without it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang::viewer::{UserHasher, UserKey};

/// The file of the list: a line of 16 hex digits a user.
pub const FILE: &str = "forgotten.txt";

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
    #[error("{}, line {line}: '{text}' is no user's hash of 16 hex digits", path.display())]
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
    /// No key for users.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the edge's USER_KEY")]
    NoUserKey,
}

/// Users to be forgotten, by their keyed hashes.
#[derive(Clone, Debug)]
pub struct Forgotten {
    keys: BTreeSet<u64>,
}

impl Forgotten {
    /// Reads the list of the tables in `folder`; without one nobody is forgotten.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the line.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| Error::File { path: path.clone(), source })?,
        };
        let mut keys = BTreeSet::new();
        for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let key = (text.trim().len() == 16).then(|| u64::from_str_radix(text.trim(), 16).ok()).flatten();
            let wrong = || Error::Line { path: path.clone(), line: line + 1, text: text.chars().take(40).collect() };
            keys.insert(key.ok_or_else(wrong)?);
        }
        Ok(Self { keys })
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the user is whose key `name` writes.
    pub fn holds(&self, name: &str) -> bool {
        UserKey::parse(name).is_some_and(|key| self.keys.contains(&key.0))
    }
}

/// What came of `sinsang forget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Users that were added to the list.
    pub added: usize,
    /// Users that it had already.
    pub known: usize,
    /// The list.
    pub list: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, known, list } = self;
        write!(
            f,
            "{added} users added to {}, {known} were on it: the next build leaves out what they did, and its publish them; the rows of the \
             tables are for their owner to delete",
            list.display()
        )
    }
}

/// Adds `users` to the list of the tables in `folder`.
///
/// # Errors
/// An [`Error`] that names the file.
pub fn forget(folder: &Path, users: &[String], user_key: &str) -> Result<Report, Error> {
    if !folder.is_dir() {
        return Err(Error::NoFolder { path: folder.to_owned() });
    }
    let hasher = UserHasher::new(user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    let Forgotten { mut keys } = Forgotten::read(folder)?;
    let list = folder.join(FILE);
    let failed = |source| Error::File { path: list.clone(), source };
    let mut file = fs::OpenOptions::new().append(true).create(true).open(&list).map_err(failed)?;
    let (mut added, mut known) = (0, 0);
    for user in users {
        let key = hasher.key(user).0;
        if keys.insert(key) {
            writeln!(file, "{key:016x}").map_err(failed)?;
            added += 1;
        } else {
            known += 1;
        }
    }
    file.sync_all().map_err(failed)?;
    Ok(Report { added, known, list })
}
