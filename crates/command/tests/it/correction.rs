//! Corrections end to end: a whole history and a ledger must give the same result.

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

/// A corrections file: `1=2` and `1/2` join and part codes of the shop, `6:new` gives a verdict.
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

    /// The ledger's answer on its listings: resolves all slots again, all of which it knows.
    fn known(&self, ledger: &str, said: &str) -> BTreeMap<String, Value> {
        self.resolve(2..=10, said, Some(ledger))
    }
}

/// For each code, the first code of the same product.
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
    for (first, then) in
        [("", "1/2"), ("1/2", "1/2"), ("", "1/2 2=3"), ("", "1=3"), ("1=3", "1/3"), ("1/2", "1=2"), ("1/2 2=4", "1/2")]
    {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        // Three runs before `then` is decided.
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
        // A correction reaches products outside the day's table.
        desk.resolve(4..=4, "1/2", Some("ledger"));
        assert_eq!(products(), before + 1, "round {round}");
        let parted = desk.known("ledger", "1/2");
        assert_ne!(groups(&parted)["2"], "1");
        let line = &parted["2"];
        assert_eq!(line["evidence"]["earlier"], Value::Null, "{line}");
        // The listings stay parted once the correction is withdrawn.
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
fn a_listing_that_is_moved_to_and_fro_is_where_it_was_moved_last_and_nothing_changes_by_itself() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    desk.resolve(2..=6, "", Some("ledger"));
    let ledger = desk.folder.path().join("ledger");
    let stats = || -> Value {
        let stats = sinsang(&["ledger", "stats", text(&ledger), "--format", "json"]).assert().success();
        serde_json::from_slice(&stats.get_output().stdout).unwrap()
    };
    for (round, said) in ["1/2 2=4", "1/2 1=4", "1/2 2=4", "1/2 1=4", "1/2 2=4"].into_iter().enumerate() {
        desk.resolve(4..=4, said, Some("ledger"));
        let lines = desk.known("ledger", said);
        let of = |code: &str| lines[code]["product_id"].clone();
        let with = if said.contains("2=4") { "2" } else { "1" };
        assert_eq!((of("4") == of(with), of("1") == of("2")), (true, false), "round {round}: {:?}", groups(&lines));
        // The day's own broadcast of 4 has an earlier one only of the listing that 4 is joined
        // with.
        let earlier = &lines["4"]["evidence"]["earlier"]["listing_id"];
        assert_eq!(earlier, with, "round {round}");
        let before = stats();
        let again = desk.known("ledger", said);
        assert_eq!((groups(&again), told(&again)), (groups(&lines), told(&lines)), "round {round}");
        assert_eq!(stats(), before, "what comes twice changes nothing: round {round}");
        let report = check(&ledger).unwrap();
        assert_eq!(report.problem_count, 0, "round {round}: {report}");
    }
}

#[test]
fn of_a_code_that_was_used_for_several_things_a_correction_means_the_latest() {
    let rows = |code: &str| {
        format!(
            "listing_id,shop,channel,title,starts_at,ends_at\n\
             {code},GS샵,GS샵 LIVE,바른집 무쇠 가마솥 28cm,2026-11-02 10:00,2026-11-02 11:00\n\
             {code},GS샵,GS샵 LIVE,나이키 남성 러닝화 에어맥스,2026-11-05 10:00,2026-11-05 11:00\n\
             9,GS샵,GS샵 LIVE,가온 압력밥솥 6인용,2026-11-06 10:00,2026-11-06 11:00\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("broadcasts.csv");
    fs::write(&table, rows("7")).unwrap();
    let said = corrections(folder.path(), "7=9");
    let output = folder.path().join("lines.ndjson");
    let now = "2026-11-07T12:00:00+09:00";
    let mut resolve = sinsang(&["resolve", "--input", text(&table), "--output", text(&output), "--now", now]);
    resolve.args(["--corrections", text(&said)]).assert().success();
    let lines: Vec<Value> =
        fs::read_to_string(&output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let product = |title: &str| {
        let line = lines.iter().find(|line| line["title"].as_str().unwrap().contains(title));
        line.unwrap()["product_id"].clone()
    };
    assert_eq!(product("러닝화"), product("압력밥솥"));
    assert_ne!(product("가마솥"), product("압력밥솥"));
}

#[test]
fn names_are_read_as_tables_have_them_and_what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 2..=10);
    let output = folder.path().join("lines.ndjson");
    let now = "2026-11-11T12:00:00+09:00";
    let resolve = |said: &str| {
        let file = folder.path().join("said.toml");
        fs::write(
            &file,
            format!("[[same]]\nlistings = {said}\nwho = \"a\"\nwhy = \"b\"\nuntil = 2027-01-01T00:00:00+09:00\n"),
        )
        .unwrap();
        let mut command = sinsang(&["resolve", "--input", text(&table), "--output", text(&output), "--now", now]);
        command.args(["--corrections", text(&file)]).assert()
    };
    let says = |what: &str| predicate::str::contains(what.to_owned());
    // Decomposed Hangul, spaces and zero-width characters.
    let decomposed = "GS\u{1109}\u{1163}\u{11b8}";
    resolve(&format!("['{decomposed}: 1 ', 'GS샵:\u{200b}3']"))
        .success()
        .stdout(says("2 listings named, 0 of them on unknown listings").and(says("1 by corrections")));
    resolve("['GS샵:1', 'GS샵:001', 'gs샵:3']")
        .success()
        .stdout(says("2 of them on unknown listings (GS샵:001, gs샵:3)"));
    resolve("['GS샵:1', 'GS샵: 1']").code(1).stderr(says("said.toml:2:22: duplicate listing GS샵:1"));
    fs::write(folder.path().join("said.toml"), b"[[same]] # \xb0\xa1").unwrap();
    let mut command = sinsang(&["resolve", "--input", text(&table), "--output", text(&output), "--now", now]);
    let file = folder.path().join("said.toml");
    command.args(["--corrections", text(&file)]).assert().code(1).stderr(says("byte 11 is not UTF-8"));
    // A dangling link is an error, because decisions must not vanish silently.
    #[cfg(unix)]
    {
        let input = folder.path().join("tables");
        fs::create_dir(&input).unwrap();
        fs::rename(&table, input.join("broadcasts.csv")).unwrap();
        std::os::unix::fs::symlink("gone", input.join("corrections.toml")).unwrap();
        sinsang(&["audit", "--input", text(&input), "--now", now]).assert().code(1).stderr(says("corrections.toml"));
    }
}

#[test]
fn a_review_looks_at_a_ledger_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let tables = |name: &str, rows: &[usize]| {
        let lines: Vec<&str> = REVIEWED.lines().collect();
        let kept: Vec<&str> = std::iter::once(lines[0]).chain(rows.iter().map(|&row| lines[row])).collect();
        let path = folder.path().join(name);
        fs::write(&path, kept.join("\n")).unwrap();
        path
    };
    let (past, today) = (tables("past.csv", &[1, 2]), tables("today.csv", &[3, 4, 5]));
    let ledger = folder.path().join("ledger");
    let now = ["--now", "2026-11-10T12:00:00+09:00"];
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, "[verdict]\nmin_history_days = 0\n").unwrap();
    let review = || {
        let mut command =
            sinsang(&["review", "--list", "--input", text(&today), "--ledger", text(&ledger), "--format", "json"]);
        command.args(now).args(["--rules", text(&rules)]);
        command
    };
    review().assert().code(1).stderr(predicate::str::contains("has no ledger"));
    assert!(!ledger.exists());
    sinsang(&["ledger", "update", "--input", text(&past), "--ledger", text(&ledger)]).args(now).assert().success();
    let codes = || -> Vec<String> {
        let listed = review().assert().success();
        let listed: Value = serde_json::from_slice(&listed.get_output().stdout).unwrap();
        let mut codes: Vec<String> = listed["questions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["listing"]["listing_id"].as_str().unwrap().to_owned())
            .collect();
        codes.sort();
        codes
    };
    let head = || fs::read(ledger.join("head.json")).unwrap();
    let before = head();
    assert_eq!(codes(), ["3", "4"]);
    assert_eq!(head(), before);
    // The same questions once the day is in the ledger, which then knows the listings by code.
    sinsang(&["ledger", "update", "--input", text(&today), "--ledger", text(&ledger)]).args(now).assert().success();
    assert_eq!(codes(), ["3", "4"]);
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
        says(
            "corrections: 1 same, 2 different, 1 verdicts, 0 expired; 7 listings named, 2 of them on unknown listings",
        )
        .and(says("1 by corrections")),
    );
    // A listing that a person called new is on the new-product tab until its own broadcast ends,
    // though its product has aired.
    let snapshot = folder.path().join("snapshot");
    let build = ["build", "--input", text(&input), "--output", text(&snapshot), "--now", "2026-11-09T12:00:00+09:00"];
    sinsang(&build).assert().success().stdout(says("corrections: 1 same").and(says("1 new")));
    fs::write(input.join("corrections.toml"), "[[same]]\nlistings = [\"GS샵:1\"]\nwho = \"a\"\nwhy = \"b\"").unwrap();
    sinsang(&build).assert().code(1).stderr(says("corrections.toml:2:12: a correction needs 2 to 100 listings"));
}

/// A shop's past, and days to come: a treadmill whose words may be the old one's, a shoe put with
/// another one, and a product like no other.
const REVIEWED: &str = "\
listing_id,shop,channel,title,brand,price,starts_at,ends_at
1,GS샵,GS샵 LIVE,런브릿지 접이식 러닝머신 그물짜임,런브릿지,548000,2026-11-01 10:00,2026-11-01 11:00
2,GS샵,GS샵 LIVE,나이키 남성 러닝화 에어맥스,나이키,89000,2026-11-02 10:00,2026-11-02 11:00
3,CJ온스타일,CJ온스타일,런브릿지 워킹패드 그물짜임,런브릿지,498000,2026-11-12 20:00,2026-11-12 21:00
4,CJ온스타일,CJ온스타일,나이키 에어맥스 남성 러닝화 윈드,나이키,88000,2026-11-13 20:00,2026-11-13 21:00
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
    // An invalid answer is asked again; the end of the input stops the review.
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
    // Commands follow the file: one of the two listings joined its match, the other did not.
    let output = input.join("lines.ndjson");
    let resolve = ["resolve", "--input", text(input), "--output", text(&output), "--now", "2026-11-10T12:00:00+09:00"];
    sinsang(&resolve).assert().success().stdout(says("corrections: 1 same, 1 different"));
}
