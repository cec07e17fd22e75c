//! How good the pipeline's decisions are, measured on labelled data.

pub mod ranking;
pub mod schedule;

pub use sinsang_identity::evaluate as identity;
