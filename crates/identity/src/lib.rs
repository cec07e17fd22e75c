//! Product identity: parses listings' titles, groups listings into products, and judges which
//! products are new.
//!
//! ```text
//! title ─ listing ─ features ─┐
//! brand, price, image ────────┴─ identity ─ product ─ verdict: new/repeat/unknown, with evidence
//! ```
//!
//! A separate crate so that it can't depend on the pipeline's engine. It does no I/O, except that
//! [`evaluate`] reads labelled pairs; time is an argument.

pub mod correction;
pub mod evaluate;
pub mod identity;
pub mod label;
pub mod listing;
pub mod place;
pub mod reach;
pub mod train;
pub mod verdict;
