//! The sections of a board with the background of its products: earlier broadcasts, the lowest
//! price, products like it, and the ids by which it is found.
//!
//! All of them are optional; without them nothing is known beyond the window.

use std::collections::BTreeMap;

use super::record::optional;
use super::{Damage, Pack, Table, Writer, to_usize, u16_at, u32_at, u64_at};
use crate::time::UnixMillis;

const BACKGROUND: [u8; 4] = *b"BACK";
const BACKGROUND_BYTES: usize = 32;
const PAST: [u8; 4] = *b"PAST";
const PAST_BYTES: usize = 16;
const NEAR: [u8; 4] = *b"NEAR";
const NEAR_BYTES: usize = 4;
const ALIASES: [u8; 4] = *b"ALIA";
const ALIAS_BYTES: usize = 12;

/// A broadcast before the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it started.
    pub starts_at: UnixMillis,
    /// When it ended.
    pub ends_at: UnixMillis,
    /// The index of its channel.
    pub channel: u16,
    /// The price in won; 0 if unknown.
    pub price: u32,
}

/// The lowest price of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowest {
    /// The price in won.
    pub price: u32,
    /// The start of the latest broadcast at that price.
    pub at: UnixMillis,
    /// The index of its channel.
    pub channel: u16,
}

/// A product's background, to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackgroundPart {
    /// Its latest broadcasts before the window, the latest first.
    pub past: Vec<Past>,
    /// How many there were before the window in all.
    pub past_count: u32,
    /// The lowest price until the build.
    pub lowest: Option<Lowest>,
    /// The ids of products like it, the most alike first.
    pub near: Vec<u64>,
    /// Ids that lead to it besides its own: those of its listings.
    pub aliases: Vec<u64>,
}

/// The sections.
#[derive(Debug, Default)]
pub(super) struct Background {
    products: Option<Table>,
    past: Option<Table>,
    near: Option<Table>,
    aliases: Option<Table>,
}

impl Background {
    /// Finds the sections. Indexes that lead nowhere are passed over.
    pub(super) fn parse(pack: &Pack) -> Result<Self, Damage> {
        Ok(Self {
            products: optional(pack, BACKGROUND, BACKGROUND_BYTES)?,
            past: optional(pack, PAST, PAST_BYTES)?,
            near: optional(pack, NEAR, NEAR_BYTES)?,
            aliases: optional(pack, ALIASES, ALIAS_BYTES)?,
        })
    }

    fn of<'p>(&self, pack: &'p Pack, product: usize) -> &'p [u8] {
        self.products.as_ref().map_or(&[], |table| pack.record(table, product))
    }

    /// The records of `table` that an index and a count at `at` of the product's record name.
    #[inline(never)]
    fn range<'p>(&self, pack: &'p Pack, product: usize, at: usize, table: Option<Table>) -> Vec<&'p [u8]> {
        let own = self.of(pack, product);
        let (first, count) = (to_usize(u32_at(own, at)), to_usize(u32_at(own, at.saturating_add(4))));
        let mut records = Vec::new();
        if let Some(table) = table {
            for index in first..first.saturating_add(count).min(table.count) {
                records.push(pack.record(&table, index));
            }
        }
        records
    }

    /// The broadcasts before the window that are kept, the latest first, and how many there were.
    pub(super) fn past(&self, pack: &Pack, product: usize) -> (Vec<Past>, u32) {
        let mut past = Vec::new();
        for record in self.range(pack, product, 0, self.past) {
            past.push(Past {
                starts_at: UnixMillis::from_seconds(u32_at(record, 0)),
                ends_at: UnixMillis::from_seconds(u32_at(record, 4)),
                price: u32_at(record, 8),
                channel: u16_at(record, 12),
            });
        }
        (past, u32_at(self.of(pack, product), 8))
    }

    /// The lowest price until the build.
    pub(super) fn lowest(&self, pack: &Pack, product: usize) -> Option<Lowest> {
        let own = self.of(pack, product);
        let (price, at) = (u32_at(own, 12), UnixMillis::from_seconds(u32_at(own, 16)));
        (price > 0).then(|| Lowest { price, at, channel: u16_at(own, 20) })
    }

    /// The indexes of products like it.
    pub(super) fn near(&self, pack: &Pack, product: usize) -> Vec<usize> {
        let mut near = Vec::new();
        for record in self.range(pack, product, 24, self.near) {
            near.push(to_usize(u32_at(record, 0)));
        }
        near
    }

    /// The index of the product that `id` leads to, other than by being its own.
    pub(super) fn find(&self, pack: &Pack, id: u64) -> Option<usize> {
        let table = self.aliases.as_ref()?;
        let (mut low, mut high) = (0, table.count);
        while low < high {
            let middle = low.midpoint(high);
            if u64_at(pack.record(table, middle), 0) < id { low = middle.saturating_add(1) } else { high = middle }
        }
        let record = pack.record(table, low);
        (!record.is_empty() && u64_at(record, 0) == id).then(|| to_usize(u32_at(record, 8)))
    }
}

/// Adds the sections for `products`, each with its id, in their order. Likenesses to products that
/// are not among them are left out, as are aliases that are some product's own id; of two products
/// with one alias, the first has it.
pub(super) fn write<'a>(products: impl Iterator<Item = (u64, &'a BackgroundPart)> + Clone, writer: &mut Writer) {
    if products.clone().all(|(_, part)| *part == BackgroundPart::default()) {
        return;
    }
    let index_of: BTreeMap<u64, u32> = products.clone().map(|(id, _)| id).zip(0..).collect();
    let mut aliases = BTreeMap::new();
    let (mut records, mut past, mut near) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, part), index) in products.zip(0_u32..) {
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let own: Vec<u8> = part.near.iter().filter_map(|id| index_of.get(id)).flat_map(|id| id.to_le_bytes()).collect();
        let lowest = part.lowest.unwrap_or(Lowest { price: 0, at: UnixMillis(0), channel: 0 });
        let numbers = [
            count(past.len() / PAST_BYTES),
            count(part.past.len()),
            part.past_count,
            lowest.price,
            lowest.at.to_seconds(),
            lowest.channel.into(),
            count(near.len() / NEAR_BYTES),
            count(own.len() / NEAR_BYTES),
        ];
        records.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        near.extend(own);
        for one in &part.past {
            let numbers = [one.starts_at.to_seconds(), one.ends_at.to_seconds(), one.price, one.channel.into()];
            past.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        for alias in part.aliases.iter().filter(|alias| !index_of.contains_key(alias)) {
            aliases.entry(*alias).or_insert(index);
        }
    }
    let alias = |(id, index): (u64, u32)| [&id.to_le_bytes()[..], &index.to_le_bytes()].concat();
    writer.section(BACKGROUND, BACKGROUND_BYTES, records);
    writer.section(PAST, PAST_BYTES, past);
    writer.section(NEAR, NEAR_BYTES, near);
    writer.section(ALIASES, ALIAS_BYTES, aliases.into_iter().flat_map(alias).collect());
}
