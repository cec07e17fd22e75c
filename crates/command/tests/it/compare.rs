//! `sinsang compare` on two builds of the same tables, a day apart.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains as says;
use serde_json::Value;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_publish::snapshot::Snapshot;
use tempfile::TempDir;

use crate::world::{self, USER_KEY, now};

struct Made {
    folder: TempDir,
    tables: PathBuf,
    before: PathBuf,
    next: PathBuf,
}

/// When the next snapshot was built: the tables reach beyond its board.
fn at() -> UnixMillis {
    now().plus(-2 * DAY_MS)
}

/// Tables, and snapshots of two days.
fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let [tables, before, next] = ["tables", "before", "next"].map(|name| folder.path().join(name));
        world::tables(&tables, 60, 80);
        world::build_at(&world::options(&tables, &before), at().plus(-DAY_MS));
        world::build_at(&world::options(&tables, &next), at());
        Made { folder, tables, before, next }
    })
}

fn compare(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.arg("compare").args(words).env("SINSANG_USER_KEY", USER_KEY);
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_day_of_changes_is_text_json_and_a_page() {
    let Made { folder, tables, before, next } = made();
    let at = at().to_kst_rfc3339();
    let page = folder.path().join("page.html");
    let words =
        [text(next), text(before), "--at", at.as_str(), "--tables", text(tables), "--page", text(&page), "--quiet"];
    let ids = [before, next].map(|path| Snapshot::at(path).manifest().unwrap().snapshot().to_string());
    let told = compare(&words).assert().success();
    let told = String::from_utf8(told.get_output().stdout.clone()).unwrap();
    assert!(told.starts_with("publish would accept it\n"), "{told}");
    for expected in [
        format!("snapshot {} → {}, both ranked at {at}", ids[0], ids[1]),
        "verdicts of the whole board, by shop".to_owned(),
        "come to the tab new: ".to_owned(),
        "leave it: ".to_owned(),
        "whose first broadcast is over".to_owned(),
        "has learned from it: 0.0 % of these for before, 100.0 % for next".to_owned(),
    ] {
        assert!(told.contains(&expected), "{expected}: {told}");
    }
    assert!(told.lines().count() <= 60, "{told}");

    let json = compare(&[&words[..], &["--format", "json"]].concat()).assert().success();
    let json: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(
        (&json["before"]["snapshot"], &json["next"]["snapshot"]),
        (&ids[0].as_str().into(), &ids[1].as_str().into())
    );
    assert!(json["churn"]["viewers"].as_u64().unwrap() > 20, "{}", json["churn"]);
    assert!(json["churn"]["changed"]["mean"].as_f64().unwrap() > 0.0, "{}", json["churn"]);
    let hindsight = &json["hindsight"];
    // The next snapshot was built at the end of the period, the one before at its start.
    assert_eq!((&hindsight["next"]["learned"], &hindsight["before"]["learned"]), (&1.0.into(), &0.0.into()));
    assert!(hindsight["next"]["new"]["deeds"].as_u64().unwrap() > 0, "{hindsight}");
    assert_eq!(hindsight["next"]["new"]["deeds"], hindsight["before"]["new"]["deeds"]);
    let newcomer = &json["newcomers"][0];
    assert!(newcomer["next"]["evidence"]["reason"].is_string(), "{newcomer}");

    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains(&ids[1]) && !page.contains("<script"));
    // Nothing differs between a snapshot and itself.
    let same = compare(&[text(next), text(next), "--at", at.as_str()]).assert().success();
    same.stdout(says("the verdicts of 0 turn").and(says("0 come to the tab new\n")).and(says("0.0 % other products")));
}

#[test]
fn what_the_gate_refuses_ends_with_3_and_says_why_first() {
    let Made { folder, before, next, .. } = made();
    let at = at().to_kst_rfc3339();
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, "[publish]\nmost_churn = 0.0\n").unwrap();
    let outcome = compare(&[text(next), text(before), "--at", &at, "--rules", text(&rules)]).assert().code(3);
    outcome.stdout(
        predicate::str::starts_with("publish would refuse it:\n")
            .and(says("publish.most_churn = 0\n"))
            .and(says("churn")),
    );
    // The other way round, the older one would replace the newer.
    compare(&[text(before), text(next), "--at", &at]).assert().code(3).stdout(says("before the live one"));
}

#[test]
fn what_is_missing_is_named() {
    let Made { folder, before, next, .. } = made();
    let next = text(next);
    compare(&[next]).assert().code(1).stderr(says("nothing to compare with: name a second snapshot"));
    compare(&[next, "0123456789abcdef"]).assert().code(1).stderr(says("add --local FOLDER or --remote"));
    compare(&[next, "nowhere"])
        .assert()
        .code(1)
        .stderr(says("nowhere is neither a snapshot's folder nor the 16 hex digits"));
    let empty = folder.path().join("empty");
    fs::create_dir_all(&empty).unwrap();
    let words = [next, text(before), "--tables", text(&empty)];
    compare(&words).assert().code(1).stderr(says("has no table of events"));
    compare(&words).env_remove("SINSANG_USER_KEY").assert().code(1).stderr(says("set SINSANG_USER_KEY"));
    compare(&[next, "--local", "a", "--remote"]).assert().code(2).stderr(says("--remote"));
}

/// Rules are checked against the tables and a snapshot that a build has made of them.
#[test]
fn a_check_of_rules_tells_whom_each_would_have_met() {
    let Made { folder, tables, before, .. } = made();
    let rules = folder.path().join("whom.toml");
    let variants = "[[experiment.variant]]\nid = 'a'\n[[experiment.variant]]\nid = 'b'\n";
    let text = format!(
        "[[audience]]\nname = 'new'\nnewcomer = true\n[[audience]]\nname = 'known'\nnewcomer = false\n\
         [[audience]]\nname = 'phones'\ndevice_class = ['phone']\n\
         [[directive]]\nname = 'all'\ndo = 'bury'\nverdict = ['repeat']\n\
         [[directive]]\nname = 'half'\ndo = 'bury'\nverdict = ['repeat']\nshare = 0.5\nfor = ['known']\n\
         [[experiment]]\nid = 'e'\nlayer = 'l'\ntraffic = [0.0, 0.5]\nfor = ['known']\n{variants}"
    );
    fs::write(&rules, text).unwrap();
    let check = |more: &[&str]| -> Value {
        let mut command = Command::cargo_bin("sinsang").unwrap();
        command.env("SINSANG_USER_KEY", USER_KEY).args(["rules", "check", "--format", "json"]).arg(&rules);
        let output = command.arg("--tables").arg(tables).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["met"].take()
    };
    let snapshot = before.to_str().unwrap();
    let met = check(&["--snapshot", snapshot]);
    let count = |name: &str| {
        let rule = met["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap();
        rule["viewers"].as_u64().unwrap()
    };
    let (all, known) = (met["viewers"].as_u64().unwrap(), met["with_tastes"].as_u64().unwrap());
    assert!(all >= known && known > 20, "{met}");
    assert_eq!((count("all"), count("known"), count("new")), (all, known, all - known));
    assert!(count("phones") > 0 && count("phones") <= all);
    // Of n viewers each drawn with a half, fewer than a quarter or more than three quarters is a
    // matter of one in ten thousand from twenty on, and the draw is the same at every run.
    for name in ["half", "e"] {
        assert!((known / 4..=known * 3 / 4).contains(&count(name)), "{name}: {} of {known}", count(name));
    }
    let without = check(&[]);
    let told: Vec<bool> = without["rules"].as_array().unwrap().iter().map(|rule| rule["viewers"].is_u64()).collect();
    assert_eq!(told, [false, false, true, true, false, false], "{without}");
}
