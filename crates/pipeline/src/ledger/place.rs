//! Look-ups of a day in the ledger: the products that its listings may belong to, and their
//! records.

use std::collections::BTreeMap;

use sinsang_identity::identity::{Key, Known, Postings, ProductId};

use super::file::find;
use super::head::{Entry, Table};
use super::row::{AiringRow, ListingRow, Posting, listing_mark};
use super::{Error, Ledger, Merged, ranges};

/// The result of a day's candidate search.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// The products of each key.
    pub postings: Postings,
    /// Pairs of a key and a product.
    pub pairs: usize,
}

/// The records of products that a day's listings may belong to.
pub struct Sought {
    /// The listings, by current product, shop and code; one row each.
    pub listings: BTreeMap<(u64, String, String), ListingRow>,
}

impl Sought {
    /// The products in the form in which identity assigns listings to them.
    pub fn known(&self) -> Vec<Known> {
        let mut known: Vec<Known> = Vec::new();
        for ((product, _, _), row) in &self.listings {
            match known.last_mut() {
                Some(last) if last.id.0 == *product => last.listings.push(row.listing()),
                _ => known.push(Known { id: ProductId(*product), listings: vec![row.listing()] }),
            }
        }
        known
    }
}

impl Ledger {
    /// Looks up the products of `keys`, which must ascend.
    ///
    /// # Errors
    /// An [`Error`] that names the unreadable file.
    pub fn candidates(&self, keys: &[Key]) -> Result<Candidates, Error> {
        let wanted: Vec<(u64, u64)> = keys.iter().map(|&key| (key, key)).collect();
        let found: Vec<Vec<Posting>> = find(&self.folder, &self.entries(Table::Block), &wanted, &self.tally)?;
        let pairs: Vec<(Key, u32)> = found.into_iter().flatten().map(|row| (row.key, row.mark)).collect();
        Ok(Candidates { pairs: pairs.len(), postings: Postings::new(pairs) })
    }

    /// Fetches the listings of the products with `marks`, including those merged or moved into
    /// them.
    pub(crate) fn listings(&self, marks: &[u32], merged: &Merged) -> Result<Sought, Error> {
        let wanted = ranges(&merged.all_marks(marks));
        let found: Vec<Vec<ListingRow>> = find(&self.folder, &self.entries(Table::Listing), &wanted, &self.tally)?;
        let mut listings: BTreeMap<(u64, String, String), ListingRow> = BTreeMap::new();
        // Files are ordered from the earliest run, so later rows are merged into earlier ones.
        for row in found.into_iter().flatten() {
            let product = merged.of(row.product, listing_mark(&row.shop, &row.listing_id));
            let key = (product, row.shop.clone(), row.listing_id.clone());
            let whole = match listings.remove(&key) {
                Some(known) => known.with(&row),
                None => row,
            };
            listings.insert(key, ListingRow { product, ..whole });
        }
        Ok(Sought { listings })
    }

    /// Fetches the airings of the products with `marks`, by current product and start, without
    /// duplicates.
    pub(crate) fn airings(&self, marks: &[u32], merged: &Merged) -> Result<Vec<AiringRow>, Error> {
        let wanted = ranges(&merged.all_marks(marks));
        let found: Vec<Vec<AiringRow>> = find(&self.folder, &self.entries(Table::Airing), &wanted, &self.tally)?;
        let mut airings: Vec<AiringRow> = found
            .into_iter()
            .flatten()
            .map(|row| AiringRow { product: merged.of(row.product, row.listing), ..row })
            .collect();
        airings.sort();
        airings.dedup_by(|a, b| {
            (a.product, a.listing, a.starts_at, &a.channel) == (b.product, b.listing, b.starts_at, &b.channel)
        });
        Ok(airings)
    }

    fn entries(&self, table: Table) -> Vec<&Entry> {
        self.head.of_table(table).map(|(_, entry)| entry).collect()
    }
}
