//! The sections of a board for audiences: what each asks of its viewers, and where categories lie
//! among the vectors.
//!
//! All of them are optional; without them everything is for everybody.

use super::record::optional;
use super::{Damage, Pack, Span, Table, Writer, to_usize, u32_at, u64_at};
use crate::audience::{AudienceSet, MOST_AUDIENCES, STRONGEST, Traits};
use crate::mix::{Half, SECOND_AT};
use crate::rank::dot;
use crate::surface_name::Surface;

const AUDIENCES: [u8; 4] = *b"AUDI";
const AUDIENCE_BYTES: usize = 40;
const NUMBERS: [u8; 4] = *b"AUDN";
const NUMBER_BYTES: usize = 8;
const CENTERS: [u8; 4] = *b"AUDC";

/// Only viewers without tastes are in it.
const NEWCOMERS: u8 = 1;
/// Only viewers with tastes are in it.
const KNOWN: u8 = 2;
/// Only viewers of its categories are in it.
const OF_CATEGORIES: u8 = 4;
/// Only viewers whose keys it lists are in it.
const LISTED: u8 = 8;
/// Only viewers of its provinces and classes of device are in it.
const OF_CONTEXT: u8 = 16;

/// An audience to be written. A viewer must meet everything that is given, in any of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudiencePart {
    /// The name, valid by [`crate::experiment::is_id`].
    pub name: String,
    /// Provinces, as [`crate::context::Context`] numbers them.
    pub regions: Vec<u8>,
    /// Classes of device, as [`crate::context::Context`] numbers them.
    pub devices: Vec<u8>,
    /// Whether the viewer has no tastes yet.
    pub is_newcomer: Option<bool>,
    /// Indexes of categories that are among the viewer's [`STRONGEST`].
    pub categories: Option<Vec<u16>>,
    /// Keys of users and devices, ascending.
    pub keys: Option<Vec<u64>>,
}

/// The sections.
#[derive(Debug, Default)]
pub(super) struct Audiences {
    table: Option<Table>,
    /// The flags of any audience.
    flags: u8,
}

impl Audiences {
    /// Parses the section of what audiences ask. What the others lack, nobody meets.
    pub(super) fn parse(pack: &Pack) -> Result<Self, Damage> {
        let table = optional(pack, AUDIENCES, AUDIENCE_BYTES)?;
        let mut found = Self { table, flags: 0 };
        if let Some(table) = &found.table {
            for index in 0..table.count {
                found.flags |= flags_of(pack.record(table, index));
            }
        }
        Ok(found)
    }

    /// Whether an audience asks for a province or a class of device.
    pub(super) fn tell_contexts_apart(&self) -> bool {
        self.flags & OF_CONTEXT != 0
    }

    /// Whether an audience lists keys.
    pub(super) fn list_viewers(&self) -> bool {
        self.flags & LISTED != 0
    }

    /// The audiences of a viewer. `second` has the surfaces that use the second half of vectors.
    pub(super) fn of(&self, pack: &Pack, traits: &Traits<'_>, second: u8) -> AudienceSet {
        let mut set = AudienceSet::default();
        if let Some(table) = &self.table {
            for index in 0..table.count.min(MOST_AUDIENCES) {
                if meets(pack, pack.record(table, index), traits, second) {
                    set.add(index);
                }
            }
        }
        set
    }

    /// The names of the audiences of `set`, separated by commas.
    pub(super) fn names(&self, pack: &Pack, text: &Table, set: AudienceSet) -> String {
        let table = self.table.as_ref();
        let names = (0..table.map_or(0, |table| table.count)).filter(|index| set.has(*index));
        let names = names.filter_map(|index| pack.span(text, Span::at(pack.record(table?, index), 0)));
        names.filter_map(|name| std::str::from_utf8(name).ok()).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a viewer meets all that the audience of `record` asks.
fn meets(pack: &Pack, record: &[u8], traits: &Traits<'_>, second: u8) -> bool {
    let flags = flags_of(record);
    let asks = |flag: u8| flags & flag != 0;
    takes(u64_at(record, 8), traits.context.region)
        && takes(u64_at(record, 16) & 0xff, traits.context.device)
        && (!asks(NEWCOMERS) || traits.is_newcomer)
        && (!asks(KNOWN) || traits.vector.is_some())
        && (!asks(LISTED) || traits.key.is_some_and(|key| lists(pack, record, key.0)))
        && (!asks(OF_CATEGORIES) || traits.vector.is_some_and(|vector| leans(pack, record, vector, second)))
}

/// The numbers that a first index and a count at `at` of a record name.
#[inline(never)]
fn numbers<'a>(pack: &'a Pack, record: &[u8], at: usize) -> &'a [[u8; NUMBER_BYTES]] {
    let Ok(table) = pack.table(NUMBERS, NUMBER_BYTES) else { return &[] };
    let first = to_usize(u32_at(record, at));
    let end = first.saturating_add(to_usize(u32_at(record, at.saturating_add(4))));
    pack.all(&table).as_chunks().0.get(first..end).unwrap_or_default()
}

#[inline(never)]
fn lists(pack: &Pack, record: &[u8], key: u64) -> bool {
    numbers(pack, record, 28).binary_search_by(|bytes| u64::from_le_bytes(*bytes).cmp(&key)).is_ok()
}

/// Whether a category of the record is among the [`STRONGEST`] that the vector leans to, and the
/// vector leans to it more than to the mean of all products.
#[inline(never)]
fn leans(pack: &Pack, record: &[u8], vector: &[u8], second: u8) -> bool {
    let Ok(centers) = pack.table(CENTERS, 1) else { return false };
    let half = Half::of(vector, second, Surface::New);
    let mut leanings = Vec::with_capacity(centers.count);
    for category in 0..centers.count {
        leanings.push(dot(half.cut(vector), half.cut(pack.record(&centers, category))));
    }
    numbers(pack, record, 20).iter().any(|category| {
        let category = usize::try_from(u64::from_le_bytes(*category)).unwrap_or(usize::MAX);
        let own = leanings.get(category).copied().unwrap_or(0);
        own > 0 && leanings.iter().filter(|other| **other > own).count() < STRONGEST
    })
}

fn flags_of(record: &[u8]) -> u8 {
    record.get(17).copied().unwrap_or(0)
}

/// Whether `bits`, if there are any, have that of `value`; no bit stands for 0, the unknown.
fn takes(bits: u64, value: u8) -> bool {
    bits == 0 || value > 0 && bits.checked_shr(value.into()).unwrap_or(0) & 1 == 1
}

/// The audiences that `names` are, for records; [`AudienceSet::NOBODY`] if names are given and none
/// is known.
pub(super) fn set_of(names: &[String], parts: &[AudiencePart]) -> AudienceSet {
    let mut set = AudienceSet::default();
    for (index, part) in parts.iter().enumerate() {
        if names.contains(&part.name) {
            set.add(index);
        }
    }
    if set.0 == 0 && !names.is_empty() { AudienceSet::NOBODY } else { set }
}

/// Adds the sections, unless `parts` is empty. `products` has each product's category and vector,
/// as long as all dimensions; `put` stores text.
pub(super) fn write<'a>(
    parts: &[AudiencePart],
    [categories, dimensions]: [usize; 2],
    products: impl Iterator<Item = (Option<u16>, &'a [i8])>,
    writer: &mut Writer,
    mut put: impl FnMut(&str) -> [u8; 8],
) {
    if parts.is_empty() {
        return;
    }
    let (mut records, mut numbers) = (Vec::new(), Vec::<u64>::new());
    for part in parts {
        let bit = |bits: u64, value: &u8| bits | 1_u64.checked_shl((*value).into()).unwrap_or(0);
        let devices = u8::try_from(part.devices.iter().fold(0, bit)).unwrap_or(0);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(part.is_newcomer == Some(true), NEWCOMERS)
            | flag(part.is_newcomer == Some(false), KNOWN)
            | flag(part.categories.is_some(), OF_CATEGORIES)
            | flag(part.keys.is_some(), LISTED)
            | flag(!part.regions.is_empty() || !part.devices.is_empty(), OF_CONTEXT);
        records.extend(put(&part.name));
        records.extend(part.regions.iter().fold(0, bit).to_le_bytes());
        records.extend([devices, flags, 0, 0]);
        let indexes = part.categories.iter().flatten().map(|category| u64::from(*category)).collect();
        for mut list in [indexes, part.keys.clone().unwrap_or_default()] {
            list.sort_unstable();
            list.dedup();
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            records.extend([count(numbers.len()), count(list.len())].into_iter().flat_map(u32::to_le_bytes));
            numbers.extend(list);
        }
        records.extend([0; 4]);
    }
    writer.section(AUDIENCES, AUDIENCE_BYTES, records);
    writer.section(NUMBERS, NUMBER_BYTES, numbers.into_iter().flat_map(u64::to_le_bytes).collect());
    if parts.iter().any(|part| part.categories.is_some()) {
        writer.section(CENTERS, dimensions, centers(categories, dimensions, products));
    }
}

/// For each category, the mean vector of its products less that of all products, scaled so that the
/// largest value of each half is 127.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "sums of int8 over a board's products are far below 2^52, and results are scaled to int8"
)]
fn centers<'a>(
    categories: usize,
    dimensions: usize,
    products: impl Iterator<Item = (Option<u16>, &'a [i8])>,
) -> Vec<u8> {
    let mut sums = vec![(0_u32, vec![0_i64; dimensions]); categories.saturating_add(1)];
    for (category, vector) in products {
        for place in [Some(categories), category.map(usize::from)].into_iter().flatten() {
            if let Some((count, sum)) = sums.get_mut(place) {
                *count = count.saturating_add(1);
                sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum = sum.saturating_add(i64::from(*value)));
            }
        }
    }
    let mean = |(count, sum): &(u32, Vec<i64>)| -> Vec<f64> {
        sum.iter().map(|sum| *sum as f64 / f64::from((*count).max(1))).collect()
    };
    let all = sums.last().map(mean).unwrap_or_default();
    let mut apart: Vec<Vec<f64>> = Vec::with_capacity(categories);
    for sum in sums.iter().take(categories) {
        // Nobody leans to a category without products.
        let own = if sum.0 == 0 { all.clone() } else { mean(sum) };
        apart.push(own.iter().zip(&all).map(|(own, all)| own - all).collect());
    }
    let most = |half: std::ops::Range<usize>| {
        let values = apart.iter().flat_map(|center| center.iter().take(half.end).skip(half.start));
        values.fold(0.0_f64, |most, value| most.max(value.abs()))
    };
    let scales =
        [most(0..SECOND_AT), most(SECOND_AT..dimensions)].map(|most| if most > 0.0 { 127.0 / most } else { 0.0 });
    let to_byte = |(at, value): (usize, &f64)| {
        let [first, second] = scales;
        ((value * if at < SECOND_AT { first } else { second }).round() as i8).cast_unsigned()
    };
    apart.iter().flat_map(|center| center.iter().enumerate().map(to_byte)).collect()
}
