//! Vectors of products and users, before and after rounding to bytes.

/// Dimensions of a product's and of a user's vector; one byte each.
pub const DIMS: usize = 64;

/// A vector before rounding.
pub type FloatVector = [f64; DIMS];

/// Standard deviation of a sure user's inner products with a board's products, if it fits into
/// bytes.
pub(crate) const SPREAD: f64 = 16_384.0;
/// The largest absolute value.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

/// How far above 49 of 50 vectors the largest one may set the scale.
const OUTSTANDING: f64 = 8.0;

/// Factor at which vectors with these largest values fit into bytes unclipped. The products that
/// most people want have the longest vectors: to clip them costs a sixth of the order of what is
/// bought often (docs/measurements/ranking.md). Only what stands far out is clipped.
pub(crate) fn full(mut largest: Vec<f64>) -> f64 {
    largest.sort_by(f64::total_cmp);
    let usual = largest.get(largest.len().saturating_sub(1) * 98 / 100).copied().unwrap_or(0.0);
    let full = largest.last().map_or(0.0, |most| most.min(OUTSTANDING * usual));
    if full > 0.0 { 127.0 / full } else { 0.0 }
}

/// Rounds to the nearest integer within an `i8`, but never to -128, so that a vector can be
/// negated.
pub fn round(vector: &FloatVector) -> [i8; DIMS] {
    vector.map(to_i8)
}

/// The nearest integer from -127 to 127.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8 before")]
pub fn to_i8(value: f64) -> i8 {
    value.round().clamp(-127.0, 127.0) as i8
}
