//! The Rust half of `make bench`: snapshots of a given size, and the core alone behind a few
//! exports.
//!
//! `bench-snapshot` writes a snapshot and a copy for the peers, `bench-load` sends requests to a
//! server, `bench-core` times the core and counts the instructions of complete requests.

pub mod alone;
#[cfg(not(target_arch = "wasm32"))]
pub mod peer;
pub mod snapshot;
#[cfg(not(target_arch = "wasm32"))]
pub mod whole;
