//! What a model is trained with, and on.

use crate::factor::FactorOptions;
use crate::matrix::Sparse;
use crate::placement::Catalogue;

/// What a model is trained with. Changes of what `docs/measurements/ranking.md` measured begin here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The factors of interactions.
    pub factors: FactorOptions,
    /// The penalty of EASE, in means of a product's squared weights.
    pub ease_penalty: f64,
    /// The penalty of the map from descriptions to factors.
    pub ridge_penalty: f64,
    /// Products that stand in for one that nobody has met.
    pub neighbours: usize,
    /// Users who must have met a product for it to be half itself and half what its description makes of it.
    pub prior_users: f64,
    /// How much EASE, the factors, the plain likeness of names and the trend count.
    pub shares: [f64; 4],
    /// The most products that interactions are learned of; the most engaged ones are taken.
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

/// What a user did with products of the catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// How strongly each product is known to be liked: the tenth purchase says less than the first.
    pub strengths: Vec<(usize, f64)>,
    /// How much was done with each, all of it.
    pub sums: Vec<(usize, f64)>,
    /// The strengths with a shorter memory: what goes with what was done lately is nearer.
    pub fresh: Vec<(usize, f64)>,
}

/// What a model is trained on: users in the same order in both, rows of weights over the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Lessons<'a> {
    /// [`History::strengths`] of users.
    pub strengths: &'a Sparse,
    /// [`History::sums`] of users.
    pub sums: &'a Sparse,
    /// The products that columns are.
    pub catalogue: Catalogue<'a>,
}
