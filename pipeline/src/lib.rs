//! The pipeline of Sinsang: schedules, history and events in, a published snapshot out.

pub mod table;
pub mod taste;
