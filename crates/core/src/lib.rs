//! What the Workers, the pipeline and the preview page share.
//!
//! - [`time`], [`text`], [`code`], [`printable`], [`json`]: instants and texts from outside, read alike everywhere.
//! - [`viewer`], [`context`], [`event`]: who is served, where and when, and what their events may say. [`verdict`]: what was decided of a product.
//! - [`key`], [`pack`], [`pulse`], [`crowd`]: what stands in the store, by name and in bytes, and what is worked out of a board once.
//! - [`experiment`] says by which weights a viewer is shown things; [`rank`] orders for the viewer by [`signal`]s, [`mix`] and [`directive`] arrange, [`surface`]
//!   and [`session`] choose what is shown at a time.
//!
//! All of it is pure: no I/O, no clock, no randomness, no async.
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

pub mod code;
pub mod context;
pub mod crowd;
pub mod directive;
pub mod event;
pub mod experiment;
pub mod json;
pub mod key;
#[allow(
    clippy::arithmetic_side_effects,
    reason = "places of a list and sums of a few products of i32 weights with signals, which i64 holds with room"
)]
pub mod mix;
pub mod pack;
pub mod printable;
pub mod pulse;
#[allow(
    clippy::arithmetic_side_effects,
    reason = "sums of a few products of i32 weights with signals of at most 2^20, which i64 holds with room"
)]
pub mod rank;
pub mod scatter;
pub mod session;
pub mod signal;
pub mod surface;
pub mod surface_name;
pub mod text;
pub mod time;
pub mod verdict;
pub mod viewer;
