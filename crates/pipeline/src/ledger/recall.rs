//! The history of a day with a ledger: the day's tables, and the ledger's records of their
//! products.
//!
//! Verdicts, packs and explanations use it like a history that was read whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{Key, Listing, ProductId, code_key};
use sinsang_run::{count, stage};

use super::row::{AiringRow, ListingRow, listing_mark};
use super::update::{Prepared, RowKey};
use super::{Error, Ledger, Options, Report, Step, UpdateError, upper};
use crate::read::catalogue::{Airing, ByEntry, Catalogue, Entry, EntryId};
use crate::read::history::{self, History};
use crate::read::product;

/// A day resolved against a ledger, to be appended once its answers are written.
pub struct Run {
    ledger: Ledger,
    prepared: Prepared,
}

/// Reads the day's tables, resolves them against the ledger, and adds the ledger's records of their
/// products. The run holds the ledger's lock until it is dropped, and leaves the ledger unchanged
/// until [`Run::append`].
///
/// The ledger does not store prices of single broadcasts, pages, or prices before a discount, so
/// the past lacks them.
///
/// # Errors
/// [`UpdateError`]; the ledger is unchanged.
pub async fn read(options: &Options, now: UnixMillis) -> Result<(History, Run), UpdateError> {
    recall(Ledger::lock(&options.ledger, now)?, options, now).await
}

/// As [`read`], but without the lock: others may write the ledger meanwhile.
///
/// # Errors
/// [`UpdateError`]; [`Error::Absent`] if there is no ledger.
pub async fn look(options: &Options, now: UnixMillis) -> Result<History, UpdateError> {
    let ledger = Ledger::open(&options.ledger)?;
    if ledger.head.version == 0 {
        return Err(Error::Absent { folder: options.ledger.clone() }.into());
    }
    Ok(recall(ledger, options, now).await?.0)
}

async fn recall(mut ledger: Ledger, options: &Options, now: UnixMillis) -> Result<(History, Run), UpdateError> {
    let policy = &options.history.policy;
    let tables = history::tables(&options.history, now).await?;
    let listings = tables.catalogue.entries.len();
    let prepared = stage!("identity", listings = count(listings))
        .in_scope(|| Prepared::resolve(&mut ledger, &tables.catalogue, policy, now))?;
    let mut reach = product::reach(&tables.catalogue);
    ledger.head.note_reach(&mut reach);
    let mut history = History::new(tables, prepared.resolution.clone(), reach, policy);
    let run = Run { ledger, prepared };
    let _stage = stage!("recall").entered();
    run.complete(&mut history.catalogue, &history.ids);
    run.recall_known(&mut history)?;
    Ok((history, run))
}

impl Run {
    /// Appends the day to the ledger.
    ///
    /// # Errors
    /// [`Error`]; the ledger is unchanged.
    pub fn append(self, now: UnixMillis) -> Result<Report, Error> {
        self.append_watched(now, &|_| Ok(()))
    }

    /// As [`Run::append`]; `watch` is called before each step, and may stop the run there.
    ///
    /// # Errors
    /// As [`Run::append`].
    pub fn append_watched(
        mut self,
        now: UnixMillis,
        watch: &dyn Fn(Step) -> Result<(), Error>,
    ) -> Result<Report, Error> {
        self.ledger.writable()?;
        stage!("ledger").in_scope(|| self.prepared.append(&mut self.ledger, now, watch))
    }

    /// Adds the ledger's records to the day's listings.
    fn complete(&self, catalogue: &mut Catalogue, ids: &ByEntry<ProductId>) {
        for (entry, id) in catalogue.entries.iter_mut().zip(ids) {
            let listing = &mut entry.listing;
            let key = (id.0, listing.shop.clone(), listing.listing_id.clone());
            let Some(row) = self.prepared.before.get(&key).and(self.prepared.rows.get(&key)) else { continue };
            let known = row.listing();
            let earlier = known.titles.into_iter().filter(|title| !listing.titles.contains(title));
            let titles: Vec<String> = listing.titles.iter().cloned().chain(earlier).collect();
            let airings = listing.airings;
            *listing = Listing { titles, airings, ..known };
        }
    }

    /// Adds the known products that the day's listings belong to, or were compared with and found
    /// similar.
    fn recall_known(&self, history: &mut History) -> Result<(), Error> {
        let listed = history.listed;
        let mut own: HashMap<(ProductId, String, String), EntryId> = HashMap::new();
        for ((index, entry), id) in history.catalogue.entries.iter_enumerated().zip(&history.ids) {
            own.entry((*id, entry.listing.shop.clone(), entry.listing.listing_id.clone())).or_insert(index);
        }
        let mut products: HashMap<(&str, &str), Vec<(&RowKey, &ListingRow)>> = HashMap::new();
        for (key, row) in &self.prepared.before {
            products.entry((&key.1, &key.2)).or_default().push((key, row));
        }
        // The indexes of the resolution continue in this order.
        for (number, listing) in self.prepared.resolution.known.iter().enumerate() {
            let rows = products.get(&(listing.shop.as_str(), listing.listing_id.as_str()));
            let rows = rows.map(Vec::as_slice).unwrap_or_default();
            // A code reused for several products has a row in each.
            let exact = rows.iter().find(|(_, row)| row.listing() == *listing);
            let id = exact.or(rows.first()).map_or(ProductId(0), |(key, _)| ProductId(key.0));
            if let Some(entry) = own.get(&(id, listing.shop.clone(), listing.listing_id.clone())) {
                history.twins.insert(EntryId::new(listed + number), *entry);
            }
            history.catalogue.entries.push(known_entry(listing.clone()));
            history.ids.push(id);
        }
        let products: BTreeSet<ProductId> = history.ids.iter().copied().collect();
        self.recall_airings(history, &products, &self.prepared.rows)?;
        history.arrange();
        Ok(())
    }

    /// Adds the ledger's records of further products: those with one of `codes`, an optional shop
    /// and a code, and those with one of `ids`.
    ///
    /// # Errors
    /// An [`Error`] that names the unreadable file.
    pub fn recall(
        &self,
        history: &mut History,
        codes: &BTreeSet<(Option<String>, String)>,
        ids: &BTreeSet<ProductId>,
    ) -> Result<(), Error> {
        let shops: Vec<&String> = self.ledger.head.shops.keys().collect();
        let mut wanted: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (shop, code) in codes {
            match shop {
                Some(shop) => drop(wanted.insert((shop, code))),
                None => wanted.extend(shops.iter().map(|shop| (shop.as_str(), code.as_str()))),
            }
        }
        let keys: BTreeSet<Key> = wanted.iter().map(|(shop, code)| code_key(shop, code)).collect();
        let found = self.ledger.candidates(&keys.iter().copied().collect::<Vec<_>>())?;
        let mut marks: BTreeSet<u32> = keys.iter().flat_map(|&key| found.postings.of(key).iter().copied()).collect();
        marks.extend(ids.iter().map(|id| upper(id.0)));
        let sought = self.ledger.listings(&marks.into_iter().collect::<Vec<_>>(), self.prepared.merged())?;
        let asked: BTreeSet<u64> = ids.iter().map(|id| self.prepared.root(id.0)).collect();
        let named = sought.listings.values().filter(|row| {
            let product = self.product_of(row);
            asked.contains(&product) || wanted.contains(&(row.shop.as_str(), row.listing_id.as_str()))
        });
        let mut products: BTreeSet<ProductId> = named.map(|row| ProductId(self.product_of(row))).collect();
        let there: BTreeSet<ProductId> = history.ids.iter().copied().collect();
        products.retain(|product| !there.contains(product));
        let mut rows: BTreeMap<RowKey, ListingRow> = BTreeMap::new();
        for (key, row) in sought.listings {
            let product = ProductId(self.product_of(&row));
            if products.contains(&product) {
                history.catalogue.entries.push(known_entry(row.listing()));
                history.ids.push(product);
                rows.insert((product.0, key.1, key.2), row);
            }
        }
        self.recall_airings(history, &products, &rows)?;
        history.arrange();
        Ok(())
    }

    /// The product of a looked-up row after the day.
    fn product_of(&self, row: &ListingRow) -> u64 {
        self.prepared.of(row.product, listing_mark(&row.shop, &row.listing_id))
    }

    /// Adds the recorded airings of `products` that the day's tables lack. Titles come from `rows`,
    /// or else from the earlier records.
    fn recall_airings(
        &self,
        history: &mut History,
        products: &BTreeSet<ProductId>,
        rows: &BTreeMap<RowKey, ListingRow>,
    ) -> Result<(), Error> {
        let catalogue = &mut history.catalogue;
        let mut places: HashMap<(u64, u32), EntryId> = HashMap::new();
        for ((index, entry), id) in catalogue.entries.iter_enumerated().zip(&history.ids) {
            let mark = listing_mark(&entry.listing.shop, &entry.listing.listing_id);
            places.entry((id.0, mark)).or_insert(index);
        }
        let told: BTreeSet<(EntryId, UnixMillis, String)> =
            catalogue.airings.iter().map(|airing| (airing.entry, airing.starts_at, airing.channel.clone())).collect();
        // Rows that this day moves to another product still lie under the old one.
        let marks: BTreeSet<u32> =
            products.iter().flat_map(|product| self.prepared.ids_before(product.0)).map(upper).collect();
        let marks: Vec<u32> = marks.into_iter().collect();
        let mut seen: BTreeSet<(EntryId, UnixMillis, String)> = BTreeSet::new();
        for AiringRow { product, listing, starts_at, channel, ends_at, title } in
            self.ledger.airings(&marks, self.prepared.merged())?
        {
            let product = self.prepared.of(product, listing);
            // Two products with the same mark are fetched together.
            let Some(&place) = places.get(&(product, listing)).filter(|_| products.contains(&ProductId(product)))
            else {
                continue;
            };
            let key = (place, starts_at, channel.clone());
            if told.contains(&key) || !seen.insert(key) {
                continue;
            }
            let entry = &mut catalogue.entries[place];
            let row_key = (product, entry.listing.shop.clone(), entry.listing.listing_id.clone());
            let row = rows.get(&row_key).or_else(|| self.prepared.before.get(&row_key));
            let title = row.and_then(|row| row.titles.get(usize::from(title)));
            let title = entry.listing.titles.iter().position(|known| Some(known) == title).unwrap_or(0);
            entry.listing.airings += 1;
            if place.index() >= history.listed {
                entry.channel.clone_from(&channel);
            }
            catalogue.airings.push(Airing { entry: place, title, channel, starts_at, ends_at, price: None });
        }
        catalogue.airings.sort_by(|a, b| {
            (a.entry, a.starts_at, &a.channel, a.ends_at).cmp(&(b.entry, b.starts_at, &b.channel, b.ends_at))
        });
        Ok(())
    }
}

/// A listing known only from the ledger.
fn known_entry(listing: Listing) -> Entry {
    Entry { listing: Listing { airings: 0, ..listing }, ..Entry::default() }
}
