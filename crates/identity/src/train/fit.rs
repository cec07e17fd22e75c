//! Fitting of a matcher to labelled pairs: logistic regression with a squared penalty, by L-BFGS.

use argmin::core::{CostFunction, Executor, Gradient, State as _};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;

use super::Error;
use crate::identity::matcher::{
    self, Calibration, FORMAT, Matcher, Model, Product, Weight, deviations, logistic, logit,
};

/// Weight of the misfit relative to the squared weights. Cross-validated among .003, .01, .03, .1.
const FIT: f64 = 0.03;
/// Limit on the optimiser's steps; it converges long before.
const MOST_STEPS: u64 = 400;
/// Features whose pairwise products are weighted too: the most informative ones and the pair's
/// domain.
const CROSSED: [&str; 18] = [
    "total",
    "coverage_high",
    "coverage_low",
    "grams_inside",
    "vetoes",
    "price",
    "clothing",
    "beauty",
    "evidence",
    "shop",
    "met",
    "brand_any",
    "names_coverage_high",
    "eaten",
    "service",
    "rules",
    "triples",
    "counted",
];

/// A labelled pair.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its features, in the order of [`matcher::names`].
    pub(super) values: Vec<f64>,
    /// Whether it is one product.
    pub(super) same: bool,
    /// Its weight in the fit.
    pub(super) weight: f64,
}

/// A logistic regression problem: rows of numbers with their labels and weights.
struct Problem<'a> {
    rows: &'a [Vec<f64>],
    same: Vec<f64>,
    weights: Vec<f64>,
}

impl Problem<'_> {
    /// The logit of a row; the last weight is the intercept.
    fn logit(row: &[f64], weights: &[f64]) -> f64 {
        row.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>()
            + weights.last().copied().unwrap_or(0.0)
    }
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, weights: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        let misfit = self.rows.iter().zip(&self.same).zip(&self.weights).map(|((row, same), count)| {
            let logit = Self::logit(row, weights);
            // ln(1 + e^-z), numerically stable at both ends.
            let towards = if *same > 0.5 { logit } else { -logit };
            count * ((-towards.abs()).exp().ln_1p() + (-towards).max(0.0))
        });
        let squares: f64 = weights.iter().rev().skip(1).map(|weight| weight * weight).sum();
        Ok(FIT * misfit.sum::<f64>() + squares / 2.0)
    }
}

impl Gradient for Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, weights: &Vec<f64>) -> Result<Vec<f64>, argmin::core::Error> {
        let mut gradient = weights.clone();
        if let Some(alone) = gradient.last_mut() {
            *alone = 0.0;
        }
        for ((row, same), count) in self.rows.iter().zip(&self.same).zip(&self.weights) {
            let error = FIT * count * (logistic(Self::logit(row, weights)) - same);
            for (slope, value) in gradient.iter_mut().zip(row) {
                *slope += error * value;
            }
            if let Some(alone) = gradient.last_mut() {
                *alone += error;
            }
        }
        Ok(gradient)
    }
}

fn minimise(problem: Problem<'_>, weights: usize) -> Result<Vec<f64>, Error> {
    let start = vec![0.0; weights + 1];
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), 10).with_tolerance_grad(1e-6)?;
    let run =
        Executor::new(problem, solver).configure(|state| state.param(start.clone()).max_iters(MOST_STEPS)).run()?;
    Ok(run.state().get_best_param().cloned().unwrap_or(start))
}

/// Mean and standard deviation of a column's known values.
fn moments(values: &(impl Iterator<Item = f64> + Clone)) -> (f64, f64) {
    let known = || values.clone().filter(|value| !value.is_nan());
    let count = known().fold(0.0, |count, _| count + 1.0);
    if count == 0.0 {
        return (0.0, 1.0);
    }
    let mean = known().sum::<f64>() / count;
    let variance = known().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 1e-12 { variance.sqrt() } else { 1.0 })
}

/// Fits a matcher to `rows`. Deterministic for the same rows in the same order.
///
/// # Errors
/// [`Error`] if all rows have one label, or the optimiser fails.
pub(super) fn fit<'r>(rows: impl Iterator<Item = &'r Row>) -> Result<Matcher, Error> {
    let rows: Vec<&Row> = rows.collect();
    let same = rows.iter().filter(|row| row.same).count();
    if same == 0 || same == rows.len() {
        return Err(Error::OneSided { same, different: rows.len() - same });
    }
    let names = matcher::names();
    let scales: Vec<(f64, f64)> = (0..names.len())
        .map(|at| moments(&rows.iter().map(move |row| row.values.get(at).copied().unwrap_or(f64::NAN))))
        .collect();
    let crossed: Vec<usize> = CROSSED.iter().filter_map(|name| names.iter().position(|known| known == name)).collect();
    // Products with `counted`: a feature's meaning may depend on whether words were counted.
    let counted = names.iter().position(|name| *name == "counted");
    let others = |counted: usize| (0..names.len()).filter(|at| !crossed.contains(at)).map(move |at| (at, counted));
    let pairs: Vec<(usize, usize)> = crossed
        .iter()
        .enumerate()
        .flat_map(|(at, &first)| crossed.iter().skip(at).map(move |&second| (first, second)))
        .chain(counted.into_iter().flat_map(|counted| others(counted)))
        .collect();
    // An unknown value is replaced by the mean and flagged in a separate column.
    let columns = |row: &Row| -> Vec<f64> {
        let of_row: Vec<Option<f64>> = row
            .values
            .iter()
            .zip(&scales)
            .map(|(&value, &(mean, deviation))| (!value.is_nan()).then(|| deviations(value, mean, deviation)))
            .collect();
        let known = of_row.iter().map(|value| value.unwrap_or(0.0));
        let absent = of_row.iter().map(|value| f64::from(u8::from(value.is_none())));
        let products = pairs.iter().map(|&(a, b)| matcher::product(of_row.get(a), of_row.get(b)));
        known.chain(absent).chain(products).collect()
    };
    let mut table: Vec<Vec<f64>> = rows.iter().map(|row| columns(row)).collect();
    let width = names.len() * 2 + pairs.len();
    let spread: Vec<(f64, f64)> =
        (0..width).map(|at| moments(&table.iter().map(move |row| row.get(at).copied().unwrap_or(0.0)))).collect();
    for row in &mut table {
        for (value, (mean, deviation)) in row.iter_mut().zip(&spread) {
            *value = (*value - mean) / deviation;
        }
    }
    let problem = Problem {
        rows: &table,
        same: rows.iter().map(|row| f64::from(u8::from(row.same))).collect(),
        weights: rows.iter().map(|row| row.weight).collect(),
    };
    let fitted = minimise(problem, width)?;
    // Scales the weights back to the original columns.
    let weight = |at: usize| match (fitted.get(at), spread.get(at)) {
        (Some(weight), Some((_, deviation))) => weight / deviation,
        _ => 0.0,
    };
    let moved: f64 = (0..width).map(|at| weight(at) * spread.get(at).map_or(0.0, |(mean, _)| *mean)).sum();
    let short = |number: f64| (number * 1e5).round() / 1e5;
    let model = Model {
        format: FORMAT,
        bias: short(fitted.last().copied().unwrap_or(0.0) - moved),
        features: names
            .iter()
            .zip(&scales)
            .enumerate()
            .map(|(at, (name, &(mean, deviation)))| Weight {
                name: (*name).to_owned(),
                mean: short(mean),
                deviation: short(deviation).max(1e-5),
                weight: short(weight(at)),
                absent: short(weight(names.len() + at)),
            })
            .collect(),
        products: pairs
            .iter()
            .enumerate()
            .filter_map(|(at, &(a, b))| {
                let of = [(*names.get(a)?).to_owned(), (*names.get(b)?).to_owned()];
                Some(Product { of, weight: short(weight(names.len() * 2 + at)) })
            })
            .collect(),
        aired: Calibration { bias: 0.0, slope: 1.0 },
    };
    Ok(Matcher::new(model)?)
}

/// Fits the calibration from the likeliest earlier title's probability to the probability of having
/// aired.
///
/// # Errors
/// [`Error`] if all listings have one label, or the optimiser fails.
pub(super) fn calibrate(likest: &[(f64, bool)]) -> Result<Calibration, Error> {
    let aired = likest.iter().filter(|(_, aired)| *aired).count();
    if aired == 0 || aired == likest.len() {
        return Err(Error::OneSided { same: aired, different: likest.len() - aired });
    }
    let rows: Vec<Vec<f64>> = likest.iter().map(|(probability, _)| vec![logit(*probability)]).collect();
    let same = likest.iter().map(|(_, aired)| f64::from(u8::from(*aired))).collect();
    // With one weight for hundreds of rows, the penalty must be negligible.
    let weights = vec![100.0; likest.len()];
    let fitted = minimise(Problem { rows: &rows, same, weights }, 1)?;
    match fitted[..] {
        [slope, bias] => Ok(Calibration { bias: (bias * 1e4).round() / 1e4, slope: (slope * 1e4).round() / 1e4 }),
        _ => Ok(Calibration { bias: 0.0, slope: 1.0 }),
    }
}
