//! What the pages of products say beyond the board's window, beside the tables that it came from.

use std::collections::BTreeMap;

use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_identity::identity::ProductId;
use sinsang_pipeline::read::catalogue::Airing;

use crate::world::{World, now, world};

/// The hours of past slots that a board has by default.
const BACK_MS: i64 = DAY_MS;

/// The airings of each product, the latest first.
fn airings(world: &World) -> BTreeMap<u64, Vec<&Airing>> {
    let mut airings: BTreeMap<u64, Vec<&Airing>> = BTreeMap::new();
    for airing in &world.catalogue.airings {
        airings.entry(world.found[airing.entry.index()].0).or_default().push(airing);
    }
    for own in airings.values_mut() {
        // Several channels may show it at once.
        own.sort_by_key(|airing| (airing.starts_at, airing.channel.as_str()));
        own.reverse();
    }
    airings
}

#[test]
fn a_product_has_its_record_before_the_window_and_its_lowest_price() {
    let world = world();
    let airings = airings(world);
    let (mut with_past, mut with_price) = (0, 0);
    for index in 0..world.board.product_count() {
        let product = world.board.product(index);
        let own = &airings[&product.id()];
        let before: Vec<&&Airing> = own.iter().filter(|airing| airing.ends_at <= now().plus(-BACK_MS)).collect();
        let (past, count) = product.past();
        assert_eq!(usize::try_from(count).unwrap(), before.len());
        let starts = |times: Vec<UnixMillis>| -> Vec<u32> { times.into_iter().map(UnixMillis::to_seconds).collect() };
        assert_eq!(
            starts(past.iter().map(|one| one.starts_at).collect()),
            starts(before.iter().take(10).map(|airing| airing.starts_at).collect())
        );
        for (one, airing) in past.iter().zip(&before) {
            assert_eq!(one.price, airing.price.unwrap_or(0));
        }
        let begun = own.iter().filter(|airing| airing.starts_at <= now());
        let lowest = begun.filter_map(|airing| airing.price).filter(|price| *price > 0).min();
        assert_eq!(product.lowest().map(|lowest| lowest.price), lowest);
        with_past += usize::from(!past.is_empty());
        with_price += usize::from(lowest.is_some());
    }
    println!("{with_past} products with a past, {with_price} with a price, of {}", world.board.product_count());
    assert!(with_past > 100 && with_price > 100);
}

#[test]
fn every_listing_of_a_product_leads_to_it() {
    let world = world();
    let mut several = 0;
    for (entry, found) in world.found.iter().enumerate() {
        if world.board.find_product(found.0).is_none() {
            continue;
        }
        let listing = &world.catalogue.entries[entry].listing;
        let alias = ProductId::of(&listing.shop, &listing.listing_id);
        let led = world.board.find_known(alias.0).map(|index| world.board.product(index).id());
        // A shop that uses a code again has two products of it, of which one has its id.
        let may_be = |id: u64| {
            let same = |other: usize| {
                let other = &world.catalogue.entries[other].listing;
                (&other.shop, &other.listing_id) == (&listing.shop, &listing.listing_id)
            };
            (0..world.found.len()).any(|other| world.found[other].0 == id && same(other))
        };
        assert!(led.is_some_and(may_be), "{} {}", listing.shop, listing.listing_id);
        several += usize::from(alias.0 != found.0);
    }
    println!("{several} listings of products that began with another");
    assert!(several > 100);
}

#[test]
fn what_is_near_is_of_the_same_kind_and_still_to_come() {
    let world = world();
    let mut with = 0;
    for index in 0..world.board.product_count() {
        let product = world.board.product(index);
        let near = product.near();
        assert!(near.len() <= 6 && !near.contains(&index));
        for other in near.iter().map(|other| world.board.product(*other)) {
            assert_eq!(other.category(), product.category());
            assert!(other.slots().any(|slot| world.board.slot(slot).ends_at() > now()));
        }
        with += usize::from(!near.is_empty());
    }
    println!("{with} of {} products have some near", world.board.product_count());
    assert!(with * 2 > world.board.product_count());
}
