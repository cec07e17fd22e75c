//! Precision and recall of "same" on labelled title pairs, compared with three baselines.

pub mod schedule;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::identity::{Policy, Sameness, Score, same};
use crate::label::{self, Error, TitlePair};
use crate::listing::Lexicon;

/// Counts of right and wrong answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Same, and answered so.
    pub true_same: u32,
    /// Different, answered "same".
    pub false_same: u32,
    /// Same, answered "different".
    pub false_different: u32,
    /// Different, and answered so.
    pub true_different: u32,
}

impl Confusion {
    pub(crate) fn add(&mut self, truth: bool, said: bool) {
        match (truth, said) {
            (true, true) => self.true_same += 1,
            (false, true) => self.false_same += 1,
            (true, false) => self.false_different += 1,
            (false, false) => self.true_different += 1,
        }
    }
}

/// A share from 0 to 1 with its 95 % Wilson interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The share; `None` if its denominator is 0.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} [{:.3}, {:.3}]", percent(self.value), self.low, self.high))
    }
}

/// Listings whose predicted probabilities of an earlier broadcast are in the same tenth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Their mean predicted probability.
    pub said: f64,
    /// The share that really aired before.
    pub aired: Share,
    /// Number of listings.
    pub listings: u32,
}

/// Calibration of predicted probabilities: bins `(probability, truth)` pairs by tenths of the
/// probability.
pub fn reliability(told: &[(f64, bool)]) -> Vec<Bin> {
    let bins = (0_u32..10).map(|tenth| {
        let (low, high) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
        let inside = told.iter().filter(move |told| told.0 >= low && (told.0 < high || tenth == 9));
        let (mut listings, mut aired, mut said) = (0, 0, 0.0);
        for &(probability, is_true) in inside {
            listings += 1;
            aired += u32::from(is_true);
            said += probability;
        }
        Bin { said: said / f64::from(listings.max(1)), aired: wilson(aired, listings), listings }
    });
    bins.filter(|bin| bin.listings > 0).collect()
}

pub(crate) fn write_reliability(f: &mut fmt::Formatter<'_>, bins: &[Bin]) -> fmt::Result {
    if !bins.is_empty() {
        writeln!(f, "\n{:>10} {:>8}  {:<21} earlier broadcasts", "predicted", "listings", "observed")?;
    }
    bins.iter().try_for_each(|Bin { said, aired, listings }| writeln!(f, "{said:>10.3} {listings:>8}  {aired:<21}"))
}

/// The share `hits` of `all` with its 95 % Wilson interval.
pub fn wilson(hits: u32, all: u32) -> Share {
    if all == 0 {
        return Share { value: None, low: 0.0, high: 1.0 };
    }
    let z = 1.959_963_984_540_054_f64;
    let (hits, all) = (f64::from(hits), f64::from(all));
    let share = hits / all;
    let scale = 1.0 + z * z / all;
    let centre = (share + z * z / (2.0 * all)) / scale;
    let half = z / scale * (share * (1.0 - share) / all + z * z / (4.0 * all * all)).sqrt();
    Share { value: Some(share), low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Quality of one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Share of truly same pairs among those answered "same".
    pub precision: Option<f64>,
    /// Share of same pairs answered "same".
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Share of different pairs answered "same".
    pub merged: Option<f64>,
    /// 95 % interval of the precision.
    pub precision_95: [f64; 2],
    /// 95 % interval of the recall.
    pub recall_95: [f64; 2],
    /// The underlying counts.
    pub confusion: Confusion,
}

impl From<Confusion> for Measured {
    fn from(confusion: Confusion) -> Self {
        let precision = wilson(confusion.true_same, confusion.true_same + confusion.false_same);
        let recall = wilson(confusion.true_same, confusion.true_same + confusion.false_different);
        let f1 = match (precision.value, recall.value) {
            (Some(p), Some(r)) if p + r > 0.0 => Some(2.0 * p * r / (p + r)),
            (None, None) => None,
            _ => Some(0.0),
        };
        Self {
            precision: precision.value,
            recall: recall.value,
            f1,
            merged: wilson(confusion.false_same, confusion.false_same + confusion.true_different).value,
            precision_95: [precision.low, precision.high],
            recall_95: [recall.low, recall.high],
            confusion,
        }
    }
}

/// Results for one class of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerClass {
    /// The class's name in the file.
    pub class: String,
    /// Labelled pairs.
    pub pairs: u32,
    /// Correct answers.
    pub right: u32,
    /// The underlying counts.
    pub confusion: Confusion,
}

/// A wrongly answered pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// Line of the file; the first data row is 2.
    pub line: u64,
    /// The class's name in the file.
    pub class: String,
    /// The true label.
    pub label: String,
    /// The two titles.
    pub titles: [String; 2],
    /// The score with its parts.
    pub score: Score,
}

/// Precision and recall of "same" on a file of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentityReport {
    /// Results of this build's identity.
    #[serde(flatten)]
    pub identity: Measured,
    /// Pairs counted.
    pub pairs: u32,
    /// Pairs labelled `unclear`, which are not counted.
    pub unclear: u32,
    /// Rows that are unreadable, have another label, or lack a title.
    pub rejected: u32,
    /// Results of the baselines, by name.
    pub baselines: BTreeMap<&'static str, Measured>,
    /// Results on pairs whose columns `shop_a` and `shop_b` name two shops; `None` if there are no
    /// such pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_shop: Option<Measured>,
    /// Results by class, ordered by name.
    pub classes: Vec<PerClass>,
    /// The wrongly answered pairs, in file order.
    pub mistakes: Vec<Mistake>,
}

/// Similarity of two texts from 0 to 1: twice the length of their longest common subsequence,
/// divided by the sum of their lengths.
fn ratio(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(1_024).collect(), b.chars().take(1_024).collect());
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let mut row = vec![0_u32; b.len() + 1];
    for x in &a {
        let mut diagonal = 0;
        let mut before = 0;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            *cell = if x == y { diagonal + 1 } else { above.max(before) };
            diagonal = above;
            before = *cell;
        }
    }
    let common = f64::from(row.last().copied().unwrap_or(0));
    let lengths = f64::from(u32::try_from(a.len() + b.len()).unwrap_or(u32::MAX));
    2.0 * common / lengths
}

/// A title normalised as by a simple detector: letters and digits only.
fn plain(title: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    title.nfkc().flat_map(char::to_lowercase).filter(|ch| ch.is_alphanumeric()).collect()
}

/// Measures this build's identity on the pairs of `file`. The file is tab-separated; its header
/// names the columns `title_a`, `title_b`, `label` and, optionally, `price_a`, `price_b`, `brand`
/// (` / ` between two), `category`, `class`.
///
/// # Errors
/// [`enum@Error`] if the file can't be read, lacks a column, or has no labelled row. Bad rows are
/// counted as `rejected`.
pub fn identity(file: &Path, policy: &Policy) -> Result<IdentityReport, Error> {
    let (rows, pairs) = label::titles(file)?;
    let lexicon = Lexicon::new(&policy.words);
    let mut tally = Tally { unclear: rows.unclear, rejected: rows.rejected, ..Tally::default() };
    for pair in pairs {
        tally.add(pair, policy, &lexicon);
    }
    Ok(tally.report())
}

#[derive(Default)]
struct Tally {
    pairs: u32,
    unclear: u32,
    rejected: u32,
    ours: Confusion,
    code: Confusion,
    exact: Confusion,
    fuzzy: Confusion,
    cross_shop: Option<Confusion>,
    classes: BTreeMap<String, (u32, u32, Confusion)>,
    mistakes: Vec<Mistake>,
}

impl Tally {
    fn add(&mut self, pair: TitlePair, policy: &Policy, lexicon: &Lexicon<'_>) {
        let [(a, offer_a), (b, offer_b)] = pair.read(lexicon);
        let TitlePair { line, titles, codes, shops, same: truth, class, .. } = pair;
        let score = same(&a, offer_a, &b, offer_b, policy);
        let said = score.verdict == Sameness::Same;
        let [left, right] = &titles;
        self.pairs += 1;
        self.ours.add(truth, said);
        if matches!(&shops, [Some(a), Some(b)] if a != b) {
            self.cross_shop.get_or_insert_default().add(truth, said);
        }
        self.code.add(truth, codes[0].is_some() && codes[0] == codes[1] && shops[0] == shops[1]);
        self.exact.add(truth, plain(left) == plain(right));
        self.fuzzy.add(truth, ratio(&plain(left), &plain(right)) >= 0.90);
        let counts = self.classes.entry(class.clone()).or_default();
        counts.0 += 1;
        counts.1 += u32::from(truth == said);
        counts.2.add(truth, said);
        if truth != said {
            let label = if truth { "same" } else { "different" }.to_owned();
            self.mistakes.push(Mistake { line, class, label, titles, score });
        }
    }

    fn report(self) -> IdentityReport {
        IdentityReport {
            identity: self.ours.into(),
            pairs: self.pairs,
            unclear: self.unclear,
            rejected: self.rejected,
            baselines: BTreeMap::from([
                ("item_code", self.code.into()),
                ("exact_title", self.exact.into()),
                ("fuzzy_ratio_90", self.fuzzy.into()),
            ]),
            cross_shop: self.cross_shop.map(Measured::from),
            classes: self
                .classes
                .into_iter()
                .map(|(class, (pairs, right, confusion))| PerClass { class, pairs, right, confusion })
                .collect(),
            mistakes: self.mistakes,
        }
    }
}

pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "    –".to_owned(), |share| format!("{share:5.3}"))
}

impl fmt::Display for IdentityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pairs ({} unclear skipped, {} rows rejected)", self.pairs, self.unclear, self.rejected)?;
        writeln!(
            f,
            "{:<16} {:>9}  {:<15} {:>6}  {:<15} {:>5} {:>6}",
            "", "precision", "95 %", "recall", "95 %", "f1", "merged"
        )?;
        let rows = std::iter::once(("sinsang", &self.identity))
            .chain(self.cross_shop.iter().map(|m| ("  across shops", m)))
            .chain(self.baselines.iter().map(|(name, m)| (*name, m)));
        for (name, measured) in rows {
            writeln!(
                f,
                "{name:<16} {:>9}  {:.3} – {:.3}   {:>6}  {:.3} – {:.3}   {:>5}  {:>5}",
                percent(measured.precision),
                measured.precision_95[0],
                measured.precision_95[1],
                percent(measured.recall),
                measured.recall_95[0],
                measured.recall_95[1],
                percent(measured.f1),
                percent(measured.merged)
            )?;
        }
        writeln!(f, "\n{:<32} {:>5} {:>5}", "class", "pairs", "right")?;
        for class in &self.classes {
            writeln!(f, "{:<32} {:>5} {:>5}", class.class, class.pairs, class.right)?;
        }
        for mistake in &self.mistakes {
            writeln!(
                f,
                "\nline {} [{}] is {}; predicted probability of the same product {:.2}",
                mistake.line, mistake.class, mistake.label, mistake.score.probability
            )?;
            writeln!(f, "  {}\n  {}", mistake.titles[0], mistake.titles[1])?;
            for part in mistake.score.veto.iter().chain(&mistake.score.parts) {
                writeln!(f, "    {:+.2} {} {}", part.value, part.name, part.note)?;
            }
        }
        Ok(())
    }
}
