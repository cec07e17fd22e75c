//! The build log, one line of JSON a build beside the snapshot: verdicts and claims by shop,
//! rejected rows, and how well the previous snapshot ranked. The preview page plots it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinsang_core::time::UnixMillis;
use sinsang_run::file::{SETTINGS_BYTES, read_text};
use sinsang_run::replace::{Access, replace};

use super::built::Report;
use super::census::{Census, Shop, VerdictCounts};
use crate::report::hindsight;

/// The most lines of a file.
pub const MAX_LINES: usize = 400;

/// The build log can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the build log {} can't be written: {source}; choose another --builds", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// One build.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The time of the build, RFC 3339 in +09:00.
    pub built_at: String,
    /// The snapshot.
    pub snapshot: String,
    /// Listings of the schedule and the history.
    pub listings: usize,
    /// Products of those listings.
    pub products: usize,
    /// Verdicts on the products of the window.
    pub verdicts: VerdictCounts,
    /// Products of the window with the verdict `unknown`, by reason.
    pub unknown: BTreeMap<&'static str, usize>,
    /// Products of the window by shop; a product of several shops counts for each.
    pub shops: BTreeMap<String, Shop>,
    /// The tables.
    pub tables: Vec<Table>,
    /// Users with a taste.
    pub users: u64,
    /// Events that tastes are based on.
    pub events: u64,
    /// Total bytes of the packs.
    pub bytes: usize,
    /// How well the previous snapshot ranked users' later actions, if there was one.
    pub ranking: Option<hindsight::Report>,
}

/// Counts of a table's rows.
#[derive(Debug, Serialize)]
pub struct Table {
    /// The table's name.
    pub table: &'static str,
    /// Rows read.
    pub rows: u64,
    /// Rows kept.
    pub kept: u64,
    /// Rows set aside, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Damaged rows, by shop; "" if the row names none.
    pub shops: BTreeMap<String, u64>,
}

impl Line {
    /// The line of the build at `built_at`.
    pub fn of(report: &Report, census: Census, built_at: UnixMillis, ranking: Option<hindsight::Report>) -> Self {
        Self {
            built_at: built_at.to_kst_rfc3339(),
            snapshot: report.snapshot.clone(),
            listings: report.listings,
            products: report.products,
            verdicts: census.verdicts,
            unknown: census.unknown,
            shops: census.shops,
            tables: report.tables.iter().map(Table::of).collect(),
            users: report.tastes.users,
            events: report.tastes.events_used,
            bytes: report.bytes,
            ranking,
        }
    }
}

impl Table {
    fn of(report: &crate::read::source::TableReport) -> Self {
        let reasons = report.set_aside.iter().map(|count| {
            let field = count.field.map(|field| format!("{field}: ")).unwrap_or_default();
            (format!("{field}{}", count.reason), count.rows)
        });
        Self {
            table: report.table,
            rows: report.rows,
            kept: report.kept,
            reasons: reasons.collect(),
            shops: report.set_aside_by_shop.clone(),
        }
    }
}

/// Appends `line` to `file`, which keeps the last [`MAX_LINES`]. If two builds share a time, the
/// later line replaces the earlier, but takes over its hindsight if it has none. Malformed lines
/// are dropped. The file is replaced atomically.
///
/// # Errors
/// [`struct@Error`] if the file can't be read or written.
pub fn append(file: &Path, line: &Line) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Known {
        built_at: String,
        #[serde(default)]
        ranking: Value,
    }
    let failed = |source| Error { path: file.to_owned(), source };
    let before = match read_text(file, SETTINGS_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(failed)?,
    };
    let mut new = serde_json::to_value(line).map_err(|error| failed(error.into()))?;
    let mut lines = Vec::new();
    for text in before.lines() {
        match serde_json::from_str::<Known>(text) {
            Ok(known) if known.built_at != line.built_at => lines.push(text),
            // The first build of this time saw the snapshot before it was replaced.
            Ok(Known { ranking, .. }) if line.ranking.is_none() => {
                if let Some(place) = new.get_mut("ranking") {
                    *place = ranking;
                }
            }
            _ => {}
        }
    }
    let new = new.to_string();
    lines.push(&new);
    let text: String = lines.iter().skip(lines.len().saturating_sub(MAX_LINES)).flat_map(|line| [line, "\n"]).collect();
    replace(file, text.as_bytes(), Access::Everybody).map_err(failed)
}
