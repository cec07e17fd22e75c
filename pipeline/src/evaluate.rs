//! How good the pipeline's decisions are, measured on labelled data.

pub mod identity;

pub use identity::{Error, IdentityReport, identity};
