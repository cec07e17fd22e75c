//! Complete builds and resolved listings on a cluster of processes: byte for byte an embedded
//! engine's answer, and clear errors if there can be none.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Cluster, Process, free_port};

const NOW: &str = "2026-11-22T12:34:56+09:00";

/// Tables, and an embedded engine's results for them: a snapshot, and the lines of
/// `resolve --explain`.
struct Made {
    folder: TempDir,
    snapshot: BTreeMap<PathBuf, Vec<u8>>,
    report: Value,
    lines: Vec<u8>,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tables = folder.path().join("tables");
        let tables = tables.to_str().unwrap();
        let generate =
            ["generate", "--quick", "--days", "10", "--users", "60", "--now", NOW, "--out", tables, "--quiet"];
        assert!(Process::start("generate", folder.path(), &generate).wait().success());
        // A limit low enough for some users to count as bots, so that the bots query runs too.
        fs::write(folder.path().join("rules.toml"), "[taste]\nmax_events_per_user = 150\n").unwrap();
        correct(&folder.path().join("tables"));
        let mut made = Made { folder, snapshot: BTreeMap::new(), report: Value::Null, lines: Vec::new() };
        let mut build = made.build("embedded", None);
        assert!(build.wait().success(), "{}", build.said());
        (made.snapshot, made.report) = made.result("embedded", &build);
        assert!(made.report["tastes"]["bots"].as_u64().unwrap() > 0, "{}", made.report["tastes"]);
        assert!(made.report["tastes"]["users"].as_u64().unwrap() > 0, "{}", made.report["tastes"]);
        let corrections = &made.report["corrections"];
        assert_eq!(
            (&corrections["same"], &corrections["absent"]),
            (&1.into(), &serde_json::json!([])),
            "{corrections}"
        );
        let mut resolve = made.resolve("embedded", None);
        assert!(resolve.wait().success(), "{}", resolve.said());
        made.lines = made.lines("embedded");
        assert!(made.lines.len() > 100_000, "{}", resolve.written());
        made
    })
}

/// Adds a corrections file to the tables: it declares the first two listings one product.
fn correct(tables: &Path) {
    let rows = fs::read_to_string(tables.join("truth/listings.ndjson")).unwrap();
    let name = |row: &str| {
        let row: Value = serde_json::from_str(row).unwrap();
        format!("{}:{}", row["shop"].as_str().unwrap(), row["listing_id"].as_str().unwrap())
    };
    let names: Vec<String> = rows.lines().take(2).map(name).collect();
    let text = format!("[[same]]\nlistings = {names:?}\nwho = \"a\"\nwhy = \"b\"\n");
    fs::write(tables.join("corrections.toml"), text).unwrap();
}

/// Number of folders of staged tables in a work folder; the lock file of its runs remains there.
fn folders(work: &Path) -> usize {
    fs::read_dir(work).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
}

impl Made {
    /// Starts a build into the folder `name`.
    fn build(&self, name: &str, cluster: Option<&str>) -> Process {
        self.start(name, &["build"], name, cluster)
    }

    /// Starts resolving the listings into the file `name.ndjson`.
    fn resolve(&self, name: &str, cluster: Option<&str>) -> Process {
        self.start(&format!("{name}.resolve"), &["resolve", "--explain"], &format!("{name}.ndjson"), cluster)
    }

    fn start(&self, name: &str, command: &[&str], output: &str, cluster: Option<&str>) -> Process {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let (tables, rules, output) = (path("tables"), path("rules.toml"), path(output));
        let work = path(&format!("{name}.work"));
        let mut arguments = command.to_vec();
        arguments.extend(["--input", &tables, "--rules", &rules, "--output", &output]);
        arguments.extend(["--now", NOW, "--format", "json"]);
        if let Some(url) = cluster {
            fs::create_dir(&work).unwrap();
            // Twice the cores of two executors: more partitions would be tasks without rows.
            arguments.extend(["--cluster", url, "--work-dir", &work, "--partitions", "8"]);
        }
        Process::start(name, self.folder.path(), &arguments)
    }

    fn lines(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(format!("{name}.ndjson"))).unwrap()
    }

    /// Asserts that the lines are those of an embedded engine.
    #[track_caller]
    fn assert_same_lines(&self, name: &str, mut resolve: Process) {
        assert!(resolve.wait().success(), "{}", resolve.said());
        let left = folders(&self.folder.path().join(format!("{name}.resolve.work")));
        assert_eq!(left, 0, "staged tables are gone");
        assert!(self.lines(name) == self.lines, "all lines are the same");
    }

    /// All files of the snapshot `name`, and the report of its build.
    fn result(&self, name: &str, build: &Process) -> (BTreeMap<PathBuf, Vec<u8>>, Value) {
        let mut files = BTreeMap::new();
        let snapshot = self.folder.path().join(name);
        collect(&snapshot, &snapshot, &mut files);
        let mut report: Value = serde_json::from_str(&build.written()).unwrap();
        for table in report["tables"].as_array_mut().unwrap() {
            // Its path is beside the output, whose name differs.
            table["rejects"] = Value::Null;
        }
        (files, report)
    }

    /// Asserts that the build equals the embedded one, and left nothing in its work folder.
    #[track_caller]
    fn assert_same(&self, name: &str, build: &Process) {
        let left = folders(&self.folder.path().join(format!("{name}.work")));
        assert_eq!(left, 0, "staged tables are gone");
        let (files, report) = self.result(name, build);
        assert_eq!(report, self.report);
        assert_eq!(files.keys().collect::<Vec<_>>(), self.snapshot.keys().collect::<Vec<_>>());
        assert!(files == self.snapshot, "all bytes of all packs are the same");
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_cluster_of_two_executors_answers_the_same_bytes_as_an_embedded_engine() {
    let (made, cluster) = (made(), Cluster::start(2));
    let mut build = made.build("distributed", Some(&cluster.url));
    assert!(build.wait().success(), "{}", build.said());
    made.assert_same("distributed", &build);
    made.assert_same_lines("distributed", made.resolve("distributed", Some(&cluster.url)));

    // An empty ledger changes nothing; and afterwards it is the same ledger, whichever engine wrote
    // it.
    let ledger = |name: &str| made.folder.path().join(name);
    let against = |name: &str, cluster: Option<&str>| {
        let folder = ledger(name);
        let command = ["resolve", "--explain", "--ledger", folder.to_str().unwrap()];
        made.start(&format!("{name}.resolve"), &command, &format!("{name}.ndjson"), cluster)
    };
    let mut embedded = against("alone", None);
    assert!(embedded.wait().success(), "{}", embedded.said());
    assert!(made.lines("alone") == made.lines, "all lines are the same");
    made.assert_same_lines("together", against("together", Some(&cluster.url)));
    let [alone, together] = ["alone", "together"].map(|name| {
        let mut files = BTreeMap::new();
        collect(&ledger(name), &ledger(name), &mut files);
        // Its content names the process.
        files.remove(Path::new("lock"));
        files
    });
    assert!(alone.len() > 4 && alone == together, "the ledgers are the same");
    for executor in &cluster.executors {
        assert!(executor.said().contains("Received task"), "both worked");
    }
}

#[test]
fn an_executor_that_is_killed_half_way_does_not_change_the_answer() {
    let (made, mut cluster) = (made(), Cluster::start(2));
    let mut build = made.build("bereft", Some(&cluster.url));
    // The trial query is over by then, and this executor holds finished parts of a later one.
    cluster.executors[1].wait_until_said("Finished task", 12);
    cluster.executors[1].kill();
    assert!(build.is_running(), "it was killed too late");
    assert!(build.wait().success(), "{}", build.said());
    made.assert_same("bereft", &build);
}

#[test]
fn an_executor_that_is_killed_while_listings_are_resolved_does_not_change_the_answer() {
    let (made, mut cluster) = (made(), Cluster::start(2));
    let mut resolve = made.resolve("robbed", Some(&cluster.url));
    cluster.executors[0].wait_until_said("Finished task", 20);
    cluster.executors[0].kill();
    assert!(resolve.is_running(), "it was killed too late");
    made.assert_same_lines("robbed", resolve);
}

#[test]
fn an_executor_that_hangs_half_way_does_not_change_the_answer() {
    let (made, mut cluster) = (made(), Cluster::start(2));
    let mut resolve = made.resolve("hindered", Some(&cluster.url));
    cluster.executors[1].wait_until_said("Finished task", 15);
    cluster.executors[1].hang();
    assert!(resolve.is_running(), "it was stopped too late");
    made.assert_same_lines("hindered", resolve);
}

#[test]
fn a_cluster_that_loses_all_executors_is_an_error_and_leaves_no_snapshot() {
    let (made, mut cluster) = (made(), Cluster::start(1));
    let mut build = made.build("abandoned", Some(&cluster.url));
    cluster.executors[0].wait_until_said("Finished task", 3);
    cluster.executors[0].kill();
    assert!(build.is_running(), "it was killed too late");
    assert_eq!(build.wait().code(), Some(1), "{}", build.said());
    assert!(build.said().contains("has had no executor"), "{}", build.said());
    assert!(!made.folder.path().join("abandoned").exists());
}

#[test]
fn a_scheduler_without_executors_is_an_error_that_says_so() {
    let (made, cluster) = (made(), Cluster::start(0));
    let mut build = made.build("idle", Some(&cluster.url));
    assert_eq!(build.wait().code(), Some(1), "{}", build.said());
    let error: Value = serde_json::from_str(&build.said()).unwrap();
    let error = error["error"].as_str().unwrap();
    assert!(
        error.contains(&cluster.url) && error.contains("no executor") && error.contains("sinsang-cluster executor"),
        "{error}"
    );
}

#[test]
fn a_wrong_address_is_an_error_that_names_it() {
    let made = made();
    let closed = free_port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for (number, (url, expected)) in [
        ("http://127.0.0.1:50050".to_owned(), "expected df://HOST:PORT"),
        (format!("df://127.0.0.1:{closed}"), "no scheduler answers"),
        ("df://no-such-host.invalid:50050".to_owned(), "no scheduler answers"),
        (format!("df://127.0.0.1:{silent_port}"), "is not a scheduler"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut build = made.build(&format!("astray-{number}"), Some(&url));
        assert_eq!(build.wait().code(), Some(1), "{}", build.said());
        assert!(build.said().contains(&url) && build.said().contains(expected), "{}", build.said());
    }
}

#[test]
fn a_work_folder_that_cannot_be_used_is_named() {
    let (made, cluster) = (made(), Cluster::start(1));
    let tables = made.folder.path().join("tables");
    let output = made.folder.path().join("homeless");
    let arguments = [
        "build",
        "--input",
        tables.to_str().unwrap(),
        "--output",
        output.to_str().unwrap(),
        "--now",
        NOW,
        "--cluster",
        &cluster.url,
        "--work-dir",
        "/nowhere",
    ];
    let mut build = Process::start("homeless", made.folder.path(), &arguments);
    assert_eq!(build.wait().code(), Some(1));
    assert!(build.said().contains("/nowhere"), "{}", build.said());
}

#[test]
fn the_roles_explain_themselves_and_the_commands_are_those_of_sinsang() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (vec!["--help"], vec!["build", "publish", "scheduler", "executor"]),
        (vec!["scheduler", "--help"], vec!["--host", "--port", "--executor-timeout"]),
        (vec!["executor", "--help"], vec!["--scheduler", "--port", "--work-dir", "--memory"]),
        (vec!["build", "--help"], vec!["--cluster", "--work-dir"]),
    ] {
        let mut help = Process::start("help", folder.path(), &arguments);
        assert!(help.wait().success(), "{}", help.said());
        for text in expected {
            assert!(help.written().contains(text), "{arguments:?}: {}", help.written());
        }
    }
    for arguments in [&["executor", "--scheduler", "http://a"][..], &["scheduler", "--executor-timeout", "0"]] {
        let mut wrong = Process::start("wrong", folder.path(), arguments);
        assert_eq!(wrong.wait().code(), Some(2), "{}", wrong.said());
    }
}
