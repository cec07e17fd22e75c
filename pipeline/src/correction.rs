//! The corrections file: found beside the tables, read, and held against the listings that there are.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang::time::UnixMillis;
use sinsang_identity::correction::{self, Counts};

pub use sinsang_identity::correction::{Corrections, Decision};

use crate::catalogue::Catalogue;

/// The file's name beside the tables.
pub const FILE: &str = "corrections.toml";

/// Why corrections can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read: name another one, or see who may read it.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is in it can't be used.
    #[error(transparent)]
    Corrections(#[from] correction::Error),
}

/// Reads the corrections of `path` that are in force at `now`.
///
/// # Errors
/// [`enum@Error`], with line and column where the file is wrong.
pub fn read(path: &Path, now: UnixMillis) -> Result<Corrections, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(Corrections::parse(&text, path, now)?)
}

/// The file `named`, or `corrections.toml` in `folder`, or else none.
///
/// # Errors
/// As [`read`].
pub fn find(named: Option<&Path>, folder: Option<&Path>, now: UnixMillis) -> Result<Corrections, Error> {
    let beside = folder.map(|folder| folder.join(FILE)).filter(|path| path.exists());
    named.or(beside.as_deref()).map_or_else(|| Ok(Corrections::default()), |path| read(path, now))
}

/// What corrections came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many there are.
    #[serde(flatten)]
    pub counts: Counts,
    /// Listings named that are neither in the tables nor among what a ledger had looked up.
    pub absent: usize,
    /// Products whose listings were given several verdicts, of which the most cautious holds.
    pub contradicted: usize,
}

impl Report {
    /// What `corrections` are to the listings of `catalogue`; `contradicted` products of it were given several verdicts.
    pub fn new(corrections: &Corrections, catalogue: &Catalogue, contradicted: usize) -> Self {
        let there: std::collections::BTreeSet<(&str, &str)> = catalogue
            .entries
            .iter()
            .map(|entry| (entry.listing.shop.as_str(), entry.listing.listing_id.as_str()))
            .collect();
        let absent = corrections.listings().filter(|listing| !there.contains(listing)).count();
        Self { counts: corrections.counts(), absent, contradicted }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, absent, contradicted } = self;
        write!(f, "corrections: {counts}, {absent} of them not on record here")?;
        if *contradicted > 0 {
            write!(f, "; {contradicted} products were given several verdicts, of which the most cautious holds")?;
        }
        Ok(())
    }
}
