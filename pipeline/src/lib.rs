//! The pipeline of Sinsang: schedules, history and events in, a published snapshot out.

pub mod arguments;
pub mod audit;
pub mod build;
pub mod catalogue;
pub mod command;
pub mod compose;
pub mod correction;
pub mod engine;
pub mod evaluate;
pub mod forget;
pub mod generate;
pub mod hindsight;
pub mod history;
pub mod import;
pub mod inspect;
pub mod keep;
pub mod lab;
pub mod ledger;
pub mod metrics;
pub mod product;
pub mod quality;
pub mod resolve;
pub mod review;
pub mod rules;
pub mod schedule;
pub mod source;
pub mod table_write;
pub mod taste;
mod telemetry;
pub mod train;
pub mod verify;
pub mod viewers;
pub mod why;

pub use sinsang_identity::{identity, listing, verdict};
pub use sinsang_input::{reject, table};
pub use sinsang_publish::{self as publish, progress, snapshot};
