//! `sinsang evaluate schedule` on generated tables, with labels from their truth.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains as says;
use serde_json::Value;

const NOW: &str = "2026-11-22T12:34:56+09:00";

fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(arguments);
    command
}

/// Makes tables of some days in `folder`, with labels from their truth. Returns the paths of
/// tables, pairs and verdicts.
fn labelled(folder: &Path, days: &str) -> [String; 3] {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (tables, pairs, verdicts) = (path("tables"), path("pairs.tsv"), path("verdicts.tsv"));
    let generate = ["generate", "--quick", "--days", days, "--users", "1", "--now", NOW, "--out", &tables];
    sinsang(&generate).assert().success();

    let truth = fs::read_to_string(format!("{tables}/truth/listings.ndjson")).unwrap();
    let truth: Vec<Value> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut products: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for line in &truth {
        products.entry(line["product"].as_u64().unwrap()).or_default().push(line["listing_id"].as_str().unwrap());
    }
    let mut rows = "listing_a\tlisting_b\tlabel\tdraw\n".to_owned();
    let mut read = "listing\tlabel\tdraw\n".to_owned();
    let mut before = None;
    for listings in products.values() {
        for pair in listings.windows(2) {
            writeln!(rows, "{}\t{}\tsame\trandom", pair[0], pair[1]).unwrap();
        }
        if let Some(before) = before {
            writeln!(rows, "{before}\t{}\tdifferent\trandom", listings[0]).unwrap();
        }
        before = Some(listings[0]);
        writeln!(read, "{}\tnew\trandom", listings[0]).unwrap();
    }
    rows.push_str("nowhere\tneither\tsame\trandom\n");
    fs::write(&pairs, rows).unwrap();
    fs::write(&verdicts, read).unwrap();
    [tables, pairs, verdicts]
}

#[test]
fn a_schedule_is_measured_on_labels_of_its_truth() {
    let folder = tempfile::tempdir().unwrap();
    let [tables, pairs, verdicts] = labelled(folder.path(), "20");
    let asked = ["--schedule", &tables, "--now", NOW, "--pairs", &pairs, "--verdicts", &verdicts];
    let json = sinsang(&["evaluate", "schedule", "--format", "json"]).args(asked).assert().success().stderr("");
    let report: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert!(report["pair_rows"]["used"].as_u64() > Some(300), "{}", report["pair_rows"]);
    assert!(report["pair_rows"]["unknown"].as_u64() >= Some(1), "{}", report["pair_rows"]);
    let all = &report["pairs"][0];
    assert_eq!(all["name"], "all");
    assert!(all["f1"].as_f64() > Some(0.8) && all["merged"].as_f64() < Some(0.05), "{all}");
    let exact = &report["baselines"]["exact_title"];
    assert!(exact["f1"].as_f64() < all["f1"].as_f64(), "{exact}");
    // Twenty days are too short a record to call anything new, so only the existence of verdict
    // measurements is checked.
    assert!(report["verdicts"][0]["listings"].as_u64() > Some(100), "{}", report["verdicts"]);
    assert!(report["equal_titles"]["groups"].as_u64() > Some(10), "{}", report["equal_titles"]);

    let text = sinsang(&["evaluate", "schedule"]).args(asked).assert().success();
    let text = String::from_utf8_lossy(&text.get_output().stdout).into_owned();
    assert!(text.contains("equal titles in several products"), "{text}");
    let missing = sinsang(&["evaluate", "schedule"]).args(&asked[..4]).args(["--pairs", &tables]).assert().code(1);
    let said = String::from_utf8_lossy(&missing.get_output().stderr).into_owned();
    assert!(said.contains(&tables), "{said}");
}

#[test]
fn a_matcher_is_fitted_to_labels_and_taken_by_the_commands_that_judge() {
    let folder = tempfile::tempdir().unwrap();
    let [tables, pairs, verdicts] = labelled(folder.path(), "3");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let asked = ["--schedule", &tables, "--now", NOW, "--pairs", &pairs, "--verdicts", &verdicts];
    let matcher = path("matcher.json");
    let train = sinsang(&["identity", "train", "--output", &matcher]).args(asked).assert().success().stderr("");
    let told = String::from_utf8(train.get_output().stdout.clone()).unwrap();
    assert!(told.contains("labelled pairs, by the products of full runs") && told.contains(&matcher), "{told}");
    let judge = |more: &[&str]| sinsang(&["evaluate", "schedule"]).args(asked).args(more).assert();
    let own = judge(&["--matcher", &matcher]).success();
    assert_ne!(own.get_output().stdout, judge(&[]).success().get_output().stdout, "the matcher counts");
    let policy = path("policy.toml");
    fs::write(&policy, "same_at = 2\n").unwrap();
    judge(&["--policy", &policy]).code(1).stderr(says("policy.toml").and(says("same_at")));
    judge(&["--matcher", &policy]).code(1).stderr(says("policy.toml").and(says("sinsang identity train")));
    judge(&["--words", "nowhere.toml"]).code(1).stderr(says("nowhere.toml"));
    let alone = sinsang(&["evaluate", "identity", "none.tsv", "--words", &policy]).assert();
    alone.code(1).stderr(says("policy.toml"));
}
