//! A taste shard: the int8 tastes of the users whose keys share a prefix, sorted by key.

use super::{Damage, Kind, Pack, PackId, Table, TooLarge, Writer, u16_at, u64_at};

const META: [u8; 4] = *b"META";
const META_BYTES: usize = 16;
/// The widths that earlier readers don't see: those of narrow weights, whose fields in `META` are
/// then 0, and the number of notes.
const NARROW: [u8; 4] = *b"NARW";
const NARROW_BYTES: usize = 8;
const KEYS: [u8; 4] = *b"KEYS";
const KEY_BYTES: usize = 8;
const RECORDS: [u8; 4] = *b"RECS";

/// The size of a note in bytes.
pub const NOTE_BYTES: usize = 3;
/// The number of bits of a product's id that a note keeps.
const NOTE_ID_BITS: u32 = 18;
/// The value of one step of a note, in the unit of signals.
const NOTE_STEP: i64 = 32;

/// The number of weights in each part of a taste record, and the vocabulary that orders them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Widths {
    /// A hash of the channels, tabs and vector blocks; it must equal the vocabulary of the board
    /// that the shard is used with.
    pub vocabulary: u64,
    /// The number of dimensions of the taste vector.
    pub vector: u16,
    /// The number of channels, with one weight each.
    pub channels: u16,
    /// The number of 3-hour stretches of the Korean day, with one weight each.
    pub hours: u16,
    /// The number of tabs, with one weight each.
    pub tabs: u16,
    /// Whether weights of channels, hours and tabs take four bits each, in steps of 16, instead of
    /// a byte.
    pub is_narrow: bool,
    /// The number of notes, of [`NOTE_BYTES`] each.
    pub notes: u16,
}

impl Widths {
    /// The size of one user's record in bytes.
    pub fn record_bytes(&self) -> usize {
        [self.vector.into(), self.bytes_of(self.channels), self.bytes_of(self.hours), self.bytes_of(self.tabs)]
            .into_iter()
            .fold(usize::from(self.notes).saturating_mul(NOTE_BYTES), usize::saturating_add)
    }

    /// The size in bytes of a part with `weights` weights.
    fn bytes_of(&self, weights: u16) -> usize {
        if self.is_narrow { usize::from(weights.div_ceil(2)) } else { usize::from(weights) }
    }
}

/// Encodes the weights of a part for a record. Narrow weights are rounded to steps of 16 and packed
/// two to a byte.
pub fn keep_weights(weights: &[i8], is_narrow: bool) -> Vec<u8> {
    if !is_narrow {
        return weights.iter().map(|weight| weight.cast_unsigned()).collect();
    }
    let narrow = |weight: Option<&i8>| {
        let steps = i16::from(*weight.unwrap_or(&0)).saturating_add(8).div_euclid(16).clamp(-8, 7);
        steps.to_le_bytes().first().copied().unwrap_or(0) & 0x0f
    };
    weights.chunks(2).map(|pair| narrow(pair.first()) | narrow(pair.get(1)) << 4).collect()
}

/// A note on `product`, which adds `steps` of 1/32 of the unit of signals, from -32 to 31, to its
/// memory signal.
pub fn note(product: u64, steps: i8) -> [u8; NOTE_BYTES] {
    let id = u32::try_from(product & ((1 << NOTE_ID_BITS) - 1)).unwrap_or(0);
    let steps = u32::from(steps.clamp(-32, 31).cast_unsigned() & 0x3f);
    let [a, b, c, _] = (id | steps << NOTE_ID_BITS).to_le_bytes();
    [a, b, c]
}

/// One user's tastes, borrowed from a shard. All weights are int8 in the unit described in
/// `docs/taste.md`; 0 is indifference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taste<'a> {
    /// The vector, in the space of the board's product vectors.
    pub vector: &'a [u8],
    /// Weights by channel, in the board's order.
    pub channels: &'a [u8],
    /// Weights by 3-hour stretch of the Korean day.
    pub hours: &'a [u8],
    /// Weights by tab, in the board's order.
    pub tabs: &'a [u8],
    /// Whether `channels`, `hours` and `tabs` pack two weights into a byte.
    pub is_narrow: bool,
    /// The short-term memory: notes on single products, of [`NOTE_BYTES`] each.
    pub notes: &'a [u8],
}

impl<'a> Taste<'a> {
    /// Splits a record of `widths` into its parts; a short record gives empty parts.
    pub fn cut(record: &'a [u8], widths: &Widths) -> Self {
        let mut rest = record;
        let mut part = |width: usize| match rest.split_at_checked(width) {
            Some((part, after)) => {
                rest = after;
                part
            }
            None => &[],
        };
        Self {
            vector: part(widths.vector.into()),
            channels: part(widths.bytes_of(widths.channels)),
            hours: part(widths.bytes_of(widths.hours)),
            tabs: part(widths.bytes_of(widths.tabs)),
            is_narrow: widths.is_narrow,
            notes: part(usize::from(widths.notes).saturating_mul(NOTE_BYTES)),
        }
    }

    /// The weight of the channel at `index`.
    pub fn channel(&self, index: usize) -> i8 {
        self.weight(self.channels, index)
    }

    /// The weight of the stretch of the day at `index`.
    pub fn hour(&self, index: usize) -> i8 {
        self.weight(self.hours, index)
    }

    /// The weight of the tab at `index`.
    pub fn tab(&self, index: usize) -> i8 {
        self.weight(self.tabs, index)
    }

    fn weight(&self, part: &[u8], index: usize) -> i8 {
        if !self.is_narrow {
            return weight(part, index);
        }
        let byte = part.get(index / 2).copied().unwrap_or(0);
        let upper = if index.is_multiple_of(2) { byte << 4 } else { byte & 0xf0 };
        upper.cast_signed()
    }

    /// One bit for each noted product, by the last six bits of its id. If a product's bit is clear,
    /// the short-term memory has no note on it.
    pub fn noted(&self) -> u64 {
        self.bits_of_notes().filter(|bits| bits >> NOTE_ID_BITS != 0).fold(0, |all, bits| all | 1 << (bits % 64))
    }

    fn bits_of_notes(&self) -> impl Iterator<Item = u32> {
        self.notes.as_chunks::<NOTE_BYTES>().0.iter().map(|[a, b, c]| u32::from_le_bytes([*a, *b, *c, 0]))
    }

    /// The short-term memory of `product`, from -1,024 to 992: the first note on it, or 0.
    pub fn memory(&self, product: u64) -> i64 {
        let wanted = product & ((1 << NOTE_ID_BITS) - 1);
        self.bits_of_notes()
            .find(|bits| u64::from(bits & ((1 << NOTE_ID_BITS) - 1)) == wanted && bits >> NOTE_ID_BITS != 0)
            // The highest six of 24 bits, sign-extended.
            .map_or(0, |bits| i64::from((bits << 8).cast_signed() >> 26).saturating_mul(NOTE_STEP))
    }
}

/// The weight at `index` of a part of a [`Taste`]; 0 past its end.
pub fn weight(part: &[u8], index: usize) -> i8 {
    part.get(index).map_or(0, |byte| byte.cast_signed())
}

/// A shard that has been parsed and checked.
#[derive(Debug)]
pub struct TasteShard {
    pack: Pack,
    keys: Table,
    records: Table,
    widths: Widths,
}

impl TasteShard {
    /// Parses and checks the shard named `id`.
    ///
    /// # Errors
    /// [`Damage`] if the bytes are not an intact shard with that name.
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
            ..Widths::default()
        };
        let widths = match pack.table(NARROW, NARROW_BYTES) {
            Err(Damage::Missing(_)) => widths,
            table => {
                let record = pack.record(&table?, 0);
                let notes = u16_at(record, 6);
                match [0, 2, 4].map(|at| u16_at(record, at)) {
                    [0, 0, 0] => Widths { notes, ..widths },
                    [channels, hours, tabs] => Widths { channels, hours, tabs, is_narrow: true, notes, ..widths },
                }
            }
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

    /// The sizes of a record's parts.
    pub fn widths(&self) -> &Widths {
        &self.widths
    }

    /// The number of users in the shard.
    pub fn len(&self) -> usize {
        self.keys.count
    }

    /// Whether the shard has no users.
    pub fn is_empty(&self) -> bool {
        self.keys.count == 0
    }

    /// The bytes that it holds in memory.
    pub fn bytes(&self) -> usize {
        self.pack.bytes().len()
    }

    /// The underlying pack.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// The key of the user at `index`; 0 past the end.
    pub fn key(&self, index: usize) -> u64 {
        u64_at(self.pack.record(&self.keys, index), 0)
    }

    /// The record of the user with this key, for [`Taste::cut`].
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

/// Writes a shard of `users`: ascending keys, each with a record of `widths`.
///
/// # Errors
/// [`TooLarge`] if the shard exceeds a KV value: use more shards.
///
/// # Panics
/// In debug builds, if the keys do not ascend or a record has another length.
pub fn write(widths: &Widths, users: &[(u64, Vec<u8>)]) -> Result<(Vec<u8>, PackId), TooLarge> {
    debug_assert!(users.is_sorted_by(|a, b| a.0 < b.0), "keys ascend");
    debug_assert!(users.iter().all(|(_, record)| record.len() == widths.record_bytes()), "records fit the widths");
    let mut meta = widths.vocabulary.to_le_bytes().to_vec();
    let weights = [widths.channels, widths.hours, widths.tabs];
    let (wide, narrow) = if widths.is_narrow { ([0; 3], weights) } else { (weights, [0; 3]) };
    let bytes = |fields: &[u16]| fields.iter().flat_map(|field| field.to_le_bytes()).collect::<Vec<u8>>();
    meta.extend(bytes(&[widths.vector]));
    meta.extend(bytes(&wide));
    let mut writer = Writer::new(Kind::Tastes);
    writer.section(META, META_BYTES, meta);
    if widths.is_narrow || widths.notes > 0 {
        writer.section(NARROW, NARROW_BYTES, [bytes(&narrow), bytes(&[widths.notes])].concat());
    }
    writer.section(KEYS, KEY_BYTES, users.iter().flat_map(|(key, _)| key.to_le_bytes()).collect());
    // A record needs at least one byte so that it can be counted.
    let padding: &[u8] = if widths.record_bytes() == 0 { &[0] } else { &[] };
    writer.section(
        RECORDS,
        widths.record_bytes().max(1),
        users.iter().flat_map(|(_, record)| record.iter().chain(padding).copied()).collect(),
    );
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_weights_and_notes_come_back_from_a_shard() {
        let widths = Widths { vocabulary: 9, vector: 2, channels: 3, hours: 2, tabs: 1, is_narrow: true, notes: 2 };
        let mut record = vec![1, 2];
        for part in [&[127_i8, -128, 40][..], &[-9, 7], &[16]] {
            record.extend(keep_weights(part, true));
        }
        record.extend(note(0xffff_1234_5678_9abc, -3));
        record.extend(note(5, 31));
        assert_eq!(record.len(), widths.record_bytes());
        let (bytes, id) = write(&widths, &[(7, record)]).unwrap();
        let shard = TasteShard::parse(bytes, id).unwrap();
        assert_eq!(shard.widths(), &widths);
        let taste = Taste::cut(shard.find(7).unwrap(), shard.widths());
        assert_eq!([0, 1, 2, 3].map(|at| taste.channel(at)), [112, -128, 48, 0]);
        assert_eq!(([0, 1].map(|at| taste.hour(at)), taste.tab(0), taste.tab(9)), ([-16, 0], 16, 0));
        assert_eq!([0xffff_1234_5678_9abc, 5, 6, 0].map(|product| taste.memory(product)), [-96, 992, 0, 0]);
        assert_eq!(taste.noted(), 1 << (0x9abc % 64) | 1 << 5);
    }
}
