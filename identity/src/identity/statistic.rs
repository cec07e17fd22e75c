//! How common words, blocking keys and brands are among many listings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::block::Key;

/// How many titles have each of many keys, in little memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    keys: Vec<Key>,
    titles: Vec<u32>,
}

impl Counts {
    /// Of keys and counts in any order; counts of one key add up.
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

    /// How many titles have `key`, where it was counted.
    pub fn of(&self, key: Key) -> Option<u32> {
        self.keys.binary_search(&key).ok().and_then(|at| self.titles.get(at).copied())
    }

    /// Keys and counts, in ascending order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, u32)> {
        self.keys.iter().copied().zip(self.titles.iter().copied())
    }

    /// How many keys were counted.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key was counted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// How common words, blocking keys and brands are: what titles are read and weighed by.
///
/// Counts of several runs add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Titles that were counted, one a listing.
    pub titles: u32,
    /// How many of them have each word, and each blocking key that many of them have.
    pub words: Arc<Counts>,
    /// How many brand fields name each brand.
    pub brands: BTreeMap<String, u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_one_key_add_up() {
        let counts = Counts::new(vec![(9, 1), (3, 5), (9, u32::MAX)]);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(3, 5), (9, u32::MAX)]);
        assert_eq!((counts.of(3), counts.of(4), counts.len(), counts.is_empty()), (Some(5), None, 2, false));
    }
}
