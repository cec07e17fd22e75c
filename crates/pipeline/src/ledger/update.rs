//! A day's update: its table is resolved against the ledger, and new rows are appended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{self, Day, Key, Moved, Placed, Policy, Resolution, Statistics};

use super::commit::{New, Step};
use super::head::Counted;
use super::row::{AiringRow, ListingRow, MergeRow, MoveRow, Posting, listing_mark};
use super::{Candidates, Error, Ledger, Merged, Sought, upper};
use crate::read::catalogue::{Catalogue, EntryId};
use crate::read::history;

/// Pending statistics come into force when they reach one in this many of the titles in force.
const PENDING_SHARE: u64 = 10;

/// The inputs of an update.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ledger's folder; created if missing.
    pub ledger: PathBuf,
    /// The day's tables, and how to read them.
    pub history: history::Options,
}

/// Why a day can't be appended.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The day's tables can't be read.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] Error),
}

/// The counts of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The ledger's new version.
    pub version: u64,
    /// Listings of the day's table.
    pub listings: usize,
    /// Listings whose shop and code were unknown.
    pub new_listings: usize,
    /// Products of the day's listings.
    pub products: usize,
    /// Products that first appeared on this day.
    pub new_products: usize,
    /// Products merged into others.
    pub merges: usize,
    /// Listings that corrections moved to another product.
    pub moved: usize,
    /// Keys looked up.
    pub keys: usize,
    /// Pairs of a key and a product found.
    pub pairs: usize,
    /// Products whose listings were fetched.
    pub fetched_products: usize,
    /// Rows appended to the table `listing`.
    pub listing_rows: usize,
    /// Rows appended to the table `airing`.
    pub airing_rows: usize,
    /// Rows appended to the table `block`.
    pub block_rows: usize,
    /// Bytes read from the ledger.
    pub bytes_read: u64,
    /// Bytes appended.
    pub bytes_written: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} listings ({} new) of {} products ({} new); {} products merged into others",
            self.listings, self.new_listings, self.products, self.new_products, self.merges
        )?;
        if self.moved > 0 {
            writeln!(f, "corrections moved {} listings to another product", self.moved)?;
        }
        writeln!(
            f,
            "looked up {} keys, found {} pairs, fetched {} products: {} bytes read",
            self.keys, self.pairs, self.fetched_products, self.bytes_read
        )?;
        if self.listing_rows + self.airing_rows + self.block_rows + self.merges + self.moved == 0 {
            return write!(f, "nothing new: the ledger stays at version {}", self.version);
        }
        write!(
            f,
            "version {} of the ledger: {} listings, {} airings, {} blocking keys appended, {} bytes",
            self.version, self.listing_rows, self.airing_rows, self.block_rows, self.bytes_written
        )
    }
}

/// Reads the day's tables, resolves them against the ledger, and appends new rows. A repeated table
/// changes nothing, and a late one is appended like any other. Only airings that have begun by
/// `now` are stored, so that slots moved or cancelled beforehand leave no trace; a table should
/// reach back to the previous run.
///
/// # Errors
/// [`UpdateError`]; the ledger is unchanged.
pub async fn update(options: &Options, now: UnixMillis) -> Result<Report, UpdateError> {
    let mut ledger = Ledger::lock(&options.ledger, now)?;
    let day = history::tables(&options.history, now).await?;
    let policy = &options.history.policy;
    let (_, report) = append(&mut ledger, &day.catalogue, policy, now, &|_| Ok(()))?;
    Ok(report)
}

/// As [`update`], from a catalogue in memory. `watch` is called before each step, and may stop the
/// run there.
///
/// Returns the resolution of each entry of the catalogue.
///
/// # Errors
/// [`Error`]; the ledger is unchanged.
pub fn append(
    ledger: &mut Ledger,
    catalogue: &Catalogue,
    policy: &Policy,
    now: UnixMillis,
    watch: &dyn Fn(Step) -> Result<(), Error>,
) -> Result<(Resolution, Report), Error> {
    ledger.writable()?;
    let prepared = Prepared::resolve(ledger, catalogue, policy, now)?;
    let resolution = prepared.resolution.clone();
    Ok((resolution, prepared.append(ledger, now, watch)?))
}

/// A day resolved against a ledger, but not yet appended.
pub(crate) struct Prepared {
    /// The resolution of each entry of the catalogue.
    pub(crate) resolution: Resolution,
    /// Earlier records of the products that the day's listings were compared with, under those
    /// products' ids after the day.
    pub(crate) before: BTreeMap<RowKey, ListingRow>,
    /// Records of the day's listings after the day.
    pub(crate) rows: BTreeMap<RowKey, ListingRow>,
    merged: Merged,
    went: Went,
    new: New,
    /// Products that corrections created by splitting, minus those that they emptied.
    parted: i64,
    report: Report,
}

/// The merges and moves of a day.
#[derive(Debug, Default)]
struct Went {
    /// Merged products, with their targets.
    into: BTreeMap<u64, u64>,
    /// Listings that corrections move, by the product that had them and their mark.
    moved: BTreeMap<(u64, u32), u64>,
}

impl Went {
    /// The product that `id` was merged into.
    fn root(&self, mut id: u64) -> u64 {
        while let Some(&into) = self.into.get(&id) {
            id = into;
        }
        id
    }

    /// The product of a listing, by its mark, that belonged to `id` before the day.
    fn of(&self, id: u64, listing: u32) -> u64 {
        self.root(self.moved.get(&(id, listing)).copied().unwrap_or(id))
    }

    /// The products whose rows include listings that belong to others after the day.
    fn sources(&self) -> impl Iterator<Item = u64> {
        self.into.keys().copied().chain(self.moved.keys().map(|&(from, _)| from))
    }
}

impl Prepared {
    /// Resolves a day's catalogue. The ledger's files do not change; pending statistics come into
    /// force in memory once there are enough.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], or an [`Error`] that names the unreadable file.
    pub(crate) fn resolve(
        ledger: &mut Ledger,
        catalogue: &Catalogue,
        policy: &Policy,
        now: UnixMillis,
    ) -> Result<Self, Error> {
        let mut head = ledger.head.clone();
        if head.pending.titles > 0 && head.pending.titles.saturating_mul(PENDING_SHARE) >= head.in_force.titles {
            let Counted { titles, files } = std::mem::take(&mut head.pending);
            head.in_force.titles += titles;
            head.in_force.files.extend(files);
            ledger.head = head;
        }
        let taken = Taken::resolve(ledger, catalogue, policy)?;
        let before = taken.rows_before();
        let rows = taken.rows(&before);
        let changed = |(key, row): &(&RowKey, &ListingRow)| before.get(*key) != Some(*row);
        let listings: Vec<ListingRow> = rows.iter().filter(changed).map(|(_, row)| row.clone()).collect();
        let airings = taken.airings(ledger, &before, &rows, now)?;
        let blocks = taken.postings();
        let merges: Vec<MergeRow> = taken.went.into.iter().map(|(&key, &into)| MergeRow { key, into }).collect();
        let Went { into, moved } = &taken.went;
        let mut moves: Vec<MoveRow> =
            moved.iter().map(|(&(key, listing), &into)| MoveRow { key, listing, into }).collect();
        moves.extend(taken.merged.rests(into, moved));
        moves.sort_unstable();
        let mut report = taken.report(ledger);
        (report.listing_rows, report.airing_rows, report.block_rows) = (listings.len(), airings.len(), blocks.len());
        let parted = signed(taken.known.len()) - signed(taken.fetched);
        let Taken { resolution, merged, went, counted, .. } = taken;
        let new = New { listings, airings, blocks, counted, merges, moves };
        Ok(Self { resolution, before, rows, merged, went, new, parted, report })
    }

    /// The product that `id` belongs to after the day.
    pub(crate) fn root(&self, id: u64) -> u64 {
        self.went.root(self.merged.root(id))
    }

    /// The product after the day of a listing that belonged to `id` before.
    pub(crate) fn of(&self, id: u64, listing: u32) -> u64 {
        self.went.of(id, listing)
    }

    /// The merges and moves before the day.
    pub(crate) fn merged(&self) -> &Merged {
        &self.merged
    }

    /// The ids before the day of products whose listings belong to `product` after it.
    pub(crate) fn ids_before(&self, product: u64) -> impl Iterator<Item = u64> {
        let merged = self.went.into.keys().copied().filter(move |&id| self.root(id) == product);
        let moved = self.went.moved.iter().filter(move |(_, into)| self.root(**into) == product);
        merged.chain(moved.map(|(&(from, _), _)| from)).chain([product])
    }

    /// Appends the day, and returns its counts.
    ///
    /// # Errors
    /// [`Error`]; the ledger is unchanged.
    pub(crate) fn append(
        self,
        ledger: &mut Ledger,
        now: UnixMillis,
        watch: &dyn Fn(Step) -> Result<(), Error>,
    ) -> Result<Report, Error> {
        let Self { rows, new, parted, mut report, .. } = self;
        if !new.is_empty() {
            let shop_of = |(product, shop, code): &RowKey| ((*product, listing_mark(shop, code)), shop.clone());
            let shops: BTreeMap<(u64, u32), String> = rows.keys().map(shop_of).collect();
            for airing in &new.airings {
                let shop = shops.get(&(airing.product, airing.listing));
                ledger.head.note(shop.expect("the day's airings are of its listings"), airing.starts_at);
            }
            let count = |count: usize| u64::try_from(count).unwrap_or(0);
            let grown = (ledger.head.products + count(report.new_products)).saturating_add_signed(parted);
            ledger.head.products = grown.saturating_sub(count(report.merges));
            report.bytes_written = ledger.commit(new, now, watch)?;
            report.version = ledger.head.version;
        }
        report.bytes_read = ledger.bytes_read();
        Ok(report)
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The key of a listing's row: product, shop and code.
pub(crate) type RowKey = (u64, String, String);

/// A day in resolution against the ledger.
struct Taken<'a> {
    catalogue: &'a Catalogue,
    resolution: Resolution,
    /// The keys that find each listing's product.
    placed_keys: Vec<Vec<Key>>,
    /// The day's additions to the statistics.
    counted: Statistics,
    merged: Merged,
    /// The day's own merges and moves.
    went: Went,
    /// The listings that corrections move.
    moved: Vec<Moved>,
    keys: usize,
    candidates: Candidates,
    sought: Sought,
    /// Listings whose shop and code were unknown.
    new_listings: usize,
    /// Products fetched.
    fetched: usize,
    /// Known products after corrections, by their ids before the day's merges.
    known: BTreeSet<u64>,
}

impl<'a> Taken<'a> {
    fn resolve(ledger: &Ledger, catalogue: &'a Catalogue, policy: &Policy) -> Result<Self, Error> {
        let in_force = ledger.in_force()?;
        let merged = ledger.merged()?;
        let listings: Vec<identity::Listing> = catalogue.entries.iter().map(|entry| entry.listing.clone()).collect();
        let mut day = Day::read(&listings, policy, &in_force);
        let keys = day.keys();
        let candidates = ledger.candidates(&keys)?;
        let marks = day.search(&candidates.postings);
        let sought = ledger.listings(&marks, &merged)?;
        let codes: BTreeSet<(&str, &str)> =
            sought.listings.values().map(|row| (row.shop.as_str(), row.listing_id.as_str())).collect();
        let is_new: Vec<bool> = listings
            .iter()
            .map(|listing| !codes.contains(&(listing.shop.as_str(), listing.listing_id.as_str())))
            .collect();
        let counted = day.counted(|index| is_new[index]);
        let known = sought.known();
        let fetched = known.len();
        let (known, moved) = day.part(known, |id| merged.knows(id.0));
        let ids = known.iter().map(|product| product.id.0).collect();
        let Placed { resolution, keys: placed_keys } = day.resolve(known);
        let move_of = |it: &Moved| ((it.from.0, listing_mark(&it.shop, &it.listing_id)), it.into.0);
        let went = Went {
            into: resolution.merges.iter().map(|merge| (merge.from.0, merge.into.0)).collect(),
            moved: moved.iter().map(move_of).collect(),
        };
        Ok(Self {
            catalogue,
            resolution,
            placed_keys,
            counted,
            merged,
            went,
            moved,
            fetched,
            keys: keys.len(),
            candidates,
            sought,
            new_listings: is_new.iter().filter(|is_new| **is_new).count(),
            known: ids,
        })
    }

    fn product_of(&self, entry: EntryId) -> u64 {
        self.resolution.listings[entry.index()].product.0
    }

    /// The earlier record of each listing, under its current product.
    fn rows_before(&self) -> BTreeMap<RowKey, ListingRow> {
        let mut rows: BTreeMap<RowKey, ListingRow> = BTreeMap::new();
        for ((product, shop, code), row) in &self.sought.listings {
            let product = self.went.of(*product, listing_mark(shop, code));
            let key = (product, shop.clone(), code.clone());
            let whole = rows.remove(&key).map_or_else(|| row.clone(), |known| known.with(row));
            rows.insert(key, ListingRow { product, ..whole });
        }
        rows
    }

    /// Records of the day's listings after the day.
    fn rows(&self, before: &BTreeMap<RowKey, ListingRow>) -> BTreeMap<RowKey, ListingRow> {
        let mut rows: BTreeMap<RowKey, ListingRow> = BTreeMap::new();
        for (index, entry) in self.catalogue.entries.iter_enumerated() {
            let (product, listing) = (self.product_of(index), &entry.listing);
            let key = (product, listing.shop.clone(), listing.listing_id.clone());
            let said = ListingRow::new(product, listing);
            let known = rows.remove(&key).or_else(|| before.get(&key).cloned());
            rows.insert(key, known.map_or_else(|| said.clone(), |known| known.with(&said)));
        }
        rows
    }

    /// Keys to store that the ledger lacks.
    fn postings(&self) -> Vec<Posting> {
        let mut postings: BTreeSet<Posting> = BTreeSet::new();
        for (index, keys) in self.placed_keys.iter().enumerate() {
            let mark = upper(self.product_of(EntryId::new(index)));
            postings.extend(keys.iter().map(|&key| Posting { key, mark }));
        }
        for it in &self.moved {
            let mark = upper(self.went.root(it.into.0));
            postings.extend(it.keys.iter().map(|&key| Posting { key, mark }));
        }
        let stored = |posting: &Posting| {
            let same = |&mark: &u32| {
                mark == posting.mark || self.merged.own_marks(&[mark]).binary_search(&posting.mark).is_ok()
            };
            self.candidates.postings.of(posting.key).iter().any(same)
        };
        postings.into_iter().filter(|posting| !stored(posting)).collect()
    }

    /// The day's airings that have begun and that the ledger lacks.
    fn airings(
        &self,
        ledger: &Ledger,
        before: &BTreeMap<RowKey, ListingRow>,
        rows: &BTreeMap<RowKey, ListingRow>,
        now: UnixMillis,
    ) -> Result<Vec<AiringRow>, Error> {
        let known = rows.keys().filter(|key| before.contains_key(*key)).map(|(product, _, _)| upper(*product));
        // Rows that this day moves to another product still lie under the old one.
        let mut marks: Vec<u32> = known.chain(self.went.sources().map(upper)).collect();
        marks.sort_unstable();
        marks.dedup();
        let known: BTreeSet<(u64, u32, UnixMillis, String)> = ledger
            .airings(&marks, &self.merged)?
            .into_iter()
            .map(|row| (self.went.of(row.product, row.listing), row.listing, row.starts_at, row.channel))
            .collect();
        let mut airings: BTreeMap<(u64, u32, UnixMillis, String), AiringRow> = BTreeMap::new();
        for airing in self.catalogue.airings.iter().filter(|airing| airing.starts_at <= now) {
            let listing = &self.catalogue.entries[airing.entry].listing;
            let product = self.product_of(airing.entry);
            let mark = listing_mark(&listing.shop, &listing.listing_id);
            let key = (product, mark, airing.starts_at, airing.channel.clone());
            if known.contains(&key) {
                continue;
            }
            let row = rows.get(&(product, listing.shop.clone(), listing.listing_id.clone()));
            let title = listing.titles.get(airing.title);
            let place = row.and_then(|row| row.titles.iter().position(|known| Some(known) == title));
            let row = AiringRow {
                product,
                listing: mark,
                starts_at: airing.starts_at,
                channel: airing.channel.clone(),
                ends_at: airing.ends_at,
                title: place.and_then(|place| u16::try_from(place).ok()).unwrap_or(0),
            };
            airings.entry(key).or_insert(row);
        }
        Ok(airings.into_values().collect())
    }

    fn report(&self, ledger: &Ledger) -> Report {
        let known_now: BTreeSet<u64> = self.known.iter().map(|&id| self.went.root(id)).collect();
        let products: BTreeSet<u64> = self.catalogue.entries.indices().map(|entry| self.product_of(entry)).collect();
        Report {
            version: ledger.head.version,
            listings: self.catalogue.entries.len(),
            new_listings: self.new_listings,
            products: products.len(),
            new_products: products.difference(&known_now).count(),
            merges: self.went.into.keys().filter(|id| self.known.contains(id)).count(),
            moved: self.moved.len(),
            keys: self.keys,
            pairs: self.candidates.pairs,
            fetched_products: self.fetched,
            ..Report::default()
        }
    }
}
