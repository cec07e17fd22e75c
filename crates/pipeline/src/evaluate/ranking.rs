//! How well tastes rank on real purchases: `sinsang evaluate ranking`.
//!
//! What was bought before a cut is learned from, and what was bought in the 30 days after it is ranked: *new* items, never sold before the
//! cut, and *known* ones that the user had not bought before. Served scores go the whole way: learned as `sinsang build` learns, rounded to
//! bytes, written into packs, read by the edge's own reader and scored by `sinsang_core::rank`. `docs/measurements/ranking.md` has the tables.

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

/// Where the cuts of the report lie.
pub const CUTS: [&str; 3] = ["2010-09-01", "2011-06-01", "2011-09-01"];
/// Where the figures are from.
const SOURCE: &str = "UCI Online Retail II, Daqing Chen, doi 10.24432/C5CG6D, CC BY 4.0";

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Options {
    /// UCI Online Retail II as one Parquet file.
    pub retail: PathBuf,
    /// The cuts, at midnight of the file's clock.
    pub cuts: Vec<UnixMillis>,
    /// What the engine may use.
    pub engine: engine::Options,
    /// Whether to show how far it has come.
    pub progress: Progress,
}

/// Why there is no evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The file can't be read.
    #[error("{}: {source}; it should be UCI Online Retail II with invoice, item_id, title, qty, ts, price, user_id", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        source: Box<DataFusionError>,
    },
    /// Nobody known before the cut bought a new item after it.
    #[error(
        "nobody known before {cut} bought an item that was new in the {WINDOW_DAYS} days after: choose another cut"
    )]
    NothingNew {
        /// The cut.
        cut: UnixMillis,
    },
    /// Tastes can't be learned.
    #[error(transparent)]
    Taste(#[from] taste::Error),
    /// A pack is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A pack that was written does not read back.
    #[error("a pack does not read back: {0}")]
    Damaged(#[from] Damage),
}

/// One way to rank, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The way.
    pub method: &'static str,
    /// NDCG of the first [`DEPTH`].
    pub ndcg_at_20: Estimate,
    /// The share of what was bought that stands among the first [`DEPTH`].
    pub recall_at_20: Estimate,
    /// The mean of one by the place of the first that was bought.
    pub mrr: Estimate,
    /// The share of candidates that stand among the first [`DEPTH`] for anybody, meaned over cuts.
    pub coverage: f64,
    /// NDCG against that of the TF-IDF profile, over the same users.
    pub ratio_to_tfidf: Estimate,
    /// NDCG by cut.
    pub by_cut: Vec<Estimate>,
}

/// One cut.
#[derive(Clone, Debug, Serialize)]
pub struct CutReport {
    /// Its time.
    pub cut: String,
    /// Users known before it.
    pub users: usize,
    /// Candidates and users of the new and the known items.
    pub new_items: usize,
    /// Users who bought one of them.
    pub new_buyers: usize,
    /// Known items.
    pub known_items: usize,
    /// Users who bought one that they had not bought before.
    pub known_buyers: usize,
}

/// The tables.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of new items, served, over all cuts.
    pub ndcg_at_20: f64,
    /// Against the TF-IDF profile of the same run.
    pub ratio_to_tfidf: f64,
    /// The lower end of that ratio's 95 % interval.
    pub ratio_to_tfidf_low: f64,
    /// The same with live counts.
    pub live_ndcg_at_20: f64,
    /// Against the TF-IDF profile, which has none.
    pub live_ratio_to_tfidf: f64,
    /// The lower end of that ratio's 95 % interval.
    pub live_ratio_to_tfidf_low: f64,
    /// The share of the NDCG of new items that mixing costs at its defaults.
    pub mixed_cost: f64,
    /// Of known items, served.
    pub known_ndcg_at_20: f64,
    /// Bytes of a user's vector.
    pub vector_bytes: usize,
    /// Bytes of a user in a shard of this run: key, vector and weights.
    pub bytes_per_user: usize,
    /// The cuts.
    pub cuts: Vec<CutReport>,
    /// Ways to rank new items.
    pub new: Vec<Row>,
    /// Ways to rank known items.
    pub known: Vec<Row>,
    /// Where the figures are from.
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

/// The measured lists of one way to rank, by cut.
struct Method {
    name: &'static str,
    lists: Vec<Vec<Listed>>,
    candidates: Vec<usize>,
}

/// Ways to rank the same candidates for the same users.
#[derive(Default)]
struct Contest(Vec<Method>);

impl Contest {
    /// Measures one way on one window.
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
/// The same where they count as they do for broadcasts: half after six hours, and nothing after a day.
const LIVE_HOURS: &str = "live counts of a day";

/// Evaluates rankings on the purchases of `options.retail`.
///
/// # Errors
/// [`Error`] where the file can't be read, or nothing is there to rank.
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
    /// The scores of known items, without those that the buyer had bought before.
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
