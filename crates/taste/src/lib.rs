//! The numerics of tastes: turns weights of users on products, and descriptions of products, into
//! one small vector per user and product.
//!
//! `docs/taste.md` has the formulas. The crate depends on no engine and reads no files, so an
//! optimised build takes seconds; tests and demo builds wait for it.

#![expect(clippy::cast_precision_loss, reason = "counts become floats only where they are divided")]

mod checkpoint;
mod factor;
mod feature;
mod foreign;
pub mod judge;
mod lesson;
pub mod matrix;
mod members;
mod model;
mod nearest;
pub mod neighbour;
mod placement;
mod teacher;
mod trained;

mod tune;
mod tuned;
mod vector;

pub use checkpoint::Unusable;
pub use factor::{FactorOptions, Factors, Fitted};
pub use feature::{Describer, ProductFeatures, describe, title_words};
pub use foreign::{Foreign, LEAST_KEPT, Refused};
pub use lesson::{History, Lessons, MEMORY_BYTES, Nearest, Recipe, Shares};
pub use matrix::{Dense, Sparse};
pub use model::{FoldedIn, Model};
pub use neighbour::EaseOptions;
pub use placement::Catalogue;
pub use trained::Trained;
pub use tune::{Past, tune};
pub use tuned::{Judged, Report as TuningReport, Tuned};
pub use vector::{DIMS, FloatVector, round, to_i8};
