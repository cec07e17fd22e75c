//! The teacher: an ensemble of predictors from which a model is distilled. Its scores of every user
//! for every board product are never written out.

use faer::Side;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::factor::Factors;
use crate::matrix::{Dense, Sparse, add_scaled, product};
use crate::placement::{Placement, Sides};
use crate::vector::{DIMS, FloatVector};

/// Extra dimensions in the search for the best [`DIMS`].
const SPARE_DIMS: usize = 16;
/// Iterations of that search.
const SEARCH_ROUNDS: usize = 4;

/// The ensemble.
pub(crate) struct Teacher<'a> {
    /// Users by trained products: strengths, and sums.
    users: &'a Sparse,
    sums: &'a Sparse,
    /// The users' factors.
    solved: Dense,
    ease: Option<&'a Dense>,
    board: &'a Placement,
    /// Square roots of the board products' weights. Met and unmet products each have half of the
    /// total weight.
    pub(crate) weights: Vec<f64>,
    /// Factor on each member's scores.
    shares: [f64; 4],
}

/// Result of distilling the ensemble.
pub(crate) struct Distilled {
    /// Contribution of each trained product to a user, per unit of strength and per unit of sum.
    pub(crate) history: Dense,
    pub(crate) likeness: Dense,
    /// The part common to all users.
    pub(crate) bias: FloatVector,
    /// Contribution of each factor to a user.
    pub(crate) map: Dense,
    /// The user side from which [`Placement::times`] makes product vectors.
    pub(crate) sides: Sides,
}

impl<'a> Teacher<'a> {
    /// Builds the members, weighted by `shares`: EASE, factors, name similarity and trend.
    pub(crate) fn new(
        [users, sums]: [&'a Sparse; 2],
        ease: Option<&'a Dense>,
        factors: &Factors,
        board: &'a Placement,
        shares: [f64; 4],
    ) -> Self {
        let of_kind = |is_met: bool| board.is_met.iter().filter(|met| **met == is_met).count().max(1) as f64;
        let weights = board.is_met.iter().map(|met| (1.0 / of_kind(*met)).sqrt()).collect();
        let solved = factors.solve_all(users);
        let mut teacher = Self { users, sums, solved, ease, board, weights, shares: [1.0; 4] };
        teacher.balance(shares);
        teacher
    }

    /// Scales the members' scores to one size, measured with random probes, before adding them.
    fn balance(&mut self, shares: [f64; 4]) {
        let probe = self.probe(SPARE_DIMS);
        for (at, scores) in self.members(&probe).iter().enumerate() {
            let size = scores.squares().sqrt();
            self.shares[at] = if size > 0.0 { shares[at] / size } else { 0.0 };
        }
    }

    fn probe(&self, width: usize) -> Dense {
        let mut rng = ChaCha8Rng::seed_from_u64(0x00d1_5711);
        let mut probe = Dense::zeros(self.weights.len(), width);
        for value in &mut probe.values {
            *value = rng.random_range(-1.0..1.0);
        }
        probe
    }

    /// Multiplies each row by its product's weight.
    fn weighted(&self, rows: &Dense) -> Dense {
        let mut rows = rows.clone();
        for (row, weight) in rows.rows_mut().zip(&self.weights) {
            for value in row.iter_mut() {
                *value *= weight;
            }
        }
        rows
    }

    /// Contribution of each product in a history to weighted sums over the board, by EASE and by
    /// name.
    fn histories(&self, weighted: &Dense) -> [Dense; 2] {
        let stands = self.board.stands_for.transposed_times(weighted);
        let ease = match &self.ease {
            Some(ease) => product(ease.view(), stands.view()),
            None => Dense::zeros(self.users.width(), weighted.width),
        };
        [ease, self.board.known_names.times(&self.board.names.transposed_times(weighted))]
    }

    /// Each member's scores, as weighted sums over the board.
    fn members(&self, columns: &Dense) -> [Dense; 4] {
        let weighted = self.weighted(columns);
        let [ease, content] = self.histories(&weighted);
        let map = product(self.board.factors.view().transpose(), weighted.view());
        let trend = product(self.board.trend.view().transpose(), weighted.view());
        let mut alike = Dense::zeros(self.users.len(), weighted.width);
        alike.rows_mut().for_each(|row| row.copy_from_slice(trend.row(0)));
        [self.users.times(&ease), product(self.solved.view(), map.view()), self.sums.times(&content), alike]
    }

    /// The ensemble's score matrix times `columns`.
    fn times(&self, columns: &Dense) -> Dense {
        let [mut sum, factors, content, trend] = self.members(columns);
        for value in &mut sum.values {
            *value *= self.shares[0];
        }
        for (share, scores) in self.shares[1..].iter().zip([factors, content, trend]) {
            sum.add(*share, &scores);
        }
        sum
    }

    /// The transposed members times a matrix by user, each scaled by its share.
    fn sides(&self, by_user: &Dense) -> Sides {
        let histories = self.users.transposed_times(by_user);
        let ease = match &self.ease {
            Some(ease) => product(ease.view().transpose(), histories.view()),
            None => Dense::zeros(histories.len(), by_user.width),
        };
        let mut trend = Dense::zeros(1, by_user.width);
        (0..by_user.len()).for_each(|user| add_scaled(&mut trend.values, 1.0, by_user.row(user)));
        let mut sides = Sides {
            ease,
            factors: product(self.solved.view().transpose(), by_user.view()),
            names: self.sums.transposed_times(by_user),
            trend,
        };
        for (part, share) in sides.parts_mut().into_iter().zip(self.shares) {
            part.values.iter_mut().for_each(|value| *value *= share);
        }
        sides
    }

    /// Finds the best [`DIMS`] dimensions of the scores by subspace iteration: Halko, Martinsson
    /// and Tropp, "Finding structure with randomness" (2011), doi 10.1137/090771806.
    pub(crate) fn distil(&self) -> Distilled {
        let rows = self.users.width();
        let nothing = |rows: usize| Dense::zeros(rows, DIMS);
        let factors = self.board.factors.width;
        let empty = Distilled {
            history: nothing(rows),
            likeness: nothing(rows),
            bias: [0.0; DIMS],
            map: nothing(factors),
            sides: Sides { ease: nothing(rows), factors: nothing(factors), names: nothing(rows), trend: nothing(1) },
        };
        let width = (DIMS + SPARE_DIMS).min(self.weights.len()).min(self.users.len());
        if width == 0 || rows == 0 {
            return empty;
        }
        let mut basis = self.probe(width).orthonormal();
        for _ in 0..SEARCH_ROUNDS {
            let sides = self.sides(&self.times(&basis).orthonormal());
            basis = self.weighted(&self.board.times(&sides)).orthonormal();
        }
        let scores = self.times(&basis);
        let gram = product(scores.view().transpose(), scores.view());
        let Ok(eigen) = gram.view().self_adjoint_eigen(Side::Lower) else { return empty };
        let values = eigen.S().column_vector();
        let kept = DIMS.min(width);
        let mut directions = Dense::zeros(width, DIMS);
        let mut sizes = [0.0; DIMS];
        for (dim, size) in sizes.iter_mut().enumerate().take(kept) {
            // Eigenvalues are ascending.
            let from = width - 1 - dim;
            if values[from] > 1e-9 * values[width - 1] {
                *size = values[from].sqrt();
                for row in 0..width {
                    directions.row_mut(row)[dim] = eigen.U()[(row, from)];
                }
            }
        }
        // Users are T V s^-1/2, with squares that add up to s. Products are the least-squares fit
        // to the scores, T' users / s. So both sides get the same share of a dimension's size, and
        // every product with a column of scores has a vector.
        let scaled = |rows: &mut Dense, power: f64| {
            for row in rows.rows_mut() {
                for (value, size) in row.iter_mut().zip(&sizes) {
                    *value *= if *size > 0.0 { size.powf(power) } else { 0.0 };
                }
            }
        };
        let mut towards = product(basis.view(), directions.view());
        scaled(&mut towards, -0.5);
        let mut users = product(scores.view(), directions.view());
        scaled(&mut users, -0.5);
        let mut of_products = self.sides(&users);
        of_products.parts_mut().into_iter().for_each(|part| scaled(part, -1.0));
        let weighted = self.weighted(&towards);
        let [history, likeness] = self.histories(&weighted);
        let map = product(self.board.factors.view().transpose(), weighted.view());
        let trend = product(self.board.trend.view().transpose(), weighted.view());
        let bias = std::array::from_fn(|dim| self.shares[3] * trend.row(0)[dim]);
        let [history, map, likeness] = [(history, 0), (map, 1), (likeness, 2)].map(|(mut part, at)| {
            part.values.iter_mut().for_each(|value| *value *= self.shares[at]);
            part
        });
        Distilled { history, likeness, bias, map, sides: of_products }
    }
}
