//! Fixtures of complete requests: generated boards, a store with injected faults, and an edge
//! without a platform.
#![allow(dead_code, reason = "each test target uses its own part")]

pub(crate) mod board;
pub(crate) mod edge;
pub(crate) mod experiment;
pub(crate) mod golden;

use sha2::{Digest, Sha256};
use sinsang_core::pack::PackId;
use sinsang_core::time::UnixMillis;

/// Bytes before a pack's directory (`crates/core/src/pack/FORMAT.md`).
pub(crate) const HEADER_BYTES: usize = 32;

/// The instant of an RFC 3339 text.
pub(crate) fn at(text: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(text).unwrap_or_else(|| panic!("{text} is no RFC 3339"))
}

/// Writes the correct length and checksum of `bytes` into their header, and returns their name.
pub(crate) fn seal(bytes: &mut [u8]) -> PackId {
    let mut id = PackId::default();
    if bytes.len() >= HEADER_BYTES {
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let digest = Sha256::new().chain_update(&bytes[..16]).chain_update(&bytes[HEADER_BYTES..]).finalize();
        id = PackId(*digest.first_chunk().unwrap());
        bytes[16..HEADER_BYTES].copy_from_slice(&id.0);
    }
    id
}

/// A seeded stream of numbers (splitmix64), so that fixtures are the same everywhere.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// An int8 of small to medium size.
    pub(crate) fn weight(&mut self) -> i8 {
        i8::try_from(self.below(121)).unwrap() - 60
    }
}
