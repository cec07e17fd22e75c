//! `sinsang forget`: puts viewers on the list of those who are forgotten, and removes what else knows them ([`copies`]).

pub mod copies;

use std::fmt;
use std::path::PathBuf;

use copies::Copy;
use serde::Serialize;
use sinsang_pipeline::read::forgotten::{Added, Subject};

/// What came of `sinsang forget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Those who were added to the list.
    pub added: usize,
    /// Those who were on it already.
    pub known: usize,
    /// The list.
    pub list: PathBuf,
    /// Whether this was a look that changed nothing.
    pub is_dry_run: bool,
    /// What was found of each, in the order in which they were given.
    pub found: Vec<Found>,
    /// The copies that were looked through.
    pub copies: Vec<Copy>,
    /// What snapshots have, those of the store first.
    pub snapshots: Vec<Known>,
    /// What could not be looked through, and may have rows of theirs.
    pub problems: Vec<String>,
}

/// What was found of one viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What was given.
    pub given: String,
    /// Rows of tables, objects and files that are of them.
    pub rows: u64,
    /// Whether a snapshot that was looked at has their tastes; nothing where none was.
    pub has_tastes: Option<bool>,
}

/// A snapshot, and how many of the viewers it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The snapshot's id, or its folder.
    pub snapshot: String,
    /// Where it is.
    pub place: &'static str,
    /// Those of the viewers whose tastes it has.
    pub users: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, known, list, is_dry_run, found, copies, snapshots, problems } = self;
        let list = list.display();
        if *is_dry_run {
            writeln!(f, "{added} viewers would be added to {list}, {known} are on it; nothing was changed")?;
        } else {
            writeln!(f, "{added} viewers added to {list}, {known} were on it")?;
        }
        for Found { given, rows, has_tastes } in found {
            let tastes = match has_tastes {
                Some(true) => "tastes found",
                Some(false) => "no tastes",
                None => "tastes not looked for: name a --snapshot, --local or --remote",
            };
            write!(f, "  {given:?}: {rows} rows, {tastes}")?;
            let is_unknown = *rows == 0 && *has_tastes != Some(true);
            writeln!(
                f,
                "{}",
                if is_unknown { "; is this the id as the app writes it, and SINSANG_USER_KEY the edge's?" } else { "" }
            )?;
        }
        copies.iter().try_for_each(|copy| writeln!(f, "  {copy}"))?;
        for Known { snapshot, place, users } in snapshots {
            writeln!(f, "  snapshot {snapshot}, {place}: tastes of {users}")?;
        }
        problems.iter().try_for_each(|problem| writeln!(f, "  NOT LOOKED THROUGH: {problem}"))?;
        write!(
            f,
            "the next build leaves out what they did, and its publish them; docs/privacy.md has the copies that are out of reach"
        )
    }
}

impl Report {
    /// What the list came to, before anything else was looked through.
    pub fn new(added: Added, subjects: &[Subject], is_dry_run: bool) -> Self {
        let Added { added, known, list } = added;
        let found = subjects.iter().map(|subject| Found { given: subject.given.clone(), ..Found::default() }).collect();
        Self { added, known, list, is_dry_run, found, copies: Vec::new(), snapshots: Vec::new(), problems: Vec::new() }
    }
}
