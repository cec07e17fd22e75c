//! `sinsang experiment plan` and `report`: their texts, their JSON and their exit codes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(arguments);
    command
}

/// Events of 2,000 viewers on two days, of whom `share` of 10 of the variant click and buy, and
/// five of ten of the control.
fn events(folder: &Path, share: u32) -> PathBuf {
    let mut text = String::new();
    for viewer in 0..2_000_u32 {
        let variant = ["control", "fresh"][viewer as usize % 2];
        let day = 20 + viewer / 2 % 2;
        let mut line = |id: &str, kind: &str, more: &str| {
            writeln!(
                text,
                r#"{{"event_id":"event-{id}-{viewer}","viewer":"{viewer:016x}","kind":"{kind}","at":"2026-11-{day}T10:00:00Z","product_id":"4783ee17d3919030","experiments":{{"soon-first":"{variant}"}}{more}}}"#
            )
            .unwrap();
        };
        line("i", "impression", "");
        if viewer / 4 % 10 < if variant == "fresh" { share } else { 5 } {
            line("c", "click", "");
            line("p", "purchase", r#","amount":49900"#);
        }
    }
    let file = folder.join("events.ndjson");
    std::fs::write(&file, text).unwrap();
    file
}

fn report<'a>(events: &'a str, more: &[&'a str]) -> Command {
    let mut arguments = vec!["experiment", "report", "soon-first", "--events", events];
    arguments.extend(["--variant", "control=0.5", "--variant", "fresh=0.5", "--planned", "2000"]);
    arguments.extend(more);
    sinsang(&arguments)
}

#[test]
fn a_broken_guardrail_gives_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let guardrails = ["--guardrail", "clicked>=-10%", "--guardrail", "revenue>=-20000"];
    let told = |share: u32, code: i32| {
        let events = events(folder.path(), share);
        let json = [guardrails.as_slice(), &["--format", "json"]].concat();
        let assert = report(events.to_str().unwrap(), &json).assert().code(code);
        let found: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        let verdicts = found["variants"][1]["guardrails"].as_array().unwrap();
        (verdicts.iter().map(|one| one["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), found)
    };
    let (verdicts, found) = told(5, 0);
    assert_eq!(verdicts, ["undecided", "holds"]);
    assert_eq!(found["variants"][1]["guardrails"][0]["guardrail"], "clicked>=-10%");
    assert_eq!((&found["is_guardrail_broken"], &found["revenue_cap_won"]), (&false.into(), &1_000_000.into()));
    let (verdicts, found) = told(3, 3);
    assert_eq!((verdicts[0].as_str(), &found["is_guardrail_broken"]), ("broken", &true.into()));
    let events = events(folder.path(), 3);
    let said = predicate::str::contains("guardrail clicked>=-10%: BROKEN");
    report(events.to_str().unwrap(), &guardrails).assert().code(3).stdout(said);
    // Revenue beyond a cap counts no more.
    let capped = report(events.to_str().unwrap(), &["--cap-revenue", "10000"]).assert().success();
    let said = predicate::str::contains("revenue counts up to 10000 won of a viewer (--cap-revenue); 800 spent more");
    capped.stdout(said);
}

#[test]
fn a_plan_tells_days_and_viewers_and_refuses_too_little() {
    let folder = tempfile::tempdir().unwrap();
    let events = events(folder.path(), 5);
    let events = events.to_str().unwrap();
    let plan = |more: &[&str]| sinsang(&[&["experiment", "plan", "--events", events], more].concat());
    let said = predicate::str::contains("clicked: an effect of 20.0%, found by 80% of experiments at level 0.05");
    plan(&["--effect", "20%"]).assert().success().stdout(said.and(predicate::str::contains("report with --planned")));
    let shares = ["--variant", "control=0.5", "--variant", "fresh=0.5", "--traffic", "0.5", "--format", "json"];
    let made = plan(&[["--metric", "revenue", "--effect", "30%"].as_slice(), &shares].concat()).assert().success();
    let made: Value = serde_json::from_slice(&made.get_output().stdout).unwrap();
    assert_eq!((&made["metric"], &made["past"]["days"]), (&"revenue".into(), &2.into()));
    assert_eq!(made["past"]["viewers"], serde_json::json!([1_000.0, 2_000.0]));
    let [fixed, always] =
        ["fixed_look", "always_valid"].map(|name| made["variants"][0][name]["days"].as_u64().unwrap());
    assert!(fixed <= always, "{made}");
    let few = folder.path().join("few.ndjson");
    let text = std::fs::read_to_string(events).unwrap();
    std::fs::write(&few, text.lines().take(50).flat_map(|line| [line, "\n"]).collect::<String>()).unwrap();
    let mut refused = sinsang(&["experiment", "plan", "--effect", "2%", "--events", few.to_str().unwrap()]);
    refused.assert().code(1).stderr(predicate::str::contains("a plan needs at least 100"));
}

#[test]
fn wrong_metrics_bounds_and_effects_say_what_is_expected() {
    let metrics = "there are clicked, alarm, bought, clicks, revenue";
    for (more, reason) in [(["--guardrail", "sales>=-2%"], metrics), (["--guardrail", "clicked>=2%"], "a loss")] {
        report("events.ndjson", &more).assert().code(2).stderr(predicate::str::contains(reason));
    }
    for (more, reason) in [
        (["--effect", "2%", "--metric", "sales"].as_slice(), metrics),
        (&["--effect", "0%"], "above 0"),
        (&["--effect", "two"], "such as 2%"),
        (&["--effect", "2%", "--power", "1"], "0.999"),
        (&["--effect", "2%", "--traffic", "0"], "above 0"),
    ] {
        let arguments = [["experiment", "plan", "--events", "events.ndjson"].as_slice(), more].concat();
        sinsang(&arguments).assert().code(2).stderr(predicate::str::contains(reason));
    }
}
