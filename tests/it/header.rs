//! Request headers: those in the docs and in the code are those that a preflight allows.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sinsang::header;

/// Headers that browsers and the platform set, and pages can't: no preflight names them.
const GIVEN: [&str; 4] = [header::ORIGIN, header::FETCH_SITE, header::ADDRESS, "Sec-CH-UA-Mobile"];

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lower-case names: HTTP ignores their case.
fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_ascii_lowercase).collect()
}

/// The request headers in the OpenAPI document for `path`.
fn documented(document: &Value, path: &str) -> BTreeSet<String> {
    let operation = document["paths"][path].as_object().unwrap().values().next().unwrap();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| match parameter["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => parameter,
    });
    let named =
        parameters.filter(|parameter| parameter["in"] == "header").map(|header| header["name"].as_str().unwrap());
    let schemes = operation["security"].as_array().unwrap().iter().flat_map(|one| one.as_object().unwrap().keys());
    let secret = schemes.map(|name| {
        let scheme = &document["components"]["securitySchemes"][name];
        scheme["name"].as_str().unwrap_or(header::AUTHORIZATION)
    });
    let body = operation.get("requestBody").map(|_| header::CONTENT_TYPE);
    set(named.chain(secret).chain(body))
}

#[test]
fn a_page_may_send_every_header_that_the_docs_name_and_none_besides() {
    let document: Value = serde_json::from_str(&read("www/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().keys();
    let (events, surfaces): (Vec<&String>, Vec<&String>) = paths.partition(|path| *path == "/v1/events");
    let of =
        |paths: &[&String]| paths.iter().flat_map(|path| documented(&document, path)).collect::<BTreeSet<String>>();
    assert_eq!(of(&surfaces), set(header::OF_SURFACES));
    assert_eq!(of(&events), set(header::OF_EVENTS));
    // The headers that docs/events.md asks an app to send, in its table and its example.
    let docs = read("docs/events.md");
    let named: BTreeSet<&str> = docs
        .match_indices("Sinsang-")
        .filter_map(|(at, _)| docs.get(at..)?.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next())
        .collect();
    assert!(named.contains(header::DEVICE_CLASS) && named.contains(header::DEVICE), "{named:?}");
    assert!(set(named.iter().copied()).is_subset(&set(header::OF_EVENTS)), "{named:?}");
}

#[test]
fn every_header_that_is_read_may_be_sent() {
    let scripts =
        ["src/edge/entry.mjs", "src/edge/context.mjs", "src/edge/preview.mjs", "crates/event-worker/src/entry.mjs"];
    let mut read_by_scripts = BTreeSet::new();
    for script in scripts {
        let text = read(script);
        // Without headers of answers.
        for part in text.split("headers.get(\"").skip(1) {
            read_by_scripts.extend(part.split('"').next().map(str::to_ascii_lowercase));
        }
    }
    assert!(read_by_scripts.contains("sinsang-device-class"), "{read_by_scripts:?}");
    let known = set(header::OF_SURFACES.into_iter().chain(header::OF_EVENTS).chain(GIVEN));
    assert!(read_by_scripts.is_subset(&known), "{read_by_scripts:?}");
    // The Rust shells use only the declared names.
    for shell in ["src/edge.rs", "src/edge/gate.rs", "crates/event-worker/src/edge.rs"] {
        let text = read(shell);
        let spelled: Vec<&str> = text.lines().filter(|line| line.contains("header(\"")).collect();
        let length = "header(\"Content-Length\")";
        assert!(
            spelled.iter().all(|line| line.matches("header(\"").count() == line.matches(length).count()),
            "{shell}: {spelled:?}"
        );
    }
}
