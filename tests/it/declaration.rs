//! Signals, surfaces, kinds of events and reasons of verdicts are declared once, in the core; what
//! people and apps read of them names all: the manuals, the formats, the contract, the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sinsang_core::event::EventKind;
use sinsang_core::signal::{Score, SurfaceWeights};
use sinsang_core::surface_name::Surface;
use sinsang_core::verdict::{Reason, VerdictKind};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What stands between `open` and the next `close`.
fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let (_, rest) = text.split_once(open).unwrap_or_else(|| panic!("no {open}"));
    rest.split_once(close).unwrap().0
}

/// The quoted words of a text.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// The keys of an object in JavaScript, a line each.
fn keys(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| Some(line.trim().split_once(':')?.0)).collect()
}

/// The values that the contract allows at `place`, of its schemas.
fn allowed(place: &str) -> BTreeSet<String> {
    let described: serde_json::Value = serde_json::from_str(&read("www/openapi.json")).unwrap();
    let found = described.pointer(&format!("/components/schemas/{place}/enum"));
    let found = found.unwrap_or_else(|| panic!("www/openapi.json has no {place}"));
    found.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// Holds `names` to what the contract allows at `place`, and to the rows of a manual.
fn hold(names: impl Iterator<Item = &'static str>, place: &str, manual: &str) {
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    assert_eq!(allowed(place), names, "{place} of www/openapi.json");
    let text = read(manual);
    let missing: Vec<&String> = names.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{manual} does not say {missing:?}");
}

#[test]
fn the_contract_and_the_manuals_name_every_kind_reason_and_surface() {
    hold(EventKind::ALL.iter().map(|kind| kind.as_str()), "Event/properties/kind", "docs/input.md");
    hold(Surface::ALL.into_iter().map(Surface::as_str), "Event/properties/surface", "docs/events.md");
    hold(Reason::ALL.iter().map(|reason| reason.as_str()), "Evidence/properties/reason", "docs/identity.md");
    let kinds = [VerdictKind::New, VerdictKind::Repeat, VerdictKind::Unknown].map(VerdictKind::as_str);
    hold(kinds.into_iter(), "Verdict/properties/kind", "docs/identity.md");
    let history = read("www/page/history.js");
    let shown = keys(between(&history, "const REASONS = {", "};"));
    let unknown = Reason::ALL.iter().filter(|reason| reason.leaves_unknown()).map(|reason| reason.as_str());
    assert_eq!(shown, unknown.collect(), "REASONS of www/page/history.js");
    let viewer = read("www/page/viewer.js");
    let shown = keys(between(&viewer, "const DEEDS = {", "};"));
    let done = EventKind::ALL.iter().filter(|kind| **kind != EventKind::Impression).map(|kind| kind.as_str());
    assert_eq!(shown, done.collect(), "DEEDS of www/page/viewer.js");
}

#[test]
fn what_people_read_names_every_signal() {
    let parts: BTreeSet<&str> = Score::default().parts().map(|(name, _)| name).into();
    let weighed = SurfaceWeights::default().named().map(|(name, _)| name);
    let page = read("www/page/local.js");
    let drawn: BTreeSet<&str> = quoted(between(&page, "export const PARTS = [", "]")).into_iter().collect();
    assert_eq!(drawn, parts, "PARTS of www/page/local.js");
    let why = read("www/page/why.js");
    for list in ["PART_NAMES", "PART_MEANINGS"] {
        assert_eq!(keys(between(&why, &format!("const {list} = {{"), "};")), parts, "{list} of www/page/why.js");
    }
    let surfaces = read("www/page/surface.js");
    let listed = between(&surfaces, "export const SURFACES = {", "};");
    let known: BTreeSet<&str> = Surface::ALL.into_iter().map(Surface::as_str).collect();
    assert_eq!(keys(listed), known, "SURFACES of www/page/surface.js");
    let signals = listed.split("signals: [").skip(1).flat_map(|rest| quoted(rest.split(']').next().unwrap()));
    assert_eq!(signals.collect::<BTreeSet<_>>(), weighed.into(), "signals of www/page/surface.js");
    let described: serde_json::Value = serde_json::from_str(&read("www/openapi.json")).unwrap();
    let why = described.pointer("/components/schemas/Why/properties/parts/propertyNames/enum");
    let told: BTreeSet<&str> = why.unwrap().as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
    assert_eq!(told, parts, "the parts of www/openapi.json");
    let manual = read("docs/ranking.md");
    let missing: Vec<&&str> = parts.iter().filter(|name| !manual.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/ranking.md has no row for {missing:?}");
    let format = read("crates/core/src/pack/FORMAT.md");
    assert!(format.contains(&weighed.join(", ")), "FORMAT.md has the weights in the order of packs");
}
