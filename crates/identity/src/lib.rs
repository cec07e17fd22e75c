//! What a listing says, which listings are one product, and which product is new.
//!
//! ```text
//! title ─ listing ─ features ─┐
//! brand, price, image ────────┴─ identity ─ product ─ verdict ─ new | repeat | unknown, with its evidence
//! ```
//!
//! A crate of its own so that it can't name the pipeline's engine: no I/O but for the labelled pairs of [`evaluate`], and time is an
//! argument.

pub mod correction;
pub mod evaluate;
pub mod identity;
pub mod label;
pub mod listing;
pub mod place;
pub mod reach;
pub mod train;
pub mod verdict;
