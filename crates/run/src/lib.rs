//! What every native run needs of the machine: [`mod@file`] opens and reads within bounds, [`replace`] puts a whole file in another's place, [`lock`] has one
//! run at a time, [`progress`] and [`stage!`] tell how far a run is, [`clock`] says the time, by what [`machine`] reads.

pub mod clock;
pub mod file;
pub mod lock;
pub mod machine;
pub mod progress;
pub mod replace;
mod stage;

pub use stage::{STAGE, count};
