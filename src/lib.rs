//! Sinsang's edge: answers requests from packs that the pipeline built.
//!
//! # The life of a request
//!
//! 1. `edge` takes a request from the platform, reads the clock, and hands both to
//! 2. [`serve`], a state machine. [`request`] checks path and parameters, and [`auth`] identifies
//!    the viewer ([`sinsang_core::viewer`]).
//! 3. [`memory`] holds what the isolate remembers. If something is missing, [`snapshot_load`] says
//!    which [`sinsang_core::key`] to read, provided that [`breaker`] admits the read.
//! 4. `edge` reads the keys and hands the bytes back; [`sinsang_core::pack`] checks them.
//! 5. [`sinsang_core::experiment`] chooses the viewer's weights.
//! 6. [`sinsang_core::surface`] selects the items of that time, orders them for the viewer, and
//!    copies their ready-made JSON.
//! 7. [`reply`] sets status and headers, and decides what may be shared.
//!
//! [`preview`] runs step 6 and its dependencies in the preview page's browser, on packs
//! that the page downloaded.
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

// Files that both Workers share (edge/limiter.rs and others) refer to this crate as `sinsang`.
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
