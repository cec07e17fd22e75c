//! Host tests of the core: packs, orders, complete requests, and the architecture's invariants.

mod circle;
mod corpus;
mod declaration;
mod golden;
mod header;
mod mix;
mod overlay;
mod pack;
mod serve;
mod supply;
#[path = "../support/mod.rs"]
mod support;
mod tidy;
