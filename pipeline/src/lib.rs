//! The pipeline of Sinsang: schedules, history and events in, a published snapshot out.

pub mod generate;
pub mod import;
pub mod table;
pub mod table_write;
