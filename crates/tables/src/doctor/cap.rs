//! Caps on the doctor's memory.

use serde::Serialize;

/// A cap that was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Cap {
    /// The things capped.
    pub of: &'static str,
    /// How many are kept.
    pub most: usize,
    /// Rows beyond the cap, or rows that were sampled.
    pub rows_beyond: u64,
    /// Whether rows were sampled, so that figures are estimates.
    pub is_sampled: bool,
}
