//! Blocking: which earlier titles are worth comparing with a title, found by the rare stretches, codes and pictures they share.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::listing::{Class, Measure};

use super::sketch::Sketch;

/// Keys of one title that are kept: its rarest.
const MAX_KEYS: usize = 12;
/// A key that more titles than this have finds nothing in particular and is left out.
const MAX_SHARED: u32 = 400;
/// Syllables of a stretch.
const STRETCH: usize = 3;
/// Candidates compared for one title.
pub(crate) const MAX_CANDIDATES: usize = 16;

/// A key: a hash of what is shared. Two different things with one hash cost a comparison, not an error.
pub(crate) type Key = u64;

fn key(kind: u8, parts: &[&str]) -> Key {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    for part in parts {
        part.hash(&mut hasher);
    }
    hasher.finish()
}

/// All keys of a title, each once, in order of their hash.
pub(crate) fn keys(sketch: &Sketch, image: Option<&str>) -> Vec<Key> {
    let mut keys = Vec::new();
    if !sketch.key.is_empty() {
        keys.push(key(0, &[&sketch.key]));
    }
    for measure in [Measure::Model, Measure::ShortCode] {
        for value in sketch.values(measure) {
            let head: String = value.chars().take(7).collect();
            keys.push(key(1, &[&head]));
        }
    }
    if let Some(image) = image.filter(|image| !image.is_empty()) {
        keys.push(key(2, &[image]));
    }
    let telling =
        |class: Class| !matches!(class, Class::Filler | Class::Colour | Class::Size | Class::Promo | Class::Pack);
    let words: Vec<&super::sketch::Unit> =
        sketch.units.iter().filter(|unit| !unit.addon && telling(unit.class)).collect();
    let run: Vec<char> = words.iter().flat_map(|unit| unit.chars.iter().copied()).collect();
    for stretch in run.windows(STRETCH) {
        let stretch: String = stretch.iter().collect();
        keys.push(key(3, &[&stretch]));
    }
    // The heaviest words two by two: for titles whose every stretch is common, or whose words stand in another order.
    let mut heavy = words;
    heavy.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.text.cmp(&b.text)));
    heavy.dedup_by(|a, b| a.text == b.text);
    heavy.truncate(6);
    for (index, first) in heavy.iter().enumerate() {
        keys.push(key(4, &[&first.text]));
        for second in heavy.iter().skip(index + 1) {
            let (low, high) = if first.text <= second.text { (first, second) } else { (second, first) };
            keys.push(key(5, &[&low.text, &high.text]));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// How many titles have each key.
#[derive(Debug, Default)]
pub(crate) struct Frequencies {
    counts: HashMap<Key, u32>,
}

impl Frequencies {
    pub(crate) fn add(&mut self, keys: &[Key]) {
        for &key in keys {
            *self.counts.entry(key).or_default() += 1;
        }
    }

    fn of(&self, key: Key) -> u32 {
        self.counts.get(&key).copied().unwrap_or(1)
    }

    /// The rarest of `keys` that at least one other title has too.
    pub(crate) fn rarest(&self, keys: &[Key]) -> Vec<Key> {
        let mut ranked: Vec<(u32, Key)> = keys
            .iter()
            .map(|&key| (self.of(key), key))
            .filter(|&(count, _)| (2..=MAX_SHARED).contains(&count))
            .collect();
        ranked.sort_unstable();
        ranked.truncate(MAX_KEYS);
        ranked.into_iter().map(|(_, key)| key).collect()
    }
}

/// Earlier titles by their keys.
#[derive(Debug, Default)]
pub(crate) struct Index {
    postings: HashMap<Key, Vec<u32>>,
}

impl Index {
    pub(crate) fn insert(&mut self, keys: &[Key], title: u32) {
        for &key in keys {
            self.postings.entry(key).or_default().push(title);
        }
    }

    /// The titles that share the most and the rarest keys with `keys`, at most [`MAX_CANDIDATES`], the best first.
    pub(crate) fn candidates(&self, keys: &[Key], frequencies: &Frequencies, gathered: &mut Gathered) -> Vec<u32> {
        gathered.clear();
        for &key in keys {
            let Some(titles) = self.postings.get(&key) else { continue };
            // Rarity in thousandths of 1/(1+log2 count), as a whole number so that sums don't depend on their order.
            let worth = 1_000 / (1 + u32::BITS - frequencies.of(key).leading_zeros());
            for &title in titles {
                gathered.add(title, worth);
            }
        }
        gathered.best()
    }
}

/// Sums by title, kept between searches to save the allocation.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    sums: Vec<u32>,
    touched: Vec<u32>,
}

impl Gathered {
    pub(crate) fn with_titles(titles: usize) -> Self {
        Self { sums: vec![0; titles], touched: Vec::new() }
    }

    fn clear(&mut self) {
        for &title in &self.touched {
            if let Some(sum) = usize::try_from(title).ok().and_then(|title| self.sums.get_mut(title)) {
                *sum = 0;
            }
        }
        self.touched.clear();
    }

    fn add(&mut self, title: u32, worth: u32) {
        if let Some(sum) = usize::try_from(title).ok().and_then(|title| self.sums.get_mut(title)) {
            if *sum == 0 {
                self.touched.push(title);
            }
            *sum = sum.saturating_add(worth);
        }
    }

    fn best(&self) -> Vec<u32> {
        let sum = |title: u32| usize::try_from(title).ok().and_then(|title| self.sums.get(title)).copied().unwrap_or(0);
        let mut ranked: Vec<(std::cmp::Reverse<u32>, u32)> =
            self.touched.iter().map(|&title| (std::cmp::Reverse(sum(title)), title)).collect();
        if ranked.len() > MAX_CANDIDATES {
            ranked.select_nth_unstable(MAX_CANDIDATES);
            ranked.truncate(MAX_CANDIDATES);
        }
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, title)| title).collect()
    }
}
