//! `sinsang resolve`: writes the product and verdict of each listing, one line of JSON each.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::identity::{Joined, ProductId, Sameness, Score};
use sinsang_identity::verdict::{self, Evidence};
use sinsang_pipeline::ledger;
use sinsang_pipeline::read::catalogue::{Airing, EntryId};
use sinsang_pipeline::read::correction::{self, Decision};
use sinsang_pipeline::read::history::History;
use sinsang_pipeline::read::product::{Given, Product};
use sinsang_pipeline::read::schedule;
use sinsang_pipeline::read::source::TableReport;
use sinsang_pipeline::report::census::VerdictCounts;
use sinsang_run::replace::{Access, Replacement};

/// The output can't be written: make room, or name another file.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be written: {source}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// The report of a resolution.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The table of broadcasts.
    pub broadcasts: TableReport,
    /// The schedule.
    pub schedule: schedule::Report,
    /// Lines written: one for each listing, and one more for each further product of its code.
    pub lines: usize,
    /// Products of the listings.
    pub products: usize,
    /// Codes used for several products over time.
    pub split_codes: usize,
    /// Products merged because later listings showed them to be one.
    pub merges: usize,
    /// Listings by verdict.
    pub verdicts: VerdictCounts,
    /// Listings judged as of a broadcast that has not ended; the others are judged as of their
    /// first.
    pub upcoming: usize,
    /// Listings by the way they joined their product.
    pub joined: JoinedCounts,
    /// The corrections applied.
    #[serde(skip_serializing_if = "correction::Report::is_empty")]
    pub corrections: correction::Report,
    /// The output file.
    pub output: PathBuf,
    /// Rows appended to the ledger; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<ledger::Report>,
}

/// Listings by the way they joined their product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JoinedCounts {
    /// First listings of a product.
    pub first: usize,
    /// Joined by shop and code.
    pub same_code: usize,
    /// Joined by a correction.
    pub corrected: usize,
    /// Joined by similarity, within the shop.
    pub similar: usize,
    /// Joined by similarity to another shop's listing.
    pub similar_across_shops: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.broadcasts, self.schedule)?;
        writeln!(
            f,
            "products: {} from {} listings, {} codes used for several products, {} merged later",
            self.products, self.lines, self.split_codes, self.merges
        )?;
        let JoinedCounts { first, same_code, corrected, similar, similar_across_shops } = self.joined;
        writeln!(
            f,
            "  listings: {first} begin a product; the others join one: {similar} by similarity within their shop, \
             {similar_across_shops} by similarity to another shop, {same_code} by code, {corrected} by corrections"
        )?;
        if !self.corrections.is_empty() {
            writeln!(f, "{}", self.corrections)?;
        }
        let VerdictCounts { new, repeat, unknown } = self.verdicts;
        writeln!(f, "verdicts: {new} new, {repeat} repeats, {unknown} unknown")?;
        let past = self.lines - self.upcoming;
        writeln!(f, "  {} judged as of their next broadcast, {past} without one as of their first", self.upcoming)?;
        write!(f, "{} lines in {}", self.lines, self.output.display())?;
        self.ledger.iter().try_for_each(|report| write!(f, "\nledger: {report}"))
    }
}

/// One line of the output.
#[derive(Serialize)]
struct Line<'a> {
    listing_id: &'a str,
    shop: &'a str,
    title: &'a str,
    product_id: ProductId,
    verdict: VerdictKind,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    explained: Option<Explained<'a>>,
}

/// What `--explain` adds to a line.
#[derive(Serialize)]
struct Explained<'a> {
    /// The time of the verdict: the start of the broadcast that the listing is judged by.
    as_of: String,
    /// Whether that broadcast has not ended.
    upcoming: bool,
    channel: &'a str,
    evidence: Evidence,
    joined: &'static str,
    /// The earlier listing through which it joined its product.
    nearest: Option<Neighbour<'a>>,
    /// The nearest earlier listing of another product.
    nearest_other: Option<Neighbour<'a>>,
    /// People's decisions on the listing.
    #[serde(skip_serializing_if = "Decided::is_empty")]
    decided: Decided<'a>,
}

/// People's decisions on a listing.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Decided<'a> {
    /// Who declared it one product with the listing it joined, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<&'a Decision>,
    /// The verdict given by a person, with name and reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'a Given>,
}

impl<'a> Decided<'a> {
    /// The decisions on a listing of `product`.
    pub fn of(joined: &'a Joined, product: &'a Product) -> Self {
        let same = if let Joined::Corrected { decision, .. } = joined { Some(decision) } else { None };
        Self { same, verdict: product.given.as_ref() }
    }

    /// Whether there are no decisions.
    pub fn is_empty(&self) -> bool {
        self.same.is_none() && self.verdict.is_none()
    }
}

/// An earlier listing, for comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbour<'a> {
    /// The shop's code for the listing.
    pub listing_id: &'a str,
    /// Its shop.
    pub shop: &'a str,
    /// Its latest title.
    pub title: &'a str,
    /// Its product.
    pub product_id: ProductId,
    /// The channel of its last broadcast before the verdict, or of its first.
    pub channel: &'a str,
    /// The start of that broadcast, RFC 3339 in +09:00.
    pub starts_at: String,
    /// The score and its parts; absent if a shared code or a correction decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<&'a Score>,
}

impl<'a> Neighbour<'a> {
    /// The listing at `index` of the catalogue, as of `at`.
    pub fn new(history: &'a History, index: EntryId, at: UnixMillis, score: Option<&'a Score>) -> Option<Self> {
        let listing = &history.entry(index).listing;
        let before = history.airings_of(index).rfind(|airing| airing.starts_at < at);
        let airing: &Airing = before.or_else(|| history.airings_of(index).next())?;
        Some(Self {
            listing_id: &listing.listing_id,
            shop: &listing.shop,
            title: listing.titles.first().map_or("", String::as_str),
            product_id: history.product_of(index).id,
            channel: &airing.channel,
            starts_at: airing.starts_at.to_kst_rfc3339(),
            score,
        })
    }

    /// Whether a score says that it is another product.
    pub fn is_other(&self) -> bool {
        self.score.is_some_and(|score| score.verdict == Sameness::Different)
    }
}

/// Writes the lines of `history` to `output`, which is replaced once complete. `now` decides which
/// broadcasts are upcoming.
///
/// # Errors
/// [`Error`] if the file can't be written.
pub fn resolve(
    history: &History,
    policy: &verdict::Policy,
    output: &Path,
    explain: bool,
    now: UnixMillis,
) -> Result<Report, Error> {
    let failed = |source| Error { path: output.to_path_buf(), source };
    let file = Replacement::of(output).map_err(failed)?;
    let mut writer = BufWriter::new(file);
    let mut report = Report {
        broadcasts: history.broadcasts.clone(),
        schedule: history.schedule.clone(),
        lines: 0,
        products: history.resolution.products,
        split_codes: history.split_codes,
        merges: history.resolution.merges.len(),
        verdicts: VerdictCounts::default(),
        upcoming: 0,
        joined: JoinedCounts::default(),
        corrections: history.corrections(),
        output: output.to_path_buf(),
        ledger: None,
    };
    let shop_of = |index: EntryId| &history.entry(index).listing.shop;
    let mut histories = BTreeMap::new();
    for index in history.in_order() {
        let Some((airing, upcoming)) = history.judged_by(index, now) else { continue };
        let (entry, resolved, product) = (history.entry(index), history.resolved(index), history.product_of(index));
        let past = histories.entry(product.id).or_insert_with(|| product.history(&history.catalogue, &history.likely));
        let verdict = verdict::judge(past, &history.reach, policy, airing.starts_at);
        *report.verdicts.of(verdict.kind) += 1;
        report.lines += 1;
        report.upcoming += usize::from(upcoming);
        let (joined, nearest) = match &resolved.joined {
            Joined::First => ("first", None),
            Joined::SameCode { with } => ("same_code", Some((EntryId::new(*with), None))),
            Joined::Corrected { with, .. } => ("corrected", Some((EntryId::new(*with), None))),
            Joined::Similar { with, score } => ("similar", Some((EntryId::new(*with), Some(score)))),
        };
        *match &resolved.joined {
            Joined::First => &mut report.joined.first,
            Joined::SameCode { .. } => &mut report.joined.same_code,
            Joined::Corrected { .. } => &mut report.joined.corrected,
            Joined::Similar { with, .. } if shop_of(EntryId::new(*with)) == shop_of(index) => {
                &mut report.joined.similar
            }
            Joined::Similar { .. } => &mut report.joined.similar_across_shops,
        } += 1;
        let line = Line {
            listing_id: &entry.listing.listing_id,
            shop: &entry.listing.shop,
            title: entry.listing.titles.first().map_or("", String::as_str),
            product_id: product.id,
            verdict: verdict.kind,
            explained: explain.then(|| Explained {
                as_of: airing.starts_at.to_kst_rfc3339(),
                upcoming,
                channel: &airing.channel,
                evidence: verdict.evidence,
                joined,
                decided: Decided::of(&resolved.joined, product),
                nearest: nearest.and_then(|(with, score)| Neighbour::new(history, with, airing.starts_at, score)),
                nearest_other: resolved.nearest_other.as_ref().and_then(|other| {
                    Neighbour::new(history, EntryId::new(other.with), airing.starts_at, Some(&other.score))
                }),
            }),
        };
        serde_json::to_writer(&mut writer, &line).map_err(|error| failed(error.into()))?;
        writer.write_all(b"\n").map_err(failed)?;
    }
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.put(Access::Everybody).map_err(failed)?;
    Ok(report)
}
