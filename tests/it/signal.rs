//! Signals are declared once, and what people read of them has all of them: the manual, the format, the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sinsang_core::signal::{Score, SurfaceWeights};

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
    let trial = read("www/page/trial.js");
    let sliders: BTreeSet<&str> = quoted(between(&trial, "const SIGNALS = {", "};")).into_iter().collect();
    assert_eq!(sliders, weighed.into(), "SIGNALS of www/page/trial.js");
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
