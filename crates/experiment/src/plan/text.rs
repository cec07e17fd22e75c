//! The plan as text.

use std::fmt;

use super::{Length, MOST_DAYS, PastSummary, Plan, PlanVariant, Smallest};
use crate::metric::Metric;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, relative_effect, power, alpha, traffic, past, variants, smallest } = self;
        let places = metric.decimals();
        let (name, effect, power) = (metric.name(), relative_effect * 100.0, power * 100.0);
        writeln!(f, "{name}: an effect of {effect:.1}%, found by {power:.0}% of experiments at level {alpha}")?;
        write!(f, "{past:.places$}")?;
        if *metric == Metric::Revenue {
            writeln!(f, "revenue counts up to {} won of a viewer (--cap-revenue)", past.revenue_cap_won)?;
        }
        writeln!(f, "with {:.0}% of viewers in the experiment:", traffic * 100.0)?;
        for PlanVariant { variant, always_valid, fixed_look } in variants {
            writeln!(f, "{variant}")?;
            write_length(f, "looking at any time", places, always_valid.as_ref())?;
            if let Some(Length { planned, .. }) = always_valid {
                writeln!(f, "    report with --planned {planned:.0}")?;
            }
            write_length(f, "one fixed look", places, fixed_look.as_ref())?;
        }
        write!(f, "smallest effect found, looking at any time:")?;
        for Smallest { days, relative_effect, is_extrapolated } in smallest {
            let mark = if *is_extrapolated { "*" } else { "" };
            match relative_effect {
                Some(effect) => write!(f, "  {days} days {:.1}%{mark}", effect * 100.0)?,
                None => write!(f, "  {days} days too few viewers{mark}")?,
            }
        }
        let lengths = variants.iter().flat_map(|variant| [&variant.always_valid, &variant.fixed_look]).flatten();
        if smallest.iter().any(|one| one.is_extrapolated) || lengths.into_iter().any(|one| one.is_extrapolated) {
            write!(
                f,
                "\n* extrapolated: after the {} past days, new viewers grow rarer as they did within them, and each \
                 viewer's mean and deviation stay",
                past.days
            )?;
        }
        Ok(())
    }
}

fn write_length(f: &mut fmt::Formatter<'_>, name: &str, places: usize, length: Option<&Length>) -> fmt::Result {
    let Some(Length { days, viewers, control_viewers, mean, effect, is_extrapolated, .. }) = length else {
        return writeln!(f, "  {name:<20} over {MOST_DAYS} days");
    };
    let mark = if *is_extrapolated { "*" } else { "" };
    write!(f, "  {name:<20} {days} days{mark}, {viewers:.0} viewers and {control_viewers:.0} of the control;")?;
    writeln!(f, " mean {mean:.places$}, effect {effect:+.places$}")
}

impl fmt::Display for PastSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(5);
        let Self { days, viewers_a_day, viewers, mean, standard_deviation, devices_left_out, rejected, .. } = self;
        write!(f, "past: {days} days, {viewers_a_day:.0} viewers a day; different viewers after")?;
        let told = [1, 2, 7, 14, 28, 56, 112].into_iter().filter(|day| day < days).chain([*days]);
        for (place, day) in told.enumerate() {
            let count = usize::try_from(day).ok().and_then(|day| viewers.get(day.checked_sub(1)?));
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma} {day} d {:.0}", count.copied().unwrap_or_default())?;
        }
        writeln!(f)?;
        writeln!(f, "a viewer: mean {mean:.places$}, standard deviation {standard_deviation:.places$}")?;
        if *devices_left_out > 0 {
            writeln!(f, "excluded {devices_left_out} devices, which anybody can forge: include them with --devices")?;
        }
        if *rejected > 0 {
            writeln!(f, "{rejected} unusable rows set aside")?;
        }
        Ok(())
    }
}
