//! Factors of implicit feedback: Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008),
//! doi 10.1109/ICDM.2008.22, by alternating least squares.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::matrix::{Dense, Sparse, add_scaled, dot, product};

/// What factors are fitted with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactorOptions {
    /// Numbers of a user and of a product.
    pub factors: usize,
    /// Confidence that a weight of 1 adds to that of having done nothing, which is 1.
    pub confidence: f64,
    /// The penalty on squared factors, above 0.
    pub penalty: f64,
    /// Rounds; each solves all users and all products once.
    pub rounds: usize,
}

impl Default for FactorOptions {
    fn default() -> Self {
        Self { factors: 64, confidence: 2.5, penalty: 1.0, rounds: 8 }
    }
}

/// Factors of products, and what it takes to solve a user's from a row of weights.
#[derive(Clone, Debug)]
pub struct Factors {
    options: FactorOptions,
    /// By product.
    pub products: Dense,
    gram: Dense,
}

impl Factors {
    /// Fits factors to users by products, weights of about 1. The same matrix gives the same factors on however many threads.
    pub fn fit(users: &Sparse, options: FactorOptions) -> Self {
        let by_product = users.transposed();
        let mut rng = ChaCha8Rng::seed_from_u64(0x5eed);
        let mut start = Dense::zeros(users.width(), options.factors);
        start.values.iter_mut().for_each(|value| *value = rng.random_range(-0.1..0.1));
        let mut factors = Self::around(start, options);
        for _ in 0..options.rounds {
            let solved = Self::around(factors.solve_all(users), options);
            factors = Self::around(solved.solve_all(&by_product), options);
        }
        factors
    }

    fn around(products: Dense, options: FactorOptions) -> Self {
        let gram = product(products.view().transpose(), products.view());
        Self { options, products, gram }
    }

    /// The factors of each row.
    pub fn solve_all(&self, rows: &Sparse) -> Dense {
        let mut out = Dense::zeros(rows.len(), self.options.factors);
        let width = self.options.factors.max(1);
        out.values
            .par_chunks_mut(width)
            .enumerate()
            .for_each(|(at, solved)| solved.copy_from_slice(&self.solve(rows.row(at))));
        out
    }

    /// The factors of one row of weights by product. Weights of 0 and below say nothing.
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
        // Positive definite by the penalty, but for numbers that are none.
        let Ok(cholesky) = left.view().llt(Side::Lower) else { return vec![0.0; factors] };
        let solved = cholesky.solve(Mat::from_fn(factors, 1, |at, _| right[at]));
        (0..factors).map(|at| solved[(at, 0)]).collect()
    }

    /// The objective: `Σ c (p − x·y)² + penalty (|x|² + |y|²)`, over all users and products. For tests and reports.
    pub fn loss(&self, users: &Sparse) -> f64 {
        let FactorOptions { confidence, penalty, .. } = self.options;
        let solved = self.solve_all(users);
        let own = product(solved.view().transpose(), solved.view());
        // Everything as if nothing had been done, then what was done put right.
        let nothing: f64 = own.values.iter().zip(&self.gram.values).map(|(a, b)| a * b).sum();
        let mut loss = nothing + penalty * (solved.squares() + self.products.squares());
        for user in 0..users.len() {
            for (product, weight) in users.row(user).filter(|(_, weight)| *weight > 0.0) {
                let predicted = dot(solved.row(user), self.products.row(product));
                loss += (1.0 + confidence * weight) * (1.0 - predicted).powi(2) - predicted * predicted;
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four kinds of users who each take three quarters of the products of their kind.
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
            .map(|rounds| Factors::fit(&users, FactorOptions { factors: 6, rounds, ..FactorOptions::default() }))
            .map(|factors| factors.loss(&users))
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
