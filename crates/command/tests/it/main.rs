//! Tests of the command and of whole builds, on generated tables and broken inputs.

mod build;
mod check;
mod circle;
mod command;
mod compare;
mod correction;
mod daily;
mod deploy;
mod evaluate;
mod experiment;
mod forget;
mod format;
mod gate;
mod ledger;
mod overlay;
mod rule;
mod telemetry;
mod token;
#[path = "../../../pipeline/tests/it/world.rs"]
mod world;
