//! Reads the lines of events files.
//!
//! Each NDJSON line is an event: `viewer` (a string: a keyed hash or a device), `kind`, `at` (RFC
//! 3339), `event_id` (a repeated one of a viewer counts once), the product or listing, a purchase's
//! `amount`, and the variants served to the viewer: `experiments`, an object from experiment to
//! variant, or `experiment` and `variant` for a single one.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sinsang_core::event::EventKind;
use sinsang_core::time::UnixMillis;
use sinsang_run::file::open_regular;
use xxhash_rust::xxh3::Xxh3;

/// Longest line read, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// A viewer's action that an experiment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A surface was shown in the variant's order: an exposure.
    Impression,
    /// The viewer opened a product.
    Click,
    /// The viewer set an alarm.
    Alarm,
    /// The viewer bought something.
    Purchase,
}

impl Kind {
    /// The counted kind; `None` for views, tabs and entered broadcasts.
    fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Impression => Some(Self::Impression),
            EventKind::Click => Some(Self::Click),
            EventKind::Alarm => Some(Self::Alarm),
            EventKind::Purchase => Some(Self::Purchase),
            EventKind::View | EventKind::TabOpen | EventKind::LiveEnter => None,
        }
    }
}

#[derive(Deserialize)]
struct Row {
    event_id: String,
    experiment: Option<String>,
    variant: Option<String>,
    #[serde(default)]
    experiments: BTreeMap<String, String>,
    viewer: String,
    kind: String,
    at: String,
    amount: Option<u32>,
    product_id: Option<String>,
    shop: Option<String>,
    listing_id: Option<String>,
}

/// Hash of an event's subject: the listing with its shop, or else the product. An event without
/// either is a subject of its own.
pub type Item = u128;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Hash of viewer and `event_id`. Including the viewer means that nobody can suppress another's
    /// event by using its id.
    pub(crate) key: u128,
    pub(crate) viewer: String,
    pub(crate) deed: Deed,
    /// The variant of the experiment that the reader asked for.
    pub(crate) variant: Option<String>,
    /// Another experiment that the event names, if it does not name that one.
    pub(crate) other: Option<String>,
}

/// What was done, and when. The order is that of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deed {
    /// Time of the event.
    pub at: UnixMillis,
    /// The action; `None` for one that no experiment counts.
    pub kind: Option<Kind>,
    /// Its subject.
    pub item: Item,
    /// The amount of a purchase in won; 0 without one.
    pub won: u32,
}

/// An events file that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// Hands out each line of `paths`, or its position and what is wrong with it. Files named `.gz` are
/// gunzipped, and folders are read file by file. An event names its variant of `experiment`.
pub(crate) fn each(
    paths: &[PathBuf],
    experiment: Option<&str>,
    mut take: impl FnMut(Result<Line, String>),
) -> Result<(), ReadError> {
    for path in &files(paths)? {
        let fail = |source| ReadError { path: path.clone(), source };
        let file = open_regular(path).map_err(fail)?;
        let is_packed = path.extension().is_some_and(|ending| ending == "gz");
        let input: Box<dyn io::Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut input = io::BufReader::new(input);
        if input.fill_buf().map_err(fail)?.starts_with(b"PAR1") {
            return Err(fail(io::Error::other(
                "this is Parquet; give the events as lines of JSON, as `sinsang ingest` keeps them",
            )));
        }
        for (number, line) in (1_u64..).zip(input.split(b'\n')) {
            let line = line.map_err(fail)?;
            if !line.trim_ascii().is_empty() {
                let place = |reason| format!("{} line {number}: {reason}", path.display());
                take(parse(&line, experiment).map_err(place));
            }
        }
    }
    Ok(())
}

/// The files of `paths`; a folder's in order of name, except those whose name begins with a dot.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(inner_files(path).map_err(|source| ReadError { path: path.clone(), source })?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn inner_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut inner = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_file() {
            inner.push(entry.path());
        }
    }
    inner.sort();
    Ok(inner)
}

fn parse(line: &[u8], experiment: Option<&str>) -> Result<Line, String> {
    if line.len() > MAX_LINE {
        return Err(format!("line of {} bytes, over the limit of {MAX_LINE}", line.len()));
    }
    let mut row: Row = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let single = row.variant.take().filter(|_| experiment.is_some() && row.experiment.as_deref() == experiment);
    let variant = single.or_else(|| row.experiments.remove(experiment?));
    let mut other = || row.experiment.take().or_else(|| row.experiments.pop_first().map(|(name, _)| name));
    let other = if variant.is_none() && experiment.is_some() { other() } else { None };
    let kind = EventKind::parse(&row.kind).ok_or_else(|| format!("unknown kind {:?}", row.kind))?;
    let given = [("event_id", Some(&row.event_id)), ("variant", variant.as_ref()), ("viewer", Some(&row.viewer))];
    if let Some((field, _)) = given.iter().find(|(_, value)| value.is_some_and(String::is_empty)) {
        return Err(format!("{field} is empty"));
    }
    kind.costs(row.amount).map_err(|wrong| wrong.to_string())?;
    let at = UnixMillis::parse_rfc3339(&row.at).ok_or_else(|| format!("invalid at {:?}, expected RFC 3339", row.at))?;
    let key = hash(&[&row.viewer, &row.event_id]);
    let item = match (&row.listing_id, &row.product_id) {
        (Some(listing), _) => hash(&[row.shop.as_deref().unwrap_or_default(), listing]),
        (None, Some(product)) => hash(&[product]),
        (None, None) => key,
    };
    let deed = Deed { at, kind: Kind::of(kind), item, won: row.amount.unwrap_or_default() };
    Ok(Line { key, viewer: row.viewer, deed, variant, other })
}

/// A 128-bit hash of a list of strings; lengths are included, so that boundaries matter.
fn hash(parts: &[&str]) -> u128 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest128()
}
