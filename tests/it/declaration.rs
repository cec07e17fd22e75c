//! Signals, surfaces, kinds of events and reasons of verdicts are declared once, in the core; what
//! people and apps read of them names all: the manuals, the formats, the contract, the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sinsang_core::event::{EventKind, Named};
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

fn contract() -> Value {
    serde_json::from_str(&read("www/openapi.json")).unwrap()
}

/// The schema at `place` of the contract.
fn schema(place: &str) -> Value {
    let found = contract().pointer(&format!("/components/schemas/{place}")).cloned();
    found.unwrap_or_else(|| panic!("www/openapi.json has no {place}"))
}

/// The values that the contract allows at `place`, of its schemas: those of an enum, or those that
/// a discriminator maps.
fn allowed(place: &str) -> BTreeSet<String> {
    match schema(place) {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
        Value::Object(mapping) => mapping.keys().cloned().collect(),
        other => panic!("{place} of www/openapi.json is {other}"),
    }
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
    hold(EventKind::ALL.iter().map(|kind| kind.as_str()), "Event/discriminator/mapping", "docs/input.md");
    hold(Surface::ALL.into_iter().map(Surface::as_str), "SurfaceName/enum", "docs/events.md");
    hold(Reason::ALL.iter().map(|reason| reason.as_str()), "Evidence/properties/reason/enum", "docs/identity.md");
    let kinds = [VerdictKind::New, VerdictKind::Repeat, VerdictKind::Unknown].map(VerdictKind::as_str);
    hold(kinds.into_iter(), "Verdict/properties/kind/enum", "docs/identity.md");
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
fn the_contract_says_what_each_kind_of_event_must_name() {
    let (item, tab, channel) = (
        Named { item: true, ..Named::default() },
        Named { tab: true, ..Named::default() },
        Named { channel: true, ..Named::default() },
    );
    let subjects = [("product_id", item), ("listing_id", item), ("tab_id", tab), ("channel", channel)];
    let mapping = schema("Event/discriminator/mapping");
    for kind in EventKind::ALL {
        let name = mapping[kind.as_str()].as_str().unwrap().rsplit('/').next().unwrap();
        let own = schema(&format!("{name}/allOf/1"));
        assert_eq!(own["properties"]["kind"]["enum"], json!([kind.as_str()]), "{name}");
        let enough = subjects.iter().filter(|(_, named)| kind.concerns(*named).is_ok()).map(|(field, _)| *field);
        // One field is required outright, one of several by a schema of its own.
        let required = own["required"].as_array().unwrap().iter().filter_map(Value::as_str);
        let one_of = own["dependentSchemas"]["kind"]["anyOf"].as_array();
        let one_of = one_of.into_iter().flatten().filter_map(|one| one["required"][0].as_str());
        let told: BTreeSet<&str> = required.filter(|field| *field != "kind").chain(one_of).collect();
        assert_eq!(told, enough.collect(), "{name} of www/openapi.json");
        assert_eq!(own["properties"].get("amount").is_some(), kind.costs(Some(1)).is_ok(), "the amount of {name}");
    }
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
    let told = allowed("Why/properties/parts/propertyNames/enum");
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), parts, "the parts of www/openapi.json");
    let manual = read("docs/ranking.md");
    let missing: Vec<&&str> = parts.iter().filter(|name| !manual.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/ranking.md has no row for {missing:?}");
    let format = read("crates/core/src/pack/FORMAT.md");
    assert!(format.contains(&weighed.join(", ")), "FORMAT.md has the weights in the order of packs");
}
