//! The members of the ensemble, fitted to what users did.

use crate::factor::Factors;
use crate::lesson::{Lessons, Recipe};
use crate::matrix::{Dense, Sparse};
use crate::neighbour;
use crate::placement::{Catalogue, Known, Placement};

/// What the members learned.
#[derive(Clone)]
pub(crate) struct Members {
    /// Places of the trained products in the catalogue, ascending, in row order.
    pub(crate) places: Vec<usize>,
    /// Mean absolute weight of a training entry; weights are divided by it to be about 1.
    pub(crate) unit: f64,
    /// Users by trained products: strengths and sums, in units.
    pub(crate) users: Sparse,
    pub(crate) sums: Sparse,
    pub(crate) factors: Factors,
    /// EASE weights: a row for each predicted product.
    pub(crate) ease: Sparse,
    /// Number of users who had met each product.
    pub(crate) met: Vec<f64>,
    /// Dual coefficients of the map from descriptions to factors.
    pub(crate) duals: Dense,
}

impl Members {
    /// Fits the members. The result does not depend on the number of threads.
    pub(crate) fn fit(lessons: &Lessons<'_>, recipe: &Recipe) -> Self {
        let users = lessons.strengths;
        let places = recipe.products(users);
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
        let ease = neighbour::ease(&users, recipe.ease);
        let (mut engaged, mut met) = (vec![0.0_f64; places.len()], vec![0.0_f64; places.len()]);
        for user in 0..users.len() {
            for (product, weight) in users.row(user) {
                engaged[product] += weight.abs();
                met[product] += 1.0;
            }
        }
        let counts: Vec<f64> = engaged.iter().map(|sum| sum.ln_1p()).collect();
        let known: Vec<Option<usize>> = places.iter().copied().map(Some).collect();
        let described = Catalogue::rows(lessons.catalogue.descriptions, &known);
        let duals = neighbour::ridge_duals(&described, &factors.products, &counts, recipe.ridge_penalty);
        Self { places, unit, users, sums, factors, ease, met, duals }
    }

    /// The products of `board` in terms of the trained ones.
    pub(crate) fn placement(&self, catalogue: &Catalogue<'_>, board: &[usize], recipe: &Recipe) -> Placement {
        let places: Vec<Option<usize>> = self.places.iter().copied().map(Some).collect();
        let Self { met, factors, duals, .. } = self;
        Placement::of(
            &Known { places: &places, met, factors: &factors.products, duals },
            catalogue,
            board,
            recipe.manner(),
        )
    }
}
