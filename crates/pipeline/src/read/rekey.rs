//! Users under two keys: while USER_KEY changes, events and packs name a user by the old or the new
//! one. A file beside the tables lists the names of each user. A build joins the events of all
//! names and writes the tastes under each, so that the edge and the intake can change their key at
//! any time.

use std::fmt;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::viewer::{UserHasher, UserKey};
use sinsang_run::file::{open_regular, read_text};
use sinsang_run::replace::{Access, Replacement};
use sinsang_tables::value::clean;

/// The file, one user a line: two names of 16 hex digits.
pub const FILE: &str = "renamed.txt";
/// Byte limit of the file: over twenty million users.
const FILE_BYTES: u64 = 1 << 30;
/// Most names of one user: enough for several key changes whose events are all kept.
const MAX_NAMES: usize = 8;

/// Why names can't be joined.
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
    /// A line is not a pair of names.
    #[error("{}, line {line}: expected two names of 16 hex digits; run `sinsang rekey` to rewrite the file", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Too many names belong to one user.
    #[error("{}: one user has {names} names, more than the limit of {MAX_NAMES}; run `sinsang rekey` to rewrite the file", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// The number of names.
        names: usize,
    },
    /// One of the two secrets is missing.
    #[error("set two secrets: SINSANG_USER_KEY, and SINSANG_USER_KEY_OTHER for the previous or next one")]
    NoKeys,
}

/// Which names belong to one user: a disjoint-set forest in arrays.
#[derive(Clone, Debug, Default)]
pub struct Renamed {
    /// All names, sorted.
    names: Vec<u64>,
    /// For each name, the index of its user's first name.
    users: Vec<u32>,
    /// Indexes of names, grouped by user.
    grouped: Vec<u32>,
}

impl Renamed {
    /// Reads the file beside the tables in `folder`; without it each name is one user.
    ///
    /// # Errors
    /// An [`Error`] that names the line.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let file = match open_regular(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(|source| Error::File { path: path.clone(), source })?,
        };
        let mut pairs = Vec::new();
        for (line, text) in (1..).zip(BufReader::new(file).lines()) {
            let text = text.map_err(|source| Error::File { path: path.clone(), source })?;
            let pair =
                text.split_once(' ').and_then(|(one, other)| Some((UserKey::parse(one)?.0, UserKey::parse(other)?.0)));
            pairs.push(pair.ok_or_else(|| Error::Line { path: path.clone(), line })?);
        }
        Self::of(&pairs).map_err(|names| Error::TooMany { path, names })
    }

    /// Joins the names of `pairs`. Fails with the number of names of one user above the limit.
    fn of(pairs: &[(u64, u64)]) -> Result<Self, usize> {
        let mut names: Vec<u64> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
        names.sort_unstable();
        names.dedup();
        let mut users: Vec<u32> = (0..).take(names.len()).collect();
        for (one, other) in pairs {
            let place = |name| names.binary_search(name).unwrap_or(0);
            let (one, other) = (first(&users, place(one)), first(&users, place(other)));
            // The smallest index represents the user, so that chains have no cycles.
            if let (Some(user), Ok(first)) = (users.get_mut(one.max(other)), u32::try_from(one.min(other))) {
                *user = first;
            }
        }
        for place in 0..users.len() {
            let user = u32::try_from(first(&users, place)).unwrap_or(u32::MAX);
            if let Some(slot) = users.get_mut(place) {
                *slot = user;
            }
        }
        let mut grouped: Vec<u32> = (0..).take(names.len()).collect();
        grouped.sort_unstable_by_key(|place| (users.get(*place as usize).copied(), *place));
        let renamed = Self { names, users, grouped };
        let largest = renamed.grouped.chunk_by(|a, b| renamed.user(*a) == renamed.user(*b)).map(<[u32]>::len).max();
        match largest {
            Some(names) if names > MAX_NAMES => Err(names),
            _ => Ok(renamed),
        }
    }

    /// Number of users with several names.
    pub fn len(&self) -> usize {
        self.grouped.chunk_by(|a, b| self.user(*a) == self.user(*b)).count()
    }

    /// Whether each name is one user.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name that represents the user of `name`.
    pub fn one(&self, name: UserKey) -> UserKey {
        let place = self.names.binary_search(&name.0).ok().and_then(|place| self.users.get(place));
        place.and_then(|place| self.names.get(*place as usize)).map_or(name, |name| UserKey(*name))
    }

    /// All names of the user of `name`, including it.
    pub fn all(&self, name: UserKey) -> Vec<UserKey> {
        let Some(user) = self.names.binary_search(&name.0).ok().and_then(|place| self.users.get(place).copied()) else {
            return vec![name];
        };
        let begin = self.grouped.partition_point(|place| self.user(*place) < Some(user));
        let places = self.grouped.iter().skip(begin).take_while(|place| self.user(**place) == Some(user));
        places.filter_map(|place| self.names.get(*place as usize)).map(|name| UserKey(*name)).collect()
    }

    /// As [`Self::one`], on text; names of devices and ids in clear text are returned unchanged.
    pub fn one_text(&self, name: String) -> String {
        if self.is_empty() {
            return name;
        }
        UserKey::parse(&name).map(|key| self.one(key)).map_or(name, |key| key.to_string())
    }

    fn user(&self, place: u32) -> Option<u32> {
        self.users.get(place as usize).copied()
    }
}

/// Follows a chain of names to the user's first name.
fn first(users: &[u32], mut place: usize) -> usize {
    while let Some(next) = users.get(place).map(|next| *next as usize).filter(|next| *next != place) {
        place = next;
    }
    place
}

/// The result of `sinsang rekey`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Users whose names under both keys are known.
    pub users: usize,
    /// Blank lines of the list.
    pub blank: usize,
    /// The file written.
    pub file: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, blank, file } = self;
        write!(
            f,
            "wrote two names for each of {users} users to {}, skipped {blank} blank lines: builds write tastes under both names; once one is live, change \
             USER_KEY of the edge and the intake",
            file.display()
        )
    }
}

/// Writes both names of each user of `list`, one id a line, under each of `keys`, beside the tables
/// in `folder`. Pairs of an earlier change are kept.
///
/// # Errors
/// An [`Error`]; the file is then unchanged.
pub fn rekey(list: &Path, folder: &Path, keys: [&str; 2]) -> Result<Report, Error> {
    let [Some(one), Some(other)] = keys.map(|key| UserHasher::new(key.as_bytes())) else { return Err(Error::NoKeys) };
    let path = folder.join(FILE);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let mut before = match read_text(&path, FILE_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(failed(&path))?,
    };
    if !before.is_empty() && !before.ends_with('\n') {
        before.push('\n');
    }
    let known: std::collections::BTreeSet<&str> = before.lines().collect();
    let mut file = Replacement::of(&path).map_err(failed(&path))?;
    let (mut users, mut blank) = (0, 0);
    {
        let mut written = BufWriter::new(file.file());
        written.write_all(before.as_bytes()).map_err(failed(&path))?;
        for id in BufReader::new(open_regular(list).map_err(failed(list))?).lines() {
            let id = id.map_err(failed(list))?;
            let tidy = clean(&id).0;
            if tidy.is_empty() {
                blank += 1;
                continue;
            }
            users += 1;
            let line = format!("{} {}", one.key(&tidy), other.key(&tidy));
            if !known.contains(line.as_str()) {
                writeln!(written, "{line}").map_err(failed(&path))?;
            }
        }
        written.flush().map_err(failed(&path))?;
    }
    file.put(Access::Everybody).map_err(failed(&path))?;
    Renamed::read(folder)?;
    Ok(Report { users, blank, file: path })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_of_one_user_stand_for_one_another_and_all_are_told() {
        let renamed = Renamed::of(&[(7, 3), (9, 7), (20, 21), (20, 21)]).unwrap();
        let all = |name| renamed.all(UserKey(name)).into_iter().map(|key| key.0).collect::<Vec<_>>();
        for name in [3, 7, 9] {
            assert_eq!((renamed.one(UserKey(name)).0, all(name)), (3, vec![3, 7, 9]));
        }
        assert_eq!((all(21), all(5), renamed.one(UserKey(5)).0), (vec![20, 21], vec![5], 5));
        assert_eq!((renamed.len(), renamed.one_text(format!("{:016x}", 9))), (2, format!("{:016x}", 3)));
        assert_eq!(renamed.one_text("d0000000000000009".to_owned()), "d0000000000000009");
        let crowd: Vec<(u64, u64)> = (0..9).map(|name| (name, name + 1)).collect();
        assert_eq!(Renamed::of(&crowd).unwrap_err(), 10);
    }

    #[test]
    fn ids_become_pairs_of_hashes_and_no_id_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("ids");
        fs::write(&list, "u1 \n\nu2\n").unwrap();
        let keys = ["the key before", "the key to come"];
        let report = rekey(&list, folder.path(), keys).unwrap();
        assert_eq!((report.users, report.blank), (2, 1), "{report}");
        rekey(&list, folder.path(), keys).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(text.lines().count() == 2 && !text.contains("u1"), "{text}");
        let hashed = |key: &str| UserHasher::new(key.as_bytes()).unwrap().key("u1");
        let renamed = Renamed::read(folder.path()).unwrap();
        assert_eq!(renamed.one(hashed(keys[0])), renamed.one(hashed(keys[1])));
        assert_eq!(renamed.all(hashed(keys[0])).len(), 2);
        assert!(matches!(rekey(&list, folder.path(), ["", "x"]), Err(Error::NoKeys)));
        fs::write(folder.path().join(FILE), "0123456789abcdef\n").unwrap();
        assert!(matches!(Renamed::read(folder.path()), Err(Error::Line { line: 1, .. })));
    }
}
