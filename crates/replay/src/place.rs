//! The places of an answer, each with the reasons that the edge's own code gives, and with what
//! operators said about it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sinsang_publish::overlay::{Row, Said};

/// A place on a surface of the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The surface: `new`, `live` or `tabs`.
    pub surface: String,
    /// The place on the page, from 1.
    pub place: usize,
    /// The product's id, or the tab's.
    pub id: String,
    /// The product's title, or the tab's label.
    pub title: String,
    /// The reasons, as with `explain=1`: `total` and `parts` of the score, `rules`, `experiments`,
    /// `explored`, and a Korean sentence as `text`.
    pub why: Value,
    /// Ids of the overlay's entries that are about it.
    pub overlay: Vec<String>,
}

/// The places in the explained answer `body`, with those of `standing` that are about them.
pub(crate) fn places(body: &Value, standing: &[Said]) -> Vec<Place> {
    let own = body["surface"].as_str().map(|name| (name, body));
    let of_home = ["tabs", "live", "new"].into_iter().map(|name| (name, &body[name]));
    let surfaces: Vec<(&str, &Value)> = own.into_iter().chain(of_home).collect();
    let items = surfaces.into_iter().flat_map(|(name, list)| {
        (1..).zip(list["items"].as_array().into_iter().flatten()).map(move |(place, item)| (name, place, item))
    });
    items.map(|(name, place, item)| of_item(name, place, item, standing)).collect()
}

fn of_item(surface: &str, place: usize, item: &Value, standing: &[Said]) -> Place {
    let text = |names: [&str; 2]| names.iter().find_map(|name| item[*name].as_str()).unwrap_or_default().to_owned();
    Place {
        surface: surface.to_owned(),
        place,
        id: text(["product_id", "tab_id"]),
        title: text(["title", "label"]),
        why: item["why"].clone(),
        overlay: standing.iter().filter(|said| is_about(said, item)).map(|said| said.id.clone()).collect(),
    }
}

/// Whether an entry of the overlay is about an item: its product, one of its listings, or one of
/// its broadcasts.
fn is_about(said: &Said, item: &Value) -> bool {
    let statement = &said.statement;
    let id = item["product_id"].as_str();
    if id.is_some() && [&statement.product, &statement.to_product].iter().any(|product| product.as_deref() == id) {
        return true;
    }
    let has = |shop: &str, listing_id: &str| {
        let listings = item["listings"].as_array().into_iter().flatten();
        listings.into_iter().any(|one| one["shop"] == shop && one["listing_id"] == listing_id)
    };
    let is_listing = statement.shop.as_deref().zip(statement.listing_id.as_deref());
    is_listing.is_some_and(|(shop, listing_id)| has(shop, listing_id))
        || said.of.iter().chain(&said.to).any(|Row { shop, listing_id, .. }| has(shop, listing_id))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, id, title, why, .. } = self;
        write!(f, "{place:>4}  {title} ({id})")?;
        let Some(total) = why["total"].as_i64() else { return Ok(()) };
        write!(f, "\n      {total} points")?;
        for (at, (name, part)) in why["parts"].as_object().into_iter().flatten().enumerate() {
            write!(f, "{} {name} {:+}", if at == 0 { ":" } else { "," }, part.as_i64().unwrap_or_default())?;
        }
        for rule in why["rules"].as_array().into_iter().flatten() {
            let [name, deed] = ["name", "deed"].map(|member| rule[member].as_str().unwrap_or_default());
            write!(f, "\n      rule or entry {name}: {deed}")?;
        }
        if why["explored"] == true {
            write!(f, "\n      picked for exploration")?;
        }
        why["text"].as_str().map_or(Ok(()), |text| write!(f, "\n      {text}"))
    }
}
