//! Numeric features of a pair of titles, from the rules' findings and from the data. The matcher is
//! fitted on them.

use std::sync::LazyLock;

use super::align::{Alignment, WHOLE, to_f64};
use super::compared::Compared;
use super::offer::Offer;
use super::rules::{Sums, price_ratio};
use super::sketch::{RUN, Run, Sketch, Unit};
use super::spelling;
use super::value::{values_agree, values_comparable};
use crate::listing::{Class, Domain, Measure, eaten};

/// Parts of the rules' score with a feature of their own; 0 if the part is missing.
const PARTS: [&str; 14] = [
    "words",
    "generation",
    "gender",
    "child",
    "brand_field",
    "design",
    "kinds_near",
    "flavour",
    "line",
    "material",
    "variant",
    "origin",
    "season_words",
    "same_words",
];
/// Vetoes, grouped by kind.
const VETOES: [(&str, &[&str]); 11] = [
    ("veto_model", &["model", "code"]),
    ("veto_size", &["inch", "area", "persons", "parts", "volume", "weight", "length", "power", "storage", "purity"]),
    ("veto_journey", &["days", "countries"]),
    ("veto_season", &["season"]),
    ("veto_generation", &["generation", "strength"]),
    ("veto_gender", &["gender"]),
    ("veto_brand", &["brand"]),
    ("veto_kind", &["kind"]),
    ("veto_flavour", &["flavour", "line"]),
    ("veto_material", &["material", "variant"]),
    ("veto_origin", &["origin"]),
];

/// The rules' minimum total and minimum evidence for one product.
const ENOUGH: f64 = 0.64;
const SOME: f64 = 0.85;

/// Relation of the two sides of a pair in something that either may name.
#[derive(Clone, Copy)]
enum Stand {
    Neither,
    One,
    Agree,
    Conflict,
}

impl Stand {
    fn of(left: bool, right: bool, agree: bool) -> Self {
        match (left, right) {
            (false, false) => Self::Neither,
            (true, true) if agree => Self::Agree,
            (true, true) => Self::Conflict,
            _ => Self::One,
        }
    }

    fn number(self) -> f64 {
        match self {
            Self::Conflict => -1.0,
            Self::Neither => 0.0,
            Self::One => 0.25,
            Self::Agree => 1.0,
        }
    }
}

/// Names of all features, in order.
pub(super) fn names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let (empty, mut names) = (Sketch::default(), Vec::new());
        let sums = Sums::default();
        let offers = (Offer::default(), Offer::default());
        let pair =
            Compared { a: &empty, b: &empty, offers, found: Alignment::default(), sums, evidence: 0.0, domain: None };
        each(&pair, &mut |name, _| names.push(name));
        names
    });
    &NAMES
}

/// Feature values of a pair.
pub(super) fn values(pair: &Compared<'_>) -> Vec<f64> {
    let mut values = Vec::with_capacity(names().len());
    each(pair, &mut |_, value| values.push(value));
    values
}

/// Passes every feature of a pair to `note` by name, always in the same order. An unknowable
/// feature is `NaN`. Symmetric in the two titles.
fn each(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    rules(pair, note);
    words(pair, note);
    lines(pair, note);
    texts(pair, note);
    attributes(pair, note);
    brands(pair, note);
    offers(pair, note);
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn rules(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let sums = &pair.sums;
    note("total", sums.total);
    note("evidence", pair.evidence);
    for name in PARTS {
        note(name, sums.parts.iter().filter(|part| part.name == name).map(|part| part.value).sum());
    }
    for (name, grounds) in VETOES {
        note(name, flag(sums.vetoes.iter().any(|veto| grounds.contains(&veto.name))));
    }
    note("vetoes", to_f64(sums.vetoes.len()));
    // Without word counts the rules know more than the data.
    let agree = sums.vetoes.is_empty() && sums.total >= ENOUGH && pair.evidence >= SOME;
    note("rules", flag(agree));
    note("counted", flag(pair.a.counted && pair.b.counted));
}

/// Summary of one title's words by match.
#[derive(Default)]
struct Side {
    all: f64,
    found: f64,
    /// Highest rarity of an unmatched word.
    over: f64,
    over_sum: f64,
    /// As `over_sum`, with less weight for asides and for words that come and go between a code's
    /// titles.
    over_steady: f64,
    /// Rarity sum of the matched names, without brands.
    words_found: f64,
    /// Highest rarity of a matched word.
    met: f64,
    names: f64,
    names_found: f64,
    names_over: f64,
    units: usize,
}

impl Side {
    fn of(units: &[Unit], shares: &[f64]) -> Self {
        let mut side = Self::default();
        for (unit, &share) in units.iter().zip(shares) {
            if unit.addon
                || matches!(unit.class, Class::Promo | Class::Pack | Class::Filler | Class::Colour | Class::Size)
            {
                continue;
            }
            let (found, over) = (unit.rarity * share, unit.rarity * (1.0 - share));
            side.units += 1;
            side.all += unit.rarity;
            side.found += found;
            side.over = side.over.max(over);
            side.over_sum += over;
            side.over_steady += over * unit.steady.powi(2) * if unit.aside { 0.5 } else { 1.0 };
            if unit.class == Class::Word {
                side.words_found += found;
            }
            side.met = side.met.max(found);
            if matches!(unit.class, Class::Word | Class::Brand) {
                side.names += unit.rarity;
                side.names_found += found;
                side.names_over = side.names_over.max(over);
            }
        }
        side
    }

    fn coverage(&self) -> f64 {
        if self.all > 0.0 { self.found / self.all } else { f64::NAN }
    }

    fn names_coverage(&self) -> f64 {
        if self.names > 0.0 { self.names_found / self.names } else { f64::NAN }
    }
}

/// Notes the smaller and the larger of two numbers.
macro_rules! both {
    ($note:expr, $name:literal, $a:expr, $b:expr) => {{
        let (a, b): (f64, f64) = ($a, $b);
        let (low, high) = if a.is_nan() || b.is_nan() { (a.min(b), f64::NAN) } else { (a.min(b), a.max(b)) };
        $note(concat!($name, "_low"), low);
        $note(concat!($name, "_high"), high);
    }};
}

fn words(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let (a, b) = (Side::of(&pair.a.units, &pair.found.left), Side::of(&pair.b.units, &pair.found.right));
    both!(note, "coverage", a.coverage(), b.coverage());
    both!(note, "names_coverage", a.names_coverage(), b.names_coverage());
    both!(note, "over", a.over, b.over);
    both!(note, "over_sum", a.over_sum, b.over_sum);
    both!(note, "names_over", a.names_over, b.names_over);
    both!(note, "units", to_f64(a.units), to_f64(b.units));
    both!(note, "over_steady", a.over_steady, b.over_steady);
    note("words_met", f64::midpoint(a.words_found, b.words_found));
    note("met", a.met.max(b.met));
    note("met_sum", f64::midpoint(a.found, b.found));
    note("names_met", f64::midpoint(a.names_found, b.names_found));
    let kinds = |side: &'_ Sketch, shares: &'_ [f64]| {
        let of = || side.units.iter().zip(shares).filter(|(unit, _)| unit.class == Class::Kind && !unit.addon);
        (of().next().is_some(), of().any(|(_, share)| *share >= WHOLE))
    };
    let (left, right) = (kinds(pair.a, &pair.found.left), kinds(pair.b, &pair.found.right));
    let kind_at = |side: &'_ Sketch, last: bool| {
        let mut kinds = side.units.iter().filter(|unit| unit.class == Class::Kind && !unit.addon);
        if last { kinds.next_back() } else { kinds.next() }.map(|unit| unit.text.clone())
    };
    for (name, last) in [("first_kind", false), ("last_kind", true)] {
        let (x, y) = (kind_at(pair.a, last), kind_at(pair.b, last));
        let agree = matches!((&x, &y), (Some(x), Some(y)) if x.ends_with(y.as_str()) || y.ends_with(x.as_str()));
        note(name, Stand::of(x.is_some(), y.is_some(), agree).number());
    }
    let latin = |side: &Sketch, shares: &[f64]| {
        side.units
            .iter()
            .zip(shares)
            .any(|(unit, share)| !unit.addon && *share < WHOLE && unit.text.is_ascii() && unit.class == Class::Word)
    };
    note(
        "latin_over",
        f64::from(u8::from(latin(pair.a, &pair.found.left)) + u8::from(latin(pair.b, &pair.found.right))),
    );
    let extras = |side: &Sketch, shares: &[f64]| -> (f64, f64) {
        let of = || side.units.iter().zip(shares).filter(|(unit, _)| unit.addon && unit.class != Class::Pack);
        (to_f64(of().count()), of().map(|(_, share)| share).sum())
    };
    let (x, y) = (extras(pair.a, &pair.found.left), extras(pair.b, &pair.found.right));
    note("extras", if x.0 + y.0 > 0.0 { (x.1 + y.1) / (x.0 + y.0) } else { f64::NAN });
    note("kinds", Stand::of(left.0, right.0, left.1 || right.1).number());
    for (name, class) in [
        ("flavours", Class::Flavour),
        ("materials", Class::Material),
        ("variants", Class::Variant),
        ("designs", Class::Design),
        ("origins", Class::Origin),
    ] {
        let over = |side: &Sketch, shares: &[f64]| {
            to_f64(
                side.units
                    .iter()
                    .zip(shares)
                    .filter(|(unit, share)| unit.class == class && !unit.addon && **share < WHOLE)
                    .count(),
            )
        };
        let (a, b) = (over(pair.a, &pair.found.left), over(pair.b, &pair.found.right));
        note(name, (a.min(b) * 2.0).max(a + b));
    }
}

/// Unlisted names that the other title lacks, each with the words before and after it.
fn strangers<'s>(units: &'s [Unit], shares: &[f64]) -> Vec<(&'s Unit, Option<&'s str>, Option<&'s str>)> {
    let own: Vec<(&Unit, f64)> = units.iter().zip(shares.iter().copied()).filter(|(unit, _)| !unit.addon).collect();
    let text = |at: Option<usize>| at.and_then(|at| own.get(at)).map(|(unit, _)| unit.text.as_str());
    own.iter()
        .enumerate()
        .filter(|(_, (unit, share))| unit.class == Class::Word && *share < 0.5)
        .map(|(at, (unit, _))| (*unit, text(at.checked_sub(1)), text(Some(at + 1))))
        .collect()
}

/// Features that may distinguish lines of a product: marks, lengths, and names that replace each
/// other or stand between two words.
fn lines(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let (a, b) = (pair.a, pair.b);
    let common = a.marks.iter().any(|mark| b.marks.contains(mark));
    let marks = Stand::of(!a.marks.is_empty(), !b.marks.is_empty(), common);
    note("marks_differ", flag(matches!(marks, Stand::Conflict)));
    let lengths = |side: &'_ Sketch| -> Vec<String> {
        let is_length = |unit: &&Unit| {
            !unit.addon
                && unit.class == Class::Design
                && (unit.text.ends_with('부') || matches!(unit.text.as_str(), "반팔" | "긴팔" | "민소매"))
        };
        side.units.iter().filter(is_length).map(|unit| unit.text.clone()).collect()
    };
    let (x, y) = (lengths(a), lengths(b));
    let stand = Stand::of(!x.is_empty(), !y.is_empty(), x.iter().any(|length| y.contains(length)));
    // Short sleeves and full-length legs are the default, stated or not.
    let told = |lengths: &[String]| lengths.iter().any(|length| !matches!(length.as_str(), "반팔" | "9부"));
    note("lengths_one", flag(matches!(stand, Stand::One) && (told(&x) || told(&y))));
    note("lengths_differ", flag(matches!(stand, Stand::Conflict)));
    let (left, right) = (strangers(&a.units, &pair.found.left), strangers(&b.units, &pair.found.right));
    let mut in_place = 0.0_f64;
    for (x, before_x, after_x) in &left {
        for (y, before_y, after_y) in &right {
            let (before, after) = (before_x == before_y, after_x == after_y);
            let share = match (before, after) {
                (true, true) if before_x.is_some() || after_x.is_some() => 1.0,
                (true, false) if before_x.is_some() => 0.5,
                (false, true) if after_x.is_some() => 0.5,
                _ => continue,
            };
            in_place = in_place.max(share * x.rarity.min(y.rarity));
        }
    }
    note("in_place", in_place);
    let between = |strangers: &[(&Unit, Option<&str>, Option<&str>)], other: &[Unit]| {
        let meets = |before: &str, after: &str| {
            other.iter().zip(other.iter().skip(1)).any(|(x, y)| x.text == before && y.text == after)
        };
        let mut most = 0.0_f64;
        for (unit, before, after) in strangers {
            if let (Some(before), Some(after)) = (before, after)
                && meets(before, after)
            {
                most = most.max(unit.rarity);
            }
        }
        most
    };
    note("between", between(&left, &b.units).max(between(&right, &a.units)));
}

/// Length of the longest common run of letters in two texts.
fn run(a: &Run, b: &Run) -> u16 {
    let (mut before, mut longest) = ([0_u16; RUN + 1], [0_u16; RUN]);
    for x in a.letters.iter().take(a.length) {
        let mut row = [0_u16; RUN + 1];
        // Branch-free, so that many letters are compared at once.
        for (((cell, y), above), most) in row.iter_mut().skip(1).zip(&b.letters).zip(&before).zip(&mut longest) {
            *cell = (above + 1) * u16::from(x == y);
            *most = (*most).max(*cell);
        }
        before = row;
    }
    longest.into_iter().max().unwrap_or(0)
}

/// Overlap of two sorted lists: twice the common elements over the sum of both lengths, and the
/// share of the shorter list found in the longer.
fn overlap(a: &[u32], b: &[u32]) -> (f64, f64) {
    let (mut i, mut j, mut common) = (0, 0, 0_usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                i += 1;
                j += 1;
            }
        }
    }
    let (sum, short) = (a.len() + b.len(), a.len().min(b.len()));
    if short == 0 {
        return (f64::NAN, f64::NAN);
    }
    (2.0 * to_f64(common) / to_f64(sum), to_f64(common) / to_f64(short))
}

fn texts(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let (a, b) = (pair.a, pair.b);
    let (dice, inside) = overlap(&a.grams, &b.grams);
    note("grams", dice);
    note("grams_inside", inside);
    let (dice, inside) = overlap(&a.raw_grams, &b.raw_grams);
    note("raw_grams", dice);
    note("raw_grams_inside", inside);
    let (common, shorter) = (f64::from(run(&a.run, &b.run)), a.run.length.min(b.run.length));
    note("run", common.min(20.0));
    note("run_inside", if shorter > 0 { common / to_f64(shorter) } else { f64::NAN });
    let (dice, inside) = overlap(&a.triples, &b.triples);
    note("triples", dice);
    note("triples_inside", inside);
    note("key", flag(!a.key.is_empty() && a.key == b.key));
    let (head, other) = (a.units.iter().find(|unit| !unit.addon), b.units.iter().find(|unit| !unit.addon));
    note("head", flag(matches!((head, other), (Some(x), Some(y)) if x.text == y.text)));
    let (dice, _) = overlap(&a.numbers, &b.numbers);
    note("numbers", dice);
}

fn attributes(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let (a, b) = (pair.a, pair.b);
    let stand = |measure: Measure| {
        let (left, right): (Vec<&str>, Vec<&str>) = (a.values(measure).collect(), b.values(measure).collect());
        let agree = left.iter().any(|x| right.iter().any(|y| values_agree(measure, x, y)));
        let comparable = left.iter().any(|x| right.iter().any(|y| values_comparable(measure, x, y)));
        if !left.is_empty() && !right.is_empty() && !comparable && !agree {
            return Stand::One;
        }
        Stand::of(!left.is_empty(), !right.is_empty(), agree)
    };
    // A shop may omit the beginning or end of a maker's code.
    let agree = a.codes.iter().any(|x| b.codes.iter().any(|y| x.contains(y.as_str()) || y.contains(x.as_str())));
    note("raw_codes", Stand::of(!a.codes.is_empty(), !b.codes.is_empty(), agree).number());
    note("models", stand(Measure::Model).number());
    note("codes", stand(Measure::ShortCode).number());
    note("seasons", stand(Measure::Season).number());
    note("packs", stand(Measure::Pack).number());
    note("days", stand(Measure::Days).number());
    let sizes = [
        Measure::Volume,
        Measure::Weight,
        Measure::Length,
        Measure::Inch,
        Measure::Persons,
        Measure::Parts,
        Measure::Power,
    ];
    let of_sizes = |wanted: fn(Stand) -> bool| to_f64(sizes.iter().filter(|measure| wanted(stand(**measure))).count());
    note("sizes_agree", of_sizes(|stand| matches!(stand, Stand::Agree)));
    note("sizes_differ", of_sizes(|stand| matches!(stand, Stand::Conflict)));
    note("sizes_one", of_sizes(|stand| matches!(stand, Stand::One)));
    note("strength", stand(Measure::Strength).number());
    note("generations", stand(Measure::Generation).number());
}

fn brands(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let (a, b) = (pair.a, pair.b);
    let like = |x: &str, y: &str| x == y || x.contains(y) || y.contains(x) || spelling::transliterated(x, y);
    let meet = a.brands.iter().any(|x| b.brands.iter().any(|y| like(x, y)));
    note("brand_fields", Stand::of(!a.brands.is_empty(), !b.brands.is_empty(), meet).number());
    let titled = |side: &'_ Sketch| -> Vec<String> {
        side.units
            .iter()
            .filter(|unit| unit.class == Class::Brand && !unit.addon)
            .map(|unit| unit.text.clone())
            .collect()
    };
    let (left, right) = (titled(a), titled(b));
    let meet = left.iter().any(|x| right.iter().any(|y| like(x, y))) || b.writes_any(&left) || a.writes_any(&right);
    note("brand_titles", Stand::of(!left.is_empty(), !right.is_empty(), meet).number());
    // All names in either side's title or field, against all of the other side.
    let all = |side: &'_ Sketch, titled: &[String]| side.brands.iter().chain(titled).cloned().collect::<Vec<_>>();
    let (all_a, all_b) = (all(a, &left), all(b, &right));
    let says = |side: &Sketch, names: &[String]| {
        names.iter().any(|name| {
            side.units.iter().any(|unit| {
                matches!(unit.class, Class::Word | Class::Brand) && unit.chars.len() >= 2 && like(name, &unit.text)
            })
        })
    };
    let meet = all_a.iter().any(|x| all_b.iter().any(|y| like(x, y)))
        || says(a, &all_b)
        || says(b, &all_a)
        || b.writes_any(&all_a)
        || a.writes_any(&all_b);
    let stand = Stand::of(!all_a.is_empty(), !all_b.is_empty(), meet);
    note("brand_any", stand.number());
    note("brand_one", flag(matches!(stand, Stand::One)));
    note("brand_attested", flag(a.brand_attested && b.brand_attested));
}

fn offers(pair: &Compared<'_>, note: &mut impl FnMut(&'static str, f64)) {
    let (a, b) = pair.offers;
    note("price", price_ratio(a.price, b.price).unwrap_or(f64::NAN));
    note("price_equal", flag(price_ratio(a.price, b.price).is_some_and(|ratio| ratio >= 0.995)));
    let equal = |x: Option<&str>, y: Option<&str>| Stand::of(x.is_some(), y.is_some(), x == y).number();
    note("image", equal(a.image, b.image));
    note("shop", if a.shop.is_empty() || b.shop.is_empty() { f64::NAN } else { flag(a.shop == b.shop) });
    note("category", equal(a.category, b.category));
    note("domain_differs", flag(matches!((pair.a.domain, pair.b.domain), (Some(x), Some(y)) if x != y)));
    note("eaten", flag(eaten(pair.domain)));
    note("clothing", flag(matches!(pair.domain, Some(Domain::Clothing))));
    note("beauty", flag(matches!(pair.domain, Some(Domain::Beauty))));
    note("service", flag(matches!(pair.domain, Some(Domain::Travel | Domain::Service))));
    note("made", flag(matches!(pair.domain, Some(Domain::Appliance | Domain::Kitchen | Domain::Goods | Domain::Home))));
}
