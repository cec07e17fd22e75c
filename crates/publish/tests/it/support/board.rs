//! A minimal board with everything that a publish needs, shared by the tests of the library, the
//! tests of stores and the measurement of publishing.

use sinsang_core::pack::board_write::{BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart};
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;

/// A board of `products` products, each with a broadcast a day after the build.
pub(crate) fn board(built_at: UnixMillis, products: u64) -> BoardParts {
    let listing = |id: u64| ListingPart { shop: "GS샵".to_owned(), listing_id: id.to_string() };
    let first = (built_at.plus(23 * HOUR_MS).floor(1_000), built_at.plus(24 * HOUR_MS).floor(1_000));
    let product = |id: u64| ProductPart {
        id,
        title: format!("무쇠솥 {id}"),
        listings: vec![listing(id)],
        verdict: VerdictKind::New,
        verdict_first: "{}".to_owned(),
        verdict_later: "{}".to_owned(),
        first,
        ..ProductPart::default()
    };
    let (starts_at, ends_at) = first;
    let slot = |id: u64| SlotPart { product: id, channel: 0, starts_at, ends_at, listing: listing(id), price: None };
    BoardParts {
        format: sinsang_core::pack::Format::Two,
        built_at,
        history_from: UnixMillis(0),
        blocks: Vec::new(),
        channels: vec![ChannelPart { id: "gs".to_owned(), name: "GS샵".to_owned(), shop: "GS샵".to_owned() }],
        categories: Vec::new(),
        products: (1..=products).map(product).collect(),
        slots: (1..=products).map(slot).collect(),
        tabs: Vec::new(),
        weights: sinsang_core::rank::Weights::default(),
        mix: sinsang_core::pack::mix::MixParts::default(),
    }
}
