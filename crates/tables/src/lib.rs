//! What an input table may hold: its files, their rows and fields, read row by row and checked; `docs/input.md` is the contract.
//!
//! ```text
//! file ─ csv │ ndjson ─ column ─ value ─ check ─ intake ─ rows that can be used, repairs and rejects counted
//! ```
//!
//! A crate of its own so that it can't name the pipeline's engine, and so that its readers can be fuzzed by themselves. Parquet is read by
//! the pipeline, through the same [`Rows`]. [`doctor`] listens to rows and says what looks wrong with a table as a whole.

pub mod check;
pub mod column;
pub mod csv;
pub mod doctor;
pub mod encoding;
pub mod error;
pub mod excerpt;
pub mod file;
pub mod form;
pub mod intake;
pub mod line;
pub mod ndjson;
pub mod purge;
pub mod reject;
pub mod table;
pub mod value;
pub mod zones;

pub use column::{Column, ColumnMap, MAX_COLUMNS, Shape};
pub use error::{Error, TooManyRejects};
pub use intake::{Fault, Intake, Observer, Place, RepairCount, Rows, TableReport};
pub use zones::{ZoneError, ZoneSetting, Zones};
