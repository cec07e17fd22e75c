//! The doctor: reports what tables contain, and what looks wrong with them as a whole, before a
//! build. It reads no file and no clock: readers pass rows to [`Schedule`], [`Bar`] and
//! [`Audience`], which keep counts within caps, and [`Check`] makes a [`Report`] of those.

mod audience;
mod bar;
mod cap;
mod clock;
mod column;
mod day;
pub mod finding;
mod group;
mod offset;
mod report;
mod schedule;
mod sketch;
mod tally;

pub use audience::Audience;
pub use bar::Bar;
pub use cap::Cap;
pub use finding::{Finding, Rule, Severity};
pub use offset::Offsets;
pub use report::{Check, ColumnCheck, FormReport, Read, Repaired, Report, SetAside, TableCheck, Verdict};
pub use schedule::Schedule;
pub use tally::Example;
