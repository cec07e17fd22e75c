//! How good the pipeline's decisions are, measured on labelled data.

pub mod ranking;
pub mod schedule;
