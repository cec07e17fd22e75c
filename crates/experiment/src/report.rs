//! The report of an experiment: for each variant viewers, exposures and rates, and how it differs from the control.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sinsang_core::viewer::device_of;

use crate::exposure::{Intake, Kind, Viewer, Viewers};
use crate::sequence::{Difference, Sample, difference, ratio_p};

/// Below this, the ratio of viewers is no chance: the assignment or the events are broken.
pub const RATIO_ALARM: f64 = 0.001;
/// Clicks of one viewer that count: few people have more, and one who has thousands would move the mean by himself.
pub const MOST_CLICKS: u32 = 20;
/// Days after the first exposure that novelty is told for.
pub const NOVELTY_DAYS: i64 = 14;

/// How an experiment is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its name.
    pub experiment: String,
    /// The variants with the shares of traffic that they were given; the first is the control.
    pub variants: Vec<(String, f64)>,
    /// Viewers of a variant and the control together after which the intervals are narrowest.
    pub planned: f64,
    /// The level of the intervals, over all looks.
    pub alpha: f64,
    /// Whether devices are looked at beside viewers who are signed in.
    pub devices: bool,
}

/// A share of viewers, or a mean, and how it differs from the control's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// What is counted.
    pub name: &'static str,
    /// Its mean over viewers.
    pub mean: f64,
    /// The difference from the control; nothing for the control itself, and while there are few viewers.
    pub effect: Option<f64>,
    /// The ends of the interval.
    pub interval: Option<[f64; 2]>,
    /// The p-value, which holds at every look.
    pub p: Option<f64>,
}

/// What a variant shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VariantReport {
    /// Its name.
    pub variant: String,
    /// Viewers.
    pub viewers: usize,
    /// Exposures.
    pub exposures: u64,
    /// Viewers who clicked, set an alarm, bought; and clicks a viewer.
    pub rates: Vec<Rate>,
    /// The share of viewers who clicked, by days after their first exposure: an effect that fades is novelty.
    pub clicked_by_day: Vec<f64>,
}

/// What an experiment shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Its name.
    pub experiment: String,
    /// The variants, the control first.
    pub variants: Vec<VariantReport>,
    /// The p-value of "viewers came in the ratio of the shares".
    pub ratio_p: Option<f64>,
    /// Whether that is so small that nothing else here should be believed.
    pub is_ratio_broken: bool,
    /// Viewers seen with several variants, which are left out.
    pub mixed_viewers: usize,
    /// Viewers of variants that the settings do not name, which are left out.
    pub strangers: usize,
    /// Devices that are left out, as all are unless they are asked for: anybody can make up devices, and say of each which variant it was shown.
    /// Where nobody is signed in, none is left out.
    pub devices_left_out: usize,
    /// Viewers who clicked more often than [`MOST_CLICKS`], and count as if they had not.
    pub cut_viewers: usize,
    /// What was read.
    pub intake: Intake,
}

/// The outcome of a viewer that a rate is the mean of.
type Outcome = fn(&Viewer) -> f64;

const OUTCOMES: [(&str, Outcome); 4] = [
    ("clicked", |viewer| has(viewer, Kind::Click)),
    ("set an alarm", |viewer| has(viewer, Kind::Alarm)),
    ("bought", |viewer| has(viewer, Kind::Purchase)),
    ("clicks a viewer", |viewer| f64::from(count(viewer, Kind::Click).min(MOST_CLICKS))),
];

fn count(viewer: &Viewer, kind: Kind) -> u32 {
    u32::try_from(viewer.outcomes.iter().filter(|(one, _)| *one == kind).count()).unwrap_or(u32::MAX)
}

fn has(viewer: &Viewer, kind: Kind) -> f64 {
    if count(viewer, kind) > 0 { 1.0 } else { 0.0 }
}

/// The report of `viewers`.
#[expect(clippy::cast_precision_loss, reason = "counts of viewers, far below 2^52")]
pub fn report(viewers: &Viewers, intake: Intake, settings: &Settings) -> Report {
    let mut groups: BTreeMap<&str, Vec<&Viewer>> = BTreeMap::new();
    let (mut mixed_viewers, mut strangers, mut cut_viewers) = (0, 0, 0);
    let (mut devices, mut devices_left_out) = (Vec::new(), 0);
    for (name, viewer) in viewers {
        match viewer.variants.iter().next() {
            Some(_) if viewer.variants.len() > 1 => mixed_viewers += 1,
            Some(variant) if settings.variants.iter().any(|(name, _)| name == variant) => {
                cut_viewers += usize::from(count(viewer, Kind::Click) > MOST_CLICKS);
                if device_of(name).is_some() {
                    devices.push((variant, viewer));
                } else {
                    groups.entry(variant).or_default().push(viewer);
                }
            }
            _ => strangers += 1,
        }
    }
    // Not even as many of them as are signed in: 40 that click made a difference where there is none.
    if !settings.devices && !groups.is_empty() {
        devices_left_out = devices.len();
        devices.clear();
    }
    for (variant, viewer) in devices {
        groups.entry(variant).or_default().push(viewer);
    }
    let of = |name: &str| groups.get(name).map(Vec::as_slice).unwrap_or_default();
    let counts: Vec<f64> = settings.variants.iter().map(|(name, _)| of(name).len() as f64).collect();
    let shares: Vec<f64> = settings.variants.iter().map(|(_, share)| *share).collect();
    let control = settings.variants.first().map(|(name, _)| of(name)).unwrap_or_default();
    let variants = settings.variants.iter().enumerate().map(|(place, (name, _))| {
        let group = of(name);
        let rates = OUTCOMES.map(|(label, outcome)| {
            let (mine, theirs) = (sample(group, outcome), sample(control, outcome));
            let found = (place > 0).then(|| difference(&mine, &theirs, settings.planned, settings.alpha)).flatten();
            rate(label, &mine, found)
        });
        VariantReport {
            variant: name.clone(),
            viewers: group.len(),
            exposures: group.iter().map(|viewer| u64::from(viewer.impressions)).sum(),
            rates: rates.into(),
            clicked_by_day: (0..NOVELTY_DAYS).map(|day| clicked_on(group, day)).collect(),
        }
    });
    let ratio_p = ratio_p(&counts, &shares);
    Report {
        experiment: settings.experiment.clone(),
        variants: variants.collect(),
        ratio_p,
        is_ratio_broken: ratio_p.is_some_and(|p| p < RATIO_ALARM),
        mixed_viewers,
        strangers,
        devices_left_out,
        cut_viewers,
        intake,
    }
}

fn sample(group: &[&Viewer], outcome: Outcome) -> Sample {
    let mut sample = Sample::default();
    for viewer in group {
        sample.add(outcome(viewer));
    }
    sample
}

fn rate(name: &'static str, sample: &Sample, found: Option<Difference>) -> Rate {
    Rate {
        name,
        mean: sample.mean(),
        effect: found.map(|found| found.effect),
        interval: found.map(|found| [found.low, found.high]),
        p: found.map(|found| found.p),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of viewers, far below 2^52")]
fn clicked_on(group: &[&Viewer], day: i64) -> f64 {
    let clicked = group.iter().filter(|viewer| viewer.outcomes.contains(&(Kind::Click, day))).count();
    clicked as f64 / group.len().max(1) as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "experiment {}", self.experiment)?;
        for VariantReport { variant, viewers, exposures, rates, .. } in &self.variants {
            writeln!(f, "{variant}: {viewers} viewers, {exposures} exposures")?;
            for Rate { name, mean, effect, interval, p } in rates {
                write!(f, "  {name:<16} {mean:>9.5}")?;
                if let (Some(effect), Some([low, high]), Some(p)) = (effect, interval, p) {
                    write!(f, "  {effect:>+9.5} from {low:+.5} to {high:+.5}  p {p:.4}")?;
                }
                writeln!(f)?;
            }
        }
        match self.ratio_p {
            Some(p) if self.is_ratio_broken => {
                writeln!(f, "VIEWERS DID NOT COME IN THE RATIO OF THE SHARES (p {p:.2e}): believe nothing above")?;
            }
            Some(p) => writeln!(f, "ratio of viewers as planned (p {p:.3})")?,
            None => writeln!(f, "ratio of viewers: nothing to compare")?,
        }
        let Intake { rows, twice, repeated, unexposed, rejected, .. } = &self.intake;
        write!(
            f,
            "{rows} events, {twice} of them again, {repeated} the same of a product and day, {unexposed} without an exposure before, \
             {rejected} set aside; "
        )?;
        write!(
            f,
            "{} viewers with several variants and {} with unknown ones left out",
            self.mixed_viewers, self.strangers
        )?;
        if self.devices_left_out > 0 {
            write!(
                f,
                "\n{} devices left out, which anybody can make up: --devices looks at them too",
                self.devices_left_out
            )?;
        }
        if self.cut_viewers > 0 {
            write!(
                f,
                "\n{} viewers clicked more than {MOST_CLICKS} times, and count as if they had not",
                self.cut_viewers
            )?;
        }
        self.intake.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}
