//! Refusals that keep bad snapshots from being built, verified or published, and locks that keep
//! runs apart, as the command reports them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sinsang_command::verify::verify;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_publish::snapshot::Snapshot;
use sinsang_run::lock::Lock;

use crate::world::{self, now};

/// Runs the command that builds `input` into `output` as of `at`.
fn build(input: &Path, output: &Path, at: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(["build", "--now", at, "--input"]).arg(input).arg("--output").arg(output).args(more);
    command.env("SINSANG_USER_KEY", world::USER_KEY).output().unwrap()
}

#[track_caller]
fn assert_fails(output: &Output, told: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains(told), "{:?}: {error}", output.status);
}

const NOW: &str = "2026-11-22T12:34:56+09:00";

#[test]
fn a_table_of_broadcasts_without_a_row_and_a_time_without_a_broadcast_are_no_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("tables"), folder.path().join("snapshot"));
    world::tables(&input, 3, 5);
    let built = build(&input, &output, NOW, &[]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let before = world::files(&output);

    assert_fails(&build(&input, &output, "2027-11-22T12:34:56+09:00", &[]), "check --now");
    for left in fs::read_dir(&input).unwrap().map(|entry| entry.unwrap()) {
        if left.file_name().to_string_lossy().starts_with("broadcasts") {
            if left.path().is_dir() {
                fs::remove_dir_all(left.path()).unwrap();
            } else {
                fs::remove_file(left.path()).unwrap();
            }
        }
    }
    let file = input.join("broadcasts.csv");
    for (text, told) in [
        ("shop,title,starts_at,ends_at\n", "has no usable broadcast in 0 rows"),
        ("shop,title,starts_at,ends_at\nGS샵,무쇠솥,soon,later\n", "has no usable broadcast in 1 rows"),
    ] {
        fs::write(&file, text).unwrap();
        assert_fails(&build(&input, &output, NOW, &["--max-rejects", "1"]), told);
    }
    assert_eq!(world::files(&output), before, "what was there stays");
}

#[test]
fn a_snapshot_without_broadcasts_or_ahead_of_the_clock_does_not_verify() {
    let world = world::world();
    let snapshot = Snapshot::at(&world.snapshot);
    let ahead = verify(&snapshot, now().plus(-DAY_MS)).unwrap().problems;
    assert!(ahead.len() == 1 && ahead[0].contains("ahead of the clock"), "{ahead:?}");

    let folder = tempfile::tempdir().unwrap();
    let mut parts = snapshot.manifest().unwrap().parts();
    let board = sinsang_core::pack::board_write::BoardParts {
        format: parts.format,
        built_at: parts.built_at,
        history_from: UnixMillis(0),
        blocks: Vec::new(),
        channels: Vec::new(),
        categories: Vec::new(),
        products: Vec::new(),
        slots: Vec::new(),
        tabs: Vec::new(),
        weights: sinsang_pipeline::read::rules::Rules::default().weights(),
        mix: sinsang_core::pack::mix::MixParts::default(),
    };
    let (bytes, id) = sinsang_core::pack::board_write::write(&board).unwrap();
    (parts.board, parts.users, parts.shards) = (id, 0, vec![sinsang_core::pack::PackId::default()]);
    let empty = Snapshot::at(folder.path());
    empty.write(&[(id, bytes)].into(), &parts.write().unwrap().0).unwrap();
    let problems = verify(&empty, now()).unwrap().problems;
    assert!(problems.len() == 1 && problems[0].contains("no broadcasts"), "{problems:?}");
}

#[test]
fn of_two_builds_into_one_folder_the_second_is_refused_and_told_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("tables"), folder.path().join("snapshot"));
    world::tables(&input, 3, 5);
    let lock = Lock::take(&folder.path().join("snapshot.lock"), "process 77, which builds").unwrap();
    assert_fails(
        &build(&input, &output, NOW, &[]),
        "its lock is held by process 77, which builds; wait for that build",
    );
    assert!(!output.exists());
    drop(lock);
    assert!(build(&input, &output, NOW, &[]).status.success());
}

#[test]
fn what_a_killed_build_staged_the_next_one_removes() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output, work) =
        (folder.path().join("tables"), folder.path().join("snapshot"), folder.path().join("work"));
    world::tables(&input, 20, 400);
    fs::create_dir(&work).unwrap();
    let staged = || {
        let entries = fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let mut killed = Command::new(env!("CARGO_BIN_EXE_sinsang"))
        .args(["build", "--now", NOW, "--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()])
        .args(["--work-dir", work.to_str().unwrap()])
        .envs([("SINSANG_USER_KEY", world::USER_KEY), ("SINSANG_LOG", "info")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first stage to end is the staging of broadcasts.
    let mut told = String::new();
    BufReader::new(killed.stderr.take().unwrap()).read_line(&mut told).unwrap();
    let begun = Instant::now();
    while staged().is_empty() && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = staged();
    assert!(left.len() == 1 && left[0].join("broadcasts.parquet").exists(), "{left:?} after {told}");
    let other = folder.path().join("other");
    assert!(build(&input, &other, NOW, &["--work-dir", work.to_str().unwrap()]).status.success());
    assert_eq!(staged(), Vec::<std::path::PathBuf>::new());
}
