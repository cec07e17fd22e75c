//! `sinsang forget`: adds viewers to the list of the forgotten, and removes their rows from other
//! copies ([`copies`]).

pub mod copies;

use std::fmt;
use std::path::PathBuf;

use copies::Copy;
use serde::Serialize;
use sinsang_pipeline::read::forgotten::{Added, Subject};

/// The report of `sinsang forget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Viewers added to the list.
    pub added: usize,
    /// Viewers already on it.
    pub known: usize,
    /// The file of the list.
    pub list: PathBuf,
    /// Whether this was a dry run, which changes nothing.
    pub is_dry_run: bool,
    /// What was found of each viewer, in the order given.
    pub found: Vec<Found>,
    /// The copies that were searched.
    pub copies: Vec<Copy>,
    /// The snapshots that were searched, those of the store first.
    pub snapshots: Vec<Known>,
    /// Copies that could not be searched and may have rows of the viewers.
    pub problems: Vec<String>,
}

/// What was found of one viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The id or name that was given.
    pub given: String,
    /// Their rows in tables, objects and files.
    pub rows: u64,
    /// Whether a searched snapshot has their tastes; `None` if none was searched.
    pub has_tastes: Option<bool>,
}

/// A searched snapshot, and how many of the viewers it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The snapshot's id, or its folder.
    pub snapshot: String,
    /// Where it is: live, kept in the store or on disk.
    pub place: &'static str,
    /// Viewers whose tastes it has.
    pub users: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, known, list, is_dry_run, found, copies, snapshots, problems } = self;
        let list = list.display();
        if *is_dry_run {
            writeln!(
                f,
                "dry run: {added} viewers would be added to {list}, {known} are on it already; nothing was changed"
            )?;
        } else {
            writeln!(f, "{added} viewers added to {list}, {known} were on it already")?;
        }
        for Found { given, rows, has_tastes } in found {
            let tastes = match has_tastes {
                Some(true) => "tastes found",
                Some(false) => "no tastes",
                None => "tastes not searched: give --snapshot, --local or --remote",
            };
            write!(f, "  {given:?}: {rows} rows, {tastes}")?;
            let is_unknown = *rows == 0 && *has_tastes != Some(true);
            writeln!(
                f,
                "{}",
                if is_unknown {
                    "; check the id's spelling in the app, and that SINSANG_USER_KEY is the edge's"
                } else {
                    ""
                }
            )?;
        }
        copies.iter().try_for_each(|copy| writeln!(f, "  {copy}"))?;
        for Known { snapshot, place, users } in snapshots {
            writeln!(f, "  snapshot {snapshot}, {place}: tastes of {users} viewers")?;
        }
        problems.iter().try_for_each(|problem| writeln!(f, "  NOT SEARCHED: {problem}"))?;
        write!(
            f,
            "the next build leaves out their events, its snapshot their tastes; docs/privacy.md lists copies out of reach"
        )
    }
}

impl Report {
    /// A report on the list, before any copy is searched.
    pub fn new(added: Added, subjects: &[Subject], is_dry_run: bool) -> Self {
        let Added { added, known, list } = added;
        let found = subjects.iter().map(|subject| Found { given: subject.given.clone(), ..Found::default() }).collect();
        Self { added, known, list, is_dry_run, found, copies: Vec::new(), snapshots: Vec::new(), problems: Vec::new() }
    }
}
