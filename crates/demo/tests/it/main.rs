//! Demo tables: generated ones with their truth, and the import of a public data set.

mod generate;
mod import;
