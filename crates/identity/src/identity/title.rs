//! Titles of listings, and the placement order of listings.

use super::Listing;
use super::sketch::Sketch;

/// Titles of a product that a newcomer is compared with: the first ones and the latest ones.
pub(super) const CHECKED_FIRST: usize = 6;
pub(super) const CHECKED_LAST: usize = 14;

/// One title of one listing.
pub(super) struct Title {
    pub(super) listing: usize,
    pub(super) sketch: Sketch,
}

/// The listings' indexes in placement order.
pub(super) fn in_order(listings: &[Listing]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..listings.len()).collect();
    order.sort_by(|&a, &b| match (listings.get(a), listings.get(b)) {
        (Some(a), Some(b)) => total_order(a, b),
        _ => std::cmp::Ordering::Equal,
    });
    order
}

/// Orders listings by first broadcast, then by every other field, so that ties don't depend on
/// input order.
pub(super) fn total_order(a: &Listing, b: &Listing) -> std::cmp::Ordering {
    (a.first_at, &a.shop, &a.listing_id, a.last_at)
        .cmp(&(b.first_at, &b.shop, &b.listing_id, b.last_at))
        .then_with(|| (&a.titles, &a.brand, &a.category).cmp(&(&b.titles, &b.brand, &b.category)))
        .then_with(|| {
            (a.price, &a.image, a.review_count, a.airings).cmp(&(b.price, &b.image, b.review_count, b.airings))
        })
}
