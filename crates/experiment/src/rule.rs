//! The report of a measured rule: what viewers did with it and without it, and whether that can be
//! told yet.

use std::fmt;

use serde::Serialize;

use crate::exposure::{Intake, Viewers};
use crate::report::{Rate, Report, Settings, VariantReport, report};

/// What a rule did to an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The rule raises it.
    Raises,
    /// The rule lowers it.
    Lowers,
    /// No difference shows at the planned number of viewers; one within the interval may be there.
    Nothing,
    /// There are too few viewers to tell.
    TooEarly,
}

impl Finding {
    /// The finding on the `rate` of viewers with a rule, of whom there are so many `viewers`
    /// together with those without, and `planned`.
    fn of(rate: &Rate, viewers: f64, planned: f64) -> Self {
        match rate.interval {
            Some([low, _]) if low > 0.0 => Self::Raises,
            Some([_, high]) if high < 0.0 => Self::Lowers,
            Some(_) if viewers >= planned => Self::Nothing,
            _ => Self::TooEarly,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Raises => "raised by the rule",
            Self::Lowers => "LOWERED by the rule",
            Self::Nothing => "no difference found",
            Self::TooEarly => "too early to tell",
        }
    }
}

/// What viewers did with a rule and without it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleReport {
    /// The rule's name.
    pub rule: String,
    /// The share of viewers who go without it.
    pub held_back: f64,
    /// The finding on each rate, in the order of the variants' rates.
    pub findings: Vec<Finding>,
    /// The experiment that measures it: viewers without the rule, the control, and with it.
    #[serde(flatten)]
    pub report: Report,
}

/// Evaluates a rule's `viewers`. The first variant of `settings` goes without the rule, the second
/// has it.
pub fn rule_report(rule: &str, viewers: &Viewers, intake: Intake, settings: &Settings) -> RuleReport {
    let report = report(viewers, intake, settings);
    #[expect(clippy::cast_precision_loss, reason = "counts of viewers, far below 2^52")]
    let count = report.variants.iter().map(|variant| variant.viewers).sum::<usize>() as f64;
    let with = report.variants.last().map(|variant| variant.rates.as_slice()).unwrap_or_default();
    let findings = with.iter().map(|rate| Finding::of(rate, count, settings.planned)).collect();
    let held_back = settings.variants.first().map_or(0.0, |(_, share)| *share);
    RuleReport { rule: rule.to_owned(), held_back, findings, report }
}

impl fmt::Display for RuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, held_back, findings, report } = self;
        writeln!(f, "rule '{rule}', held back from {:.0} % of viewers as {}", held_back * 100.0, report.experiment)?;
        if let Some(nothing) = report.intake.nothing(&report.experiment) {
            return write!(f, "  {nothing}");
        }
        let [without, with] = report.variants.as_slice() else { return write!(f, "  nothing to compare") };
        for VariantReport { variant, viewers, exposures, .. } in [with, without] {
            writeln!(f, "  {variant:<8} {viewers} viewers, {exposures} exposures")?;
        }
        for ((with, without), finding) in with.rates.iter().zip(&without.rates).zip(findings) {
            let places = with.metric.decimals();
            write!(f, "  {:<16} {:>9.places$} with, {:>9.places$} without", with.name, with.mean, without.mean)?;
            if let Some([low, high]) = with.interval {
                write!(f, "; the rule's part is from {low:+.places$} to {high:+.places$}")?;
            }
            writeln!(f, ": {}", finding.as_str())?;
        }
        match report.ratio_p {
            Some(p) if report.is_ratio_broken => write!(
                f,
                "  VIEWERS ARE NOT DIVIDED AS PLANNED (p {p:.2e}): believe nothing above, and look for events that are lost"
            ),
            _ => {
                let Report { intake: Intake { rows, rejected, reasons, .. }, mixed_viewers, .. } = report;
                write!(
                    f,
                    "  {rows} events, {rejected} set aside; excluded {mixed_viewers} viewers seen with and without it"
                )?;
                reasons.iter().try_for_each(|reason| write!(f, "\n    {reason}"))
            }
        }
    }
}
