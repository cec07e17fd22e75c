//! Integration tests of identity.

mod corpus;
mod correction;
mod day;
mod resolve;
mod train;

use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_identity::identity::Listing;

/// A listing with only a title, first seen on `day`.
fn listing(shop: &str, code: &str, title: &str, day: i64) -> Listing {
    Listing {
        shop: shop.to_owned(),
        listing_id: code.to_owned(),
        titles: vec![title.to_owned()],
        brand: None,
        category: None,
        price: None,
        image: None,
        review_count: None,
        first_at: UnixMillis(day * DAY_MS),
        last_at: UnixMillis(day * DAY_MS),
        airings: 1,
    }
}
