//! Caps on what is remembered.

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
