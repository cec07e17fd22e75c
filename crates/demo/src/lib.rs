//! Tables to try Sinsang on: made up with known truth, or made of a public data set.

pub mod generate;
pub mod import;
pub mod table_write;
