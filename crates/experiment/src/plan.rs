//! How long an experiment must run until the report is expected to show an effect.
//!
//! After t viewers of a variant and the control, the estimated difference is normal with standard
//! deviation σ/√t in the limit (σ as in [`crate::sequence`]), so an interval of half-width h(t)
//! excludes 0 at that look, for a true difference δ, with probability Φ((δ − h(t)) / (σ/√t)) or
//! more. The wanted power 1 − β is reached when
//!
//! ```text
//!     δ ≥ h(t) + z(1 − β) · σ/√t
//! ```
//!
//! Earlier looks find the effect too, so the power over all looks is higher. Beside it stands the
//! test at one fixed look, t = (σ/δ)² · (z(1 − α/2) + z(1 − β))², which no look may precede.

mod text;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::metric::Metric;
use crate::past::{Accrual, Past};
use crate::sequence::{MIN_VIEWERS, half_width, is_told, rho};
use crate::size::Size;

/// Longest planned experiment, in days.
pub const MOST_DAYS: u32 = 365;
/// Days of the past that count, unless the settings say otherwise.
pub const PAST_DAYS: u32 = 28;
/// Days for which the plan names the smallest effect that is found.
const HORIZONS: [u32; 4] = [7, 14, 28, 56];

/// Settings of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSettings {
    /// The metric that decides.
    pub metric: Metric,
    /// The smallest effect that matters. A number is one of the past's mean, and counts as that
    /// share of it on every day: most metrics grow with the days, and their effects with them.
    pub effect: Size,
    /// The wanted share of experiments that find it.
    pub power: f64,
    /// Error level of the report's intervals, over all looks.
    pub alpha: f64,
    /// The variants with their shares of traffic; the first is the control.
    pub variants: Vec<(String, f64)>,
    /// The share of all viewers who are in the experiment.
    pub traffic: f64,
    /// The report's `--planned`; `None` if it will be what the plan advises.
    pub planned: Option<f64>,
    /// Whether devices count in addition to signed-in viewers.
    pub devices: bool,
    /// The most that one viewer's revenue counts, in won.
    pub cap_won: u32,
    /// Days of the past that count, at most.
    pub past_days: u32,
}

/// A past that tells too little.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Too few viewers.
    #[error("{viewers} viewers with an impression in the past events; a plan needs at least {MIN_VIEWERS}")]
    TooFewViewers {
        /// Those there are.
        viewers: f64,
    },
    /// A single day, which doesn't tell how viewers return.
    #[error("the past events are of one day; a plan needs at least two, to see how many viewers return")]
    TooFewDays,
    /// No variance in the metric.
    #[error("the metric {0} is the same for every viewer of the past events, so they tell no effect from chance")]
    NoVariance(&'static str),
    /// An effect that no share of viewers can have.
    #[error("{metric} of {:.1}% of viewers can't become {:.1}%: give a smaller effect, as a share such as 2%", mean * 100.0, most * 100.0)]
    TooLarge {
        /// The metric.
        metric: &'static str,
        /// Its mean in the past.
        mean: f64,
        /// What the effect makes of it.
        most: f64,
    },
    /// No variant beside the control.
    #[error("a plan needs a control and at least one variant")]
    TooFewVariants,
}

/// How long an experiment must run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The metric that decides.
    pub metric: Metric,
    /// The effect to be found, as a share of the control's mean.
    pub relative_effect: f64,
    /// The share of experiments that find it.
    pub power: f64,
    /// Error level over all looks.
    pub alpha: f64,
    /// The share of all viewers who are in the experiment.
    pub traffic: f64,
    /// What the past shows.
    pub past: PastSummary,
    /// Each variant but the control.
    pub variants: Vec<PlanVariant>,
    /// The smallest effect that is found after some days, for the variant that needs the longest.
    pub smallest: Vec<Smallest>,
}

/// What the plan leans on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastSummary {
    /// Days of the past that count.
    pub days: u32,
    /// Viewers with an impression on a day, averaged over the days.
    pub viewers_a_day: f64,
    /// Different viewers after 1, 2, … days.
    pub viewers: Vec<f64>,
    /// Mean of the metric over the viewers of all days.
    pub mean: f64,
    /// Its standard deviation between viewers.
    pub standard_deviation: f64,
    /// The most that one viewer's revenue counts, in won.
    pub revenue_cap_won: u32,
    /// Excluded devices.
    pub devices_left_out: usize,
    /// Unusable rows.
    pub rejected: u64,
}

/// The plan of a variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanVariant {
    /// The variant's name.
    pub variant: String,
    /// With intervals that hold at every look; `None` if [`MOST_DAYS`] are too few.
    pub always_valid: Option<Length>,
    /// With one test at a look fixed beforehand.
    pub fixed_look: Option<Length>,
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Length {
    /// Days, whole.
    pub days: u32,
    /// Viewers of the variant by then.
    pub viewers: f64,
    /// Viewers of the control by then.
    pub control_viewers: f64,
    /// The report's `--planned`: that of the settings, or both together.
    pub planned: f64,
    /// The control's mean by then. It grows with the days of most metrics.
    pub mean: f64,
    /// The effect in the metric's unit, of that mean.
    pub effect: f64,
    /// Whether the past has fewer days, so that the viewers are extrapolated.
    pub is_extrapolated: bool,
}

/// The smallest effect that is found after some days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Smallest {
    /// Days.
    pub days: u32,
    /// The effect as a share of the mean; `None` with too few viewers.
    pub relative_effect: Option<f64>,
    /// Whether the past has fewer days.
    pub is_extrapolated: bool,
}

/// A variant and the control after some days.
#[derive(Clone, Copy)]
struct Pair {
    /// The variant's share of the viewers of both.
    share: f64,
    /// Viewers of both.
    total: f64,
    /// Standard deviation of the averaged values.
    sigma: f64,
    /// The control's mean.
    mean: f64,
    /// The share of viewers with an outcome.
    rate: f64,
}

impl Pair {
    fn new(accrual: &Accrual, day: u32, control: f64, variant: f64, in_them: f64) -> Self {
        let share = variant / (control + variant);
        let past = accrual.sample(day);
        let sigma = (past.variance() / share + past.variance() / (1.0 - share)).sqrt();
        Self { share, total: accrual.viewers(day) * in_them, sigma, mean: past.mean(), rate: past.rate() }
    }

    /// Whether the report says anything of these viewers.
    fn is_told(&self) -> bool {
        self.sigma > 0.0 && is_told(self.total * self.share.min(1.0 - self.share), self.rate)
    }

    /// The smallest difference found at a look that comes after these viewers.
    fn found(&self, settings: &PlanSettings) -> f64 {
        let rho = rho(settings.alpha, settings.planned.unwrap_or(self.total));
        half_width(self.sigma, self.total, rho, settings.alpha) + self.chance(settings.power)
    }

    /// The same for a test at this look alone.
    fn found_once(&self, settings: &PlanSettings) -> f64 {
        self.chance(1.0 - settings.alpha / 2.0) + self.chance(settings.power)
    }

    /// The `level` quantile of the estimate's error.
    fn chance(&self, level: f64) -> f64 {
        Normal::standard().inverse_cdf(level) * self.sigma / self.total.sqrt()
    }
}

/// Plans an experiment as `settings` describe it, among viewers who do as they did in the `past`.
///
/// # Errors
/// [`PlanError`] if the past tells too little.
pub fn plan(past: &Past, settings: &PlanSettings) -> Result<Plan, PlanError> {
    let PlanSettings { metric, cap_won, devices, ref variants, .. } = *settings;
    let accrual = past.accrual(metric, cap_won, settings.past_days, devices);
    let seen = accrual.seen_days();
    let whole = accrual.sample(seen);
    let Some(((_, control), others)) = variants.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(PlanError::TooFewVariants);
    };
    if whole.count < MIN_VIEWERS {
        return Err(PlanError::TooFewViewers { viewers: whole.count });
    }
    if seen < 2 {
        return Err(PlanError::TooFewDays);
    }
    if whole.variance() <= 0.0 {
        return Err(PlanError::NoVariance(metric.id()));
    }
    let relative_effect = match settings.effect {
        Size::Relative(share) => share,
        Size::Absolute(value) => value / whole.mean(),
    };
    let most = whole.mean() * (1.0 + relative_effect);
    if metric.is_share() && most > 1.0 {
        return Err(PlanError::TooLarge { metric: metric.id(), mean: whole.mean(), most });
    }
    let all: f64 = variants.iter().map(|(_, share)| share).sum();
    let pair = |share: f64, day| Pair::new(&accrual, day, *control, share, settings.traffic * (control + share) / all);
    let length = |share: f64, found: fn(&Pair, &PlanSettings) -> f64| {
        let pairs = (1..=MOST_DAYS).map(|day| (day, pair(share, day)));
        let fits = |pair: &Pair| pair.is_told() && found(pair, settings) <= relative_effect * pair.mean;
        let (days, Pair { share, total, mean, .. }) = pairs.into_iter().find(|(_, pair)| fits(pair))?;
        let (viewers, control_viewers) = ((total * share).ceil(), (total * (1.0 - share)).ceil());
        let planned = settings.planned.unwrap_or(viewers + control_viewers);
        let effect = relative_effect * mean;
        Some(Length { days, viewers, control_viewers, planned, mean, effect, is_extrapolated: days > seen })
    };
    let planned = |(variant, share): &(String, f64)| PlanVariant {
        variant: variant.clone(),
        always_valid: length(*share, Pair::found),
        fixed_look: length(*share, Pair::found_once),
    };
    let least = others.iter().map(|(_, share)| *share).fold(f64::INFINITY, f64::min);
    let smallest = HORIZONS.map(|days| {
        let pair = pair(least, days);
        let relative_effect = pair.is_told().then(|| pair.found(settings) / pair.mean);
        Smallest { days, relative_effect, is_extrapolated: days > seen }
    });
    Ok(Plan {
        metric,
        relative_effect,
        power: settings.power,
        alpha: settings.alpha,
        traffic: settings.traffic,
        variants: others.iter().map(planned).collect(),
        smallest: smallest.into(),
        past: PastSummary {
            days: seen,
            viewers_a_day: accrual.daily,
            viewers: accrual.days.iter().map(|day| day.count).collect(),
            mean: whole.mean(),
            standard_deviation: whole.variance().sqrt(),
            revenue_cap_won: cap_won,
            devices_left_out: accrual.devices_left_out,
            rejected: past.rejected,
        },
    })
}
