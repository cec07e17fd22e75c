//! A pulse: the recent viewers of products. It is the only pack that no snapshot names and that is
//! written while events come in.

use super::{Damage, Kind, Pack, Table, TooLarge, Writer, i64_at, u16_at, u64_at};
use crate::pulse::Counts;
use crate::time::UnixMillis;

const META: [u8; 4] = *b"META";
const META_BYTES: usize = 8;
const COUNTS: [u8; 4] = *b"PULS";
const COUNTS_BYTES: usize = 16;
/// The most products in a pulse: 32 KB.
pub const MAX_COUNTS: usize = 2_048;

/// A pulse that has been parsed and checked.
#[derive(Debug)]
pub struct Pulse {
    pack: Pack,
    counts: Table,
}

impl Pulse {
    /// Parses and checks a pulse.
    ///
    /// # Errors
    /// [`Damage`] if the bytes are not an intact pulse.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Damage> {
        let pack = Pack::parse(bytes, Kind::Pulse)?;
        pack.table(META, META_BYTES)
            .and_then(|meta| (meta.count == 1).then_some(()).ok_or(Damage::Inconsistent(META)))?;
        let counts = pack.table(COUNTS, COUNTS_BYTES)?;
        let pulse = Self { pack, counts };
        let ids = || (0..pulse.counts.count).map(|index| pulse.id(index));
        if pulse.counts.count > MAX_COUNTS || !ids().is_sorted_by(|a, b| a < b) {
            return Err(Damage::Inconsistent(COUNTS));
        }
        Ok(pulse)
    }

    /// When it was made, by the real clock.
    pub fn made_at(&self) -> UnixMillis {
        let meta = self.pack.table(META, META_BYTES);
        UnixMillis(meta.map_or(0, |meta| i64_at(self.pack.record(&meta, 0), 0)))
    }

    /// The Unix second in which it was made, which is its number in lists and keys; no two pulses
    /// share one.
    pub fn number(&self) -> u32 {
        self.made_at().to_seconds()
    }

    /// The number of products.
    pub fn len(&self) -> usize {
        self.counts.count
    }

    /// Whether it has no products.
    pub fn is_empty(&self) -> bool {
        self.counts.count == 0
    }

    /// The counts of the product with this id.
    pub fn find(&self, product: u64) -> Option<Counts> {
        let (mut from, mut to) = (0, self.counts.count);
        while from < to {
            let middle = from.midpoint(to);
            match self.id(middle).cmp(&product) {
                std::cmp::Ordering::Less => from = middle.saturating_add(1),
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Some(self.counts(middle)),
            }
        }
        None
    }

    /// The products with their counts, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Counts)> {
        (0..self.counts.count).map(|index| (self.id(index), self.counts(index)))
    }

    fn id(&self, index: usize) -> u64 {
        u64_at(self.pack.record(&self.counts, index), 0)
    }

    fn counts(&self, index: usize) -> Counts {
        let record = self.pack.record(&self.counts, index);
        Counts {
            viewers: u16_at(record, 8),
            looks: u16_at(record, 10),
            alarms: u16_at(record, 12),
            purchases: u16_at(record, 14),
        }
    }
}

/// Writes a pulse; products must ascend by id.
///
/// # Errors
/// [`TooLarge`] if it exceeds a KV value, which can't happen with [`MAX_COUNTS`] products.
pub fn write(counts: &[(u64, Counts)], made_at: UnixMillis) -> Result<Vec<u8>, TooLarge> {
    let mut writer = Writer::new(Kind::Pulse);
    writer.section(META, META_BYTES, made_at.0.to_le_bytes().to_vec());
    let mut records = Vec::new();
    for (id, counts) in counts.iter().take(MAX_COUNTS) {
        records.extend_from_slice(&id.to_le_bytes());
        for count in [counts.viewers, counts.looks, counts.alarms, counts.purchases] {
            records.extend_from_slice(&count.to_le_bytes());
        }
    }
    writer.section(COUNTS, COUNTS_BYTES, records);
    writer.finish().map(|(bytes, _)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts() -> impl Strategy<Value = Vec<(u64, Counts)>> {
        let counts = proptest::array::uniform4(any::<u16>()).prop_map(|[viewers, looks, alarms, purchases]| Counts {
            viewers,
            looks,
            alarms,
            purchases,
        });
        proptest::collection::btree_map(any::<u64>(), counts, 0..50).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_pulse_is_read_as_it_was_written(counts in counts(), made_at in any::<i64>(), other in any::<u64>()) {
            let pulse = Pulse::parse(write(&counts, UnixMillis(made_at)).unwrap()).unwrap();
            prop_assert_eq!(pulse.made_at(), UnixMillis(made_at));
            prop_assert_eq!(pulse.iter().collect::<Vec<_>>(), counts.clone());
            for (id, counts) in &counts {
                prop_assert_eq!(pulse.find(*id), Some(*counts));
            }
            prop_assert_eq!(pulse.find(other).is_some(), counts.iter().any(|(id, _)| *id == other));
        }

        #[test]
        fn hostile_bytes_are_refused_and_never_panic(counts in counts(), at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = write(&counts, UnixMillis(0)).unwrap();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert!(Pulse::parse(bytes).is_err());
            prop_assert!(Pulse::parse(noise).is_err());
        }
    }

    #[test]
    fn products_out_of_order_or_twice_are_refused() {
        for ids in [[2, 1], [1, 1]] {
            let counts = ids.map(|id| (id, Counts::default()));
            assert_eq!(Pulse::parse(write(&counts, UnixMillis(0)).unwrap()).err(), Some(Damage::Inconsistent(COUNTS)));
        }
    }
}
