//! Brands learned from the listings: from brand fields, the first words of titles, and names in the
//! other script.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::{Entry, Words};
use super::{Class, brand_spellings, lex};
use crate::identity::statistic::{Lesson, Lessons, add, of_pair, of_word};

/// Brand fields that must contain a name to make it a brand.
const FIELDS: u32 = 3;
/// Titles that must begin with a name to make it a brand without any field, and distinct words that
/// must follow it.
const HEADS: u32 = 5;
const FOLLOWERS: usize = 4;
/// Words of a title searched for its head.
const HEAD_WORDS: usize = 6;

/// Learned brands: each spelling with its canonical one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brands {
    names: BTreeMap<String, String>,
}

/// Statistics of a word at the head of titles.
#[derive(Default)]
struct Head<'l> {
    titles: u32,
    followers: usize,
    /// Counts of the brand fields in those listings.
    fields: Vec<(&'l str, u32)>,
}

/// Lessons about brands from one brand field and one title per listing. Records followers of a head
/// only as far as they are needed.
pub(crate) fn heard<'b>(listings: impl Iterator<Item = (Option<&'b str>, &'b str)>, words: &Words) -> Lessons {
    let mut lessons = Lessons::new();
    let mut followers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut spellings: BTreeMap<&'b str, Vec<String>> = BTreeMap::new();
    // Whether a word may be a head.
    let unlisted = |word: &str| {
        words.get(word).is_none() && word.chars().count() >= 2 && !word.chars().any(|ch| ch.is_ascii_digit())
    };
    for (field, title) in listings {
        let names = match field {
            Some(field) => spellings.entry(field).or_insert_with(|| brand_spellings(field, words)).as_slice(),
            None => &[],
        };
        for name in names {
            add(&mut lessons, Lesson::Field, name, "");
        }
        let mut words_of = lex::words(title, HEAD_WORDS).into_iter().filter(|word| speaks(words.get(word)));
        let Some(first) = words_of.next() else { continue };
        let follower = words_of.next();
        for word in follower.iter().cloned().chain(words_of).filter(|word| unlisted(word)) {
            add(&mut lessons, Lesson::Inside, &word, "");
        }
        if !unlisted(&first) {
            continue;
        }
        add(&mut lessons, Lesson::Head, &first, "");
        for name in names {
            add(&mut lessons, Lesson::HeadField, &first, name);
        }
        let followers = followers.entry(first).or_default();
        followers.extend(follower);
        if followers.len() > FOLLOWERS {
            followers.pop_last();
        }
    }
    for (head, others) in &followers {
        for other in others {
            add(&mut lessons, Lesson::Follower, head, other);
        }
    }
    lessons
}

impl Brands {
    /// Learns from one brand field and one title per listing; see `Brands::of`.
    pub fn learn<'b>(listings: impl Iterator<Item = (Option<&'b str>, &'b str)>, words: &Words) -> Self {
        Self::of(&heard(listings, words), words)
    }

    /// The learned brands:
    ///
    /// - an unlisted name in at least 3 fields;
    /// - an unlisted name that begins at least 5 titles, is followed by 4 different words, and
    ///   stands at the head of most titles that contain it;
    /// - a head in Latin letters whose listings' fields mostly contain one Hangul name, or vice
    ///   versa: it becomes a spelling of that name.
    pub(crate) fn of(lessons: &Lessons, words: &Words) -> Self {
        let fields: BTreeMap<&str, u32> = of_word(lessons, Lesson::Field).collect();
        let inside: BTreeMap<&str, u32> = of_word(lessons, Lesson::Inside).collect();
        let is_brand =
            |name: &str, count: u32| count >= FIELDS && name.chars().count() >= 2 && words.get(name).is_none();
        let said = fields.iter().filter(|&(name, &count)| is_brand(name, count));
        let mut names: BTreeMap<String, String> =
            said.map(|(name, _)| ((*name).to_owned(), (*name).to_owned())).collect();
        let mut heads: BTreeMap<&str, Head<'_>> = BTreeMap::new();
        for (word, titles) in of_word(lessons, Lesson::Head) {
            heads.insert(word, Head { titles, ..Head::default() });
        }
        for (word, _, _) in of_pair(lessons, Lesson::Follower) {
            heads.entry(word).or_default().followers += 1;
        }
        for (word, name, count) in of_pair(lessons, Lesson::HeadField) {
            heads.entry(word).or_default().fields.push((name, count));
        }
        for (word, head) in heads {
            let known: u32 = head.fields.iter().map(|(_, count)| *count).sum();
            let most = head.fields.iter().max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)));
            let says = most.filter(|(_, count)| *count >= FIELDS && 5 * *count >= 3 * known);
            let said = |name: &str| fields.get(name).copied().unwrap_or(0);
            if let Some((name, _)) = says
                && name.is_ascii() != word.is_ascii()
                && said(word) < said(name)
            {
                names.insert(word.to_owned(), (*name).to_owned());
            } else if head.titles >= HEADS
                && head.followers >= FOLLOWERS
                && head.titles > 2 * inside.get(word).copied().unwrap_or(0)
                && !names.contains_key(word)
            {
                names.insert(word.to_owned(), word.to_owned());
            }
        }
        Self { names }
    }

    /// The canonical spelling of the brand `word`.
    pub fn get(&self, word: &str) -> Option<&str> {
        self.names.get(word).map(String::as_str)
    }
}

/// Whether a word describes the article, so that it may be a title's head.
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
