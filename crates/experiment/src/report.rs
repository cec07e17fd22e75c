//! The report of an experiment: each variant's viewers, exposures and metrics, and its difference
//! from the control.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sinsang_core::viewer::device_of;

use crate::cuped::Adjustment;
use crate::exposure::{Intake, Viewer, Viewers};
use crate::guardrail::{Guarded, Guardrail, Verdict};
use crate::metric::{MOST_CLICKS, Metric};
use crate::sequence::{Difference, Sample, difference, ratio_p};

/// A p-value of the viewer ratio below this means that the assignment or the events are broken.
pub const RATIO_ALARM: f64 = 0.001;
/// Days since the first exposure covered by the novelty chart.
pub const NOVELTY_DAYS: i64 = 14;
/// Days before a viewer's first exposure that are their history, unless the settings say otherwise.
pub const BEFORE_DAYS: u32 = 14;

/// Settings of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The experiment's name.
    pub experiment: String,
    /// The variants with their shares of traffic; the first is the control.
    pub variants: Vec<(String, f64)>,
    /// Viewers of a variant and the control together at which the intervals are narrowest.
    pub planned: f64,
    /// Error level of the intervals, over all looks.
    pub alpha: f64,
    /// Whether devices count in addition to signed-in viewers.
    pub devices: bool,
    /// The most that one viewer's revenue counts, in won.
    pub cap_won: u32,
    /// Days of history that the viewers were read with.
    pub before_days: u32,
    /// Bounds to judge the variants by.
    pub guardrails: Vec<Guardrail>,
}

/// A mean over viewers, with its difference from the control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// What is averaged.
    pub metric: Metric,
    /// The metric's name.
    pub name: &'static str,
    /// Mean over viewers.
    pub mean: f64,
    /// Difference from the control; `None` for the control itself and while there are too few
    /// viewers.
    pub effect: Option<f64>,
    /// Lower and upper end of the difference's interval.
    pub interval: Option<[f64; 2]>,
    /// The p-value, valid at every look.
    pub p: Option<f64>,
    /// The difference after the adjustment by history; `None` without enough of it.
    pub adjusted: Option<Adjusted>,
}

/// A difference of outcomes that [`crate::cuped`] adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Adjusted {
    /// Difference from the control.
    pub effect: f64,
    /// Lower and upper end of its interval.
    pub interval: [f64; 2],
    /// The p-value, valid at every look.
    pub p: f64,
    /// The share of the difference's variance that the adjustment removed; negative where it adds.
    pub removed: f64,
}

/// Results of a variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VariantReport {
    /// The variant's name.
    pub variant: String,
    /// Number of viewers.
    pub viewers: usize,
    /// Number of exposures.
    pub exposures: u64,
    /// Every metric.
    pub rates: Vec<Rate>,
    /// The guardrails' verdicts; none for the control.
    pub guardrails: Vec<Guarded>,
    /// Share of viewers who clicked, by days since their first exposure. A fading effect is
    /// novelty.
    pub clicked_by_day: Vec<f64>,
}

/// Results of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The experiment's name.
    pub experiment: String,
    /// The variants, the control first.
    pub variants: Vec<VariantReport>,
    /// The p-value of "viewers came in the ratio of the shares"; `None` if it can't be tested.
    pub ratio_p: Option<f64>,
    /// Whether `ratio_p` is below [`RATIO_ALARM`], which makes all other results unreliable.
    pub is_ratio_broken: bool,
    /// Viewers seen with several variants, which are excluded.
    pub mixed_viewers: usize,
    /// Viewers of variants missing in the settings, which are excluded.
    pub strangers: usize,
    /// Some of those variants.
    pub unknown_variants: Vec<String>,
    /// Excluded devices: all, unless the settings include them, because anybody can make up devices
    /// and claim a variant for each. Without any signed-in viewer, none are excluded.
    pub devices_left_out: usize,
    /// Viewers with more than [`MOST_CLICKS`] clicks, whose further clicks are ignored.
    pub cut_viewers: usize,
    /// The most that one viewer's revenue counts, in won.
    pub revenue_cap_won: u32,
    /// Viewers who spent more.
    pub capped_viewers: usize,
    /// Viewers with history, and of how many days before their first exposure.
    pub history: History,
    /// Whether a variant breaks a guardrail.
    pub is_guardrail_broken: bool,
    /// Row counts of the read.
    pub intake: Intake,
}

/// What is known of viewers before their first exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// Days that count.
    pub days: u32,
    /// Viewers of the variants who did something in them.
    pub viewers: usize,
}

/// Unknown variants that are named.
const UNKNOWN_TOLD: usize = 5;

/// Viewers of a variant.
type Group<'a> = [&'a Viewer];

/// Evaluates `viewers`.
#[expect(clippy::cast_precision_loss, reason = "counts of viewers, far below 2^52")]
pub fn report(viewers: &Viewers, intake: Intake, settings: &Settings) -> Report {
    let Grouped { groups, mixed_viewers, strangers, unknown_variants, devices_left_out } = group(viewers, settings);
    let of = |name: &str| groups.get(name).map(Vec::as_slice).unwrap_or_default();
    let counts: Vec<f64> = settings.variants.iter().map(|(name, _)| of(name).len() as f64).collect();
    let shares: Vec<f64> = settings.variants.iter().map(|(_, share)| *share).collect();
    let control = settings.variants.first().map(|(name, _)| of(name)).unwrap_or_default();
    let everyone = || groups.values().flatten().copied();
    let adjustments = Metric::ALL.map(|metric| {
        Adjustment::of(everyone().map(|viewer| (outcome(metric, viewer, settings), before(metric, viewer, settings))))
    });
    let variants: Vec<VariantReport> = settings
        .variants
        .iter()
        .enumerate()
        .map(|(place, (name, _))| {
            let group = of(name);
            let compared = (place > 0).then_some(control);
            let metrics = Metric::ALL.into_iter().zip(adjustments);
            VariantReport {
                variant: name.clone(),
                viewers: group.len(),
                exposures: group.iter().map(|viewer| u64::from(viewer.impressions)).sum(),
                rates: metrics
                    .map(|(metric, adjustment)| rate(metric, group, compared, adjustment, settings))
                    .collect(),
                guardrails: compared.map(|control| guarded(group, control, settings)).unwrap_or_default(),
                clicked_by_day: (0..NOVELTY_DAYS).map(|day| clicked_on(group, day)).collect(),
            }
        })
        .collect();
    let ratio_p = ratio_p(&counts, &shares);
    let mut guardrails = variants.iter().flat_map(|variant| &variant.guardrails);
    Report {
        experiment: settings.experiment.clone(),
        ratio_p,
        is_ratio_broken: ratio_p.is_some_and(|p| p < RATIO_ALARM),
        mixed_viewers,
        strangers,
        unknown_variants: unknown_variants.into_iter().map(str::to_owned).collect(),
        devices_left_out,
        cut_viewers: everyone().filter(|viewer| viewer.after.clicks > MOST_CLICKS).count(),
        revenue_cap_won: settings.cap_won,
        capped_viewers: everyone().filter(|viewer| viewer.after.revenue_won > u64::from(settings.cap_won)).count(),
        history: History {
            days: settings.before_days,
            viewers: everyone().filter(|viewer| viewer.before.is_some()).count(),
        },
        is_guardrail_broken: guardrails.any(|guarded| guarded.verdict == Verdict::Broken),
        variants,
        intake,
    }
}

/// Viewers by variant, and how many are in none.
struct Grouped<'a> {
    groups: BTreeMap<&'a str, Vec<&'a Viewer>>,
    mixed_viewers: usize,
    strangers: usize,
    unknown_variants: BTreeSet<&'a str>,
    devices_left_out: usize,
}

fn group<'a>(viewers: &'a Viewers, settings: &Settings) -> Grouped<'a> {
    let mut groups: BTreeMap<&str, Vec<&Viewer>> = BTreeMap::new();
    let (mut mixed_viewers, mut strangers, mut unknown_variants) = (0, 0, BTreeSet::new());
    let (mut devices, mut devices_left_out) = (Vec::new(), 0);
    for (name, viewer) in viewers {
        match viewer.variants.iter().next() {
            Some(_) if viewer.variants.len() > 1 => mixed_viewers += 1,
            Some(variant) if settings.variants.iter().any(|(name, _)| name == variant) => {
                if device_of(name).is_some() {
                    devices.push((variant, viewer));
                } else {
                    groups.entry(variant).or_default().push(viewer);
                }
            }
            stranger => {
                strangers += 1;
                if unknown_variants.len() < UNKNOWN_TOLD {
                    unknown_variants.extend(stranger.map(String::as_str));
                }
            }
        }
    }
    // Excludes devices even if they are fewer than signed-in viewers: 40 clicking devices produced
    // a difference where there is none.
    if !settings.devices && !groups.is_empty() {
        devices_left_out = devices.len();
        devices.clear();
    }
    for (variant, viewer) in devices {
        groups.entry(variant).or_default().push(viewer);
    }
    Grouped { groups, mixed_viewers, strangers, unknown_variants, devices_left_out }
}

fn outcome(metric: Metric, viewer: &Viewer, settings: &Settings) -> f64 {
    metric.value(&viewer.after, settings.cap_won)
}

fn before(metric: Metric, viewer: &Viewer, settings: &Settings) -> Option<f64> {
    Some(metric.value(viewer.before.as_ref()?, settings.cap_won))
}

fn sample(group: &Group<'_>, value: impl Fn(&Viewer) -> f64) -> Sample {
    let mut sample = Sample::default();
    for viewer in group {
        sample.add(value(viewer));
    }
    sample
}

/// The metric of `group`, compared with `control`; `None` for the control itself.
fn rate(
    metric: Metric,
    group: &Group<'_>,
    control: Option<&Group<'_>>,
    adjustment: Option<Adjustment>,
    settings: &Settings,
) -> Rate {
    let Settings { planned, alpha, .. } = *settings;
    let plain = |viewer: &Viewer| outcome(metric, viewer, settings);
    let mine = sample(group, plain);
    let found = control.and_then(|control| difference(&mine, &sample(control, plain), planned, alpha));
    let adjusted = adjustment.zip(control).and_then(|(adjustment, control)| {
        let value = |viewer: &Viewer| adjustment.apply(plain(viewer), before(metric, viewer, settings));
        difference(&sample(group, value), &sample(control, value), planned, alpha)
    });
    Rate {
        metric,
        name: metric.name(),
        mean: mine.mean(),
        effect: found.map(|found| found.effect),
        interval: found.map(|found| [found.low, found.high]),
        p: found.map(|found| found.p),
        adjusted: found.zip(adjusted).map(|(found, adjusted)| Adjusted::of(&found, &adjusted)),
    }
}

impl Adjusted {
    /// The widths of two intervals at one look are as the roots of the variances.
    fn of(plain: &Difference, adjusted: &Difference) -> Self {
        let width = |found: &Difference| found.high - found.low;
        let removed = if width(plain) > 0.0 { 1.0 - (width(adjusted) / width(plain)).powi(2) } else { 0.0 };
        Self { effect: adjusted.effect, interval: [adjusted.low, adjusted.high], p: adjusted.p, removed }
    }
}

fn guarded(group: &Group<'_>, control: &Group<'_>, settings: &Settings) -> Vec<Guarded> {
    let judge = |guardrail: &Guardrail| {
        let value = |viewer: &Viewer| outcome(guardrail.metric, viewer, settings);
        guardrail.judge(&sample(group, value), &sample(control, value), settings.planned, settings.alpha)
    };
    settings.guardrails.iter().map(judge).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of viewers, far below 2^52")]
fn clicked_on(group: &Group<'_>, day: i64) -> f64 {
    let clicked = group.iter().filter(|viewer| viewer.click_days.contains(&day)).count();
    clicked as f64 / group.len().max(1) as f64
}
