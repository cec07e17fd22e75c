//! Caps on what is remembered, and counts as people read them.

use serde::Serialize;

/// A cap that was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Cap {
    /// Of what.
    pub of: &'static str,
    /// How many are kept.
    pub most: usize,
    /// Rows of others, or rows of which a sample was taken.
    pub rows_beyond: u64,
    /// Whether a sample was taken, from which figures are estimated.
    pub is_sampled: bool,
}

/// A count with commas at its thousands.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
