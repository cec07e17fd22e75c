//! Brands that the listings themselves teach: what brand fields say, what titles begin with, and a brand's name in the other script.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::{Entry, Words};
use super::{Class, brand_spellings, lex};

/// Brand fields that must say a name before it is a brand.
const FIELDS: u32 = 3;
/// Titles that must begin with a name that no field says, and how many different words must follow it there.
const HEADS: u32 = 5;
const FOLLOWERS: usize = 4;
/// Words of a title that are looked at for its head.
const HEAD_WORDS: usize = 6;

/// Learned brands: each spelling with the one that is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brands {
    names: BTreeMap<String, String>,
}

/// What was seen of a word at the head of titles.
#[derive(Default)]
struct Head {
    titles: u32,
    followers: BTreeSet<String>,
    /// The brand fields of those listings.
    fields: BTreeMap<String, u32>,
}

impl Brands {
    /// Learns from brand fields and titles, one of each for a listing:
    ///
    /// - an unlisted name that at least 3 fields say;
    /// - an unlisted name that at least 5 titles begin with, before 4 different words, and that stands at the head of most titles it is in;
    /// - a head in Latin letters whose listings' fields mostly say one Hangul name, or the other way round: that name's other spelling.
    pub fn learn<'b>(listings: impl Iterator<Item = (Option<&'b str>, &'b str)>, words: &Words) -> Self {
        let mut fields: BTreeMap<String, u32> = BTreeMap::new();
        let mut heads: BTreeMap<String, Head> = BTreeMap::new();
        let mut inside: BTreeMap<String, u32> = BTreeMap::new();
        let mut spellings: BTreeMap<&'b str, Vec<String>> = BTreeMap::new();
        for (field, title) in listings {
            let names = match field {
                Some(field) => spellings.entry(field).or_insert_with(|| brand_spellings(field, words)).as_slice(),
                None => &[],
            };
            for name in names {
                *fields.entry(name.clone()).or_default() += 1;
            }
            let mut words_of = lex::words(title, HEAD_WORDS).into_iter().filter(|word| speaks(words.get(word)));
            let Some(first) = words_of.next() else { continue };
            let follower = words_of.next();
            for word in follower.iter().cloned().chain(words_of) {
                *inside.entry(word).or_default() += 1;
            }
            if words.get(&first).is_some() || first.chars().count() < 2 || first.chars().any(|ch| ch.is_ascii_digit()) {
                continue;
            }
            let head = heads.entry(first).or_default();
            head.titles += 1;
            if head.followers.len() < FOLLOWERS {
                head.followers.extend(follower);
            }
            for name in names {
                *head.fields.entry(name.clone()).or_default() += 1;
            }
        }
        let Self { mut names } = Self::said(&fields, words);
        for (word, head) in &heads {
            let known: u32 = head.fields.values().sum();
            let most = head.fields.iter().max_by_key(|(name, count)| (**count, std::cmp::Reverse(*name)));
            let says = most.filter(|&(_, &count)| count >= FIELDS && 5 * count >= 3 * known);
            if let Some((name, _)) = says
                && name.is_ascii() != word.is_ascii()
                && fields.get(word).copied().unwrap_or(0) < fields.get(name).copied().unwrap_or(0)
            {
                names.insert(word.clone(), name.clone());
            } else if head.titles >= HEADS
                && head.followers.len() >= FOLLOWERS
                && head.titles > 2 * inside.get(word).copied().unwrap_or(0)
                && !names.contains_key(word)
            {
                names.insert(word.clone(), word.clone());
            }
        }
        Self { names }
    }

    /// The unlisted names that at least 3 brand fields say; `fields` has how many say each ([`field_counts`]).
    pub(crate) fn said(fields: &BTreeMap<String, u32>, words: &Words) -> Self {
        let is_brand = |name: &str, count| count >= FIELDS && name.chars().count() >= 2 && words.get(name).is_none();
        let said = fields.iter().filter(|&(name, &count)| is_brand(name, count));
        Self { names: said.map(|(name, _)| (name.clone(), name.clone())).collect() }
    }

    /// The compared spelling of the brand that `word` names.
    pub fn get(&self, word: &str) -> Option<&str> {
        self.names.get(word).map(String::as_str)
    }
}

/// How many of the brand fields name each brand, by its comparable spelling.
pub(crate) fn field_counts<'b>(fields: impl Iterator<Item = &'b str>, words: &Words) -> BTreeMap<String, u32> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut spellings: BTreeMap<&'b str, Vec<String>> = BTreeMap::new();
    for field in fields {
        for name in spellings.entry(field).or_insert_with(|| brand_spellings(field, words)).iter() {
            *counts.entry(name.clone()).or_default() += 1;
        }
    }
    counts
}

/// Whether a word says something of the article, so that it may be its head.
fn speaks(entry: Option<&Entry>) -> bool {
    entry.is_none_or(|entry| !matches!(entry.class, Class::Promo | Class::Pack | Class::Filler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_are_learned_from_fields_heads_and_the_other_script() {
        let kinds = ["냄비", "도마", "식도", "그릇", "접시", "컵"];
        let mut rows: Vec<(Option<&str>, String)> = Vec::new();
        for kind in kinds {
            rows.push((None, format!("★[특가] 담소원 {kind} 3종")));
            rows.push((Some("건강마루"), format!("GGMARU {kind}")));
            rows.push((None, format!("빛고을 물결 {kind}")));
        }
        let brands = Brands::learn(rows.iter().map(|(brand, title)| (*brand, title.as_str())), Words::shipped());
        assert_eq!(brands.get("담소원"), Some("담소원"));
        assert_eq!(brands.get("건강마루"), Some("건강마루"));
        assert_eq!(brands.get("ggmaru"), Some("건강마루"));
        assert_eq!(brands.get("물결"), None);
    }
}
