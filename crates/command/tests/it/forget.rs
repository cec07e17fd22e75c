//! Viewers who asked to be forgotten: what `sinsang forget` finds, removes and leaves. Users under
//! two keys.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use assert_cmd::Command;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use predicates::prelude::*;
use serde_json::{Value, json};
use sinsang_command::inspect;
use sinsang_core::viewer::UserHasher;
use sinsang_publish::snapshot::Snapshot;

use crate::world::{USER_KEY, build, build_with, options, tables};

fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(["--format", "json"]).args(arguments).env("SINSANG_USER_KEY", USER_KEY);
    command.timeout(std::time::Duration::from_mins(2));
    command
}

fn report(arguments: &[&str]) -> Value {
    let output = sinsang(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn hasher() -> UserHasher {
    UserHasher::new(USER_KEY.as_bytes()).unwrap()
}

fn gzip(path: &Path, lines: &str) {
    let mut packed = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    packed.write_all(lines.as_bytes()).unwrap();
    packed.finish().unwrap();
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

const CLICK: &str = r#""at":"2026-11-21T11:00:00.000Z","kind":"click","product_id":"00000000000000aa""#;

fn of_user(id: &str) -> String {
    format!("{{\"user_id\":\"{id}\",{CLICK}}}\n")
}

fn of_viewer(name: &str) -> String {
    format!("{{\"event_id\":\"event-0001\",\"viewer\":\"{name}\",{CLICK}}}\n")
}

#[test]
fn every_copy_is_looked_through_and_what_was_found_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, objects) = (folder.path().join("data"), folder.path().join("objects"));
    let (events, hour) = (data.join("events"), objects.join("events/date=2026-11-21/hour=11"));
    let aside = objects.join("events/rejected/date=2026-11-21/hour=11");
    for folder in [&events, &hour, &aside] {
        fs::create_dir_all(folder).unwrap();
    }
    // An id as an app may write it: composed here, decomposed there, with a trailing space.
    let (composed, decomposed) = ("카페1", "\u{110f}\u{1161}\u{1111}\u{1166}1 ");
    let (user, other) = (hasher().key(composed).to_string(), hasher().key("카페2").to_string());
    let device = format!("d{}", hasher().device("a-device-of-somebody"));
    let mine = [of_user(composed), of_user(decomposed), of_viewer(&user), of_viewer(&device)].concat();
    let theirs = [of_user("카페2"), of_viewer(&other), of_user(&format!("{composed}-2"))].concat();
    fs::write(events.join("app.ndjson"), format!("{mine}{theirs}")).unwrap();
    gzip(&events.join("2026-11-21T11-0001.ndjson.gz"), &format!("{theirs}{mine}"));
    fs::write(
        events.join("shop.csv"),
        format!("user_id,at,kind,product_id\n{composed},2026-11-21T20:00:00+09:00,click,00000000000000aa\n"),
    )
    .unwrap();
    gzip(&hour.join("1.ndjson.gz"), &format!("{}{}", of_viewer(&user), of_viewer(&other)));
    let set_aside = |name: &str| json!({"message": "1", "reason": "no times", "line": of_viewer(name)}).to_string();
    gzip(&aside.join("1.ndjson.gz"), &format!("{}\n{}\n", set_aside(&device), set_aside(&other)));
    let reject = |value: &str| json!({"table": "events", "row": 1, "reason": "not JSON", "value": value}).to_string();
    let rejects = format!("{}\n{}\n", reject(&format!("{composed},2026")), reject(&format!("{composed}0,2026")));
    fs::write(data.join("events.rejects.ndjson"), rejects).unwrap();
    fs::write(
        data.join("viewers.json"),
        json!({"viewers": [{"user_id": composed, "label": "a"}, {"user_id": "카페2", "label": "b"}]}).to_string(),
    )
    .unwrap();
    fs::write(data.join("rules.toml"), "[[audience]]\nname = 'panel'\nviewers = 'panel.txt'\n").unwrap();
    fs::write(data.join("panel.txt"), format!("{user}\n{other}\n{device}\n")).unwrap();
    // Without a final line break, as an editor may leave it.
    fs::write(data.join("forgotten.txt"), other.clone()).unwrap();

    let source = objects.join("events");
    let asked = ["forget", decomposed, "nobody", "--device", "a-device-of-somebody", "--input", text(&data)];
    let asked = [asked.as_slice(), &["--objects", text(&source)]].concat();
    let before = unpacked(&hour.join("1.ndjson.gz"));
    let looked = report(&[asked.as_slice(), &["--dry-run"]].concat());
    assert_eq!(unpacked(&hour.join("1.ndjson.gz")), before);
    let told = report(&asked);
    assert_eq!(looked["found"], told["found"], "a dry run finds the same");
    assert_eq!((told["added"].as_u64(), told["known"].as_u64()), (Some(3), Some(0)));
    let found = |place: usize| (told["found"][place]["given"].as_str().unwrap(), told["found"][place]["rows"].as_u64());
    // Three rows in each of two files, one in CSV, one in the objects, one reject, one viewer, one
    // in an audience's list.
    assert_eq!(found(0), (decomposed, Some(11)), "{told}");
    assert_eq!(found(1), ("nobody", Some(0)));
    assert_eq!(found(2), ("a-device-of-somebody", Some(4)));
    for file in ["shop.csv", "panel.txt"] {
        let copies = told["copies"].as_array().unwrap();
        let copy = copies.iter().find(|copy| copy["place"].as_str().unwrap().ends_with(file));
        assert_eq!(copy.unwrap()["outcome"], "left_to_owner", "{file}");
    }

    assert_eq!(fs::read_to_string(events.join("app.ndjson")).unwrap(), theirs);
    assert_eq!(unpacked(&events.join("2026-11-21T11-0001.ndjson.gz")), theirs);
    assert_eq!(unpacked(&hour.join("1.ndjson.gz")), of_viewer(&other));
    assert_eq!(unpacked(&aside.join("1.ndjson.gz")), format!("{}\n", set_aside(&other)));
    let left = fs::read_to_string(data.join("events.rejects.ndjson")).unwrap();
    assert!(left.lines().count() == 1 && left.contains(&format!("{composed}0")), "{left}");
    let viewers: Value = serde_json::from_slice(&fs::read(data.join("viewers.json")).unwrap()).unwrap();
    assert_eq!(viewers["viewers"], json!([{"user_id": "카페2", "label": "b"}]));
    let list = fs::read_to_string(data.join("forgotten.txt")).unwrap();
    let names: Vec<&str> = list.lines().collect();
    assert!([&other, &user, &device].iter().all(|name| names.contains(&name.as_str())), "{list}");
    assert!(!list.contains("카페"), "{list}");
    let words = sinsang(&["forget", "nobody", "--input", text(&data), "--format", "text"]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("\"nobody\": 0 rows") && words.contains("check the id's spelling in the app"), "{words}");
    sinsang(&["forget", " ", "--input", text(&data)]).assert().code(1).stderr(predicate::str::contains("is blank"));

    // Later copies of their events are not stored.
    gzip(&hour.join("2.ndjson.gz"), &[of_viewer(&user), of_viewer(&device), of_viewer("00000000000000cc")].concat());
    let taken = report(&["ingest", "objects", text(&source), "--into", text(&events)]);
    assert_eq!((taken["events"].as_u64(), taken["forgotten"].as_u64()), (Some(1), Some(3)), "{taken}");
}

#[test]
fn ingest_says_by_its_exit_code_that_nothing_was_an_event_and_keeps_no_more_than_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (objects, events) = (folder.path().join("objects"), folder.path().join("data/events"));
    let hour = objects.join("date=2026-11-21/hour=11");
    fs::create_dir_all(&hour).unwrap();
    gzip(&hour.join("1.ndjson.gz"), "no event\n");
    let ingest = ["ingest", "objects", text(&objects), "--into", text(&events)];
    sinsang(&ingest).assert().code(3);
    let rejects = folder.path().join("data/events.rejects.ndjson");
    assert_eq!(fs::read_to_string(&rejects).unwrap().lines().count(), 1);
    gzip(&hour.join("2.ndjson.gz"), &of_viewer("00000000000000cc"));
    sinsang(&ingest).assert().success();
    assert_eq!(fs::read_to_string(&rejects).unwrap().lines().count(), 1, "a clean run keeps them");
    gzip(&hour.join("3.ndjson.gz"), &of_viewer("00000000000000cd").replace("2026-11", "2020-11"));
    let told = report(&[ingest.as_slice(), &["--keep-days", "1000"]].concat());
    assert_eq!((told["events"].as_u64(), told["expired"].as_u64()), (Some(1), Some(1)), "{told}");
    let names: Vec<_> = fs::read_dir(&events).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name == "2026-11-21T11-0001.ndjson.gz"), "{names:?}");
    assert!(!names.iter().any(|name| name.to_str().unwrap().starts_with("2020")), "{names:?}");
}

/// A user's tastes in a snapshot, under a key.
fn tastes(snapshot: &Path, user: &str, key: &str) -> Option<Value> {
    inspect::user(&Snapshot::at(snapshot), user, key).ok()
}

#[test]
fn under_two_keys_a_user_has_one_history_and_tastes_under_both() {
    const NEW_KEY: &str = "the key to come, of no use elsewhere";
    let folder = tempfile::tempdir().unwrap();
    let [input, before, after] = ["tables", "before", "after"].map(|name| folder.path().join(name));
    tables(&input, 12, 16);
    let users: Vec<String> = crate::world::lines(&input.join("truth/users.ndjson"))
        .iter()
        .map(|user| user["user_id"].as_str().unwrap().to_owned())
        .collect();
    let text_of = fs::read_to_string(input.join("events.ndjson")).unwrap();
    let rows_of = |user: &String| text_of.matches(&format!("\"{user}\"")).count();
    let mut busiest: Vec<&String> = users.iter().collect();
    busiest.sort_by_key(|user| std::cmp::Reverse(rows_of(user)));
    let (moved, gone) = (busiest[0], busiest[1]);
    let rekey = || {
        let ids = folder.path().join("ids");
        fs::write(&ids, users.join("\n")).unwrap();
        sinsang(&["rekey", "--users", text(&ids), "--input", text(&input)])
    };
    rekey().assert().code(1).stderr(predicate::str::contains("SINSANG_USER_KEY_OTHER"));
    rekey().env("SINSANG_USER_KEY_OTHER", NEW_KEY).assert().success();
    fs::write(input.join("forgotten.txt"), format!("{}\n", hasher().key(gone))).unwrap();
    build(&input, &before);
    let whole = tastes(&before, moved, USER_KEY).unwrap();

    // Half of the user's events come under the other key, as after the intake changed it.
    let new = UserHasher::new(NEW_KEY.as_bytes()).unwrap().key(moved).to_string();
    let mut rows = 0;
    let renamed: Vec<String> = text_of
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            if row["user_id"] == moved.as_str() {
                rows += 1;
                if rows % 2 == 0 {
                    row.as_object_mut().unwrap().remove("user_id");
                    row["viewer"] = new.clone().into();
                }
            }
            row.to_string()
        })
        .collect();
    assert!(rows > 3);
    fs::write(input.join("events.ndjson"), renamed.join("\n")).unwrap();
    for key in [USER_KEY, NEW_KEY] {
        build_with(&sinsang_pipeline::build::Options { user_key: key.to_owned(), ..options(&input, &after) });
        for under in [USER_KEY, NEW_KEY] {
            let mut told = tastes(&after, moved, under).unwrap();
            let mut expected = whole.clone();
            // Only the name and the shard differ.
            for value in [&mut told, &mut expected] {
                for field in ["key", "user_key", "shard"] {
                    value.as_object_mut().unwrap().remove(field);
                }
            }
            assert_eq!(told, expected, "built with {key:?}, looked at with {under:?}");
            assert!(tastes(&after, gone, under).is_none(), "forgotten under one name, forgotten under both");
        }
    }
    let told = report(&["forget", gone, "--input", text(&input), "--snapshot", text(&after)]);
    assert_eq!(told["found"][0]["has_tastes"], false, "{told}");
    let told = report(&["forget", moved, "--input", text(&input), "--snapshot", text(&after), "--dry-run"]);
    assert_eq!(told["found"][0]["has_tastes"], true, "{told}");
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A damaged copy must not keep the other copies and the store from being cleaned, on every run.
#[cfg(unix)]
#[test]
fn what_cant_be_looked_through_is_named_at_the_end_and_costs_no_other_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (data, objects) = (folder.path().join("data"), folder.path().join("objects"));
    let hour = objects.join("date=2026-11-21/hour=11");
    fs::create_dir_all(&hour).unwrap();
    fs::create_dir_all(&data).unwrap();
    let theirs = of_viewer(&hasher().key("u2").to_string());
    let both = format!("{}{theirs}", of_viewer(&hasher().key("u1").to_string()));
    fs::write(data.join("events.ndjson"), &both).unwrap();
    gzip(&hour.join("1.ndjson.gz"), &both);
    let cut = fs::read(hour.join("1.ndjson.gz")).unwrap();
    fs::write(hour.join("0.ndjson.gz"), &cut[..cut.len() - 9]).unwrap();
    gzip(&hour.join("2.ndjson.gz"), &both);
    fs::write(data.join("viewers.json"), "no JSON").unwrap();
    let audience = |name: &str| format!("[[audience]]\nname = '{name}'\nviewers = '{name}.txt'\n");
    fs::write(data.join("rules.toml"), audience("gone") + &audience("panel")).unwrap();
    fs::write(data.join("panel.txt"), hasher().key("u1").to_string()).unwrap();
    let [rejects, viewers] = ["more.rejects.ndjson", "more.viewers.json"].map(|name| folder.path().join(name));
    fs::write(&rejects, format!("{}\n", json!({"table": "events", "value": "u1,click"}))).unwrap();
    fs::write(&viewers, json!({"viewers": [{"user_id": "u1", "label": "a"}]}).to_string()).unwrap();
    // A killed run, or somebody on purpose, leaves links in the places of temporary files and
    // locks.
    let precious = folder.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    for name in ["data/.part-events.ndjson", "more.viewers.json.part", ".part-more.rejects.ndjson"] {
        std::os::unix::fs::symlink(&precious, folder.path().join(name)).unwrap();
    }

    let asked = ["forget", "u1", "--input", text(&data), "--objects", text(&objects), "--objects", "/nowhere"];
    let more = ["--rejects", text(&rejects), "--viewers", text(&viewers), "--snapshot", "/nowhere"];
    let output = sinsang(&[asked.as_slice(), &more].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems: Vec<&str> = told["problems"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let error = String::from_utf8(output.stderr).unwrap();
    for (problem, part) in problems.iter().zip(["gone.txt", "viewers.json", "0.ndjson.gz", "/nowhere", "/nowhere"]) {
        assert!(problem.contains(part), "{part}: {problems:?}");
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(problems.len(), 5, "{problems:?}");
    // Includes the row in the damaged object, which remains, and that of the other list.
    assert_eq!(told["found"][0]["rows"], 7, "{told}");
    for (path, left) in [(&data.join("events.ndjson"), theirs.as_str()), (&rejects, ""), (&precious, "mine")] {
        assert_eq!(fs::read_to_string(path).unwrap(), left, "{}", path.display());
    }
    assert!(["1", "2"].iter().all(|name| unpacked(&hour.join(format!("{name}.ndjson.gz"))) == theirs));
    assert_eq!((fs::read_to_string(&viewers).unwrap(), mode(&viewers)), (r#"{"viewers":[]}"#.to_owned(), 0o600));

    // A table that another run is rewriting is left alone and named.
    fs::remove_file(data.join("viewers.json")).unwrap();
    fs::write(data.join("gone.txt"), "").unwrap();
    let lock = data.join(".events.ndjson.lock");
    let held = sinsang_run::lock::Lock::take(&lock, "process 7").unwrap();
    fs::write(data.join("events.ndjson"), &both).unwrap();
    let forget = ["forget", "u1", "--input", text(&data)];
    sinsang(&forget).assert().code(1).stderr(predicate::str::contains("process 7 is rewriting it"));
    assert_eq!(fs::read_to_string(data.join("events.ndjson")).unwrap(), both);
    drop(held);
    sinsang(&forget).assert().success();
    assert_eq!(fs::read_to_string(data.join("events.ndjson")).unwrap(), theirs);
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&precious, &lock).unwrap();
    sinsang(&forget).assert().code(1).stderr(predicate::str::contains("is a link"));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
}

#[test]
fn an_id_is_somebody_where_it_stands_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.rejects.ndjson");
    let key = hasher().key("u1").to_string();
    let (u1, one) = ("u1", "1");
    // The quoted text, its field, and which of the two viewers it identifies.
    let cases: [(&str, Option<&str>, Option<&str>); 20] = [
        ("u1", Some("user_id"), Some(u1)),
        ("u1", None, Some(u1)),
        (" u1 ", None, Some(u1)),
        ("u1.kim", None, None),
        ("u1@x.kr", Some("user_id"), None),
        ("kim.u1", None, None),
        ("u1.kim,click", None, None),
        ("u1,2026-11-21,click", Some("at"), Some(u1)),
        ("2026-11-21,\"u1\",click", Some("at"), Some(u1)),
        ("1 박스", Some("title"), None),
        ("1", Some("price"), None),
        ("1", Some("user_id"), Some(one)),
        (r#"{"user_id":"u1","kind":"cli"#, None, Some(u1)),
        (r#"{"user_id":1,"kind":"cli"#, None, Some(one)),
        (r#"{"user_id":1"#, None, Some(one)),
        (r#"{"kind": "click", "user_id" : "u1" }"#, None, Some(u1)),
        (r#"{"listing_id":"1","price":1,"user_id":"kim"}"#, None, None),
        (r#"{"message":"{\"user_id\":\"u1\",\"at\""#, None, Some(u1)),
        (&format!("{{\"viewer\":\"{key}\""), Some("at"), Some(u1)),
        ("", None, None),
    ];
    for (value, field, whose) in cases {
        let reject =
            json!({"table": "events", "row": 1, "field": field, "reason": "missing", "value": value}).to_string();
        for id in [u1, one] {
            fs::write(&path, format!("{reject}\n")).unwrap();
            let told = report(&["forget", id, "--input", text(folder.path())]);
            assert_eq!(told["found"][0]["rows"] == 1, whose == Some(id), "{id} in {reject}: {told}");
        }
    }
}

#[cfg(unix)]
#[test]
fn rejects_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (objects, events) = (folder.path().join("objects"), folder.path().join("data/events"));
    let hour = objects.join("date=2026-11-21/hour=11");
    fs::create_dir_all(&hour).unwrap();
    gzip(&hour.join("1.ndjson.gz"), &format!("no event\n{}", of_viewer("00000000000000cc")));
    let ingest = ["ingest", "objects", text(&objects), "--into", text(&events)];
    sinsang(&ingest).assert().success();
    let rejects = folder.path().join("data/events.rejects.ndjson");
    assert_eq!(mode(&rejects), 0o600);
    // The mode of a file from an earlier release.
    fs::set_permissions(&rejects, fs::Permissions::from_mode(0o644)).unwrap();
    gzip(&hour.join("2.ndjson.gz"), "no event\n");
    sinsang(&ingest).assert().code(3);
    assert_eq!((mode(&rejects), fs::read_to_string(&rejects).unwrap().lines().count()), (0o600, 2));
}
