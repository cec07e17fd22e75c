//! The numerics of tastes: from weights of users on products, and from what products say of themselves, to one small vector for each user
//! and product.
//!
//! `docs/taste.md` has the formulas. The crate names no engine and reads no file, so that it can be built optimised in seconds: tests and
//! demonstration builds wait for it.

#![expect(clippy::cast_precision_loss, reason = "counts become floats only where they are divided")]

mod factor;
mod feature;
mod foreign;
mod kept;
pub mod matrix;
mod model;
pub mod neighbour;
mod placement;
mod teacher;
mod trained;

pub use factor::{FactorOptions, Factors, Fitted};
pub use feature::{ProductFeatures, describe, describe_by_name, title_words};
pub use foreign::{Foreign, LEAST_KEPT, Refused};
pub use kept::Unusable;
pub use matrix::{Dense, Sparse};
pub use model::{DIMS, FloatVector, History, Lessons, Model, Recipe, round, to_i8};
pub use placement::Catalogue;
pub use trained::Trained;
