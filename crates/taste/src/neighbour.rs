//! Neighbours: EASE, the linear item model of Steck, "Embarrassingly shallow autoencoders for
//! sparse data" (2019), doi 10.1145/3308558.3313710, and similarity of descriptions for unmet
//! products.

use faer::linalg::solvers::{DenseSolveCore as _, Solve as _};
use faer::{Mat, Side};
use rayon::prelude::*;

use crate::matrix::{Dense, Sparse};

/// Item weights for predicting users' scores: `scores = history × weights`. A product's own weight
/// is 0.
///
/// `penalty`, above 0, is a multiple of the mean of a product's squared weights. `None` if all
/// weights are 0.
pub fn ease(users: &Sparse, penalty: f64) -> Option<Dense> {
    let products = users.width();
    let mut gram = gram(users);
    let diagonal: f64 = (0..products).map(|at| gram.row(at)[at]).sum();
    if diagonal <= 0.0 {
        return None;
    }
    for at in 0..products {
        gram.row_mut(at)[at] += penalty * diagonal / products as f64;
    }
    let inverse = gram.view().llt(Side::Lower).ok()?.inverse();
    drop(gram);
    let mut weights = Dense::zeros(products, products);
    for (row, values) in weights.rows_mut().enumerate() {
        // The inverse is symmetric, so a column equals its row.
        for (column, value) in values.iter_mut().enumerate() {
            *value = if row == column { 0.0 } else { -inverse[(column, row)] / inverse[(column, column)] };
        }
    }
    Some(weights)
}

/// Co-occurrence of products: the inner products of columns.
pub fn gram(users: &Sparse) -> Dense {
    let mut gram = Dense::zeros(users.width(), users.width());
    for user in 0..users.len() {
        let row: Vec<(usize, f64)> = users.row(user).collect();
        for &(product, value) in &row {
            let target = gram.row_mut(product);
            for &(other, weight) in &row {
                target[other] += value * weight;
            }
        }
    }
    gram
}

/// For each row of `descriptions`, its at most `neighbours` most similar rows of `known`, weighted
/// by squared cosine and normalised to sum 1. Rows of both have length 1. A row without a common
/// word stays empty.
pub fn alike(descriptions: &Sparse, known: &Sparse, neighbours: usize) -> Sparse {
    let by_word = known.transposed();
    let rows: Vec<Vec<(usize, f64)>> = (0..descriptions.len())
        .into_par_iter()
        .map(|at| {
            let mut likeness = cosines(descriptions.row(at), &by_word);
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

/// Inner products of a description with all rows of the matrix whose transpose is `by_word`.
fn cosines(description: impl Iterator<Item = (usize, f64)>, by_word: &Sparse) -> Vec<(usize, f64)> {
    let mut cosines: Vec<(usize, f64)> = (0..by_word.width()).map(|row| (row, 0.0)).collect();
    for (word, weight) in description {
        for (row, value) in by_word.row(word) {
            cosines[row].1 += weight * value;
        }
    }
    cosines
}

/// Ridge regression from descriptions to `targets` (a row for each row of `known`), applied to
/// `others`.
///
/// `weights` are the weights of the known rows. Solved in the dual, because there are fewer rows
/// than words.
pub fn ridge(known: &Sparse, targets: &Dense, weights: &[f64], penalty: f64, others: &Sparse) -> Dense {
    ridge_map(known, &ridge_duals(known, targets, weights, penalty), others)
}

/// The first half of [`ridge`]: the dual coefficients, one row per known row. Zeros if it can't be
/// solved.
pub fn ridge_duals(known: &Sparse, targets: &Dense, weights: &[f64], penalty: f64) -> Dense {
    let by_word = known.transposed();
    let roots: Vec<f64> = weights.iter().map(|weight| weight.max(0.0).sqrt()).collect();
    let columns: Vec<Vec<(usize, f64)>> =
        (0..known.len()).into_par_iter().map(|at| cosines(known.row(at), &by_word)).collect();
    let mut kernel = Mat::<f64>::from_fn(known.len(), known.len(), |row, column| {
        roots[row] * roots[column] * columns[column][row].1
    });
    drop(columns);
    for at in 0..known.len() {
        kernel[(at, at)] += penalty;
    }
    let Ok(cholesky) = kernel.llt(Side::Lower) else { return Dense::zeros(known.len(), targets.width) };
    let right = Mat::from_fn(known.len(), targets.width, |row, column| roots[row] * targets.row(row)[column]);
    let mut solved = Dense::of(cholesky.solve(&right).as_ref());
    for (row, root) in solved.rows_mut().zip(&roots) {
        for value in row.iter_mut() {
            *value *= root;
        }
    }
    solved
}

/// The second half of [`ridge`], for descriptions with the same word numbering as `known`.
pub fn ridge_map(known: &Sparse, duals: &Dense, others: &Sparse) -> Dense {
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
        let weights = ease(&users, 0.5).unwrap();
        assert!(weights.row(0)[1] > 0.5 && weights.row(0)[2].abs() < 1e-9 && weights.row(0)[0] == 0.0, "{weights:?}");
        assert!(ease(&rows(3, &[]), 1.0).is_none());
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
