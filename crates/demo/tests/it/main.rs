//! Tables that are made: their truth, and what becomes of a public data set.

mod generate;
mod import;
