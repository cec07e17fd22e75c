//! From the earliest listing on, each joins the product it is most like or begins one; a join must suit the whole product.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::block::{Frequencies, Gathered, Index, Key};
use super::day::{Day, Known};
use super::reuse::parts;
use super::score::{EQUAL, Sameness, Score, compare};
use super::sketch::Sketch;
use super::{Joined, Listing, Merge, Nearest, Policy, ProductId, Resolution, Resolved};

/// Titles of a product that a newcomer is checked against: its first ones and its latest ones.
pub(super) const CHECKED_FIRST: usize = 6;
pub(super) const CHECKED_LAST: usize = 14;

/// One title of one listing.
pub(super) struct Title {
    pub(super) listing: usize,
    pub(super) sketch: Sketch,
    /// Its keys that other titles of the day have too.
    pub(super) keys: Vec<Key>,
}

#[derive(Default)]
struct Product {
    /// Its id, where it was known before.
    id: Option<ProductId>,
    /// The listing it began with.
    first: usize,
    /// Its titles that differ, in the order they came.
    titles: Vec<usize>,
}

struct Run<'a> {
    listings: Vec<&'a Listing>,
    /// How many of them are to be placed; those after it belong to known products.
    new: usize,
    policy: &'a Policy,
    titles: Vec<Title>,
    /// The titles of each listing.
    of_listing: Vec<std::ops::Range<usize>>,
    /// The product of each listing that was placed.
    product_of: Vec<Option<usize>>,
    /// The known products, the eldest first, and then those that the day began.
    products: Vec<Product>,
    /// Where a product went that was merged into an older one.
    merged_into: Vec<usize>,
    /// The known products that each new listing is compared with.
    near: &'a [Vec<usize>],
}

/// Places a day's listings onto `known`, the eldest first, whose titles are `sketches`. `near` has for each new listing the known
/// products it is compared with. Beside the products comes what titles of each listing its product is to be found by.
pub(super) fn place(
    day: &mut Day<'_>,
    frequencies: &Frequencies,
    known: &[Known],
    sketches: Vec<Vec<Vec<Sketch>>>,
    near: &[Vec<usize>],
) -> (Resolution, Vec<Vec<usize>>) {
    let known_listings: Vec<Listing> = known.iter().flat_map(|product| product.listings.iter().cloned()).collect();
    let new = day.listings.len();
    let mut order: Vec<usize> = (0..new).collect();
    order.sort_by(|&a, &b| match (day.listings.get(a), day.listings.get(b)) {
        (Some(a), Some(b)) => total_order(a, b),
        _ => std::cmp::Ordering::Equal,
    });
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
    };
    let mut gathered = Gathered::with_titles(run.titles.len());
    run.begin_with(known, sketches);
    let mut by_code: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut earlier: Vec<usize> = (new..run.listings.len()).collect();
    earlier.sort_by(|&a, &b| match (run.listings.get(a), run.listings.get(b)) {
        (Some(a), Some(b)) => total_order(a, b),
        _ => std::cmp::Ordering::Equal,
    });
    for listing in earlier {
        if let Some(this) = run.listings.get(listing) {
            by_code.entry((this.shop.as_str(), this.listing_id.as_str())).or_default().push(listing);
        }
    }
    let mut index = Index::default();
    let mut placed: Vec<Option<(Joined, Option<Nearest>)>> = vec![None; new];
    let mut standing: Vec<Vec<usize>> = vec![Vec::new(); new];
    for listing in order {
        let Some(&this) = run.listings.get(listing) else { continue };
        let same_code = by_code.entry((this.shop.as_str(), this.listing_id.as_str())).or_default();
        let (joined, nearest) = run.place(listing, same_code, &index, frequencies, &mut gathered);
        same_code.push(listing);
        let stands = run.publish(listing, &mut index);
        if let (Some(place), Some(standing)) = (placed.get_mut(listing), standing.get_mut(listing)) {
            *place = Some((joined, nearest));
            *standing = stands;
        }
    }
    let mut resolution = run.finish(placed);
    resolution.known = known_listings;
    (resolution, standing)
}

/// From the earliest first broadcast on; total over what can differ.
pub(super) fn total_order(a: &Listing, b: &Listing) -> std::cmp::Ordering {
    (a.first_at, &a.shop, &a.listing_id, a.last_at)
        .cmp(&(b.first_at, &b.shop, &b.listing_id, b.last_at))
        .then_with(|| (&a.titles, &a.brand, &a.category).cmp(&(&b.titles, &b.brand, &b.category)))
        .then_with(|| {
            (a.price, &a.image, a.review_count, a.airings).cmp(&(b.price, &b.image, b.review_count, b.airings))
        })
}

/// Whether two titles name the same in the same words, so that one of them stands for both.
pub(super) fn says_the_same(a: &Sketch, b: &Sketch) -> bool {
    a.key == b.key && a.units.len() == b.units.len()
}

/// What words and attributes say of two titles, whether or not something decides against.
pub(super) fn words_of(score: &Score) -> f64 {
    score.parts.iter().map(|part| part.value).sum()
}

/// A product a listing may join, through one of its titles.
struct Candidate {
    product: usize,
    with: usize,
    score: Score,
    /// One of its titles is the listing's own, whatever the others say.
    outright: bool,
}

impl Candidate {
    /// Whether it is to be joined before `other`.
    fn is_before(&self, other: &Self) -> bool {
        (self.outright, self.score.total) > (other.outright, other.score.total)
    }
}

impl Run<'_> {
    /// Takes in the known products, which no listing of the day changed yet.
    fn begin_with(&mut self, known: &[Known], sketches: Vec<Vec<Vec<Sketch>>>) {
        let mut listing = self.new;
        for (number, (product, sketches)) in known.iter().zip(sketches).enumerate() {
            self.products.push(Product { id: Some(product.id), first: listing, titles: Vec::new() });
            self.merged_into.push(number);
            for sketches in sketches {
                let start = self.titles.len();
                self.titles.extend(sketches.into_iter().map(|sketch| Title { listing, sketch, keys: Vec::new() }));
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

    /// Finds the product of a listing, given the earlier listings of its code.
    fn place(
        &mut self,
        listing: usize,
        same_code: &[usize],
        index: &Index,
        frequencies: &Frequencies,
        gathered: &mut Gathered,
    ) -> (Joined, Option<Nearest>) {
        for &earlier in same_code.iter().rev() {
            if !self.clearly_different(listing, earlier)
                && let Some(product) = self.product_of.get(earlier).copied().flatten()
            {
                self.join(listing, self.root(product));
                return (Joined::SameCode { with: earlier }, None);
            }
        }
        let (mut fitting, nearest) = self.candidates(listing, index, frequencies, gathered);
        fitting.retain(|candidate| candidate.outright || self.suits(listing, candidate.product));
        let mut fitting = fitting.into_iter();
        let Some(best) = fitting.next() else {
            let product = self.products.len();
            self.products.push(Product { id: None, first: listing, titles: Vec::new() });
            self.merged_into.push(product);
            self.join(listing, product);
            return (Joined::First, nearest);
        };
        self.join(listing, best.product);
        for other in fitting {
            self.merge(best.product, other.product);
        }
        (Joined::Similar { with: best.with, score: best.score }, None)
    }

    /// The products that one of the listing's titles is the same as, the best first, and the nearest that is not.
    fn candidates(
        &self,
        listing: usize,
        index: &Index,
        frequencies: &Frequencies,
        gathered: &mut Gathered,
    ) -> (Vec<Candidate>, Option<Nearest>) {
        let mut fitting: Vec<Candidate> = Vec::new();
        let mut nearest: Option<Nearest> = None;
        for title in self.range(listing) {
            let Some(keys) = self.titles.get(title).map(|title| &title.keys) else { continue };
            let found = index.candidates(keys, frequencies, gathered);
            let found = found.into_iter().filter_map(|other| usize::try_from(other).ok());
            for other in found.chain(self.titles_near(listing)) {
                let (Some(score), Some(with)) =
                    (self.compare(title, other), self.titles.get(other).map(|title| title.listing))
                else {
                    continue;
                };
                let Some(product) = self.product_of.get(with).copied().flatten().map(|product| self.root(product))
                else {
                    continue;
                };
                if score.verdict == Sameness::Different {
                    if nearest.as_ref().is_none_or(|nearest| words_of(&score) > words_of(&nearest.score)) {
                        nearest = Some(Nearest { with, score });
                    }
                    continue;
                }
                let found = Candidate { product, with, outright: self.is_equal(title, other, &score), score };
                match fitting.iter_mut().find(|candidate| candidate.product == product) {
                    Some(candidate) if found.is_before(candidate) => *candidate = found,
                    Some(_) => {}
                    None => fitting.push(found),
                }
            }
        }
        fitting.sort_by(|a, b| {
            let by_score = || b.score.total.total_cmp(&a.score.total);
            b.outright.cmp(&a.outright).then_with(by_score).then(a.product.cmp(&b.product))
        });
        (fitting, nearest)
    }

    /// Whether two titles are of the same words and nothing is said against: neither attributes nor attested brands.
    fn is_equal(&self, a: usize, b: usize, score: &Score) -> bool {
        let (Some(a), Some(b)) = (self.titles.get(a), self.titles.get(b)) else { return false };
        !a.sketch.key.is_empty() && says_the_same(&a.sketch, &b.sketch) && score.total >= EQUAL - f64::EPSILON
    }

    /// The titles that stand for the known products near a listing.
    fn titles_near(&self, listing: usize) -> Vec<usize> {
        let near = self.near.get(listing).map(Vec::as_slice).unwrap_or_default();
        let mut products: Vec<usize> = near.iter().map(|&product| self.root(product)).collect();
        products.dedup();
        products.into_iter().flat_map(|product| self.checked(product)).collect()
    }

    /// Whether one code was given to two things: something decides against, and next to nothing is shared.
    fn clearly_different(&self, a: usize, b: usize) -> bool {
        let mut compared = false;
        for x in self.range(a) {
            for y in self.range(b) {
                let Some(score) = self.compare(x, y) else { continue };
                if !parts(&score, self.policy) {
                    return false;
                }
                compared = true;
            }
        }
        compared
    }

    /// The titles of a product that stand for it.
    fn checked(&self, product: usize) -> Vec<usize> {
        let Some(product) = self.products.get(product) else { return Vec::new() };
        let skip = product.titles.len().saturating_sub(CHECKED_LAST).max(CHECKED_FIRST);
        product.titles.iter().take(CHECKED_FIRST).chain(product.titles.iter().skip(skip)).copied().collect()
    }

    /// Whether a listing that is like one title of a product suits the product: nothing decides against any of its titles,
    /// and it is not far from the listing the product began with.
    fn suits(&self, listing: usize, product: usize) -> bool {
        self.checked(product).into_iter().all(|other| {
            self.range(listing).any(|title| {
                self.compare(title, other)
                    .is_some_and(|score| score.veto.is_none() && score.total >= self.policy.same_at - self.policy.drift)
            })
        })
    }

    fn join(&mut self, listing: usize, product: usize) {
        if let Some(of) = self.product_of.get_mut(listing) {
            *of = Some(product);
        }
        for title in self.range(listing) {
            let known = |other: &usize| match (self.titles.get(*other), self.titles.get(title)) {
                (Some(a), Some(b)) => says_the_same(&a.sketch, &b.sketch),
                _ => false,
            };
            let known = self.products.get(product).is_some_and(|product| product.titles.iter().any(known));
            if !known && let Some(product) = self.products.get_mut(product) {
                product.titles.push(title);
            }
        }
    }

    /// Makes one of two products that a listing suits both, where they suit each other; the older one stays.
    fn merge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (old, young) = (a.min(b), a.max(b));
        if old == young {
            return;
        }
        let Some(first) = self.products.get(young).map(|product| product.first) else { return };
        let fits = self.suits(first, old)
            && self.checked(young).iter().all(|&x| {
                self.checked(old).iter().all(|&y| self.compare(x, y).is_some_and(|score| score.veto.is_none()))
            });
        if !fits {
            return;
        }
        if let Some(into) = self.merged_into.get_mut(young) {
            *into = old;
        }
        let titles =
            self.products.get_mut(young).map(|product| std::mem::take(&mut product.titles)).unwrap_or_default();
        if let Some(product) = self.products.get_mut(old) {
            product.titles.extend(titles);
        }
    }

    /// Lets later listings find this one's titles, where they say something that the product's other titles do not; which those are.
    fn publish(&self, listing: usize, index: &mut Index) -> Vec<usize> {
        let Some(product) = self.product_of.get(listing).copied().flatten().map(|product| self.root(product)) else {
            return Vec::new();
        };
        let stands = |title: &usize| self.products.get(product).is_some_and(|product| product.titles.contains(title));
        let standing: Vec<usize> = self.range(listing).filter(stands).collect();
        for &title in &standing {
            if let (Some(this), Ok(id)) = (self.titles.get(title), u32::try_from(title)) {
                index.insert(&this.keys, id);
            }
        }
        standing
    }

    fn finish(self, placed: Vec<Option<(Joined, Option<Nearest>)>>) -> Resolution {
        let ids = self.ids();
        let id_of = |product: usize| ids.get(self.root(product)).copied().unwrap_or(ProductId(0));
        let listings = placed
            .into_iter()
            .zip(&self.product_of)
            .map(|(placed, product)| {
                let (joined, nearest_other) = placed.unwrap_or((Joined::First, None));
                Resolved { product: product.map_or(ProductId(0), id_of), joined, nearest_other }
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
        Resolution { listings, merges, products, known: Vec::new() }
    }

    /// The id of each product: the one it is known by, or its first listing's, marked where an older product began with the same code.
    fn ids(&self) -> Vec<ProductId> {
        let mut taken: HashSet<ProductId> = self.products.iter().filter_map(|product| product.id).collect();
        let mut ids = Vec::with_capacity(self.products.len());
        for product in &self.products {
            if let Some(id) = product.id {
                ids.push(id);
                continue;
            }
            let Some(first) = self.listings.get(product.first) else { continue };
            let mut id = ProductId::of(&first.shop, &first.listing_id);
            let mut round = 0_u32;
            while !taken.insert(id) {
                let mark = format!("{}#{round}", first.first_at.0);
                id = ProductId::of_reused(&first.shop, &first.listing_id, &mark);
                round += 1;
            }
            ids.push(id);
        }
        ids
    }
}
