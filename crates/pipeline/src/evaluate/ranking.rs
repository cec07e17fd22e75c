//! `sinsang evaluate ranking`: how well tastes rank real purchases.
//!
//! The purchases before a cut are learned from, and those of the 30 days after it are ranked: *new*
//! items, never sold before the cut, and *known* ones that the user had not bought before. Served
//! scores take the whole path: learned as by `sinsang build`, rounded to bytes, written into packs,
//! read by the edge's reader and scored by `sinsang_core::rank`. `docs/measurements/ranking.md` has
//! the tables.

#![expect(clippy::cast_precision_loss, reason = "counts and whole scores are far below 2^52")]

mod metric;
mod peer;
mod purchase;
mod served;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use datafusion::error::DataFusionError;
use metric::{Bootstrap, Listed};
use serde::Serialize;
use sinsang_core::pack::{Damage, TooLarge};
use sinsang_core::pulse::Terms;
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::{Progress, Unit};

use crate::engine;
use crate::learn::taste;
pub use metric::{DEPTH, Estimate};
pub use purchase::WINDOW_DAYS;
use purchase::{Buyer, Purchases, Window};

/// The cuts of the report.
pub const CUTS: [&str; 3] = ["2010-09-01", "2011-06-01", "2011-09-01"];
/// The source of the data.
const SOURCE: &str = "UCI Online Retail II, Daqing Chen, doi 10.24432/C5CG6D, CC BY 4.0";

/// The inputs of the evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// UCI Online Retail II as one Parquet file.
    pub retail: PathBuf,
    /// The cuts, at midnight in the file's time zone.
    pub cuts: Vec<UnixMillis>,
    /// The engine's memory and parallelism.
    pub engine: engine::Options,
    /// The progress display.
    pub progress: Progress,
}

/// Why the evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine can't start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The file can't be read.
    #[error("{}: {source}; expected UCI Online Retail II with the columns invoice, item_id, title, qty, ts, price, user_id", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The engine's error.
        source: Box<DataFusionError>,
    },
    /// No user known before the cut bought a new item after it.
    #[error(
        "no user known before {cut} bought an item that was new in the {WINDOW_DAYS} days after: choose another cut"
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
    /// Users who bought a new item.
    pub new_buyers: usize,
    /// Number of known items.
    pub known_items: usize,
    /// Users who bought a known item for the first time.
    pub known_buyers: usize,
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
    /// The share of the NDCG of new items lost to mixing with its defaults.
    pub mixed_cost: f64,
    /// NDCG@20 of known items, served.
    pub known_ndcg_at_20: f64,
    /// Bytes of a user's vector.
    pub vector_bytes: usize,
    /// Bytes of a user in a shard of this run: key, vector and weights.
    pub bytes_per_user: usize,
    /// The counts by cut.
    pub cuts: Vec<CutReport>,
    /// Methods on new items.
    pub new: Vec<Row>,
    /// Methods on known items.
    pub known: Vec<Row>,
    /// The source of the data.
    pub source: &'static str,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cut in &self.cuts {
            let CutReport { cut, users, new_items, new_buyers, known_items, known_buyers } = cut;
            writeln!(
                f,
                "{cut}: {users} users; {new_items} new items for {new_buyers}, {known_items} known for {known_buyers}"
            )?;
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
        writeln!(f, "\nvector {} bytes, {} bytes a user in a shard", self.vector_bytes, self.bytes_per_user)?;
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
        buyers: &[Buyer],
        candidates: usize,
        mut scores: impl FnMut(&Buyer) -> Vec<f64>,
    ) {
        let lists = buyers.iter().map(|buyer| metric::measure(&scores(buyer), &buyer.bought)).collect();
        let known = self.0.iter().position(|method| method.name == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Method { name, lists: Vec::new(), candidates: Vec::new() });
            self.0.len() - 1
        });
        self.0[at].lists.push(lists);
        self.0[at].candidates.push(candidates);
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
                coverage: metric::mean(&covered.collect::<Vec<f64>>()),
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

const TFIDF: &str = "TF-IDF profile";
const SERVED: &str = "served, 64 bytes";
const MIXED: &str = "served, mixed";
const LIVE: &str = "served with live counts";
/// Live counts with the terms of broadcasts: half-life six hours, window one day.
const LIVE_HOURS: &str = "live counts of a day";

/// Evaluates rankings on the purchases of `options.retail`.
///
/// # Errors
/// [`Error`] if the file can't be read, or there is nothing to rank.
pub async fn ranking(options: &Options) -> Result<Report, Error> {
    let context = engine::open(&options.engine)?;
    let purchases = Purchases::read(&context, &options.retail).await?;
    let registered = purchases.register_products(&context);
    registered.map_err(|source| Error::Read { path: options.retail.clone(), source: Box::new(source) })?;
    let steps = options.progress.start("windows", Unit::Items, options.cuts.len() as u64);
    let (mut new, mut known, mut cuts) = (Contest::default(), Contest::default(), Vec::new());
    let mut bytes_per_user = 0;
    for cut in &options.cuts {
        let window = purchases.window(*cut);
        if window.new_buyers.is_empty() {
            return Err(Error::NothingNew { cut: *cut });
        }
        cuts.push(CutReport {
            cut: cut.to_string(),
            users: window.users.len(),
            new_items: window.new.len(),
            new_buyers: window.new_buyers.len(),
            known_items: window.known.len(),
            known_buyers: window.known_buyers.len(),
        });
        peer::enter(&purchases, &window, &mut new, &mut known);
        let served = served::Served::learn(&context, &purchases, &window).await?;
        bytes_per_user = served.bytes_per_user;
        enter_ours(&served, &window, &mut new, &mut known)?;
        steps.advance(1);
    }
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
        mixed_cost: 1.0 - ndcg(&find(&new, MIXED)) / ndcg(&served).max(f64::MIN_POSITIVE),
        known_ndcg_at_20: ndcg(&find(&known, SERVED)),
        vector_bytes: taste::DIMS,
        bytes_per_user,
        cuts,
        new,
        known,
        source: SOURCE,
    })
}

fn enter_ours(served: &served::Served, window: &Window, new: &mut Contest, known: &mut Contest) -> Result<(), Error> {
    let (buyers, count) = (&window.new_buyers, window.new.len());
    new.enter("float, before rounding", buyers, count, |buyer| served.float_scores(buyer.row, &window.new));
    new.enter(SERVED, buyers, count, |buyer| served.scores(window, buyer, &window.new, None));
    new.enter(MIXED, buyers, count, |buyer| served.mixed(window, buyer));
    for (method, terms) in [(LIVE, served::WEEKS), (LIVE_HOURS, Terms::default())] {
        let pulses = served::pulses(window, terms)?;
        new.enter(method, buyers, count, |buyer| served.scores(window, buyer, &window.new, pulses.get(&buyer.came_at)));
    }
    let (buyers, count) = (&window.known_buyers, window.known.len());
    known.enter("float, before rounding", buyers, count, |buyer| {
        window.unbought(buyer, served.float_scores(buyer.row, &window.known))
    });
    known.enter(SERVED, buyers, count, |buyer| {
        window.unbought(buyer, served.scores(window, buyer, &window.known, None))
    });
    Ok(())
}

impl Window {
    /// The scores of known items, with earlier purchases of the buyer excluded.
    fn unbought(&self, buyer: &Buyer, mut scores: Vec<f64>) -> Vec<f64> {
        let before: BTreeSet<usize> = self.profiles.row(buyer.row).map(|(item, _)| item).collect();
        for (score, item) in scores.iter_mut().zip(&self.known) {
            if before.contains(item) {
                *score = f64::NEG_INFINITY;
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests;
