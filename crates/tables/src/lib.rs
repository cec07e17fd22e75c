//! Input tables: their files, rows and fields, read row by row and checked; `docs/input.md` is the
//! contract.
//!
//! ```text
//! file ─ csv │ ndjson ─ column ─ value ─ check ─ intake ─ rows, with repairs and rejects counted
//! ```
//!
//! This is a separate crate so that it can't depend on the pipeline's engine, and so that its
//! readers can be fuzzed alone. `crates/parquet` reads Parquet into the same [`Rows`]. [`doctor`]
//! observes rows and reports what looks wrong with a table as a whole.

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
pub mod row;
pub mod table;
pub mod value;
pub mod zones;

pub use column::{Column, ColumnMap, MAX_COLUMNS, Shape};
pub use error::{Error, TooManyRejects};
pub use intake::{Fault, Intake, Observer, Place, RepairCount, Rows, TableReport};
pub use zones::{ZoneError, ZoneSetting, Zones};
