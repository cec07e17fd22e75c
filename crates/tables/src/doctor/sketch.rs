//! Sketches of rows too many to keep: samples of their hashes, and counters of the most common.
//! Each has a cap.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// The hash under which things are remembered; the same in every run. A hash that resists
/// adversaries would be too slow for tables of this size: whoever makes hashes collide only makes
/// their own rows count as copies.
pub(super) fn hash(of: impl Hash) -> u64 {
    let mut mix = Mix(0);
    of.hash(&mut mix);
    mix.finish()
}

/// Multiplies and folds eight bytes at a time; the constants are those of wyhash and of
/// MurmurHash3's finish.
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
        let (low, high) = (product & u128::from(u64::MAX), product >> 64);
        self.0 = u64::try_from(low ^ high).unwrap_or_default().rotate_left(29) ^ word;
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let last = rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte));
        self.add(last);
    }

    fn write_u8(&mut self, number: u8) {
        self.add(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_i64(&mut self, number: i64) {
        self.add(number.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        let hash = (self.0 ^ self.0 >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }
}

/// Counts of repeated things in a sample: one in 2^`level`, chosen by hash, so that all copies of a
/// thing are in it or none.
#[derive(Debug)]
pub(super) struct Copies {
    counts: HashMap<u64, u32>,
    level: u32,
    most: usize,
}

impl Copies {
    /// An empty sample of at most `most` hashes.
    pub(super) fn new(most: usize) -> Self {
        Self { counts: HashMap::new(), level: 0, most }
    }

    /// Counts one more, and returns whether it is a copy of an earlier one.
    pub(super) fn add(&mut self, hash: u64) -> bool {
        if hash.trailing_zeros() < self.level {
            return false;
        }
        let count = self.counts.entry(hash).or_default();
        *count = count.saturating_add(1);
        let is_copy = *count > 1;
        while self.counts.len() > self.most {
            self.level += 1;
            let level = self.level;
            self.counts.retain(|hash, _| hash.trailing_zeros() >= level);
        }
        is_copy
    }

    /// An estimate of the number of distinct things.
    pub(super) fn distinct(&self) -> u64 {
        (self.counts.len() as u64) << self.level
    }

    /// An estimate of the number of copies.
    pub(super) fn repeats(&self) -> u64 {
        self.counts.values().map(|&count| u64::from(count).saturating_sub(1)).sum::<u64>() << self.level
    }

    /// Whether the cap was reached, so that figures are estimates.
    pub(super) fn is_sampled(&self) -> bool {
        self.level > 0
    }
}

/// The count from which an example is kept: most users come and go.
const EXAMPLED: u64 = 16;

/// The most common items of a stream, by the counters of Misra and Gries ("Finding repeated
/// elements", 1982): with `most` counters, each count is too low by at most one in `most` of the
/// stream.
#[derive(Debug)]
pub(super) struct Commonest<E> {
    counters: HashMap<u64, (u64, Option<E>)>,
    most: usize,
}

impl<E> Commonest<E> {
    /// An empty set of `most` counters.
    pub(super) fn new(most: usize) -> Self {
        Self { counters: HashMap::new(), most }
    }

    /// Counts one more; `example` makes the example that is kept once its counter reaches
    /// [`EXAMPLED`].
    pub(super) fn add(&mut self, hash: u64, example: impl FnOnce() -> E) {
        if let Some((count, kept)) = self.counters.get_mut(&hash) {
            *count += 1;
            if *count >= EXAMPLED && kept.is_none() {
                *kept = Some(example());
            }
        } else if self.counters.len() < self.most {
            self.counters.insert(hash, (1, None));
        } else {
            self.counters.retain(|_, (count, _)| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// The most common item that has an example, and a lower bound on its count.
    pub(super) fn first(&self) -> Option<(u64, &E)> {
        let first = self.counters.iter().max_by_key(|(hash, (count, _))| (*count, **hash));
        first.and_then(|(_, (count, example))| Some((*count, example.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_tells_copies_and_stays_within_its_cap() {
        let mut copies = Copies::new(1_000);
        for round in 0..3 {
            for thing in 0..40_000_u32 {
                // A quarter come a second and a third time.
                if round == 0 || thing % 4 == 0 {
                    copies.add(hash(thing));
                }
            }
        }
        assert!(copies.is_sampled() && copies.counts.len() <= 1_000);
        assert!((36_000..44_000).contains(&copies.distinct()), "{}", copies.distinct());
        assert!((16_000..24_000).contains(&copies.repeats()), "{}", copies.repeats());
        let mut few = Copies::new(1_000);
        assert_eq!([1, 2, 1, 1].map(|thing| few.add(hash(thing))), [false, false, true, true]);
        assert_eq!((few.distinct(), few.repeats(), few.is_sampled()), (2, 2, false));
    }

    #[test]
    fn hashes_differ_in_all_their_bits() {
        let texts = (0..50_000_u32).map(|nth| format!("상품 {nth}"));
        let hashes: Vec<u64> = texts.map(|text| hash((&text, "GS샵"))).collect();
        for bit in 0..64 {
            let ones = hashes.iter().filter(|hash| *hash >> bit & 1 == 1).count();
            assert!((24_000..26_000).contains(&ones), "{ones} of 50,000 have bit {bit}");
        }
        let distinct: std::collections::BTreeSet<u64> = hashes.into_iter().collect();
        assert_eq!(distinct.len(), 50_000);
        assert_ne!(hash(("ab", "c")), hash(("a", "bc")), "where a text ends counts");
        assert_ne!(hash("\0"), hash("\0\0"));
    }

    #[test]
    fn the_commonest_is_found_among_many_more_than_there_are_counters() {
        let mut commonest = Commonest::new(64);
        for nth in 0..100_000_u32 {
            let who = if nth % 10 == 3 { 7 } else { 1_000 + nth };
            commonest.add(hash(who), || who);
        }
        let (count, who) = commonest.first().unwrap();
        assert_eq!(*who, 7);
        assert!((10_000 - 100_000 / 64..=10_000).contains(&count), "{count}");
    }
}
