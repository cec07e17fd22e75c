//! Matrices for learning: sparse rows of weights, and dense rows of a few dozen numbers.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// A sparse matrix by rows. A row's columns are distinct; sums are taken in the order in which
/// columns were pushed.
#[derive(Clone, Debug)]
pub struct Sparse {
    width: usize,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Sparse {
    /// An empty matrix of `width` columns.
    pub fn new(width: usize) -> Self {
        Self { width, starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }

    /// Appends a row. Columns beyond the width are dropped.
    pub fn push(&mut self, row: impl IntoIterator<Item = (usize, f64)>) {
        for (column, value) in row {
            if let Some(column) = u32::try_from(column).ok().filter(|_| column < self.width) {
                self.columns.push(column);
                self.values.push(value);
            }
        }
        self.starts.push(self.columns.len());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The entries of a row; empty for a row beyond the end.
    pub fn row(&self, at: usize) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        let (from, to) = match self.starts.get(at..at + 2) {
            Some(&[from, to]) => (from, to),
            _ => (0, 0),
        };
        self.columns[from..to].iter().map(|&column| column as usize).zip(self.values[from..to].iter().copied())
    }

    /// The values of all entries, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number of columns with an entry.
    pub fn columns_used(&self) -> usize {
        let mut is_used = vec![false; self.width];
        self.columns.iter().for_each(|&column| is_used[column as usize] = true);
        is_used.into_iter().filter(|used| *used).count()
    }

    /// The transpose; entries of each new row follow the order of the old rows.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0; self.width + 1];
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0; self.columns.len()], vec![0.0; self.columns.len()]);
        for row in 0..self.len() {
            for (column, value) in self.row(row) {
                let to = next[column];
                next[column] += 1;
                columns[to] = u32::try_from(row).unwrap_or(u32::MAX);
                values[to] = value;
            }
        }
        Self { width: self.len(), starts, columns, values }
    }

    /// The product with a dense matrix whose rows match this matrix's columns. The result does not
    /// depend on the number of threads.
    pub fn times(&self, dense: &Dense) -> Dense {
        let mut out = Dense::zeros(self.len(), dense.width);
        out.values.par_chunks_mut(dense.width.max(1)).enumerate().with_min_len(64).for_each(|(row, sum)| {
            for (column, value) in self.row(row) {
                add_scaled(sum, value, dense.row(column));
            }
        });
        out
    }

    /// The product of the transpose with a dense matrix whose rows match this matrix's rows.
    pub fn transposed_times(&self, dense: &Dense) -> Dense {
        self.transposed().times(dense)
    }

    /// This matrix and `other`, of as many columns, with the columns alone in which this one has an
    /// entry, numbered anew: a catalogue has more words than a part of it uses.
    #[must_use]
    pub fn narrowed_with(&self, other: &Self) -> (Self, Self) {
        let mut number = vec![u32::MAX; self.width];
        let mut width = 0;
        for &column in &self.columns {
            let number = &mut number[column as usize];
            if *number == u32::MAX {
                *number = width;
                width += 1;
            }
        }
        let narrow = |matrix: &Self| {
            let mut rows = Self::new(width as usize);
            for row in 0..matrix.len() {
                let entries = matrix.row(row).map(|(column, value)| (number.get(column).copied(), value));
                rows.push(entries.filter_map(|(number, value)| {
                    number.filter(|number| *number != u32::MAX).map(|number| (number as usize, value))
                }));
            }
            rows
        };
        (narrow(self), narrow(other))
    }

    /// Multiplies each row by its factor.
    pub(crate) fn scale_rows(&mut self, factors: &[f64]) {
        for (row, factor) in factors.iter().enumerate().take(self.len()) {
            self.values[self.starts[row]..self.starts[row + 1]].iter_mut().for_each(|value| *value *= factor);
        }
    }
}

/// A dense matrix by rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Number of columns.
    pub width: usize,
    /// The entries, row by row.
    pub values: Vec<f64>,
}

impl Dense {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, width: usize) -> Self {
        Self { width, values: vec![0.0; rows * width] }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A row.
    ///
    /// # Panics
    /// If `at` is beyond the end.
    pub fn row(&self, at: usize) -> &[f64] {
        &self.values[at * self.width..(at + 1) * self.width]
    }

    /// A mutable row.
    ///
    /// # Panics
    /// If `at` is beyond the end.
    pub fn row_mut(&mut self, at: usize) -> &mut [f64] {
        &mut self.values[at * self.width..(at + 1) * self.width]
    }

    /// All rows, mutable.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.values.chunks_exact_mut(self.width.max(1))
    }

    pub(crate) fn of(matrix: MatRef<'_, f64>) -> Self {
        let mut dense = Self::zeros(matrix.nrows(), matrix.ncols());
        dense.view_mut().copy_from(matrix);
        dense
    }

    pub(crate) fn view(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.len(), self.width)
    }

    pub(crate) fn view_mut(&mut self) -> MatMut<'_, f64> {
        let rows = self.len();
        MatMut::from_row_major_slice_mut(&mut self.values, rows, self.width)
    }

    /// Adds `factor` times another matrix of the same shape.
    pub fn add(&mut self, factor: f64, other: &Self) {
        add_scaled(&mut self.values, factor, &other.values);
    }

    /// Multiplies each row by its factor.
    pub(crate) fn scale_rows(&mut self, factors: &[f64]) {
        for (row, factor) in self.rows_mut().zip(factors) {
            for value in row.iter_mut() {
                *value *= factor;
            }
        }
    }

    /// The sum of squares of all entries.
    pub fn squares(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum()
    }

    /// An orthonormal basis of the columns.
    #[must_use]
    pub fn orthonormal(&self) -> Self {
        Self::of(self.view().qr().compute_thin_Q().as_ref())
    }
}

/// The product of two matrices.
pub fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Dense {
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    matmul(&mut out, Accum::Replace, left, right, 1.0, Par::Seq);
    Dense::of(out.as_ref())
}

/// `sum += factor × values`, over the shorter of the two.
pub fn add_scaled(sum: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// The inner product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
