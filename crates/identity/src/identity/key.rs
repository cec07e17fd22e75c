//! Keys that find titles sharing something, and that count words.

use xxhash_rust::xxh3::xxh3_64;

/// A key: a hash of the shared thing, with its kind in the lowest three bits. A collision costs a
/// comparison, not an error.
///
/// Ledgers store keys, so a change in their computation needs a new version of the ledger's format.
pub type Key = u64;

/// Kind of a key, in its lowest three bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    /// All words of a title.
    Title = 0,
    /// A model or a short code.
    Model = 1,
    /// A picture's URL.
    Image = 2,
    /// A stretch of three syllables.
    Stretch = 3,
    /// One word.
    Word = 4,
    /// Two words.
    Pair = 5,
    /// A shop's item code.
    Code = 6,
    /// A word for counting; not a key of a title.
    Counted = 7,
}

pub(crate) const KIND_BITS: u64 = 7;

pub(crate) fn key(kind: Kind, parts: &[&str]) -> Key {
    let mut bytes = [0_u8; 96];
    let length = parts.iter().map(|part| part.len() + 1).sum::<usize>();
    let hash = if length <= bytes.len() {
        let mut at = 0;
        for part in parts {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part.as_bytes());
            }
            at += part.len() + 1;
        }
        xxh3_64(bytes.get(..length).unwrap_or_default())
    } else {
        let mut joined = Vec::with_capacity(length);
        for part in parts {
            joined.extend_from_slice(part.as_bytes());
            joined.push(0);
        }
        xxh3_64(&joined)
    };
    hash & !KIND_BITS | u64::from(kind as u8)
}

/// The key that listings of one shop and code share.
pub fn code_key(shop: &str, listing_id: &str) -> Key {
    key(Kind::Code, &[shop, listing_id])
}

/// The key under which a word is counted.
pub(crate) fn word_key(word: &str) -> Key {
    key(Kind::Counted, &[word])
}
