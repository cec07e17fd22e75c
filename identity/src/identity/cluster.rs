//! From the earliest listing on, each joins the product it is most like or begins one; a join must suit the whole product.

use std::collections::{HashMap, HashSet};

use crate::listing::{Brands, Features, Lexicon};

use super::block::{Frequencies, Gathered, Index, Key, keys};
use super::reuse::parts;
use super::score::{Sameness, Score, compare};
use super::sketch::{Rarity, Sketch};
use super::{Joined, Listing, Merge, Nearest, Policy, ProductId, Resolution, Resolved};

/// Titles of a product that a newcomer is checked against: its first ones and its latest ones.
const CHECKED_FIRST: usize = 6;
const CHECKED_LAST: usize = 14;

/// One title of one listing.
struct Title {
    listing: usize,
    sketch: Sketch,
    keys: Vec<Key>,
}

#[derive(Default)]
struct Product {
    /// The listing it began with.
    first: usize,
    /// Its titles that differ, in the order they came.
    titles: Vec<usize>,
}

struct Run<'a> {
    listings: &'a [Listing],
    policy: &'a Policy,
    titles: Vec<Title>,
    /// The titles of each listing.
    of_listing: Vec<std::ops::Range<usize>>,
    /// The product of each listing that was placed.
    product_of: Vec<Option<usize>>,
    products: Vec<Product>,
    /// Where a product went that was merged into an older one.
    merged_into: Vec<usize>,
}

/// See [`super::resolve`].
pub(crate) fn resolve(listings: &[Listing], policy: &Policy) -> Resolution {
    let mut order: Vec<usize> = (0..listings.len()).collect();
    order.sort_by(|&a, &b| match (listings.get(a), listings.get(b)) {
        (Some(a), Some(b)) => total_order(a, b),
        _ => std::cmp::Ordering::Equal,
    });
    let mut run = prepare(listings, policy);
    let mut frequencies = Frequencies::default();
    for title in &run.titles {
        frequencies.add(&title.keys);
    }
    for title in &mut run.titles {
        title.keys = frequencies.rarest(&title.keys);
    }
    let mut index = Index::default();
    let mut gathered = Gathered::with_titles(run.titles.len());
    let mut by_code: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut placed: Vec<Option<(Joined, Option<Nearest>)>> = vec![None; listings.len()];
    for listing in order {
        let Some(this) = listings.get(listing) else { continue };
        let same_code = by_code.entry((this.shop.as_str(), this.listing_id.as_str())).or_default();
        let (joined, nearest) = run.place(listing, same_code, &index, &frequencies, &mut gathered);
        same_code.push(listing);
        run.publish(listing, &mut index);
        if let Some(place) = placed.get_mut(listing) {
            *place = Some((joined, nearest));
        }
    }
    run.finish(placed)
}

fn total_order(a: &Listing, b: &Listing) -> std::cmp::Ordering {
    let head = |listing: &Listing| (listing.first_at, listing.last_at);
    (a.first_at, &a.shop, &a.listing_id)
        .cmp(&(b.first_at, &b.shop, &b.listing_id))
        .then_with(|| head(a).cmp(&head(b)))
        .then_with(|| (&a.titles, &a.brand, &a.category).cmp(&(&b.titles, &b.brand, &b.category)))
        .then_with(|| {
            (a.price, &a.image, a.review_count, a.airings).cmp(&(b.price, &b.image, b.review_count, b.airings))
        })
}

/// Reads and weighs all titles, on as many threads as there are cores.
fn prepare<'a>(listings: &'a [Listing], policy: &'a Policy) -> Run<'a> {
    let named =
        listings.iter().filter_map(|listing| Some((listing.brand.as_deref(), listing.titles.first()?.as_str())));
    let lexicon = Lexicon::new(&policy.words).with_brands(Brands::learn(named, &policy.words));
    let read = in_parallel(listings, |listing| listing.features(policy, &lexicon));
    let rarity = Rarity::count(read.iter().map(Vec::as_slice));
    let pairs: Vec<(&Listing, &Vec<Features>)> = listings.iter().zip(&read).collect();
    let sketched = in_parallel(&pairs, |(listing, features)| {
        features
            .iter()
            .map(|features| {
                let sketch = Sketch::new(features, &rarity, policy);
                let keys = if sketch.is_empty() { Vec::new() } else { keys(&sketch, listing.image.as_deref()) };
                (sketch, keys)
            })
            .collect::<Vec<_>>()
    });
    let mut titles = Vec::with_capacity(listings.len());
    let mut of_listing = Vec::with_capacity(listings.len());
    for (listing, sketches) in sketched.into_iter().enumerate() {
        let start = titles.len();
        titles.extend(sketches.into_iter().map(|(sketch, keys)| Title { listing, sketch, keys }));
        of_listing.push(start..titles.len());
    }
    Run {
        listings,
        policy,
        titles,
        of_listing,
        product_of: vec![None; listings.len()],
        products: Vec::new(),
        merged_into: Vec::new(),
    }
}

/// Maps a list in order, in even parts on the machine's cores.
fn in_parallel<T: Sync, R: Send>(items: &[T], map: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
    let part = items.len().div_ceil(threads).max(256);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            items.chunks(part).map(|part| scope.spawn(|| part.iter().map(&map).collect::<Vec<R>>())).collect();
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

/// A product a listing may join, through one of its titles.
struct Candidate {
    product: usize,
    with: usize,
    score: Score,
}

impl Run<'_> {
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
        fitting.retain(|candidate| self.suits(listing, candidate.product));
        let mut fitting = fitting.into_iter();
        let Some(best) = fitting.next() else {
            let product = self.products.len();
            self.products.push(Product { first: listing, titles: Vec::new() });
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
            for other in index.candidates(keys, frequencies, gathered) {
                let Ok(other) = usize::try_from(other) else { continue };
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
                    let words = |score: &Score| score.parts.iter().map(|part| part.value).sum::<f64>();
                    if nearest.as_ref().is_none_or(|nearest| words(&score) > words(&nearest.score)) {
                        nearest = Some(Nearest { with, score });
                    }
                    continue;
                }
                match fitting.iter_mut().find(|candidate| candidate.product == product) {
                    Some(candidate) if candidate.score.total >= score.total => {}
                    Some(candidate) => *candidate = Candidate { product, with, score },
                    None => fitting.push(Candidate { product, with, score }),
                }
            }
        }
        fitting.sort_by(|a, b| b.score.total.total_cmp(&a.score.total).then(a.product.cmp(&b.product)));
        (fitting, nearest)
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
                (Some(a), Some(b)) => a.sketch.key == b.sketch.key && a.sketch.units.len() == b.sketch.units.len(),
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

    /// Lets later listings find this one's titles, where they say something that the product's other titles do not.
    fn publish(&self, listing: usize, index: &mut Index) {
        let Some(product) = self.product_of.get(listing).copied().flatten().map(|product| self.root(product)) else {
            return;
        };
        for title in self.range(listing) {
            let stands = self.products.get(product).is_some_and(|product| product.titles.contains(&title));
            if let (true, Some(this), Ok(id)) = (stands, self.titles.get(title), u32::try_from(title)) {
                index.insert(&this.keys, id);
            }
        }
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
        let mut products = 0;
        for (product, &id) in ids.iter().enumerate() {
            if self.root(product) == product {
                products += 1;
            } else {
                merges.push(Merge { from: id, into: id_of(product) });
            }
        }
        merges.sort_unstable();
        Resolution { listings, merges, products }
    }

    /// The id of each product: its first listing's, marked where an older product began with the same code.
    fn ids(&self) -> Vec<ProductId> {
        let mut taken: HashSet<ProductId> = HashSet::new();
        let mut ids = Vec::with_capacity(self.products.len());
        for product in &self.products {
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
