//! Placement of products among the trained ones: represents each by itself, by similar products, or
//! by both.

use std::collections::BTreeMap;

use crate::matrix::{Dense, Sparse, add_scaled, product};
use crate::neighbour;

/// A snapshot of the catalogue; products are identified by place.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    /// The products' distinct ids.
    pub ids: &'a [u64],
    /// A description of each product, of length 1 or empty.
    pub descriptions: &'a Sparse,
    /// The same without prices.
    pub names: &'a Sparse,
    /// Everybody's actions on each product in the last thirty days.
    pub month: &'a [f64],
    /// As [`Self::month`], for the last fourteen days.
    pub fortnight: &'a [f64],
}

impl Catalogue<'_> {
    /// The rows of `all` at `places`; an empty row for a missing product.
    pub(crate) fn rows(all: &Sparse, places: &[Option<usize>]) -> Sparse {
        let mut rows = Sparse::new(all.width());
        for place in places {
            rows.push(place.iter().flat_map(|place| all.row(*place)));
        }
        rows
    }
}

/// ln(1 + actions on the product at a place); 0 for a missing product.
pub(crate) fn trend(done: &[f64], place: Option<usize>) -> f64 {
    place.and_then(|place| done.get(place)).copied().unwrap_or(0.0).max(0.0).ln_1p()
}

/// Knowledge about the trained products, one entry per row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Its place in the catalogue; `None` if it is gone.
    pub(crate) places: &'a [Option<usize>],
    /// Number of users who had met it.
    pub(crate) met: &'a [f64],
    /// Its factors.
    pub(crate) factors: &'a Dense,
    /// Dual coefficients of the map from descriptions to factors, from [`neighbour::ridge_duals`].
    pub(crate) duals: &'a Dense,
}

/// Hyperparameters of placement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Known products that represent an unmet one.
    pub(crate) neighbours: usize,
    /// Users who must have met a product for it to be represented half by itself and half by its
    /// description.
    pub(crate) prior_users: f64,
}

/// The ensemble's user side by representation of products; a column per dimension.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    /// A row per trained product, for EASE.
    pub(crate) ease: Dense,
    /// A row per factor.
    pub(crate) factors: Dense,
    /// A row per trained product, for name similarity.
    pub(crate) names: Dense,
    /// A single row, for the trend.
    pub(crate) trend: Dense,
}

impl Sides {
    /// All four parts, for uniform changes.
    pub(crate) fn parts_mut(&mut self) -> [&mut Dense; 4] {
        [&mut self.ease, &mut self.factors, &mut self.names, &mut self.trend]
    }
}

/// Board products in terms of the trained ones, a row each.
#[derive(Clone)]
pub(crate) struct Placement {
    /// Its representatives in EASE: itself and similarly described products.
    pub(crate) stands_for: Sparse,
    pub(crate) factors: Dense,
    /// Names of the trained products, and of the board's.
    pub(crate) known_names: Sparse,
    pub(crate) names: Sparse,
    /// Log of everybody's recent actions on its representatives.
    pub(crate) trend: Dense,
    /// Whether it is a trained product, so that somebody had met it.
    pub(crate) is_met: Vec<bool>,
}

impl Placement {
    /// Places the products of `board`.
    pub(crate) fn of(known: &Known<'_>, catalogue: &Catalogue<'_>, board: &[usize], manner: Manner) -> Self {
        let board_places: Vec<Option<usize>> = board.iter().copied().map(Some).collect();
        let rows: BTreeMap<usize, usize> =
            known.places.iter().enumerate().filter_map(|(row, place)| Some(((*place)?, row))).collect();
        let trained = Catalogue::rows(catalogue.descriptions, known.places);
        let described = Catalogue::rows(catalogue.descriptions, &board_places);
        let (trained, described) = trained.narrowed_with(&described);
        let mut factors = neighbour::ridge_map(&trained, known.duals, &described);
        let alike = neighbour::alike(&described, &trained, manner.neighbours);
        let mut stands_for = Sparse::new(known.places.len());
        let mut is_met = Vec::with_capacity(board.len());
        for (at, place) in board.iter().enumerate() {
            let own = rows.get(place).copied();
            is_met.push(own.is_some());
            // With few users its description dominates; each further user gives more weight to the
            // product itself.
            let own_share = own.map_or(0.0, |own| known.met[own] / (known.met[own] + manner.prior_users));
            let mut parts: BTreeMap<usize, f64> =
                alike.row(at).map(|(row, share)| (row, share * (1.0 - own_share))).collect();
            let factors_of = factors.row_mut(at);
            for value in factors_of.iter_mut() {
                *value *= 1.0 - own_share;
            }
            if let Some(own) = own {
                *parts.entry(own).or_insert(0.0) += own_share;
                add_scaled(factors_of, own_share, known.factors.row(own));
            }
            stands_for.push(parts);
        }
        let mut lately = Dense::zeros(known.places.len(), 1);
        lately.rows_mut().zip(known.places).for_each(|(row, place)| row[0] = trend(catalogue.month, *place));
        let names = Catalogue::rows(catalogue.names, &board_places);
        let (known_names, names) = Catalogue::rows(catalogue.names, known.places).narrowed_with(&names);
        Self { trend: stands_for.times(&lately), stands_for, factors, known_names, names, is_met }
    }

    /// Square roots of weights by which met and unmet products each have half of the total.
    pub(crate) fn halves(&self) -> Vec<f64> {
        let of_kind = |is_met: bool| self.is_met.iter().filter(|met| **met == is_met).count().max(1) as f64;
        let counts = [of_kind(false), of_kind(true)];
        self.is_met.iter().map(|met| (1.0 / counts[usize::from(*met)]).sqrt()).collect()
    }

    /// Gives each member of the ensemble its share of a product's scores: those of `new` products,
    /// or those of `known` ones.
    pub(crate) fn share(&mut self, [new, known]: &[[f64; 4]; 2]) {
        let [ease, factors, names, trend] = std::array::from_fn(|member| {
            let share = |is_met: &bool| if *is_met { known[member] } else { new[member] };
            self.is_met.iter().map(share).collect::<Vec<f64>>()
        });
        self.stands_for.scale_rows(&ease);
        self.factors.scale_rows(&factors);
        self.names.scale_rows(&names);
        self.trend.scale_rows(&trend);
    }

    /// Each product's vector: the sum over all sides.
    pub(crate) fn times(&self, sides: &Sides) -> Dense {
        let mut sum = self.stands_for.times(&sides.ease);
        sum.add(1.0, &product(self.factors.view(), sides.factors.view()));
        sum.add(1.0, &self.names.times(&self.known_names.transposed_times(&sides.names)));
        sum.add(1.0, &product(self.trend.view(), sides.trend.view()));
        sum
    }
}
