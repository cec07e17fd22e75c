//! The pipeline on generated tables and broken inputs, as a library and as a command.

mod build;
mod check;
mod circle;
mod command;
mod correction;
mod daily;
mod deploy;
mod desk;
mod evaluate;
mod forget;
mod format;
mod gate;
mod generate;
mod import;
mod lab;
mod ledger;
mod model;
mod schedule;
mod source;
mod taste;
mod telemetry;
mod world;
