//! `sinsang check` on intact and broken tables: its first lines, exit codes and JSON.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sinsang_core::printable::is_unprintable;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};
use tempfile::TempDir;

const NOW: &str = "2026-11-22T12:00:00+09:00";
const HEADER: &str = "listing_id,shop,channel,title,brand,price,starts_at,ends_at,collected_at\n";
const SHOPS: [&str; 4] = ["GS샵", "현대홈쇼핑", "롯데홈쇼핑", "NS홈쇼핑"];

/// Korean local time without an offset, as a schedule writes it.
fn local(at: UnixMillis) -> String {
    at.to_kst_rfc3339().replace('T', " ").replace("+09:00", "")
}

/// The rows of a shop from 40 days ago to tomorrow, with times `off_hours` hours off, spelt by
/// `write`.
fn rows(shop: &str, off_hours: i64, write: fn(UnixMillis) -> String) -> String {
    let midnight = UnixMillis::parse_rfc3339(NOW).unwrap().plus(-12 * HOUR_MS);
    let mut rows = String::new();
    for day in -40..=1_i64 {
        for hour in 0..24 {
            for minute in if (2..5).contains(&hour) { vec![0, 20, 40] } else { vec![0] } {
                let starts_at = midnight.plus(day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS);
                let code = day.rem_euclid(9) * 100 + hour * 3 + minute / 20;
                let at = |at: UnixMillis| write(at.plus(off_hours * HOUR_MS));
                let (start, end) = (at(starts_at), at(starts_at.plus(20 * MINUTE_MS)));
                let collected = at(midnight.plus((day - 1) * DAY_MS + 100 * MINUTE_MS));
                let price = 10_000 + code * 37;
                writeln!(rows, "{code:05},{shop},{shop},무쇠솥 {code}호,한솥,\"{price}원\",{start},{end},{collected}")
                    .unwrap();
            }
        }
    }
    rows
}

/// A folder whose table `broadcasts` has a CSV file for each shop.
fn tables() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("broadcasts")).unwrap();
    for (place, shop) in SHOPS.iter().enumerate() {
        write(
            folder.path(),
            &format!("broadcasts/{place}.csv"),
            &(HEADER.to_owned() + &rows(shop, 0, UnixMillis::to_kst_rfc3339)),
        );
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The command's exit code and output.
fn check(folder: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(["check", folder.to_str().unwrap(), "--now", NOW]).args(more);
    let output = command.assert().stderr("").get_output().clone();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn json(folder: &Path, more: &[&str]) -> (i32, Value) {
    let (code, text) = check(folder, &[&["--format", "json"], more].concat());
    (code, serde_json::from_str(&text).unwrap())
}

/// Rule and subject of each finding except notes.
fn rules(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "note");
    findings
        .map(|finding| (finding["rule"].as_str().unwrap(), finding["subject"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn where_all_is_well_it_says_so_first_and_on_one_screen() {
    let folder = tables();
    let (code, text) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("Nothing looks wrong in 5,040 rows of broadcasts; one note.\n"), "{text}");
    assert!(text.lines().count() <= 40, "{text}");
    for line in [
        "broadcasts: 5,040 rows in 4 files, all used; 2026-10-13 to 2026-11-23, 4 channels, 4 shops",
        "  listing_id    digits 5,040 (\"00500\", \"00503\", \"00506\")",
        "  price         number with signs 5,040 (\"28500원\", \"28611원\", \"28722원\")",
        "  image         missing 5,040",
        "not judged: events: there is no such table; without it nothing is personal",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn each_thing_that_looks_wrong_ends_with_3_and_is_named() {
    /// A defect, how a table gets it, and the rules that report it with their subjects.
    type Case = (&'static str, fn(&Path), &'static [(&'static str, &'static str)]);
    let table: [Case; 6] = [
        (
            "times of UTC in one shop",
            |folder| {
                // UTC's wall clock, nine hours behind Korea's.
                write(folder, "broadcasts/0.csv", &(HEADER.to_owned() + &rows(SHOPS[0], -9, local)));
            },
            &[("hours_off", "GS샵")],
        ),
        (
            "a lost day",
            |folder| {
                for file in 0..4 {
                    let name = format!("broadcasts/{file}.csv");
                    let kept = read(folder, &name);
                    let kept = kept.lines().filter(|line| !line.contains(",2026-11-05T"));
                    write(folder, &name, &kept.fold(String::new(), |all, line| all + line + "\n"));
                }
            },
            &[("lost_day", "")],
        ),
        (
            "a shop that ended",
            |folder| {
                let text = read(folder, "broadcasts/2.csv");
                let kept = text.lines().filter(|line| !(13..=23).any(|day| line.contains(&format!(",2026-11-{day}T"))));
                write(folder, "broadcasts/2.csv", &kept.fold(String::new(), |all, line| all + line + "\n"));
            },
            &[("shop_vanished", "롯데홈쇼핑")],
        ),
        (
            "a file of a few rows of no use",
            |folder| {
                write(folder, "broadcasts/x.csv", &(HEADER.to_owned() + &",GS샵,GS샵,무쇠솥,,1,soon,,\n".repeat(12)));
            },
            &[("barren_file", "x.csv")],
        ),
        (
            "rows collected tomorrow",
            |folder| {
                write(
                    folder,
                    "broadcasts/x.csv",
                    &(HEADER.to_owned()
                        + "00001,GS샵,GS샵,무쇠솥,,100,2026-11-23T01:00:00+09:00,,2026-11-23T09:00:00+09:00\n"),
                );
            },
            &[("collected_in_future", "")],
        ),
        (
            "three of a hundred rows set aside",
            |folder| {
                write(
                    folder,
                    "broadcasts/x.csv",
                    &(HEADER.to_owned()
                        + ",GS샵,GS샵,무쇠솥,,1,2026-11-22T20:00:00+09:00,,\n"
                        + &",GS샵,GS샵,무쇠솥,,1,soon,,\n".repeat(160)),
                );
            },
            &[("set_aside", "")],
        ),
    ];
    for (what, break_it, expected) in table {
        let folder = tables();
        break_it(folder.path());
        let (code, report) = json(folder.path(), &[]);
        let found: Vec<(&str, String)> =
            rules(&report).into_iter().map(|(rule, of)| (rule, of.rsplit('/').next().unwrap().to_owned())).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(rule, of)| (*rule, (*of).to_owned())).collect();
        assert_eq!((code, found, report["verdict"].as_str()), (3, expected, Some("wrong")), "{what}: {report:#}");
        let (code, text) = check(folder.path(), &[]);
        assert!(code == 3 && text.starts_with("one thing looks wrong in "), "{what}: {text}");
        assert!(text.contains("\nwrong   broadcasts") && text.contains("        do:  "), "{what}: {text}");
    }
}

#[test]
fn what_a_build_would_refuse_ends_with_1_and_the_rest_is_told_all_the_same() {
    type Break = fn(&Path);
    let table: [(&str, Break, &[&str], &str, &str); 6] = [
        (
            "a file that was cut",
            |folder| {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(read(folder, "broadcasts/0.csv").as_bytes()).unwrap();
                let packed = packed.finish().unwrap();
                fs::remove_file(folder.join("broadcasts/0.csv")).unwrap();
                File::create(folder.join("broadcasts/0.csv.gz"))
                    .unwrap()
                    .write_all(&packed[..packed.len() / 2])
                    .unwrap();
            },
            &[],
            "unreadable",
            "is damaged or truncated",
        ),
        (
            "a file of other columns",
            |folder| write(folder, "broadcasts/0.csv", "kind,at\nclick,now\n"),
            &[],
            "unreadable",
            "is missing the required columns",
        ),
        (
            "no table",
            |folder| fs::remove_dir_all(folder.join("broadcasts")).unwrap(),
            &[],
            "unreadable",
            "has no table broadcasts",
        ),
        ("not the table asked for", |_| (), &["--table", "events"], "unreadable", "has no table events"),
        (
            "an empty table",
            |folder| {
                fs::remove_dir_all(folder.join("broadcasts")).unwrap();
                write(folder, "broadcasts.csv", HEADER);
            },
            &[],
            "no_rows",
            "no usable row out of 0",
        ),
        (
            "more rows set aside than are allowed",
            |folder| {
                write(folder, "broadcasts/x.csv", &(HEADER.to_owned() + &",GS샵,GS샵,무쇠솥,,1,soon,,\n".repeat(600)));
            },
            &[],
            "too_many_set_aside",
            "600 of 5,640 rows are unusable (10.6 %, limit 5 %)",
        ),
    ];
    for (what, break_it, more, rule, said) in table {
        let folder = tables();
        write(folder.path(), "tabs.csv", "tab_id,label,position\nnew,신상품,0\n");
        break_it(folder.path());
        let (code, report) = json(folder.path(), more);
        let first = &report["findings"][0];
        assert_eq!((code, first["rule"].as_str()), (1, Some(rule)), "{what}: {report:#}");
        assert!(first["seen"].as_str().unwrap().contains(said), "{what}: {first:#}");
        let tables: Vec<&str> =
            report["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
        assert_eq!(tables.contains(&"tabs"), more.is_empty(), "{what}: {tables:?}");
        let is_cut = what == "a file that was cut";
        assert_eq!(
            report["not_judged"].to_string().contains("the unreadable rows"),
            is_cut || rule == "unreadable" && said.contains("columns"),
            "{what}"
        );
        let (code, text) = check(folder.path(), more);
        assert!(code == 1 && text.starts_with("A build would fail for one reason"), "{what}: {text}");
    }
    let folder = tables();
    write(folder.path(), "broadcasts/x.csv", &(HEADER.to_owned() + &",GS샵,GS샵,무쇠솥,,1,soon,,\n".repeat(600)));
    assert_eq!(check(folder.path(), &["--max-rejects", "0.5"]).0, 3);
    let none = folder.path().join("nothing here");
    Command::new(env!("CARGO_BIN_EXE_sinsang")).args(["check", none.to_str().unwrap()]).assert().code(1).stdout("");
}

#[test]
fn values_are_shown_by_form_with_their_place_and_command_no_terminal() {
    let folder = tables();
    let old = HEADER.to_owned() + "00001,GS샵,GS샵,옛 글자 솥,,\"1,000\",2026-11-22 20:00,,\n";
    fs::write(folder.path().join("broadcasts/x.csv"), cp949(&old)).unwrap();
    let commands = "2,\u{1b}[31mGS샵,GS샵,무쇠\u{202e}솥 \u{1b}[2J,,0,2026-11-22T25:10:00+09:00,,\n";
    write(folder.path(), "broadcasts/y.csv", &(HEADER.to_owned() + commands));
    let (_, text) = check(folder.path(), &[]);
    assert!(!text.contains(|c: char| is_unprintable(c) && c != '\n'), "{text}");
    for line in [
        "    read as CP949: 1, first \"옛 글자 솥\" in x.csv line 2",
        "    without offset, taken as Korean time: 1, first \"2026-11-22 20:00\" in x.csv line 2",
        "    hour past midnight moved to the next day: 1, first \"2026-11-22T25:10:00+09:00\" in y.csv line 2",
        "    out of range, dropped: 1, first \"0\" in y.csv line 2",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (_, report) = json(folder.path(), &[]);
    let columns = report["tables"][0]["columns"].as_array().unwrap();
    let title = columns.iter().find(|column| column["column"] == "title").unwrap();
    assert_eq!(title["forms"][1]["form"], "text of CP949", "{title:#}");
    assert_eq!((&title["forms"][1]["values"], &title["forms"][1]["examples"][0]), (&1.into(), &"옛 글자 솥".into()));
}

/// Encodes text as CP949 with a handwritten table of Hangul, since the tests have no encoder.
fn cp949(text: &str) -> Vec<u8> {
    let known =
        [('샵', [0xbc, 0xa5]), ('옛', [0xbf, 0xbe]), ('글', [0xb1, 0xdb]), ('자', [0xc0, 0xda]), ('솥', [0xbc, 0xdc])];
    let bytes = |c: char| match known.iter().find(|(known, _)| *known == c) {
        Some((_, bytes)) => bytes.to_vec(),
        None => vec![u8::try_from(c).unwrap()],
    };
    text.chars().flat_map(bytes).collect()
}

#[test]
fn events_are_held_against_the_other_tables_and_users_are_not_shown() {
    let folder = tables();
    write(folder.path(), "tabs.csv", "tab_id,label,position\nnew,신상품,0\nlive,생방송,1\n");
    let mut events = String::new();
    for nth in 0..3_000_u32 {
        let (user, hour, day) = (1_000 + nth % 37, 7 + nth % 16, 1 + nth % 21);
        let user = if nth % 3 == 0 { "secret-4711".to_owned() } else { format!("secret-{user}") };
        // Leading zeros are lost, as in a spreadsheet.
        let code = (day - 1) % 9 * 100 + hour * 3;
        writeln!(events, r#"{{"user_id":"{user}","at":"2026-11-{day:02}T{hour:02}:{:02}:{:02}+09:00","kind":"click","shop":"GS샵","listing_id":{code}}}"#, nth / 60 % 60, nth % 60).unwrap();
    }
    write(folder.path(), "events.ndjson", &events);
    let (code, report) = json(folder.path(), &[]);
    assert_eq!(
        (code, rules(&report)),
        (3, vec![("outsized_user", ""), ("joins_no_listing", "listing_id")]),
        "{report:#}"
    );
    let joins =
        report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "joins_no_listing").unwrap();
    assert!(joins["advice"].as_str().unwrap().contains("leading zeros"), "{joins:#}");
    let (_, text) = check(folder.path(), &[]);
    assert!(
        text.contains("text 3,000 (\"aaaaaa-9999\")")
            && !text.contains("secret")
            && !report.to_string().contains("secret"),
        "{text}"
    );
    let (_, alone) = json(folder.path(), &["--table", "events"]);
    assert_eq!(rules(&alone), [("outsized_user", "")]);
    assert!(alone["not_judged"][0].as_str().unwrap().contains("matches with broadcasts"), "{alone:#}");
}

#[test]
fn the_json_has_all_counts_under_names_that_stay() {
    let folder = tables();
    let (_, report) = json(folder.path(), &[]);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&report), ["verdict", "now", "findings", "tables", "not_judged"]);
    let finding = ["table", "rule", "severity", "subject", "seen", "why", "advice", "numbers"];
    assert_eq!(keys(&report["findings"][0]), finding);
    let table = &report["tables"][0];
    for key in [
        "table",
        "files",
        "rows",
        "kept",
        "renamed",
        "set_aside",
        "public_faults",
        "set_aside_by_shop",
        "repaired",
        "days",
        "counts",
        "columns",
        "rejects",
        "caps",
    ] {
        assert!(table.get(key).is_some(), "{key}: {table:#}");
    }
    assert_eq!(keys(&table["columns"][0]), ["column", "forms", "repairs"]);
    for column in table["columns"].as_array().unwrap() {
        let values: u64 = column["forms"].as_array().unwrap().iter().map(|form| form["values"].as_u64().unwrap()).sum();
        assert_eq!(Some(values), table["rows"].as_u64(), "{column:#}");
    }
    assert_eq!((&report["verdict"], &report["now"]), (&"well".into(), &NOW.into()));
}
