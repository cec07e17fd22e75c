//! Reports on builds: their counts, the hindsight on the previous ranking, and the recent events of
//! listed viewers.

pub mod build_log;
pub mod built;
pub mod census;
pub mod claim;
pub mod hindsight;
pub mod met;
pub mod viewers;
