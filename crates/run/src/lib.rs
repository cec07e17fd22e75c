//! The machine-facing parts of every native run: [`mod@file`] opens and reads files within bounds,
//! [`replace`] replaces a file atomically, [`lock`] admits one run at a time, [`progress`] and
//! [`stage!`] report a run's progress, and [`clock`] tells the time that [`machine`] reads.

pub mod clock;
pub mod file;
pub mod lock;
pub mod machine;
pub mod progress;
pub mod replace;
mod stage;

pub use stage::{STAGE, count};
