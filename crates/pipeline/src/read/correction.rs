//! The corrections file: found beside the tables, parsed, and compared with the listings.

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

/// Absent listings that a report names.
const ABSENT_TOLD: usize = 5;

/// Why corrections can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read: name another one, or check its permissions.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not UTF-8.
    #[error("{}: byte {at} is not UTF-8: save the file as UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Offset of the first invalid byte, from 0.
        at: usize,
    },
    /// The content is invalid.
    #[error(transparent)]
    Corrections(#[from] correction::Error),
}

/// Decodes the text of a corrections file, without its byte order mark.
///
/// # Errors
/// [`Error::Encoding`] if the bytes are not UTF-8.
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

/// Parses the corrections in force at `now`. Names are cleaned as in tables.
///
/// # Errors
/// [`enum@Error`], with line and column.
pub fn parse(text: &str, path: &Path, now: UnixMillis) -> Result<Corrections, Error> {
    Ok(Corrections::parse(text, path, now, |name| clean(name).0.into_owned())?)
}

/// Reads the corrections of `path` that are in force at `now`.
///
/// # Errors
/// [`enum@Error`], with line and column if the content is invalid.
pub fn read(path: &Path, now: UnixMillis) -> Result<Corrections, Error> {
    let bytes = read_bytes(path, SETTINGS_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    parse(&text(bytes, path)?, path, now)
}

/// Reads the file `named`, or else `corrections.toml` in `folder`; without either there are no
/// corrections. A dangling link is an error, so that decisions never vanish silently.
///
/// # Errors
/// As [`read`].
pub fn find(named: Option<&Path>, folder: Option<&Path>, now: UnixMillis) -> Result<Corrections, Error> {
    let is_there =
        |path: &PathBuf| !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
    let beside = folder.map(|folder| folder.join(FILE)).filter(is_there);
    named.or(beside.as_deref()).map_or_else(|| Ok(Corrections::default()), |path| read(path, now))
}

/// Counts of corrections, and those without effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The corrections by kind.
    #[serde(flatten)]
    pub counts: Counts,
    /// Named listings that are absent from the tables and from the listings looked up in the
    /// ledger, as `SHOP:CODE`.
    pub absent: Vec<String>,
    /// Products whose listings have several corrected verdicts; the most cautious holds.
    pub contradicted: usize,
}

impl Report {
    /// Compares `corrections` with the listings of `catalogue`. `contradicted` is the number of
    /// products with several corrected verdicts.
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

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, absent, contradicted } = self;
        write!(f, "corrections: {counts}, {} of them on unknown listings", absent.len())?;
        if !absent.is_empty() {
            let more = if absent.len() > ABSENT_TOLD { " …" } else { "" };
            let told: Vec<&str> = absent.iter().take(ABSENT_TOLD).map(String::as_str).collect();
            write!(f, " ({}{more})", told.join(", "))?;
        }
        if *contradicted > 0 {
            write!(f, "; {contradicted} products have several corrected verdicts: the most cautious holds")?;
        }
        Ok(())
    }
}
