//! Guardrails: bounds on what a variant may cost a metric.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::metric::Metric;
use crate::sequence::{Sample, difference};
use crate::size::Size;

/// The most that a variant may take from a metric, such as `clicked>=-2%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guardrail {
    /// The guarded metric.
    pub metric: Metric,
    /// The lowest allowed difference from the control; 0 or negative.
    pub bound: Size,
}

impl FromStr for Guardrail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (metric, bound) = text
            .split_once(">=")
            .ok_or_else(|| "expected a metric and a bound, such as clicked>=-2% or bought>=-0.005".to_owned())?;
        let (metric, bound) = (Metric::parse(metric.trim())?, bound.parse::<Size>()?);
        match bound {
            Size::Relative(share) if share <= -1.0 => Err("no metric loses 100% or more".to_owned()),
            Size::Absolute(loss) if metric.is_share() && loss <= -1.0 => {
                Err(format!("{} is a share of viewers, which can't fall by {}; is {loss}% meant?", metric.id(), -loss))
            }
            size if size.number() > 0.0 => Err("expected a loss that is allowed, such as -2%, or 0".to_owned()),
            bound => Ok(Self { metric, bound }),
        }
    }
}

impl fmt::Display for Guardrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>={}", self.metric.id(), self.bound)
    }
}

impl Serialize for Guardrail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the viewers so far say of a guardrail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies above the bound.
    Holds,
    /// The whole interval lies below the bound.
    Broken,
    /// The interval has the bound within, or there are too few viewers.
    Undecided,
}

/// A guardrail of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Guarded {
    /// The guardrail.
    pub guardrail: Guardrail,
    /// Its verdict.
    pub verdict: Verdict,
    /// Interval of how far the variant lies above the bound, in the metric's unit; `None` with too
    /// few viewers.
    pub margin: Option<[f64; 2]>,
}

impl Guardrail {
    /// Judges a variant at this look.
    ///
    /// A relative bound b asks whether mean(variant) − (1 + b) · mean(control) is above 0. That is
    /// one difference of two samples, so the control's value is not taken for known.
    pub fn judge(self, variant: &Sample, control: &Sample, planned: f64, alpha: f64) -> Guarded {
        let (control, bound) = match self.bound {
            Size::Relative(share) => (control.scaled(1.0 + share), 0.0),
            Size::Absolute(bound) => (*control, bound),
        };
        let margin = difference(variant, &control, planned, alpha).map(|found| [found.low - bound, found.high - bound]);
        let verdict = match margin {
            Some([low, _]) if low > 0.0 => Verdict::Holds,
            Some([_, high]) if high < 0.0 => Verdict::Broken,
            _ => Verdict::Undecided,
        };
        Guarded { guardrail: self, verdict, margin }
    }
}

impl Verdict {
    /// The spelling in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "BROKEN",
            Self::Undecided => "undecided",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` viewers, of whom `hits` clicked.
    fn clicked(count: u32, hits: u32) -> Sample {
        Sample { count: f64::from(count), sum: f64::from(hits), squares: f64::from(hits) }
    }

    #[test]
    fn a_guardrail_names_a_metric_and_a_loss() {
        let read = |text: &str| text.parse::<Guardrail>();
        assert_eq!(read("revenue>=-5%"), Ok(Guardrail { metric: Metric::Revenue, bound: Size::Relative(-0.05) }));
        assert_eq!(read(" bought >= -0.005 ").map(|read| read.to_string()), Ok("bought>=-0.005".to_owned()));
        for (text, reason) in [
            ("clicked", "such as clicked>=-2%"),
            ("clicked>-2%", "such as clicked>=-2%"),
            ("sales>=-2%", "there are clicked, alarm, bought, clicks, revenue"),
            ("clicked>=", "such as 2%"),
            ("clicked>=2%", "a loss"),
            ("clicked>=-100%", "100%"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(reason), "{text}: {told}");
        }
    }

    #[test]
    fn a_verdict_needs_the_whole_interval_on_one_side_of_the_bound() {
        let control = clicked(100_000, 20_000);
        let judge =
            |bound: &str, variant: &Sample| bound.parse::<Guardrail>().unwrap().judge(variant, &control, 2e5, 0.05);
        for (bound, hits, verdict) in [
            ("clicked>=-5%", 20_000, Verdict::Holds),
            ("clicked>=-5%", 19_000, Verdict::Undecided),
            ("clicked>=-5%", 17_000, Verdict::Broken),
            ("clicked>=-0.01", 20_000, Verdict::Holds),
            ("clicked>=-0.01", 19_000, Verdict::Undecided),
            ("clicked>=-0.01", 17_000, Verdict::Broken),
        ] {
            let found = judge(bound, &clicked(100_000, hits));
            assert_eq!(found.verdict, verdict, "{bound} {hits}: {found:?}");
        }
        assert_eq!(judge("clicked>=-5%", &clicked(99, 0)).verdict, Verdict::Undecided);
        // 20,000 against 95% of 20,000 of 100,000: 0.01 above the bound.
        let [low, high] = judge("clicked>=-5%", &clicked(100_000, 20_000)).margin.unwrap();
        assert!((low.midpoint(high) - 0.01).abs() < 1e-9);
    }
}
