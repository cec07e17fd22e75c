//! The core on the host: packs, orders, whole requests, and the architecture's invariants.

mod circle;
mod corpus;
mod golden;
mod header;
mod mix;
mod pack;
mod serve;
mod signal;
mod supply;
#[path = "../support/mod.rs"]
mod support;
mod tidy;
