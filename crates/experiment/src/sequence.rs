//! Intervals and p-values that hold at every look, so that whoever watches an experiment may stop it when they like.
//!
//! An asymptotic confidence sequence for a mean (I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas: Time-uniform central limit
//! theory and asymptotic confidence sequences, The Annals of Statistics 52(6), 2024, theorem 2.2): after t viewers, with the standard
//! deviation σ of what is averaged, the mean lies within
//!
//! ```text
//!     σ · √( 2(tρ² + 1) / (t²ρ²) · ln( √(tρ² + 1) / α ) )
//! ```
//!
//! at all t at once with probability 1 − α in the limit. What is averaged here is each viewer's contribution to the difference of two
//! variants, weighted by the inverse of the share of traffic that a variant has (section 4 there); its variance is that of the variants'
//! outcomes over their shares. The viewer is the unit: clicks of one viewer depend on each other, viewers do not.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

/// Outcomes of the viewers of a variant: how many, their sum, and the sum of their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Viewers.
    pub count: f64,
    /// The sum of their outcomes.
    pub sum: f64,
    /// The sum of the squares of their outcomes.
    pub squares: f64,
}

impl Sample {
    /// Takes in the outcome of one more viewer.
    pub fn add(&mut self, outcome: f64) {
        self.count += 1.0;
        self.sum += outcome;
        self.squares += outcome * outcome;
    }

    /// The mean outcome; 0 without viewers.
    pub fn mean(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }

    /// The unbiased variance of outcomes; 0 for fewer than two viewers.
    pub fn variance(&self) -> f64 {
        if self.count < 2.0 {
            return 0.0;
        }
        ((self.squares - self.count * self.mean().powi(2)) / (self.count - 1.0)).max(0.0)
    }
}

/// The difference of a variant and the control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Mean of the variant less that of the control.
    pub effect: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The p-value of "no difference".
    pub p: f64,
}

/// The mixture's ρ that makes the interval of level `alpha` narrowest after `viewers` (equation 12 of the paper's appendix, from
/// Howard et al. 2021).
pub fn rho(alpha: f64, viewers: f64) -> f64 {
    let log = -2.0 * alpha.ln();
    ((log + log.ln() + 1.0) / viewers.max(1.0)).sqrt()
}

/// The half width of the interval after `t` viewers with deviation `sigma`.
pub fn half_width(sigma: f64, t: f64, rho: f64, alpha: f64) -> f64 {
    let scaled = t * rho * rho;
    sigma * (2.0 * (scaled + 1.0) / (t * scaled) * ((scaled + 1.0).sqrt() / alpha).ln()).sqrt()
}

/// The smallest level whose interval after `t` viewers leaves out 0 where the mean is `effect`.
pub fn p_value(effect: f64, sigma: f64, t: f64, rho: f64) -> f64 {
    if sigma <= 0.0 {
        return 1.0;
    }
    let scaled = t * rho * rho;
    let exponent = -t * scaled * (effect / sigma).powi(2) / (2.0 * (scaled + 1.0));
    ((scaled + 1.0).sqrt() * exponent.exp()).min(1.0)
}

/// The difference of `variant` and `control` at this look, where the experiment is sharpest after `planned` viewers of both together.
///
/// `None` while a variant has fewer than [`MIN_VIEWERS`] viewers: the limit that the method speaks of is far then.
pub fn difference(variant: &Sample, control: &Sample, planned: f64, alpha: f64) -> Option<Difference> {
    if variant.count < MIN_VIEWERS || control.count < MIN_VIEWERS {
        return None;
    }
    let total = variant.count + control.count;
    let share = variant.count / total;
    let sigma = (variant.variance() / share + control.variance() / (1.0 - share)).sqrt();
    let effect = variant.mean() - control.mean();
    let rho = rho(alpha, planned);
    let half = half_width(sigma, total, rho, alpha);
    Some(Difference { effect, low: effect - half, high: effect + half, p: p_value(effect, sigma, total, rho) })
}

/// Viewers that each variant must have before anything is said.
pub const MIN_VIEWERS: f64 = 100.0;

/// The p-value of "viewers came in the ratio of `shares`", by Pearson's chi-squared test. `None` where there is nothing to compare.
pub fn ratio_p(counts: &[f64], shares: &[f64]) -> Option<f64> {
    let (total, whole) = (counts.iter().sum::<f64>(), shares.iter().sum::<f64>());
    if counts.len() != shares.len() || counts.len() < 2 || total <= 0.0 || shares.iter().any(|share| *share <= 0.0) {
        return None;
    }
    let statistic: f64 = counts
        .iter()
        .zip(shares)
        .map(|(count, share)| {
            let expected = total * share / whole;
            (count - expected).powi(2) / expected
        })
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful of variants")]
    let distribution = ChiSquared::new((counts.len() - 1) as f64).ok()?;
    Some(distribution.sf(statistic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_is_the_level_whose_interval_just_touches_zero() {
        for (effect, sigma, t, rho) in [(0.1, 1.0, 5_000.0, 0.02), (0.01, 0.4, 90_000.0, 0.01), (-0.3, 2.0, 700.0, 0.1)]
        {
            let p = p_value(effect, sigma, t, rho);
            assert!(p < 1.0);
            let half = half_width(sigma, t, rho, p);
            assert!((half - f64::abs(effect)).abs() < 1e-9, "{effect}: {half}");
        }
        assert!((p_value(0.0, 1.0, 100.0, 0.1) - 1.0).abs() < 1e-12);
    }

    /// By hand: t = 10,000, ρ = 0.03, σ = 1, α = 0.05: tρ² = 9, ln(√10 / 0.05) = 4.14702, 2 · 10 / 90,000 · 4.14702 = 9.21560e-4.
    #[test]
    fn a_half_width_by_hand() {
        assert!((half_width(1.0, 1e4, 0.03, 0.05) - 0.030_357).abs() < 1e-5);
        // ρ at its best is narrower after the planned number than another.
        let best = half_width(1.0, 1e4, rho(0.05, 1e4), 0.05);
        assert!([0.5, 0.8, 1.25, 2.0].iter().all(|other| half_width(1.0, 1e4, rho(0.05, 1e4) * other, 0.05) > best));
    }

    #[test]
    fn ratios_by_hand() {
        // (5,100 − 5,000)² / 5,000 · 2 = 4, of which chi-squared with one degree of freedom has 4.55 % above.
        assert!((ratio_p(&[5_100.0, 4_900.0], &[1.0, 1.0]).unwrap() - 0.0455).abs() < 1e-4);
        assert!(ratio_p(&[900.0, 100.0], &[9.0, 1.0]).unwrap() > 0.99);
        assert_eq!(ratio_p(&[1.0], &[1.0]), None);
    }
}
