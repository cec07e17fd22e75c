//! Sketches: a title's features weighed and sorted for comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Policy;
use super::key::{Key, word_key};
use super::statistic::{Counts, Lesson, Lessons, add, of_pair, of_word};
use crate::listing::{Attribute, Class, Domain, Features, Measure, eaten};

/// Word statistics of the listings at hand: rarity, words that come and go between titles of one
/// code, and words that replace each other there. Without counts, all words are equally rare and
/// steady.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rarity {
    /// Number of titles by word key.
    counts: Arc<Counts>,
    titles: u32,
    /// For each word, the number of codes that have it in only some of their titles, and of codes
    /// that have it in all.
    turns: BTreeMap<String, (u32, u32)>,
    /// Words that replace each other in the titles of several codes, each with the word compared in
    /// its place.
    synonyms: BTreeMap<String, String>,
}

/// Fewer titles than this allow no estimate of rarity.
const MIN_TITLES: u32 = 200;
/// Titles that must mention a brand to attest it.
const ATTESTED: u32 = 3;
/// Codes whose titles must swap two words to make them synonyms, or drop a word to lower its
/// weight.
const MIN_CODES: u32 = 2;

impl Rarity {
    /// Builds it from the number of titles and the number of titles with each word key.
    pub(crate) fn of_counts(titles: u32, counts: Arc<Counts>) -> Self {
        Self { counts, titles, ..Self::default() }
    }

    /// Distinct keys under which a title's words are counted.
    pub(crate) fn words(title: &Features) -> Vec<Key> {
        let mut words: Vec<Key> = title.tokens.iter().map(|token| word_key(&token.text)).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// Adds lessons about words that come and go between titles of one code, and words that replace
    /// each other there.
    #[must_use]
    pub(crate) fn with_lessons(mut self, lessons: &Lessons) -> Self {
        for (word, codes) in of_word(lessons, Lesson::Turns) {
            self.turns.entry(word.to_owned()).or_default().0 = codes;
        }
        for (word, codes) in of_word(lessons, Lesson::Stays) {
            // Words that always stay need no entry.
            if let Some(turns) = self.turns.get_mut(word) {
                turns.1 = codes;
            }
        }
        for (a, b, codes) in of_pair(lessons, Lesson::Swaps) {
            if codes >= MIN_CODES && !self.synonyms.contains_key(a) && !self.synonyms.contains_key(b) {
                self.synonyms.insert(b.to_owned(), a.to_owned());
            }
        }
        self
    }

    /// Lessons from the titles of one code: names that come and go, and single names that replace
    /// each other.
    pub(crate) fn turned(titles: &[Features]) -> Lessons {
        let mut lessons = Lessons::new();
        if titles.len() < 2 {
            return lessons;
        }
        let named = |class: Class| matches!(class, Class::Word | Class::Design | Class::Filler | Class::Kind);
        let of: Vec<Vec<&str>> = titles
            .iter()
            .map(|title| {
                let mut words = Vec::new();
                distinct(title, named, &mut words);
                words
            })
            .collect();
        let mut all: Vec<&str> = of.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        for word in all {
            let stays = of.iter().all(|words| words.binary_search(&word).is_ok());
            add(&mut lessons, if stays { Lesson::Stays } else { Lesson::Turns }, word, "");
        }
        for (a, b) in of.iter().zip(of.iter().skip(1)) {
            let only = |x: &[&str], y: &[&str]| -> Option<String> {
                let mut left = x.iter().filter(|word| y.binary_search(word).is_err());
                left.next().map(|word| (*word).to_owned()).filter(|_| left.next().is_none())
            };
            if let (Some(x), Some(y)) = (only(a, b), only(b, a))
                && x.chars().count().min(y.chars().count()) >= 2
                && !x.bytes().chain(y.bytes()).any(|byte| byte.is_ascii_digit())
                && a.len() >= 2
            {
                add(&mut lessons, Lesson::Swaps, x.as_str().min(&y), x.as_str().max(&y));
            }
        }
        lessons
    }

    /// Number of titles with the word.
    fn count_of(&self, word: &str) -> u32 {
        self.counts.of(word_key(word)).unwrap_or(0)
    }

    /// The word compared in place of `word`.
    fn synonym<'s>(&'s self, word: &'s str) -> &'s str {
        self.synonyms.get(word).map_or(word, String::as_str)
    }

    /// Steadiness of a word: 1 if it stays when a code's titles change, down to 0.3 if it comes and
    /// goes and so decides nothing.
    fn steadiness(&self, word: &str) -> f64 {
        match self.turns.get(word) {
            Some(&(turns, stays)) if turns >= MIN_CODES => {
                (1.0 - f64::from(turns) / f64::from(turns + stays)).clamp(0.3, 1.0)
            }
            _ => 1.0,
        }
    }

    /// Rarity of a word: 0 if all titles have it, 1 if a single title has it; 0.7 without counts.
    fn rarity(&self, word: &str) -> f64 {
        if self.titles < MIN_TITLES {
            return 0.7;
        }
        let (count, titles) = (f64::from(self.count_of(word).max(1)), f64::from(self.titles));
        ((titles / count).ln() / titles.ln()).clamp(0.0, 1.0)
    }

    /// Factor on a word's weight, around 1: from 0.4 for a frequent word to 1.3 for a very rare
    /// one.
    fn factor(&self, word: &str) -> f64 {
        if self.titles < MIN_TITLES {
            return 1.0;
        }
        let count = f64::from(self.count_of(word).max(1));
        let share = count / f64::from(self.titles);
        // A word in one of a thousand titles weighs 1; ten times as frequent, 0.3 less.
        (1.0 - 0.3 * (share * 1_000.0).log10()).clamp(0.4, 1.3)
    }
}

/// Writes a title's distinct words of the wanted classes to `out`, sorted.
fn distinct<'a>(features: &'a Features, wanted: impl Fn(Class) -> bool, out: &mut Vec<&'a str>) {
    out.clear();
    out.extend(features.tokens.iter().filter(|token| wanted(token.class)).map(|token| token.text.as_str()));
    out.sort_unstable();
    out.dedup();
}

/// A word to match.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) text: String,
    pub(crate) chars: Vec<char>,
    pub(crate) class: Class,
    /// Weight if it agrees, or if the other title only says less. Lower for frequent words.
    pub(crate) weight: f64,
    /// Weight if it stands against another word: common names separate products as much as rare
    /// ones.
    pub(crate) against: f64,
    /// Rarity, from 0 to 1.
    pub(crate) rarity: f64,
    pub(crate) addon: bool,
    /// It is in brackets.
    pub(crate) aside: bool,
    /// It is an unlisted word in Latin letters, which mostly repeats the Hangul.
    pub(crate) latin: bool,
    /// 1 for a word that stays when a code's titles change, less for one that comes and goes.
    pub(crate) steady: f64,
}

/// A title prepared for comparison.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    pub(crate) units: Vec<Unit>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) brands: Vec<String>,
    /// Several titles mention a brand of the field.
    pub(crate) brand_attested: bool,
    pub(crate) domain: Option<Domain>,
    pub(crate) key: String,
    /// Letter pairs of the words that name the article, ascending.
    pub(crate) grams: Vec<u32>,
    /// Letter pairs of the whole title, ascending.
    pub(crate) raw_grams: Vec<u32>,
    /// All numbers in the title, ascending.
    pub(crate) numbers: Vec<u32>,
    /// Runs of letters and digits that may be article codes.
    pub(crate) codes: Vec<String>,
    /// Its words were counted among many titles.
    pub(crate) counted: bool,
    /// Letters or digits that distinguish lines: Zeva S, Zeva 3.
    pub(crate) marks: Vec<String>,
    /// All letters and digits of the title.
    pub(crate) letters: String,
    /// The first of these letters, to search for common runs.
    pub(crate) run: Run,
    /// Letter triples of the whole title, ascending.
    pub(crate) triples: Vec<u32>,
}

/// Letters of a title searched for a common run.
pub(crate) const RUN: usize = 64;

/// The first letters of a text as numbers; different letters rarely share one.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) letters: [u16; RUN],
    pub(crate) length: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self { letters: [0; RUN], length: 0 }
    }
}

impl Run {
    fn of(text: impl Iterator<Item = char>) -> Self {
        let mut run = Self::default();
        for (letter, ch) in run.letters.iter_mut().zip(text) {
            *letter = u16::try_from(u32::from(ch)).unwrap_or(u16::MAX);
            run.length += 1;
        }
        run
    }
}

/// Hashes of three consecutive characters, ascending.
fn triples(text: &str) -> Vec<u32> {
    let (first, second, third) = (text.chars(), text.chars().skip(1), text.chars().skip(2));
    let mut triples: Vec<u32> = first
        .zip(second)
        .zip(third)
        .map(|((x, y), z)| u32::from(x).rotate_left(21) ^ u32::from(y).rotate_left(10) ^ u32::from(z))
        .collect();
    triples.sort_unstable();
    triples
}

/// Pairs of consecutive characters, ascending.
fn grams(text: impl Iterator<Item = char> + Clone) -> Vec<u32> {
    let mut grams: Vec<u32> =
        text.clone().zip(text.skip(1)).map(|(first, second)| u32::from(first) << 16 ^ u32::from(second)).collect();
    grams.sort_unstable();
    grams
}

/// Distinct numbers in a title, ascending.
fn numbers(text: &str) -> Vec<u32> {
    let runs = text.split(|ch: char| !ch.is_ascii_digit());
    let mut numbers: Vec<u32> = runs.filter_map(|digits| digits.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Marks of a line: letters and digits that stand alone after a name, codes of two or three
/// characters, and generations.
fn marks(features: &Features) -> Vec<String> {
    let named = |start: usize, gaps: &[usize], wanted: fn(Class) -> bool| {
        features.tokens.iter().any(|token| wanted(token.class) && gaps.iter().any(|gap| token.span.end + gap == start))
    };
    let of_line = |class| matches!(class, Class::Word | Class::Brand | Class::Variant | Class::Flavour);
    let called = |class| matches!(class, Class::Word | Class::Brand | Class::Variant | Class::Flavour | Class::Kind);
    // 6+6박스 is a count.
    let adds = |end: usize| features.attributes.iter().any(|it| it.span.start == end + 1);
    let digits = features.attributes.iter().filter(|it| !it.addon).filter(|it| match it.measure {
        Measure::ShortCode | Measure::Generation => true,
        // A one-digit number without a unit identifies a line.
        Measure::Pack => {
            let alone = it.span.end - it.span.start == 1 && !adds(it.span.end);
            alone && it.value.len() == 1 && named(it.span.start, &[0, 1], of_line)
        }
        _ => false,
    });
    // On clothing and bedding, S is a size.
    let sized = matches!(features.domain, Some(Domain::Home | Domain::Clothing | Domain::Goods | Domain::Sports));
    let letters = features.tokens.iter().filter(|token| {
        token.text.len() == 1
            && token.text.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !(token.class == Class::Size && sized)
            && !token.addon
            && !token.aside
            && named(token.span.start, &[1], called)
    });
    let mut marks: Vec<String> = digits.map(|it| &it.value).chain(letters.map(|token| &token.text)).cloned().collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

impl Sketch {
    /// Weighs the words of `features`.
    pub fn new(features: &Features, rarity: &Rarity, policy: &Policy) -> Self {
        let tells_line = |class: Class| class == Class::Word || class == Class::Flavour && eaten(features.domain);
        let named = features.tokens.iter().any(|token| tells_line(token.class) && !token.addon);
        let units: Vec<Unit> = features
            .tokens
            .iter()
            .map(|token| {
                let text = if token.class == Class::Word { rarity.synonym(&token.text) } else { &token.text };
                let chars: Vec<char> = text.chars().collect();
                // English in a Korean title mostly repeats the Hangul.
                let english = token.class == Class::Word && token.text.chars().all(|ch| ch.is_ascii_alphabetic());
                let share = if english { 0.6 } else { 1.0 };
                let latin = english && chars.len() >= 3;
                let share = if token.class == Class::Kind { share } else { share * rarity.steadiness(&token.text) };
                let base = share * base(token.class, chars.len(), features.domain, policy);
                let factor = rarity.factor(&token.text);
                let weight = if token.addon { base * policy.weight.addon } else { base * factor };
                let against = match token.class {
                    _ if token.addon => weight,
                    // If nothing else names the line, praise does: 데일리 against 프리미엄.
                    Class::Filler if !named => policy.weight.unnamed,
                    _ => base.max(weight),
                };
                Unit {
                    text: token.text.clone(),
                    chars,
                    class: token.class,
                    weight,
                    against,
                    rarity: rarity.rarity(&token.text),
                    addon: token.addon,
                    aside: token.aside,
                    latin,
                    steady: rarity.steadiness(&token.text),
                }
            })
            .collect();
        let article = units.iter().filter(|unit| !unit.addon && !matches!(unit.class, Class::Promo | Class::Pack));
        Self {
            grams: grams(article.flat_map(|unit| unit.chars.iter().copied())),
            raw_grams: grams(features.letters.chars()),
            numbers: numbers(&features.letters),
            marks: marks(features),
            letters: features.letters.clone(),
            run: Run::of(features.letters.chars()),
            triples: triples(&features.letters),
            codes: features.codes.clone(),
            counted: rarity.titles >= MIN_TITLES,
            units,
            attributes: features.attributes.clone(),
            brands: features.brands.clone(),
            brand_attested: features.brands.iter().any(|brand| rarity.count_of(brand) >= ATTESTED),
            domain: features.domain,
            key: features.key.clone(),
        }
    }

    /// The values of `measure` on the article itself.
    pub(crate) fn values(&self, measure: Measure) -> impl Iterator<Item = &str> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.measure == measure && !attribute.addon)
            .map(|attribute| attribute.value.as_str())
    }

    /// The values of `measure` on the article and on the parts of its set.
    pub(crate) fn all_values(&self, measure: Measure) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(move |it| it.measure == measure).map(|it| it.value.as_str())
    }

    /// Whether a word of `class` describes the article itself.
    pub(crate) fn says(&self, class: Class) -> bool {
        self.units.iter().any(|unit| unit.class == class && !unit.addon)
    }

    /// Whether the title contains one of `names`, even if it is cut differently there or joined to
    /// another name, as a house and its brand are.
    pub(crate) fn writes_any(&self, names: &[String]) -> bool {
        names.iter().any(|name| name.chars().count() >= 3 && self.letters.contains(name.as_str()))
    }

    /// Whether both have the same words, so that one represents both.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.key == other.key && self.units.len() == other.units.len()
    }

    /// Whether there is nothing to compare.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.attributes.iter().all(|attribute| attribute.measure != Measure::Model)
    }
}

fn base(class: Class, length: usize, domain: Option<Domain>, policy: &Policy) -> f64 {
    let weight = &policy.weight;
    match class {
        Class::Word => match length {
            0 | 1 => 0.4,
            2 => 0.85,
            3 => 1.1,
            _ => 1.3,
        },
        Class::Brand => weight.brand,
        Class::Kind => weight.kind,
        Class::Flavour if eaten(domain) || domain.is_none() => weight.flavour,
        Class::Flavour => weight.flavour * 0.7,
        Class::Material => weight.material,
        Class::Design => weight.design,
        Class::Variant => weight.variant,
        Class::Origin => weight.origin,
        Class::Male | Class::Female | Class::Unisex | Class::Child => weight.gender,
        Class::Colour if eaten(domain) => weight.flavour,
        Class::Colour | Class::Size => weight.colour,
        Class::Filler => weight.filler,
        Class::Promo | Class::Pack => 0.0,
    }
}
