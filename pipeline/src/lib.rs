//! The pipeline of Sinsang: schedules, history and events in, a published snapshot out.

pub mod evaluate;
pub mod identity;
pub mod listing;
pub mod table;
pub mod verdict;
