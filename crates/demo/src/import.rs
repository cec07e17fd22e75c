//! Data of others mapped to the input tables.

pub mod retail;
