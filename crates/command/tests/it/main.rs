//! The command, and builds as a whole, on generated tables and broken inputs.

mod build;
mod check;
mod circle;
mod command;
mod correction;
mod daily;
mod deploy;
mod evaluate;
mod forget;
mod format;
mod gate;
mod ledger;
mod telemetry;
#[path = "../../../pipeline/tests/it/world.rs"]
mod world;
