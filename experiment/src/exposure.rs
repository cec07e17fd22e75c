//! Events of an experiment, read into one record a viewer.
//!
//! A line of NDJSON is an event: `viewer` (a text: a keyed hash or a device), `variant`, `kind` (`impression`, `click`, `alarm` or
//! `purchase`), `at` (RFC 3339), and `event_id`, by which an event that comes twice counts once. A row that can't be used is set aside
//! with its place and reason, and the rest is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang::time::{DAY_MS, UnixMillis};

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
    experiment: String,
    variant: String,
    viewer: String,
    kind: Kind,
    at: String,
}

/// What one viewer saw and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Viewer {
    /// The variants that they were seen with: more than one is a fault of the assignment.
    pub variants: BTreeSet<String>,
    /// The time of their first exposure.
    pub first_at: Option<UnixMillis>,
    /// Exposures.
    pub impressions: u32,
    /// Events after their first exposure, with their day after it, counted from 0.
    pub outcomes: Vec<(Kind, i64)>,
}

/// All viewers of an experiment.
pub type Viewers = BTreeMap<String, Viewer>;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intake {
    /// Rows of the experiment that count.
    pub rows: u64,
    /// Rows of other experiments.
    pub others: u64,
    /// Rows whose `event_id` came before.
    pub twice: u64,
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

/// Reads the events of `experiment` in `files`.
///
/// # Errors
/// A [`ReadError`] where a file can't be read.
pub fn read(files: &[PathBuf], experiment: &str) -> Result<(Viewers, Intake), ReadError> {
    let mut intake = Intake::default();
    let mut seen = BTreeSet::new();
    let mut events: BTreeMap<String, Vec<(UnixMillis, Kind, String)>> = BTreeMap::new();
    for path in files {
        let fail = |source| ReadError { path: path.clone(), source };
        let file = std::fs::File::open(path).map_err(fail)?;
        for (number, line) in (1_u64..).zip(io::BufReader::new(file).split(b'\n')) {
            let line = line.map_err(fail)?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match parse(&line) {
                Ok((row, _)) if row.experiment != experiment => intake.others += 1,
                Ok((row, _)) if !seen.insert(row.event_id.clone()) => intake.twice += 1,
                Ok((row, at)) => {
                    intake.rows += 1;
                    events.entry(row.viewer).or_default().push((at, row.kind, row.variant));
                }
                Err(reason) => reject(&mut intake, path, number, &reason),
            }
        }
    }
    let viewers = events.into_iter().filter_map(|(name, events)| Some((name, viewer(events, &mut intake)?))).collect();
    Ok((viewers, intake))
}

fn parse(line: &[u8]) -> Result<(Row, UnixMillis), String> {
    if line.len() > MAX_LINE {
        return Err(format!("the line has {} bytes, at most {MAX_LINE} are read", line.len()));
    }
    let row: Row = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    for (field, value) in [("event_id", &row.event_id), ("variant", &row.variant), ("viewer", &row.viewer)] {
        if value.is_empty() {
            return Err(format!("{field} is empty"));
        }
    }
    let at = UnixMillis::parse_rfc3339(&row.at).ok_or_else(|| format!("at is {:?}, expected RFC 3339", row.at))?;
    Ok((row, at))
}

fn reject(intake: &mut Intake, path: &Path, number: u64, reason: &str) {
    intake.rejected += 1;
    if intake.reasons.len() < TOLD {
        intake.reasons.push(format!("{} line {number}: {reason}", path.display()));
    }
}

/// One viewer's events, whatever order they came in. Nothing before the first exposure can be the variant's doing.
fn viewer(mut events: Vec<(UnixMillis, Kind, String)>, intake: &mut Intake) -> Option<Viewer> {
    events.sort();
    let first_at = events.iter().find(|(_, kind, _)| *kind == Kind::Impression).map(|(at, ..)| *at);
    let Some(first_at) = first_at else {
        intake.unexposed += events.len() as u64;
        return None;
    };
    let mut viewer = Viewer { first_at: Some(first_at), ..Viewer::default() };
    for (at, kind, variant) in events {
        if at < first_at {
            intake.unexposed += 1;
            continue;
        }
        if kind == Kind::Impression {
            viewer.impressions += 1;
            viewer.variants.insert(variant);
        } else {
            viewer.outcomes.push((kind, at.since(first_at) / DAY_MS));
        }
    }
    Some(viewer)
}
