//! The teacher: an ensemble of predictors from which a model is distilled. Its scores of every user
//! for every board product are never written out.

use faer::Side;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::lesson::Shares;
use crate::matrix::{Dense, Sparse, add_scaled, product};
use crate::members::Members;
use crate::placement::{Placement, Sides};
use crate::vector::{DIMS, FloatVector};

/// Extra dimensions in the search for the best [`DIMS`].
const SPARE_DIMS: usize = 16;
/// Iterations of that search.
const SEARCH_ROUNDS: usize = 4;

/// The ensemble.
pub(crate) struct Teacher<'a> {
    /// Users by trained products: strengths, and sums.
    pub(crate) users: &'a Sparse,
    pub(crate) sums: &'a Sparse,
    /// The users' factors.
    pub(crate) solved: Dense,
    /// EASE weights by the product that predicts, and by the one that is predicted.
    pub(crate) from: Sparse,
    to: &'a Sparse,
    pub(crate) board: Placement,
    /// Square roots of the board products' weights. Met and unmet products each have half of the
    /// total.
    weights: Vec<f64>,
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
    /// Builds the members, and gives each its share of the products on the board: EASE, factors,
    /// name similarity and trend. Also returns what their scores are multiplied by, for new and for
    /// known products.
    pub(crate) fn new(members: &'a Members, board: Placement, [new, known]: [Shares; 2]) -> (Self, [[f64; 4]; 2]) {
        let Members { users, sums, ease, .. } = members;
        let weights = board.halves();
        let solved = members.factors.solve_all(users);
        let mut teacher = Self { users, sums, solved, from: ease.transposed(), to: ease, board, weights };
        let wanted = [new, known].map(Shares::members);
        let shares = [false, true].map(|is_met| teacher.evened(is_met, wanted[usize::from(is_met)]));
        teacher.board.share(&shares);
        (teacher, shares)
    }

    /// What each member's scores of one kind of products are multiplied by, so that members of one
    /// size have their shares, and the sum has size 1. Sizes are measured with random probes.
    ///
    /// New products have smaller scores, for they are made of what is alike. They are told apart as
    /// far as known ones are: otherwise the dimensions and the bytes would go to the known.
    fn evened(&self, is_met: bool, shares: [f64; 4]) -> [f64; 4] {
        let scores = self.members(&self.probe_of(is_met));
        let divided = |share: f64, size: f64| if size > 0.0 { share / size } else { 0.0 };
        let shares: [f64; 4] = std::array::from_fn(|member| divided(shares[member], scores[member].squares().sqrt()));
        let mut sum = Dense::zeros(scores[0].len(), scores[0].width);
        for (share, scores) in shares.iter().zip(&scores) {
            sum.add(*share, scores);
        }
        let size = sum.squares().sqrt();
        shares.map(|share| divided(share, size))
    }

    /// A probe of one kind of products.
    fn probe_of(&self, is_met: bool) -> Dense {
        let mut probe = self.probe(SPARE_DIMS);
        let of_kind: Vec<f64> = self.board.is_met.iter().map(|met| f64::from(u8::from(*met == is_met))).collect();
        probe.scale_rows(&of_kind);
        probe
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
        rows.scale_rows(&self.weights);
        rows
    }

    /// Contribution of each product in a history to weighted sums over the board, by EASE and by
    /// name.
    fn histories(&self, weighted: &Dense) -> [Dense; 2] {
        let stands = self.board.stands_for.transposed_times(weighted);
        [self.from.times(&stands), self.board.known_names.times(&self.board.names.transposed_times(weighted))]
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
        for scores in [factors, content, trend] {
            sum.add(1.0, &scores);
        }
        sum
    }

    /// The transposed members times a matrix by user.
    fn sides(&self, by_user: &Dense) -> Sides {
        let histories = self.users.transposed_times(by_user);
        let mut trend = Dense::zeros(1, by_user.width);
        (0..by_user.len()).for_each(|user| add_scaled(&mut trend.values, 1.0, by_user.row(user)));
        Sides {
            ease: self.to.times(&histories),
            factors: product(self.solved.view().transpose(), by_user.view()),
            names: self.sums.transposed_times(by_user),
            trend,
        }
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
        let bias = std::array::from_fn(|dim| trend.row(0)[dim]);
        Distilled { history, likeness, bias, map, sides: of_products }
    }
}
