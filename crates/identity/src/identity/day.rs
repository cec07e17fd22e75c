//! A day's listings, to be placed onto known products.
//!
//! This module does no I/O. A caller with a ledger looks up [`Day::keys`], passes the answer to
//! [`Day::search`], fetches the products that it returns, and passes those to [`Day::resolve`].

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::block::{Frequencies, MAX_SHARED, Postings, keys, stored};
use super::compared::Compared;
use super::earlier::{self, Earlier, Like};
use super::key::{Key, code_key};
use super::sketch::{Rarity, Sketch};
use super::statistic::{Counts, Lessons, Statistics, add_all};
use super::title::{self, CHECKED_FIRST, CHECKED_LAST, Title};
use super::{Listing, Policy, ProductId, Resolution, feature};
use crate::listing::brand::heard;
use crate::listing::{Brands, Features, Lexicon};

/// Titles of a run from which a blocking key is counted separately from its postings.
const COMMON_FROM: u32 = 32;

/// Listings whose code a correction names but which it doesn't mean, because the code has since
/// been given to another thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Former {
    /// Listings of the day.
    pub(super) day: BTreeSet<usize>,
    /// Listings of known products, by product, shop and code.
    pub(super) known: BTreeSet<(ProductId, String, String)>,
}

/// A known product with its listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: ProductId,
    /// Its listings, at least one.
    pub listings: Vec<Listing>,
}

/// A product's name in a ledger's blocking keys: the upper half of its id. A collision costs one
/// comparison.
pub fn mark(id: ProductId) -> u32 {
    u32::try_from(id.0 >> 32).unwrap_or(u32::MAX)
}

/// A day's result: its [`Resolution`] and new keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placed {
    /// The products.
    pub resolution: Resolution,
    /// For each of the day's listings, additional keys by which its product is to be found.
    pub keys: Vec<Vec<Key>>,
}

/// Listings parsed and weighed, to be placed onto known products.
pub struct Day<'a> {
    pub(super) listings: &'a [Listing],
    pub(super) policy: &'a Policy,
    lexicon: Lexicon<'a>,
    rarity: Rarity,
    pub(super) titles: Vec<Title>,
    pub(super) of_listing: Vec<std::ops::Range<usize>>,
    /// All keys of each title.
    pub(super) title_keys: Vec<Vec<Key>>,
    pub(super) frequencies: Frequencies,
    /// Words of each listing's first title.
    words: Vec<Vec<Key>>,
    /// Lessons from the titles of each listing that has several.
    turned: Vec<Lessons>,
    in_force: &'a Statistics,
    /// Marks of the products to compare each listing with.
    pub(super) candidates: Vec<Vec<u32>>,
    /// Listings that corrections name but don't mean.
    pub(super) former: Former,
}

impl<'a> Day<'a> {
    /// Parses and weighs all titles by `in_force`, or by the listings' own statistics if `in_force`
    /// is empty. Uses one thread per core.
    pub fn read(listings: &'a [Listing], policy: &'a Policy, in_force: &'a Statistics) -> Self {
        let brands = match in_force.titles {
            0 => Brands::learn(listings.iter().filter_map(named), &policy.words),
            _ => Brands::of(&in_force.lessons, &policy.words),
        };
        let lexicon = Lexicon::new(&policy.words).with_brands(brands);
        let read = in_parallel(listings, || (), |(), listing| listing.features(policy, &lexicon));
        let words: Vec<Vec<Key>> =
            read.iter().map(|features| features.first().map(Rarity::words).unwrap_or_default()).collect();
        let turned = in_parallel(&read, || (), |(), features| Rarity::turned(features));
        let rarity = if in_force.titles == 0 {
            let titles = u32::try_from(listings.len()).unwrap_or(u32::MAX);
            let counts = Counts::new(words.iter().flatten().map(|&key| (key, 1)).collect());
            let mut lessons = Lessons::new();
            for turned in &turned {
                add_all(&mut lessons, turned);
            }
            Rarity::of_counts(titles, Arc::new(counts)).with_lessons(&lessons)
        } else {
            Rarity::of_counts(in_force.titles, Arc::clone(&in_force.words)).with_lessons(&in_force.lessons)
        };
        let pairs: Vec<(&Listing, &Vec<Features>)> = listings.iter().zip(&read).collect();
        let sketched = in_parallel(
            &pairs,
            || (),
            |(), (listing, features)| {
                let sketched = features.iter().map(|features| sketch(features, listing, &rarity, policy));
                sketched.collect::<Vec<_>>()
            },
        );
        let mut day = Self {
            listings,
            policy,
            lexicon,
            rarity,
            titles: Vec::with_capacity(listings.len()),
            of_listing: Vec::with_capacity(listings.len()),
            title_keys: Vec::with_capacity(listings.len()),
            frequencies: Frequencies::default(),
            words,
            turned,
            in_force,
            candidates: vec![Vec::new(); listings.len()],
            former: Former::default(),
        };
        // Repeated listings of one title count once, so that they make no key common.
        let mut counted: HashSet<String> = HashSet::new();
        for (listing, sketches) in sketched.into_iter().enumerate() {
            let start = day.titles.len();
            for (sketch, keys) in sketches {
                if sketch.key.is_empty() || counted.insert(sketch.key.clone()) {
                    day.frequencies.add(&keys);
                }
                day.titles.push(Title { listing, sketch });
                day.title_keys.push(keys);
            }
            day.of_listing.push(start..day.titles.len());
        }
        day
    }

    /// The listings' contribution to the statistics, from those whose index `counts` accepts.
    pub fn counted(&self, counts: impl Fn(usize) -> bool) -> Statistics {
        let picked: Vec<usize> = (0..self.listings.len()).filter(|&listing| counts(listing)).collect();
        let listings = picked.iter().filter_map(|&listing| self.listings.get(listing));
        let mut lessons = heard(listings.filter_map(named), &self.policy.words);
        for turned in picked.iter().filter_map(|&listing| self.turned.get(listing)) {
            add_all(&mut lessons, turned);
        }
        let words = picked.iter().filter_map(|&listing| self.words.get(listing)).flatten();
        let mut words: Vec<(Key, u32)> = words.map(|&key| (key, 1)).collect();
        let mut frequencies = Frequencies::default();
        for &listing in &picked {
            for title in self.of_listing.get(listing).cloned().unwrap_or_default() {
                frequencies.add(self.title_keys.get(title).map(Vec::as_slice).unwrap_or_default());
            }
        }
        words.extend(frequencies.at_least(COMMON_FROM));
        let titles = u32::try_from(picked.len()).unwrap_or(u32::MAX);
        Statistics { titles, words: Arc::new(Counts::new(words)), lessons }
    }

    /// The keys to look up for each title: [`Day::keys`] without those of codes.
    pub fn keys_by_title(&self) -> Vec<Vec<Key>> {
        let in_force = |key: &Key| self.in_force.words.of(*key).is_none_or(|titles| titles <= MAX_SHARED);
        self.title_keys.iter().map(|keys| keys.iter().copied().filter(in_force).collect()).collect()
    }

    /// The keys to look up, distinct and ascending: those of all titles, except too common ones,
    /// and those of the listings' codes.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = self.keys_by_title().concat();
        keys.extend(self.listings.iter().map(|listing| code_key(&listing.shop, &listing.listing_id)));
        keys.extend(self.keys_corrected());
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Keys of the codes named by corrections. Their products are looked up every day.
    fn keys_corrected(&self) -> impl Iterator<Item = Key> {
        self.policy.corrections.listings().map(|(shop, code)| code_key(shop, code))
    }

    /// Takes a ledger's answer and returns the marks of the products to fetch, distinct and
    /// ascending: those that share the most and rarest keys.
    pub fn search(&mut self, postings: &Postings) -> Vec<u32> {
        for key in self.keys_counted() {
            let stored = u32::try_from(postings.of(key).len()).unwrap_or(u32::MAX);
            self.frequencies.note(key, stored.max(self.in_force.words.of(key).unwrap_or(0)));
        }
        let all: Vec<usize> = (0..self.listings.len()).collect();
        self.candidates = in_parallel(&all, || (), |(), &listing| self.candidates_of(listing, postings));
        let mut marks: Vec<u32> = self.candidates.iter().flatten().copied().collect();
        marks.extend(self.keys_corrected().flat_map(|key| postings.of(key)));
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    fn keys_counted(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.title_keys.iter().flatten().copied().collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Marks of the products to compare a listing with: those that have its code or that of a
    /// listing named with it in a correction, and the best of each title.
    fn candidates_of(&self, listing: usize, postings: &Postings) -> Vec<u32> {
        let Some(this) = self.listings.get(listing) else { return Vec::new() };
        let mut marks = postings.of(code_key(&this.shop, &this.listing_id)).to_vec();
        let mates = self.policy.corrections.mates(&this.shop, &this.listing_id);
        marks.extend(mates.flat_map(|(shop, code)| postings.of(code_key(shop, code))));
        for title in self.of_listing.get(listing).cloned().unwrap_or_default() {
            if let Some(keys) = self.title_keys.get(title) {
                let found = postings.candidates(keys, |key| self.frequencies.of(key));
                marks.extend(found.into_iter().map(|(mark, _)| mark));
            }
        }
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// Features of two of the day's listings, from their best-matching pair of titles.
    pub fn features(&self, a: usize, b: usize) -> Option<Vec<f64>> {
        let (left, right) = (self.listings.get(a)?, self.listings.get(b)?);
        let of = |listing: usize| self.of_listing.get(listing).cloned().unwrap_or(0..0);
        let compared = of(a).flat_map(|x| of(b).map(move |y| (x, y))).filter_map(|(x, y)| {
            let (x, y) = (self.titles.get(x)?, self.titles.get(y)?);
            Some(Compared::of((&x.sketch, left.offer()), (&y.sketch, right.offer()), self.policy, true))
        });
        // Orders by the rules alone: training data must not depend on the previous fit.
        let order = |compared: &Compared<'_>| (compared.sums.vetoes.is_empty(), compared.sums.total);
        let best = compared.max_by(|x, y| {
            let (x, y) = (order(x), order(y));
            x.0.cmp(&y.0).then(x.1.total_cmp(&y.1))
        })?;
        Some(feature::values(&best))
    }

    /// For each of `wanted`, the earlier listings that it would be compared with, the most similar
    /// first.
    pub fn earlier(&self, wanted: &[usize]) -> Vec<Vec<usize>> {
        let earlier = Earlier::new(&self.titles, &self.title_keys, &ranks(self.listings), &self.frequencies);
        in_parallel(
            wanted,
            || earlier.room(),
            |room, &listing| {
                let titles = self.of_listing.get(listing).cloned().unwrap_or(0..0);
                let found = titles.flat_map(|title| earlier.find(title, room)).collect::<Vec<_>>();
                let mut listings = Vec::new();
                for title in found.into_iter().filter_map(|title| self.titles.get(title)) {
                    if !listings.contains(&title.listing) {
                        listings.push(title.listing);
                    }
                }
                listings
            },
        )
    }

    /// The comparisons of each listing with the day's earlier titles.
    pub(super) fn likes(&self) -> Vec<Vec<Like>> {
        let earlier = Earlier::new(&self.titles, &self.title_keys, &ranks(self.listings), &self.frequencies);
        let all: Vec<usize> = (0..self.listings.len()).collect();
        in_parallel(
            &all,
            || earlier.room(),
            |room, &listing| {
                let mut likes = Vec::new();
                for title in self.of_listing.get(listing).cloned().unwrap_or(0..0) {
                    let found = earlier.find(title, room);
                    likes.extend(found.into_iter().filter_map(|other| {
                        let with = self.listings.get(self.titles.get(other)?.listing)?;
                        earlier::like(&self.titles, (self.listings.get(listing)?, with), (title, other), self.policy)
                    }));
                }
                likes
            },
        )
    }

    /// All keys by which a known listing can be found.
    pub(super) fn keys_of(&self, listing: &Listing) -> Vec<Key> {
        let features = listing.features(self.policy, &self.lexicon);
        let of_titles = features.iter().flat_map(|features| sketch(features, listing, &self.rarity, self.policy).1);
        of_titles.chain([code_key(&listing.shop, &listing.listing_id)]).collect()
    }

    /// The keys to store for a product that has this known listing.
    pub(super) fn stored_keys_of(&self, listing: &Listing) -> Vec<Key> {
        let features = listing.features(self.policy, &self.lexicon);
        let titles = features.iter().map(|features| sketch(features, listing, &self.rarity, self.policy).1);
        let mut keys: Vec<Key> = titles.flat_map(|keys| self.frequencies.stored(&keys)).collect();
        keys.push(code_key(&listing.shop, &listing.listing_id));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    pub(super) fn sketches(&self, listing: &Listing) -> Vec<Sketch> {
        let features = listing.features(self.policy, &self.lexicon);
        features.iter().map(|features| Sketch::new(features, &self.rarity, self.policy)).collect()
    }

    /// For each listing, the only known products needed to place it: those that it may join, those
    /// with its code, and the nearest other one.
    pub(super) fn near(&self, known: &[Known]) -> Vec<Vec<usize>> {
        let marks: Vec<u32> = known.iter().map(|product| mark(product.id)).collect();
        let all: Vec<usize> = (0..self.listings.len()).collect();
        in_parallel(
            &all,
            || (),
            |(), &listing| {
                let Some(this) = self.listings.get(listing) else { return Vec::new() };
                let mates: Vec<(&str, &str)> = self.policy.corrections.mates(&this.shop, &this.listing_id).collect();
                let mut near = Vec::new();
                let mut nearest: Option<(f64, usize)> = None;
                for &wanted in self.candidates.get(listing).map(Vec::as_slice).unwrap_or_default() {
                    let from = marks.partition_point(|&mark| mark < wanted);
                    for (index, product) in known.iter().enumerate().skip(from) {
                        if mark(product.id) != wanted {
                            break;
                        }
                        let of_code = |other: &Listing| {
                            let name = (other.shop.as_str(), other.listing_id.as_str());
                            name == (this.shop.as_str(), this.listing_id.as_str()) || mates.contains(&name)
                        };
                        if product.listings.iter().any(of_code) {
                            near.push(index);
                            continue;
                        }
                        match self.likeness(listing, product) {
                            Likeness::Same => near.push(index),
                            Likeness::Different(likeness) if nearest.is_none_or(|(best, _)| likeness > best) => {
                                nearest = Some((likeness, index));
                            }
                            Likeness::Different(_) | Likeness::None => {}
                        }
                    }
                }
                near.extend(nearest.map(|(_, index)| index));
                near
            },
        )
    }

    /// Compares a listing with the representative titles of a known product.
    fn likeness(&self, listing: usize, product: &Known) -> Likeness {
        let mut standing: Vec<(&Listing, Sketch)> = Vec::new();
        for other in &product.listings {
            for sketch in self.sketches(other) {
                if !standing.iter().any(|(_, known)| known.says_the_same(&sketch)) {
                    standing.push((other, sketch));
                }
            }
        }
        let skip = standing.len().saturating_sub(CHECKED_LAST).max(CHECKED_FIRST);
        let mut likeness = Likeness::None;
        let this = &self.listings[listing];
        for title in self.of_listing[listing].clone() {
            let title = &self.titles[title];
            for (other, sketch) in standing.iter().take(CHECKED_FIRST).chain(standing.iter().skip(skip)) {
                let pair = ((&title.sketch, this.offer()), (sketch, other.offer()));
                let compared = Compared::of(pair.0, pair.1, self.policy, true);
                let probability = compared.probability(self.policy);
                if probability >= self.policy.same_at {
                    return Likeness::Same;
                }
                if !matches!(likeness, Likeness::Different(best) if best >= probability) {
                    likeness = Likeness::Different(probability);
                }
            }
        }
        likeness
    }
}

/// The brand field and latest title of a listing.
fn named(listing: &Listing) -> Option<(Option<&str>, &str)> {
    Some((listing.brand.as_deref(), listing.titles.first()?.as_str()))
}

enum Likeness {
    Same,
    Different(f64),
    None,
}

fn sketch(features: &Features, listing: &Listing, rarity: &Rarity, policy: &Policy) -> (Sketch, Vec<Key>) {
    let sketch = Sketch::new(features, rarity, policy);
    let keys = if sketch.is_empty() { Vec::new() } else { keys(&sketch, listing.image.as_deref()) };
    (sketch, keys)
}

/// Each listing's rank in placement order.
fn ranks(listings: &[Listing]) -> Vec<usize> {
    let mut ranks = vec![0; listings.len()];
    for (rank, listing) in title::in_order(listings).into_iter().enumerate() {
        if let Some(place) = ranks.get_mut(listing) {
            *place = rank;
        }
    }
    ranks
}

/// Maps a list in order on the available cores; each run of at least 256 items has its own `room`.
pub(super) fn in_parallel<T: Sync, S, R: Send>(
    items: &[T],
    room: impl Fn() -> S + Sync + Send,
    map: impl Fn(&mut S, &T) -> R + Sync + Send,
) -> Vec<R> {
    items.par_iter().with_min_len(256).map_init(room, map).collect()
}

/// The keys to store for a product whose only title is `features`. `titles` returns the number of
/// titles with a key.
///
/// For callers that build a ledger without resolving its listings.
pub fn stored_keys(features: &Features, policy: &Policy, titles: impl Fn(Key) -> u32) -> Vec<Key> {
    let sketch = Sketch::new(features, &Rarity::default(), policy);
    if sketch.is_empty() { Vec::new() } else { stored(&keys(&sketch, None), titles) }
}
