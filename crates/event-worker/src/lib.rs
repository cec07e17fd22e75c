//! Events in: apps' reports on their viewers, checked row by row, queued, and stored as objects
//! that the pipeline reads.
//!
//! It is a separate Worker, so that a flood of events takes neither time nor memory from the
//! isolates that answer readers.
//!
//! 1. [`admit`] decides whether a request may send events, whose they are, and which rows are valid
//!    ([`sinsang_core::event`]).
//! 2. Valid rows go to a queue as lines of text, those of a request in one message.
//! 3. The queue's consumer writes each batch of messages as one object ([`object`]), and then
//!    acknowledges them.
//! 4. It then passes the events to the pulse counter ([`pulse_marks`], `sinsang_core::pulse`), with
//!    listings resolved to the live board's products ([`listing`]). The counter publishes a pulse
//!    to the edge's store once a minute.
//!
//! Everything but `edge` is pure: no I/O, no clock, no async. `docs/events.md` describes rows,
//! lines and objects.
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
