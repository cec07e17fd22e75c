//! Product identity: groups listings, whatever their shop, code or wording, into the products that
//! shoppers see.

mod align;
mod appliance;
mod block;
mod cluster;
mod compared;
mod day;
mod decide;
mod earlier;
mod feature;
mod key;
pub mod matcher;
mod offer;
mod part;
mod placing;
mod policy;
mod reuse;
mod rules;
mod score;
mod sketch;
mod spelling;
pub(crate) mod statistic;
mod title;
mod value;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sinsang_core::code;
use sinsang_core::time::UnixMillis;

pub use appliance::whole_codes;
pub use block::{MAX_SHARED, Postings, worth};
pub use cluster::corrected::{CORRECTION, Moved};
pub use day::{Day, Known, Placed, mark, stored_keys};
pub use key::{Key, code_key};
pub use offer::Offer;
pub use policy::{Penalties, Policy, PolicyError, Weights};
pub use reuse::title_groups;
pub use rules::Part;
pub(crate) use score::features;
pub use score::{Sameness, Score, same};
pub use sketch::{Rarity, Sketch};
pub use statistic::{Counts, Lesson, Lessons, Statistics};
pub(crate) use value::values_agree;

use crate::correction::Decision;
use crate::listing::{Features, Lexicon};

/// A shop's listing with everything its broadcasts said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The shop.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
    /// Its distinct titles, the latest first; at least one.
    pub titles: Vec<String>,
    /// The brand field.
    pub brand: Option<String>,
    /// The category given by the schedule.
    pub category: Option<String>,
    /// Price in won.
    pub price: Option<u32>,
    /// URL of a picture.
    pub image: Option<String>,
    /// The latest review count.
    pub review_count: Option<u32>,
    /// Start of its first broadcast.
    pub first_at: UnixMillis,
    /// Start of its last broadcast.
    pub last_at: UnixMillis,
    /// Number of its broadcasts.
    pub airings: u32,
}

impl Listing {
    /// Features of its latest titles, at most `policy.max_titles`.
    pub fn features(&self, policy: &Policy, lexicon: &Lexicon<'_>) -> Vec<Features> {
        self.titles
            .iter()
            .take(policy.max_titles.max(1))
            .map(|title| Features::read(title, self.brand.as_deref(), self.category.as_deref(), lexicon))
            .collect()
    }

    /// Its data other than titles.
    pub fn offer(&self) -> Offer<'_> {
        Offer { price: self.price, image: self.image.as_deref(), shop: &self.shop, category: self.category.as_deref() }
    }
}

/// A product's id: 64 bits derived from the product's first listing, so the same history gives the
/// same ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(pub u64);

impl ProductId {
    /// The id of the product whose first listing is `listing_id` of `shop`.
    pub fn of(shop: &str, listing_id: &str) -> Self {
        Self(code::id_of_first(shop, listing_id))
    }

    /// A free id for a product that begins with `first`: its plain id or, if an earlier product
    /// began with the same code, one hashed with a suffix.
    pub(crate) fn free(first: &Listing, mut is_taken: impl FnMut(Self) -> bool) -> Self {
        let mut id = Self::of(&first.shop, &first.listing_id);
        let mut round = 0_u32;
        while is_taken(id) {
            id = Self::hash(&[&first.shop, &first.listing_id, &format!("{}#{round}", first.first_at.0)]);
            round += 1;
        }
        id
    }

    fn hash(parts: &[&str]) -> Self {
        Self(code::hashed(parts))
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ProductId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for ProductId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How a listing was assigned to its product.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Joined {
    /// It is the product's first listing.
    First,
    /// It has the shop and code of an earlier listing.
    SameCode {
        /// Index of the earlier listing.
        with: usize,
    },
    /// A person decided that it is one product with an earlier listing.
    Corrected {
        /// Index of the earlier listing.
        with: usize,
        /// The person and the reason.
        #[serde(flatten)]
        decision: Decision,
    },
    /// Its title matches an earlier listing's.
    Similar {
        /// Index of the earlier listing.
        with: usize,
        /// The score and its parts.
        score: Score,
    },
}

/// A listing's product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resolved {
    /// The product.
    pub product: ProductId,
    /// How the listing was assigned to it.
    pub joined: Joined,
    /// The most similar earlier listing of another product; `None` if none was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_other: Option<Nearest>,
    /// The earlier listings most likely to be the same product, whichever product they belong to;
    /// the likeliest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alike: Vec<Alike>,
}

/// An earlier listing with the probability that it is the same product.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Alike {
    /// Index of the earlier listing.
    pub with: usize,
    /// The probability, from 0 to 1, that the two are one product.
    pub probability: f64,
}

/// A similar earlier listing that is another product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// Index of the earlier listing.
    pub with: usize,
    /// The score and its parts.
    pub score: Score,
}

/// Two products recognised as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Merge {
    /// The retired id.
    pub from: ProductId,
    /// The older product, which keeps its id.
    pub into: ProductId,
}

/// The products of a list of listings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resolution {
    /// The product of each listing, in input order.
    pub listings: Vec<Resolved>,
    /// Products that a later listing proved to be one.
    pub merges: Vec<Merge>,
    /// Listings of known products that corrections moved to another product.
    #[serde(skip)]
    pub moved: Vec<Moved>,
    /// Number of products.
    pub products: usize,
    /// Listings of previously known products. Indexes past the given listings point into this list.
    #[serde(skip)]
    pub known: Vec<Listing>,
}

impl Resolution {
    /// The listing at `index`, where `listings` are those resolved here.
    pub fn listing<'a>(&'a self, listings: &'a [Listing], index: usize) -> Option<&'a Listing> {
        listings.get(index).or_else(|| self.known.get(index.checked_sub(listings.len())?))
    }
}

/// Resolves listings into products without known ones. The answer does not depend on the order of
/// `listings`.
///
/// Each listing, from the earliest, joins the most similar product or begins one, so adding a later
/// listing never changes the product that an earlier one began.
pub fn resolve(listings: &[Listing], policy: &Policy) -> Resolution {
    resolve_onto(Vec::new(), &Statistics::default(), listings, policy).resolution
}

/// Resolves listings into the products of `known` or new ones, with word frequencies from
/// `statistics`.
///
/// For data that fits in memory. A ledger follows the same steps through [`Day`] and reads only the
/// requested keys and products.
pub fn resolve_onto(known: Vec<Known>, statistics: &Statistics, listings: &[Listing], policy: &Policy) -> Placed {
    let mut day = Day::read(listings, policy, statistics);
    let stored = known.iter().flat_map(|product| {
        let flat = product.listings.iter().flat_map(|listing| day.keys_of(listing));
        flat.map(|key| (key, mark(product.id))).collect::<Vec<_>>()
    });
    let postings = Postings::new(stored.collect());
    day.search(&postings);
    let (known, moved) = day.part(known, |_| false);
    let mut placed = day.resolve(known);
    placed.resolution.moved = moved;
    placed
}
