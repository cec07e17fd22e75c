//! Vectors of products and users, before and after they are rounded to bytes.

/// Dimensions of a product's and of a user's vector; one byte each.
pub const DIMS: usize = 64;

/// A vector before rounding.
pub type FloatVector = [f64; DIMS];

/// The spread (standard deviation) of a sure user's inner products over the products of a board, where it fits into bytes.
pub(crate) const SPREAD: f64 = 16_384.0;
/// The largest of their amounts.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

/// Rounds to the nearest whole number within an `i8`, never -128: negating a vector stays possible.
pub fn round(vector: &FloatVector) -> [i8; DIMS] {
    vector.map(to_i8)
}

/// The nearest whole number from -127 to 127.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8 before")]
pub fn to_i8(value: f64) -> i8 {
    value.round().clamp(-127.0, 127.0) as i8
}
