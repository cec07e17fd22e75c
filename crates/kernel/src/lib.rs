//! The inner loops of ranking: what runs for each candidate of each request.
//!
//! They are a crate of their own because the Worker compiles them for more speed than the rest
//! (`[profile.edge]` in the workspace's `Cargo.toml`): a list is scored as fast as if all of it
//! were, in a Worker that is 4 % smaller.
//!
//! All arithmetic is on integers, so that native code, the edge's Wasm and the browser's agree bit
//! for bit.
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

#[allow(
    clippy::arithmetic_side_effects,
    reason = "sums of a few products of i32 weights with signals of at most 2^20, which i64 holds with room"
)]
pub mod leaning;
pub mod list;
#[allow(clippy::arithmetic_side_effects, reason = "sums of 64 products of int8 and int16, which i32 holds with room")]
pub mod vector;
