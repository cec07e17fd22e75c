//! What builds came to, a line of JSON each beside the snapshot: verdicts and claims by shop, rows that could not be used, and how well the snapshot
//! before had ranked. The preview page draws its plots of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinsang_core::pack::board::Board;
use sinsang_run::file::{SETTINGS_BYTES, read_text};
use sinsang_run::replace::{Access, replace};

use super::built::Report;
use super::claim::claim;
use crate::compose::VerdictCounts;
use crate::report::hindsight;

/// Lines that a file keeps.
pub const MAX_LINES: usize = 400;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
#[error("what the build came to can't be written to {}: {source}; choose another --builds", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// What a build came to.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The time of the build, RFC 3339 in +09:00.
    pub built_at: String,
    /// The snapshot.
    pub snapshot: String,
    /// Listings of schedule and history.
    pub listings: usize,
    /// Products that they are.
    pub products: usize,
    /// Verdicts on the products of the window.
    pub verdicts: VerdictCounts,
    /// Products of the window whose verdict is `unknown`, by its reason.
    pub unknown: BTreeMap<String, usize>,
    /// Products of the window by shop; one that several sell counts for each.
    pub shops: BTreeMap<String, Shop>,
    /// The tables.
    pub tables: Vec<Table>,
    /// Users with a taste.
    pub users: u64,
    /// Events that tastes were made of.
    pub events: u64,
    /// Bytes of the packs.
    pub bytes: usize,
    /// How well the snapshot before had ranked what users did since, where there was one.
    pub ranking: Option<hindsight::Report>,
}

/// Products of a shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shop {
    /// New ones.
    pub new: usize,
    /// Repeats.
    pub repeat: usize,
    /// Those of which the history can't tell.
    pub unknown: usize,
    /// Products whose title claims to be new.
    pub claims: usize,
    /// Those of them that had aired.
    pub claims_aired: usize,
    /// Those of them of which the history can't tell.
    pub claims_unknown: usize,
}

/// What became of a table's rows.
#[derive(Debug, Serialize)]
pub struct Table {
    /// The table.
    pub table: &'static str,
    /// Rows read.
    pub rows: u64,
    /// Rows kept.
    pub kept: u64,
    /// Rows set aside, by what is wrong.
    pub reasons: BTreeMap<String, u64>,
    /// Damaged rows, by shop; "" where none is named.
    pub shops: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Head {
    title: String,
    listings: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    shop: String,
}

#[derive(Deserialize)]
struct Judged {
    kind: String,
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Evidence {
    reason: String,
}

impl Line {
    /// The line of a build that made `board`.
    pub fn of(report: &Report, board: &Board, ranking: Option<hindsight::Report>) -> Self {
        let mut line = Self {
            built_at: board.built_at().to_kst_rfc3339(),
            snapshot: report.snapshot.clone(),
            listings: report.listings,
            products: report.products,
            verdicts: report.verdicts,
            unknown: BTreeMap::new(),
            shops: BTreeMap::new(),
            tables: report.tables.iter().map(Table::of).collect(),
            users: report.tastes.users,
            events: report.tastes.events_used,
            bytes: report.bytes,
            ranking,
        };
        for index in 0..board.product_count() {
            let product = board.product(index);
            let head = [product.head_json(), b"}"].concat();
            let verdict = product.verdict_json(board.built_at() < product.first_ends_at());
            // Written by this build, and read back as the page reads them.
            let (Ok(head), Ok(verdict)) =
                (serde_json::from_slice::<Head>(&head), serde_json::from_slice::<Judged>(verdict))
            else {
                continue;
            };
            line.count(&head, &verdict);
        }
        line
    }

    fn count(&mut self, head: &Head, verdict: &Judged) {
        if verdict.kind == "unknown" {
            *self.unknown.entry(verdict.evidence.reason.clone()).or_default() += 1;
        }
        let mut shops: Vec<&str> = head.listings.iter().map(|listing| listing.shop.as_str()).collect();
        shops.sort_unstable();
        shops.dedup();
        let claims = claim(&head.title).is_some();
        for shop in shops {
            let shop = self.shops.entry(shop.to_owned()).or_default();
            shop.claims += usize::from(claims);
            let (count, wrong) = match verdict.kind.as_str() {
                "new" => (&mut shop.new, None),
                "repeat" => (&mut shop.repeat, Some(&mut shop.claims_aired)),
                _ => (&mut shop.unknown, Some(&mut shop.claims_unknown)),
            };
            *count += 1;
            if let Some(wrong) = wrong.filter(|_| claims) {
                *wrong += 1;
            }
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

/// Adds `line` to `file`, of which the last [`MAX_LINES`] stay. Of builds at one time the last counts, with what the first said of the snapshot
/// before; what is no line is left out. The file is replaced whole.
///
/// # Errors
/// Where the file can't be read or written.
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
            // The snapshot before it was replaced the first time.
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
