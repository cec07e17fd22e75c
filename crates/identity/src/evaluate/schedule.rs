//! Evaluation of a resolved schedule against labels for pairs of listings and for new listings,
//! plus measures that need no labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{Bin, Confusion, Error, Measured, percent, plain, ratio, reliability, wilson, write_reliability};
use crate::identity::{ProductId, values_agree};
pub use crate::label::Rows;
use crate::label::{self, Pair, Places, Read};
use crate::listing::Measure;
use crate::verdict::CENSORED_REVIEWS;
use sinsang_core::verdict::VerdictKind;

/// Resamples for an interval that has no closed formula.
const RESAMPLES: usize = 400;
/// Similarity from which the fuzzy baseline takes two titles for one.
const FUZZY: f64 = 0.90;

/// A resolved listing of the schedule.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The shop's code; labels refer to the listing by it.
    pub listing_id: String,
    /// The shop.
    pub shop: String,
    /// Its latest title.
    pub title: String,
    /// Whole appliance codes in its titles.
    pub codes: BTreeSet<String>,
    /// Its product.
    pub product: ProductId,
    /// Its verdict as of its first broadcast.
    pub verdict: VerdictKind,
    /// Probability, from 0 to 1, that it had aired before as one of the earlier listings that it
    /// resembles.
    pub aired: f64,
    /// Its reviews at its first broadcast; 0 if the schedule gives none.
    pub reviews: u64,
    /// Its rank by first broadcast.
    pub place: usize,
}

/// A share with its 95 % interval from resampled rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The share; `None` if its denominator is 0.
    pub value: Option<f64>,
    /// Lower and upper end of the interval.
    pub interval_95: [f64; 2],
}

/// Results for one group of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairGroup {
    /// The group's name.
    pub name: String,
    /// Number of pairs.
    pub pairs: u32,
    /// Precision, recall and share of wrongly merged pairs, each pair weighing the same.
    #[serde(flatten)]
    pub measured: Measured,
    /// 95 % interval of F1.
    pub f1_95: [f64; 2],
    /// F1 with each pair counted by its weight.
    pub weighted_f1: Option<f64>,
}

/// Results for the verdicts on one group of listings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictGroup {
    /// The group's name.
    pub name: String,
    /// Number of listings.
    pub listings: u32,
    /// Share of truly new listings among those called new.
    pub precision: Estimate,
    /// Share of listings called new among the truly new with few reviews.
    pub shown: Estimate,
    /// Share of truly new listings with few reviews that were called repeats.
    pub called_repeat: Estimate,
}

/// Groups that should each be one product, and how many aren't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Split {
    /// Groups of at least two listings.
    pub groups: u32,
    /// Groups spread over several products.
    pub split: u32,
}

/// A resolved schedule measured against its labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Row counts of the pairs file.
    pub pair_rows: Rows,
    /// Results for all pairs, pairs within a shop and across shops, each draw, and each class.
    pub pairs: Vec<PairGroup>,
    /// Results of simpler methods on the pairs.
    pub baselines: BTreeMap<&'static str, Measured>,
    /// Row counts of the verdicts file.
    pub verdict_rows: Rows,
    /// Results for each draw of listings.
    pub verdicts: Vec<VerdictGroup>,
    /// Calibration of the predicted probabilities; on the draw `random` if there is one.
    pub reliability: Vec<Bin>,
    /// Verdicts of simpler methods, on the draw `random` if there is one: they call a listing new
    /// if no earlier listing has its title.
    pub verdict_baselines: Vec<VerdictGroup>,
    /// Listings with equal titles, ignoring punctuation and case.
    pub equal_titles: Split,
    /// Listings that name the same appliance code.
    pub equal_codes: Split,
    /// Products that name appliance codes, and those that name several. Codes that differ by
    /// colour, or that share a title, count as one.
    pub code_products: Split,
}

/// Measures `listings` on two label files.
///
/// # Errors
/// [`enum@Error`] if a file can't be read, lacks a column, or has no usable row. Bad rows are
/// counted.
pub fn measure(listings: &[Listing], pairs: &Path, verdicts: Option<&Path>) -> Result<Report, Error> {
    let codes = listings.iter().map(|listing| (listing.shop.as_str(), listing.listing_id.as_str()));
    let places = Places::new(codes);
    let (pair_rows, labelled) = label::pairs(pairs, &places)?;
    let (verdict_rows, mut read) = verdicts.map(|path| label::verdicts(path, &places)).transpose()?.unwrap_or_default();
    read.retain(|row| !row.is_twin);
    Ok(Report {
        pair_rows,
        pairs: pair_groups(listings, &labelled),
        baselines: baselines(listings, &labelled),
        verdict_rows,
        verdicts: verdict_groups(listings, &read),
        reliability: reliability(&told(listings, &read)),
        verdict_baselines: verdict_baselines(listings, &read),
        equal_titles: split(listings, |listing| Some(plain(&listing.title)).filter(|title| !title.is_empty())),
        equal_codes: split(listings, |listing| listing.codes.clone()),
        code_products: several_codes(listings),
    })
}

fn pair_groups(listings: &[Listing], pairs: &[Pair]) -> Vec<PairGroup> {
    let shop = |index: usize| listings.get(index).map(|listing| listing.shop.as_str());
    let across = |pair: &&Pair| shop(pair.listings[0]) != shop(pair.listings[1]);
    let mut groups: Vec<(String, Vec<&Pair>)> = vec![
        ("all".to_owned(), pairs.iter().collect()),
        ("another shop".to_owned(), pairs.iter().filter(across).collect()),
        ("same shop".to_owned(), pairs.iter().filter(|pair| !across(pair)).collect()),
    ];
    for (kind, name) in [("draw", (|pair| &pair.draw) as fn(&Pair) -> &String), ("class", |pair| &pair.class)] {
        let names: BTreeSet<&String> = pairs.iter().map(name).collect();
        groups.extend(
            names
                .into_iter()
                .map(|one| (format!("{kind} {one}"), pairs.iter().filter(|pair| name(pair) == one).collect())),
        );
    }
    groups.retain(|(_, pairs)| !pairs.is_empty());
    groups.into_iter().map(|(name, pairs)| pair_group(name, listings, &pairs)).collect()
}

fn is_joined(listings: &[Listing], pair: &Pair) -> bool {
    let [a, b] = pair.listings.map(|index| listings.get(index).map(|listing| listing.product));
    a == b
}

fn confusion(listings: &[Listing], pairs: &[&Pair]) -> Confusion {
    let mut confusion = Confusion::default();
    for pair in pairs {
        confusion.add(pair.same, is_joined(listings, pair));
    }
    confusion
}

fn pair_group(name: String, listings: &[Listing], pairs: &[&Pair]) -> PairGroup {
    let f1 = |sample: &[&Pair]| Measured::from(confusion(listings, sample)).f1;
    // Total weights: same and joined, joined, same.
    let sums = pairs.iter().fold([0.0; 3], |[both, joined, same], pair| {
        let is_joined = is_joined(listings, pair);
        let weight = |counts: bool| if counts { pair.weight } else { 0.0 };
        [both + weight(is_joined && pair.same), joined + weight(is_joined), same + weight(pair.same)]
    });
    PairGroup {
        name,
        pairs: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
        measured: confusion(listings, pairs).into(),
        f1_95: estimate(pairs, f1).interval_95,
        weighted_f1: Some(2.0 * sums[0] / (sums[1] + sums[2])).filter(|f1| f1.is_finite()),
    }
}

fn baselines(listings: &[Listing], pairs: &[Pair]) -> BTreeMap<&'static str, Measured> {
    let (mut exact, mut fuzzy) = (Confusion::default(), Confusion::default());
    for pair in pairs {
        let [a, b] =
            pair.listings.map(|index| listings.get(index).map(|listing| plain(&listing.title)).unwrap_or_default());
        exact.add(pair.same, a == b);
        fuzzy.add(pair.same, ratio(&a, &b) >= FUZZY);
    }
    BTreeMap::from([("exact_title", exact.into()), ("fuzzy_ratio_90", fuzzy.into())])
}

/// A method that judges a listing.
type Judge<'a> = dyn Fn(&Listing) -> VerdictKind + 'a;

fn verdict_groups(listings: &[Listing], read: &[Read]) -> Vec<VerdictGroup> {
    let names: BTreeSet<&String> = read.iter().map(|row| &row.draw).collect();
    let draws = names.into_iter().map(|name| {
        let rows: Vec<&Read> = read.iter().filter(|row| row.draw == *name).collect();
        verdict_group(format!("draw {name}"), listings, &rows, &|listing| listing.verdict)
    });
    draws.collect()
}

fn verdict_group(name: String, listings: &[Listing], rows: &[&Read], judge: &Judge<'_>) -> VerdictGroup {
    let said: Vec<(bool, bool, VerdictKind)> = rows
        .iter()
        .filter_map(|row| listings.get(row.listing).map(|one| (row.is_new, few_reviews(one), judge(one))))
        .collect();
    let share = |of: fn(&(bool, bool, VerdictKind)) -> bool, hit: fn(&(bool, bool, VerdictKind)) -> bool| {
        estimate(&said.iter().collect::<Vec<_>>(), |sample| {
            let all = sample.iter().filter(|row| of(row)).count();
            let hits = sample.iter().filter(|row| of(row) && hit(row)).count();
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            wilson(count(hits), count(all)).value
        })
    };
    VerdictGroup {
        name,
        listings: u32::try_from(said.len()).unwrap_or(u32::MAX),
        precision: share(|row| row.2 == VerdictKind::New, |row| row.0),
        shown: share(|row| row.0 && row.1, |row| row.2 == VerdictKind::New),
        called_repeat: share(|row| row.0 && row.1, |row| row.2 == VerdictKind::Repeat),
    }
}

/// Whether the policy may call it new: listings with more reviews aired before the records began.
fn few_reviews(listing: &Listing) -> bool {
    listing.reviews < u64::from(CENSORED_REVIEWS)
}

/// Each labelled listing's predicted probability and whether it had aired; of a random draw if
/// there is one.
fn told(listings: &[Listing], read: &[Read]) -> Vec<(f64, bool)> {
    let drawn = label::drawn_by_lot(read);
    let rows = read.iter().filter(|row| drawn(row));
    rows.filter_map(|row| {
        let listing = listings.get(row.listing).filter(|listing| few_reviews(listing))?;
        Some((listing.aired, !row.is_new))
    })
    .collect()
}

/// Baseline verdicts by title alone, on the randomly drawn rows, or on all rows if none were drawn
/// so.
fn verdict_baselines(listings: &[Listing], read: &[Read]) -> Vec<VerdictGroup> {
    let drawn = label::drawn_by_lot(read);
    let rows: Vec<&Read> = read.iter().filter(|row| drawn(row)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let titles: Vec<String> = listings.iter().map(|listing| plain(&listing.title)).collect();
    let earlier = |listing: &Listing, like: &dyn Fn(&str, &str) -> bool| {
        let its = plain(&listing.title);
        let mut before = listings.iter().zip(&titles).filter(|(one, _)| one.place < listing.place);
        if before.any(|(_, title)| like(&its, title)) { VerdictKind::Repeat } else { VerdictKind::New }
    };
    let fuzzy = |a: &str, b: &str| {
        // With such different lengths the ratio can't reach the threshold.
        let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
        short * 11 >= long * 9 && ratio(a, b) >= FUZZY
    };
    vec![
        verdict_group("item_code".to_owned(), listings, &rows, &|_| VerdictKind::New),
        verdict_group("exact_title".to_owned(), listings, &rows, &|one| earlier(one, &|a, b| a == b)),
        verdict_group("fuzzy_ratio_90".to_owned(), listings, &rows, &|one| earlier(one, &fuzzy)),
    ]
}

/// Groups listings by `keys` and counts the groups that span several products.
fn split<K: IntoIterator<Item = String>>(listings: &[Listing], keys: impl Fn(&Listing) -> K) -> Split {
    let mut groups: HashMap<String, BTreeSet<(&str, &str, ProductId)>> = HashMap::new();
    for listing in listings {
        for key in keys(listing) {
            groups.entry(key).or_default().insert((&listing.shop, &listing.listing_id, listing.product));
        }
    }
    let mut split = Split::default();
    for group in groups.values().filter(|group| group.len() > 1) {
        let products: BTreeSet<ProductId> = group.iter().map(|one| one.2).collect();
        split.groups += 1;
        split.split += u32::from(products.len() > 1);
    }
    split
}

fn several_codes(listings: &[Listing]) -> Split {
    let mut codes: HashMap<ProductId, Vec<BTreeSet<&String>>> = HashMap::new();
    for listing in listings.iter().filter(|listing| !listing.codes.is_empty()) {
        codes.entry(listing.product).or_default().push(listing.codes.iter().collect());
    }
    let mut split = Split::default();
    for its in codes.into_values() {
        split.groups += 1;
        split.split += u32::from(appliances(its) > 1);
    }
    split
}

/// Number of distinct appliances among the listings' code sets: codes of one title are one
/// appliance, and so are codes that differ only by colour.
fn appliances(listings: Vec<BTreeSet<&String>>) -> usize {
    let is_one = |a: &BTreeSet<&String>, b: &BTreeSet<&String>| {
        a.iter().any(|x| b.iter().any(|y| values_agree(Measure::Model, x, y)))
    };
    let mut sets: Vec<BTreeSet<&String>> = Vec::new();
    for codes in listings {
        let (mut joined, apart): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| is_one(set, &codes));
        joined.push(codes);
        sets = apart;
        sets.push(joined.into_iter().flatten().collect());
    }
    sets.len()
}

/// `measure` of `sample` with its resampled 95 % interval; deterministic.
fn estimate<T: Copy>(sample: &[T], measure: impl Fn(&[T]) -> Option<f64>) -> Estimate {
    let value = measure(sample);
    let mut state = 1_u64;
    let mut next = |below: usize| {
        // splitmix64 (Steele, Lea and Flood, 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(below).unwrap_or(1).max(1)).unwrap_or(0)
    };
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let again: Vec<T> = sample.iter().filter_map(|_| sample.get(next(sample.len())).copied()).collect();
            measure(&again)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |per_mille: usize| drawn.get((drawn.len().saturating_sub(1)) * per_mille / 1_000).copied();
    Estimate { value, interval_95: [at(25).unwrap_or(0.0), at(975).unwrap_or(1.0)] }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{:.3}, {:.3}]", percent(self.value), self.interval_95[0], self.interval_95[1])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pairs: {}", self.pair_rows)?;
        let head = ["", "pairs", "precision", "recall", "merged", "f1", "95 %", "weighted f1"];
        let [name, pairs, precision, recall, merged, f1, interval, weighted] = head;
        writeln!(f, "{name:<28} {pairs:>5} {precision:>9} {recall:>6} {merged:>6} {f1:>5}  {interval:<14} {weighted}")?;
        for group in &self.pairs {
            let Measured { precision, recall, merged, f1, .. } = group.measured;
            let [precision, recall, merged, f1] = [precision, recall, merged, f1].map(percent);
            let ([low, high], weighted) = (group.f1_95, percent(group.weighted_f1));
            let PairGroup { name, pairs, .. } = group;
            writeln!(
                f,
                "{name:<28} {pairs:>5} {precision:>9} {recall:>6} {merged:>6} {f1:>5}  {low:.3} – {high:.3}  {weighted}"
            )?;
        }
        for (name, measured) in &self.baselines {
            let [precision, recall, merged, f1] =
                [measured.precision, measured.recall, measured.merged, measured.f1].map(percent);
            writeln!(f, "{name:<28} {:>5} {precision:>9} {recall:>6} {merged:>6} {f1:>5}", "")?;
        }
        if !self.verdicts.is_empty() {
            writeln!(f, "\nverdicts: {}", self.verdict_rows)?;
            let head = ["", "listings", "precision of new", "new ones shown", "called repeats"];
            writeln!(f, "{:<28} {:>8}  {:<21} {:<21} {}", head[0], head[1], head[2], head[3], head[4])?;
            for group in self.verdicts.iter().chain(&self.verdict_baselines) {
                let VerdictGroup { name, listings, precision, shown, called_repeat } = group;
                let [precision, shown] = [precision, shown].map(ToString::to_string);
                writeln!(f, "{name:<28} {listings:>8}  {precision:<21} {shown:<21} {called_repeat}")?;
            }
        }
        write_reliability(f, &self.reliability)?;
        let share = |Split { groups, split }: Split| format!("{split} of {groups}");
        writeln!(f, "\nequal titles in several products     {}", share(self.equal_titles))?;
        writeln!(f, "appliance codes in several products  {}", share(self.equal_codes))?;
        write!(f, "products with several of these codes {}", share(self.code_products))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn listing(code: &str, shop: &str, title: &str, product: u64, verdict: VerdictKind, place: usize) -> Listing {
        let codes = title.split(' ').filter(|word| word.starts_with("MH")).map(str::to_owned).collect();
        let (listing_id, shop, title) = (code.to_owned(), shop.to_owned(), title.to_owned());
        Listing { listing_id, shop, title, codes, product: ProductId(product), verdict, aired: 0.0, reviews: 0, place }
    }

    /// Two listings of one product in two shops, a third that was wrongly separated from them, one
    /// with another title, and a code that two shops use.
    fn schedule() -> Vec<Listing> {
        use VerdictKind::{New, Repeat};
        vec![
            listing("1", "가", "무쇠솥 MH11", 1, New, 0),
            listing("2", "나", "무쇠솥 MH11", 1, Repeat, 1),
            listing("3", "가", "[특가] 무쇠솥 MH11", 3, New, 2),
            listing("4", "나", "돌솥 MH12", 1, New, 3),
            listing("5", "가", "뚝배기", 5, New, 4),
            listing("5", "나", "뚝배기", 5, New, 5),
        ]
    }

    fn files(pairs: &str, verdicts: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["pairs.tsv", "verdicts.tsv"].map(|name| folder.path().join(name));
        std::fs::write(&a, pairs).unwrap();
        std::fs::write(&b, verdicts).unwrap();
        (folder, a, b)
    }

    #[test]
    fn labels_are_counted_by_group_and_rows_that_tell_nothing_are_set_aside() {
        let pairs = "listing_a\tlisting_b\tlabel\tclass\tdraw\tweight\n\
                     1\t2\tsame\tmarks\thard\t3\n1\t3\tsame\tmarks\thard\t1\n2\t4\tdifferent\tbrand\trandom\t\n\
                     3\t4\tdifferent\tbrand\trandom\t1\n1\t5\tsame\t\t\t\n1\t9\tsame\t\t\t\n1\t2\tunclear\t\t\t\n1\t2\tmaybe\t\t\t\n1\n";
        let verdicts = "listing\tlabel\tdraw\tnote\n1\tnew\trandom\t\n2\trepeat\trandom\t\n3\trepeat\trandom\t\n4\tnew\trandom\t\n\
                        4\tnew\trandom\tsame-day twin\n9\tnew\t\t\n3\tunclear\t\t\n";
        let (_folder, pairs, verdicts) = files(pairs, verdicts);
        let report = measure(&schedule(), &pairs, Some(&verdicts)).unwrap();
        assert_eq!(report.pair_rows, Rows { used: 4, unclear: 1, twins: 0, unknown: 2, rejected: 2 });
        assert_eq!(report.verdict_rows, Rows { used: 4, unclear: 1, twins: 1, unknown: 1, rejected: 0 });
        let group = |name: &str| report.pairs.iter().find(|group| group.name == name).unwrap();
        let names: Vec<&str> = report.pairs.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(
            names,
            ["all", "another shop", "same shop", "draw hard", "draw random", "class brand", "class marks"]
        );
        let all = Confusion { true_same: 1, false_same: 1, false_different: 1, true_different: 1 };
        assert_eq!((group("all").measured.confusion, group("all").measured.f1), (all, Some(0.5)));
        // By weight, 3 of the 3 + 1 that are the same are joined, and 1 that is different.
        assert_eq!(group("all").weighted_f1, Some(6.0 / 8.0));
        assert_eq!((group("same shop").pairs, group("another shop").pairs), (2, 2));
        let verdicts = &report.verdicts[0];
        assert_eq!((verdicts.precision.value, verdicts.shown.value), (Some(2.0 / 3.0), Some(1.0)));
        assert!(verdicts.precision.interval_95[0] < 0.5 && verdicts.precision.interval_95[1] > 0.9, "{verdicts:?}");
        // 2 has the title of 1, so it has aired. 3 has extra letters (특가), so it counts as new.
        let exact = report.verdict_baselines.iter().find(|group| group.name == "exact_title").unwrap();
        assert_eq!((exact.precision.value, exact.shown.value), (Some(2.0 / 3.0), Some(1.0)));
        assert_eq!(report.equal_titles, Split { groups: 2, split: 0 });
        assert_eq!(report.equal_codes, Split { groups: 1, split: 1 });
        assert_eq!(report.code_products, Split { groups: 2, split: 1 });
        assert!(report.to_string().contains("appliance codes in several products  1 of 1"), "{report}");
    }

    #[test]
    fn a_file_without_a_column_or_a_label_is_named() {
        let (_folder, pairs, verdicts) = files("listing_a\tlabel\n", "listing\tlabel\n1\tsoon\n");
        let error = measure(&schedule(), &pairs, None).unwrap_err().to_string();
        assert!(error.contains("pairs.tsv: missing column `listing_b`"), "{error}");
        std::fs::write(&pairs, "listing_a\tlisting_b\tlabel\n1\t2\tsame\n").unwrap();
        let error = measure(&schedule(), &pairs, Some(&verdicts)).unwrap_err().to_string();
        assert!(error.contains("verdicts.tsv: no usable label"), "{error}");
    }
}
