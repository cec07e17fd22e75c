//! Listings of the made-up shops, and their prices.

use sinsang_tables::table::BroadcastText;

use super::super::title::Wording;

/// The origin of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::generate) enum Origin {
    /// The first listing of a new product.
    New,
    /// A code that aired before the records begin.
    Stock,
    /// A known product under another code with one of its earlier titles.
    SameTitle,
    /// A known product under another code in other words.
    Reworded,
    /// The second code of one slot.
    Twin,
}

/// A shop's item code with its product and wording.
#[derive(Clone, Debug)]
pub(in crate::generate) struct Listing {
    pub(in crate::generate) product: u32,
    pub(in crate::generate) shop: usize,
    pub(in crate::generate) code: String,
    pub(in crate::generate) wording: Wording,
    /// Every title that it has had; airings refer to them by index.
    pub(in crate::generate) titles: Vec<String>,
    /// The brand field: a brand, a placeholder, or `None`.
    pub(in crate::generate) brand: Option<String>,
    pub(in crate::generate) price: Option<u32>,
    pub(in crate::generate) list_price: Option<u32>,
    pub(in crate::generate) image: Option<String>,
    pub(in crate::generate) origin: Origin,
    /// Time of the code's first broadcast, in the records or before them.
    pub(in crate::generate) first_at: i64,
    /// `None` if the shop shows no reviews.
    pub(in crate::generate) reviews: Option<u32>,
    /// Whether all airings fall on one day.
    pub(in crate::generate) one_day: bool,
    pub(in crate::generate) left: u16,
    /// Number of recorded airings.
    pub(in crate::generate) aired: u16,
    /// The channel it was listed for.
    pub(in crate::generate) home: usize,
    pub(in crate::generate) gap_days: f64,
    /// Whether it airs on all channels of its shop.
    pub(in crate::generate) roams: bool,
    pub(in crate::generate) retitles: bool,
    pub(in crate::generate) twin: Option<u32>,
    pub(in crate::generate) last_at: i64,
}

impl Listing {
    /// The fields of its rows that stay the same.
    pub(in crate::generate) fn text(&self) -> BroadcastText {
        BroadcastText { brand: self.brand.clone(), image: self.image.clone(), ..BroadcastText::default() }
    }
}

/// The nearest usual price on air: ending in 900 below 100,000 won, in 000 above.
pub(in crate::generate) fn sale_price(price: f64) -> u32 {
    let thousands = whole(price / 1_000.0).max(5);
    if thousands < 100 { thousands * 1_000 - 100 } else { thousands * 1_000 }
}

/// `value` rounded to a whole number of at least 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held within the range first")]
pub(in crate::generate) fn whole(value: f64) -> u32 {
    value.round().clamp(0.0, 4_000_000_000.0) as u32
}
