//! Training input of a model: recipe and lessons.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::factor::FactorOptions;
use crate::matrix::Sparse;
use crate::neighbour::EaseOptions;
use crate::placement::Catalogue;

/// Hyperparameters of a model. `docs/measurements/ranking.md` has the measurements behind them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Hyperparameters of the interaction factors.
    pub factors: FactorOptions,
    /// Hyperparameters of EASE.
    pub ease: EaseOptions,
    /// Ridge penalty of the map from descriptions to factors.
    pub ridge_penalty: f64,
    /// Known products that represent an unmet one.
    pub neighbours: usize,
    /// Users who must have met a product for it to be represented half by itself and half by its
    /// description.
    pub prior_users: f64,
    /// Shares of the members for products that somebody has met.
    pub known: Shares,
    /// Shares of the members for products that nobody has met.
    pub new: Shares,
    /// How the products nearest to a history are found.
    pub nearest: Nearest,
    /// Limit on products with learned interactions; the most engaged ones are taken.
    pub max_products: usize,
}

/// How much recent actions and recent trend count among the products nearest to a history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// How much more what goes with recent actions counts than EASE does in the ensemble.
    pub fresh: f64,
    /// Trend boost of a score: `1 + trend` times for the most wanted product of the last
    /// fortnight, less for others in proportion to the logarithms.
    pub trend: f64,
}

/// Shares of the members of the ensemble, each of whose scores have first been brought to one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Of EASE.
    pub ease: f64,
    /// Of the factors.
    pub factors: f64,
    /// Of similar names.
    pub names: f64,
    /// Of what was wanted lately.
    pub trend: f64,
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ease, factors, names, trend } = self;
        write!(f, "EASE {ease}, factors {factors}, names {names}, trend {trend}")
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times EASE, trend {}", self.fresh, self.trend)
    }
}

impl Shares {
    /// The shares in the order of the members.
    pub(crate) fn members(self) -> [f64; 4] {
        [self.ease, self.factors, self.names, self.trend]
    }
}

/// Bytes of a trained product beside its co-occurrences: rows of 64 numbers in six matrices, and
/// what goes with it.
const PRODUCT_BYTES: usize = 10_240;
/// Fewest products that a budget is read as.
const LEAST_PRODUCTS: usize = 500;

impl Recipe {
    /// As many products as fit in `bytes` of memory: half of it is the square of co-occurrences of
    /// those that EASE starts from, half what is known of each product.
    #[must_use]
    pub fn within(self, bytes: usize) -> Self {
        let sources = (bytes / 2 / size_of::<f32>()).isqrt().max(LEAST_PRODUCTS);
        let max_products = (bytes / 2 / PRODUCT_BYTES).max(LEAST_PRODUCTS);
        Self { ease: EaseOptions { sources: sources.min(max_products), ..self.ease }, max_products, ..self }
    }
}

/// Memory that training may take by default.
pub const MEMORY_BYTES: usize = 1 << 30;

impl Default for Recipe {
    fn default() -> Self {
        Self {
            factors: FactorOptions::default(),
            ease: EaseOptions::default(),
            ridge_penalty: 1.0,
            neighbours: 100,
            prior_users: 10.0,
            known: Shares { ease: 2.0, factors: 0.5, names: 0.5, trend: 0.6 },
            new: Shares { ease: 1.0, factors: 1.0, names: 0.7, trend: 0.3 },
            nearest: Nearest { fresh: 2.0, trend: 4.0 },
            max_products: 0,
        }
        .within(MEMORY_BYTES)
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
