//! A taste shard: the int8 tastes of the users whose keys begin alike, sorted by key.

use super::{Damage, Kind, Pack, PackId, Table, TooLarge, Writer, u16_at, u64_at};

const META: [u8; 4] = *b"META";
const META_BYTES: usize = 16;
const KEYS: [u8; 4] = *b"KEYS";
const KEY_BYTES: usize = 8;
const RECORDS: [u8; 4] = *b"RECS";

/// How long each part of a taste record is, in bytes of int8, and which vocabulary the parts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Identifies the channels, tabs and vector blocks; equal to that of the board the shard is used with.
    pub vocabulary: u64,
    /// Dimensions of the taste vector.
    pub vector: u16,
    /// One weight for each channel.
    pub channels: u16,
    /// One weight for each three-hour stretch of the Korean day.
    pub hours: u16,
    /// One weight for each tab.
    pub tabs: u16,
}

impl Widths {
    /// Bytes of one user's record.
    pub fn record_bytes(&self) -> usize {
        [self.vector, self.channels, self.hours, self.tabs].into_iter().map(usize::from).sum()
    }
}

/// One user's tastes, borrowed from a shard. All weights are int8 in the unit that `docs/taste.md` gives; 0 is indifference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taste<'a> {
    /// In the space of the board's product vectors.
    pub vector: &'a [u8],
    /// By channel, in the board's order.
    pub channels: &'a [u8],
    /// By three-hour stretch of the Korean day.
    pub hours: &'a [u8],
    /// By tab, in the board's order.
    pub tabs: &'a [u8],
}

impl<'a> Taste<'a> {
    /// Cuts a record of `widths`; a short record gives empty parts.
    pub fn cut(record: &'a [u8], widths: &Widths) -> Self {
        let mut rest = record;
        let mut part = |width: u16| match rest.split_at_checked(usize::from(width)) {
            Some((part, after)) => {
                rest = after;
                part
            }
            None => &[],
        };
        Self {
            vector: part(widths.vector),
            channels: part(widths.channels),
            hours: part(widths.hours),
            tabs: part(widths.tabs),
        }
    }
}

/// The weight at `index` of a part of a [`Taste`]; 0 past its end.
pub fn weight(part: &[u8], index: usize) -> i8 {
    part.get(index).map_or(0, |byte| byte.cast_signed())
}

/// A shard that has been read and checked.
#[derive(Debug)]
pub struct TasteShard {
    pack: Pack,
    keys: Table,
    records: Table,
    widths: Widths,
}

impl TasteShard {
    /// Reads the shard that `id` names.
    ///
    /// # Errors
    /// A [`Damage`] that says what is wrong with the bytes.
    pub fn parse(bytes: Vec<u8>, id: PackId) -> Result<Self, Damage> {
        let pack = Pack::parse(bytes, Kind::Tastes)?;
        if pack.id() != id {
            return Err(Damage::WrongId);
        }
        let meta = pack.table(META, META_BYTES)?;
        let record = pack.record(&meta, 0);
        let widths = Widths {
            vocabulary: u64_at(record, 0),
            vector: u16_at(record, 8),
            channels: u16_at(record, 10),
            hours: u16_at(record, 12),
            tabs: u16_at(record, 14),
        };
        let keys = pack.table(KEYS, KEY_BYTES)?;
        let records = pack.table(RECORDS, widths.record_bytes().max(1))?;
        if meta.count != 1 || records.count != keys.count {
            return Err(Damage::Inconsistent(RECORDS));
        }
        let shard = Self { pack, keys, records, widths };
        let sorted = (1..shard.keys.count).all(|index| shard.key(index.saturating_sub(1)) < shard.key(index));
        if sorted { Ok(shard) } else { Err(Damage::Inconsistent(KEYS)) }
    }

    /// How long the parts are.
    pub fn widths(&self) -> &Widths {
        &self.widths
    }

    /// Users in the shard.
    pub fn len(&self) -> usize {
        self.keys.count
    }

    /// Whether no user is in it.
    pub fn is_empty(&self) -> bool {
        self.keys.count == 0
    }

    /// Bytes it holds in memory.
    pub fn bytes(&self) -> usize {
        self.pack.bytes().len()
    }

    /// The pack underneath.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// The key of the user at `index`, 0 past the end.
    pub fn key(&self, index: usize) -> u64 {
        u64_at(self.pack.record(&self.keys, index), 0)
    }

    /// The record of the user of `key`, to be cut with [`Taste::cut`].
    pub fn find(&self, key: u64) -> Option<&[u8]> {
        let (mut low, mut high) = (0, self.keys.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle).cmp(&key) {
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.pack.record(&self.records, middle)),
            }
        }
        None
    }
}

/// Writes a shard of `users`: keys in ascending order, each with a record of `widths`.
///
/// # Errors
/// [`TooLarge`] where the shard would not fit a KV value: use more shards.
///
/// # Panics
/// In debug builds, where keys are not ascending or a record has another length.
pub fn write(widths: &Widths, users: &[(u64, Vec<u8>)]) -> Result<(Vec<u8>, PackId), TooLarge> {
    debug_assert!(users.is_sorted_by(|a, b| a.0 < b.0), "keys ascend");
    debug_assert!(users.iter().all(|(_, record)| record.len() == widths.record_bytes()), "records fit the widths");
    let mut meta = widths.vocabulary.to_le_bytes().to_vec();
    for width in [widths.vector, widths.channels, widths.hours, widths.tabs] {
        meta.extend_from_slice(&width.to_le_bytes());
    }
    let mut writer = Writer::new(Kind::Tastes);
    writer.section(META, META_BYTES, meta);
    writer.section(KEYS, KEY_BYTES, users.iter().flat_map(|(key, _)| key.to_le_bytes()).collect());
    // A record has at least one byte, if only to be counted.
    let padding: &[u8] = if widths.record_bytes() == 0 { &[0] } else { &[] };
    writer.section(
        RECORDS,
        widths.record_bytes().max(1),
        users.iter().flat_map(|(_, record)| record.iter().chain(padding).copied()).collect(),
    );
    writer.finish()
}
