//! Corrections on the whole way: in a history read whole and in a ledger, which are to come to the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;
use sinsang_pipeline::ledger::check;

const POT: &str = "바른집 무쇠 가마솥 28cm";
const SHOE: &str = "나이키 남성 러닝화 에어맥스";
/// Slots of a shop: the day of November 2026, code and title.
const SLOTS: [(u32, &str, &str); 10] = [
    (2, "1", POT),
    (2, "9", "가온 압력밥솥 6인용"),
    (3, "2", "[특가] 바른집 무쇠 가마솥 28cm"),
    (4, "3", SHOE),
    (6, "4", "바른집 무쇠 가마솥 28cm (사은품)"),
    (6, "2", "[특가] 바른집 무쇠 가마솥 28cm"),
    (8, "5", "[특가] 나이키 남성 러닝화 에어맥스"),
    (8, "3", SHOE),
    (10, "1", POT),
    (10, "6", POT),
];

fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(arguments).env("SINSANG_USER_KEY", "a secret of the tests");
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A table of the slots of some days.
fn table(folder: &Path, days: std::ops::RangeInclusive<u32>) -> PathBuf {
    let mut rows = "listing_id,shop,channel,title,starts_at,ends_at\n".to_owned();
    for (place, (day, code, title)) in SLOTS.iter().enumerate().filter(|(_, slot)| days.contains(&slot.0)) {
        let hour = 10 + place;
        writeln!(rows, "{code},GS샵,GS샵 LIVE,{title},2026-11-{day:02} {hour}:00,2026-11-{day:02} {hour}:50").unwrap();
    }
    let path = folder.join(format!("{}-{}.csv", days.start(), days.end()));
    fs::write(&path, rows).unwrap();
    path
}

/// A corrections file: `1=2` and `1/2` of codes of the shop, `6:new` a verdict.
fn corrections(folder: &Path, said: &str) -> PathBuf {
    let mut file = String::new();
    for said in said.split_whitespace() {
        let by = "who = \"민지\"\nwhy = \"다른 무게\"\n";
        if let Some((code, kind)) = said.split_once(':') {
            write!(file, "[[verdict]]\nlisting = \"GS샵:{code}\"\nverdict = \"{kind}\"\n{by}").unwrap();
            continue;
        }
        let (kind, mark) = if said.contains('=') { ("same", '=') } else { ("different", '/') };
        let listings: Vec<String> = said.split(mark).map(|code| format!("\"GS샵:{code}\"")).collect();
        write!(file, "[[{kind}]]\nlistings = [{}]\n{by}", listings.join(", ")).unwrap();
    }
    let path = folder.join("said.toml");
    fs::write(&path, file).unwrap();
    path
}

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn resolve(
        &self,
        days: std::ops::RangeInclusive<u32>,
        said: &str,
        ledger: Option<&str>,
    ) -> BTreeMap<String, Value> {
        let folder = self.folder.path();
        let (now, output) = (format!("2026-11-{:02}T23:59:00+09:00", days.end()), folder.join("lines.ndjson"));
        let (table, said) = (table(folder, days), corrections(folder, said));
        let words = ["--corrections", text(&said), "--output", text(&output), "--now", &now, "--explain"];
        let mut command = sinsang(&["resolve", "--input", text(&table)]);
        command.args(words);
        if let Some(ledger) = ledger {
            command.args(["--ledger", text(&folder.join(ledger))]);
        }
        command.assert().success();
        let lines = fs::read_to_string(&output).unwrap();
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        lines.lines().map(line).map(|line| (line["listing_id"].as_str().unwrap().to_owned(), line)).collect()
    }

    /// What the ledger says of its listings: all slots again, which it knows.
    fn known(&self, ledger: &str, said: &str) -> BTreeMap<String, Value> {
        self.resolve(2..=10, said, Some(ledger))
    }
}

/// The codes that are one product with each, the first of them by its code.
fn groups(lines: &BTreeMap<String, Value>) -> BTreeMap<&str, &str> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for (code, line) in lines {
        groups.insert(code.as_str(), *first.entry(line["product_id"].as_str().unwrap()).or_insert(code));
    }
    groups
}

fn told(lines: &BTreeMap<String, Value>) -> Vec<(String, String, Value, Value)> {
    let told = lines.iter().map(|(code, line)| {
        let evidence = &line["evidence"];
        (
            code.clone(),
            line["verdict"].as_str().unwrap().to_owned(),
            evidence["reason"].clone(),
            evidence["earlier"]["starts_at"].clone(),
        )
    });
    told.collect()
}

#[test]
fn a_ledger_comes_to_what_the_whole_history_does_also_where_a_correction_comes_late() {
    for (first, then) in [
        ("", "1/2"),
        ("1/2", "1/2"),
        ("", "1/2 2=3"),
        ("", "1=3"),
        ("1=3", "1/3"),
        ("", "1/2 2/4 1/4"),
        ("1/2", "1=2"),
        ("1/2 2=4", "1/2"),
    ] {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        // Three days before anybody said `then`.
        for days in [2..=2, 3..=4, 6..=6] {
            desk.resolve(days, first, Some("ledger"));
        }
        for days in [8..=8, 10..=10] {
            desk.resolve(days, then, Some("ledger"));
        }
        let (whole, known) = (desk.resolve(2..=10, then, None), desk.known("ledger", then));
        assert_eq!(groups(&whole), groups(&known), "{first} then {then}");
        assert_eq!(told(&whole), told(&known), "{first} then {then}");
        let ledger = desk.folder.path().join("ledger");
        let report = check(&ledger).unwrap();
        assert_eq!(report.problem_count, 0, "{first} then {then}: {report}");
        // Compaction changes no answer.
        sinsang(&["ledger", "compact", "--all", text(&ledger)]).assert().success();
        assert_eq!(check(&ledger).unwrap().problem_count, 0);
        assert_eq!(desk.known("ledger", then), known, "{first} then {then}");
    }
}

#[test]
fn a_listing_that_is_parted_takes_its_broadcasts_along_and_comes_back_with_them() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    desk.resolve(2..=6, "", Some("ledger"));
    let together = desk.known("ledger", "");
    assert_eq!(groups(&together)["2"], "1");
    let products = || {
        let stats =
            sinsang(&["ledger", "stats", text(&desk.folder.path().join("ledger")), "--format", "json"]).assert();
        serde_json::from_slice::<Value>(&stats.success().get_output().stdout).unwrap()["products"].as_u64().unwrap()
    };
    let before = products();
    for round in 0..3 {
        // The word of a person reaches products of which the day has nothing.
        desk.resolve(4..=4, "1/2", Some("ledger"));
        assert_eq!(products(), before + 1, "round {round}");
        let parted = desk.known("ledger", "1/2");
        assert_ne!(groups(&parted)["2"], "1");
        let line = &parted["2"];
        assert_eq!(line["evidence"]["earlier"], Value::Null, "{line}");
        // It stays so once nobody says so any more.
        assert_ne!(groups(&desk.known("ledger", ""))["2"], "1", "round {round}");
        desk.resolve(4..=4, "1=2", Some("ledger"));
        assert_eq!(products(), before, "round {round}");
        let back = desk.known("ledger", "1=2");
        assert_eq!((&back["1"]["product_id"], groups(&back)["2"]), (&together["1"]["product_id"], "1"));
        assert_eq!(back["2"]["evidence"]["earlier"]["listing_id"], "1", "{}", back["2"]);
        assert_eq!(check(&desk.folder.path().join("ledger")).unwrap().problem_count, 0);
    }
}

#[test]
fn a_corrections_file_beside_the_tables_is_followed_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("tables");
    fs::create_dir(&input).unwrap();
    fs::rename(table(folder.path(), 2..=10), input.join("broadcasts.csv")).unwrap();
    fs::rename(corrections(folder.path(), "1/2 3=9 6:new 77/78"), input.join("corrections.toml")).unwrap();
    let said = |more: &[&str]| {
        sinsang(&["why"]).args(more).args(["--input", text(&input), "--now", "2026-11-09T12:00:00+09:00"]).assert()
    };
    let says = |what: &str| predicate::str::contains(what.to_owned());
    said(&["2"]).success().stdout(says("다른 상품인 까닭: 담당자 판정 (민지: 다른 무게)"));
    said(&["3"]).success().stdout(says("담당자가 이 판매와 같은 상품으로 판정: GS샵 9").and(says("민지 — 다른 무게")));
    said(&["6"])
        .success()
        .stdout(says("판정  신상품").and(says("담당자 확인: 처음 방송하는 상품")).and(says("민지 — 다른 무게")));
    let output = folder.path().join("lines.ndjson");
    let resolve = ["resolve", "--input", text(&input), "--output", text(&output), "--now", "2026-11-09T12:00:00+09:00"];
    sinsang(&resolve).assert().success().stdout(
        says("corrections: 1 same, 2 different, 1 verdicts, 0 expired; 7 listings named, 2 of them not on record here")
            .and(says("1 by corrections")),
    );
    // The tab's pack shows what a person called new until its own broadcast ends, though the product has aired.
    let snapshot = folder.path().join("snapshot");
    let build = ["build", "--input", text(&input), "--output", text(&snapshot), "--now", "2026-11-09T12:00:00+09:00"];
    sinsang(&build).assert().success().stdout(says("corrections: 1 same").and(says("1 new")));
    fs::write(input.join("corrections.toml"), "[[same]]\nlistings = [\"GS샵:1\"]\nwho = \"a\"\nwhy = \"b\"").unwrap();
    sinsang(&build).assert().code(1).stderr(says("corrections.toml:2:12: a correction names two listings or more"));
}

/// A year of a shop, and days to come with a pot in words that may be the old one's, a shoe that was put with another, and a thing that is
/// like nothing.
const REVIEWED: &str = "\
listing_id,shop,channel,title,brand,price,starts_at,ends_at
1,GS샵,GS샵 LIVE,런브릿지 접이식 러닝머신 그물짜임,런브릿지,548000,2026-11-01 10:00,2026-11-01 11:00
2,GS샵,GS샵 LIVE,나이키 남성 러닝화 에어맥스,나이키,89000,2026-11-02 10:00,2026-11-02 11:00
3,CJ온스타일,CJ온스타일,런브릿지 대용량 접이식 러닝머신 리지,런브릿지,498000,2026-11-12 20:00,2026-11-12 21:00
4,CJ온스타일,CJ온스타일,나이키 에어맥스 남성 러닝화 2026,나이키,88000,2026-11-13 20:00,2026-11-13 21:00
5,CJ온스타일,CJ온스타일,새봄 제습기 20L,새봄,299000,2026-11-14 20:00,2026-11-14 21:00
";

#[test]
fn a_review_asks_about_what_is_least_certain_and_writes_the_answers_down() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path();
    fs::write(input.join("broadcasts.csv"), REVIEWED).unwrap();
    fs::write(input.join("rules.toml"), "[verdict]\nmin_history_days = 0\n").unwrap();
    let says = |what: &str| predicate::str::contains(what.to_owned());
    let review = |more: &[&str]| {
        let mut command = sinsang(&["review", "--input", text(input), "--now", "2026-11-10T12:00:00+09:00"]);
        command.args(more);
        command
    };
    let listed = || -> Value {
        let listed = review(&["--list", "--format", "json"]).assert().success();
        serde_json::from_slice(&listed.get_output().stdout).unwrap()
    };
    let before = listed();
    let asked: Vec<&Value> = before["questions"].as_array().unwrap().iter().collect();
    let codes: Vec<&str> = asked.iter().map(|it| it["listing"]["listing_id"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 2, "{before:#}");
    assert!(codes.contains(&"3") && codes.contains(&"4"), "{before:#}");
    assert!(asked[0]["harm"].as_f64().unwrap() >= asked[1]["harm"].as_f64().unwrap());
    assert!(!input.join("corrections.toml").exists());

    review(&[]).assert().code(2).stderr(says("--who"));
    // What is no answer is asked again; the end of the input stops.
    let answers = "perhaps\nd 다른 모델\n";
    review(&["--who", "민지"])
        .write_stdin(answers)
        .assert()
        .success()
        .stdout(says("은(는) 답이 아닙니다").and(says("0 same, 1 different in")).and(says("1 left")));
    review(&["--who", "민지"]).write_stdin("s\n").assert().success().stdout(says("1 same, 0 different in"));
    let written = fs::read_to_string(input.join("corrections.toml")).unwrap();
    assert!(written.contains("[[different]]") && written.contains("why = \"다른 모델\""), "{written}");
    assert!(written.contains("[[same]]") && written.contains("who = \"민지\""), "{written}");
    assert_eq!(listed()["found"], 0, "nothing is asked twice");
    review(&["--who", "민지"]).write_stdin("").assert().success().stdout(says("0 same, 0 different"));
    // What is in the file is followed: one of the two joined what it was like, the other did not.
    let output = input.join("lines.ndjson");
    let resolve = ["resolve", "--input", text(input), "--output", text(&output), "--now", "2026-11-10T12:00:00+09:00"];
    sinsang(&resolve).assert().success().stdout(says("corrections: 1 same, 1 different"));
}
