//! The lines that builds leave.

use std::fs;

use predicates::prelude::*;
use serde_json::Value;

use super::{NOW, build, made, says, sinsang, ten_broadcasts, text};

#[test]
fn builds_leave_a_line_each_and_the_last_events_of_those_who_are_named() {
    let tables = &made().tables;
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshot");
    let listed = folder.path().join("viewers.json");
    fs::copy(tables.join("viewers.json"), &listed).unwrap();
    let build = |now: &str, more: &[&str]| {
        let mut command = sinsang(&["build", "--input", text(tables), "--output", text(&snapshot), "--now", now]);
        command.args(["--viewers", text(&listed)]).args(more).assert().success()
    };
    // The tables already hold events after the first build, which it ignores.
    build("2026-11-22T00:00:00+09:00", &[]);
    // A killed run left a partial file that anybody may read.
    fs::write(folder.path().join("snapshot.viewers.json.part"), "{").unwrap();
    build(NOW, &[]);
    build(NOW, &[]);
    let lines = fs::read_to_string(folder.path().join("snapshot.builds.ndjson")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = lines.as_slice() else { panic!("a build again at one time leaves one line: {lines:?}") };
    assert_eq!(
        (first["built_at"].as_str(), second["built_at"].as_str()),
        (Some("2026-11-22T00:00:00+09:00"), Some(NOW))
    );
    assert_eq!(first["ranking"], Value::Null, "there is nothing to judge yet");
    let of_shops: u64 =
        second["shops"].as_object().unwrap().values().map(|shop| shop["repeat"].as_u64().unwrap()).sum();
    assert!(of_shops >= second["verdicts"]["repeat"].as_u64().unwrap() && of_shops > 0, "{second}");
    // A repeated build at the same time has no earlier snapshot to judge, and keeps the judgement.
    assert_eq!(second["ranking"]["snapshot"], first["snapshot"], "{second}");
    assert_eq!(second["tables"][0]["table"], "broadcasts");

    let told = folder.path().join("snapshot.viewers.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&told).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "what users did is for its owner alone");
    }
    let told: Value = serde_json::from_slice(&fs::read(told).unwrap()).unwrap();
    let viewer = &told["viewers"][0];
    let user = viewer["user_id"].as_str().unwrap();
    let events = viewer["events"].as_array().unwrap();
    assert!(!events.is_empty() && events.len() <= 20 && viewer["label"].is_string(), "{viewer}");
    assert!(events.iter().all(|event| event["kind"] != "impression" && event["at"].as_str().unwrap() <= NOW));
    assert!(events.is_sorted_by(|a, b| a["at"].as_str() >= b["at"].as_str()));
    assert!(events.iter().any(|event| event["title"].is_string() && event["channel"].is_string()), "{viewer}");

    // Forgotten viewers are not listed.
    let forgetting = folder.path().join("forgetting");
    fs::create_dir(&forgetting).unwrap();
    for entry in fs::read_dir(tables).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), forgetting.join(entry.file_name())).unwrap();
    }
    sinsang(&["forget", "--input", text(&forgetting), user]).assert().success();
    let mut command = sinsang(&["build", "--input", text(&forgetting), "--output", text(&snapshot), "--now", NOW]);
    command.args(["--viewers", text(&listed)]).assert().success();
    let told: Value = serde_json::from_slice(&fs::read(folder.path().join("snapshot.viewers.json")).unwrap()).unwrap();
    assert!(told["viewers"].as_array().unwrap().iter().all(|viewer| viewer["user_id"] != user), "{told}");

    fs::write(&listed, "[]").unwrap();
    let mut command = sinsang(&["build", "--input", text(tables), "--output", text(&snapshot), "--now", NOW]);
    command.args(["--viewers", text(&listed)]).assert().code(1).stderr(says("viewers.json").and(says("user_id")));
}

#[test]
fn what_builds_come_to_names_the_shops_of_damaged_rows_and_judges_the_order_before() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, snapshot) = (folder.path().join("tables"), folder.path().join("snapshot"));
    ten_broadcasts(&tables, 3);
    let kept = folder.path().join("kept.ndjson");
    fs::write(&kept, "no line\n").unwrap();
    // Before the second build, a user buys a new product, at once and again later.
    let bought = |at: &str, listing: &str| {
        format!(
            "{{\"user_id\":\"u\",\"at\":\"{at}\",\"kind\":\"purchase\",\"shop\":\"GS샵\",\"listing_id\":\"{listing}\"}}\n"
        )
    };
    let early: String = (1..6).map(|hour| bought(&format!("2026-11-2{hour}T00:00:00+09:00"), "L9")).take(2).collect();
    fs::write(tables.join("events.ndjson"), early.clone() + &bought("2026-11-22T13:00:00+09:00", "L9")).unwrap();
    fs::write(tables.join("rules.toml"), "[verdict]\nmin_history_days = 0\n").unwrap();
    let more = ["--max-rejects", "0.5", "--builds", text(&kept)];
    build(&tables, &snapshot, &more).success();
    sinsang(&["build", "--input", text(&tables), "--output", text(&snapshot), "--now", "2026-11-22T14:00:00+09:00"])
        .args(more)
        .assert()
        .success();
    let lines = fs::read_to_string(&kept).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "what is no line is left out");
    let table = &lines[1]["tables"][0];
    assert_eq!((table["rows"].as_u64(), table["kept"].as_u64()), (Some(10), Some(7)));
    assert_eq!(table["reasons"]["starts_at: not a time"], 3);
    assert_eq!(table["shops"]["GS샵"], 3);
    let ranking = &lines[1]["ranking"];
    assert_eq!(ranking["snapshot"], lines[0]["snapshot"]);
    assert_eq!(ranking["new"]["deeds"], 1, "{ranking}");
    assert_eq!(ranking["new"]["reciprocal"], 1.0, "what the user bought before stands first: {ranking}");
    assert_eq!(ranking["live"]["deeds"], 0);
}
