//! The rules: score two titles by agreeing against differing words, minus penalties; a veto
//! overrides the score.

use serde::Serialize;

use super::align::{Alignment, WHOLE};
use super::offer::Offer;
use super::sketch::{Sketch, Unit};
use super::value::{name_of, values_agree, values_comparable};
use super::{Policy, spelling};
use crate::listing::{Class, Domain, Measure};

mod weighed;

use weighed::Weighed;

/// Cost of a kind of thing if the other title names none, as a share of its weight.
const KIND_ALONE: f64 = 0.5;
/// Cost of a bracketed word that only one title has, as a share of its weight: brackets contain
/// remarks.
const ASIDE: f64 = 0.5;
/// The same for a name in Latin letters that has no counterpart in the other title.
const LATIN: f64 = 0.25;

/// Opposed words of at least this weight on both sides name two things.
const OPPOSED: f64 = 0.4;
/// Minimum total for two titles of equal words without a contradiction.
pub(super) const EQUAL: f64 = 0.95;

/// One part of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// What was compared.
    pub name: &'static str,
    /// Its contribution to the score; negative for a penalty.
    pub value: f64,
    /// The words or values concerned, for a person to read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The rules' findings on two titles.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) parts: Vec<Part>,
    pub(super) total: f64,
    /// All vetoes; the first is the one reported.
    pub(super) vetoes: Vec<Part>,
    /// The policy separates the titles whatever the matcher says: by a measure, the intended
    /// wearer, or the place of origin.
    parted: bool,
    /// Notes are not written, because nobody will read them.
    quiet: bool,
}

impl Sums {
    /// An empty result; `quiet` omits the notes.
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, ..Self::default() }
    }

    /// Whether the policy separates the two titles.
    pub(super) fn is_parted(&self) -> bool {
        self.parted
    }

    pub(super) fn add(&mut self, name: &'static str, value: f64, note: impl FnOnce() -> String) {
        if value != 0.0 {
            self.total += value;
            let note = if self.quiet { String::new() } else { note() };
            self.parts.push(Part { name, value, note });
        }
    }

    pub(super) fn veto(&mut self, name: &'static str, note: impl FnOnce() -> String) {
        let note = if self.quiet { String::new() } else { note() };
        self.vetoes.push(Part { name, value: -1.0, note });
    }

    /// As [`Sums::veto`], and the matcher has no say.
    pub(super) fn part(&mut self, name: &'static str, note: impl FnOnce() -> String) {
        self.parted = true;
        self.veto(name, note);
    }
}

/// Adds the rules' findings on two titles to `sums`; returns the weight of the agreement.
pub(super) fn weigh(
    (a, a_offer): (&Sketch, Offer<'_>),
    (b, b_offer): (&Sketch, Offer<'_>),
    found: &Alignment,
    domain: Option<Domain>,
    policy: &Policy,
    sums: &mut Sums,
) -> f64 {
    let near_price = price_ratio(a_offer.price, b_offer.price).is_some_and(|ratio| ratio >= 0.97);
    let facts = Facts { a, b, found, policy, domain, near_price };
    facts.measures(sums);
    facts.genders(sums);
    facts.brands(sums);
    let kinds_agree = facts.kinds(sums);
    facts.deciding_words(sums);
    let evidence = facts.words(kinds_agree, sums);
    offers(a_offer, b_offer, sums);
    // The key omits brands and praise, so titles with equal keys may still name two things.
    let apart = facts.opposed() >= OPPOSED || sums.parts.iter().any(|part| part.name == "brand_field");
    if !a.key.is_empty() && a.key == b.key && !apart {
        let lift = (EQUAL - sums.total).max(0.0);
        sums.add("same_words", lift, String::new);
    }
    evidence
}

pub(super) struct Facts<'a> {
    pub(super) a: &'a Sketch,
    pub(super) b: &'a Sketch,
    found: &'a Alignment,
    pub(super) policy: &'a Policy,
    pub(super) domain: Option<Domain>,
    pub(super) near_price: bool,
}

impl Facts<'_> {
    fn decides(&self, measure: Measure) -> bool {
        if self.a.domain == self.b.domain || self.a.domain.is_none() || self.b.domain.is_none() {
            return self.policy.decides(measure, self.domain);
        }
        self.policy.decides(measure, self.a.domain) && self.policy.decides(measure, self.b.domain)
    }

    /// Compares measures that both titles give.
    fn measures(&self, sums: &mut Sums) {
        for &measure in self.policy.decides.keys() {
            let left: Vec<&str> = self.a.values(measure).collect();
            let right: Vec<&str> = self.b.values(measure).collect();
            if left.is_empty() || right.is_empty() || !self.decides(measure) || self.ignores(measure) {
                continue;
            }
            // A set may list its parts in any order: 3L+5L and 5L+3L.
            let agree =
                self.a.all_values(measure).any(|x| self.b.all_values(measure).any(|y| values_agree(measure, x, y)));
            let comparable = left.iter().any(|x| right.iter().any(|y| values_comparable(measure, x, y)));
            if !agree && comparable {
                let note = || format!("{} ↔ {}", left.join(" "), right.join(" "));
                match measure {
                    Measure::Model | Measure::ShortCode => sums.veto(name_of(measure), note),
                    _ => sums.part(name_of(measure), note),
                }
            }
        }
        let generation = |side: &'_ Sketch, other: &'_ Sketch| {
            let told =
                |value: &str| other.values(Measure::Generation).chain(other.values(Measure::Pack)).any(|x| x == value);
            side.values(Measure::Generation).any(|value| !told(value))
        };
        if generation(self.a, self.b) != generation(self.b, self.a) {
            let share = if self.near_price { 0.5 } else { 1.0 };
            sums.add("generation", -self.policy.penalty.generation * share, String::new);
        }
    }

    /// A bottle's or cleaner's volume is a quantity and does not identify the product.
    fn ignores(&self, measure: Measure) -> bool {
        const CONTENTS: [&str; 12] =
            ["병", "보틀", "텀블러", "물통", "물병", "보온병", "컵", "세제", "유연제", "세정제", "락스", "탈취제"];
        measure == Measure::Volume
            && [self.a, self.b].iter().any(|side| {
                side.units
                    .iter()
                    .any(|unit| unit.class == Class::Kind && CONTENTS.iter().any(|word| unit.text.ends_with(word)))
            })
    }

    fn genders(&self, sums: &mut Sums) {
        let of = |side: &Sketch| {
            (side.says(Class::Male), side.says(Class::Female), side.says(Class::Child), side.says(Class::Unisex))
        };
        let ((am, af, ac, au), (bm, bf, bc, bu)) = (of(self.a), of(self.b));
        let (both_a, both_b) = (am && af || au, bm && bf || bu);
        if am && !af && bf && !bm && !both_a && !both_b || af && !am && bm && !bf && !both_a && !both_b {
            sums.part("gender", String::new);
        } else if (am != bm || af != bf) && !both_a && !both_b {
            match self.domain {
                Some(Domain::Service) => sums.part("gender", String::new),
                // Most clothing is women's, stated or not.
                _ if am != bm => sums.add("gender", -self.policy.penalty.gender, String::new),
                _ => {}
            }
        }
        if ac != bc {
            sums.add("child", -self.policy.penalty.child, String::new);
        }
    }

    fn brands(&self, sums: &mut Sums) {
        let titled = |side: &Sketch| -> Vec<String> {
            side.units
                .iter()
                .filter(|unit| unit.class == Class::Brand && !unit.addon)
                .map(|unit| unit.text.clone())
                .collect()
        };
        let (left, right) = (titled(self.a), titled(self.b));
        let words = &self.policy.words;
        let equal = |x: &String, y: &String| {
            x == y
                || words.nested(x, y)
                || x.contains(y.as_str())
                || y.contains(x.as_str())
                || spelling::transliterated(x, y)
        };
        let meet = |xs: &[String], ys: &[String]| xs.iter().any(|x| ys.iter().any(|y| equal(x, y)));
        let in_title = |side: &Sketch, names: &[String]| {
            // 건강 in a title is not the brand 건강마루: only a name may be part of a brand.
            let name = |unit: &Unit| matches!(unit.class, Class::Word | Class::Brand);
            let says = |unit: &Unit, name: &String, named: bool| {
                if named { equal(name, &unit.text) } else { *name == unit.text }
            };
            side.units.iter().any(|unit| names.iter().any(|brand| says(unit, brand, name(unit))))
                || side.writes_any(names)
        };
        let (fields_a, fields_b) = (&self.a.brands, &self.b.brands);
        // A shared word may be a brand elsewhere (에코); two brands that the fields confirm are two
        // brands.
        let confirmed = meet(&left, fields_a) && meet(&right, fields_b);
        if confirmed && !meet(fields_a, fields_b) && !meet(&left, fields_b) && !meet(fields_a, &right) {
            sums.veto("brand", || format!("{} ↔ {}", fields_a.join(" "), fields_b.join(" ")));
            return;
        }
        if !left.is_empty() && !right.is_empty() {
            if !meet(&left, &right)
                && !in_title(self.a, &right)
                && !in_title(self.b, &left)
                && !meet(fields_a, &right)
                && !meet(&left, fields_b)
            {
                sums.veto("brand", || format!("{} ↔ {}", left.join(" "), right.join(" ")));
            }
            return;
        }
        // If one title names its brand and the other leaves that to its field, compares the two.
        let of =
            |titled: &'_ [String], field: &'_ [String]| if field.is_empty() { titled.to_vec() } else { field.to_vec() };
        let (names_a, names_b) = (of(&left, fields_a), of(&right, fields_b));
        if names_a.is_empty() || names_b.is_empty() || meet(&names_a, &names_b) {
            return;
        }
        if meet(&left, fields_b) || meet(fields_a, &right) || in_title(self.b, fields_a) || in_title(self.a, fields_b) {
            return;
        }
        // A field may contain a seller or a card; a value that other listings' titles mention is a
        // brand.
        let sure = |side: &Sketch| side.brands.is_empty() || side.brand_attested;
        let attested = (self.a.brand_attested || self.b.brand_attested) && sure(self.a) && sure(self.b);
        let penalty = &self.policy.penalty;
        let penalty = if attested { penalty.brand_attested } else { penalty.brand_field };
        sums.add("brand_field", -penalty, || format!("{} ↔ {}", names_a.join(" "), names_b.join(" ")));
    }

    /// Compares the kinds of thing; returns whether they are equal or near.
    fn kinds(&self, sums: &mut Sums) -> bool {
        let of = |side: &Sketch, shares: &[f64]| -> Vec<(String, f64)> {
            side.units
                .iter()
                .zip(shares)
                .filter(|(unit, _)| unit.class == Class::Kind && !unit.addon)
                .map(|(unit, &share)| (unit.text.clone(), share))
                .collect()
        };
        let (left, right) = (of(self.a, &self.found.left), of(self.b, &self.found.right));
        if left.is_empty() || right.is_empty() {
            return false;
        }
        // The last kind is the article; earlier ones are often its purpose or ingredient (인덕션 냄비).
        let general = |x: &str, y: &str| x == y || part_of(x, y) || part_of(y, x);
        let heads = |is: &dyn Fn(&str, &str) -> bool| matches!((left.last(), right.last()), (Some(x), Some(y)) if is(&x.0, &y.0));
        let swapped = || {
            let among = |head: Option<&(String, f64)>, others: &[(String, f64)]| {
                head.is_some_and(|head| others.iter().any(|other| head.0 == other.0))
            };
            among(left.last(), &right) && among(right.last(), &left)
        };
        let whole = [&left, &right]
            .iter()
            .any(|kinds| kinds.last().is_some_and(|head| head.1 >= WHOLE) && kinds.iter().all(|kind| kind.1 >= WHOLE));
        if whole || heads(&general) || swapped() {
            // 카라티 is a 티, but not a 목폴라 티.
            let equal = heads(&|x, y| x == y);
            let (cut_a, cut_b) = self.unmatched(Class::Design);
            let lone = |kinds: &[(String, f64)], cut: &[&str], other: &[(String, f64)]| {
                let length = |kinds: &[(String, f64)]| kinds.last().map_or(0, |kind| kind.0.len());
                !cut.is_empty() && length(kinds) < length(other)
            };
            if self.domain == Some(Domain::Clothing)
                && !equal
                && (lone(&left, &cut_a, &right) || lone(&right, &cut_b, &left))
            {
                sums.add("design", -self.policy.penalty.designs, String::new);
            }
            return true;
        }
        let note = || {
            let names =
                |kinds: &[(String, f64)]| kinds.iter().map(|kind| kind.0.as_str()).collect::<Vec<_>>().join(" ");
            format!("{} ↔ {}", names(&left), names(&right))
        };
        if heads(&|x, y| self.policy.words.near(x, y)) {
            sums.add("kinds_near", -self.policy.penalty.kinds_near, note);
            true
        } else {
            sums.veto("kind", note);
            false
        }
    }

    /// Words of `class` on each side that the other side has neither whole nor within another
    /// word.
    pub(super) fn unmatched(&self, class: Class) -> (Vec<&str>, Vec<&str>) {
        (self.lacking(class, self.a, &self.found.left, self.b), self.lacking(class, self.b, &self.found.right, self.a))
    }

    fn lacking<'s>(&self, class: Class, side: &'s Sketch, shares: &[f64], other: &Sketch) -> Vec<&'s str> {
        let covered = |text: &str| {
            other
                .units
                .iter()
                .any(|unit| unit.text.contains(text) && unit.text != text || self.policy.words.nested(&unit.text, text))
        };
        side.units
            .iter()
            .zip(shares)
            .filter(|(unit, share)| unit.class == class && !unit.addon && **share < WHOLE && !covered(&unit.text))
            .map(|(unit, _)| unit.text.as_str())
            .collect()
    }

    /// Scores agreeing against differing words; returns the weight of the agreement.
    fn words(&self, kinds_agree: bool, sums: &mut Sums) -> f64 {
        let policy = self.policy;
        let left = Weighed::of(&self.a.units, &self.found.left, &self.b.units);
        let right = Weighed::of(&self.b.units, &self.found.right, &self.a.units);
        let mut evidence = f64::midpoint(left.agreed, right.agreed);
        let mut named = f64::midpoint(left.named, right.named);
        let fields_meet = self.a.brands.iter().any(|name| self.b.brands.contains(name));
        if fields_meet && !self.found_brand() {
            evidence += policy.weight.brand * 0.5;
        }
        evidence += self.agreeing_measures(sums, &mut named);
        let latin = left.latin_over.min(right.latin_over);
        let against = left.against.min(right.against) + latin;
        let extra = (left.over - right.over).abs() + LATIN * (left.latin_over + right.latin_over - 2.0 * latin);
        let one_sided = if named >= 0.5 { policy.one_sided } else { policy.one_sided_unnamed };
        // A brand that only one title names counts little, unless the other begins with a different
        // unlisted name.
        let mut brands = 0.1 * (left.brand_over - right.brand_over).abs() + left.brand_over.min(right.brand_over);
        if !fields_meet {
            brands += left.brand_over.min(right.head_over) + right.brand_over.min(left.head_over);
        }
        let kinds = if kinds_agree { 0.0 } else { one_sided * (left.kind_over + right.kind_over) };
        // Agency, places and days identify a journey; the rest is detail.
        let detail = if matches!(self.domain, Some(Domain::Travel)) { 0.5 } else { 1.0 };
        let cost = detail * (2.0 * policy.two_sided * against + one_sided * extra) + kinds + brands;
        let coverage = if evidence > 0.0 { evidence / (evidence + cost) } else { 0.0 };
        sums.add("words", coverage, || self.leftovers());
        evidence
    }

    /// Weight of the words that stand against each other, including brands.
    fn opposed(&self) -> f64 {
        let left = Weighed::of(&self.a.units, &self.found.left, &self.b.units);
        let right = Weighed::of(&self.b.units, &self.found.right, &self.a.units);
        left.against.min(right.against) + left.brand_over.min(right.brand_over)
    }

    fn found_brand(&self) -> bool {
        self.a.units.iter().zip(&self.found.left).any(|(unit, &share)| unit.class == Class::Brand && share >= WHOLE)
    }

    fn agreeing_measures(&self, sums: &mut Sums, named: &mut f64) -> f64 {
        let policy = self.policy;
        let mut weight = 0.0;
        for &measure in policy.decides.keys() {
            let agrees = self.a.values(measure).any(|x| self.b.values(measure).any(|y| values_agree(measure, x, y)));
            if !agrees {
                continue;
            }
            let value = match measure {
                Measure::Model => {
                    *named += policy.weight.model;
                    policy.weight.model
                }
                Measure::ShortCode => {
                    *named += policy.weight.short_code;
                    policy.weight.short_code
                }
                measure if self.decides(measure) => policy.weight.attribute,
                _ => 0.0,
            };
            weight += value;
            if measure == Measure::Model {
                sums.add("model", 0.05, String::new);
            }
        }
        weight
    }

    fn leftovers(&self) -> String {
        let of = |units: &[Unit], shares: &[f64]| {
            let words: Vec<&str> = units
                .iter()
                .zip(shares)
                .filter(|(unit, share)| **share < WHOLE && unit.weight >= 0.2)
                .map(|(unit, _)| unit.text.as_str())
                .collect();
            words.join(" ")
        };
        let (left, right) = (of(&self.a.units, &self.found.left), of(&self.b.units, &self.found.right));
        if left.is_empty() && right.is_empty() { String::new() } else { format!("{left} ↔ {right}") }
    }
}

/// Whether `short` is the general term for `long`: a 차렵이불 is an 이불. A body part in front makes
/// another thing: 아이크림 is not a 핸드크림.
fn part_of(long: &str, short: &str) -> bool {
    const FOR: [&str; 9] = ["아이", "넥", "선", "핸드", "풋", "바디", "헤어", "립", "페이스"];
    long.strip_suffix(short).is_some_and(|head| !FOR.contains(&head))
}

pub(super) fn price_ratio(a: Option<u32>, b: Option<u32>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) if a > 0 && b > 0 => Some(f64::from(a.min(b)) / f64::from(a.max(b))),
        _ => None,
    }
}

fn offers(a: Offer<'_>, b: Offer<'_>, sums: &mut Sums) {
    if let Some(ratio) = price_ratio(a.price, b.price) {
        let value = match ratio {
            ratio if ratio >= 0.97 => 0.04,
            ratio if ratio >= 0.8 => 0.02,
            ratio if ratio < 0.3 => -0.08,
            ratio if ratio < 0.5 => -0.03,
            _ => 0.0,
        };
        sums.add("price", value, || format!("{ratio:.2}"));
    }
    if let (Some(a), Some(b)) = (a.image, b.image)
        && !a.is_empty()
        && a == b
    {
        sums.add("image", 0.35, String::new);
    }
}
