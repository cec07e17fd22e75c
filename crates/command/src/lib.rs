//! The `sinsang` command: its arguments, its commands, and the reports that only this crate makes.

pub mod arguments;
pub mod audit;
pub mod check;
pub mod command;
pub mod forget;
pub mod inspect;
pub mod metrics;
pub mod resolve;
pub mod review;
mod telemetry;
pub mod terminal;
pub mod token;
pub mod train;
pub mod verify;
pub mod why;
