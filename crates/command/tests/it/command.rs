//! The `sinsang` command for people and scripts: help, exit codes, JSON and error texts.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use serde_json::Value;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::printable::is_unprintable;
use sinsang_publish::snapshot::Snapshot;
use tempfile::TempDir;

mod build_log;
mod pipe;

const NOW: &str = "2026-11-22T12:34:56+09:00";
const USER_KEY: &str = "a secret of the tests";

/// The command, with a user key.
fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(arguments).env("SINSANG_USER_KEY", USER_KEY);
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn build(input: &Path, output: &Path, more: &[&str]) -> Assert {
    sinsang(&["build", "--input", text(input), "--output", text(output), "--now", NOW]).args(more).assert()
}

fn json(assert: &Assert) -> Value {
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

fn says(what: &str) -> impl Predicate<str> + use<> {
    predicate::str::contains(what.to_owned())
}

/// Tables and their snapshot.
struct Made {
    _folder: TempDir,
    tables: PathBuf,
    snapshot: PathBuf,
    generated: Value,
    built: Value,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (tables, snapshot) = (folder.path().join("tables"), folder.path().join("snapshot"));
        let generate = ["generate", "--quick", "--days", "2", "--users", "12", "--now", NOW, "--format", "json"];
        let generated = json(&sinsang(&generate).args(["--out", text(&tables)]).assert().success().stderr(""));
        let built = json(&build(&tables, &snapshot, &["--format", "json"]).success().stderr(""));
        Made { _folder: folder, tables, snapshot, generated, built }
    })
}

/// A folder of ten broadcasts; the first `bad` have an unreadable time.
fn ten_broadcasts(folder: &Path, bad: usize) {
    let mut rows = "listing_id,shop,channel,title,starts_at\n".to_owned();
    for row in 0..10 {
        let start = if row < bad { "soon".to_owned() } else { format!("2026-11-23T{row:02}:00:00+09:00") };
        writeln!(rows, "L{row},GS샵,GS샵 LIVE,무쇠솥 {row}호,{start}").unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("broadcasts.csv"), rows).unwrap();
}

/// The commands below `command`, as its help lists them, each with its own below it.
fn commands(command: &str) -> Vec<String> {
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let help = sinsang(&words).assert().success().stderr("");
    let help = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    assert!(help.contains(format!("Usage: sinsang {command}").trim_end()) && help.contains("--format"), "{help}");
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    let rows = listed.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names: Vec<&str> =
        rows.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    let below = names.iter().flat_map(|name| commands(format!("{command} {name}").trim_start()));
    let own = names.iter().map(|name| format!("{command} {name}").trim_start().to_owned());
    own.chain(below).collect()
}

#[test]
fn every_command_explains_itself_and_stands_in_the_manual() {
    let all = commands("");
    assert!(all.len() > 30 && all.iter().any(|command| command == "ledger check"), "{all:?}");
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md")).unwrap();
    let first = all.iter().filter(|command| !command.contains(' '));
    let missing: Vec<&String> = first.filter(|command| !manual.contains(&format!("`sinsang {command}"))).collect();
    assert!(missing.is_empty(), "docs/commands.md lacks {missing:?}");
    sinsang(&["--help"]).assert().stdout(says("Exit codes: 0 success, 1 failure, 2 invalid arguments, 3"));
    sinsang(&["--version"]).assert().success().stdout(says("sinsang "));
}

#[test]
fn wrong_arguments_end_with_2_and_name_the_argument() {
    let build = ["build", "--input", "in", "--output", "out"];
    for (words, expected) in [
        (vec![], "Usage"),
        (vec!["serve"], "serve"),
        (vec!["build", "--input", "in"], "--output"),
        ([&build[..], &["--max-rejects", "5"]].concat(), "from 0 to 1"),
        ([&build[..], &["--max-rejects", "NaN"]].concat(), "from 0 to 1"),
        ([&build[..], &["--now", "yesterday"]].concat(), "expected RFC 3339"),
        ([&build[..], &["--format", "xml"]].concat(), "xml"),
        (vec!["inspect", "folder", "--product", "1", "--user", "2"], "--user"),
        (vec!["publish", "folder"], "<--local <FOLDER>|--remote>"),
        (vec!["publish", "folder", "--local", "a", "--remote"], "--remote"),
        (vec!["experiment", "report", "e", "--events", "f", "--variant", "control"], "such as control=0.5"),
        (vec!["rollback", "last", "--remote"], "16 hex digits"),
        (vec!["collect", "--remote", "--grace", "1"], "6..=8760"),
        (vec!["verify", "a", "\u{1b}[2J\u{202e}b"], "'\\u202eb' found"),
        (vec!["verify", "a", "\u{1b}[2J\u{202e}b"], "For more information, try '--help'.\n"),
    ] {
        let outcome = sinsang(&words).assert().code(2).stdout("").stderr(says(expected));
        let told = String::from_utf8(outcome.get_output().stderr.clone()).unwrap();
        assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    }
}

#[test]
fn reports_are_json_where_that_is_asked_for() {
    let Made { generated, built, snapshot, .. } = made();
    assert!(generated["broadcast_rows"].as_u64().unwrap() > 1_000 && generated["users"] == 12, "{generated}");
    assert_eq!(built["tables"][0]["rows"], generated["broadcast_rows"], "{built}");
    let verified = json(&sinsang(&["verify", text(snapshot), "--format", "json"]).assert().success());
    assert_eq!((&verified["snapshot"], &verified["packs"]), (&built["snapshot"], &built["packs"]));
    assert_eq!(verified["problems"], Value::Array(Vec::new()));
    let inspected = json(&sinsang(&["--format", "json", "inspect", text(snapshot)]).assert().success());
    assert_eq!(inspected["snapshot"], built["snapshot"]);
    assert_eq!(inspected["board"]["bytes"], built["board_bytes"]);
    let pairs = concat!(env!("CARGO_MANIFEST_DIR"), "/../identity/tests/data/title_pairs.tsv");
    let evaluated = json(&sinsang(&["evaluate", "identity", pairs, "--format", "json"]).assert().success());
    let (ours, fuzzy) = (&evaluated["f1"], &evaluated["baselines"]["fuzzy_ratio_90"]["f1"]);
    assert!(ours.as_f64().unwrap() > fuzzy.as_f64().unwrap(), "{ours} {fuzzy}");
    // An error is JSON too, and the only output.
    let assert = sinsang(&["verify", "nowhere", "--format", "json"]).assert().code(1).stdout("");
    let error: Value = serde_json::from_slice(&assert.get_output().stderr).unwrap();
    assert!(error["error"].as_str().unwrap().contains("nowhere"), "{error}");
}

#[test]
fn a_command_without_a_cluster_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    ten_broadcasts(&input, 0);
    let assert = build(&input, &output, &["--cluster", "df://127.0.0.1:50050"]).code(1);
    assert.stderr(says("df://127.0.0.1:50050").and(says("make cluster")).and(says("bin/sinsang-cluster")));
    assert!(!output.exists());
    let ledger = ["ledger", "update", "--input", text(&input), "--ledger", text(&output)];
    let assert = sinsang(&ledger).args(["--cluster", "df://127.0.0.1:50050", "--partitions", "4"]).assert().code(1);
    assert.stderr(says("df://127.0.0.1:50050").and(says("make cluster")));
    assert!(!output.exists());
}

#[test]
fn a_build_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    build(&input, &output, &[]).code(1).stdout("").stderr(says("sinsang: ").and(says(text(&input))));
    fs::create_dir(&input).unwrap();
    build(&input, &output, &[]).code(1).stderr(says("has no table of broadcasts").and(says("docs/input.md")));
    ten_broadcasts(&input, 0);
    let words = ["build", "--input", text(&input), "--output", text(&output), "--now", NOW];
    for key in [None, Some("")] {
        let mut command = sinsang(&words);
        match key {
            Some(key) => command.env("SINSANG_USER_KEY", key),
            None => command.env_remove("SINSANG_USER_KEY"),
        };
        command.assert().code(1).stderr(says("set SINSANG_USER_KEY to the edge's USER_KEY"));
    }
    assert!(!output.exists());
    build(&input, &output, &[]).success().stdout(says("broadcasts: 10 rows in 1 file, 10 kept").and(says("snapshot ")));
}

#[test]
fn rows_past_the_limit_stop_a_build_unless_the_limit_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    ten_broadcasts(&input, 2);
    let rejects = folder.path().join("out.rejects.ndjson");
    build(&input, &output, &[]).code(1).stderr(
        says("2 of 10 rows of broadcasts are unusable (20.0 %, limit 5 %): starts_at not a time (2)")
            .and(says(&format!("see {}", rejects.display())))
            .and(says("raise the limit with --max-rejects")),
    );
    assert!(!output.exists());
    build(&input, &output, &["--max-rejects", "0.2"]).success().stdout(says("8 kept").and(says("set aside 2")));
    let chosen = folder.path().join("chosen.ndjson");
    build(&input, &output, &["--max-rejects", "1", "--rejects", text(&chosen)]).success();
    let rows: Vec<Value> =
        fs::read_to_string(&chosen).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    let file = input.join("broadcasts.csv");
    assert_eq!((&rows[1]["file"], &rows[1]["field"]), (&Value::from(text(&file)), &Value::from("starts_at")));
    assert_eq!((&rows[1]["row"], &rows[1]["line"], &rows[1]["value"]), (&2.into(), &3.into(), &"soon".into()));
    build(&input, &output, &["--max-rejects", "0.19"]).code(1);
    sinsang(&["verify", text(&output)]).assert().success().stdout(says("no problems found"));
}

#[test]
fn wrong_rules_are_named_by_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    ten_broadcasts(&input, 0);
    let rules = input.join("rules.toml");
    for (written, expected) in [
        ("[ranking.new]\ntaste = 'much'\n", "line 2, column 9"),
        ("[ranking.new]\ntest = 1\n", "line 2, column 1"),
        ("[window]\nahead_days = 90\n", "window.ahead_days is 90, expected from 1 to 31"),
    ] {
        fs::write(&rules, written).unwrap();
        build(&input, &output, &[]).code(1).stderr(says(text(&rules)).and(says(expected)));
    }
    let elsewhere = folder.path().join("mine.toml");
    build(&input, &output, &["--rules", text(&elsewhere)]).code(1).stderr(says(text(&elsewhere)));
    // Named rules replace those beside the tables.
    fs::write(&elsewhere, "[window]\nback_hours = 1\n").unwrap();
    build(&input, &output, &["--rules", text(&elsewhere)]).success();
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    ten_broadcasts(&input, 0);
    fs::create_dir(&output).unwrap();
    fs::write(output.join("notes.txt"), "mine").unwrap();
    for output in [&output, &input] {
        build(&input, output, &[]).code(1).stderr(says(text(output)).and(says("holds no snapshot")));
    }
    assert_eq!(fs::read_to_string(output.join("notes.txt")).unwrap(), "mine");
    assert!(input.join("broadcasts.csv").exists());
}

#[test]
fn a_product_and_a_user_can_be_looked_at() {
    let Made { snapshot, .. } = made();
    let folder = Snapshot::at(snapshot);
    let id = folder.manifest().unwrap().board();
    let board = folder.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id)).unwrap();
    let id = format!("{:016x}", board.product(0).id());
    let shown = json(&sinsang(&["inspect", text(snapshot), "--product", &id, "--format", "json"]).assert().success());
    assert_eq!(shown["product"]["product_id"], Value::from(id.as_str()));
    assert!(shown["verdict_until_first_end"]["kind"].is_string() && shown["broadcasts"][0]["starts_at"].is_string());
    let title = shown["product"]["title"].as_str().unwrap();
    sinsang(&["inspect", text(snapshot), "--product", &id]).assert().success().stdout(says(title));
    for unknown in ["0000000000000000", "무쇠솥"] {
        let words = ["inspect", text(snapshot), "--product", unknown];
        sinsang(&words).assert().code(1).stderr(says(&format!("no product {unknown}")));
    }

    let user = ["inspect", text(snapshot), "--user", "u000001", "--format", "json"];
    let tastes = json(&sinsang(&user).assert().success());
    let weights = tastes["vector"].as_array().unwrap();
    assert!(weights.len() == board.dimensions() && weights.iter().any(|weight| *weight != 0), "{tastes}");
    assert_eq!(tastes["channels"].as_object().unwrap().len(), board.channel_count());
    assert_eq!(tastes["tabs"].as_array().unwrap().len(), board.tab_count());
    sinsang(&user).env("SINSANG_USER_KEY", "another").assert().code(1).stderr(says("no tastes of that user"));
    sinsang(&user).env_remove("SINSANG_USER_KEY").assert().code(1).stderr(says("SINSANG_USER_KEY is missing"));
}

#[test]
fn verify_ends_with_3_where_something_is_wrong_and_with_1_where_it_cannot_read() {
    let Made { snapshot, tables, .. } = made();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    fs::create_dir_all(copy.join("pack")).unwrap();
    fs::copy(snapshot.join("manifest"), copy.join("manifest")).unwrap();
    let packs: Vec<PathBuf> = fs::read_dir(snapshot.join("pack")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for pack in &packs {
        fs::copy(pack, copy.join("pack").join(pack.file_name().unwrap())).unwrap();
    }
    sinsang(&["verify", text(&copy)]).assert().success();
    let foreign = copy.join("pack/0123456789abcdef0123456789abcdef");
    fs::copy(&packs[0], &foreign).unwrap();
    let found = json(&sinsang(&["verify", text(&copy), "--format", "json"]).assert().code(3));
    assert!(found["problems"][0].as_str().unwrap().contains("0123456789abcdef0123456789abcdef"), "{found}");
    sinsang(&["verify", text(&copy)]).assert().code(3).stdout(says("1 problem").and(says("do not publish it")));
    fs::remove_file(&foreign).unwrap();
    let pack = copy.join("pack").join(packs[0].file_name().unwrap());
    let mut bytes = fs::read(&pack).unwrap();
    bytes[100] ^= 1;
    fs::write(&pack, bytes).unwrap();
    sinsang(&["verify", text(&copy)]).assert().code(1).stderr(says(text(&pack)).and(says("build the snapshot again")));
    sinsang(&["verify", text(tables)]).assert().code(1).stderr(says("manifest"));
}

/// A year of a small shop and a schedule to come: a pot that has aired under another code, one that
/// has not, and a title that claims to be new.
const SHOP: &str = "\
listing_id,shop,channel,title,brand,price,starts_at,ends_at,review_count,collected_at
100,GS샵,GS샵 LIVE,도란 무쇠솥 24cm,도란,49900,2026-01-05 10:00,2026-01-05 11:00,0,
101,GS샵,GS샵 LIVE,한빛 등산화 남성,한빛,89000,2026-01-20 10:00,2026-01-20 11:00,0,
200,CJ온스타일,CJ온스타일,[방송에서만] 도란 무쇠솥 24cm (무이자12),도란,49900,2026-11-25 20:00,2026-11-25 21:00,3,
201,CJ온스타일,CJ온스타일,[신상] 한빛 등산화 남성,한빛,88000,2026-11-26 20:00,2026-11-26 21:00,1,
300,CJ온스타일,CJ온스타일,가온 압력밥솥 6인용,가온,159000,2026-03-01 20:00,2026-03-01 21:00,0,
301,CJ온스타일,CJ온스타일,가온 압력밥솥 10인용,가온,189000,2026-11-27 20:00,2026-11-27 21:00,0,
302,CJ온스타일,CJ온스타일,새봄 제습기 20L,새봄,299000,2026-11-28 20:00,2026-11-28 21:00,250,
100,CJ온스타일,CJ온스타일,☆ [방송에서만] 무이자12,,,2026-03-15 20:00,2026-03-15 21:00,,
";

fn shop() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedule.csv");
    fs::write(&file, SHOP).unwrap();
    // A row every few weeks gives a record of a few days.
    fs::write(folder.path().join("rules.toml"), "[verdict]\nmin_history_days = 1\n").unwrap();
    (folder, file)
}

#[test]
fn resolve_writes_a_line_for_each_listing_with_its_product_and_verdict() {
    let (folder, file) = shop();
    let output = folder.path().join("lines.ndjson");
    let words = ["resolve", "--input", text(&file), "--output", text(&output), "--now", NOW];
    sinsang(&words).assert().success().stderr("").stdout(
        says("8 listings")
            .and(says("verdicts: 2 new"))
            .and(says("3 judged as of their next broadcast").not())
            .and(says("8 lines in")),
    );
    let read = || -> Vec<Value> {
        fs::read_to_string(&output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let lines = read();
    let line = |lines: &[Value], shop: &str, code: &str| {
        lines.iter().find(|line| line["shop"] == shop && line["listing_id"] == code).unwrap().clone()
    };
    let of = |code: &str| line(&lines, "CJ온스타일", code);
    assert_eq!(lines[0].as_object().unwrap().len(), 5, "{}", lines[0]);
    assert_eq!(of("200")["product_id"], line(&lines, "GS샵", "100")["product_id"]);
    assert_ne!(of("300")["product_id"], of("301")["product_id"]);
    let verdicts = ["200", "201", "301", "302"].map(|code| of(code)["verdict"].clone());
    assert_eq!(verdicts, ["repeat", "repeat", "new", "unknown"]);
    assert_eq!(line(&lines, "GS샵", "100")["verdict"], "unknown", "the first of a history can't be told");

    sinsang(&words).arg("--explain").assert().success();
    let explained = read();
    let pot = line(&explained, "CJ온스타일", "200");
    assert_eq!(
        (&pot["joined"], &pot["upcoming"], &pot["as_of"]),
        (&"similar".into(), &true.into(), &"2026-11-25T20:00:00+09:00".into())
    );
    assert_eq!((&pot["nearest"]["shop"], &pot["nearest"]["channel"]), (&"GS샵".into(), &"GS샵 LIVE".into()));
    assert!(
        pot["nearest"]["score"]["total"].as_f64().unwrap() >= 0.64 && pot["nearest"]["score"]["parts"].is_array(),
        "{pot}"
    );
    let cooker = line(&explained, "CJ온스타일", "301");
    assert_eq!(cooker["nearest_other"]["score"]["veto"]["name"], "persons", "{cooker}");
    // The same input gives the same bytes, and a failure leaves no partial file.
    let before = fs::read(&output).unwrap();
    sinsang(&words).arg("--explain").assert().success();
    assert_eq!(fs::read(&output).unwrap(), before);
    let nowhere = folder.path().join("none/lines.ndjson");
    let words = ["resolve", "--input", text(&file), "--output", text(&nowhere), "--now", NOW];
    sinsang(&words).assert().code(1).stderr(says("can't be written").or(says("can't open")));
    let words = ["resolve", "--input", "none.csv", "--output", text(&output), "--now", NOW];
    sinsang(&words).assert().code(1).stderr(says("none.csv"));
}

#[test]
fn why_tells_a_listings_story_and_names_near_ones_where_there_is_none() {
    let (_folder, file) = shop();
    let why = |listing: &str, more: &[&str]| {
        sinsang(&["why", listing, "--input", text(&file), "--now", NOW]).args(more).assert()
    };
    why("200", &[]).success().stdout(
        says("[방송에서만] 도란 무쇠솥 24cm (무이자12)")
            .and(says("재방송"))
            .and(says("2026-01-05 10:00 GS샵 LIVE에서 방송됨"))
            .and(says("GS샵 100 “도란 무쇠솥 24cm” (2026-01-05 (월) 10:00 GS샵 LIVE)"))
            .and(says("(기준 40 %)")),
    );
    why("CJ온스타일:301", &[]).success().stdout(
        says("신상품")
            .and(says("일 기록에서 첫 방송"))
            .and(says("가장 비슷했던 다른 상품: CJ온스타일 300"))
            .and(says("인용: ‘10’ / ‘6’")),
    );
    why("302", &[]).success().stdout(says("판단 보류").and(says("상품평 250개")));
    let story = json(&why("200", &["--format", "json"]).success());
    let id = story["stories"][0]["product_id"].as_str().unwrap().to_owned();
    why("200", &["301"]).success().stdout(says("판정  재방송").and(says("판정  신상품")));
    why(&id, &[]).success().stdout(says(&id).and(says("GS샵 100")));
    why("100", &[]).code(1).stdout("").stderr(says("2 shops have a listing 100").and(says("GS샵:100")));
    why("209", &[]).code(1).stderr(says("no listing or product 209").and(says("CJ온스타일:200")));
    why("압력밥솥", &[]).code(1).stderr(says("CJ온스타일:300 가온 압력밥솥 6인용"));
    why("ffffffffffffffff", &[]).code(1).stderr(says("16 hex digits"));
}

#[test]
fn audit_sets_claims_beside_what_they_are() {
    let (_folder, file) = shop();
    let words = ["audit", "--input", text(&file), "--now", NOW];
    sinsang(&words).assert().success().stdout(
        says("[신상] 한빛 등산화 남성")
            .and(says("aired 2026-01-20 10:00 on GS샵 LIVE"))
            .and(says("가온 압력밥솥 10인용")),
    );
    let report = json(&sinsang(&words).args(["--format", "json"]).assert().success());
    assert_eq!((&report["total"]["claims"], &report["total"]["claims_aired"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(report["shops"]["CJ온스타일"]["new_silent"], 1, "{report}");
    assert_eq!(report["claims_that_aired"][0]["listing_id"], "201");
    assert_eq!(report["silent_new"][0]["listing_id"], "301");
}

/// Whether `bytes` contain no control of a terminal.
fn is_plain(bytes: &[u8]) -> bool {
    !String::from_utf8_lossy(bytes).chars().any(|c| is_unprintable(c) && c != '\n')
}

#[test]
fn no_header_and_no_message_from_outside_commands_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let broadcasts = folder.path().join("broadcasts.csv");
    let output = folder.path().join("snapshot");
    // Clears the screen, sets the window's title, reverses the line, and begins another.
    let header = "\u{1b}[2J\u{1b}]0;owned\u{7}title\u{202e},\"one\ntwo\",\u{9b}31mred";
    fs::write(&broadcasts, format!("{header}\n1,2,3\n")).unwrap();
    for more in [&[][..], &["--format", "json"], &["--log-format", "json"]] {
        let failed = build(folder.path(), &output, more).code(1);
        let said = &failed.get_output().stderr;
        let text = String::from_utf8_lossy(said);
        assert!(is_plain(said), "{more:?}: {text:?}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        assert!(text.contains("one two"), "the header is quoted: {text}");
        if !more.is_empty() {
            let said: Value = serde_json::from_slice(said).unwrap();
            assert!(said["error"].as_str().is_some_and(|error| error.contains("broadcasts.csv")), "{said}");
        }
    }
    // The name of a file, and a parser's quote from a file.
    let odd = folder.path().join("rules \u{1b}[31m.toml");
    fs::write(&odd, "new = \"\u{202e}\"\n").unwrap();
    for format in ["text", "json"] {
        let checked = sinsang(&["rules", "check", text(&odd), "--format", format]).assert().code(1);
        let said = &checked.get_output().stderr;
        assert!(is_plain(said) && String::from_utf8_lossy(said).contains("\\u001b[31m"), "{said:?}");
    }
}

#[test]
fn titles_and_names_that_turn_text_around_are_put_right_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    fs::create_dir_all(&input).unwrap();
    let rows = "listing_id,shop,channel,title,brand,starts_at\n\
        L\u{200e}1,GS\u{202d}샵,GS샵 LIVE,\u{202e}무쇠솥\u{2066} 3호\u{2069},해피\u{200f}콜,2026-11-23T01:00:00+09:00\n\
        L2,GS샵,GS샵 LIVE,곰솥 5호,해피콜,2026-11-23T02:00:00+09:00\n";
    fs::write(input.join("broadcasts.csv"), rows).unwrap();
    let resolved = folder.path().join("resolved.ndjson");
    let report = json(
        &sinsang(&["resolve", "--input", text(&input), "--output", text(&resolved), "--now", NOW, "--format", "json"])
            .assert()
            .success(),
    );
    let repairs = report["broadcasts"]["repaired"].as_array().unwrap();
    for field in ["listing_id", "shop", "title", "brand"] {
        let tidied = |repair: &Value| repair["field"] == field && repair["repair"] == "characters tidied";
        assert!(repairs.iter().any(|repair| tidied(repair) && repair["rows"] == 1), "{field}: {report}");
    }
    let lines = fs::read_to_string(&resolved).unwrap();
    assert!(!lines.chars().any(|c| is_unprintable(c) && c != '\n'), "{lines:?}");
    assert!(lines.contains("무쇠솥 3호") && lines.contains("\"L1\""), "{lines}");
    let why = ["why", "--input", text(&input), "--now", NOW, "GS샵:L1"];
    let told = sinsang(&why).assert().success();
    assert!(
        is_plain(&told.get_output().stdout)
            && String::from_utf8_lossy(&told.get_output().stdout).contains("무쇠솥 3호")
    );
}
