//! What `make bench` needs in Rust: snapshots of a given size, and the core alone behind a few exports.
//!
//! The command `bench-snapshot` writes a snapshot and a copy for the peers, `bench-load` asks a server, `bench-core` times the core and counts a request as a whole.

pub mod alone;
#[cfg(not(target_arch = "wasm32"))]
pub mod peer;
pub mod snapshot;
#[cfg(not(target_arch = "wasm32"))]
pub mod whole;
