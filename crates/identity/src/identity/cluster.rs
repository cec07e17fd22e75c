//! Clustering: from the earliest on, each listing joins the most similar product or begins one; a
//! join must suit the whole product.

pub(crate) mod corrected;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::align::to_f64;
use super::compared::Compared;
use super::day::{Day, Known};
use super::earlier::{self, Like};
use super::reuse::are_two;
use super::score::{Score, compare};
use super::sketch::Sketch;
use super::title::{CHECKED_FIRST, CHECKED_LAST, Title, in_order};
use super::{Alike, Joined, Listing, Merge, Nearest, Policy, ProductId, Resolution, Resolved, appliance};

/// Titles of each product compared before two products are merged.
const CROSSED: usize = 6;
/// Below this probability a title clearly names another product. A newcomer may be that far from at
/// most 1 in `MOST_APART` titles of a product.
const APART: f64 = 0.2;
const MOST_APART: usize = 3;
/// Earlier products considered by a verdict.
const ALIKE: usize = 3;

#[derive(Default)]
struct Product {
    /// Its id, if it was known before.
    id: Option<ProductId>,
    /// The listing it began with.
    first: usize,
    /// Its distinct titles, in order of arrival.
    titles: Vec<usize>,
    /// Correction groups of its listings.
    groups: BTreeSet<usize>,
}

struct Run<'a> {
    listings: Vec<&'a Listing>,
    /// How many of the listings are to be placed; the rest belong to known products.
    new: usize,
    policy: &'a Policy,
    titles: Vec<Title>,
    /// The titles of each listing.
    of_listing: Vec<std::ops::Range<usize>>,
    /// The product of each listing that was placed.
    product_of: Vec<Option<usize>>,
    /// Known products, the eldest first, followed by those that the day began.
    products: Vec<Product>,
    /// For each product, the older product that it was merged into.
    merged_into: Vec<usize>,
    /// Known products to compare each new listing with.
    near: &'a [Vec<usize>],
    /// Correction group of each listing.
    groups: Vec<Option<usize>>,
    /// First placed listing of each group.
    of_group: HashMap<usize, usize>,
}

/// Places a day's listings onto `known`, the eldest first, whose titles are `sketches`. For each
/// new listing, `near` has the known products to compare it with and `likes` its comparisons with
/// the day's earlier titles. Also returns, for each listing, the titles by which its product is to
/// be found.
pub(super) fn place(
    day: &mut Day<'_>,
    known: &[Known],
    sketches: Vec<Vec<Vec<Sketch>>>,
    near: &[Vec<usize>],
    likes: &[Vec<Like>],
) -> (Resolution, Vec<Vec<usize>>) {
    let known_listings: Vec<Listing> = known.iter().flat_map(|product| product.listings.iter().cloned()).collect();
    let new = day.listings.len();
    let of_known = known.iter().flat_map(|product| {
        let day = &*day;
        product.listings.iter().map(move |listing| day.group_of_known(product.id, listing))
    });
    let groups = (0..new).map(|listing| day.group_of(listing)).chain(of_known).collect();
    let mut run = Run {
        listings: day.listings.iter().chain(&known_listings).collect(),
        new,
        policy: day.policy,
        titles: std::mem::take(&mut day.titles),
        of_listing: std::mem::take(&mut day.of_listing),
        product_of: vec![None; new + known_listings.len()],
        products: Vec::new(),
        merged_into: Vec::new(),
        near,
        groups,
        of_group: HashMap::new(),
    };
    run.begin_with(known, sketches);
    run.merge_corrected();
    let mut by_code: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for listing in in_order(&known_listings).into_iter().map(|known| new + known) {
        let this = run.listings[listing];
        by_code.entry((this.shop.as_str(), this.listing_id.as_str())).or_default().push(listing);
    }
    let mut placed: Vec<Placed> = vec![Placed::default(); new];
    let mut standing: Vec<Vec<usize>> = vec![Vec::new(); new];
    for listing in in_order(day.listings) {
        let this = run.listings[listing];
        let same_code = by_code.entry((this.shop.as_str(), this.listing_id.as_str())).or_default();
        let found = run.place(listing, same_code, &likes[listing]);
        same_code.push(listing);
        placed[listing] = found;
        standing[listing] = run.standing(listing);
    }
    (day.titles, day.of_listing) = (std::mem::take(&mut run.titles), std::mem::take(&mut run.of_listing));
    day.of_listing.truncate(new);
    day.titles.truncate(day.of_listing.last().map_or(0, |last| last.end));
    let mut resolution = run.finish(placed);
    resolution.known = known_listings;
    (resolution, standing)
}

/// How a listing was placed.
#[derive(Clone, Default)]
struct Placed {
    joined: Option<Joined>,
    nearest: Option<Nearest>,
    alike: Vec<Alike>,
}

/// An earlier product, represented by its title most similar to a listing.
struct Candidate {
    product: usize,
    like: Like,
}

impl Run<'_> {
    /// Adds the known products, unchanged by the day's listings.
    fn begin_with(&mut self, known: &[Known], sketches: Vec<Vec<Vec<Sketch>>>) {
        let mut listing = self.new;
        for (number, (product, sketches)) in known.iter().zip(sketches).enumerate() {
            self.products.push(Product { id: Some(product.id), first: listing, ..Product::default() });
            self.merged_into.push(number);
            for sketches in sketches {
                let start = self.titles.len();
                self.titles.extend(sketches.into_iter().map(|sketch| Title { listing, sketch }));
                self.of_listing.push(start..self.titles.len());
                self.join(listing, number);
                listing += 1;
            }
        }
    }

    fn root(&self, mut product: usize) -> usize {
        while let Some(&into) = self.merged_into.get(product) {
            if into == product {
                break;
            }
            product = into;
        }
        product
    }

    fn range(&self, listing: usize) -> std::ops::Range<usize> {
        self.of_listing.get(listing).cloned().unwrap_or(0..0)
    }

    fn compare(&self, a: usize, b: usize) -> Option<Score> {
        let (a, b) = (self.titles.get(a)?, self.titles.get(b)?);
        let offers = (self.listings.get(a.listing)?.offer(), self.listings.get(b.listing)?.offer());
        Some(compare(&a.sketch, offers.0, &b.sketch, offers.1, self.policy))
    }

    fn like(&self, a: usize, b: usize) -> Option<Like> {
        let (x, y) = (self.titles.get(a)?.listing, self.titles.get(b)?.listing);
        earlier::like(&self.titles, (self.listings.get(x)?, self.listings.get(y)?), (a, b), self.policy)
    }

    fn compared(&self, a: usize, b: usize) -> Option<Compared<'_>> {
        let (a, b) = (self.titles.get(a)?, self.titles.get(b)?);
        let offers = (self.listings.get(a.listing)?.offer(), self.listings.get(b.listing)?.offer());
        Some(Compared::of((&a.sketch, offers.0), (&b.sketch, offers.1), self.policy, true))
    }

    fn probability(&self, a: usize, b: usize) -> Option<f64> {
        Some(self.compared(a, b)?.probability(self.policy))
    }

    /// Finds a listing's product, given earlier listings of its code and the day's similar earlier
    /// titles.
    fn place(&mut self, listing: usize, same_code: &[usize], likes: &[Like]) -> Placed {
        let candidates = self.candidates(listing, likes);
        let alike = self.alike(listing, &candidates);
        if let Some((joined, product)) = self.corrected(listing) {
            self.join(listing, product);
            return Placed { joined: Some(joined), nearest: None, alike };
        }
        for &earlier in same_code.iter().rev() {
            if let Some(product) = self.product_of.get(earlier).copied().flatten().map(|product| self.root(product))
                && self.kept_apart(listing, product).is_none()
                && !self.clearly_different(listing, earlier)
            {
                self.join(listing, product);
                return Placed { joined: Some(Joined::SameCode { with: earlier }), nearest: None, alike };
            }
        }
        let same_at = self.policy.same_at;
        let fits = |candidate: &Candidate| candidate.like.outright || candidate.like.probability >= same_at;
        let (apart, mut candidates): (Vec<Candidate>, Vec<Candidate>) =
            candidates.into_iter().partition(|candidate| self.kept_apart(listing, candidate.product).is_some());
        let of_others = || candidates.iter().find(|candidate| !fits(candidate)).and_then(|other| self.nearest(other));
        let nearest = apart
            .first()
            .and_then(|other| self.nearest_apart(other, self.kept_apart(listing, other.product)?))
            .or_else(of_others);
        candidates
            .retain(|candidate| fits(candidate) && (candidate.like.outright || self.suits(listing, candidate.product)));
        let mut fitting = candidates.into_iter();
        let Some(best) = fitting.next() else {
            let product = self.products.len();
            self.products.push(Product { first: listing, ..Product::default() });
            self.merged_into.push(product);
            self.join(listing, product);
            return Placed { joined: Some(Joined::First), nearest, alike };
        };
        let joined = self.nearest(&best).map(|Nearest { with, score }| Joined::Similar { with, score });
        self.join(listing, best.product);
        for other in fitting {
            self.merge(best.product, other.product);
        }
        Placed { joined, nearest: None, alike }
    }

    /// The listing of an earlier title, with its score.
    fn nearest(&self, candidate: &Candidate) -> Option<Nearest> {
        let with = self.titles.get(candidate.like.other)?.listing;
        Some(Nearest { with, score: self.compare(candidate.like.title, candidate.like.other)? })
    }

    /// Products with a title similar to the listing's: outright matches first, then by probability.
    fn candidates(&self, listing: usize, likes: &[Like]) -> Vec<Candidate> {
        let near = self.titles_near(listing);
        let of_known = near.into_iter().flat_map(|other| self.range(listing).map(move |title| (title, other)));
        let of_known: Vec<Like> = of_known.filter_map(|(title, other)| self.like(title, other)).collect();
        let mut candidates: Vec<Candidate> = Vec::new();
        for &like in likes.iter().chain(&of_known) {
            let of =
                self.titles.get(like.other).and_then(|title| self.product_of.get(title.listing).copied().flatten());
            let Some(product) = of.map(|product| self.root(product)) else { continue };
            // Ignores a title that only repeats another title of its product: a ledger would not
            // look it up either.
            let stands = |product: &Product| product.titles.contains(&like.other);
            if !self.products.get(product).is_some_and(stands) {
                continue;
            }
            match candidates.iter_mut().find(|candidate| candidate.product == product) {
                Some(candidate) if is_before(&like, &candidate.like) => candidate.like = like,
                Some(_) => {}
                None => candidates.push(Candidate { product, like }),
            }
        }
        candidates.sort_by(|a, b| {
            let by_likeness = || b.like.probability.total_cmp(&a.like.probability);
            b.like.outright.cmp(&a.like.outright).then_with(by_likeness).then(a.product.cmp(&b.product))
        });
        candidates
    }

    /// Earlier listings most similar to a listing, whether or not it joins them. Its verdict uses
    /// them.
    fn alike(&self, listing: usize, candidates: &[Candidate]) -> Vec<Alike> {
        let Some(&this) = self.listings.get(listing) else { return Vec::new() };
        let is_earlier = |other: &Listing| {
            other.first_at < this.first_at && (other.shop != this.shop || other.listing_id != this.listing_id)
        };
        let mut alike: Vec<Alike> = candidates
            .iter()
            .filter_map(|Candidate { like, .. }| {
                let with = self.titles.get(like.other)?.listing;
                let is_earlier = self.listings.get(with).copied().is_some_and(is_earlier);
                is_earlier.then_some(Alike { with, probability: like.probability })
            })
            .collect();
        alike.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.with.cmp(&b.with)));
        alike.truncate(ALIKE);
        alike
    }

    /// Representative titles of the known products near a listing.
    fn titles_near(&self, listing: usize) -> Vec<usize> {
        let near = self.near.get(listing).map(Vec::as_slice).unwrap_or_default();
        let mut products: Vec<usize> = near.iter().map(|&product| self.root(product)).collect();
        products.dedup();
        products.into_iter().flat_map(|product| self.checked(product)).collect()
    }

    /// Whether one code was given to two things: each pair of titles has a veto and little
    /// agreement.
    fn clearly_different(&self, a: usize, b: usize) -> bool {
        let pairs = self.range(a).flat_map(|x| self.range(b).map(move |y| (x, y)));
        are_two(pairs.filter_map(|(x, y)| self.compared(x, y)), self.policy)
    }

    /// A product's representative titles.
    fn checked(&self, product: usize) -> Vec<usize> {
        let Some(product) = self.products.get(product) else { return Vec::new() };
        let skip = product.titles.len().saturating_sub(CHECKED_LAST).max(CHECKED_FIRST);
        product.titles.iter().take(CHECKED_FIRST).chain(product.titles.iter().skip(skip)).copied().collect()
    }

    /// Whether a listing that resembles one title of a product suits the product: its mean
    /// probability with the representative titles is high enough, the first title and most others
    /// are not clearly another product, and appliance codes agree.
    fn suits(&self, listing: usize, product: usize) -> bool {
        let checked = self.checked(product);
        let (mut sum, mut apart, mut codes) = (0.0, 0_usize, Vec::new());
        for &other in &checked {
            let likeness = self.range(listing).filter_map(|title| self.probability(title, other)).fold(0.0, f64::max);
            sum += likeness;
            apart += usize::from(likeness < APART);
            if checked.first() == Some(&other) && likeness < APART {
                return false;
            }
            codes.extend(self.range(listing).filter_map(|title| self.codes(title, other)));
        }
        sum >= self.policy.same_at * to_f64(checked.len()) && MOST_APART * apart <= checked.len() && !refused(&codes)
    }

    /// Whether two titles share an appliance code; `None` if either has none.
    fn codes(&self, a: usize, b: usize) -> Option<bool> {
        appliance::same_code(&self.titles.get(a)?.sketch, &self.titles.get(b)?.sketch)
    }

    fn join(&mut self, listing: usize, product: usize) {
        if let Some(of) = self.product_of.get_mut(listing) {
            *of = Some(product);
        }
        self.note_group(listing, product);
        for title in self.range(listing) {
            let known = |other: &usize| match (self.titles.get(*other), self.titles.get(title)) {
                (Some(a), Some(b)) => a.sketch.says_the_same(&b.sketch),
                _ => false,
            };
            let known = self.products.get(product).is_some_and(|product| product.titles.iter().any(known));
            if !known && let Some(product) = self.products.get_mut(product) {
                product.titles.push(title);
            }
        }
    }

    /// Merges two products that a listing suits, if they suit each other; the older one stays.
    fn merge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (old, young) = (a.min(b), a.max(b));
        if old == young || self.are_apart(old, young) {
            return;
        }
        let of = |product: usize| self.checked(product).into_iter().take(CROSSED).collect::<Vec<usize>>();
        let (left, right) = (of(old), of(young));
        let pairs = || left.iter().flat_map(|&x| right.iter().map(move |&y| (x, y)));
        let sum: f64 = pairs().filter_map(|(x, y)| self.probability(x, y)).sum();
        let codes: Vec<bool> = pairs().filter_map(|(x, y)| self.codes(x, y)).collect();
        if sum < self.policy.same_at * to_f64(left.len() * right.len()) || refused(&codes) {
            return;
        }
        self.unite(old, young);
    }

    /// Merges two products; the older one stays.
    fn unite(&mut self, old: usize, young: usize) {
        if let Some(into) = self.merged_into.get_mut(young) {
            *into = old;
        }
        let Some(gone) = self.products.get_mut(young) else { return };
        let (titles, groups) = (std::mem::take(&mut gone.titles), std::mem::take(&mut gone.groups));
        if let Some(product) = self.products.get_mut(old) {
            product.titles.extend(titles);
            product.groups.extend(groups);
        }
    }

    /// A listing's titles that add something to its product's other titles.
    fn standing(&self, listing: usize) -> Vec<usize> {
        let Some(product) = self.product_of.get(listing).copied().flatten().map(|product| self.root(product)) else {
            return Vec::new();
        };
        let stands = |title: &usize| self.products.get(product).is_some_and(|product| product.titles.contains(title));
        self.range(listing).filter(stands).collect()
    }

    fn finish(self, placed: Vec<Placed>) -> Resolution {
        let ids = self.ids();
        let id_of = |product: usize| ids.get(self.root(product)).copied().unwrap_or(ProductId(0));
        let root_of =
            |listing: usize| self.product_of.get(listing).copied().flatten().map(|product| self.root(product));
        let listings = placed
            .into_iter()
            .enumerate()
            .map(|(listing, Placed { joined, nearest, mut alike })| {
                let product = root_of(listing);
                // A listing that a person kept apart is not alike, however similar.
                let may_be = |other: usize| product.zip(root_of(other)).is_none_or(|(a, b)| !self.are_apart(a, b));
                alike.retain(|alike| may_be(alike.with));
                Resolved {
                    product: product.map_or(ProductId(0), id_of),
                    joined: joined.unwrap_or(Joined::First),
                    nearest_other: nearest,
                    alike,
                }
            })
            .collect();
        let mut merges = Vec::new();
        for (product, &id) in ids.iter().enumerate() {
            if self.root(product) != product {
                merges.push(Merge { from: id, into: id_of(product) });
            }
        }
        merges.sort_unstable();
        let of_new = self.product_of.iter().take(self.new).flatten();
        let products = of_new.map(|&product| self.root(product)).collect::<BTreeSet<usize>>().len();
        Resolution { listings, merges, moved: Vec::new(), products, known: Vec::new() }
    }

    /// Each product's id: its known one, or one from its first listing, with a suffix if an older
    /// product began with the same code.
    fn ids(&self) -> Vec<ProductId> {
        let mut taken: HashSet<ProductId> = self.products.iter().filter_map(|product| product.id).collect();
        let mut ids = Vec::with_capacity(self.products.len());
        for product in &self.products {
            if let Some(id) = product.id {
                ids.push(id);
                continue;
            }
            ids.push(ProductId::free(self.listings[product.first], |id| !taken.insert(id)));
        }
        ids
    }
}

/// Whether `like` takes precedence over `other`.
fn is_before(like: &Like, other: &Like) -> bool {
    (like.outright, like.probability) > (other.outright, other.probability)
}

/// Whether appliance codes were compared and none agreed.
fn refused(agree: &[bool]) -> bool {
    !agree.is_empty() && !agree.contains(&true)
}
