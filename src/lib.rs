//! Sinsang's edge: a request in, an answer out, from packs that were made before.
//!
//! # The life of a request
//!
//! 1. `edge` takes a request from the platform, reads the clock, and hands both to
//! 2. [`serve`], a state machine. It has [`request`] check what is asked, and [`auth`] who asks ([`sinsang_core::viewer`]).
//! 3. What the isolate remembers is in [`memory`]; where something is missing, [`snapshot_load`] says which [`sinsang_core::key`] to read, if [`breaker`] lets it.
//! 4. `edge` reads the keys and hands the bytes back; [`sinsang_core::pack`] checks them.
//! 5. [`sinsang_core::experiment`] says by which weights the viewer is shown things.
//! 6. [`sinsang_core::surface`] chooses what is shown at that time and orders it for the viewer, and the items' ready JSON is copied.
//! 7. [`reply`] sets status and headers, and decides what may be shared.
//!
//! [`preview`] runs step 6 and what it needs in the preview page's browser, on packs that the page downloaded.
//!
//! Everything but `edge` is pure: no I/O, no clock, no randomness, no async.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::arithmetic_side_effects
    )
)]
#![deny(clippy::iter_over_hash_type)]

// Files that both Workers have, such as edge/limiter.rs, name the core alike in each.
#[cfg(all(target_arch = "wasm32", feature = "edge"))]
extern crate self as sinsang;
pub mod auth;
pub mod breaker;
pub mod cors;
#[cfg(all(target_arch = "wasm32", feature = "edge"))]
pub mod edge;
pub mod guess;
pub mod header;
pub mod memory;
pub mod preview;
pub mod rate;
pub mod reply;
pub mod request;
pub mod serve;
pub mod snapshot_load;
pub mod token_cache;
