//! Measures of the pipeline's decisions on labelled data.

pub mod ranking;
pub mod schedule;
