//! `sinsang rules report`: from a rules file and events to what a rule did.

use std::fmt::Write as _;
use std::fs;

use assert_cmd::Command;
use serde_json::Value;

const RULES: &str = r#"
[[directive]]
name = "추석 선물전"
do = "boost"
category = ["식품"]
measure = 0.2

[[floor]]
shop = "NS홈쇼핑"
least = 1
measure = 0.5

[[directive]]
name = "not measured"
do = "bury"
title = ["재고"]
"#;

fn report(more: &[&str]) -> std::process::Output {
    Command::cargo_bin("sinsang").unwrap().args(["rules", "report"]).args(more).output().unwrap()
}

#[test]
fn a_report_tells_what_a_measured_rule_did_and_when_it_is_too_early() {
    let folder = tempfile::tempdir().unwrap();
    let [rules, events, plain] = ["rules.toml", "events.ndjson", "plain.toml"].map(|name| folder.path().join(name));
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let [rules_at, events_at, plain_at] = [&rules, &events, &plain].map(|file| path(file));
    fs::write(&rules, RULES).unwrap();
    fs::write(&plain, "").unwrap();
    fs::write(&events, "").unwrap();
    // The ids that the edge gives to apps, and apps to events.
    let json = |more: &[&str]| -> Value {
        let output = report(&[&[&*rules_at, "--events", &*events_at, "--format", "json"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let checked =
        Command::cargo_bin("sinsang").unwrap().args(["rules", "check", &rules_at, "--format", "json"]).output();
    let checked: Value = serde_json::from_slice(&checked.unwrap().stdout).unwrap();
    let measured = checked["measured"].as_array().unwrap();
    let names: Vec<_> = measured.iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(names, ["추석 선물전", "floor NS홈쇼핑"]);
    let id = measured[0]["experiment"].as_str().unwrap().to_owned();
    let mut text = String::new();
    for viewer in 0..4_000_u32 {
        // One in five goes without the rule. With it 24 % click, without it 8 %; two in a hundred
        // buy.
        let variant = if viewer % 5 == 0 { "without" } else { "with" };
        let turn = viewer / 5 % 25;
        let mut event = |kind: &str, hour: u32| {
            writeln!(
                text,
                r#"{{"event_id":"{kind}-{viewer:08}","viewer":"{viewer:016x}","kind":"{kind}","at":"2026-11-20T{hour:02}:00:00+09:00","experiments":{{"{id}":"{variant}"}}}}"#
            )
            .unwrap();
        };
        event("impression", 10);
        if turn < if variant == "with" { 6 } else { 2 } {
            event("click", 11);
        }
        if viewer / 5 % 50 == 7 {
            event("purchase", 12);
        }
    }
    fs::write(&events, text).unwrap();
    let told = json(&["--planned", "4000"]);
    let findings = |at: usize| {
        told[at]["findings"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(findings(0)[..3], ["raises", "too_early", "nothing"], "nobody set an alarm: {told}");
    assert_eq!(findings(1)[0], "too_early", "the events know nothing of the floor");
    assert_eq!(told[0]["held_back"], 0.2);

    let output = report(&[&rules_at, "추석 선물전", "--events", &events_at]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "rule '추석 선물전', held back from 20 % of viewers",
        "with     3200 viewers",
        "without  800 viewers",
        "0.24000 with,   0.08000 without",
        ": raised by the rule",
        ": too early to tell",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(!text.contains("NS홈쇼핑"));
    let [typo_at, parquet_at] = ["typo.ndjson", "events.parquet"].map(|name| {
        let file = folder.path().join(name);
        let typo = r#"{"event_id":"a","viewer":"b","kind":"click","at":"2026-11-20T10:00:00+09:00","experiments":{"soon":"x"}}"#;
        fs::write(&file, if name.starts_with("typo") { typo } else { "PAR1 and more" }).unwrap();
        path(&file)
    });
    for (more, expected) in [
        (vec![&*rules_at, "--events", &typo_at], "none of 1 events names rule-"),
        (vec![&*rules_at, "--events", &parquet_at], "events.parquet: this is Parquet"),
        (
            vec![&*rules_at, "설 선물전", "--events", &events_at],
            "measures no rule '설 선물전', only '추석 선물전', 'floor NS홈쇼핑'",
        ),
        (vec![&*plain_at, "--events", &events_at], "measures no rule: give a directive or a floor `measure = 0.1`"),
    ] {
        let output = report(&more);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && error.contains(expected), "{error}");
    }
}
