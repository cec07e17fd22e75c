//! Products: listings of one thing, with all their broadcasts.

use std::collections::BTreeMap;

use index_vec::{IndexVec, define_index_type};
use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::correction;
use sinsang_identity::identity::matcher::Matcher;
use sinsang_identity::identity::{Alike, Joined, ProductId, Resolution};
use sinsang_identity::verdict::{self, GivenTo, NearestOther, ProductHistory, Reach};

use crate::learn::taste::ProductFeatures;
use crate::read::catalogue::{AiringId, ByEntry, Catalogue, EntryId};
use crate::read::correction::{Corrections, Decision};
use crate::read::score_text;

define_index_type! {
    /// A product's place in [`History::products`](crate::read::history::History::products).
    pub struct ProductIndex = u32;
}

/// A product: its listings, its airings, and a person's verdict on it.
#[derive(Clone, Debug)]
pub struct Product {
    /// The product's id.
    pub id: ProductId,
    /// The product's listings.
    pub entries: Vec<EntryId>,
    /// The product's airings, by start.
    pub airings: Vec<AiringId>,
    /// A person's verdict on the product.
    pub given: Option<Given>,
}

/// A person's verdict on some listings of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The verdict.
    pub kind: VerdictKind,
    /// Who decided, and why.
    #[serde(flatten)]
    pub decision: Decision,
    /// The listings it was given for.
    #[serde(skip)]
    pub entries: Vec<EntryId>,
    /// Whether other listings of the product have another, less cautious verdict.
    #[serde(skip)]
    pub is_contradicted: bool,
}

/// The products of `catalogue`, by id. `ids` names the product of each listing; `corrections` hold
/// people's decisions.
///
/// # Panics
/// If `ids` lacks a listing of the catalogue.
pub fn products(
    catalogue: &Catalogue,
    ids: &ByEntry<ProductId>,
    corrections: &Corrections,
) -> IndexVec<ProductIndex, Product> {
    let mut products: BTreeMap<ProductId, Product> = BTreeMap::new();
    let empty = |id| Product { id, entries: Vec::new(), airings: Vec::new(), given: None };
    for (entry, id) in ids.iter_enumerated() {
        products.entry(*id).or_insert_with(|| empty(*id)).entries.push(entry);
    }
    for (index, airing) in catalogue.airings.iter_enumerated() {
        let product = products.get_mut(&ids[airing.entry]);
        product.expect("each entry is in the product of its id").airings.push(index);
    }
    let mut products: IndexVec<ProductIndex, Product> = products.into_values().collect();
    let latest = latest_uses(catalogue, ids, corrections);
    for product in &mut products {
        product.airings.sort_by_key(|index| {
            let airing = &catalogue.airings[*index];
            (airing.starts_at, airing.channel.as_str(), *index)
        });
        product.given = given(catalogue, product, corrections, &latest);
    }
    products
}

/// The product of each code with a verdict: the latest that used the code.
fn latest_uses<'c>(
    catalogue: &'c Catalogue,
    ids: &ByEntry<ProductId>,
    corrections: &Corrections,
) -> BTreeMap<(&'c str, &'c str), ProductId> {
    let mut latest: BTreeMap<(&str, &str), (UnixMillis, ProductId)> = BTreeMap::new();
    for (entry, &id) in catalogue.entries.iter().zip(ids).filter(|_| !corrections.is_empty()) {
        let listing = &entry.listing;
        if corrections.verdict(&listing.shop, &listing.listing_id).is_some() {
            let known = latest.entry((&listing.shop, &listing.listing_id)).or_insert((listing.last_at, id));
            *known = (listing.last_at, id).max(*known);
        }
    }
    latest.into_iter().map(|(name, (_, id))| (name, id)).collect()
}

/// A person's verdict on a product; the most cautious if there are several.
fn given(
    catalogue: &Catalogue,
    product: &Product,
    corrections: &Corrections,
    latest: &BTreeMap<(&str, &str), ProductId>,
) -> Option<Given> {
    let caution = |kind: VerdictKind| match kind {
        VerdictKind::New => 0,
        VerdictKind::Unknown => 1,
        VerdictKind::Repeat => 2,
    };
    let said: Vec<(EntryId, &correction::Given)> = product
        .entries
        .iter()
        .filter_map(|&entry| {
            let listing = &catalogue.entries[entry].listing;
            latest.get(&(listing.shop.as_str(), listing.listing_id.as_str())).filter(|&&id| id == product.id)?;
            Some((entry, corrections.verdict(&listing.shop, &listing.listing_id)?))
        })
        .collect();
    let (_, most) = said.iter().max_by_key(|(entry, given)| (caution(given.kind), std::cmp::Reverse(*entry)))?;
    let of_kind = said.iter().filter(|(_, given)| given.kind == most.kind);
    Some(Given {
        kind: most.kind,
        decision: most.decision.clone(),
        entries: of_kind.map(|(entry, _)| *entry).collect(),
        is_contradicted: said.iter().any(|(_, given)| given.kind != most.kind),
    })
}

impl Product {
    /// The inputs of the product's vector, taken from its latest listing.
    pub fn features<'a>(&self, catalogue: &'a Catalogue) -> ProductFeatures<'a> {
        let listings = || self.entries.iter().map(|entry| &catalogue.entries[*entry].listing);
        let latest = listings().max_by_key(|listing| (listing.last_at, &listing.shop, &listing.listing_id));
        ProductFeatures {
            product: self.id.0,
            title: latest.and_then(|listing| listing.titles.first()).map_or("", String::as_str),
            brand: latest
                .and_then(|listing| listing.brand.as_deref())
                .or_else(|| listings().find_map(|listing| listing.brand.as_deref())),
            category: latest
                .and_then(|listing| listing.category.as_deref())
                .or_else(|| listings().find_map(|listing| listing.category.as_deref())),
            price: latest.and_then(|listing| listing.price),
        }
    }

    /// The most similar product that existed when this product's first listing appeared, and why it
    /// is another one; `None` if none is similar.
    pub fn nearest(&self, catalogue: &Catalogue, resolution: &Resolution) -> Option<NearestOther> {
        // Listings known only from a ledger were resolved earlier, and began no product of today's.
        let resolved = |entry: &EntryId| resolution.listings.get(entry.index());
        let began = |entry: &&EntryId| resolved(entry).is_some_and(|it| matches!(it.joined, Joined::First));
        let first = self.entries.iter().find(began)?;
        let nearest = resolved(first)?.nearest_other.as_ref()?;
        let listing = &catalogue.entries[EntryId::new(nearest.with)].listing;
        Some(NearestOther {
            shop: listing.shop.clone(),
            listing_id: listing.listing_id.clone(),
            title: listing.titles.first()?.clone(),
            why: score_text::apart(&nearest.score)?,
        })
    }

    /// The product's broadcasts and those that may be its, for judging a verdict.
    pub fn history<'a>(&self, catalogue: &'a Catalogue, likely: &Likely) -> ProductHistory<'a> {
        let airing = |index: &AiringId| {
            let airing = &catalogue.airings[*index];
            let listing = &catalogue.entries[airing.entry].listing;
            verdict::Airing {
                starts_at: airing.starts_at,
                ends_at: airing.ends_at,
                shop: &listing.shop,
                listing_id: &listing.listing_id,
                channel: &airing.channel,
                title: &listing.titles[airing.title],
            }
        };
        let entries = self.entries.iter().map(|entry| &catalogue.entries[*entry]);
        let of_others =
            self.entries.iter().flat_map(|entry| likely.of(*entry)).filter(|it| !self.entries.contains(&it.with));
        ProductHistory {
            likely: of_others
                .map(|it| verdict::Likely { probability: it.probability, airing: airing(&it.airing) })
                .collect(),
            airings: self.airings.iter().map(airing).collect(),
            given: self.given.as_ref().map(|given| {
                let listing = |entry: &EntryId| {
                    let listing = &catalogue.entries[*entry].listing;
                    (listing.shop.as_str(), listing.listing_id.as_str())
                };
                GivenTo { kind: given.kind, listings: given.entries.iter().map(listing).collect() }
            }),
            review_count: entries.filter_map(|entry| entry.listing.review_count).max(),
        }
    }
}

/// For each listing, the earlier listings that may be the same product.
#[derive(Clone, Debug, Default)]
pub struct Likely(ByEntry<Vec<LikelyAiring>>);

/// An earlier listing, and the probability that the listing has aired as it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LikelyAiring {
    /// The probability, from 0 to 1.
    pub probability: f64,
    /// The earlier listing.
    pub with: EntryId,
    /// Its first airing.
    pub airing: AiringId,
}

impl Likely {
    /// Reads the similar listings from `resolution`; `first_airing` returns the first airing of a
    /// listing.
    pub fn new(resolution: &Resolution, matcher: &Matcher, first_airing: impl Fn(EntryId) -> Option<AiringId>) -> Self {
        let of = |&Alike { with, probability }: &Alike| {
            let with = EntryId::new(with);
            Some(LikelyAiring { probability: matcher.aired(probability), with, airing: first_airing(with)? })
        };
        Self(resolution.listings.iter().map(|listing| listing.alike.iter().filter_map(of).collect()).collect())
    }

    /// The earlier listings that may be the same product; empty for listings known only from a
    /// ledger.
    pub fn of(&self, entry: EntryId) -> &[LikelyAiring] {
        self.0.get(entry).map(Vec::as_slice).unwrap_or_default()
    }
}

/// How far back the records of `catalogue` reach.
pub fn reach(catalogue: &Catalogue) -> Reach {
    let mut reach = Reach::default();
    for airing in &catalogue.airings {
        reach.note(&catalogue.entries[airing.entry].listing.shop, airing.starts_at);
    }
    reach
}
