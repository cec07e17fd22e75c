//! Earlier titles of a run that are worth comparing with a listing, and the probability that each
//! is the same product.

use std::collections::HashMap;

use super::block::{Frequencies, Gathered, worth};
use super::compared::Compared;
use super::key::Key;
use super::title::Title;
use super::{Listing, Policy};

/// Rarest keys of a title that index it.
const KEPT: usize = 40;
/// Rarest keys of a title that are looked up.
const ASKED: usize = 30;
/// Titles compared with one title.
const COMPARED: usize = 24;
/// Titles compared per set of copies: further copies add nothing.
const COPIES: usize = 2;

/// A comparison of a listing's title with an earlier title.
#[derive(Clone, Copy, Debug)]
pub(super) struct Like {
    /// The listing's title.
    pub(super) title: usize,
    /// The earlier title.
    pub(super) other: usize,
    /// The probability that the two are one product.
    pub(super) probability: f64,
    /// They are one product whatever other titles say: their words are equal, or they share a whole
    /// appliance code.
    pub(super) outright: bool,
}

/// Index of a run's titles by key; each list is in placement order.
pub(super) struct Earlier<'r> {
    postings: HashMap<Key, Vec<u32>>,
    titles: &'r [Title],
    keys: &'r [Vec<Key>],
    /// For each title, its listing's rank in placement order.
    ranks: Vec<usize>,
    frequencies: &'r Frequencies,
}

impl<'r> Earlier<'r> {
    /// Indexes `titles`; `keys` has all keys of each title and `rank` the rank of each listing.
    pub(super) fn new(titles: &'r [Title], keys: &'r [Vec<Key>], rank: &[usize], frequencies: &'r Frequencies) -> Self {
        let ranks: Vec<usize> = titles.iter().map(|title| rank[title.listing]).collect();
        let mut order: Vec<usize> = (0..titles.len()).collect();
        order.sort_by_key(|&title| (ranks[title], title));
        let mut postings: HashMap<Key, Vec<u32>> = HashMap::new();
        for title in order {
            let id = u32::try_from(title).expect("a day has fewer than 2³² titles");
            for key in frequencies.rarest(&keys[title], KEPT) {
                postings.entry(key).or_default().push(id);
            }
        }
        Self { postings, titles, keys, ranks, frequencies }
    }

    /// The buffer for [`Earlier::find`].
    pub(super) fn room(&self) -> Gathered {
        Gathered::with_titles(self.titles.len())
    }

    /// Titles of earlier listings that share the most and rarest keys with a title, the best first.
    pub(super) fn find(&self, title: usize, room: &mut Gathered) -> Vec<usize> {
        let (rank, keys) = (self.ranks[title], &self.keys[title]);
        room.clear();
        for key in self.frequencies.rarest(keys, ASKED) {
            let worth = worth(self.frequencies.of(key));
            for &other in self.postings.get(&key).map(Vec::as_slice).unwrap_or_default() {
                let place = usize::try_from(other).ok();
                if place.and_then(|place| self.ranks.get(place)).is_none_or(|&other| other >= rank) {
                    break;
                }
                room.add(other, worth);
            }
        }
        // Groups copies; the earliest of each represent their products.
        let mut found: Vec<Vec<usize>> = Vec::new();
        let mut places: HashMap<(&str, usize), usize> = HashMap::new();
        for other in room.best(COMPARED * 8).into_iter().filter_map(|other| usize::try_from(other).ok()) {
            let sketch = &self.titles[other].sketch;
            let place = *places.entry((&sketch.key, sketch.units.len())).or_insert(found.len());
            match found.get_mut(place).filter(|_| !sketch.key.is_empty()) {
                Some(copies) => copies.push(other),
                None => found.push(vec![other]),
            }
        }
        for copies in &mut found {
            copies.sort_by_key(|&other| (self.ranks.get(other), other));
            copies.truncate(COPIES);
        }
        let mut found = found.concat();
        found.truncate(COMPARED);
        found
    }
}

/// Compares two titles, one from each listing.
pub(super) fn like(
    titles: &[Title],
    listings: (&Listing, &Listing),
    pair: (usize, usize),
    policy: &Policy,
) -> Option<Like> {
    let (a, b) = (titles.get(pair.0)?, titles.get(pair.1)?);
    let compared = Compared::of((&a.sketch, listings.0.offer()), (&b.sketch, listings.1.offer()), policy, true);
    let probability = compared.probability(policy);
    Some(Like { title: pair.0, other: pair.1, probability, outright: compared.is_outright() })
}
