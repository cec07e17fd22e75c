//! The report as text.

use std::fmt;

use super::{Adjusted, Intake, Rate, Report, VariantReport};
use crate::metric::MOST_CLICKS;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "experiment {}", self.experiment)?;
        for variant in &self.variants {
            Self::write_variant(f, variant)?;
        }
        if !self.unknown_variants.is_empty() {
            let names = self.unknown_variants.join(", ");
            writeln!(f, "{} viewers of variants that were not named: {names}", self.strangers)?;
        }
        match self.ratio_p {
            Some(p) if self.is_ratio_broken => {
                writeln!(f, "SAMPLE RATIO MISMATCH (p {p:.2e}): the results above are not valid")?;
            }
            Some(p) => writeln!(f, "sample ratio as planned (p {p:.3})")?,
            None => writeln!(f, "sample ratio: nothing to compare")?,
        }
        writeln!(
            f,
            "revenue counts up to {} won of a viewer (--cap-revenue); {} spent more",
            self.revenue_cap_won, self.capped_viewers
        )?;
        writeln!(f, "{} viewers with history of {} days (--before)", self.history.viewers, self.history.days)?;
        let Intake { rows, twice, repeated, unexposed, rejected, .. } = &self.intake;
        write!(
            f,
            "{rows} events: {twice} duplicates, {repeated} repeats for a product and day, {unexposed} without an earlier exposure, \
             {rejected} set aside; "
        )?;
        write!(
            f,
            "excluded {} viewers with several variants and {} with unknown variants",
            self.mixed_viewers, self.strangers
        )?;
        if self.devices_left_out > 0 {
            write!(
                f,
                "\nexcluded {} devices, which anybody can forge: include them with --devices",
                self.devices_left_out
            )?;
        }
        if self.cut_viewers > 0 {
            write!(
                f,
                "\n{} viewers clicked more than {MOST_CLICKS} times; further clicks are ignored",
                self.cut_viewers
            )?;
        }
        self.intake.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

impl Report {
    fn write_variant(f: &mut fmt::Formatter<'_>, told: &VariantReport) -> fmt::Result {
        let VariantReport { variant, viewers, exposures, rates, guardrails, .. } = told;
        writeln!(f, "{variant}: {viewers} viewers, {exposures} exposures")?;
        for Rate { metric, name, mean, effect, interval, p, adjusted } in rates {
            let places = metric.decimals();
            write!(f, "  {name:<16} {mean:>9.places$}")?;
            if let (Some(effect), Some([low, high]), Some(p)) = (effect, interval, p) {
                write!(f, "  {effect:>+9.places$} from {low:+.places$} to {high:+.places$}  p {p:.4}")?;
            }
            writeln!(f)?;
            if let Some(Adjusted { effect, interval: [low, high], p, removed }) = adjusted {
                write!(f, "    by history {:>13}", "")?;
                write!(f, "  {effect:>+9.places$} from {low:+.places$} to {high:+.places$}  p {p:.4}")?;
                writeln!(f, "  {:.0}% of variance removed", removed * 100.0)?;
            }
        }
        for guarded in guardrails {
            write!(f, "  guardrail {}: {}", guarded.guardrail, guarded.verdict.as_str())?;
            if let Some([low, high]) = guarded.margin {
                let places = guarded.guardrail.metric.decimals();
                write!(f, ", {low:+.places$} to {high:+.places$} against the bound")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
