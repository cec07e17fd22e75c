//! The pipeline of Sinsang: schedules, history and events in, a snapshot out.
//!
//! ```text
//! read ─ learn ─ compose ─ a snapshot          build goes the way
//!   └──── ledger, evaluate, report             beside it
//! ```
//!
//! [`engine`] queries the tables.

pub mod build;
pub mod compose;
pub mod engine;
pub mod evaluate;
pub mod learn;
pub mod ledger;
pub mod read;
pub mod report;
