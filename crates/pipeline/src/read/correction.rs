//! The corrections file: found beside the tables, read, and held against the listings that there are.

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_identity::correction::{self, Counts};
use sinsang_run::file::{SETTINGS_BYTES, read_bytes};
use sinsang_tables::value::clean;

pub use sinsang_identity::correction::{Corrections, Decision};

use crate::read::catalogue::Catalogue;

/// The file's name beside the tables.
pub const FILE: &str = "corrections.toml";

/// Names of absent listings that a report tells.
const ABSENT_TOLD: usize = 5;

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
    /// The file is in another encoding.
    #[error("{}: byte {at} is not UTF-8: save the file as UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The first byte that is wrong, from 0.
        at: usize,
    },
    /// What is in it can't be used.
    #[error(transparent)]
    Corrections(#[from] correction::Error),
}

/// The text of a corrections file.
///
/// # Errors
/// [`Error::Encoding`].
pub fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Encoding { path: path.to_owned(), at }
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// The corrections of a text that are in force at `now`, their names in the form that tables have them in.
///
/// # Errors
/// [`enum@Error`], with line and column.
pub fn parse(text: &str, path: &Path, now: UnixMillis) -> Result<Corrections, Error> {
    Ok(Corrections::parse(text, path, now, |name| clean(name).0.into_owned())?)
}

/// Reads the corrections of `path` that are in force at `now`.
///
/// # Errors
/// [`enum@Error`], with line and column where the file is wrong.
pub fn read(path: &Path, now: UnixMillis) -> Result<Corrections, Error> {
    let bytes = read_bytes(path, SETTINGS_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    parse(&text(bytes, path)?, path, now)
}

/// The file `named`, or `corrections.toml` in `folder`, or else none. A link that leads nowhere is an error: decisions are not to vanish.
///
/// # Errors
/// As [`read`].
pub fn find(named: Option<&Path>, folder: Option<&Path>, now: UnixMillis) -> Result<Corrections, Error> {
    let is_there =
        |path: &PathBuf| !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
    let beside = folder.map(|folder| folder.join(FILE)).filter(is_there);
    named.or(beside.as_deref()).map_or_else(|| Ok(Corrections::default()), |path| read(path, now))
}

/// What corrections came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many there are.
    #[serde(flatten)]
    pub counts: Counts,
    /// Listings named that are neither in the tables nor among what a ledger had looked up, as `SHOP:CODE`.
    pub absent: Vec<String>,
    /// Products whose listings were given several verdicts, of which the most cautious holds.
    pub contradicted: usize,
}

impl Report {
    /// What `corrections` are to the listings of `catalogue`; `contradicted` products of it were given several verdicts.
    pub fn new(corrections: &Corrections, catalogue: &Catalogue, contradicted: usize) -> Self {
        let there: BTreeSet<(&str, &str)> = catalogue
            .entries
            .iter()
            .map(|entry| (entry.listing.shop.as_str(), entry.listing.listing_id.as_str()))
            .collect();
        let absent = corrections.listings().filter(|listing| !there.contains(listing));
        let absent = absent.map(|(shop, code)| format!("{shop}:{code}")).collect();
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
        write!(f, "corrections: {counts}, {} of them not on record here", absent.len())?;
        if !absent.is_empty() {
            let more = if absent.len() > ABSENT_TOLD { " …" } else { "" };
            let told: Vec<&str> = absent.iter().take(ABSENT_TOLD).map(String::as_str).collect();
            write!(f, " ({}{more})", told.join(", "))?;
        }
        if *contradicted > 0 {
            write!(f, "; {contradicted} products were given several verdicts, of which the most cautious holds")?;
        }
        Ok(())
    }
}
