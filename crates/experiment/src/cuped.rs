//! Adjusts outcomes by what viewers did before the experiment, which removes the part of their
//! variance that the variants can't have caused.
//!
//! CUPED (A. Deng, Y. Xu, R. Kohavi, T. Walker: Improving the Sensitivity of Online Controlled
//! Experiments by Utilizing Pre-Experiment Data, WSDM 2013, section 3): with y a viewer's outcome
//! and x the same metric before their first exposure,
//!
//! ```text
//!     y − θ · (x − mean(x)),   θ = cov(x, y) / var(x)
//! ```
//!
//! has the same expected difference between variants, because x is independent of the variant, and
//! the variance of y times 1 − cor(x, y)². θ and mean(x) are estimated over all variants at each
//! look, so the level of intervals is asymptotic in θ too.

use crate::sequence::MIN_VIEWERS;

/// An adjustment by history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjustment {
    /// θ above.
    pub theta: f64,
    /// mean(x) over viewers who have history.
    pub mean: f64,
}

impl Adjustment {
    /// Estimates the adjustment from the outcomes of all viewers and their values before, `None`
    /// for viewers without history. `None` with history of fewer than [`MIN_VIEWERS`], or without
    /// variance in it.
    pub fn of(viewers: impl Iterator<Item = (f64, Option<f64>)> + Clone) -> Option<Self> {
        let known = viewers.filter_map(|(y, x)| Some((y, x?)));
        let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (y, x) in known.clone() {
            count += 1.0;
            sum_x += x;
            sum_y += y;
        }
        if count < MIN_VIEWERS {
            return None;
        }
        let (mean, mean_y) = (sum_x / count, sum_y / count);
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (y, x) in known {
            covariance += (x - mean) * (y - mean_y);
            variance += (x - mean).powi(2);
        }
        (variance > 0.0).then(|| Self { theta: covariance / variance, mean })
    }

    /// The adjusted outcome; one without history counts with the mean, which changes nothing.
    pub fn apply(&self, outcome: f64, before: Option<f64>) -> f64 {
        outcome - self.theta * before.map_or(0.0, |before| before - self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_history_tells_has_no_variance_left() {
        let viewers: Vec<(f64, Option<f64>)> =
            (0..200).map(|x| (3.0 + 2.0 * f64::from(x), Some(f64::from(x)))).collect();
        let found = Adjustment::of(viewers.iter().copied()).unwrap();
        assert!((found.theta - 2.0).abs() < 1e-9 && (found.mean - 99.5).abs() < 1e-9);
        assert!(viewers.iter().all(|(y, x)| (found.apply(*y, *x) - 202.0).abs() < 1e-9));
        assert!((found.apply(5.0, None) - 5.0).abs() < 1e-12);
        assert_eq!(Adjustment::of(viewers.iter().copied().take(99)), None);
        assert_eq!(Adjustment::of(viewers.iter().map(|(y, _)| (*y, Some(1.0)))), None);
        assert_eq!(Adjustment::of(viewers.iter().map(|(y, _)| (*y, None))), None);
    }
}
