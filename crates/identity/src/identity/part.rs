//! Splitting of known products whose listings a person later declared different.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::corrected::Moved;
use super::compared::Compared;
use super::day::{Day, Former, Known, mark};
use super::reuse::are_two;
use super::sketch::Sketch;
use super::title::total_order;
use super::{Listing, ProductId};

/// A part of the products that are being split.
#[derive(Default)]
struct Part {
    /// Correction groups of its listings.
    groups: BTreeSet<usize>,
    /// Indexes into the pool's listings.
    members: Vec<usize>,
}

/// Listings of products to split together, the eldest first, each with its previous product.
struct Pool<'p> {
    day: &'p Day<'p>,
    listings: Vec<(ProductId, Listing)>,
    sketches: Vec<Vec<Sketch>>,
}

impl Pool<'_> {
    /// The allowed part with the listing most similar to this one, among listings of its previous
    /// product.
    fn likest(&self, at: usize, group: Option<usize>, parts: &[Part]) -> Option<usize> {
        let corrections = &self.day.policy.corrections;
        let may_join = |part: &Part| {
            !group.is_some_and(|group| part.groups.iter().any(|&it| corrections.apart(group, it).is_some()))
        };
        let mut likest: Option<(usize, f64)> = None;
        for (place, part) in parts.iter().enumerate().filter(|(_, part)| may_join(part)) {
            let mates = part.members.iter().filter(|&&member| self.listings[member].0 == self.listings[at].0);
            let likeness = mates.map(|&member| self.likeness(at, member)).reduce(f64::max);
            if let Some(likeness) = likeness.filter(|&likeness| likest.is_none_or(|(_, best)| likeness > best)) {
                likest = Some((place, likeness));
            }
        }
        likest.map(|(place, _)| place)
    }

    fn likeness(&self, a: usize, b: usize) -> f64 {
        let policy = self.day.policy;
        let offers = [a, b].map(|at| self.listings[at].1.offer());
        let pairs = self.sketches[a].iter().flat_map(|x| self.sketches[b].iter().map(move |y| (x, y)));
        pairs
            .map(|(x, y)| Compared::of((x, offers[0]), (y, offers[1]), policy, true).probability(policy))
            .fold(0.0, f64::max)
    }
}

/// A listing whose code a correction names.
struct Use<'u> {
    /// Its product if known, or else its index in the day's listings.
    of: Result<ProductId, usize>,
    listing: &'u Listing,
    sketches: Vec<Sketch>,
}

impl Day<'_> {
    pub(super) fn is_corrected(&self, product: &Known) -> bool {
        product.listings.iter().any(|listing| self.group_of_known(product.id, listing).is_some())
    }

    /// Correction group of a known product's listing.
    pub(super) fn group_of_known(&self, product: ProductId, listing: &Listing) -> Option<usize> {
        let group = self.policy.corrections.group(&listing.shop, &listing.listing_id)?;
        let key = (product, listing.shop.clone(), listing.listing_id.clone());
        (!self.former.known.contains(&key)).then_some(group)
    }

    /// Correction group of one of the day's listings.
    pub(super) fn group_of(&self, at: usize) -> Option<usize> {
        let listing = self.listings.get(at)?;
        let group = self.policy.corrections.group(&listing.shop, &listing.listing_id)?;
        (!self.former.day.contains(&at)).then_some(group)
    }

    /// Finds the listings that corrections name but don't mean: if a code was used for several
    /// things, corrections mean the latest.
    pub(super) fn note_former(&mut self, known: &[Known]) {
        let is_named = |listing: &Listing| self.policy.corrections.group(&listing.shop, &listing.listing_id).is_some();
        let mut uses: BTreeMap<(&str, &str), Vec<Use<'_>>> = BTreeMap::new();
        for product in known {
            for listing in product.listings.iter().filter(|listing| is_named(listing)) {
                let sketches = self.sketches(listing);
                let name = (listing.shop.as_str(), listing.listing_id.as_str());
                uses.entry(name).or_default().push(Use { of: Ok(product.id), listing, sketches });
            }
        }
        for (at, listing) in self.listings.iter().enumerate().filter(|(_, listing)| is_named(listing)) {
            let sketches = self.sketches(listing);
            let name = (listing.shop.as_str(), listing.listing_id.as_str());
            uses.entry(name).or_default().push(Use { of: Err(at), listing, sketches });
        }
        let mut former = Former::default();
        for uses in uses.values() {
            let latest = uses.iter().max_by_key(|it| (it.listing.last_at, it.listing.first_at));
            let latest = latest.expect("a name is there by a use");
            for it in uses.iter().filter(|it| self.is_another_thing(it, latest)) {
                match it.of {
                    Ok(id) => drop(former.known.insert((id, it.listing.shop.clone(), it.listing.listing_id.clone()))),
                    Err(at) => drop(former.day.insert(at)),
                }
            }
        }
        self.former = former;
    }

    fn is_another_thing(&self, a: &Use<'_>, b: &Use<'_>) -> bool {
        let offers = (a.listing.offer(), b.listing.offer());
        let pairs = a.sketches.iter().flat_map(|x| b.sketches.iter().map(move |y| (x, y)));
        are_two(pairs.map(|(x, y)| Compared::of((x, offers.0), (y, offers.1), self.policy, true)), self.policy)
    }

    /// Splits known products as corrections demand; also returns the moved listings. The part with
    /// the eldest listing keeps the product's id; the others get new ids for which `is_taken` is
    /// false. Call it after [`Day::search`].
    pub fn part(&mut self, known: Vec<Known>, is_taken: impl Fn(ProductId) -> bool) -> (Vec<Known>, Vec<Moved>) {
        self.note_former(&known);
        let (mut kept, mut moved) = (Vec::new(), Vec::new());
        let mut taken: BTreeSet<ProductId> = known.iter().map(|product| product.id).collect();
        for pool in self.pools(known) {
            let groups: BTreeSet<usize> = pool.iter().flat_map(|product| self.groups_of(product)).collect();
            let are_apart = |a: &usize| groups.iter().any(|&b| self.policy.corrections.apart(*a, b).is_some());
            if !groups.iter().any(are_apart) {
                kept.extend(pool);
                continue;
            }
            let (parts, of_pool) = self.part_pool(pool, &mut |id| is_taken(id) || !taken.insert(id));
            kept.extend(parts);
            moved.extend(of_pool);
        }
        // A listing to be compared with a split product is compared with all its parts.
        let mut came: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for it in &moved {
            came.entry(mark(it.from)).or_default().insert(mark(it.into));
        }
        for marks in &mut self.candidates {
            let more: Vec<u32> = marks.iter().filter_map(|mark| came.get(mark)).flatten().copied().collect();
            marks.extend(more);
            marks.sort_unstable();
            marks.dedup();
        }
        (kept, moved)
    }

    fn groups_of(&self, product: &Known) -> BTreeSet<usize> {
        product.listings.iter().filter_map(|listing| self.group_of_known(product.id, listing)).collect()
    }

    /// Known products, pooled if they have listings of one correction group.
    fn pools(&self, known: Vec<Known>) -> Vec<Vec<Known>> {
        let mut pools: Vec<(BTreeSet<usize>, Vec<Known>)> = Vec::new();
        let mut others: Vec<Vec<Known>> = Vec::new();
        for product in known {
            let mut groups = self.groups_of(&product);
            if groups.is_empty() {
                others.push(vec![product]);
                continue;
            }
            let mut pool = vec![product];
            pools.retain_mut(|(of_pool, products)| {
                let meets = !of_pool.is_disjoint(&groups);
                if meets {
                    groups.append(of_pool);
                    pool.append(products);
                }
                !meets
            });
            pools.push((groups, pool));
        }
        others.extend(pools.into_iter().map(|(_, pool)| pool));
        others
    }

    /// Splits the listings of `pool`, the eldest first. Each stays with the most similar listings
    /// of its product, as far as corrections allow.
    fn part_pool(&self, pool: Vec<Known>, is_taken: &mut dyn FnMut(ProductId) -> bool) -> (Vec<Known>, Vec<Moved>) {
        let flat = pool.into_iter().flat_map(|product| {
            let id = product.id;
            product.listings.into_iter().map(move |listing| (id, listing))
        });
        let mut listings: Vec<(ProductId, Listing)> = flat.collect();
        listings.sort_by(|(a_id, a), (b_id, b)| total_order(a, b).then(a_id.cmp(b_id)));
        let sketches = listings.iter().map(|(_, listing)| self.sketches(listing)).collect();
        let pool = Pool { day: self, listings, sketches };
        let mut parts: Vec<Part> = Vec::new();
        for at in 0..pool.listings.len() {
            let (id, listing) = &pool.listings[at];
            let group = self.group_of_known(*id, listing);
            let of_group = group.and_then(|group| parts.iter().position(|part| part.groups.contains(&group)));
            let place = of_group.or_else(|| pool.likest(at, group, &parts)).unwrap_or(parts.len());
            if place == parts.len() {
                parts.push(Part::default());
            }
            parts[place].groups.extend(group);
            parts[place].members.push(at);
        }
        self.named(parts, &pool.listings, is_taken)
    }

    /// Turns parts into products. Each keeps the id of its eldest listing's product, unless an
    /// older part has that id.
    fn named(
        &self,
        parts: Vec<Part>,
        listings: &[(ProductId, Listing)],
        is_taken: &mut dyn FnMut(ProductId) -> bool,
    ) -> (Vec<Known>, Vec<Moved>) {
        let (mut known, mut moved) = (Vec::<Known>::new(), Vec::new());
        for part in parts {
            let (old, first) = &listings[part.members[0]];
            let mut id = *old;
            if known.iter().any(|product| product.id == id) {
                id = ProductId::free(first, &mut *is_taken);
            }
            let members = || part.members.iter().map(|&at| &listings[at]);
            for (from, listing) in members().filter(|(from, _)| *from != id) {
                moved.push(Moved {
                    shop: listing.shop.clone(),
                    listing_id: listing.listing_id.clone(),
                    from: *from,
                    into: id,
                    keys: self.stored_keys_of(listing),
                });
            }
            known.push(Known { id, listings: members().map(|(_, listing)| listing.clone()).collect() });
        }
        (known, moved)
    }
}
