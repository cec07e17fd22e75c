//! Frequencies of words, blocking keys and brands over many listings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::key::Key;

/// A compact map from keys to numbers of titles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    keys: Vec<Key>,
    titles: Vec<u32>,
}

impl Counts {
    /// Builds it from keys and counts in any order; counts of one key add up.
    pub fn new(mut counts: Vec<(Key, u32)>) -> Self {
        counts.sort_unstable();
        let mut all = Self { keys: Vec::with_capacity(counts.len()), titles: Vec::with_capacity(counts.len()) };
        for (key, titles) in counts {
            match (all.keys.last(), all.titles.last_mut()) {
                (Some(last), Some(sum)) if *last == key => *sum = sum.saturating_add(titles),
                _ => {
                    all.keys.push(key);
                    all.titles.push(titles);
                }
            }
        }
        all
    }

    /// Number of titles with `key`; `None` if it was not counted.
    pub fn of(&self, key: Key) -> Option<u32> {
        self.keys.binary_search(&key).ok().and_then(|at| self.titles.get(at).copied())
    }

    /// Keys and counts, in ascending order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, u32)> {
        self.keys.iter().copied().zip(self.titles.iter().copied())
    }

    /// Number of counted keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key was counted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Kind of a lesson that a listing's brand field and titles give on one or two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lesson {
    /// The brand field contains the word.
    Field,
    /// The title begins with the word, which is unlisted.
    Head,
    /// The title begins with the first word, and the second follows.
    Follower,
    /// The title begins with the first word, and the brand field contains the second.
    HeadField,
    /// The title contains the word after its head.
    Inside,
    /// Some of the listing's titles have the word and some don't.
    Turns,
    /// All of the listing's several titles have the word.
    Stays,
    /// One of two titles of the listing has the first word in place of the second.
    Swaps,
}

impl Lesson {
    const ALL: [Self; 8] =
        [Self::Field, Self::Head, Self::Follower, Self::HeadField, Self::Inside, Self::Turns, Self::Stays, Self::Swaps];

    /// The lesson's number in a ledger.
    pub fn code(self) -> u16 {
        Self::ALL.iter().zip(0..).find(|(lesson, _)| **lesson == self).map_or(u16::MAX, |(_, code)| code)
    }

    /// The lesson with this number in a ledger.
    pub fn of_code(code: u16) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Number of listings by lesson and words; the second word is empty for lessons on one word.
pub type Lessons = BTreeMap<(Lesson, String, String), u32>;

/// Frequencies of words and blocking keys, and lessons about words, used to read and weigh titles.
///
/// Counts of several runs add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Counted titles, one per listing.
    pub titles: u32,
    /// Number of titles with each word, and with each frequent blocking key.
    pub words: Arc<Counts>,
    /// Lessons about brands, synonyms and words that come and go.
    pub lessons: Lessons,
}

/// Adds one listing's lesson.
pub(crate) fn add(lessons: &mut Lessons, lesson: Lesson, word: &str, other: &str) {
    let count = lessons.entry((lesson, word.to_owned(), other.to_owned())).or_default();
    *count = count.saturating_add(1);
}

/// Adds the counts of `others`.
pub(crate) fn add_all(lessons: &mut Lessons, others: &Lessons) {
    for (lesson, count) in others {
        match lessons.get_mut(lesson) {
            Some(known) => *known = known.saturating_add(*count),
            None => drop(lessons.insert(lesson.clone(), *count)),
        }
    }
}

/// Each word with its count for a lesson on one word.
pub(crate) fn of_word(lessons: &Lessons, lesson: Lesson) -> impl Iterator<Item = (&str, u32)> {
    of_pair(lessons, lesson).map(|(word, _, count)| (word, count))
}

/// Each ordered pair with its count for a lesson on two words.
pub(crate) fn of_pair(lessons: &Lessons, lesson: Lesson) -> impl Iterator<Item = (&str, &str, u32)> {
    let all = lessons.range((lesson, String::new(), String::new())..);
    let of = all.take_while(move |((of, _, _), _)| *of == lesson);
    of.map(|((_, word, other), &count)| (word.as_str(), other.as_str(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_keeps_its_number() {
        for (lesson, code) in Lesson::ALL.into_iter().zip(0..) {
            assert_eq!((lesson.code(), Lesson::of_code(code)), (code, Some(lesson)));
        }
        assert_eq!((Lesson::Swaps.code(), Lesson::of_code(8)), (7, None));
        let mut lessons = Lessons::new();
        add(&mut lessons, Lesson::Head, "나", "");
        add(&mut lessons, Lesson::Follower, "나", "다");
        add(&mut lessons, Lesson::Head, "가", "");
        add(&mut lessons, Lesson::Head, "나", "");
        assert_eq!(of_word(&lessons, Lesson::Head).collect::<Vec<_>>(), [("가", 1), ("나", 2)]);
        assert_eq!(of_pair(&lessons, Lesson::Follower).collect::<Vec<_>>(), [("나", "다", 1)]);
        assert_eq!(of_pair(&lessons, Lesson::Swaps).count(), 0);
    }

    #[test]
    fn counts_of_one_key_add_up() {
        let counts = Counts::new(vec![(9, 1), (3, 5), (9, u32::MAX)]);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(3, 5), (9, u32::MAX)]);
        assert_eq!((counts.of(3), counts.of(4), counts.len(), counts.is_empty()), (Some(5), None, 2, false));
    }
}
