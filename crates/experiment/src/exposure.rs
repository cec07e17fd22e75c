//! Reads an experiment's events into one record per viewer.
//!
//! Events that name the experiment tell what viewers did from their first exposure on. Those of the
//! days before that don't name it are their history. An unusable row is rejected with its position
//! and reason; the rest is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;
use sinsang_core::time::{DAY_MS, UnixMillis};

use crate::line::{self, Deed, Kind, Line, ReadError};
use crate::metric::{Counter, Tally};

/// Rejected rows listed in the report.
const TOLD: usize = 20;

/// What one viewer saw and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Viewer {
    /// The variants served to them; more than one is an assignment error.
    pub variants: BTreeSet<String>,
    /// Time of their first exposure.
    pub first_at: Option<UnixMillis>,
    /// Number of exposures.
    pub impressions: u32,
    /// What they did from their first exposure on.
    pub after: Tally,
    /// Days on which they clicked, counted from their first exposure, from 0.
    pub click_days: BTreeSet<i64>,
    /// What they did in the days before their first exposure; `None` if nothing is known of those.
    pub before: Option<Tally>,
}

/// All viewers of an experiment, by viewer.
pub type Viewers = BTreeMap<String, Viewer>;

/// Row counts of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intake {
    /// The experiment's events, without duplicates.
    pub rows: u64,
    /// Rows without the experiment, or of an ignored kind.
    pub others: u64,
    /// Rows with an already seen viewer and `event_id`.
    pub twice: u64,
    /// Events repeating a viewer's action on the same product and day.
    pub repeated: u64,
    /// Events of viewers before their first exposure, or without any.
    pub unexposed: u64,
    /// Unusable rows.
    pub rejected: u64,
    /// The first rejected rows, each with position and reason.
    pub reasons: Vec<String>,
    /// Some of the other experiments that events name.
    pub named: BTreeSet<String>,
}

impl Intake {
    /// Why there is nothing to report on `experiment`; `None` if an event names it.
    pub fn nothing(&self, experiment: &str) -> Option<String> {
        let Self { rows, others, rejected, reasons, named, .. } = self;
        if *rows > 0 {
            return None;
        }
        let reasons = reasons.iter().fold(String::new(), |all, reason| all + "\n  " + reason);
        Some(if *others == 0 {
            format!("there is no event to report on; {rejected} lines were set aside{reasons}")
        } else if named.is_empty() {
            format!("none of {others} events names an experiment; apps copy `experiments` of answers into their events")
        } else {
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            format!("none of {others} events names {experiment}; they name {}", named.join(", "))
        })
    }
}

/// Reads the events of `experiment` from `paths`: files, gunzipped if named `.gz`, and folders of
/// files. A viewer's history begins `before_days` before their first exposure.
///
/// # Errors
/// [`ReadError`] if a file or folder can't be read.
pub fn read(paths: &[PathBuf], experiment: &str, before_days: u32) -> Result<(Viewers, Intake), ReadError> {
    let mut intake = Intake::default();
    let mut seen = BTreeSet::new();
    let mut events: BTreeMap<String, Vec<(Deed, Option<String>)>> = BTreeMap::new();
    line::each(paths, Some(experiment), |line| match line {
        Ok(Line { key, viewer, deed, variant, other }) => {
            if intake.named.len() < TOLD {
                intake.named.extend(other);
            }
            let is_counted = variant.is_some() && deed.kind.is_some();
            intake.others += u64::from(!is_counted);
            if seen.insert(key) {
                intake.rows += u64::from(is_counted);
                events.entry(viewer).or_default().push((deed, variant));
            } else {
                intake.twice += u64::from(is_counted);
            }
        }
        Err(reason) => {
            intake.rejected += 1;
            if intake.reasons.len() < TOLD {
                intake.reasons.push(reason);
            }
        }
    })?;
    let before_ms = i64::from(before_days) * DAY_MS;
    let viewer = |(name, events)| Some((name, viewer(events, before_ms, &mut intake)?));
    Ok((events.into_iter().filter_map(viewer).collect(), intake))
}

/// Builds a viewer from their events, in any order. Drops actions that name the experiment before
/// the first exposure: no seen variant can have caused them, and an unseen one may have.
fn viewer(mut events: Vec<(Deed, Option<String>)>, before_ms: i64, intake: &mut Intake) -> Option<Viewer> {
    events.sort();
    let is_exposure =
        |(deed, variant): &&(Deed, Option<String>)| deed.kind == Some(Kind::Impression) && variant.is_some();
    let Some(first_at) = events.iter().find(is_exposure).map(|(deed, _)| deed.at) else {
        intake.unexposed += events.iter().filter(|(deed, of)| deed.kind.is_some() && of.is_some()).count() as u64;
        return None;
    };
    let mut viewer = Viewer { first_at: Some(first_at), ..Viewer::default() };
    let (mut after, mut before) = (Counter::new(first_at), Counter::new(first_at));
    let mut has_history = false;
    for (deed, variant) in events {
        match (variant, deed.kind) {
            (None, kind) if deed.at < first_at && first_at.since(deed.at) <= before_ms => {
                has_history = true;
                kind.map(|kind| before.add(kind, &deed));
            }
            (Some(_), Some(_)) if deed.at < first_at => intake.unexposed += 1,
            (Some(variant), Some(Kind::Impression)) => {
                viewer.impressions = viewer.impressions.saturating_add(1);
                viewer.variants.insert(variant);
            }
            (Some(_), Some(kind)) => match after.add(kind, &deed) {
                Some(day) if kind == Kind::Click => _ = viewer.click_days.insert(day),
                Some(_) => {}
                None => intake.repeated += 1,
            },
            _ => {}
        }
    }
    viewer.after = after.tally;
    viewer.before = has_history.then_some(before.tally);
    Some(viewer)
}
