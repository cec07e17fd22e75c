//! `deploy/`, the workflows and the operators' manual name only existing commands, flags, metrics,
//! columns and entries.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Parser as _;
use serde_json::Value;
use sinsang_command::arguments::Arguments;
use sinsang_command::metrics::FAMILIES;

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn assert_parses(words: &[String], place: &str) {
    let line = std::iter::once("sinsang".to_owned()).chain(words.iter().cloned());
    if let Err(error) = Arguments::try_parse_from(line) {
        panic!("{place}: sinsang {}\n{error}", words.join(" "));
    }
}

#[test]
fn every_command_line_is_one_that_the_command_takes() {
    let cronjob = file("deploy/cronjob.yaml");
    let mut commands = Vec::new();
    for line in cronjob.lines().filter_map(|line| line.trim().strip_prefix("args: ")) {
        let words: Vec<String> = serde_json::from_str(line).expect("a list of texts");
        assert_parses(&words, "deploy/cronjob.yaml");
        // Each job has its own metrics file, or the last would replace the others.
        let metrics = words.iter().skip_while(|word| *word != "--metrics").nth(1).expect("a file of metrics");
        assert_eq!(*metrics, format!("/metrics/sinsang-{}.prom", words[0]));
        commands.push(words[0].clone());
    }
    assert_eq!(commands, ["ingest", "build", "publish", "collect", "status"]);

    let mut seen = 0;
    for path in [".github/workflows/ci.yml", ".github/workflows/deploy.yml", "docs/operations.md"] {
        let text = file(path);
        for line in text.lines().map(str::trim) {
            let line = line.strip_prefix("- run: ").or_else(|| line.strip_prefix("run: ")).unwrap_or(line);
            let Some(rest) = line.strip_prefix("bin/sinsang ").or_else(|| line.strip_prefix("sinsang ")) else {
                continue;
            };
            let words = rest.split(" #").next().unwrap_or_default().split_whitespace().map(str::to_owned);
            assert_parses(&words.collect::<Vec<_>>(), path);
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen} command lines");
}

/// The words of `text` that begin with `prefix` and consist of letters, digits and underscores.
fn words<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let words = text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    words.filter(|word| word.starts_with(prefix)).collect()
}

/// The number of names in a list that `src/edge/telemetry.mjs` declares.
fn columns(name: &str) -> usize {
    let source = file("src/edge/telemetry.mjs");
    let line =
        source.lines().find_map(|line| line.strip_prefix(&format!("const {name} = "))).expect("a list of columns");
    serde_json::from_str::<Vec<String>>(line.trim_end_matches(';')).unwrap().len()
}

fn assert_columns(query: &str) {
    for (prefix, most) in [("blob", columns("BLOBS")), ("double", columns("DOUBLES"))] {
        for word in words(query, prefix) {
            let number: usize = word[prefix.len()..].parse().unwrap();
            assert!((1..=most).contains(&number), "{word} is no column, in {query}");
        }
    }
    assert!(query.contains("FROM sinsang_answers"), "{query}");
}

fn assert_metrics(expression: &str) {
    let named = words(expression, "sinsang_");
    assert!(!named.is_empty(), "{expression} names no metric");
    for metric in named {
        assert!(FAMILIES.iter().any(|family| family.name == metric), "no command writes {metric}, in {expression}");
    }
}

#[test]
fn every_panel_asks_for_what_is_written_and_is_listed_in_the_manual() {
    let manual = file("docs/operations.md");
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/sinsang.json")).unwrap();
    let mut panels = 0;
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        let row = manual.lines().find(|line| line.starts_with(&format!("| {title} |")));
        let row = row.unwrap_or_else(|| panic!("the manual does not list {title}"));
        for target in panel["targets"].as_array().unwrap() {
            let asked = match (target["query"].as_str(), target["expr"].as_str()) {
                (Some(query), None) => {
                    assert_columns(query);
                    query
                }
                (None, Some(expression)) => {
                    assert_metrics(expression);
                    expression
                }
                other => panic!("{title} asks {other:?}"),
            };
            assert!(row.contains(&format!("`{asked}`")), "the manual has another query for {title}");
        }
        panels += 1;
    }
    assert!(panels > 15, "{panels} panels");
}

#[test]
fn every_alert_asks_for_what_is_written_and_has_its_entry_in_the_manual() {
    let manual = file("docs/operations.md");
    let (rules, edge) = (file("deploy/prometheus/rules.yaml"), file("deploy/grafana/alerts.yaml"));
    let value = |line: &str, key: &str| line.trim().trim_start_matches("- ").strip_prefix(key).map(str::to_owned);
    rules.lines().filter_map(|line| value(line, "expr: ")).for_each(|expression| assert_metrics(&expression));
    edge.lines().filter_map(|line| value(line, "query: ")).for_each(|query| assert_columns(&query));

    let names: Vec<String> = rules.lines().filter_map(|line| value(line, "alert: ")).collect();
    let names: Vec<String> = names.into_iter().chain(edge.lines().filter_map(|line| value(line, "title: "))).collect();
    let both = format!("{rules}\n{edge}");
    let links: Vec<String> = both.lines().filter_map(|line| value(line, "runbook_url: ")).collect();
    let anchors = names.iter().map(|name| format!("docs/operations.md#{}", name.to_ascii_lowercase()));
    assert_eq!(links, anchors.collect::<Vec<_>>(), "each alert leads to the entry of its name");
    for name in &names {
        let entry = manual.split(&format!("\n### {name}\n")).nth(1);
        let entry = entry.unwrap_or_else(|| panic!("the manual has no entry for {name}"));
        let entry = entry.split("\n#").next().unwrap_or_default();
        for part in ["**Means**", "**Look at**", "**Do**"] {
            assert!(entry.contains(part), "the entry for {name} has no {part}");
        }
    }
    let entries = manual.lines().filter_map(|line| line.strip_prefix("### Sinsang")).count();
    assert_eq!(entries, names.len(), "no entry is for an alert that is gone");
    assert!(names.len() >= 8);
}
