//! Pipes and devices in place of files.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_publish::snapshot::Snapshot;

use super::{NOW, made, says, sinsang, ten_broadcasts, text};

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sinsang"))
        .args(["inspect", text(&made().snapshot)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{:?}", output.status);
}

/// Reading a pipe as a file waits for a writer; a device never ends.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshot");
    fs::create_dir_all(snapshot.join("pack")).unwrap();
    let kept = Snapshot::at(&made().snapshot);
    fs::copy(kept.file(Key::Live), snapshot.join("manifest")).unwrap();
    let board = kept.file(Key::Pack(Kind::Board, kept.manifest().unwrap().board()));
    let pack = snapshot.join("pack").join(board.file_name().unwrap());
    let soon = std::time::Duration::from_secs(20);
    let mkfifo = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    mkfifo(&pack);
    let verify = ["verify", text(&snapshot)];
    sinsang(&verify).timeout(soon).assert().code(1).stderr(says("is not a regular file"));
    fs::remove_file(&pack).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &pack).unwrap();
    sinsang(&verify).timeout(soon).assert().code(1).stderr(says("is not a regular file"));
    fs::remove_file(&pack).unwrap();
    fs::File::create(&pack).unwrap().set_len(1 << 40).unwrap();
    sinsang(&verify).timeout(soon).assert().code(1).stderr(says("a store takes"));

    let tables = folder.path().join("tables");
    ten_broadcasts(&tables, 0);
    let output = folder.path().join("output");
    for name in ["events/a.ndjson", "forgotten.txt", "renamed.txt"] {
        let path = tables.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        mkfifo(&path);
        let mut build = sinsang(&["build", "--input", text(&tables), "--output", text(&output), "--now", NOW]);
        build.timeout(soon).assert().code(1).stderr(says(name));
        fs::remove_file(&path).unwrap();
    }
}

/// Without the check, each of these waits for somebody to write to the pipe.
#[cfg(unix)]
#[test]
fn a_pipe_is_refused_wherever_a_file_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let tables = folder.path().join("tables");
    ten_broadcasts(&tables, 0);
    let (pipe, tables) = (pipe.to_str().unwrap(), tables.to_str().unwrap());
    let output = folder.path().join("out");
    let build = ["build", "--input", tables, "--output", output.to_str().unwrap(), "--now", NOW];
    let snapshot = output.to_str().unwrap();
    let cost = ["cost", "--snapshot", snapshot, "--users", "1", "--requests-per-user", "1", "--publishes-per-day", "1"];
    let publish = ["publish", snapshot, "--local", "nowhere"];
    let report = ["experiment", "report", "e", "--variant", "a=0.5", "--variant", "b=0.5"];
    for words in [
        vec!["rules", "check", pipe],
        [&build[..], &["--rules", pipe]].concat(),
        [&build[..], &["--corrections", pipe]].concat(),
        [&build[..], &["--words", pipe]].concat(),
        [&build[..], &["--matcher", pipe]].concat(),
        [&build[..], &["--policy", pipe]].concat(),
        [&build[..], &["--viewers", pipe]].concat(),
        [&publish[..], &["--rules", pipe]].concat(),
        [&cost[..], &["--prices", pipe]].concat(),
        [&report[..], &["--events", pipe]].concat(),
        vec!["evaluate", "identity", pipe],
        vec!["evaluate", "identity", pipe, "--words", pipe],
    ] {
        let limit = std::time::Duration::from_mins(1);
        sinsang(&words).timeout(limit).assert().code(1).stderr(says("is not a regular file"));
    }
}
