//! The background of a board's products: their record before the window, and products like them.

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::pack::background::{BackgroundPart, Lowest, Past};
use sinsang_core::pack::board_write::{ProductPart, SlotPart};
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::ProductId;

use super::Facts;
use crate::read::product::Product;

/// Broadcasts before the window that a product's page shows.
const MOST_PAST: usize = 10;
/// Products like it that a product's page shows.
const MOST_NEAR: usize = 6;
/// The least cosine of two products' vectors for one to be shown as like the other.
const LEAST_COSINE: f64 = 0.6;

impl Facts<'_> {
    /// The record of `product`, whose slots on the board begin at `from`: its latest broadcasts
    /// before that, its lowest price until the build, and the ids of its listings.
    pub(super) fn background(&self, product: &Product, from: UnixMillis) -> BackgroundPart {
        let channel = |name: &str| {
            let place = self.vocabulary.channels.iter().position(|known| known == name);
            place.and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX)
        };
        let airings = || product.airings.iter().map(|index| &self.catalogue.airings[*index]);
        let before = || airings().rev().filter(|airing| airing.ends_at <= from);
        let past = before().take(MOST_PAST).map(|airing| Past {
            starts_at: airing.starts_at,
            ends_at: airing.ends_at,
            channel: channel(&airing.channel),
            price: airing.price.unwrap_or(0),
        });
        let priced = airings().filter(|airing| airing.starts_at <= self.now);
        let priced = priced.filter_map(|airing| airing.price.filter(|price| *price > 0).map(|price| (price, airing)));
        let lowest = priced.min_by_key(|(price, airing)| (*price, std::cmp::Reverse(airing.starts_at)));
        let listings = product.entries.iter().map(|entry| &self.catalogue.entries[*entry].listing);
        let mut aliases: Vec<u64> =
            listings.map(|listing| ProductId::of(&listing.shop, &listing.listing_id).0).collect();
        aliases.sort_unstable();
        aliases.dedup();
        BackgroundPart {
            past: past.collect(),
            past_count: u32::try_from(before().count()).unwrap_or(u32::MAX),
            lowest: lowest.map(|(price, airing)| Lowest {
                price,
                at: airing.starts_at,
                channel: channel(&airing.channel),
            }),
            near: Vec::new(),
            aliases,
        }
    }
}

/// Finds for each product those of its category whose vectors are most like its own, among those
/// with a slot that ends after `now`. A product without a vector or a category is like no other.
pub(super) fn liken(products: &mut [ProductPart], slots: &[SlotPart], now: UnixMillis) {
    let coming: BTreeSet<u64> = slots.iter().filter(|slot| slot.ends_at > now).map(|slot| slot.product).collect();
    let mut by_category: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (index, product) in products.iter().enumerate() {
        if let Some(category) = product.category {
            by_category.entry(category).or_default().push(index);
        }
    }
    let dot = |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>();
    let lengths: Vec<f64> =
        products.iter().map(|product| f64::from(dot(&product.vector, &product.vector)).sqrt()).collect();
    let mut near: Vec<Vec<u64>> = vec![Vec::new(); products.len()];
    for members in by_category.values() {
        let others: Vec<usize> =
            members.iter().copied().filter(|index| coming.contains(&products[*index].id)).collect();
        for index in members {
            let likeness = |other: usize| {
                let product = f64::from(dot(&products[*index].vector, &products[other].vector));
                let lengths = lengths[*index] * lengths[other];
                if lengths > 0.0 { product / lengths } else { 0.0 }
            };
            let found = others.iter().filter(|other| *other != index).map(|other| (likeness(*other), *other));
            let mut found: Vec<(f64, usize)> = found.filter(|(likeness, _)| *likeness >= LEAST_COSINE).collect();
            found.sort_by(|a, b| b.0.total_cmp(&a.0).then(products[a.1].id.cmp(&products[b.1].id)));
            near[*index] = found.iter().take(MOST_NEAR).map(|(_, other)| products[*other].id).collect();
        }
    }
    for (product, near) in products.iter_mut().zip(near) {
        product.background.near = near;
    }
}
