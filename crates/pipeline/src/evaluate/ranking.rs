//! `sinsang evaluate ranking`: how well tastes rank what users really did later.
//!
//! The acts before a cut are learned from, and those of the 30 days after it are ranked: on *new*
//! items, never on offer before the cut, and on *known* ones that the user had not taken before.
//! Served scores take the whole path: learned as by `sinsang build`, rounded to bytes, written into
//! packs, read by the edge's reader and scored by `sinsang_core::rank`.
//! `docs/measurements/ranking.md` has the tables.

#![expect(clippy::cast_precision_loss, reason = "counts and whole scores are far below 2^52")]

pub mod log_file;
mod operator;
mod peer;
mod served;
mod set_aside;
mod shop;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use datafusion::error::DataFusionError;
use log_file::Mapping;
use serde::Serialize;
use sinsang_core::pack::{Damage, TooLarge};
use sinsang_core::pulse::Terms;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_run::progress::{Progress, Unit};
use sinsang_taste::TuningReport;
use sinsang_taste::judge::{Bootstrap, Listed, Taker, Window, mean, measure};
pub use sinsang_taste::judge::{DEPTH, Estimate};

use crate::engine;
use crate::learn::taste;
use crate::read::{history, source};
pub use set_aside::SetAside;
use shop::Shop;

/// Length of a window in days.
pub const WINDOW_DAYS: i64 = 30;
/// Cuts of an operator's tables and of a log that names none: windows that end with the last act.
const LAST_CUTS: i64 = 3;
/// Half-life of an act in days, of our tastes and of the profiles beside them, unless another is
/// asked for.
pub const HALF_LIFE_DAYS: f64 = 180.0;

/// The data of an evaluation.
#[derive(Clone, Debug)]
pub enum Data {
    /// An operator's tables, as of a time.
    Tables(Box<history::Options>, UnixMillis),
    /// A log of another shop.
    Log {
        /// What its columns mean.
        mapping: Box<Mapping>,
        /// Its folder or file.
        input: PathBuf,
        /// The engine's memory and parallelism.
        engine: engine::Options,
    },
}

/// The inputs of the evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data.
    pub data: Data,
    /// The cuts; without any, those of the log's mapping, or the last windows of the data.
    pub cuts: Vec<UnixMillis>,
    /// Half-life of an act in days.
    pub half_life_days: f64,
    /// Whether training chooses its settings by the weeks before each cut, as a build's does.
    pub tune: bool,
    /// The progress display.
    pub progress: Progress,
}

/// Why the evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine can't start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The schedule can't be read.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The events can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// There is no table of events.
    #[error("{}: no table `events` beside the broadcasts: tastes are measured on what users did (docs/input.md)", path.display())]
    NoEvents {
        /// The folder.
        path: PathBuf,
    },
    /// A cut of a mapping is no day.
    #[error("cuts: {cut:?} is no day: write it as 2026-09-01")]
    NoDay {
        /// What stands there.
        cut: String,
    },
    /// A table can't be read.
    #[error("{}: {source}; check the table's columns, and the expressions of the log's mapping", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The engine's error.
        source: Box<DataFusionError>,
    },
    /// A value of a mapping is no expression over its table's columns.
    #[error("{key} = {value:?}: {source}; write an SQL expression over the columns of {}", path.display())]
    Value {
        /// The key.
        key: String,
        /// What stands there.
        value: String,
        /// The table.
        path: PathBuf,
        /// The engine's error.
        source: Box<DataFusionError>,
    },
    /// No user known before the cut took a new item after it.
    #[error(
        "no user known before {cut} took an item that was new in the {WINDOW_DAYS} days after: choose another cut (--cut)"
    )]
    NothingNew {
        /// The cut.
        cut: UnixMillis,
    },
    /// Tastes can't be learned.
    #[error(transparent)]
    Taste(#[from] taste::Error),
    /// A pack exceeds its limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A written pack can't be read back.
    #[error("a written pack can't be read back: {0}")]
    Damaged(#[from] Damage),
}

/// The measures of one ranking method.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The method's name.
    pub method: &'static str,
    /// NDCG of the first [`DEPTH`] places.
    pub ndcg_at_20: Estimate,
    /// The share of purchases among the first [`DEPTH`] places.
    pub recall_at_20: Estimate,
    /// The mean reciprocal place of the first purchase.
    pub mrr: Estimate,
    /// The share of candidates among the first [`DEPTH`] places of any user, averaged over cuts.
    pub coverage: f64,
    /// NDCG divided by that of the TF-IDF profile, over the same users.
    pub ratio_to_tfidf: Estimate,
    /// NDCG by cut.
    pub by_cut: Vec<Estimate>,
}

/// The counts of one cut.
#[derive(Clone, Debug, Serialize)]
pub struct CutReport {
    /// The time of the cut.
    pub cut: String,
    /// Users known before the cut.
    pub users: usize,
    /// Number of new items.
    pub new_items: usize,
    /// Users who took a new item.
    pub new_buyers: usize,
    /// Number of known items.
    pub known_items: usize,
    /// Users who took a known item for the first time.
    pub known_buyers: usize,
    /// What the weeks before the cut chose for the training.
    pub tuning: TuningReport,
}

/// The served order against the best way that is not ours.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// The other way.
    pub method: &'static str,
    /// Our NDCG divided by its, over the same users.
    pub ratio: Estimate,
}

/// The tables of the evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// NDCG@20 of new items, served, over all cuts.
    pub ndcg_at_20: f64,
    /// NDCG divided by that of the TF-IDF profile of the same run.
    pub ratio_to_tfidf: f64,
    /// The lower end of that ratio's 95 % interval.
    pub ratio_to_tfidf_low: f64,
    /// NDCG@20 with live counts.
    pub live_ndcg_at_20: f64,
    /// The same ratio with live counts, which the TF-IDF profile lacks.
    pub live_ratio_to_tfidf: f64,
    /// The lower end of that ratio's 95 % interval.
    pub live_ratio_to_tfidf_low: f64,
    /// New items as served, against the best other way.
    pub new_against_best: Option<Against>,
    /// Known items as served, against the best other way.
    pub known_against_best: Option<Against>,
    /// The share of the NDCG of new items lost to mixing with its defaults.
    pub mixed_cost: f64,
    /// NDCG@20 of known items, served.
    pub known_ndcg_at_20: f64,
    /// Bytes of a user's vector.
    pub vector_bytes: usize,
    /// Bytes of a user in a shard of this run: key, vector and weights.
    pub bytes_per_user: usize,
    /// Rows of acts that were set aside.
    pub set_aside: SetAside,
    /// The counts by cut.
    pub cuts: Vec<CutReport>,
    /// Methods on new items.
    pub new: Vec<Row>,
    /// Methods on known items.
    pub known: Vec<Row>,
    /// The source of the data.
    pub source: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cut in &self.cuts {
            let CutReport { cut, users, new_items, new_buyers, known_items, known_buyers, tuning } = cut;
            writeln!(
                f,
                "{cut}: {users} users; {new_items} new items for {new_buyers}, {known_items} known for {known_buyers}"
            )?;
            for judged in &tuning.judged {
                writeln!(f, "  {judged}")?;
            }
        }
        for (name, rows) in [("new items", &self.new), ("known items", &self.known)] {
            writeln!(f, "\n{name:<24} NDCG@20 [95 %]          Recall  MRR     cover.  of TF-IDF [95 %]      by cut")?;
            for row in rows {
                let Row { method, ndcg_at_20: ndcg, ratio_to_tfidf: ratio, .. } = row;
                let cuts: Vec<String> = row.by_cut.iter().map(|cut| format!("{:.4}", cut.mean)).collect();
                writeln!(
                    f,
                    "{method:<24} {:.4} [{:.4}, {:.4}] {:.4}  {:.4}  {:.3}   {:.3} [{:.3}, {:.3}]  {}",
                    ndcg.mean,
                    ndcg.low,
                    ndcg.high,
                    row.recall_at_20.mean,
                    row.mrr.mean,
                    row.coverage,
                    ratio.mean,
                    ratio.low,
                    ratio.high,
                    cuts.join(" ")
                )?;
            }
        }
        writeln!(f)?;
        for (what, against) in [("new", &self.new_against_best), ("known", &self.known_against_best)] {
            if let Some(Against { method, ratio: Estimate { mean, low, high } }) = against {
                writeln!(
                    f,
                    "\n{what} items as served: {mean:.3} [{low:.3}, {high:.3}] of {method}, the best other way"
                )?;
            }
        }
        writeln!(f, "vector {} bytes, {} bytes a user in a shard", self.vector_bytes, self.bytes_per_user)?;
        writeln!(f, "{}", self.set_aside)?;
        write!(f, "{}", self.source)
    }
}

/// The measured lists of one method, by cut.
struct Method {
    name: &'static str,
    lists: Vec<Vec<Listed>>,
    candidates: Vec<usize>,
}

/// Methods that rank the same candidates for the same users.
#[derive(Default)]
struct Contest(Vec<Method>);

impl Contest {
    /// Measures one method on one window.
    fn enter(
        &mut self,
        name: &'static str,
        takers: &[Taker],
        candidates: usize,
        mut scores: impl FnMut(&Taker) -> Vec<f64>,
    ) {
        let lists = takers.iter().map(|taker| measure(&scores(taker), &taker.wanted)).collect();
        let known = self.0.iter().position(|method| method.name == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Method { name, lists: Vec::new(), candidates: Vec::new() });
            self.0.len() - 1
        });
        self.0[at].lists.push(lists);
        self.0[at].candidates.push(candidates);
    }

    /// The served order against the best of the other ways.
    fn against_best(&self) -> Option<Against> {
        let ndcg = |method: &Method| method.lists.iter().flatten().map(|list| list.ndcg).collect::<Vec<f64>>();
        let served = self.0.iter().find(|method| method.name == SERVED).map(ndcg)?;
        let others =
            self.0.iter().filter(|method| !OURS.contains(&method.name)).map(|method| (method.name, ndcg(method)));
        let (method, best) = others.max_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1)))?;
        Some(Against { method, ratio: Bootstrap::of(best.len()).ratio(&served, &best) })
    }

    fn rows(&self) -> Vec<Row> {
        let all =
            |method: &Method, of: fn(&Listed) -> f64| -> Vec<f64> { method.lists.iter().flatten().map(of).collect() };
        let ndcg = |method: &Method| all(method, |list| list.ndcg);
        let base = self.0.iter().find(|method| method.name == TFIDF).map(ndcg).unwrap_or_default();
        let samples = Bootstrap::of(base.len());
        let by_cut: Vec<Bootstrap> = self
            .0
            .first()
            .into_iter()
            .flat_map(|method| &method.lists)
            .map(|lists| Bootstrap::of(lists.len()))
            .collect();
        let row = |method: &Method| {
            let covered = method.lists.iter().zip(&method.candidates).map(|(lists, candidates)| {
                let shown: BTreeSet<usize> = lists.iter().flat_map(|list| list.shown.iter().copied()).collect();
                shown.len() as f64 / (*candidates).max(1) as f64
            });
            Row {
                method: method.name,
                ndcg_at_20: samples.estimate(&ndcg(method)),
                recall_at_20: samples.estimate(&all(method, |list| list.recall)),
                mrr: samples.estimate(&all(method, |list| list.reciprocal_rank)),
                coverage: mean(&covered.collect::<Vec<f64>>()),
                ratio_to_tfidf: samples.ratio(&ndcg(method), &base),
                by_cut: method
                    .lists
                    .iter()
                    .zip(&by_cut)
                    .map(|(lists, samples)| samples.estimate(&lists.iter().map(|list| list.ndcg).collect::<Vec<f64>>()))
                    .collect(),
            }
        };
        self.0.iter().map(row).collect()
    }
}

const FLOAT: &str = "float, before rounding";
/// The ways that are ours, the others being measured beside them.
const OURS: [&str; 5] = [FLOAT, SERVED, MIXED, LIVE, LIVE_HOURS];
const TFIDF: &str = "TF-IDF profile";
const SERVED: &str = "served, 64 bytes";
const MIXED: &str = "served, mixed";
const LIVE: &str = "served with live counts";
/// Live counts with the terms of broadcasts: half-life six hours, window one day.
const LIVE_HOURS: &str = "live counts of a day";

/// Evaluates rankings on `options.data`.
///
/// # Errors
/// [`Error`] if the data can't be read, or there is nothing to rank.
pub async fn ranking(options: &Options) -> Result<Report, Error> {
    let mut named = options.cuts.clone();
    // Keeps the staged tables until the end.
    let (_tables, context, shop) = match &options.data {
        Data::Tables(tables, now) => {
            let (history, shop) = operator::shop(tables, *now).await?;
            let context = history.context().clone();
            (Some(history), context, shop)
        }
        Data::Log { mapping, input, engine } => {
            if named.is_empty() {
                named = mapping.days()?;
            }
            let context = engine::open(engine)?;
            let shop = mapping.shop(&context, input).await?;
            (None, context, shop)
        }
    };
    let is_named = !named.is_empty();
    let cuts_at = if is_named { named } else { last_cuts(&shop) };
    let steps = options.progress.start("windows", Unit::Items, cuts_at.len() as u64);
    let (mut new, mut known, mut cuts) = (Contest::default(), Contest::default(), Vec::new());
    let mut bytes_per_user = 0;
    let last = cuts_at.last().copied().unwrap_or(UnixMillis(0));
    for cut in cuts_at {
        let window = shop.window(cut, options.half_life_days);
        if window.new_takers.is_empty() {
            // Of the last windows, those before the first events have nothing to tell.
            if is_named || (cut == last && cuts.is_empty()) {
                return Err(Error::NothingNew { cut });
            }
            continue;
        }
        peer::enter(&shop, &window, &mut new, &mut known);
        let served = served::Served::learn(&context, &shop, &window, cut, options).await?;
        bytes_per_user = served.bytes_per_user;
        cuts.push(CutReport {
            cut: cut.to_string(),
            users: window.users.len(),
            new_items: window.new.len(),
            new_buyers: window.new_takers.len(),
            known_items: window.known.len(),
            known_buyers: window.known_takers.len(),
            tuning: served.learned.report.tuning.clone(),
        });
        enter_ours(&served, &shop, &window, &mut new, &mut known)?;
        steps.advance(1);
    }
    let (new_against_best, known_against_best) = (new.against_best(), known.against_best());
    let (new, known) = (new.rows(), known.rows());
    let find = |rows: &[Row], name| rows.iter().find(|row: &&Row| row.method == name).cloned();
    let (served, live) = (find(&new, SERVED), find(&new, LIVE));
    let ndcg = |row: &Option<Row>| row.as_ref().map_or(0.0, |row| row.ndcg_at_20.mean);
    let ratio = |row: &Option<Row>| row.as_ref().map_or(Estimate::default(), |row| row.ratio_to_tfidf);
    Ok(Report {
        ndcg_at_20: ndcg(&served),
        ratio_to_tfidf: ratio(&served).mean,
        ratio_to_tfidf_low: ratio(&served).low,
        live_ndcg_at_20: ndcg(&live),
        live_ratio_to_tfidf: ratio(&live).mean,
        live_ratio_to_tfidf_low: ratio(&live).low,
        new_against_best,
        known_against_best,
        mixed_cost: 1.0 - ndcg(&find(&new, MIXED)) / ndcg(&served).max(f64::MIN_POSITIVE),
        known_ndcg_at_20: ndcg(&find(&known, SERVED)),
        vector_bytes: taste::DIMS,
        bytes_per_user,
        set_aside: shop.set_aside,
        cuts,
        new,
        known,
        source: shop.source,
    })
}

/// The last cuts of the data, each a window before the next; the last window ends with the last
/// act.
fn last_cuts(shop: &Shop) -> Vec<UnixMillis> {
    let end = shop.log.acts.iter().map(|act| act.at).max().unwrap_or(0);
    let end = UnixMillis(end).floor(DAY_MS).plus(DAY_MS);
    (1..=LAST_CUTS).rev().map(|before| end.plus(-before * WINDOW_DAYS * DAY_MS)).collect()
}

fn enter_ours(
    served: &served::Served,
    shop: &Shop,
    window: &Window,
    new: &mut Contest,
    known: &mut Contest,
) -> Result<(), Error> {
    let (takers, count) = (&window.new_takers, window.new.len());
    new.enter(FLOAT, takers, count, |taker| served.float_scores(taker.row, &window.new));
    new.enter(SERVED, takers, count, |taker| served.scores(taker, &window.new, None));
    new.enter(MIXED, takers, count, |taker| served.mixed(window, taker));
    for (method, terms) in [(LIVE, served::WEEKS), (LIVE_HOURS, Terms::default())] {
        let pulses = served::pulses(shop, window, terms)?;
        new.enter(method, takers, count, |taker| served.scores(taker, &window.new, pulses.get(&taker.came_at)));
    }
    let (takers, count) = (&window.known_takers, window.known.len());
    known.enter(FLOAT, takers, count, |taker| window.untaken(taker, served.float_scores(taker.row, &window.known)));
    known.enter(SERVED, takers, count, |taker| window.untaken(taker, served.scores(taker, &window.known, None)));
    Ok(())
}

#[cfg(test)]
mod tests;
