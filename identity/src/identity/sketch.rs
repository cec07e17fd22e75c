//! A title's features weighed and sorted for comparing: units with weights, attributes, and the sets that decide.

use std::sync::Arc;

use crate::listing::{Attribute, Class, Domain, Features, Measure};

use super::Policy;
use super::block::{Key, word_key};
use super::statistic::Counts;

/// How rare words are among the listings at hand; without counts every word is taken for equally rare.
#[derive(Clone, Debug, Default)]
pub struct Rarity {
    /// Titles by the key of the word.
    counts: Arc<Counts>,
    titles: u32,
}

/// Fewer titles than this tell nothing about rarity.
const MIN_TITLES: u32 = 200;
/// A brand that this many titles name is one.
const ATTESTED: u32 = 3;

impl Rarity {
    /// What was counted: how many titles, and how many of them have each word, by the word's key.
    pub(crate) fn of_counts(titles: u32, counts: Arc<Counts>) -> Self {
        Self { counts, titles }
    }

    /// The words of a title as they are counted, each once.
    pub(crate) fn words(title: &Features) -> Vec<Key> {
        let mut words: Vec<Key> = title.tokens.iter().map(|token| word_key(&token.text)).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// How many titles have the word.
    fn count_of(&self, word: &str) -> u32 {
        self.counts.of(word_key(word)).unwrap_or(0)
    }

    /// A factor on a word's weight, around 1: 0.4 for one that many titles have, 1.3 for one that hardly any has.
    fn factor(&self, word: &str) -> f64 {
        if self.titles < MIN_TITLES {
            return 1.0;
        }
        let count = f64::from(self.count_of(word).max(1));
        let share = count / f64::from(self.titles);
        // A word in one title of a thousand weighs 1; ten times as frequent, 0.3 less.
        (1.0 - 0.3 * (share * 1_000.0).log10()).clamp(0.4, 1.3)
    }
}

/// A word to be matched.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) text: String,
    pub(crate) chars: Vec<char>,
    pub(crate) class: Class,
    /// What it counts where it agrees, or where the other title just says less: less for a word that many titles have.
    pub(crate) weight: f64,
    /// What it counts where it stands against another word: common names part products as rare ones do.
    pub(crate) against: f64,
    pub(crate) addon: bool,
}

/// A title ready to be compared.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    pub(crate) units: Vec<Unit>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) brands: Vec<String>,
    /// A brand of the field is in several titles too.
    pub(crate) brand_attested: bool,
    pub(crate) domain: Option<Domain>,
    pub(crate) key: String,
}

impl Sketch {
    /// Weighs the words of `features`.
    pub fn new(features: &Features, rarity: &Rarity, policy: &Policy) -> Self {
        let named = features.tokens.iter().any(|token| token.class == Class::Word && !token.addon);
        let units = features
            .tokens
            .iter()
            .map(|token| {
                let chars: Vec<char> = token.text.chars().collect();
                // English in a Korean title mostly says once more what the Hangul says.
                let english = token.class == Class::Word && token.text.chars().all(|ch| ch.is_ascii_alphabetic());
                let share = if english { 0.6 } else { 1.0 };
                let base = share * base(token.class, chars.len(), features.domain, policy);
                let factor = rarity.factor(&token.text);
                let weight = if token.addon { base * policy.weight.addon } else { base * factor };
                let against = match token.class {
                    _ if token.addon => weight,
                    // Where nothing else names the line, praise does: 데일리 against 프리미엄.
                    Class::Filler if !named => policy.weight.unnamed,
                    _ => base.max(weight),
                };
                Unit { text: token.text.clone(), chars, class: token.class, weight, against, addon: token.addon }
            })
            .collect();
        Self {
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

    /// Whether a word of `class` is said of the article itself.
    pub(crate) fn says(&self, class: Class) -> bool {
        self.units.iter().any(|unit| unit.class == class && !unit.addon)
    }

    /// Whether there is nothing to compare.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.attributes.iter().all(|attribute| attribute.measure != Measure::Model)
    }
}

/// Whether what is eaten is at stake, so that colours and flavours name the article.
pub(crate) fn eaten(domain: Option<Domain>) -> bool {
    matches!(domain, Some(Domain::Food | Domain::Health | Domain::Pet))
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
