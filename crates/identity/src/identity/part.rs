//! Known products that corrections part: whose listings a person said are two, because they were put together before anybody said so.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::corrected::Moved;
use super::compared::Compared;
use super::day::{Day, Former, Known, mark};
use super::reuse::are_two;
use super::sketch::Sketch;
use super::title::total_order;
use super::{Listing, ProductId};

/// Some of the listings of products that are parted.
#[derive(Default)]
struct Part {
    /// The groups of corrections that its listings are of.
    groups: BTreeSet<usize>,
    /// Indexes into the pool's listings.
    members: Vec<usize>,
}

/// The listings of products that are parted together, the eldest first, each with the product that it was of.
struct Pool<'p> {
    day: &'p Day<'p>,
    listings: Vec<(ProductId, Listing)>,
    sketches: Vec<Vec<Sketch>>,
}

impl Pool<'_> {
    /// The part with the listing of its product that one is most like, of those that its group may join.
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

/// A listing of a code that corrections name.
struct Use<'u> {
    /// The product that has it, where it is known, or else its place among the day's.
    of: Result<ProductId, usize>,
    listing: &'u Listing,
    sketches: Vec<Sketch>,
}

impl Day<'_> {
    pub(super) fn is_corrected(&self, product: &Known) -> bool {
        product.listings.iter().any(|listing| self.group_of_known(product.id, listing).is_some())
    }

    /// The group of corrections that a listing of a known product is of.
    pub(super) fn group_of_known(&self, product: ProductId, listing: &Listing) -> Option<usize> {
        let group = self.policy.corrections.group(&listing.shop, &listing.listing_id)?;
        let key = (product, listing.shop.clone(), listing.listing_id.clone());
        (!self.former.known.contains(&key)).then_some(group)
    }

    /// The group of corrections that one of the day's listings is of.
    pub(super) fn group_of(&self, at: usize) -> Option<usize> {
        let listing = self.listings.get(at)?;
        let group = self.policy.corrections.group(&listing.shop, &listing.listing_id)?;
        (!self.former.day.contains(&at)).then_some(group)
    }

    /// Finds the listings that corrections name and don't mean: of a code that was used for several things they mean the latest.
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
            let Some(latest) = uses.iter().max_by_key(|it| (it.listing.last_at, it.listing.first_at)) else { continue };
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

    /// Takes known products apart where corrections want it, and tells which listings go elsewhere. The part with the eldest listing keeps
    /// the product's id; the others have ids of their own, none of which `is_taken`. It is asked after [`Day::search`].
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
        // Whatever was to be compared with a product that was parted, is compared with what came of it.
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

    /// The known products, those together that have listings of one group.
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

    /// Parts the listings of `pool`, the eldest first. Each stays with the listings of its product that it is most like, as far as corrections
    /// let it.
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

    /// The parts as products. Each has the id that its eldest listing had, but for those that an older part has.
    fn named(
        &self,
        parts: Vec<Part>,
        listings: &[(ProductId, Listing)],
        is_taken: &mut dyn FnMut(ProductId) -> bool,
    ) -> (Vec<Known>, Vec<Moved>) {
        let (mut known, mut moved) = (Vec::<Known>::new(), Vec::new());
        for part in parts {
            let Some((old, first)) = part.members.first().and_then(|&at| listings.get(at)) else { continue };
            let mut id = *old;
            if known.iter().any(|product| product.id == id) {
                id = ProductId::free(first, &mut *is_taken);
            }
            let members = || part.members.iter().filter_map(|&at| listings.get(at));
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
