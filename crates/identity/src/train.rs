//! `sinsang identity train`: fits a matcher to a labelled schedule and cross-validates it.

mod fit;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use fit::Row;
use serde::Serialize;
use sinsang_core::verdict::VerdictKind;
use xxhash_rust::xxh3::xxh3_64;

use crate::correction::Corrections;
use crate::evaluate::{self, Confusion, Measured, wilson};
use crate::identity::matcher::{self, Matcher, Model};
use crate::identity::{Day, Listing, Offer, Policy, Statistics, features};
use crate::label::{self, Pair, Places, Read, Rows, TitlePair};
use crate::listing::{Features, Lexicon};
use crate::verdict::CENSORED_REVIEWS;

/// Folds of cross-validation. Labels are split by product; each fold is judged by a matcher fitted
/// to the others.
const FOLDS: u64 = 5;
/// Weight of a near-miss without a label: an earlier listing similar to a really new one.
const UNSEEN: f64 = 0.5;
/// Weight of siblings after the clearest, and of other listings shown to the reader of a repeat.
const BESIDE: f64 = 0.7;
/// Weight of a title pair from outside the schedule, compared alone.
const TITLES: f64 = 3.0;
/// Weight of its other copies: without data beside the titles, and in a history of its file's
/// titles.
const TITLES_COUNTED: f64 = 0.7;
/// Tried thresholds of "same".
const SAME_AT: [f64; 6] = [0.25, 0.3, 0.35, 0.4, 0.45, 0.5];

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The labels can't be read.
    #[error(transparent)]
    Labels(#[from] label::Error),
    /// All labels are the same.
    #[error("{same} labels `same` and {different} labels `different`; training needs both kinds in each fold")]
    OneSided {
        /// Labels of one product.
        same: usize,
        /// Labels of two products.
        different: usize,
    },
    /// The optimiser failed.
    #[error("can't fit the weights: {0}")]
    Search(#[from] argmin::core::Error),
    /// The fitted matcher is unusable.
    #[error(transparent)]
    Matcher(#[from] matcher::Error),
}

/// Results for one threshold of "same".
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtProbability {
    /// The threshold.
    pub same_at: f64,
    /// The results.
    #[serde(flatten)]
    pub measured: Measured,
}

/// The new tab's results on labelled listings with few reviews, for one threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Listings with a lower probability of having aired are called new.
    pub new_below: f64,
    /// Share of truly new listings among those called new.
    pub precision: evaluate::Share,
    /// Share of new listings that are called new.
    pub shown: evaluate::Share,
}

/// A fitted matcher's training data and cross-validated results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The label files with their row counts.
    pub labels: Vec<(PathBuf, Rows)>,
    /// Training pairs by source: their number, and how many are one product.
    pub rows: BTreeMap<&'static str, [u32; 2]>,
    /// Number of folds; they are split by product.
    pub folds: u64,
    /// Weighted mean negative log-likelihood of all training pairs.
    pub log_loss: f64,
    /// Results on the labelled pairs, each compared alone.
    pub pairs: Vec<AtProbability>,
    /// Results on title pairs from outside the schedule.
    pub titles: Vec<AtProbability>,
    /// Results on the same pairs in a history of their own.
    pub titles_counted: Vec<AtProbability>,
    /// Results on the labelled pairs, by the products of whole runs. Each fold's pairs are judged
    /// by a run with the matcher fitted to the other folds.
    pub products: Vec<AtProbability>,
    /// `products`, on pairs across shops only.
    pub across_shops: Vec<AtProbability>,
    /// `products`, on the draw `hard` only: pairs that differ in a word or two.
    pub hard: Vec<AtProbability>,
    /// Results for listings of the draw `random`, or for all if there are none.
    pub verdicts: Vec<Shown>,
    /// Calibration of the predicted probabilities.
    pub reliability: Vec<evaluate::Bin>,
    /// The written matcher file.
    pub output: PathBuf,
}

/// A labelled pair with its features.
struct Sample {
    row: Row,
    source: &'static str,
    /// Its fold.
    fold: u64,
}

/// Union-find of listings that labels call one product.
struct Groups(Vec<usize>);

impl Groups {
    fn root(&mut self, mut at: usize) -> usize {
        while let Some(&up) = self.0.get(at) {
            if up == at {
                break;
            }
            let above = self.0.get(up).copied().unwrap_or(up);
            if let Some(place) = self.0.get_mut(at) {
                *place = above;
            }
            at = above;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(place) = self.0.get_mut(a.max(b)) {
            *place = a.min(b);
        }
    }

    /// A listing's fold, hashed from its product's root listing.
    fn fold(&mut self, listings: &[Listing], at: usize) -> u64 {
        let root = self.root(at);
        listings.get(root).map_or(0, |first| xxh3_64(format!("{}:{}", first.shop, first.listing_id).as_bytes()) % FOLDS)
    }
}

/// A cross-validated probability with the truth.
type Told = (f64, bool);

/// Label files.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Pairs of the schedule's listings (docs/identity.md).
    pub pairs: PathBuf,
    /// Listings of the schedule that were new or had aired.
    pub verdicts: Option<PathBuf>,
    /// Title pairs from outside the schedule.
    pub titles: Vec<PathBuf>,
}

/// Fits a matcher to `labels` of the schedule's `listings`, resolved without a ledger, and to the
/// policy's corrections. The evaluation ignores corrections; otherwise it would measure the people
/// who made them.
///
/// The same input gives a bit-identical matcher.
///
/// # Errors
/// [`enum@Error`] if labels can't be read or are too few.
pub fn train(listings: &[Listing], policy: &Policy, labels: &Labels) -> Result<(Matcher, Report), Error> {
    let Labels { pairs, verdicts, titles } = labels;
    let corrections = Arc::clone(&policy.corrections);
    let policy = &Policy { corrections: Arc::default(), ..policy.clone() };
    let places = Places::new(listings.iter().map(|listing| (listing.shop.as_str(), listing.listing_id.as_str())));
    let (pair_rows, labelled) = label::pairs(pairs, &places)?;
    let (verdict_rows, read) =
        verdicts.as_ref().map(|path| label::verdicts(path, &places)).transpose()?.unwrap_or_default();
    let mut labels = vec![(pairs.clone(), pair_rows)];
    labels.extend(verdicts.clone().map(|path| (path, verdict_rows)));
    let statistics = Statistics::default();
    let mut day = Day::read(listings, policy, &statistics);
    let mut groups = Groups((0..listings.len()).collect());
    for pair in labelled.iter().filter(|pair| pair.same) {
        groups.join(pair.listings[0], pair.listings[1]);
    }
    for row in &read {
        for &sibling in &row.siblings {
            groups.join(row.listing, sibling);
        }
    }
    let corrected = Corrected::new(&corrections, listings);
    for &(pair, _) in corrected.pairs.iter().filter(|(_, same)| *same) {
        groups.join(pair[0], pair[1]);
    }
    let wanted: Vec<usize> = read.iter().map(|row| row.listing).collect();
    let earlier = day.earlier(&wanted);
    let mut samples = Samples { day: &day, listings, groups: &mut groups, known: BTreeSet::new(), found: Vec::new() };
    // The first statement about a pair counts.
    samples.add_corrected(&corrected);
    for pair in &labelled {
        samples.add_pair(pair);
    }
    for (row, earlier) in read.iter().zip(&earlier) {
        samples.add_read(row, earlier);
    }
    let mut samples = samples.found;
    for path in titles {
        let (rows, pairs) = label::titles(path)?;
        samples.extend(of_titles(&pairs, policy));
        labels.push((path.clone(), rows));
    }

    let mut told: Vec<Told> = vec![(0.0, false); samples.len()];
    let mut runs = SAME_AT.map(|_| [Confusion::default(); 3]);
    let mut likest: Vec<(f64, &Read)> = Vec::new();
    // Each fold's policies, one per threshold, with the matcher fitted to the other folds.
    let folds: Vec<[Policy; SAME_AT.len()]> = (0..FOLDS)
        .map(|fold| {
            let matcher = fit::fit(samples.iter().filter(|sample| sample.fold != fold).map(|sample| &sample.row))?;
            let matcher = Arc::new(matcher);
            Ok(SAME_AT.map(|same_at| Policy { same_at, matcher: Arc::clone(&matcher), ..policy.clone() }))
        })
        .collect::<Result<_, Error>>()?;
    for (fold, policies) in (0..FOLDS).zip(&folds) {
        let matcher = Arc::clone(&policies[0].matcher);
        for (sample, told) in samples.iter().zip(&mut told).filter(|(sample, _)| sample.fold == fold) {
            *told = (matcher.probability(&sample.row.values), sample.row.same);
        }
        for (resolved, run) in day.resolve_by(policies).into_iter().zip(&mut runs) {
            let resolved = resolved.listings;
            for pair in labelled.iter().filter(|pair| groups.fold(listings, pair.listings[0]) == fold) {
                let [a, b] = pair.listings.map(|at| resolved.get(at).map(|resolved| resolved.product));
                let shop = |at: usize| listings.get(at).map(|listing| &listing.shop);
                let [all, across, hard] = run;
                all.add(pair.same, a == b);
                if shop(pair.listings[0]) != shop(pair.listings[1]) {
                    across.add(pair.same, a == b);
                }
                if pair.draw == "hard" {
                    hard.add(pair.same, a == b);
                }
            }
        }
        for (row, earlier) in read.iter().zip(&earlier) {
            if groups.fold(listings, row.listing) == fold && !row.is_twin {
                let of = |&other: &usize| day.features(row.listing, other).map(|values| matcher.probability(&values));
                likest.push((earlier.iter().filter_map(of).fold(0.0, f64::max), row));
            }
        }
    }
    let drawn = label::drawn_by_lot(&read);
    let few = |row: &Read| {
        listings
            .get(row.listing)
            .and_then(|listing| listing.review_count)
            .is_none_or(|reviews| reviews < CENSORED_REVIEWS)
    };
    likest.retain(|(_, row)| drawn(row) && few(row));
    let judged: Vec<Told> = likest.iter().map(|(probability, row)| (*probability, !row.is_new)).collect();
    let whole = fit::fit(samples.iter().map(|sample| &sample.row))?;
    // Without listings of both kinds there is nothing to calibrate.
    let is_of_both = judged.iter().any(|told| told.1) && judged.iter().any(|told| !told.1);
    let aired = if is_of_both { fit::calibrate(&judged)? } else { whole.model().aired };
    let matcher = Matcher::new(Model { aired, ..whole.model().clone() })?;
    let judged: Vec<Told> = judged.iter().map(|&(probability, aired)| (matcher.aired(probability), aired)).collect();
    let of_runs = |which: usize| -> Vec<AtProbability> {
        let measured = |run: &[Confusion; 3]| run.get(which).copied().unwrap_or_default().into();
        SAME_AT.iter().zip(&runs).map(|(&same_at, run)| AtProbability { same_at, measured: measured(run) }).collect()
    };
    let [products, across_shops, hard] = [0, 1, 2].map(of_runs);
    Ok((matcher, Report { labels, products, across_shops, hard, ..report(&samples, &told, &judged) }))
}

/// Corrections as labels, by index of listing.
#[derive(Default)]
struct Corrected {
    /// Pairs; `true` means one product.
    pairs: Vec<([usize; 2], bool)>,
    /// Listings that had not aired before.
    new: Vec<usize>,
}

impl Corrected {
    fn new(corrections: &Corrections, listings: &[Listing]) -> Self {
        let mut places: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (at, listing) in listings.iter().enumerate() {
            places.entry((&listing.shop, &listing.listing_id)).or_default().push(at);
        }
        // Skips a code used for several things, because the intended one is unknown.
        let place = |name: (&str, &str)| match places.get(&name).map(Vec::as_slice) {
            Some(&[at]) => Some(at),
            _ => None,
        };
        let pairs = corrections.pairs();
        let pairs = pairs.iter().filter_map(|&([a, b], same)| Some(([place(a)?, place(b)?], same)));
        let new = corrections.verdicts().filter(|(_, kind)| *kind == VerdictKind::New);
        Self { pairs: pairs.collect(), new: new.filter_map(|(name, _)| place(name)).collect() }
    }
}

struct Samples<'s, 'd> {
    day: &'s Day<'d>,
    listings: &'s [Listing],
    groups: &'s mut Groups,
    /// Known pairs, lower index first.
    known: BTreeSet<[usize; 2]>,
    found: Vec<Sample>,
}

impl Samples<'_, '_> {
    fn add(&mut self, pair: [usize; 2], same: bool, weight: f64, source: &'static str) {
        let [a, b] = pair;
        if a == b || !self.known.insert([a.min(b), a.max(b)]) {
            return;
        }
        if let Some(values) = self.day.features(a, b) {
            let fold = self.groups.fold(self.listings, a);
            self.found.push(Sample { row: Row { values, same, weight }, source, fold });
        }
    }

    fn add_corrected(&mut self, corrected: &Corrected) {
        for &(pair, same) in &corrected.pairs {
            self.add(pair, same, 1.0, "corrected pairs");
        }
        for (&listing, earlier) in corrected.new.iter().zip(self.day.earlier(&corrected.new)) {
            for other in earlier {
                self.add([listing, other], false, UNSEEN, "near-misses of listings corrected to new");
            }
        }
    }

    fn add_pair(&mut self, pair: &Pair) {
        self.add(pair.listings, pair.same, pair.sureness, "labelled pairs");
    }

    fn add_read(&mut self, row: &Read, earlier: &[usize]) {
        if row.is_new {
            for &other in &row.seen {
                self.add([row.listing, other], false, row.sureness, "near-misses of new listings");
            }
            for &other in earlier.iter().filter(|_| !row.is_twin) {
                self.add([row.listing, other], false, row.sureness * UNSEEN, "near-misses that nobody read");
            }
            return;
        }
        for (place, &sibling) in row.siblings.iter().enumerate() {
            let weight = if place == 0 { 1.0 } else { BESIDE };
            self.add([row.listing, sibling], true, row.sureness * weight, "siblings of repeats");
        }
        // Readers of a random draw recorded only the clearest siblings, so a listing that they
        // omitted may be a sibling too.
        if row.draw != "random" {
            for &other in row.seen.iter().filter(|other| !row.siblings.contains(other)) {
                self.add([row.listing, other], false, row.sureness * BESIDE, "near-misses of repeats");
            }
        }
    }
}

/// Three samples per title pair: alone, alone without price and brand, and in a history of all
/// pairs. Only the last has word counts.
fn of_titles(pairs: &[TitlePair], policy: &Policy) -> Vec<Sample> {
    let (lexicon, statistics, listings) =
        (Lexicon::new(&policy.words), Statistics::default(), label::as_history(pairs));
    let day = Day::read(&listings, policy, &statistics);
    let mut samples = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        let [a, b] = pair.read(&lexicon);
        let alone = features((&a.0, a.1), (&b.0, b.1), policy);
        // Titles in one file with the same first word share a brand or family.
        let family = pair.titles[0].split_whitespace().next().unwrap_or_default();
        let fold = xxh3_64(family.as_bytes()) % FOLDS;
        let mut add = |values, weight, source| {
            samples.push(Sample { row: Row { values, same: pair.same, weight }, source, fold });
        };
        add(alone, TITLES, "title pairs");
        // Titles without any other data.
        let [a, b] = pair.titles.each_ref().map(|title| Features::read(title, None, None, &lexicon));
        let bare = features((&a, Offer::default()), (&b, Offer::default()), policy);
        add(bare, TITLES_COUNTED, "title pairs with nothing beside them");
        if let Some(values) = day.features(2 * at, 2 * at + 1) {
            add(values, TITLES_COUNTED, "title pairs in a history of their own");
        }
    }
    samples
}

fn report(samples: &[Sample], told: &[Told], judged: &[Told]) -> Report {
    let mut rows: BTreeMap<&'static str, [u32; 2]> = BTreeMap::new();
    for sample in samples {
        let counts = rows.entry(sample.source).or_default();
        counts[0] += 1;
        counts[1] += u32::from(sample.row.same);
    }
    let weights: f64 = samples.iter().map(|sample| sample.row.weight).sum();
    let loss = samples.iter().zip(told).map(|(sample, &(probability, same))| {
        let of_truth = if same { probability } else { 1.0 - probability };
        -sample.row.weight * of_truth.max(1e-12).ln()
    });
    let at = |source: &str| {
        let of: Vec<&Told> =
            samples.iter().zip(told).filter(|(it, _)| it.source == source).map(|(_, told)| told).collect();
        SAME_AT.map(|same_at| {
            let mut confusion = Confusion::default();
            for (probability, same) in &of {
                confusion.add(*same, *probability >= same_at);
            }
            AtProbability { same_at, measured: confusion.into() }
        })
    };
    let count = |wanted: &dyn Fn(&Told) -> bool| {
        u32::try_from(judged.iter().filter(|told| wanted(told)).count()).unwrap_or(u32::MAX)
    };
    let verdicts = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6].map(|new_below| {
        let called = count(&|told| told.0 < new_below);
        let right = count(&|told| told.0 < new_below && !told.1);
        Shown { new_below, precision: wilson(right, called), shown: wilson(right, count(&|told| !told.1)) }
    });
    Report {
        labels: Vec::new(),
        rows,
        folds: FOLDS,
        log_loss: loss.sum::<f64>() / weights,
        pairs: at("labelled pairs").into(),
        titles: at("title pairs").into(),
        titles_counted: at("title pairs in a history of their own").into(),
        products: Vec::new(),
        across_shops: Vec::new(),
        hard: Vec::new(),
        verdicts: if judged.is_empty() { Vec::new() } else { verdicts.into() },
        reliability: evaluate::reliability(judged),
        output: PathBuf::new(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, rows) in &self.labels {
            writeln!(f, "{}: {rows}", path.display())?;
        }
        for (source, [rows, same]) in &self.rows {
            writeln!(f, "{rows:>6} {source}, {same} of the same product")?;
        }
        writeln!(f, "cross-validation by product in {} folds, log loss {:.4}", self.folds, self.log_loss)?;
        for (title, rows) in [
            ("labelled pairs, each alone", &self.pairs),
            ("title pairs, each alone", &self.titles),
            ("title pairs, each in a history of its file", &self.titles_counted),
            ("labelled pairs, by the products of full runs", &self.products),
            ("of these, pairs across shops", &self.across_shops),
            ("of these, pairs that differ in a word or two", &self.hard),
        ] {
            writeln!(f, "\n{:>8} {:>9} {:>7} {:>6} {:>7}   {title}", "same at", "precision", "recall", "f1", "merged")?;
            for AtProbability { same_at, measured } in rows {
                let Measured { precision, recall, f1, merged, .. } = measured;
                let shares = [precision, recall, f1, merged].map(|share| evaluate::percent(*share));
                let [precision, recall, f1, merged] = shares;
                writeln!(f, "{same_at:>8.2} {precision:>9} {recall:>7} {f1:>6} {merged:>7}")?;
            }
        }
        if !self.verdicts.is_empty() {
            writeln!(
                f,
                "\n{:>9} {:<21} {:<21} listings with few reviews",
                "new below", "precision of new", "new ones shown"
            )?;
        }
        for Shown { new_below, precision, shown } in &self.verdicts {
            writeln!(f, "{new_below:>9.2} {precision:<21} {shown:<21}")?;
        }
        evaluate::write_reliability(f, &self.reliability)?;
        write!(f, "\nmatcher written to {}", self.output.display())
    }
}
