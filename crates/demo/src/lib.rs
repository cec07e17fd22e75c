//! Demo tables: generated with known truth, or imported from a public data set.

pub mod generate;
pub mod import;
pub mod table_write;
