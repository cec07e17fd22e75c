//! Sinsang's edge and its pure core: packs in, a surface out.
//!
//! # The life of a request
//!
//! 1. `edge` takes a request from the platform, reads the clock, and hands both to
//! 2. [`serve`], a state machine. It has [`request`] check what is asked, and [`auth`] who asks ([`viewer`]).
//! 3. What the isolate remembers is in [`memory`]; where something is missing, [`load`] says which [`key`] to read, if [`breaker`] lets it.
//! 4. `edge` reads the keys and hands the bytes back; [`pack`] checks them.
//! 5. [`experiment`] says by which weights the viewer is shown things.
//! 6. [`surface`] chooses what is shown at that time, [`rank`] orders it for the viewer ([`session`]), [`mix`] and [`directive`] arrange it, and the items' ready JSON is copied.
//! 7. [`reply`] sets status and headers, and decides what may be shared.
//!
//! [`event`] and [`text`] say what an event may hold: the Worker that takes them, `sinsang ingest` and the readers of tables ask the same.
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
pub mod code;
pub mod context;
pub mod cors;
pub mod directive;
#[cfg(all(target_arch = "wasm32", feature = "edge"))]
pub mod edge;
pub mod event;
pub mod experiment;
pub mod guess;
pub mod header;
pub mod json;
pub mod key;
pub mod known;
pub mod load;
pub mod memory;
#[allow(
    clippy::arithmetic_side_effects,
    reason = "places of a list and sums of a few products of i32 weights with signals, which i64 holds with room"
)]
pub mod mix;
pub mod pack;
pub mod preview;
pub mod printable;
pub mod pulse;
#[allow(
    clippy::arithmetic_side_effects,
    reason = "sums of a few products of i32 weights with signals of at most 2^20, which i64 holds with room"
)]
pub mod rank;
pub mod rate;
pub mod reply;
pub mod request;
pub mod serve;
pub mod session;
pub mod stage;
pub mod surface;
pub mod text;
pub mod time;
pub mod viewer;
