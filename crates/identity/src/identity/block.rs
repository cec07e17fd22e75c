//! Blocking: selects earlier titles to compare with a title, by shared rare stretches, codes and
//! pictures.

use std::collections::HashMap;

use super::key::{KIND_BITS, Key, Kind, key};
use super::sketch::{Sketch, Unit};
use crate::listing::{Class, Measure};

/// Keys of a title that a ledger stores, its rarest, so that later titles find it. Later titles
/// look up all of theirs.
const MAX_STORED: usize = 8;
/// Stored keys that no other title has yet, at most: such a key may be the best one, or a typing
/// error.
const MAX_UNSEEN: usize = 5;
/// Titles above which a shared key is too unspecific and ignored.
pub const MAX_SHARED: u32 = 400;
/// Syllables per stretch.
const STRETCH: usize = 3;
/// Ledger products fetched for one title.
const MAX_CANDIDATES: usize = 16;

/// All distinct keys of a title, ascending.
pub(crate) fn keys(sketch: &Sketch, image: Option<&str>) -> Vec<Key> {
    let mut keys = Vec::new();
    if !sketch.key.is_empty() {
        keys.push(key(Kind::Title, &[&sketch.key]));
    }
    for measure in [Measure::Model, Measure::ShortCode] {
        for value in sketch.values(measure) {
            let head: String = value.chars().take(7).collect();
            keys.push(key(Kind::Model, &[&head]));
        }
    }
    if let Some(image) = image.filter(|image| !image.is_empty()) {
        keys.push(key(Kind::Image, &[image]));
    }
    let telling =
        |class: Class| !matches!(class, Class::Filler | Class::Colour | Class::Size | Class::Promo | Class::Pack);
    let words: Vec<&Unit> = sketch.units.iter().filter(|unit| !unit.addon && telling(unit.class)).collect();
    stretches(&words, &mut keys);
    // Pairs of the heaviest words, for titles whose stretches are all common or whose words are in
    // another order.
    let mut heavy = words;
    heavy.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.text.cmp(&b.text)));
    heavy.dedup_by(|a, b| a.text == b.text);
    heavy.truncate(6);
    for (index, first) in heavy.iter().enumerate() {
        keys.push(key(Kind::Word, &[&first.text]));
        for second in heavy.iter().skip(index + 1) {
            let (low, high) = if first.text <= second.text { (first, second) } else { (second, first) };
            keys.push(key(Kind::Pair, &[&low.text, &high.text]));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Adds every stretch of syllables of the concatenated words.
fn stretches(words: &[&Unit], keys: &mut Vec<Key>) {
    let run: String = words.iter().map(|unit| unit.text.as_str()).collect();
    let starts: Vec<usize> = run.char_indices().map(|(start, _)| start).chain([run.len()]).collect();
    for bounds in starts.windows(STRETCH + 1) {
        if let [start, .., end] = bounds
            && let Some(stretch) = run.get(*start..*end)
        {
            keys.push(key(Kind::Stretch, &[stretch]));
        }
    }
}

/// Number of titles that have each key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frequencies {
    counts: HashMap<Key, u32>,
}

impl Frequencies {
    pub(crate) fn add(&mut self, keys: &[Key]) {
        for &key in keys {
            self.note(key, 1);
        }
    }

    /// Adds a count made elsewhere.
    pub(crate) fn note(&mut self, key: Key, titles: u32) {
        let count = self.counts.entry(key).or_default();
        *count = count.saturating_add(titles);
    }

    pub(crate) fn of(&self, key: Key) -> u32 {
        self.counts.get(&key).copied().unwrap_or(1)
    }

    /// The keys that at least `least` titles have, ascending.
    pub(crate) fn at_least(&self, least: u32) -> Vec<(Key, u32)> {
        let mut common: Vec<(Key, u32)> =
            self.counts.iter().filter(|(_, count)| **count >= least).map(|(&key, &count)| (key, count)).collect();
        common.sort_unstable();
        common
    }

    /// The `most` rarest of `keys`, except those that too many titles have.
    pub(crate) fn rarest(&self, keys: &[Key], most: usize) -> Vec<Key> {
        let counted = keys.iter().map(|&key| (self.of(key), key));
        let mut ranked: Vec<(u32, Key)> = counted.filter(|(count, _)| *count <= MAX_SHARED).collect();
        ranked.sort_unstable();
        ranked.truncate(most);
        ranked.into_iter().map(|(_, key)| key).collect()
    }

    /// A title's keys that a ledger stores.
    pub(crate) fn stored(&self, keys: &[Key]) -> Vec<Key> {
        stored(keys, |key| self.of(key))
    }
}

/// A title's keys that a ledger stores, ascending: its rarest; at equal rarity, whole titles,
/// models, pictures and words precede stretches. `titles` returns the number of titles with a key.
pub(crate) fn stored(keys: &[Key], titles: impl Fn(Key) -> u32) -> Vec<Key> {
    let mut ranked: Vec<(u32, u64, Key)> = keys
        .iter()
        .map(|&key| (titles(key).max(1), key & KIND_BITS, key))
        .filter(|&(count, _, _)| count <= MAX_SHARED)
        .map(|(count, kind, key)| (count, if kind == u64::from(Kind::Stretch as u8) { KIND_BITS } else { kind }, key))
        .collect();
    ranked.sort_unstable();
    let unseen = ranked.iter().filter(|(count, _, _)| *count == 1).count();
    let seen = ranked.len() - unseen;
    let keep_unseen = unseen.min(MAX_UNSEEN.max(MAX_STORED.saturating_sub(seen)));
    let mut kept: Vec<Key> = ranked.iter().take(keep_unseen).map(|&(_, _, key)| key).collect();
    kept.extend(ranked.iter().skip(unseen).take(MAX_STORED.saturating_sub(keep_unseen)).map(|&(_, _, key)| key));
    kept.sort_unstable();
    kept
}

/// Worth of a shared key that `titles` titles have, in thousandths of 1/(1+log2 count). An integer,
/// so that sums don't depend on their order.
pub fn worth(titles: u32) -> u32 {
    1_000 / (1 + u32::BITS - titles.leading_zeros())
}

/// A ledger's answer to [`super::Day::keys`]: which products have each key stored.
#[derive(Clone, Debug, Default)]
pub struct Postings {
    keys: Vec<Key>,
    starts: Vec<usize>,
    marks: Vec<u32>,
}

impl Postings {
    /// Builds postings from pairs of key and product mark, in any order, with or without
    /// duplicates.
    pub fn new(mut found: Vec<(Key, u32)>) -> Self {
        found.sort_unstable();
        found.dedup();
        let mut postings = Self { keys: Vec::new(), starts: Vec::new(), marks: Vec::with_capacity(found.len()) };
        for (key, mark) in found {
            if postings.keys.last() != Some(&key) {
                postings.keys.push(key);
                postings.starts.push(postings.marks.len());
            }
            postings.marks.push(mark);
        }
        postings
    }

    /// Marks of the products that have `key` stored, ascending.
    pub fn of(&self, key: Key) -> &[u32] {
        let Ok(at) = self.keys.binary_search(&key) else { return &[] };
        let start = self.starts.get(at).copied().unwrap_or(0);
        let end = self.starts.get(at + 1).copied().unwrap_or(self.marks.len());
        self.marks.get(start..end).unwrap_or_default()
    }

    /// Marks of the at most 16 products that share the most and rarest of `keys`, the best first,
    /// each with the summed [`worth`] of the shared keys. `titles` returns the number of titles
    /// with a key; keys of more than [`MAX_SHARED`] titles are ignored.
    pub fn candidates(&self, keys: &[Key], titles: impl Fn(Key) -> u32) -> Vec<(u32, u32)> {
        let mut found: Vec<(u32, u32)> = Vec::new();
        for &key in keys {
            let titles = titles(key);
            if titles <= MAX_SHARED {
                found.extend(self.of(key).iter().map(|&mark| (mark, worth(titles))));
            }
        }
        found.sort_unstable();
        let mut ranked: Vec<(std::cmp::Reverse<u32>, u32)> = Vec::new();
        for (mark, worth) in found {
            match ranked.last_mut() {
                Some((sum, last)) if *last == mark => sum.0 = sum.0.saturating_add(worth),
                _ => ranked.push((std::cmp::Reverse(worth), mark)),
            }
        }
        if ranked.len() > MAX_CANDIDATES {
            ranked.select_nth_unstable(MAX_CANDIDATES);
            ranked.truncate(MAX_CANDIDATES);
        }
        ranked.sort_unstable();
        ranked.into_iter().map(|(sum, mark)| (mark, sum.0)).collect()
    }
}

/// Sums by title, reused between searches to save the allocation.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    sums: Vec<u32>,
    touched: Vec<u32>,
}

impl Gathered {
    pub(crate) fn with_titles(titles: usize) -> Self {
        Self { sums: vec![0; titles], touched: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        for &title in &self.touched {
            if let Some(sum) = usize::try_from(title).ok().and_then(|title| self.sums.get_mut(title)) {
                *sum = 0;
            }
        }
        self.touched.clear();
    }

    pub(crate) fn add(&mut self, title: u32, worth: u32) {
        if let Some(sum) = usize::try_from(title).ok().and_then(|title| self.sums.get_mut(title)) {
            if *sum == 0 {
                self.touched.push(title);
            }
            *sum = sum.saturating_add(worth);
        }
    }

    /// The `most` titles with the largest sums, the best first.
    pub(crate) fn best(&self, most: usize) -> Vec<u32> {
        let sum = |title: u32| usize::try_from(title).ok().and_then(|title| self.sums.get(title)).copied().unwrap_or(0);
        let mut ranked: Vec<(std::cmp::Reverse<u32>, u32)> =
            self.touched.iter().map(|&title| (std::cmp::Reverse(sum(title)), title)).collect();
        if ranked.len() > most {
            ranked.select_nth_unstable(most);
            ranked.truncate(most);
        }
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, title)| title).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::key::code_key;

    #[test]
    fn keys_in_ledgers_keep_their_values() {
        assert_eq!(
            code_key("GS샵", "1001"),
            12_008_287_366_235_404_662,
            "a changed key needs a new version of the ledger's format"
        );
        assert_ne!(key(Kind::Pair, &["ab", "c"]), key(Kind::Pair, &["a", "bc"]));
        let long = "가".repeat(60);
        assert_eq!(key(Kind::Title, &[&long]) & KIND_BITS, 0);
        assert_ne!(key(Kind::Title, &[&long]), key(Kind::Title, &[&long[3..]]));
    }

    #[test]
    fn a_title_is_stored_under_its_rarest_keys_of_which_some_are_known_to_others() {
        let of = |kind: Kind, number: u64| number << 3 | u64::from(kind as u8);
        let keys: Vec<Key> = (0..20).map(|number| of(Kind::Stretch, number)).chain([of(Kind::Word, 99)]).collect();
        let count = |key: Key| match key >> 3 {
            0..8 | 99 => 1,
            8 => MAX_SHARED + 1,
            number => u32::try_from(number).unwrap(),
        };
        let kept = stored(&keys, count);
        let stretches = |numbers: &[u64]| numbers.iter().map(|&number| of(Kind::Stretch, number)).collect::<Vec<_>>();
        assert_eq!(kept, [stretches(&[0, 1, 2, 3, 9, 10, 11]), vec![of(Kind::Word, 99)]].concat());
        assert_eq!(stored(&keys[..8], count).len(), 8, "where nothing else is known of it");
    }

    #[test]
    fn what_a_ledger_answers_comes_in_any_order_and_twice() {
        let postings = Postings::new(vec![(9, 2), (8, 5), (9, 1), (9, 2)]);
        assert_eq!((postings.of(9), postings.of(8), postings.of(7)), (&[1, 2][..], &[5][..], &[][..]));
        assert_eq!(postings.candidates(&[8, 9], |_| 1), [(1, 500), (2, 500), (5, 500)]);
    }
}
