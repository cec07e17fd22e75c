//! What training leaves: with it anybody is folded in and any product placed, also on later days, without training again.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::factor::Factors;
use crate::lesson::{Lessons, Recipe};
use crate::matrix::{Dense, Sparse, add_scaled, dot, product};
use crate::neighbour;
use crate::placement::{Catalogue, Known, Manner, Placement, Sides};
use crate::teacher::Teacher;
use crate::vector::{DIMS, FloatVector, SPREAD, largest};

/// Weights of EASE that are kept for what goes with a product, on whatever board it is looked for.
const STRONGEST: usize = 256;

/// What training leaves. It names products by their ids, and so holds for catalogues and boards of other days.
#[derive(Clone, Debug)]
pub struct Trained {
    pub(crate) recipe: Recipe,
    /// Ids of the products trained on; rows are in their order.
    pub(crate) ids: Vec<u64>,
    /// Users that it was trained on.
    pub(crate) users: usize,
    /// How many of them had met each.
    pub(crate) met: Vec<f64>,
    /// The mean weight of a training entry, which makes weights about 1.
    pub(crate) unit: f64,
    /// What each product of a history adds to a user by its strength, and by its sum.
    pub(crate) history: Dense,
    pub(crate) likeness: Dense,
    /// What everyone has.
    pub(crate) bias: FloatVector,
    pub(crate) factors: Factors,
    /// What each factor adds to a user.
    pub(crate) map: Dense,
    /// The map from descriptions to factors.
    pub(crate) duals: Dense,
    /// What makes the vectors of products.
    pub(crate) sides: Sides,
    /// What those are multiplied by so that all but a fiftieth of the board fit whole.
    pub(crate) scale: f64,
    /// How the board's values vary together, which gives the spread of a user's scores.
    pub(crate) covariance: Dense,
    /// What a user of spread 1 is multiplied by.
    pub(crate) gain: f64,
    /// By product, those that it speaks for most.
    pub(crate) strongest: Vec<Vec<(usize, f64)>>,
}

impl Trained {
    /// Trains for the products at the places `board`. The same input gives the same on however many threads. Answers with the board's vectors besides.
    pub(crate) fn train(lessons: &Lessons<'_>, board: &[usize], recipe: &Recipe) -> (Self, Dense) {
        let users = lessons.strengths;
        let places = most_engaged(users, recipe.max_products);
        let mut row_of = vec![None; users.width()];
        places.iter().enumerate().for_each(|(row, place)| row_of[*place] = Some(row));
        let count = users.values().len().max(1) as f64;
        let unit = users.values().iter().map(|weight| weight.abs()).sum::<f64>() / count;
        let unit = if unit > 0.0 { unit } else { 1.0 };
        let of_trained = |users: &Sparse| {
            let mut rows = Sparse::new(places.len());
            for user in 0..users.len() {
                rows.push(users.row(user).filter_map(|(place, weight)| Some((row_of[place]?, weight / unit))));
            }
            rows
        };
        let (users, sums) = (of_trained(users), of_trained(lessons.sums));
        let factors = Factors::fit(&users, recipe.factors);
        let ease = neighbour::ease(&users, recipe.ease_penalty);
        let (mut engaged, mut met) = (vec![0.0_f64; places.len()], vec![0.0_f64; places.len()]);
        for user in 0..users.len() {
            for (product, weight) in users.row(user) {
                engaged[product] += weight.abs();
                met[product] += 1.0;
            }
        }
        let counts: Vec<f64> = engaged.iter().map(|sum| sum.ln_1p()).collect();
        let catalogue = &lessons.catalogue;
        let known: Vec<Option<usize>> = places.iter().copied().map(Some).collect();
        let described = Catalogue::rows(catalogue.descriptions, &known);
        let duals = neighbour::ridge_duals(&described, &factors.products, &counts, recipe.ridge_penalty);
        let known = Known { places: &known, met: &met, factors: &factors.products, duals: &duals };
        let placement = Placement::of(&known, catalogue, board, recipe.manner());
        let teacher = Teacher::new([&users, &sums], ease.as_ref(), &factors, &placement, recipe.shares);
        let distilled = teacher.distil();
        let mut vectors = placement.times(&distilled.sides);
        let scale = whole(&vectors);
        vectors.values.iter_mut().for_each(|value| *value *= scale);
        let covariance = covariance(&vectors, &teacher.weights);
        let strongest = ease.as_ref().map_or_else(Vec::new, strongest);
        let mut trained = Self {
            recipe: *recipe,
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
            scale,
            covariance,
            gain: 0.0,
            strongest,
        };
        trained.set_gain(&users, &sums);
        (trained, vectors)
    }

    /// The products trained on.
    pub fn products(&self) -> usize {
        self.ids.len()
    }

    /// Users that it was trained on.
    pub fn users(&self) -> usize {
        self.users
    }

    /// What it was trained with.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Where the products trained on are in a catalogue, by row; `None` for those that it no longer has.
    pub(crate) fn places(&self, catalogue: &Catalogue<'_>) -> Vec<Option<usize>> {
        let places: HashMap<u64, usize> = catalogue.ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        self.ids.iter().map(|id| places.get(id).copied()).collect()
    }

    /// The vectors of the products at the places `board`, a row each, before rounding. `places` are where those trained on are now.
    pub(crate) fn vectors(&self, places: &[Option<usize>], catalogue: &Catalogue<'_>, board: &[usize]) -> Dense {
        let known = Known { places, met: &self.met, factors: &self.factors.products, duals: &self.duals };
        let mut vectors = Placement::of(&known, catalogue, board, self.recipe.manner()).times(&self.sides);
        vectors.values.iter_mut().for_each(|value| *value *= self.scale);
        vectors
    }

    /// The largest gain up to [`SPREAD`] at which 19 of 20 users fit whole.
    fn set_gain(&mut self, users: &Sparse, sums: &Sparse) {
        let mut most: Vec<f64> = (0..users.len())
            .into_par_iter()
            .filter_map(|user| {
                self.unit_vector(&users.row(user).collect::<Vec<_>>(), &sums.row(user).collect::<Vec<_>>())
            })
            .map(|vector| largest(&vector))
            .collect();
        most.sort_by(f64::total_cmp);
        let most = most.get(most.len().saturating_sub(1) * 95 / 100).copied().unwrap_or(0.0);
        self.gain = if most > 0.0 { SPREAD.min(127.0 / most) } else { 0.0 };
    }

    /// The vector of a user from weights in [units](Self::unit) by row, such that the scores of the board spread by 1. `None` where the
    /// history says nothing.
    pub(crate) fn unit_vector(&self, strengths: &[(usize, f64)], sums: &[(usize, f64)]) -> Option<FloatVector> {
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
        let varied: f64 = (0..DIMS).map(|dim| vector[dim] * dot(self.covariance.row(dim), &vector)).sum();
        let spread = varied.max(0.0).sqrt();
        (spread > 1e-9 && spread.is_finite()).then(|| vector.map(|value| value / spread))
    }
}

impl Recipe {
    fn manner(&self) -> Manner {
        Manner { neighbours: self.neighbours, prior_users: self.prior_users }
    }
}

/// What vectors are multiplied by so that all but a fiftieth fit into bytes whole.
fn whole(vectors: &Dense) -> f64 {
    let mut most: Vec<f64> = (0..vectors.len()).map(|at| largest(vectors.row(at))).collect();
    most.sort_by(f64::total_cmp);
    let full = most.get(most.len().saturating_sub(1) * 98 / 100).copied().unwrap_or(0.0);
    if full > 0.0 { 127.0 / full } else { 0.0 }
}

/// The [`STRONGEST`] weights above 0 of each row, in the order of columns.
fn strongest(ease: &Dense) -> Vec<Vec<(usize, f64)>> {
    let row = |at: usize| {
        let mut weights: Vec<(usize, f64)> =
            ease.row(at).iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        weights.truncate(STRONGEST);
        weights.sort_by_key(|(column, _)| *column);
        weights
    };
    (0..ease.len()).map(row).collect()
}

/// The places with the largest sums of weights, ascending.
fn most_engaged(users: &Sparse, limit: usize) -> Vec<usize> {
    let mut sums = vec![0.0; users.width()];
    for user in 0..users.len() {
        for (product, weight) in users.row(user) {
            sums[product] += weight.abs();
        }
    }
    let mut products: Vec<(usize, f64)> = sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0.0).collect();
    products.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    products.truncate(limit);
    let mut products: Vec<usize> = products.into_iter().map(|(product, _)| product).collect();
    products.sort_unstable();
    products
}

/// The weighted covariance of rows.
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
