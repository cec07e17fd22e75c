//! The live board's products, by id and by shops' listings. Products and listings that it lacks
//! count for no pulse, so that nobody can fill one with invented ids.
//!
//! The board's products already contain their listings as JSON: nothing else has to be published,
//! and a rollback restores its own.

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::json::Object;
use sinsang_core::pack::board::each_product;
use sinsang_core::pack::{Damage, PackId};

/// Limit on remembered listings; a board has some thousands.
pub const MAX_LISTINGS: usize = 100_000;

/// The products of a board, and their listings.
#[derive(Debug, Default)]
pub struct Listings {
    board: PackId,
    products: BTreeSet<u64>,
    /// For each item code, the shops that use it and each shop's product.
    codes: BTreeMap<String, Vec<(String, u64)>>,
    count: usize,
}

impl Listings {
    /// Reads the listings of the board `id`, at most [`MAX_LISTINGS`]. A product with malformed
    /// JSON has none.
    ///
    /// # Errors
    /// [`Damage`] says how the bytes are damaged.
    pub fn parse(bytes: Vec<u8>, id: PackId) -> Result<Self, Damage> {
        let mut listings = Self { board: id, ..Self::default() };
        each_product(bytes, id, |product, head| {
            listings.products.insert(product);
            let head = [head, b"}"].concat();
            let Some(head) = Object::parse(&head) else { return };
            for listing in head.objects("listings") {
                let text = |name: &str| listing.text(name).ok().flatten().map(str::to_owned);
                if let (Some(shop), Some(code), true) =
                    (text("shop"), text("listing_id"), listings.count < MAX_LISTINGS)
                {
                    listings.codes.entry(code).or_default().push((shop, product));
                    listings.count = listings.count.saturating_add(1);
                }
            }
        })?;
        Ok(listings)
    }

    /// Whether the board has `product`.
    pub fn has(&self, product: u64) -> bool {
        self.products.contains(&product)
    }

    /// The id of their board.
    pub fn board(&self) -> PackId {
        self.board
    }

    /// Number of listings.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no listings.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The product that `shop` sells as `listing_id`. Without a shop, the code's product if all
    /// shops that use the code mean the same one.
    pub fn product(&self, shop: Option<&str>, listing_id: &str) -> Option<u64> {
        let uses = self.codes.get(listing_id)?;
        if let Some(shop) = shop {
            return uses.iter().find(|(own, _)| own == shop).map(|(_, product)| *product);
        }
        let (_, first) = uses.first()?;
        uses.iter().all(|(_, product)| product == first).then_some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinsang_core::pack::board::Board;
    use sinsang_core::pack::{Kind, Pack};

    /// A golden board of each format.
    const BOARDS: [&[u8]; 2] = [
        include_bytes!("../../../tests/golden/board.pack"),
        include_bytes!("../../../tests/golden/format-2/board.pack"),
    ];

    #[test]
    fn a_listing_is_the_product_that_the_board_shows_it_with() {
        for bytes in BOARDS {
            let id = Pack::parse(bytes.to_vec(), Kind::Board).unwrap().id();
            let board = Board::parse(bytes.to_vec(), id).unwrap();
            let listings = Listings::parse(bytes.to_vec(), id).unwrap();
            assert_eq!(Listings::parse(bytes.to_vec(), PackId::default()).err(), Some(Damage::WrongId));
            assert_eq!((listings.board(), listings.len()), (id, board.product_count()));
            for product in (0..board.product_count()).map(|index| board.product(index)) {
                let head: serde_json::Value = serde_json::from_slice(&[product.head_json(), b"}"].concat()).unwrap();
                let listing = &head["listings"][0];
                let (shop, code) = (listing["shop"].as_str(), listing["listing_id"].as_str().unwrap());
                assert_eq!(listings.product(shop, code), Some(product.id()));
                assert_eq!(listings.product(None, code), Some(product.id()));
                assert_eq!(listings.product(Some("another shop"), code), None);
                assert_eq!(listings.product(shop, "another code"), None);
                assert!(listings.has(product.id()) && !listings.has(product.id() ^ 1));
            }
        }
    }

    #[test]
    fn a_code_of_several_shops_needs_its_shop() {
        let uses = vec![("GS샵".to_owned(), 1), ("NS홈쇼핑".to_owned(), 2)];
        let codes = BTreeMap::from([("7".to_owned(), uses)]);
        let listings = Listings { codes, count: 2, ..Listings::default() };
        assert_eq!(listings.product(Some("NS홈쇼핑"), "7"), Some(2));
        assert_eq!(listings.product(None, "7"), None);
        assert!(!listings.is_empty());
    }
}
