//! Imports of public data sets as input tables.

pub mod retail;
