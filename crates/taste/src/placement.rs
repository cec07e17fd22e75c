//! Where a product stands among those that were trained on: what stands for it, also where nobody has met it yet.

use std::collections::BTreeMap;

use crate::matrix::{Dense, Sparse, add_scaled, product};
use crate::neighbour;

/// A catalogue as it is known at the moment, each product by its place.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    /// The products' ids, each once.
    pub ids: &'a [u64],
    /// A description of each, of length 1 or empty.
    pub descriptions: &'a Sparse,
    /// The same by names alone.
    pub names: &'a Sparse,
    /// How often something was done with each in the last thirty days, and in the last fourteen, by everybody.
    pub month: &'a [f64],
    /// See [`Self::month`].
    pub fortnight: &'a [f64],
}

impl Catalogue<'_> {
    /// The rows of `all` at `places`; an empty one for a product that is no longer known.
    pub(crate) fn rows(all: &Sparse, places: &[Option<usize>]) -> Sparse {
        let mut rows = Sparse::new(all.width());
        for place in places {
            rows.push(place.iter().flat_map(|place| all.row(*place)));
        }
        rows
    }
}

/// ln(1 + what was done with the product at a place); 0 for one that is no longer known.
pub(crate) fn trend(done: &[f64], place: Option<usize>) -> f64 {
    place.and_then(|place| done.get(place)).copied().unwrap_or(0.0).max(0.0).ln_1p()
}

/// What is known of each product that was trained on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Its place in the catalogue, where it still has one.
    pub(crate) places: &'a [Option<usize>],
    /// How many users had met it.
    pub(crate) met: &'a [f64],
    /// Its factors.
    pub(crate) factors: &'a Dense,
    /// What the map from descriptions to factors is made of, by [`neighbour::ridge_duals`].
    pub(crate) duals: &'a Dense,
}

/// How what was not met yet is placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Products that stand in for one that nobody has met.
    pub(crate) neighbours: usize,
    /// Users who must have met a product for it to be half itself and half what its description makes of it.
    pub(crate) prior_users: f64,
}

/// Users' side of an ensemble, put together by what a product is known by: a column for each dimension.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    /// A row for each product trained on, as EASE has it.
    pub(crate) ease: Dense,
    /// A row for each factor.
    pub(crate) factors: Dense,
    /// A row for each product trained on, by its name.
    pub(crate) names: Dense,
    /// One row.
    pub(crate) trend: Dense,
}

impl Sides {
    /// The four, to be changed alike.
    pub(crate) fn parts_mut(&mut self) -> [&mut Dense; 4] {
        [&mut self.ease, &mut self.factors, &mut self.names, &mut self.trend]
    }
}

/// Products of a board among those trained on, a row each.
pub(crate) struct Placement {
    /// What stands for it in EASE: itself, or those described alike.
    pub(crate) stands_for: Sparse,
    pub(crate) factors: Dense,
    /// Names of what was trained on, and of the board.
    pub(crate) known_names: Sparse,
    pub(crate) names: Sparse,
    /// How much it, or what is described like it, was wanted lately, by everybody.
    pub(crate) trend: Dense,
    /// Whether anybody had met it.
    pub(crate) is_met: Vec<bool>,
}

impl Placement {
    /// Places the products at `board`.
    pub(crate) fn of(known: &Known<'_>, catalogue: &Catalogue<'_>, board: &[usize], manner: Manner) -> Self {
        let board_places: Vec<Option<usize>> = board.iter().copied().map(Some).collect();
        let rows: BTreeMap<usize, usize> =
            known.places.iter().enumerate().filter_map(|(row, place)| Some(((*place)?, row))).collect();
        let trained = Catalogue::rows(catalogue.descriptions, known.places);
        let described = Catalogue::rows(catalogue.descriptions, &board_places);
        let mut factors = neighbour::ridge_map(&trained, known.duals, &described);
        let alike = neighbour::alike(&described, &trained, manner.neighbours);
        let mut stands_for = Sparse::new(known.places.len());
        let mut is_met = Vec::with_capacity(board.len());
        for (at, place) in board.iter().enumerate() {
            let own = rows.get(place).copied();
            is_met.push(own.is_some());
            // Few have met it: it goes on being what its description makes of it, and becomes itself with each who does.
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
        Self {
            trend: stands_for.times(&lately),
            stands_for,
            factors,
            known_names: Catalogue::rows(catalogue.names, known.places),
            names: Catalogue::rows(catalogue.names, &board_places),
            is_met,
        }
    }

    /// What all sides come to for each product.
    pub(crate) fn times(&self, sides: &Sides) -> Dense {
        let mut sum = self.stands_for.times(&sides.ease);
        sum.add(1.0, &product(self.factors.view(), sides.factors.view()));
        sum.add(1.0, &self.names.times(&self.known_names.transposed_times(&sides.names)));
        sum.add(1.0, &product(self.trend.view(), sides.trend.view()));
        sum
    }
}
