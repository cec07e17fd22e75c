//! Types and pure functions shared by the Workers, the pipeline and the preview page.
//!
//! - [`time`], [`text`], [`code`], [`printable`], [`json`]: one way to read external instants,
//!   texts and ids everywhere.
//! - [`viewer`], [`context`], [`event`]: the viewer, the context of a request, and the rules for
//!   events. [`verdict`]: the decision on whether a product is new.
//! - [`key`], [`pack`], [`pulse`], [`crowd`]: the store's keys, its byte formats, and values
//!   computed once per board.
//! - [`experiment`] chooses a viewer's weights, [`session`] adjusts the tastes to the latest looks,
//!   [`rank`] orders products for the viewer by [`signal`]s, [`mix`] and [`directive`] rearrange
//!   them, and [`surface`] selects what is shown at a given time.
//!
//! The whole crate is pure: no I/O, no clock, no randomness, no async.
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

pub mod audience;
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
pub mod overlay;
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
