//! Deterministic pseudo-random numbers, the same in Wasm, natively and in a page.

/// Hashes a seed and a position to a number: the finaliser of SplitMix64 (Steele, Lea and Flood
/// 2014, doi 10.1145/2714064.2660195).
pub fn scatter(seed: u64, at: u64) -> u64 {
    let mut mixed = seed ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
