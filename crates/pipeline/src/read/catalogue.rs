//! The catalogue: every listing of the schedule and the history, with its titles and airings.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use index_vec::{IndexVec, define_index_type};
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity;

use crate::engine::{register_rows, sql};

const LISTINGS: &str = sql!("listing");
const TITLES: &str = sql!("listing_title");
const AIRINGS: &str = sql!("airing");

define_index_type! {
    /// A listing's place in [`Catalogue::entries`].
    pub struct EntryId = u32;
}

/// A value for each listing of a catalogue.
pub type ByEntry<T> = IndexVec<EntryId, T>;

define_index_type! {
    /// A slot's place in [`Catalogue::airings`].
    pub struct AiringId = u32;
}

/// A listing as identity sees it, with the fields that only shoppers need.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The fields that identity compares.
    pub listing: identity::Listing,
    /// The channel of its latest slot.
    pub channel: String,
    /// Price before the discount, in won.
    pub list_price: Option<u32>,
    /// Address of the listing's page.
    pub url: Option<String>,
}

/// One slot of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Airing {
    /// The listing.
    pub entry: EntryId,
    /// Index of its title in that listing's titles.
    pub title: usize,
    /// The channel's name in this slot.
    pub channel: String,
    /// Start of the slot.
    pub starts_at: UnixMillis,
    /// End of the slot.
    pub ends_at: UnixMillis,
    /// Price in won in this slot.
    pub price: Option<u32>,
}

/// All listings, by shop and code, and all airings, by listing and start.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The listings.
    pub entries: ByEntry<Entry>,
    /// The listings' slots.
    pub airings: IndexVec<AiringId, Airing>,
}

/// Reads the catalogue from the repaired table `slots`.
///
/// # Errors
/// The engine's error if the table is missing or memory runs out.
///
/// # Panics
/// If the queries answer for different listings: they read one table.
pub async fn read(context: &SessionContext) -> Result<Catalogue, DataFusionError> {
    let mut entries: ByEntry<Entry> = IndexVec::new();
    for batch in ask(context, LISTINGS).await? {
        let row = Rows(&batch);
        for at in 0..batch.num_rows() {
            entries.push(Entry {
                listing: identity::Listing {
                    shop: row.text("shop", at)?.unwrap_or_default(),
                    listing_id: row.text("listing_id", at)?.unwrap_or_default(),
                    titles: Vec::new(),
                    brand: row.text("brand", at)?,
                    category: row.text("category", at)?,
                    price: row.small("price", at)?,
                    image: row.text("image", at)?,
                    review_count: row.small("review_count", at)?,
                    first_at: row.time("first_at", at)?,
                    last_at: row.time("last_at", at)?,
                    airings: row.small("airings", at)?.unwrap_or(0),
                },
                channel: row.text("channel", at)?.unwrap_or_default(),
                list_price: row.small("list_price", at)?,
                url: row.text("url", at)?,
            });
        }
    }
    // Both answers are ordered like the entries, so one pass joins them.
    let mut entry = EntryId::new(0);
    for batch in ask(context, TITLES).await? {
        let row = Rows(&batch);
        for at in 0..batch.num_rows() {
            advance(&entries, &mut entry, &row, at)?;
            entries[entry].listing.titles.extend(row.text("title", at)?);
        }
    }
    let mut airings = IndexVec::new();
    let mut entry = EntryId::new(0);
    for batch in ask(context, AIRINGS).await? {
        let row = Rows(&batch);
        for at in 0..batch.num_rows() {
            advance(&entries, &mut entry, &row, at)?;
            let title = row.str("title", at)?;
            let titles = &entries[entry].listing.titles;
            let title = titles.iter().position(|known| known == title);
            airings.push(Airing {
                entry,
                title: title.expect("a slot's title is among those of its listing"),
                channel: row.text("channel", at)?.unwrap_or_default(),
                starts_at: row.time("starts_at", at)?,
                ends_at: row.time("ends_at", at)?,
                price: row.small("price", at)?,
            });
        }
    }
    Ok(Catalogue { entries, airings })
}

impl Catalogue {
    /// Splits listings whose code was reused for different products, into one entry a product:
    /// [`identity::resolve`] takes the titles of one entry for one product. Returns the number of
    /// split codes.
    pub fn split_reused_codes(&mut self, policy: &identity::Policy) -> usize {
        let mut split = 0;
        // By entry and title: the entry and title index after the split.
        let mut places: ByEntry<Vec<(EntryId, usize)>> = IndexVec::with_capacity(self.entries.len());
        for index in self.entries.indices() {
            let entry = &self.entries[index];
            let titles = entry.listing.titles.len();
            let groups = identity::title_groups(&entry.listing, policy);
            if groups.len() < 2 {
                places.push((0..titles).map(|title| (index, title)).collect());
                continue;
            }
            split += 1;
            let whole = entry.clone();
            let mut place = vec![(index, 0); titles];
            for (number, group) in groups.iter().enumerate() {
                let to = if number == 0 { index } else { self.entries.next_idx() };
                let mut part = whole.clone();
                part.listing.titles = group.iter().map(|title| whole.listing.titles[*title].clone()).collect();
                for (position, title) in group.iter().enumerate() {
                    place[*title] = (to, position);
                }
                if number == 0 {
                    self.entries[to] = part;
                } else {
                    self.entries.push(part);
                }
            }
            places.push(place);
        }
        for airing in &mut self.airings {
            (airing.entry, airing.title) = places[airing.entry][airing.title];
        }
        if split > 0 {
            self.recount();
        }
        split
    }

    /// Recounts the airings of each listing, and its first and last one.
    fn recount(&mut self) {
        for entry in &mut self.entries {
            entry.listing.airings = 0;
        }
        for airing in &self.airings {
            let listing = &mut self.entries[airing.entry].listing;
            if listing.airings == 0 {
                (listing.first_at, listing.last_at) = (airing.starts_at, airing.starts_at);
            }
            listing.first_at = listing.first_at.min(airing.starts_at);
            listing.last_at = listing.last_at.max(airing.starts_at);
            listing.airings += 1;
        }
    }
}

/// Moves `entry` to the listing of row `at`.
///
/// # Panics
/// If the listing is missing: both answers come from one table, in one order.
fn advance(entries: &ByEntry<Entry>, entry: &mut EntryId, row: &Rows<'_>, at: usize) -> Result<(), DataFusionError> {
    let (shop, listing_id) = (row.str("shop", at)?, row.str("listing_id", at)?);
    while entries[*entry].listing.shop != shop || entries[*entry].listing.listing_id != listing_id {
        *entry += 1;
    }
    Ok(())
}

async fn ask(context: &SessionContext, question: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
    context.sql(question).await?.collect().await
}

/// The columns of a batch by name.
struct Rows<'a>(&'a RecordBatch);

impl<'a> Rows<'a> {
    fn column<T: Array + 'static>(&self, name: &str, wanted: &DataType) -> Result<&'a T, DataFusionError> {
        let column = self.0.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<T>());
        column.ok_or_else(|| DataFusionError::Internal(format!("column {name} is not {wanted}")))
    }

    fn str(&self, name: &str, at: usize) -> Result<&'a str, DataFusionError> {
        let column = self.column::<StringArray>(name, &DataType::Utf8)?;
        Ok(if column.is_null(at) { "" } else { column.value(at) })
    }

    fn text(&self, name: &str, at: usize) -> Result<Option<String>, DataFusionError> {
        let column = self.column::<StringArray>(name, &DataType::Utf8)?;
        Ok((!column.is_null(at)).then(|| column.value(at).to_owned()))
    }

    fn number(&self, name: &str, at: usize) -> Result<Option<i64>, DataFusionError> {
        let column = self.column::<Int64Array>(name, &DataType::Int64)?;
        Ok((!column.is_null(at)).then(|| column.value(at)))
    }

    fn small(&self, name: &str, at: usize) -> Result<Option<u32>, DataFusionError> {
        Ok(self.number(name, at)?.and_then(|value| u32::try_from(value).ok()))
    }

    fn time(&self, name: &str, at: usize) -> Result<UnixMillis, DataFusionError> {
        Ok(UnixMillis(self.number(name, at)?.unwrap_or_default()))
    }
}

/// Registers the table `listing_products`: shop, `listing_id`, product as 16 hex digits, and the
/// channel of the listing's latest slot. A code that several products used belongs to the latest
/// one.
///
/// # Errors
/// The engine's error.
pub fn register_products<'a>(
    context: &SessionContext,
    listings: impl Iterator<Item = (&'a Entry, identity::ProductId)>,
) -> Result<(), DataFusionError> {
    let mut latest: BTreeMap<(&str, &str), (&Entry, identity::ProductId)> = BTreeMap::new();
    for (entry, product) in listings {
        let known = latest.entry((&entry.listing.shop, &entry.listing.listing_id)).or_insert((entry, product));
        if (known.0.listing.last_at, known.1) < (entry.listing.last_at, product) {
            *known = (entry, product);
        }
    }
    let mut columns: [Vec<String>; 4] = Default::default();
    for ((shop, listing_id), (entry, product)) in latest {
        let [shops, listing_ids, products, channels] = &mut columns;
        shops.push(shop.to_owned());
        listing_ids.push(listing_id.to_owned());
        products.push(product.to_string());
        channels.push(entry.channel.clone());
    }
    let names = ["shop", "listing_id", "product", "channel"];
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let arrays = columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    register_rows(context, "listing_products", schema, vec![batch])
}
