//! Models that are kept.

mod kept;
