//! The result of training: folds in any user and places any product, also on later days, without
//! retraining.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::factor::Factors;
use crate::lesson::{Lessons, Recipe};
use crate::matrix::{Dense, Sparse, add_scaled, dot, product};
use crate::members::Members;
use crate::placement::{Catalogue, Known, Manner, Placement, Sides};
use crate::teacher::Teacher;
use crate::tuned::Tuned;
use crate::vector::{DIMS, FloatVector, SPREAD, full, largest};

/// EASE weights kept per product, to find its companions on any board.
const STRONGEST: usize = 256;

/// The result of training. It identifies products by id, so it applies to catalogues and boards of
/// other days.
#[derive(Clone, Debug)]
pub struct Trained {
    /// What it was trained with, and how that was chosen.
    pub(crate) tuned: Tuned,
    /// Ids of the trained products, in row order.
    pub(crate) ids: Vec<u64>,
    /// Number of users in the training.
    pub(crate) users: usize,
    /// Number of users who had met each product.
    pub(crate) met: Vec<f64>,
    /// Mean absolute weight of a training entry; weights are divided by it to be about 1.
    pub(crate) unit: f64,
    /// Contribution of each product to a user, per unit of strength and per unit of sum.
    pub(crate) history: Dense,
    pub(crate) likeness: Dense,
    /// The part common to all users.
    pub(crate) bias: FloatVector,
    pub(crate) factors: Factors,
    /// Contribution of each factor to a user.
    pub(crate) map: Dense,
    /// Dual coefficients of the map from descriptions to factors.
    pub(crate) duals: Dense,
    /// The user side from which product vectors are made.
    pub(crate) sides: Sides,
    /// What the members' scores of new and of known products are multiplied by.
    pub(crate) shares: [[f64; 4]; 2],
    /// Factor on product vectors, such that those of the board [fit](full) into bytes.
    pub(crate) scale: f64,
    /// Covariance of the board's vectors, for the spread of a user's scores.
    pub(crate) covariance: Dense,
    /// Factor on a user vector of spread 1.
    pub(crate) gain: f64,
    /// The strongest EASE weights of each product.
    pub(crate) strongest: Vec<Vec<(usize, f64)>>,
}

impl Trained {
    /// Trains for the products at the places `board`; also returns the board's vectors. The result
    /// does not depend on the number of threads.
    pub(crate) fn train(lessons: &Lessons<'_>, board: &[usize], tuned: &Tuned) -> (Self, Dense) {
        let recipe = &tuned.recipe;
        let members = Members::fit(lessons, recipe);
        let placement = members.placement(&lessons.catalogue, board, recipe);
        let (teacher, shares) = Teacher::new(&members, placement, [recipe.new, recipe.known]);
        let distilled = teacher.distil();
        let mut vectors = teacher.board.times(&distilled.sides);
        let scale = full((0..vectors.len()).map(|at| largest(vectors.row(at))).collect());
        vectors.values.iter_mut().for_each(|value| *value *= scale);
        let covariance = covariance(&vectors, &teacher.board.halves());
        let strongest = strongest(&teacher.from);
        drop(teacher);
        let Members { places, unit, users, sums, factors, met, duals, .. } = members;
        let catalogue = &lessons.catalogue;
        let mut trained = Self {
            tuned: tuned.clone(),
            ids: places.iter().filter_map(|place| catalogue.ids.get(*place).copied()).collect(),
            users: users.len(),
            met,
            unit,
            history: distilled.history,
            likeness: distilled.likeness,
            bias: distilled.bias,
            factors,
            map: distilled.map,
            duals,
            sides: distilled.sides,
            shares,
            scale,
            covariance,
            gain: 0.0,
            strongest,
        };
        trained.set_gain(&users, &sums);
        (trained, vectors)
    }

    /// Ids of the trained products.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Number of trained products.
    pub fn products(&self) -> usize {
        self.ids.len()
    }

    /// Number of users in the training.
    pub fn users(&self) -> usize {
        self.users
    }

    /// What it was trained with, and how that was chosen.
    pub fn tuned(&self) -> &Tuned {
        &self.tuned
    }

    /// The trained products' places in a catalogue, by row; `None` for a missing product.
    pub(crate) fn places(&self, catalogue: &Catalogue<'_>) -> Vec<Option<usize>> {
        let places: HashMap<u64, usize> = catalogue.ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        self.ids.iter().map(|id| places.get(id).copied()).collect()
    }

    /// Vectors before rounding of the products at the places `board`, a row each. `places` are the
    /// current places of the trained products.
    pub(crate) fn vectors(&self, places: &[Option<usize>], catalogue: &Catalogue<'_>, board: &[usize]) -> Dense {
        let known = Known { places, met: &self.met, factors: &self.factors.products, duals: &self.duals };
        let mut placement = Placement::of(&known, catalogue, board, self.tuned.recipe.manner());
        placement.share(&self.shares);
        let mut vectors = placement.times(&self.sides);
        vectors.values.iter_mut().for_each(|value| *value *= self.scale);
        vectors
    }

    /// Sets the largest gain up to [`SPREAD`] at which 19 of 20 users fit into bytes unclipped.
    fn set_gain(&mut self, users: &Sparse, sums: &Sparse) {
        let mut most: Vec<f64> = (0..users.len())
            .into_par_iter()
            .filter_map(|user| {
                let rows = [users, sums].map(|rows| rows.row(user).collect::<Vec<_>>());
                self.unit_spread(&self.vector(&rows[0], &rows[1])?)
            })
            .map(|vector| largest(&vector))
            .collect();
        most.sort_by(f64::total_cmp);
        let most = most.get(most.len().saturating_sub(1) * 95 / 100).copied().unwrap_or(0.0);
        self.gain = if most > 0.0 { SPREAD.min(127.0 / most) } else { 0.0 };
    }

    /// A vector scaled so that its scores over the board have spread 1; `None` if they have none.
    pub(crate) fn unit_spread(&self, vector: &FloatVector) -> Option<FloatVector> {
        let varied: f64 = (0..DIMS).map(|dim| vector[dim] * dot(self.covariance.row(dim), vector)).sum();
        let spread = varied.max(0.0).sqrt();
        (spread > 1e-9 && spread.is_finite()).then(|| vector.map(|value| value / spread))
    }

    /// A user's vector from weights in [units](Self::unit) by row: its inner products with the
    /// products' vectors, divided by [`Self::scale`], are the ensemble's scores. `None` if the
    /// history is empty.
    pub(crate) fn vector(&self, strengths: &[(usize, f64)], sums: &[(usize, f64)]) -> Option<FloatVector> {
        if strengths.is_empty() {
            return None;
        }
        let mut vector = self.bias;
        for (at, weight) in strengths {
            add_scaled(&mut vector, *weight, self.history.row(*at));
        }
        for (at, weight) in sums {
            add_scaled(&mut vector, *weight, self.likeness.row(*at));
        }
        for (factor, value) in self.factors.solve(strengths.iter().copied()).into_iter().enumerate() {
            add_scaled(&mut vector, value, self.map.row(factor));
        }
        Some(vector)
    }
}

impl Recipe {
    /// The products to train on, by place, ascending: of those that `users` have met, as many of
    /// the most engaged as the recipe has room for.
    pub fn products(&self, users: &Sparse) -> Vec<usize> {
        let mut sums = vec![0.0; users.width()];
        for user in 0..users.len() {
            for (product, weight) in users.row(user) {
                sums[product] += weight.abs();
            }
        }
        let mut products: Vec<(usize, f64)> = sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0.0).collect();
        products.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        products.truncate(self.max_products);
        let mut products: Vec<usize> = products.into_iter().map(|(product, _)| product).collect();
        products.sort_unstable();
        products
    }

    pub(crate) fn manner(&self) -> Manner {
        Manner { neighbours: self.neighbours, prior_users: self.prior_users }
    }
}

/// The [`STRONGEST`] largest positive weights of each row, in column order.
fn strongest(ease: &Sparse) -> Vec<Vec<(usize, f64)>> {
    let row = |at: usize| {
        let mut weights: Vec<(usize, f64)> = ease.row(at).filter(|(_, weight)| *weight > 0.0).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        weights.truncate(STRONGEST);
        weights.sort_by_key(|(column, _)| *column);
        weights
    };
    (0..ease.len()).map(row).collect()
}

/// The covariance of rows, each with the square of its weight.
fn covariance(rows: &Dense, weights: &[f64]) -> Dense {
    let mut mean = vec![0.0; rows.width];
    let total: f64 = weights.iter().map(|weight| weight * weight).sum();
    let total = if total > 0.0 { total } else { 1.0 };
    for (at, weight) in weights.iter().enumerate() {
        add_scaled(&mut mean, weight * weight / total, rows.row(at));
    }
    let mut centred = rows.clone();
    for (row, weight) in centred.rows_mut().zip(weights) {
        add_scaled(row, -1.0, &mean);
        for value in row.iter_mut() {
            *value *= weight / total.sqrt();
        }
    }
    product(centred.view().transpose(), centred.view())
}
