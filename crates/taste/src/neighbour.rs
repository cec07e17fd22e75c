//! Neighbours: a sparse EASE, the linear item model of Steck, "Embarrassingly shallow autoencoders
//! for sparse data" (2019), doi 10.1145/3308558.3313710, and similarity of descriptions for unmet
//! products.

use faer::linalg::solvers::{DenseSolveCore as _, Solve as _};
use faer::{Mat, Side};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::matrix::{Dense, Sparse};

/// Hyperparameters of EASE.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EaseOptions {
    /// Penalty, above 0, as a multiple of the mean of a product's squared weights.
    pub penalty: f64,
    /// Products from which each product is predicted: those that most often go with it.
    pub companions: usize,
    /// Products that others are predicted from: the most engaged ones. Their co-occurrences are
    /// held as a square of four bytes an entry while EASE is fitted.
    pub sources: usize,
}

impl Default for EaseOptions {
    fn default() -> Self {
        Self { penalty: 4.0, companions: 120, sources: 10_000 }
    }
}

/// Item weights for predicting users' scores: a row for each predicted product with the products
/// that predict it. A product's own weight is 0.
///
/// Each product is predicted from its strongest companions alone, by ridge regression: the sparse
/// approximation of Steck, "Markov random fields for collaborative filtering" (2019), arXiv
/// 1910.09645, by rows. With all products as companions this is EASE.
pub fn ease(users: &Sparse, options: EaseOptions) -> Sparse {
    let by_product = users.transposed();
    let products = users.width();
    let squares: Vec<f64> = (0..products).map(|at| by_product.row(at).map(|(_, value)| value * value).sum()).collect();
    let total: f64 = squares.iter().sum();
    let mut weights = Sparse::new(products);
    if total <= 0.0 {
        (0..products).for_each(|_| weights.push([]));
        return weights;
    }
    let penalty = options.penalty * total / products as f64;
    let mut sources: Vec<usize> = (0..products).filter(|at| squares[*at] > 0.0).collect();
    sources.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]).then(a.cmp(b)));
    sources.truncate(options.sources);
    sources.sort_unstable();
    let mut place = vec![u32::MAX; products];
    sources.iter().zip(0..).for_each(|(product, at)| place[*product] = at);
    // A user's row among the sources alone.
    let mut among = Sparse::new(sources.len());
    for user in 0..users.len() {
        let row = users.row(user).filter(|(product, _)| place[*product] != u32::MAX);
        among.push(row.map(|(product, value)| (place[product] as usize, value)));
    }
    let met_with = |product: usize, sums: &mut Vec<f64>| {
        sums.clear();
        sums.resize(sources.len(), 0.0);
        for (user, value) in by_product.row(product) {
            among.row(user).for_each(|(other, weight)| sums[other] += value * weight);
        }
    };
    let mut gram = vec![0.0_f32; sources.len() * sources.len()];
    gram.par_chunks_mut(sources.len().max(1)).zip(&sources).for_each_init(Vec::new, |sums, (row, product)| {
        met_with(*product, sums);
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a regression with a penalty")]
        row.iter_mut().zip(sums.iter()).for_each(|(to, from)| *to = *from as f32);
    });
    let rows: Vec<Vec<(usize, f64)>> = (0..products)
        .into_par_iter()
        .map_init(Vec::new, |sums, product| {
            if squares[product] <= 0.0 {
                return Vec::new();
            }
            met_with(product, sums);
            let alike = |at: usize| sums[at] * sums[at] / (squares[sources[at]] + penalty);
            let own = place[product] as usize;
            let mut companions: Vec<(usize, f64)> =
                (0..sources.len()).filter(|at| *at != own && sums[*at] != 0.0).map(|at| (at, alike(at))).collect();
            let most_alike = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
            if companions.len() > options.companions {
                companions.select_nth_unstable_by(options.companions, most_alike);
                companions.truncate(options.companions);
            }
            companions.sort_unstable_by_key(|(at, _)| *at);
            let count = companions.len();
            let joint = Mat::<f64>::from_fn(count, count, |row, column| {
                let (row, column) = (companions[row].0, companions[column].0);
                f64::from(gram[row * sources.len() + column]) + if row == column { penalty } else { 0.0 }
            });
            let right = Mat::from_fn(count, 1, |row, _| sums[companions[row].0]);
            let Ok(cholesky) = joint.llt(Side::Lower) else { return Vec::new() };
            let solved = cholesky.solve(&right);
            companions.iter().enumerate().map(|(row, (at, _))| (sources[*at], solved[(row, 0)])).collect()
        })
        .collect();
    for row in rows {
        weights.push(row);
    }
    weights
}

/// EASE with all products as companions of each, a row for each product that predicts. Takes two
/// squares of eight bytes an entry, so only for comparison. `None` if all weights are 0.
pub fn whole_ease(users: &Sparse, penalty: f64) -> Option<Dense> {
    let products = users.width();
    let mut gram = Dense::zeros(products, products);
    for user in 0..users.len() {
        for (product, value) in users.row(user) {
            users.row(user).for_each(|(other, weight)| gram.row_mut(product)[other] += value * weight);
        }
    }
    let diagonal: f64 = (0..products).map(|at| gram.row(at)[at]).sum();
    if diagonal <= 0.0 {
        return None;
    }
    for at in 0..products {
        gram.row_mut(at)[at] += penalty * diagonal / products as f64;
    }
    let inverse = gram.view().llt(Side::Lower).ok()?.inverse();
    let mut weights = gram;
    for (row, values) in weights.rows_mut().enumerate() {
        // The inverse is symmetric, so a column equals its row.
        for (column, value) in values.iter_mut().enumerate() {
            *value = if row == column { 0.0 } else { -inverse[(column, row)] / inverse[(column, column)] };
        }
    }
    Some(weights)
}

/// For each row of `descriptions`, its at most `neighbours` most similar rows of `known`, weighted
/// by squared cosine and normalised to sum 1. Rows of both have length 1. A row without a common
/// word stays empty.
pub fn alike(descriptions: &Sparse, known: &Sparse, neighbours: usize) -> Sparse {
    let by_word = known.transposed();
    let rows: Vec<Vec<(usize, f64)>> = (0..descriptions.len())
        .into_par_iter()
        .map_init(Vec::new, |sums, at| {
            let mut likeness = cosines(descriptions.row(at), &by_word, sums);
            likeness.retain(|(_, cosine)| *cosine > 0.0);
            let by_likeness = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
            if likeness.len() > neighbours {
                likeness.select_nth_unstable_by(neighbours, by_likeness);
                likeness.truncate(neighbours);
            }
            likeness.sort_by(by_likeness);
            let sum: f64 = likeness.iter().map(|(_, cosine)| cosine * cosine).sum();
            likeness.iter().map(|(row, cosine)| (*row, cosine * cosine / sum)).collect()
        })
        .collect();
    let mut alike = Sparse::new(known.len());
    for row in rows {
        alike.push(row);
    }
    alike
}

/// Inner products of a description with the rows of the matrix whose transpose is `by_word`, where
/// they have a word in common. `sums` is scratch of zeros, a place for each row.
fn cosines(
    description: impl Iterator<Item = (usize, f64)>,
    by_word: &Sparse,
    sums: &mut Vec<f64>,
) -> Vec<(usize, f64)> {
    sums.resize(by_word.width(), 0.0);
    let mut touched = Vec::new();
    for (word, weight) in description {
        for (row, value) in by_word.row(word) {
            if sums[row] == 0.0 {
                touched.push(row);
            }
            sums[row] += weight * value;
        }
    }
    touched.sort_unstable();
    touched.dedup();
    touched.into_iter().map(|row| (row, std::mem::take(&mut sums[row]))).collect()
}

/// Ridge regression from descriptions to `targets` (a row for each row of `known`), applied to
/// `others`.
///
/// `weights` are the weights of the known rows. Solved in the dual, because there are fewer rows
/// than words.
pub fn ridge(known: &Sparse, targets: &Dense, weights: &[f64], penalty: f64, others: &Sparse) -> Dense {
    ridge_map(known, &ridge_duals(known, targets, weights, penalty), others)
}

/// The first half of [`ridge`]: the dual coefficients, one row per known row.
///
/// Each column is solved by conjugate gradients: the kernel of all pairs of rows would be a square.
pub fn ridge_duals(known: &Sparse, targets: &Dense, weights: &[f64], penalty: f64) -> Dense {
    let roots: Vec<f64> = weights.iter().map(|weight| weight.max(0.0).sqrt()).collect();
    let scaled = |rows: &Dense| {
        let mut rows = rows.clone();
        rows.scale_rows(&roots);
        rows
    };
    let (known, _) = known.narrowed_with(&Sparse::new(known.width()));
    let by_word = known.transposed();
    let image = |rows: &Dense| {
        let mut image = scaled(&known.times(&by_word.times(&scaled(rows))));
        image.add(penalty, rows);
        image
    };
    let mut residual = scaled(targets);
    let first = columns(&residual, &residual);
    let mut size = first.clone();
    let mut direction = residual.clone();
    let mut solved = Dense::zeros(known.len(), targets.width);
    for _ in 0..RIDGE_STEPS {
        if size.iter().zip(&first).all(|(size, first)| *size <= RIDGE_RESIDUAL * first) {
            break;
        }
        let moved = image(&direction);
        let along = columns(&direction, &moved);
        let divided = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let length: Vec<f64> = size.iter().zip(&along).map(|(size, along)| divided(*size, *along)).collect();
        add_by_column(&mut solved, &length, 1.0, &direction);
        add_by_column(&mut residual, &length, -1.0, &moved);
        let next = columns(&residual, &residual);
        let turn: Vec<f64> = next.iter().zip(&size).map(|(next, size)| divided(*next, *size)).collect();
        for (to, from) in direction.rows_mut().zip(0..) {
            for ((to, from), turn) in to.iter_mut().zip(residual.row(from)).zip(&turn) {
                *to = from + turn * *to;
            }
        }
        size = next;
    }
    scaled(&solved)
}

/// Most steps of a ridge regression, and the share of the squared residual at which it ends: a
/// millionth of the targets.
const RIDGE_STEPS: usize = 200;
const RIDGE_RESIDUAL: f64 = 1e-12;

/// The inner product of each column of two matrices.
fn columns(a: &Dense, b: &Dense) -> Vec<f64> {
    let mut sums = vec![0.0; a.width];
    for at in 0..a.len() {
        for ((sum, a), b) in sums.iter_mut().zip(a.row(at)).zip(b.row(at)) {
            *sum += a * b;
        }
    }
    sums
}

/// Adds `sign × factors` times another matrix, a factor for each column.
fn add_by_column(sum: &mut Dense, factors: &[f64], sign: f64, rows: &Dense) {
    for (to, at) in sum.rows_mut().zip(0..) {
        for ((to, value), factor) in to.iter_mut().zip(rows.row(at)).zip(factors) {
            *to += sign * factor * value;
        }
    }
}

/// The second half of [`ridge`], for descriptions with the same word numbering as `known`.
pub fn ridge_map(known: &Sparse, duals: &Dense, others: &Sparse) -> Dense {
    let (known, others) = known.narrowed_with(others);
    others.times(&known.transposed_times(duals))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(width: usize, rows: &[&[(usize, f64)]]) -> Sparse {
        let mut sparse = Sparse::new(width);
        for row in rows {
            sparse.push(row.iter().copied());
        }
        sparse
    }

    #[test]
    fn ease_finds_what_goes_together_and_never_the_product_itself() {
        let users =
            rows(4, &[&[(0, 1.0), (1, 1.0)], &[(0, 1.0), (1, 1.0)], &[(2, 1.0), (3, 1.0)], &[(2, 1.0), (3, 1.0)]]);
        let options = EaseOptions { penalty: 0.5, ..EaseOptions::default() };
        let weights = ease(&users, options);
        let first: Vec<(usize, f64)> = weights.row(0).collect();
        assert!(first.len() == 1 && first[0].0 == 1 && first[0].1 > 0.5, "{first:?}");
        assert_eq!(ease(&rows(3, &[]), options).values().len(), 0);
    }

    #[test]
    fn ridge_gives_back_a_linear_map_and_shrinks_with_the_penalty() {
        let known = rows(2, &[&[(0, 1.0)], &[(1, 1.0)], &[(0, 0.6), (1, 0.8)]]);
        let targets = Dense { width: 1, values: vec![2.0, -1.0, 0.6 * 2.0 - 0.8] };
        let others = rows(2, &[&[(0, 0.8), (1, 0.6)], &[]]);
        let predicted = ridge(&known, &targets, &[1.0; 3], 1e-9, &others);
        assert!((predicted.row(0)[0] - 1.0).abs() < 1e-6 && predicted.row(1)[0] == 0.0, "{predicted:?}");
        let shrunk = ridge(&known, &targets, &[1.0; 3], 10.0, &others);
        assert!(shrunk.row(0)[0].abs() < 0.3, "{shrunk:?}");
    }

    #[test]
    fn products_described_alike_add_up_to_one() {
        let known = rows(3, &[&[(0, 1.0)], &[(0, 0.6), (1, 0.8)], &[(2, 1.0)]]);
        let alike = alike(&rows(3, &[&[(0, 1.0)], &[]]), &known, 5);
        let first: Vec<(usize, f64)> = alike.row(0).collect();
        assert_eq!(first.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [0, 1]);
        assert!((first.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(alike.row(1).count(), 0);
    }
}
