//! The numbers of a snapshot: what its board holds, by verdict and by shop.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use sinsang_core::pack::board::{Board, Product};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;

/// A shop's counts on a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShopCount {
    /// Products; one sold by several shops counts for each.
    pub products: u64,
    /// New products.
    pub new: u64,
    /// Repeats.
    pub repeat: u64,
    /// Products whose verdict is unknown.
    pub unknown: u64,
}

impl ShopCount {
    fn add(&mut self, kind: VerdictKind) {
        self.products += 1;
        *match kind {
            VerdictKind::New => &mut self.new,
            VerdictKind::Repeat => &mut self.repeat,
            VerdictKind::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// The numbers of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub snapshot: String,
    /// When it was built.
    #[serde(serialize_with = "rfc3339")]
    pub built_at: UnixMillis,
    /// The start of its first broadcast.
    #[serde(serialize_with = "rfc3339")]
    pub from: UnixMillis,
    /// The end of its last broadcast.
    #[serde(serialize_with = "rfc3339")]
    pub until: UnixMillis,
    /// Products on the board.
    pub products: u64,
    /// Broadcasts on the board.
    pub slots: u64,
    /// Products whose verdict is new, repeat and unknown.
    pub verdicts: [u64; 3],
    /// Counts by shop.
    pub shops: BTreeMap<String, ShopCount>,
    /// Tabs on the board.
    pub tabs: u64,
    /// Users with tastes.
    pub users: u64,
    /// Taste shards, those without users included.
    pub taste_shards: u64,
    /// Bytes of the board.
    pub board_bytes: u64,
}

/// Writes a time in the form of reports.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(crate) fn rfc3339<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// What a product's card says of it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Head {
    /// Its title.
    #[serde(default)]
    pub(crate) title: String,
    /// Its listings on the board.
    #[serde(default)]
    pub(crate) listings: Vec<Listing>,
}

/// A shop's listing of a product.
#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    /// The shop.
    pub(crate) shop: String,
}

impl Head {
    /// The head of `product`; an unreadable one is empty.
    pub(crate) fn of(product: &Product<'_>) -> Self {
        serde_json::from_slice(&[product.head_json(), b"}"].concat()).unwrap_or_default()
    }
}

impl Summary {
    /// The numbers of the snapshot with `manifest` and `board`.
    pub fn of(manifest: &Manifest, board: &Board) -> Self {
        let mut total = ShopCount::default();
        let mut shops: BTreeMap<String, ShopCount> = BTreeMap::new();
        for index in 0..board.product_count() {
            let product = board.product(index);
            let kind = product.verdict();
            total.add(kind);
            let listings = Head::of(&product).listings;
            let mut sold_by: Vec<String> = listings.into_iter().map(|listing| listing.shop).collect();
            sold_by.sort_unstable();
            sold_by.dedup();
            for shop in sold_by {
                shops.entry(shop).or_default().add(kind);
            }
        }
        let (from, until) = board.window();
        Self {
            snapshot: manifest.snapshot().to_string(),
            built_at: manifest.built_at(),
            from,
            until,
            products: total.products,
            slots: board.slot_count() as u64,
            verdicts: [total.new, total.repeat, total.unknown],
            shops,
            tabs: board.tab_count() as u64,
            users: manifest.users().into(),
            taste_shards: manifest.shard_count() as u64,
            board_bytes: board.pack().bytes().len() as u64,
        }
    }
}
