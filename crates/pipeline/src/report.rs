//! What is told of builds: what they came to, how well the order before would have done, what a few named users did.

pub mod build_log;
pub mod built;
pub mod claim;
pub mod hindsight;
pub mod viewers;
