//! Events in: what apps tell of their viewers, checked row by row, queued, and stored as objects that the pipeline reads.
//!
//! A Worker of its own, so that a flood of events takes neither time nor memory from the isolates that answer readers.
//!
//! 1. [`admit`] says whether a request may bring events, whose they are, and which of its rows are good ([`sinsang_core::event`]).
//! 2. What is good goes to a queue as lines of text, a request's rows in one message.
//! 3. The queue's consumer makes one object of a batch of messages ([`object`]), and acknowledges them when it is written.
//!
//! 4. Then the one who counts ([`pulse_marks`], `sinsang_core::pulse`) is told, listings by the products that the live board shows them with ([`listing`]), who publishes a pulse to the edge's store once a minute.
//!
//! Everything but `edge` is pure: no I/O, no clock, no async. `docs/events.md` describes rows, lines and objects.
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

pub mod admit;
pub mod answer;
#[cfg(target_arch = "wasm32")]
pub mod edge;
pub mod listing;
pub mod object;
pub mod pulse_marks;
