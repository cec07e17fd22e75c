//! Training input of a model: recipe and lessons.

use crate::factor::FactorOptions;
use crate::matrix::Sparse;
use crate::placement::Catalogue;

/// Hyperparameters of a model. `docs/measurements/ranking.md` has the measurements behind them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Hyperparameters of the interaction factors.
    pub factors: FactorOptions,
    /// Penalty of EASE, as a multiple of the mean of a product's squared weights.
    pub ease_penalty: f64,
    /// Ridge penalty of the map from descriptions to factors.
    pub ridge_penalty: f64,
    /// Known products that represent an unmet one.
    pub neighbours: usize,
    /// Users who must have met a product for it to be represented half by itself and half by its
    /// description.
    pub prior_users: f64,
    /// Shares of EASE, factors, name similarity and trend.
    pub shares: [f64; 4],
    /// Limit on products with learned interactions; the most engaged ones are taken.
    pub max_products: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            factors: FactorOptions::default(),
            ease_penalty: 4.0,
            ridge_penalty: 1.0,
            neighbours: 100,
            prior_users: 10.0,
            shares: [1.0, 1.0, 1.0, 0.3],
            max_products: 5_000,
        }
    }
}

/// A user's actions on products of the catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// How strongly the user is known to like each product. Diminishing: the tenth purchase adds
    /// less than the first.
    pub strengths: Vec<(usize, f64)>,
    /// Undiminished sum of the actions on each product.
    pub sums: Vec<(usize, f64)>,
    /// The strengths with a shorter half-life, for finding products that go with recent actions.
    pub fresh: Vec<(usize, f64)>,
}

/// Training data: rows of weights over the catalogue, with the same order of users in both
/// matrices.
#[derive(Clone, Copy, Debug)]
pub struct Lessons<'a> {
    /// [`History::strengths`] of each user.
    pub strengths: &'a Sparse,
    /// [`History::sums`] of each user.
    pub sums: &'a Sparse,
    /// The products behind the columns.
    pub catalogue: Catalogue<'a>,
}
