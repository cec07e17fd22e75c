//! What the overlay says of broadcasts is so in builds, too: what was cancelled has not aired.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::{Value, json};

const HEADER: &str = "listing_id,shop,channel,title,starts_at,ends_at\n";
const POT: &str = "바른집 무쇠 가마솥 28cm";
const PAN: &str = "가온 압력밥솥 6인용";

fn row(code: &str, title: &str, day: u32, hour: u32) -> String {
    format!("{code},GS샵,GS샵 LIVE,{title},2026-11-{day:02} {hour}:00,2026-11-{day:02} {hour}:50\n")
}

fn at(day: u32, hour: u32) -> String {
    format!("2026-11-{day:02}T{hour:02}:00:00+09:00")
}

/// A line of the overlay's log about the broadcast of `code` then.
fn said(what: &str, code: &str, (day, hour): (u32, u32), more: &Value) -> Value {
    let mut line = json!({
        "id": "0000abcd", "revision": 1, "at": "2026-11-01T00:00:00.000Z", "by": "kim", "do": what,
        "product": "00000000000000aa", "channel": "gs", "starts_at": at(day, hour), "from": at(day, hour),
        "until": at(day + 2, hour), "why": "정전", "title": POT,
        "of": [{ "channel": "GS샵 LIVE", "shop": "GS샵", "listing_id": code }],
    });
    let (line_members, more) = (line.as_object_mut().unwrap(), more.as_object().unwrap());
    line_members.extend(more.clone());
    line
}

/// The verdicts by code as of the tenth, with these rows and lines of the log.
fn verdicts(rows: &[String], log: &[Value]) -> BTreeMap<String, (String, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("tables");
    fs::create_dir(&input).unwrap();
    // Records that reach far enough back to call something new.
    let before = (1..=10).flat_map(|month| (1..=28).map(move |day| (month, day)));
    let before = before.map(|(month, day)| {
        format!("2,GS샵,GS샵 LIVE,{PAN},2026-{month:02}-{day:02} 12:00,2026-{month:02}-{day:02} 12:50\n")
    });
    let table = HEADER.to_owned() + &before.collect::<Vec<_>>().concat() + &rows.concat();
    fs::write(input.join("broadcasts.csv"), table).unwrap();
    if !log.is_empty() {
        let lines: Vec<String> = log.iter().map(|line| format!("{line}\n")).collect();
        fs::write(input.join("overlay.ndjson"), lines.concat()).unwrap();
    }
    let output = folder.path().join("lines.ndjson");
    sinsang(&input, &output).assert().success();
    let lines = fs::read_to_string(&output).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told = |line: Value| {
        let (code, verdict) = (line["listing_id"].as_str().unwrap(), line["verdict"].as_str().unwrap());
        (code.to_owned(), (verdict.to_owned(), line["evidence"]["earlier"]["starts_at"].clone()))
    };
    lines.map(told).collect()
}

fn sinsang(input: &Path, output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(["resolve", "--explain", "--now", &at(10, 9)]);
    command.arg("--input").arg(input).arg("--output").arg(output);
    command.env("SINSANG_USER_KEY", "a secret of the tests");
    command
}

#[test]
fn what_was_cancelled_has_not_aired_and_what_was_moved_aired_then() {
    // The pot's first broadcast was to be on the fifth, and it is on again on the tenth.
    let rows = [row("2", PAN, 1, 12), row("1", POT, 5, 12), row("1", POT, 10, 12)];
    let verdict = |log: &[Value]| verdicts(&rows, log)["1"].clone();
    assert_eq!(verdict(&[]).0, "repeat");
    let cancelled = said("cancel", "1", (5, 12), &json!({}));
    assert_eq!(verdict(std::slice::from_ref(&cancelled)).0, "new");
    let removed =
        json!({ "removed": { "revision": 2, "at": "2026-11-01T01:00:00.000Z", "by": "lee", "why": "없던 일" } });
    assert_eq!(verdict(&[said("cancel", "1", (5, 12), &removed)]).0, "repeat", "somebody took it back");
    assert_eq!(verdict(&[said("cancel", "9", (5, 12), &json!({}))]).0, "repeat", "another listing");
    let to = |day: u32, hour: u32, code: &str| {
        json!({
            "to_starts_at": at(day, hour), "to_ends_at": at(day, hour + 1), "to_channel": "gs",
            "to_product": "00000000000000aa", "head": "{",
            "to": { "channel": "GS샵 LIVE", "shop": "GS샵", "listing_id": code },
        })
    };
    // It was moved to the seventh, or to after the tenth.
    let (verdict_then, earlier) = verdict(&[said("move", "1", (5, 12), &to(7, 12, "1"))]);
    assert_eq!((verdict_then.as_str(), earlier), ("repeat", json!(at(7, 12))));
    assert_eq!(verdict(&[said("move", "1", (5, 12), &to(11, 12, "1"))]).0, "new");
    // A broadcast that was given to the pot has made it known.
    let rows = [row("2", PAN, 1, 12), row("2", PAN, 5, 12), row("1", POT, 10, 12)];
    assert_eq!(verdicts(&rows, &[])["1"].0, "new");
    let given = said("hand_over", "2", (5, 12), &to(5, 12, "1"));
    assert_eq!(verdicts(&rows, &[given])["1"], ("repeat".to_owned(), json!(at(5, 12))));
}

#[test]
fn a_log_that_can_not_be_read_stops_a_run_and_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broadcasts.csv"), HEADER.to_owned() + &row("1", POT, 5, 12)).unwrap();
    fs::write(folder.path().join("overlay.ndjson"), "\n{\"id\":1}\n").unwrap();
    let output = folder.path().join("lines.ndjson");
    let told =
        predicate::str::contains("overlay.ndjson line 2: ").and(predicate::str::contains("overlay history --output"));
    sinsang(folder.path(), &output).assert().code(1).stderr(told);
}
