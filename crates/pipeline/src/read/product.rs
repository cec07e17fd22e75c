//! Products: the listings that are one thing to a shopper, with all their broadcasts.

use std::collections::BTreeMap;

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::correction;
use sinsang_identity::identity::matcher::Matcher;
use sinsang_identity::identity::{Alike, Joined, ProductId, Resolution};
use sinsang_identity::verdict::{self, GivenTo, NearestOther, ProductHistory, Reach};

use crate::learn::taste::ProductFeatures;
use crate::read::catalogue::Catalogue;
use crate::read::correction::{Corrections, Decision};
use crate::read::score_text;

/// A product: its listings and its airings.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Indexes of its listings in the catalogue.
    pub entries: Vec<usize>,
    /// Indexes of its airings in the catalogue, by start.
    pub airings: Vec<usize>,
    /// The verdict that a person gave on it.
    pub given: Option<Given>,
}

/// A verdict that a person gave on some listings of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The verdict.
    pub kind: VerdictKind,
    /// Who gave it, and why.
    #[serde(flatten)]
    pub decision: Decision,
    /// Indexes of the listings in the catalogue.
    #[serde(skip)]
    pub entries: Vec<usize>,
    /// Whether other listings of the product were given another verdict, which is less cautious.
    #[serde(skip)]
    pub is_contradicted: bool,
}

/// The products of `catalogue`, by id, where `ids` names the product of each listing, and `corrections` say what people decided.
pub fn products(catalogue: &Catalogue, ids: &[ProductId], corrections: &Corrections) -> Vec<Product> {
    let mut products: BTreeMap<ProductId, Product> = BTreeMap::new();
    let empty = |id| Product { id, entries: Vec::new(), airings: Vec::new(), given: None };
    for (entry, id) in ids.iter().enumerate() {
        products.entry(*id).or_insert_with(|| empty(*id)).entries.push(entry);
    }
    for (index, airing) in catalogue.airings.iter().enumerate() {
        if let Some(product) = ids.get(airing.entry).and_then(|id| products.get_mut(id)) {
            product.airings.push(index);
        }
    }
    let mut products: Vec<Product> = products.into_values().collect();
    let latest = latest_uses(catalogue, ids, corrections);
    for product in &mut products {
        product.airings.sort_by_key(|index| {
            let airing = catalogue.airings.get(*index);
            (airing.map(|airing| airing.starts_at), airing.map(|airing| airing.channel.as_str()), *index)
        });
        product.given = given(catalogue, product, corrections, &latest);
    }
    products
}

/// The product that each code with a verdict is of: the latest that it was used for.
fn latest_uses<'c>(
    catalogue: &'c Catalogue,
    ids: &[ProductId],
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

/// What a person said of a product; of several verdicts the most cautious.
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
    let said: Vec<(usize, &correction::Given)> = product
        .entries
        .iter()
        .filter_map(|&entry| {
            let listing = &catalogue.entries.get(entry)?.listing;
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
    /// What is known of it when its vector is made, from its latest listing.
    pub fn features<'a>(&self, catalogue: &'a Catalogue) -> ProductFeatures<'a> {
        let listings =
            || self.entries.iter().filter_map(|entry| catalogue.entries.get(*entry)).map(|entry| &entry.listing);
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

    /// The nearest product that was there when its first listing came, and why it is another; `None` where none is near.
    pub fn nearest(&self, catalogue: &Catalogue, resolution: &Resolution) -> Option<NearestOther> {
        let began = |entry: &&usize| {
            resolution.listings.get(**entry).is_some_and(|resolved| matches!(resolved.joined, Joined::First))
        };
        let first = self.entries.iter().find(began)?;
        let nearest = resolution.listings.get(*first)?.nearest_other.as_ref()?;
        let listing = &catalogue.entries.get(nearest.with)?.listing;
        Some(NearestOther {
            shop: listing.shop.clone(),
            listing_id: listing.listing_id.clone(),
            title: listing.titles.first()?.clone(),
            why: score_text::apart(&nearest.score)?,
        })
    }

    /// Its broadcasts and what may be one of them, as verdicts are judged by.
    pub fn history<'a>(&self, catalogue: &'a Catalogue, likely: &Likely) -> ProductHistory<'a> {
        let airing = |index: &usize| {
            let airing = catalogue.airings.get(*index)?;
            let listing = &catalogue.entries.get(airing.entry)?.listing;
            Some(verdict::Airing {
                starts_at: airing.starts_at,
                ends_at: airing.ends_at,
                shop: &listing.shop,
                listing_id: &listing.listing_id,
                channel: &airing.channel,
                title: listing.titles.get(airing.title).map_or("", String::as_str),
            })
        };
        let entries = self.entries.iter().filter_map(|entry| catalogue.entries.get(*entry));
        let of_others =
            self.entries.iter().flat_map(|entry| likely.of(*entry)).filter(|it| !self.entries.contains(&it.with));
        ProductHistory {
            likely: of_others
                .filter_map(|it| Some(verdict::Likely { probability: it.probability, airing: airing(&it.airing)? }))
                .collect(),
            airings: self.airings.iter().filter_map(airing).collect(),
            given: self.given.as_ref().map(|given| {
                let listing = |entry: &usize| {
                    let listing = &catalogue.entries.get(*entry)?.listing;
                    Some((listing.shop.as_str(), listing.listing_id.as_str()))
                };
                GivenTo { kind: given.kind, listings: given.entries.iter().filter_map(listing).collect() }
            }),
            review_count: entries.filter_map(|entry| entry.listing.review_count).max(),
        }
    }
}

/// The earlier listings that each listing may be the same product as.
#[derive(Clone, Debug, Default)]
pub struct Likely(Vec<Vec<LikelyAiring>>);

/// An earlier listing, and how likely it is that a listing has aired as it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LikelyAiring {
    /// The probability, from 0 to 1.
    pub probability: f64,
    /// Index of the earlier listing in the catalogue.
    pub with: usize,
    /// Index of its first airing.
    pub airing: usize,
}

impl Likely {
    /// What `resolution` found alike; `first_airing` tells the first airing of a listing.
    pub fn new(resolution: &Resolution, matcher: &Matcher, first_airing: impl Fn(usize) -> Option<usize>) -> Self {
        let of = |&Alike { with, probability }: &Alike| {
            Some(LikelyAiring { probability: matcher.aired(probability), with, airing: first_airing(with)? })
        };
        Self(resolution.listings.iter().map(|listing| listing.alike.iter().filter_map(of).collect()).collect())
    }

    /// What a listing may be, by its index in the catalogue.
    pub fn of(&self, entry: usize) -> &[LikelyAiring] {
        self.0.get(entry).map(Vec::as_slice).unwrap_or_default()
    }
}

/// How far back the records of `catalogue` reach.
pub fn reach(catalogue: &Catalogue) -> Reach {
    let mut reach = Reach::default();
    for airing in &catalogue.airings {
        if let Some(entry) = catalogue.entries.get(airing.entry) {
            reach.note(&entry.listing.shop, airing.starts_at);
        }
    }
    reach
}
