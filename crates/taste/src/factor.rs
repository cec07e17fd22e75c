//! Factors of implicit feedback by alternating least squares: Hu, Koren and Volinsky,
//! "Collaborative filtering for implicit feedback datasets" (2008), doi 10.1109/ICDM.2008.22. Each
//! round improves each row by a few conjugate gradient steps: Takács, Pilászy and Tikk,
//! "Applications of the conjugate gradient method for implicit feedback collaborative filtering"
//! (2011), doi 10.1145/2043932.2043987.

#![expect(
    clippy::inline_always,
    reason = "what is dispatched to a processor's own instructions must be compiled into the dispatch"
)]

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve as _;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::matrix::{Dense, Sparse, add_scaled, product};

/// Hyperparameters of the factors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactorOptions {
    /// Factors per user and per product.
    pub factors: usize,
    /// Confidence added by a weight of 1 to the base confidence of 1.
    pub confidence: f64,
    /// Penalty on squared factors, above 0.
    pub penalty: f64,
    /// Rounds; each updates all users and all products once.
    pub rounds: usize,
}

impl Default for FactorOptions {
    fn default() -> Self {
        Self { factors: 64, confidence: 2.5, penalty: 1.0, rounds: 8 }
    }
}

/// Product factors, with the precomputed values for solving a user's factors from a row of weights.
#[derive(Clone, Debug)]
pub struct Factors {
    options: FactorOptions,
    /// One row per product.
    pub products: Dense,
    gram: Dense,
}

/// Fitted factors of both sides of a matrix.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// User factors, row by row.
    pub users: Vec<f32>,
    /// Product factors, row by row.
    pub products: Vec<f32>,
}

impl Fitted {
    /// Fits factors to a matrix of users by products with weights of about 1. The result does not
    /// depend on the number of threads.
    pub fn fit(users: &Sparse, options: FactorOptions) -> Self {
        let by_product = users.transposed();
        let mut rng = ChaCha8Rng::seed_from_u64(0x5eed);
        let mut products: Vec<f32> = vec![0.0; users.width() * options.factors];
        for value in &mut products {
            *value = rng.random_range(-0.1..0.1);
        }
        let mut fitted = Self { users: vec![0.0; users.len() * options.factors], products };
        for _ in 0..options.rounds {
            sweep(users, &fitted.products, &mut fitted.users, options);
            sweep(&by_product, &fitted.users, &mut fitted.products, options);
        }
        fitted
    }

    /// The objective: `Σ c (p − x·y)² + penalty (|x|² + |y|²)`, over all users and products.
    pub fn loss(&self, users: &Sparse, options: FactorOptions) -> f64 {
        let FactorOptions { factors, confidence, penalty, .. } = options;
        let width = factors.max(1);
        let (own, others) = (gram(&self.users, width), gram(&self.products, width));
        // First treats every entry as unobserved, then corrects the observed ones.
        let nothing: f64 = own.values.iter().zip(&others.values).map(|(a, b)| a * b).sum();
        let squares = |gram: &Dense| -> f64 { (0..width).map(|at| gram.row(at)[at]).sum() };
        let done: Vec<f64> = (0..users.len())
            .into_par_iter()
            .map(|user| {
                let own = &self.users[user * width..(user + 1) * width];
                let entries = users.row(user).filter(|(_, weight)| *weight > 0.0);
                let loss = entries.map(|(product, weight)| {
                    let predicted = f64::from(dot32(own, &self.products[product * width..(product + 1) * width]));
                    (1.0 + confidence * weight) * (1.0 - predicted).powi(2) - predicted * predicted
                });
                loss.sum()
            })
            .collect();
        nothing + penalty * (squares(&own) + squares(&others)) + done.iter().sum::<f64>()
    }
}

/// Conjugate gradient steps per row and round.
const STEPS: usize = 3;
/// Rows per partial sum of inner products.
const PANEL: usize = 4_096;
/// Accumulator lanes of a sum; fixed, so that every processor gives the same result.
const LANES: usize = 16;

/// Buffers for solving a row, reused across rows.
struct Scratch {
    width: usize,
    entries: Vec<f32>,
    weights: Vec<f32>,
    residual: Vec<f32>,
    direction: Vec<f32>,
    image: Vec<f32>,
}

/// Improves every row of `rows` against the factors `fixed` of its columns, starting from `solved`.
fn sweep(rows: &Sparse, fixed: &[f32], solved: &mut [f32], options: FactorOptions) {
    let width = options.factors.max(1);
    let mut left = gram(fixed, width);
    for at in 0..width {
        left.row_mut(at)[at] += options.penalty;
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded to what a step is computed in")]
    let gram: Vec<f32> = left.values.iter().map(|value| *value as f32).collect();
    let arch = pulp::Arch::new();
    let scratch = || Scratch {
        width,
        entries: Vec::new(),
        weights: Vec::new(),
        residual: vec![0.0; width],
        direction: vec![0.0; width],
        image: vec![0.0; width],
    };
    solved.par_chunks_mut(width).enumerate().with_min_len(32).for_each_init(scratch, |scratch, (at, solved)| {
        let row = rows.row(at).filter(|(_, weight)| *weight > 0.0);
        scratch.gather(row, fixed, options.confidence);
        arch.dispatch(|| scratch.step(&gram, solved));
    });
}

/// The Gram matrix of the factors: inner products of columns.
fn gram(rows: &[f32], width: usize) -> Dense {
    let parts: Vec<Dense> = rows
        .par_chunks(width * PANEL)
        .map(|part| {
            let part = MatRef::from_row_major_slice(part, part.len() / width, width);
            let mut sums = Mat::<f32>::zeros(width, width);
            matmul(&mut sums, Accum::Replace, part.transpose(), part, 1.0, Par::Seq);
            widened(&sums)
        })
        .collect();
    let mut gram = Dense::zeros(width, width);
    for part in &parts {
        gram.add(1.0, part);
    }
    gram
}

fn widened(matrix: &Mat<f32>) -> Dense {
    let mut dense = Dense::zeros(matrix.nrows(), matrix.ncols());
    for (at, row) in dense.rows_mut().enumerate() {
        row.iter_mut().enumerate().for_each(|(column, value)| *value = f64::from(matrix[(at, column)]));
    }
    dense
}

impl Scratch {
    fn gather(&mut self, row: impl Iterator<Item = (usize, f64)>, fixed: &[f32], confidence: f64) {
        self.entries.clear();
        self.weights.clear();
        for (column, weight) in row {
            self.entries.extend(&fixed[column * self.width..(column + 1) * self.width]);
            #[expect(clippy::cast_possible_truncation, reason = "factors have this many digits")]
            self.weights.push((confidence * weight) as f32);
        }
    }

    /// Takes [`STEPS`] steps from `solved`.
    #[inline(always)]
    fn step(&mut self, gram: &[f32], solved: &mut [f32]) {
        if self.weights.is_empty() {
            return solved.fill(0.0);
        }
        let width = self.width;
        image(gram, solved, &mut self.image);
        self.residual.iter_mut().zip(&self.image).for_each(|(to, from)| *to = -from);
        for (values, weight) in self.entries.chunks_exact(width).zip(&self.weights) {
            add32(&mut self.residual, 1.0 + weight - weight * dot32(values, solved), values);
        }
        self.direction.copy_from_slice(&self.residual);
        let mut size = dot32(&self.residual, &self.residual);
        for _ in 0..STEPS {
            if size < 1e-12 {
                break;
            }
            image(gram, &self.direction, &mut self.image);
            for (values, weight) in self.entries.chunks_exact(width).zip(&self.weights) {
                add32(&mut self.image, weight * dot32(values, &self.direction), values);
            }
            let length = size / dot32(&self.direction, &self.image);
            add32(solved, length, &self.direction);
            add32(&mut self.residual, -length, &self.image);
            let next = dot32(&self.residual, &self.residual);
            let turn = next / size;
            self.direction.iter_mut().zip(&self.residual).for_each(|(to, from)| *to = from + turn * *to);
            size = next;
        }
    }
}

/// A symmetric matrix times a vector.
#[inline(always)]
fn image(matrix: &[f32], vector: &[f32], image: &mut [f32]) {
    image.fill(0.0);
    for (row, value) in matrix.chunks_exact(vector.len()).zip(vector) {
        add32(image, *value, row);
    }
}

#[inline(always)]
fn add32(sum: &mut [f32], factor: f32, values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[inline(always)]
fn dot32(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

impl Factors {
    /// Fits factors to a matrix of users by products with weights of about 1. The result does not
    /// depend on the number of threads.
    pub fn fit(users: &Sparse, options: FactorOptions) -> Self {
        let fitted = Fitted::fit(users, options);
        let products = fitted.products.into_iter().map(f64::from).collect();
        Self::around(Dense { width: options.factors, values: products }, options)
    }

    pub(crate) fn around(products: Dense, options: FactorOptions) -> Self {
        let gram = product(products.view().transpose(), products.view());
        Self { options, products, gram }
    }

    /// The user factors for each row of weights.
    pub fn solve_all(&self, rows: &Sparse) -> Dense {
        let mut out = Dense::zeros(rows.len(), self.options.factors);
        let width = self.options.factors.max(1);
        out.values
            .par_chunks_mut(width)
            .enumerate()
            .for_each(|(at, solved)| solved.copy_from_slice(&self.solve(rows.row(at))));
        out
    }

    /// The user factors for one row of weights by product. Weights of 0 and below are ignored.
    pub fn solve(&self, row: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
        let FactorOptions { factors, confidence, penalty, .. } = self.options;
        let mut right = vec![0.0; factors];
        let mut weighted = Dense::zeros(0, factors);
        for (column, weight) in row.filter(|(column, weight)| *weight > 0.0 && *column < self.products.len()) {
            let values = self.products.row(column);
            let root = (confidence * weight).sqrt();
            add_scaled(&mut right, 1.0 + confidence * weight, values);
            weighted.values.extend(values.iter().map(|value| value * root));
        }
        if weighted.values.is_empty() {
            return right;
        }
        let mut left = product(weighted.view().transpose(), weighted.view());
        left.add(1.0, &self.gram);
        for at in 0..factors {
            left.row_mut(at)[at] += penalty;
        }
        // The penalty makes it positive definite, unless there are non-finite numbers.
        let Ok(cholesky) = left.view().llt(Side::Lower) else { return vec![0.0; factors] };
        let solved = cholesky.solve(Mat::from_fn(factors, 1, |at, _| right[at]));
        (0..factors).map(|at| solved[(at, 0)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::dot;

    /// Four kinds of users, who each take three quarters of the products of their kind.
    fn planted() -> (Sparse, usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (kinds, of_a_kind) = (4, 15);
        let mut users = Sparse::new(kinds * of_a_kind);
        for user in 0..120 {
            let kind = user % kinds;
            users.push((0..of_a_kind).filter(|_| rng.random_bool(0.75)).map(|at| (kind * of_a_kind + at, 1.0)));
        }
        (users, of_a_kind)
    }

    #[test]
    fn the_loss_falls_with_every_round() {
        let (users, _) = planted();
        let losses: Vec<f64> = (0..6)
            .map(|rounds| FactorOptions { factors: 6, rounds, ..FactorOptions::default() })
            .map(|options| Fitted::fit(&users, options).loss(&users, options))
            .collect();
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-9)), "{losses:?}");
        assert!(losses[5] < 0.8 * losses[0], "{losses:?}");
    }

    #[test]
    fn kinds_that_were_planted_are_found_also_for_a_user_who_comes_later() {
        let (users, of_a_kind) = planted();
        let factors = Factors::fit(&users, FactorOptions { factors: 6, ..FactorOptions::default() });
        let newcomer = factors.solve([(of_a_kind, 1.0), (of_a_kind + 3, 1.0)].into_iter());
        let scores: Vec<f64> = (0..users.width()).map(|at| dot(&newcomer, factors.products.row(at))).collect();
        let (own, others): (Vec<_>, Vec<_>) = scores.iter().enumerate().partition(|(at, _)| at / of_a_kind == 1);
        let least = own.iter().map(|(_, score)| **score).fold(f64::INFINITY, f64::min);
        let most = others.iter().map(|(_, score)| **score).fold(f64::NEG_INFINITY, f64::max);
        assert!(least > 1.5 * most, "own from {least}, others up to {most}");
        assert_eq!(factors.solve(std::iter::empty()), vec![0.0; 6]);
        assert_eq!(factors.solve([(999, 1.0), (0, -1.0)].into_iter()), vec![0.0; 6]);
    }
}
