//! Events of an experiment, read into one record a viewer.
//!
//! A line of NDJSON is an event: `viewer` (a text: a keyed hash or a device), `kind` (`impression`, `click`, `alarm`, `purchase`; others say
//! nothing here), `at` (RFC 3339), `event_id`, by which a viewer's event that comes twice counts once, the product or listing, and the variants that the viewer was served:
//! `experiments`, an object of experiment and variant, or `experiment` and `variant` for one. A row that can't be used is set aside with its
//! place and reason, and the rest is kept.
//!
//! A viewer is heard on a product once a day for each kind: who clicks a thousand times on one counts as who clicks once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_run::file::open_regular;
use xxhash_rust::xxh3::Xxh3;

/// Rows that are set aside which the report tells one by one.
const TOLD: usize = 20;
/// No line is longer, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// What a viewer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A surface was shown in the order of the variant: an exposure.
    Impression,
    /// A product was opened.
    Click,
    /// An alarm was set.
    Alarm,
    /// Something was bought.
    Purchase,
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
    product_id: Option<String>,
    shop: Option<String>,
    listing_id: Option<String>,
}

/// An event of an experiment.
struct Event {
    /// The viewer's `event_id`, by a hash: an id is its viewer's own, so that nobody takes another's.
    key: u128,
    viewer: String,
    kind: Kind,
    at: UnixMillis,
    variant: String,
    item: Item,
}

/// What an event is about, by a hash: the listing with its shop, or else the product. One that names neither is by itself.
type Item = u128;

/// An event in its viewer's row.
type Deed = (UnixMillis, Kind, String, Item);

/// What one viewer saw and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Viewer {
    /// The variants that they were seen with: more than one is a fault of the assignment.
    pub variants: BTreeSet<String>,
    /// The time of their first exposure.
    pub first_at: Option<UnixMillis>,
    /// Exposures.
    pub impressions: u32,
    /// What they did after their first exposure, once a day for each product and kind, with the day after it, counted from 0.
    pub outcomes: Vec<(Kind, i64)>,
}

/// All viewers of an experiment.
pub type Viewers = BTreeMap<String, Viewer>;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intake {
    /// Rows of the experiment that count.
    pub rows: u64,
    /// Rows without the experiment, and of kinds that say nothing of it.
    pub others: u64,
    /// Rows whose viewer and `event_id` came before.
    pub twice: u64,
    /// Events of a viewer who had done the same with the same product that day.
    pub repeated: u64,
    /// Events of viewers before their first exposure, or without one.
    pub unexposed: u64,
    /// Rows that can't be used.
    pub rejected: u64,
    /// The first of those, each with its place and reason.
    pub reasons: Vec<String>,
}

/// A file of events that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Reads the events of `experiment` in `paths`: files, packed with gzip where their name ends so, and folders of them.
///
/// # Errors
/// A [`ReadError`] where a file can't be read.
pub fn read(paths: &[PathBuf], experiment: &str) -> Result<(Viewers, Intake), ReadError> {
    let mut intake = Intake::default();
    let mut seen = BTreeSet::new();
    let mut events: BTreeMap<String, Vec<Deed>> = BTreeMap::new();
    for path in &files(paths)? {
        let fail = |source| ReadError { path: path.clone(), source };
        let file = open_regular(path).map_err(fail)?;
        let is_packed = path.extension().is_some_and(|ending| ending == "gz");
        let input: Box<dyn io::Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        for (number, line) in (1_u64..).zip(io::BufReader::new(input).split(b'\n')) {
            let line = line.map_err(fail)?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match parse(&line, experiment) {
                Ok(None) => intake.others += 1,
                Ok(Some(event)) if !seen.insert(event.key) => intake.twice += 1,
                Ok(Some(Event { viewer, kind, at, variant, item, .. })) => {
                    intake.rows += 1;
                    events.entry(viewer).or_default().push((at, kind, variant, item));
                }
                Err(reason) => reject(&mut intake, path, number, &reason),
            }
        }
    }
    let viewers = events.into_iter().filter_map(|(name, events)| Some((name, viewer(events, &mut intake)?))).collect();
    Ok((viewers, intake))
}

/// The files of `paths`: those of a folder by name, but for what begins with a point.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fail = |source| ReadError { path: path.clone(), source };
        let mut inner = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_file() {
                inner.push(entry.path());
            }
        }
        inner.sort();
        files.extend(inner);
    }
    Ok(files)
}

/// The event of a line; `None` where it says nothing of `experiment`.
fn parse(line: &[u8], experiment: &str) -> Result<Option<Event>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("the line has {} bytes, at most {MAX_LINE} are read", line.len()));
    }
    let mut row: Row = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let short = row.variant.take().filter(|_| row.experiment.as_deref() == Some(experiment));
    let Some(variant) = short.or_else(|| row.experiments.remove(experiment)) else { return Ok(None) };
    let kind = match row.kind.as_str() {
        "impression" => Kind::Impression,
        "click" => Kind::Click,
        "alarm" => Kind::Alarm,
        "purchase" => Kind::Purchase,
        "view" | "tab_open" | "live_enter" => return Ok(None),
        other => return Err(format!("kind is {other:?}, which is none")),
    };
    for (field, value) in [("event_id", &row.event_id), ("variant", &variant), ("viewer", &row.viewer)] {
        if value.is_empty() {
            return Err(format!("{field} is empty"));
        }
    }
    let at = UnixMillis::parse_rfc3339(&row.at).ok_or_else(|| format!("at is {:?}, expected RFC 3339", row.at))?;
    let key = hash(&[&row.viewer, &row.event_id]);
    let item = match (&row.listing_id, &row.product_id) {
        (Some(listing), _) => hash(&[row.shop.as_deref().unwrap_or_default(), listing]),
        (None, Some(product)) => hash(&[product]),
        (None, None) => key,
    };
    Ok(Some(Event { key, viewer: row.viewer, kind, at, variant, item }))
}

/// A hash of texts that no other texts have.
fn hash(parts: &[&str]) -> u128 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest128()
}

fn reject(intake: &mut Intake, path: &Path, number: u64, reason: &str) {
    intake.rejected += 1;
    if intake.reasons.len() < TOLD {
        intake.reasons.push(format!("{} line {number}: {reason}", path.display()));
    }
}

/// One viewer's events, whatever order they came in. Nothing before the first exposure can be the variant's doing.
fn viewer(mut events: Vec<Deed>, intake: &mut Intake) -> Option<Viewer> {
    events.sort();
    let first_at = events.iter().find(|(_, kind, ..)| *kind == Kind::Impression).map(|(at, ..)| *at);
    let Some(first_at) = first_at else {
        intake.unexposed += events.len() as u64;
        return None;
    };
    let mut viewer = Viewer { first_at: Some(first_at), ..Viewer::default() };
    let mut done = BTreeSet::new();
    for (at, kind, variant, item) in events {
        if at < first_at {
            intake.unexposed += 1;
            continue;
        }
        if kind == Kind::Impression {
            viewer.impressions += 1;
            viewer.variants.insert(variant);
        } else {
            let day = at.since(first_at) / DAY_MS;
            if done.insert((kind, day, item)) {
                viewer.outcomes.push((kind, day));
            } else {
                intake.repeated += 1;
            }
        }
    }
    Some(viewer)
}
