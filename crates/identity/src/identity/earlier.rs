//! Which earlier titles of a run are worth comparing with a listing, and how likely each is the same product.

use std::collections::HashMap;

use super::block::{Frequencies, Gathered, worth};
use super::compared::Compared;
use super::key::Key;
use super::title::Title;
use super::{Listing, Policy};

/// Keys of a title by which it is found, its rarest.
const KEPT: usize = 40;
/// Keys that a title asks for, its rarest.
const ASKED: usize = 30;
/// Titles compared with one title.
const COMPARED: usize = 24;
/// Of titles with one key as many: copies of a title tell nothing more.
const COPIES: usize = 2;

/// An earlier title that was compared with one of a listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Like {
    /// The listing's title.
    pub(super) title: usize,
    /// The earlier title.
    pub(super) other: usize,
    /// The probability that the two are one product.
    pub(super) probability: f64,
    /// They are one product whatever other titles say: their words are equal, or they name one appliance code.
    pub(super) outright: bool,
}

/// The titles of a run by their keys, each list in the order of their listings.
pub(super) struct Earlier<'r> {
    postings: HashMap<Key, Vec<u32>>,
    titles: &'r [Title],
    keys: &'r [Vec<Key>],
    /// The place of each title's listing in the order in which listings are placed.
    ranks: Vec<usize>,
    frequencies: &'r Frequencies,
}

impl<'r> Earlier<'r> {
    /// Of the titles of listings with `rank`s, `keys` being all keys of each.
    pub(super) fn new(titles: &'r [Title], keys: &'r [Vec<Key>], rank: &[usize], frequencies: &'r Frequencies) -> Self {
        let ranks: Vec<usize> =
            titles.iter().map(|title| rank.get(title.listing).copied().unwrap_or(usize::MAX)).collect();
        let mut order: Vec<usize> = (0..titles.len()).collect();
        order.sort_by_key(|&title| (ranks.get(title), title));
        let mut postings: HashMap<Key, Vec<u32>> = HashMap::new();
        for title in order {
            let (Some(keys), Ok(id)) = (keys.get(title), u32::try_from(title)) else { continue };
            for key in frequencies.rarest(keys, KEPT) {
                postings.entry(key).or_default().push(id);
            }
        }
        Self { postings, titles, keys, ranks, frequencies }
    }

    /// Room for [`Earlier::find`].
    pub(super) fn room(&self) -> Gathered {
        Gathered::with_titles(self.titles.len())
    }

    /// The titles of earlier listings that share the most and the rarest keys with a title, the best first.
    pub(super) fn find(&self, title: usize, room: &mut Gathered) -> Vec<usize> {
        let (Some(&rank), Some(keys)) = (self.ranks.get(title), self.keys.get(title)) else { return Vec::new() };
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
        // By what they say; of copies the earliest, which stand for their products.
        let mut found: Vec<Vec<usize>> = Vec::new();
        let mut places: HashMap<(&str, usize), usize> = HashMap::new();
        for other in room.best(COMPARED * 8).into_iter().filter_map(|other| usize::try_from(other).ok()) {
            let Some(sketch) = self.titles.get(other).map(|title| &title.sketch) else { continue };
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

/// Compares two titles, one of each listing.
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
