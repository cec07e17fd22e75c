//! The word list for reading titles: classes, spellings and domains, from `data/words.toml` and an
//! operator's own file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

use super::{Class, Domain, normal};

/// The built-in words.
const DEFAULT: &str = include_str!("../../data/words.toml");

/// Why a words file is unusable.
#[derive(Debug, Error)]
pub enum Error {
    /// Not TOML, or with an unexpected key.
    #[error("invalid words file: {source}; use the keys of the shipped words.toml, each with a text of words")]
    Syntax {
        /// The TOML parser's message, with line and column.
        #[source]
        source: toml::de::Error,
    },
    /// A table under `kind` that is not a domain.
    #[error("words file: unknown domain `{name}` in [kind]; use one of {known}")]
    UnknownDomain {
        /// The unknown domain.
        name: String,
        /// The known domains.
        known: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    promo: String,
    card: String,
    comment: String,
    gift: String,
    pack: String,
    filler: String,
    colour: String,
    size: String,
    male: String,
    female: String,
    unisex: String,
    child: String,
    ingredient: String,
    near: String,
    within: String,
    variant: String,
    formula: String,
    design: String,
    flavour: String,
    material: String,
    origin: String,
    brand: String,
    remove: String,
    kind: BTreeMap<String, String>,
}

/// Properties of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its class.
    pub class: Class,
    /// The spelling used in comparisons.
    pub canonical: Box<str>,
    /// Its domain, if it is a kind of thing.
    pub domain: Option<Domain>,
    /// It marks a remark.
    pub comments: bool,
    /// It marks a gift.
    pub gives: bool,
}

/// A dictionary of words by normalised spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    entries: HashMap<Box<str>, Entry>,
    ingredients: HashSet<Box<str>>,
    near: HashMap<Box<str>, Vec<u16>>,
    groups: u16,
    within: HashMap<Box<str>, Vec<Box<str>>>,
    longest: usize,
}

impl Words {
    /// The built-in words.
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Words> = LazyLock::new(|| {
            let mut words = Words::default();
            // A test checks the built-in text. If it were broken, an empty dictionary would still
            // resolve equal titles.
            let _ = words.extend(DEFAULT);
            words
        });
        &SHIPPED
    }

    /// Adds the words of a TOML text. An already listed word takes the new text's class.
    ///
    /// # Errors
    /// [`enum@Error`] if the text is not TOML with the expected keys.
    pub fn extend(&mut self, text: &str) -> Result<(), Error> {
        let source: Source = toml::from_str(text).map_err(|source| Error::Syntax { source })?;
        for word in source.remove.split_whitespace() {
            self.entries.remove(plain(word).as_str());
        }
        // Within a text, later classes override earlier ones, so that deciding classes win over
        // decorative ones.
        self.add(&source.filler, Class::Filler, None);
        self.add(&source.pack, Class::Pack, None);
        self.add(&source.promo, Class::Promo, None);
        self.add(&source.card, Class::Promo, None);
        self.add(&source.colour, Class::Colour, None);
        self.add(&source.size, Class::Size, None);
        self.add(&source.origin, Class::Origin, None);
        self.add_origin_suffixes(&source.origin);
        self.add(&source.variant, Class::Variant, None);
        self.add(&source.design, Class::Design, None);
        for (name, list) in &source.kind {
            let domain = Domain::parse(name).ok_or_else(|| Error::UnknownDomain {
                name: name.clone(),
                known: Domain::ALL.iter().map(|domain| domain.as_str()).collect::<Vec<_>>().join(", "),
            })?;
            self.add(list, Class::Kind, Some(domain));
        }
        self.add(&source.material, Class::Material, None);
        self.add(&source.formula, Class::Flavour, None);
        self.add(&source.flavour, Class::Flavour, None);
        self.add(&source.brand, Class::Brand, None);
        self.add(&source.male, Class::Male, None);
        self.add(&source.female, Class::Female, None);
        self.add(&source.unisex, Class::Unisex, None);
        self.add(&source.child, Class::Child, None);
        for word in source.ingredient.split_whitespace() {
            let word = self.canonical(word);
            self.ingredients.insert(word);
        }
        for group in source.near.split_whitespace() {
            self.groups = self.groups.saturating_add(1);
            for word in group.split('=') {
                let word = self.canonical(word);
                self.near.entry(word).or_default().push(self.groups);
            }
        }
        self.add_within(&source.within);
        self.mark(&source.comment, |entry| entry.comments = true);
        self.mark(&source.card, |entry| entry.comments = true);
        self.mark(&source.gift, |entry| {
            entry.gives = true;
            entry.class = Class::Promo;
        });
        Ok(())
    }

    /// The canonical spelling of a listed or unlisted word.
    fn canonical(&self, word: &str) -> Box<str> {
        let word = plain(word);
        self.entries.get(word.as_str()).map_or(word.as_str().into(), |entry| entry.canonical.clone())
    }

    /// Adds containments: `a>b,c` means that b and c are within a.
    fn add_within(&mut self, list: &str) {
        for group in list.split_whitespace() {
            let Some((outer, inner)) = group.split_once('>') else { continue };
            let outer = self.canonical(outer);
            for word in inner.split(',').filter(|word| !word.is_empty()) {
                let word = self.canonical(word);
                self.within.entry(word).or_default().push(outer.clone());
            }
        }
    }

    /// Whether one of two canonical words names a part of the other.
    pub fn nested(&self, a: &str, b: &str) -> bool {
        let is_within = |inner: &str, outer: &str| {
            self.within.get(inner).is_some_and(|outers| outers.iter().any(|found| found.as_ref() == outer))
        };
        is_within(a, b) || is_within(b, a)
    }

    fn add(&mut self, list: &str, class: Class, domain: Option<Domain>) {
        for group in list.split_whitespace() {
            let mut spellings = group.split('=').map(plain).filter(|word| !word.is_empty());
            let Some(first) = spellings.next() else { continue };
            for spelling in std::iter::once(first.clone()).chain(spellings) {
                self.longest = self.longest.max(spelling.chars().count());
                let entry = Entry { class, canonical: first.as_str().into(), domain, comments: false, gives: false };
                self.entries.insert(spelling.into(), entry);
            }
        }
    }

    /// Adds origins with the suffix 산: `핀란드산` is `핀란드`.
    fn add_origin_suffixes(&mut self, list: &str) {
        for word in list.split_whitespace().map(plain) {
            let entry = Entry {
                class: Class::Origin,
                canonical: word.as_str().into(),
                domain: None,
                comments: false,
                gives: false,
            };
            self.entries.entry(format!("{word}산").into()).or_insert(entry);
        }
    }

    fn mark(&mut self, list: &str, mark: impl Fn(&mut Entry)) {
        for word in list.split_whitespace().map(plain) {
            self.longest = self.longest.max(word.chars().count());
            let entry = self.entries.entry(word.as_str().into()).or_insert_with(|| Entry {
                class: Class::Promo,
                canonical: word.as_str().into(),
                domain: None,
                comments: false,
                gives: false,
            });
            mark(entry);
        }
    }

    /// The entry of `word`, which must be normalised.
    pub fn get(&self, word: &str) -> Option<&Entry> {
        self.entries.get(word)
    }

    /// Whether a canonical kind is an ingredient if another kind follows it.
    pub fn is_ingredient(&self, kind: &str) -> bool {
        self.ingredients.contains(kind)
    }

    /// Whether shops use two canonical kinds interchangeably.
    pub fn near(&self, a: &str, b: &str) -> bool {
        match (self.near.get(a), self.near.get(b)) {
            (Some(a), Some(b)) => a.iter().any(|group| b.contains(group)),
            _ => false,
        }
    }

    /// Length of the longest word in characters.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Number of known spellings.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no word is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A word, normalised and without spaces.
pub(crate) fn plain(word: &str) -> String {
    normal::normalise(word).iter().map(|glyph| glyph.ch).filter(|ch| !ch.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_words_are_readable_and_many() {
        let mut words = Words::default();
        words.extend(DEFAULT).unwrap();
        assert!(words.len() > 2_000, "{}", words.len());
        assert_eq!(words.get("핀란드산").unwrap().canonical.as_ref(), "핀란드");
        assert_eq!(words.get("samsung").unwrap().canonical.as_ref(), "삼성");
    }

    #[test]
    fn an_operator_adds_and_removes() {
        let mut words = Words::shipped().clone();
        words.extend("flavour = \"용과 드래곤후르츠=용과후르츠\"\nremove = \"런칭가\"").unwrap();
        assert_eq!(words.get("용과").unwrap().class, Class::Flavour);
        assert_eq!(words.get("용과후르츠").unwrap().canonical.as_ref(), "드래곤후르츠");
        assert!(words.get("런칭가").is_none());
        assert!(words.extend("flavor = \"x\"").is_err());
        assert!(matches!(words.extend("[kind]\nspace = \"x\"").unwrap_err(), Error::UnknownDomain { .. }));
    }
}
