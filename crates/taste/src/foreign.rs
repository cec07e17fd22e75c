//! Conversion of external vectors of any width to the served bytes.

use faer::Side;

use crate::matrix::{Dense, add_scaled, dot, product};
use crate::vector::{DIMS, SPREAD, full, largest, round};

/// Minimum share of the products' squares that [`DIMS`] dimensions of wider vectors must keep.
pub const LEAST_KEPT: f64 = 0.8;

/// A fitted conversion of external vectors to bytes.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The projection: a row per input dimension, a column per kept dimension.
    directions: Dense,
    /// Factor on products, such that they [fit](full) into bytes.
    scale: f64,
    /// Covariance of the scaled products.
    covariance: Dense,
    /// The kept share of the products' squares.
    pub kept: f64,
}

/// Why external vectors are unusable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// No product has a non-zero vector.
    Empty,
    /// The reduction loses too much; the value is the share that it would keep.
    Lossy(f64),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("no product has a non-zero vector"),
            Self::Lossy(kept) => write!(
                f,
                "reducing the vectors to {DIMS} dimensions keeps only {:.0} % of their squared length, below {:.0} %: provide vectors of at most {DIMS} dimensions",
                kept * 100.0,
                LEAST_KEPT * 100.0
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl Foreign {
    /// Fits the conversion to the products from which surfaces choose, all of one width. Vectors
    /// wider than [`DIMS`] are projected onto the products' largest directions, which changes inner
    /// products least.
    ///
    /// # Errors
    /// [`Refused`], with the reason.
    pub fn fit(products: &[Vec<f64>]) -> Result<Self, Refused> {
        let width = products.first().map_or(0, Vec::len);
        let mut rows = Dense::zeros(products.len(), width);
        rows.rows_mut().zip(products).for_each(|(row, vector)| row.copy_from_slice(vector));
        let total = rows.squares();
        if total <= 0.0 {
            return Err(Refused::Empty);
        }
        let mut directions = Dense::zeros(width, DIMS);
        if width <= DIMS {
            (0..width).for_each(|dim| directions.row_mut(dim)[dim] = 1.0);
        } else {
            let gram = product(rows.view().transpose(), rows.view());
            let eigen = gram.view().self_adjoint_eigen(Side::Lower).map_err(|_| Refused::Empty)?;
            // Eigenvalues are ascending.
            for dim in 0..DIMS {
                for row in 0..width {
                    directions.row_mut(row)[dim] = eigen.U()[(row, width - 1 - dim)];
                }
            }
        }
        let mut reduced = product(rows.view(), directions.view());
        let kept = reduced.squares() / total;
        if kept < LEAST_KEPT {
            return Err(Refused::Lossy(kept));
        }
        let scale = full((0..products.len()).map(|at| largest(reduced.row(at))).collect());
        let mut mean = vec![0.0; DIMS];
        (0..products.len()).for_each(|at| add_scaled(&mut mean, scale / products.len() as f64, reduced.row(at)));
        for row in reduced.rows_mut() {
            for (value, mean) in row.iter_mut().zip(&mean) {
                *value = (*value * scale - mean) / (products.len() as f64).sqrt();
            }
        }
        let covariance = product(reduced.view().transpose(), reduced.view());
        Ok(Self { directions, scale, covariance, kept })
    }

    fn reduced(&self, vector: &[f64]) -> [f64; DIMS] {
        let mut reduced = [0.0; DIMS];
        for (at, value) in vector.iter().enumerate().take(self.directions.len()) {
            add_scaled(&mut reduced, *value, self.directions.row(at));
        }
        reduced
    }

    /// A product's vector as bytes.
    pub fn product(&self, vector: &[f64]) -> [i8; DIMS] {
        round(&self.reduced(vector).map(|value| value * self.scale))
    }

    /// A user's vector as bytes, scaled so that its scores spread as those of our own sure users,
    /// or less if it would not fit. `None` if it scores all products the same.
    pub fn user(&self, vector: &[f64]) -> Option<[i8; DIMS]> {
        let reduced = self.reduced(vector);
        let varied: f64 = (0..DIMS).map(|dim| reduced[dim] * dot(self.covariance.row(dim), &reduced)).sum();
        let spread = varied.max(0.0).sqrt();
        if !(spread > 0.0 && spread.is_finite()) {
            return None;
        }
        let gain = (SPREAD / spread).min(127.0 / largest(&reduced));
        Some(round(&reduced.map(|value| value * gain))).filter(|bytes| bytes.iter().any(|byte| *byte != 0))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Products that vary in `true_width` of `width` directions.
    fn products(width: usize, true_width: usize) -> Vec<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut row = |length: usize| (0..length).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f64>>();
        let directions: Vec<Vec<f64>> = (0..true_width).map(|_| row(width)).collect();
        (0..300)
            .map(|_| {
                let mut product = vec![0.0; width];
                directions.iter().zip(row(true_width)).for_each(|(way, x)| add_scaled(&mut product, x, way));
                product
            })
            .collect()
    }

    fn scored(foreign: &Foreign, products: &[Vec<f64>], user: &[f64]) -> Vec<i32> {
        let user = foreign.user(user).unwrap();
        let score = |product: &Vec<f64>| {
            foreign.product(product).iter().zip(user).map(|(a, b)| i32::from(*a) * i32::from(b)).sum()
        };
        products.iter().map(score).collect()
    }

    #[test]
    fn orders_survive_the_way_from_any_width() {
        for (width, true_width) in [(8, 8), (64, 40), (300, 30)] {
            let products = products(width, true_width);
            let foreign = Foreign::fit(&products).unwrap();
            assert!(foreign.kept > 0.999);
            let user = &products[3];
            let own: Vec<f64> = products.iter().map(|product| dot(product, user)).collect();
            let served = scored(&foreign, &products, user);
            let top = |best: &dyn Fn(usize) -> f64| {
                let mut order: Vec<usize> = (0..300).collect();
                order.sort_by(|a, b| best(*b).total_cmp(&best(*a)));
                order.truncate(20);
                order
            };
            let (before, after) = (top(&|at| own[at]), top(&|at| f64::from(served[at])));
            let kept = before.iter().filter(|at| after.contains(at)).count();
            assert!(kept >= 18, "{kept} of 20 at width {width}");
        }
    }

    #[test]
    fn what_can_not_be_reduced_or_says_nothing_is_refused() {
        assert!(matches!(Foreign::fit(&products(300, 300)), Err(Refused::Lossy(kept)) if kept < LEAST_KEPT));
        assert_eq!(Foreign::fit(&[vec![0.0; 5]]).unwrap_err(), Refused::Empty);
        assert_eq!(Foreign::fit(&[]).unwrap_err(), Refused::Empty);
        let foreign = Foreign::fit(&products(8, 8)).unwrap();
        assert_eq!(foreign.user(&[0.0; 8]), None);
    }
}
