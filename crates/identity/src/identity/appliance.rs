//! Whole appliance codes: each names one product whatever the rest of a title says.

use super::sketch::Sketch;
use super::value::values_agree;
use crate::listing::{Domain, Features, Measure, is_whole_code};

/// The complete appliance codes in a title.
pub fn whole_codes(title: &Features) -> impl Iterator<Item = &str> {
    let models = title.attributes.iter().filter(|it| it.measure == Measure::Model && !it.addon);
    let appliance = title.domain == Some(Domain::Appliance);
    models.map(|it| it.value.as_str()).filter(move |value| appliance && is_whole_code(value))
}

/// As [`whole_codes`], for a sketch.
pub(super) fn whole(sketch: &Sketch) -> impl Iterator<Item = &str> {
    let appliance = sketch.domain == Some(Domain::Appliance);
    sketch.values(Measure::Model).filter(move |value| appliance && is_whole_code(value))
}

/// Whether two titles share a whole code.
pub(super) fn agree(a: &Sketch, b: &Sketch) -> bool {
    whole(a).any(|x| whole(b).any(|y| x == y))
}

/// Whether the two share a whole code, ignoring colour and a dropped maker's prefix; `None` if
/// either has no whole code.
pub(super) fn same_code(a: &Sketch, b: &Sketch) -> Option<bool> {
    whole(a).next().and(whole(b).next())?;
    let same = |x: &str, y: &str| values_agree(Measure::Model, x, y) || shortens(x, y) || shortens(y, x);
    Some(whole(a).any(|x| whole(b).any(|y| same(x, y))))
}

/// Whether `short` is `long` without the maker's leading letters. A shop that drops these may also
/// drop a suffix: TWS1011 for CRH-TWS1011E.
fn shortens(long: &str, short: &str) -> bool {
    let head = long.find(short).and_then(|at| long.get(..at)).unwrap_or_default();
    !head.is_empty() && head.bytes().all(|byte| byte.is_ascii_alphabetic())
}
