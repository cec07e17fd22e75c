//! Placement of a day's listings onto known products.

use std::collections::HashMap;

use super::day::{Day, Known, Placed, in_parallel};
use super::key::{Key, code_key};
use super::title::total_order;
use super::{Policy, Resolution, cluster};

impl<'a> Day<'a> {
    /// Places the listings onto `known`, which must contain all products with the marks that
    /// [`Day::search`] returned; others do no harm. The answer depends neither on the order of the
    /// listings nor on that of `known`.
    pub fn resolve(mut self, mut known: Vec<Known>) -> Placed {
        known.retain(|product| !product.listings.is_empty());
        known.sort_by_key(|product| product.id);
        known.dedup_by_key(|product| product.id);
        for product in &mut known {
            product.listings.sort_by(total_order);
        }
        self.note_former(&known);
        let near = self.near(&known);
        let mut kept: Vec<usize> = near.iter().flatten().copied().collect();
        kept.extend(known.iter().enumerate().filter(|(_, product)| self.is_corrected(product)).map(|(index, _)| index));
        kept.sort_unstable();
        kept.dedup();
        // The eldest first, so that in a merge the product that keeps its id has the smaller
        // number.
        kept.sort_by(|&a, &b| match (known.get(a), known.get(b)) {
            (Some(a), Some(b)) => match (a.listings.first(), b.listings.first()) {
                (Some(x), Some(y)) => total_order(x, y).then(a.id.cmp(&b.id)),
                _ => a.id.cmp(&b.id),
            },
            _ => a.cmp(&b),
        });
        let place: HashMap<usize, usize> = kept.iter().enumerate().map(|(place, &index)| (index, place)).collect();
        let near: Vec<Vec<usize>> = near
            .iter()
            .map(|products| {
                let mut places: Vec<usize> = products.iter().filter_map(|index| place.get(index).copied()).collect();
                places.sort_unstable();
                places
            })
            .collect();
        let mut known: Vec<Option<Known>> = known.into_iter().map(Some).collect();
        let known: Vec<Known> = kept.iter().filter_map(|&index| known.get_mut(index).and_then(Option::take)).collect();
        let likes = self.likes();
        let sketches = in_parallel(
            &known,
            || (),
            |(), product| product.listings.iter().map(|listing| self.sketches(listing)).collect::<Vec<_>>(),
        );
        let title_keys = std::mem::take(&mut self.title_keys);
        let frequencies = std::mem::take(&mut self.frequencies);
        let (resolution, standing) = cluster::place(&mut self, &known, sketches, &near, &likes);
        let mut keys: Vec<Vec<Key>> = vec![Vec::new(); self.listings.len()];
        for (listing, titles) in standing.into_iter().enumerate() {
            let (keys, this) = (&mut keys[listing], &self.listings[listing]);
            for title in titles {
                keys.extend(frequencies.stored(&title_keys[title]));
            }
            keys.push(code_key(&this.shop, &this.listing_id));
            keys.sort_unstable();
            keys.dedup();
        }
        Placed { resolution, keys }
    }

    /// Places the listings without known products, once for each of `policies`, which may differ
    /// only in their threshold.
    pub(crate) fn resolve_by(&mut self, policies: &'a [Policy]) -> Vec<Resolution> {
        let Some(first) = policies.first() else { return Vec::new() };
        self.policy = first;
        let likes = self.likes();
        let near = vec![Vec::new(); self.listings.len()];
        let place = |policy| {
            self.policy = policy;
            cluster::place(self, &[], Vec::new(), &near, &likes).0
        };
        policies.iter().map(place).collect()
    }
}
