//! Agreement of two values of a measure, and whether they can disagree.

use crate::listing::Measure;

/// The measure's name among the parts of a score.
pub(crate) fn name_of(measure: Measure) -> &'static str {
    match measure {
        Measure::Model => "model",
        Measure::ShortCode => "code",
        Measure::Inch => "inch",
        Measure::Area => "area",
        Measure::Persons => "persons",
        Measure::Parts => "parts",
        Measure::Volume => "volume",
        Measure::Weight => "weight",
        Measure::Length => "length",
        Measure::Power => "power",
        Measure::Storage => "storage",
        Measure::Days => "days",
        Measure::Countries => "countries",
        Measure::Generation => "generation",
        Measure::Strength => "strength",
        Measure::Purity => "purity",
        Measure::Season => "season",
        Measure::Year => "year",
        Measure::Pack => "pack",
    }
}

/// Whether the two values' formats allow them to disagree.
pub(crate) fn values_comparable(measure: Measure, a: &str, b: &str) -> bool {
    let digits = |text: &str| text.chars().all(|ch| ch.is_ascii_digit());
    let tag = |text: &str| text.trim_start_matches(|ch: char| ch.is_ascii_digit() || ch == '.').to_owned();
    match measure {
        // A shop's article number and a maker's model are not comparable, and a truncated model
        // says less without contradicting.
        Measure::Model => {
            let cut_short = a.len().min(b.len()) >= 5 && (a.contains(b) || b.contains(a));
            digits(a) == digits(b) && !cut_short
        }
        Measure::Parts | Measure::Power | Measure::Storage => tag(a) == tag(b),
        _ => true,
    }
}

/// Whether two values are equal: models ignoring colour, sizes within 5 %.
pub(crate) fn values_agree(measure: Measure, a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match measure {
        Measure::Model => models_agree(a, b),
        Measure::Volume | Measure::Weight | Measure::Length => {
            matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(x), Ok(y)) if x.min(y) >= 0.95 * x.max(y))
        }
        _ => false,
    }
}

/// Whether two models are one: they differ by a colour suffix, one is truncated before it, or one
/// lacks the letters of its series.
fn models_agree(a: &str, b: &str) -> bool {
    const COLOURS: [&str; 26] = [
        "", "w", "b", "k", "g", "s", "p", "r", "wh", "bk", "gr", "gy", "sv", "pk", "be", "bg", "iv", "nv", "bl", "rd",
        "bu", "br", "gn", "wt", "ch", "cr",
    ];
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let series = long.strip_suffix(short).unwrap_or_default();
    if short.len() >= 6 && (2..=4).contains(&series.len()) && series.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return true;
    }
    let common = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    if common < 4 {
        return false;
    }
    match (a.get(common..), b.get(common..)) {
        (Some(x), Some(y)) => COLOURS.contains(&x) && COLOURS.contains(&y),
        _ => false,
    }
}
