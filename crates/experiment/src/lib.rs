//! What an experiment shows: events in, for each variant its rates, intervals and p-values that hold at every look.
//!
//! [`exposure`] reads events into one record a viewer; [`sequence`] has the statistics; [`mod@report`] puts both together, [`plot`] draws.

pub mod exposure;
pub mod plot;
pub mod report;
pub mod sequence;

pub use exposure::{Intake, ReadError, Viewers};
pub use report::{Report, Settings, report};
