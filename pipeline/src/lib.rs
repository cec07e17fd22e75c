//! The pipeline of Sinsang: schedules, history and events in, a published snapshot out.

pub mod engine;
pub mod progress;
pub mod reject;
pub mod schedule;
pub mod source;
pub mod table;
pub mod taste;
