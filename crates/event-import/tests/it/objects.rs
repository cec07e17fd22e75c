//! Tests of objects in a folder and in an S3-compatible store, each read once whatever happens in
//! between.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use sinsang_core::time::UnixMillis;
use sinsang_event_import::{Error, Objects, Report, Table, ingest_objects, purge_objects};
use sinsang_tables::reject::RejectsFile;

use crate::support::{event, names, packed, table};

fn put(root: &Path, hour: u32, name: &str, lines: &[String]) {
    let folder = root.join(format!("date=2026-11-22/hour={hour:02}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.ndjson.gz")), packed(lines)).unwrap();
}

fn at(text: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(text).unwrap()
}

fn run(source: &str, events: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Report, Error> {
    run_of(&Objects::new(source, 2, variable)?, events)
}

fn run_of(objects: &Objects, events: &Path) -> Result<Report, Error> {
    let now = at("2026-11-22T23:30:00Z");
    let mut rejects = RejectsFile::kept(events.with_extension("rejects.ndjson"), now);
    block_on(ingest_objects(objects, &mut Table::open(events)?, &mut rejects, now))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn run_folder(root: &Path, events: &Path) -> Report {
    run(root.to_str().unwrap(), events, |_| None).unwrap()
}

#[test]
fn late_objects_count_and_none_counts_twice() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("data/events"));
    put(&root, 13, "b", &[event(1, 0), event(2, 59), event(3, 60)]);
    put(&root, 14, "a", &[event(4, 61)]);
    fs::write(root.join("date=2026-11-22/hour=14/notes.txt"), "not ours").unwrap();
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.events, report.known, report.files), (2, 4, 0, 2), "{report}");
    assert_eq!(names(&events), ["2026-11-22T13-0001.ndjson.gz", "2026-11-22T14-0001.ndjson.gz"]);

    // A name that sorts before one already read, an event delivered twice under different names,
    // and an event from hours earlier.
    put(&root, 13, "a", &[event(5, 1), event(1, 0)]);
    put(&root, 16, "a", &[event(6, 2), event(6, 2)]);
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.read_before, report.events, report.known), (2, 2, 2, 2), "{report}");
    assert_eq!(report.mark.unwrap().to_string(), "2026-11-22T16");
    assert_eq!(table(&events).len(), 6);

    // Hour 13 is outside the lookback by then; 14 is its first hour.
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.read_before, report.events), (0, 2, 0), "{report}");
    // Without its record the run reads everything again, and adds nothing.
    fs::remove_file(events.join(".read.json")).unwrap();
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.events, report.known), (4, 0, 8), "{report}");
    assert_eq!(table(&events).len(), 6);
}

#[test]
fn what_is_damaged_is_set_aside_by_name_and_the_rest_is_kept() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    let lines: Vec<String> = (0..5_000).map(|id| event(id, 0)).collect();
    put(&root, 13, "cut", &lines);
    let path = root.join("date=2026-11-22/hour=13/cut.ndjson.gz");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    put(
        &root,
        13,
        "mixed",
        &["{".to_owned(), event(9_001, 0), event(9_002, 0).replace("T13:00", "T99:00"), "x".repeat(1 << 21)],
    );
    let report = run_folder(&root, &events);
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(report.damaged[0].object, "date=2026-11-22/hour=13/cut.ndjson.gz");
    assert!(report.events > 1_000 && report.events < 5_000, "{report}");
    assert_eq!(report.rejected.iter().map(|reason| reason.rows).sum::<u64>(), 3, "{report}");
    let rejects = fs::read_to_string(events.with_extension("rejects.ndjson")).unwrap();
    assert!(
        rejects.contains("\"file\":\"date=2026-11-22/hour=13/mixed.ndjson.gz\",\"row\":3,\"field\":\"at\""),
        "{rejects}"
    );

    fs::write(events.join(".read.json"), "{\"sources\":7}").unwrap();
    let error = run(root.to_str().unwrap(), &events, |_| None).unwrap_err().to_string();
    assert!(error.contains(".read.json") && error.contains("remove it"), "{error}");
    let held = Table::open(&events).unwrap();
    assert!(matches!(Table::open(&events), Err(Error::Busy { .. })), "two runs at once");
    drop(held);
    assert!(matches!(run("/nowhere/at/all", &events, |_| None), Err(Error::NoSource { .. })));
}

#[test]
fn an_object_that_is_dated_ahead_is_read_and_hides_nothing_that_comes() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    put(&root, 13, "a", &[event(1, 0)]);
    let ahead = root.join("date=2036-01-01/hour=00");
    fs::create_dir_all(&ahead).unwrap();
    fs::write(ahead.join("ahead.ndjson.gz"), packed(&[event(2, 0)])).unwrap();
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.events, report.ahead), (2, 2, 1), "{report}");
    assert_eq!(report.mark.unwrap().to_string(), "2026-11-22T13");
    put(&root, 14, "b", &[event(3, 0)]);
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.read_before, report.events, report.ahead), (1, 2, 1, 0), "{report}");

    // A mark from a release that did not tell such objects apart; its record has only names.
    let note = format!(
        r#"{{"sources":{{"{}":{{"hour":"2036-01-01T00","objects":["date=2036-01-01/hour=00/ahead.ndjson.gz"]}}}}}}"#,
        fs::canonicalize(&root).unwrap().display()
    );
    fs::write(events.join(".read.json"), note).unwrap();
    put(&root, 15, "c", &[event(4, 0)]);
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.read_before, report.events, report.known), (3, 1, 1, 2), "{report}");
    assert_eq!(report.mark.unwrap().to_string(), "2026-11-22T15");
}

#[test]
fn a_damaged_object_that_is_put_right_is_read_however_late() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    let lines: Vec<String> = (0..500).map(|id| event(id, 0)).collect();
    put(&root, 13, "cut", &lines);
    let path = root.join("date=2026-11-22/hour=13/cut.ndjson.gz");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert_eq!(run_folder(&root, &events).damaged.len(), 1);
    // Well before the hours that are checked again, and still damaged.
    put(&root, 22, "later", &[event(1_000, 0)]);
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.damaged.len(), report.damaged_before), (1, 0, 1), "{report}");
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.damaged_before), (0, 1), "{report}");
    fs::write(&path, &whole).unwrap();
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.damaged_before), (1, 0), "{report}");
    assert_eq!(table(&events).len(), 501);
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.damaged_before), (0, 0), "{report}");
    // A name that looks percent-encoded.
    put(&root, 13, "100%25", &[event(2_000, 0)]);
    let other = root.join("date=2026-11-22/hour=13/100%25.ndjson.gz");
    let short = fs::read(&other).unwrap();
    fs::write(&other, &short[..short.len() - 9]).unwrap();
    fs::remove_file(events.join(".read.json")).unwrap();
    assert_eq!(run_folder(&root, &events).damaged.len(), 1);
    assert_eq!(run_folder(&root, &events).damaged_before, 1);
    fs::write(&other, &short).unwrap();
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.damaged_before), (1, 0), "{report}");
    // A removed object is forgotten.
    put(&root, 22, "cut", &lines);
    let other = root.join("date=2026-11-22/hour=22/cut.ndjson.gz");
    fs::write(&other, &whole[..50]).unwrap();
    assert_eq!(run_folder(&root, &events).damaged.len(), 1);
    fs::remove_file(&other).unwrap();
    assert_eq!(run_folder(&root, &events).damaged_before, 0);
}

#[test]
fn rejects_stay_through_clean_runs_and_junk_alone_is_told() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    put(&root, 13, "junk", &["no event".to_owned(), "[]".to_owned()]);
    let report = run_folder(&root, &events);
    assert!(report.is_useless() && report.to_string().contains("no event found"), "{report}");
    put(&root, 14, "good", &[event(1, 0)]);
    let report = run_folder(&root, &events);
    assert!(!report.is_useless(), "{report}");
    assert!(!run_folder(&root, &events).is_useless(), "nothing was read");
    let rejects = fs::read_to_string(events.with_extension("rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), 2, "{rejects}");
    assert!(rejects.starts_with("{\"run\":\"2026-11-22T23:30:00.000Z\""), "{rejects}");
}

/// Guessing or knowing the id of another viewer's event must not make that event look known.
#[test]
fn objects_that_a_writer_joined_without_line_ends_are_events_each() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    let joined: String = (0..20_000).map(|id| event(id, 0)).collect();
    assert!(joined.len() > 2 << 20, "more than a line may have");
    put(&root, 13, "one-line", &[joined]);
    put(&root, 14, "two", &[event(1, 61) + &event(2, 61), event(3, 61) + " " + r#"{"kind":"click"}"#]);
    put(&root, 15, "cut", &[event(1, 122) + &event(2, 122) + &event(3, 122)[..40]]);
    let report = run_folder(&root, &events);
    assert_eq!((report.lines, report.events), (20_007, 20_005), "{report}");
    assert_eq!(report.rejected.iter().map(|reason| reason.rows).sum::<u64>(), 2, "{report}");
    assert_eq!(table(&events).len(), 20_005);
}

#[test]
fn an_event_is_known_by_its_viewer_and_its_id() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    let theirs = event(1, 0).replace("\"viewer\":\"0000000000000001\"", "\"viewer\":\"d00000000000000bb\"");
    assert_ne!(theirs, event(1, 0));
    put(&root, 13, "a", std::slice::from_ref(&theirs));
    put(&root, 13, "b", &[event(1, 0), theirs, event(1, 0)]);
    let report = run_folder(&root, &events);
    assert_eq!((report.events, report.known), (2, 2), "{report}");
    put(&root, 13, "c", &[event(1, 0)]);
    assert_eq!(run_folder(&root, &events).known, 1);
}

#[test]
fn an_object_is_read_as_far_as_it_may_unpack_to() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    put(&root, 13, "zeros", &["0".repeat(64 << 20)]);
    put(&root, 13, "empty", &vec![String::new(); 1 << 20]);
    put(&root, 14, "good", &[event(1, 0)]);
    let most = 2 << 20;
    let objects = Objects::new(root.to_str().unwrap(), 2, |_| None).unwrap().bounded(most);
    let report = run_of(&objects, &events).unwrap();
    assert_eq!((report.read, report.events, report.damaged.len()), (3, 1, 2), "{report}");
    assert!(report.unpacked_bytes < 3 * most, "{} bytes were unpacked", report.unpacked_bytes);
    for damaged in &report.damaged {
        assert!(damaged.reason.contains("2 MiB") && damaged.reason.contains("--object-mib"), "{damaged:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_among_objects_is_not_waited_for() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    put(&root, 13, "good", &[event(1, 0)]);
    let pipe = root.join("date=2026-11-22/hour=13/pipe.ndjson.gz");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (done, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || drop(done.send(run_folder(&root, &events))));
    let report = told.recv_timeout(std::time::Duration::from_secs(30)).expect("the run hangs");
    assert_eq!(report.events, 1, "{report}");
}

/// Each of these once stopped the listing of the whole folder.
#[cfg(unix)]
#[test]
fn names_that_no_object_can_have_and_links_in_a_circle_cost_nothing_but_themselves() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    put(&root, 13, "good", &[event(1, 0)]);
    let elsewhere = work.path().join("elsewhere");
    put(&elsewhere, 15, "linked", &[event(2, 0)]);
    let hour = root.join("date=2026-11-22/hour=13");
    fs::write(hour.join("a\nb.ndjson.gz"), "").unwrap();
    fs::write(hour.join(std::ffi::OsStr::from_bytes(b"\xff.ndjson.gz")), "").unwrap();
    fs::write(hour.join("notes\n.txt"), "").unwrap();
    symlink(&root, hour.join("up")).unwrap();
    symlink("self", hour.join("self")).unwrap();
    symlink("nowhere", hour.join("dangling.ndjson.gz")).unwrap();
    symlink(elsewhere.join("date=2026-11-22/hour=15"), root.join("date=2026-11-22/hour=15")).unwrap();
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.events, report.damaged.len(), report.aside.len()), (2, 2, 0, 4), "{report}");
    assert!(report.to_string().contains("a link to a folder that contains it"), "{report}");
    let report = run_folder(&root, &events);
    assert_eq!((report.read, report.read_before, report.aside.len()), (0, 2, 4), "{report}");
    assert!(!report.is_useless(), "{report}");
    let objects = Objects::new(root.to_str().unwrap(), 2, |_| None).unwrap();
    let purged = block_on(purge_objects(&objects, false, &|_| true)).unwrap();
    assert_eq!((purged.lines, purged.damaged.len()), (0, 4));
}

#[test]
fn files_past_their_time_go_and_those_of_the_forgotten_never_come() {
    let work = tempfile::tempdir().unwrap();
    let (root, events) = (work.path().join("objects"), work.path().join("events"));
    put(&root, 13, "a", &[event(1, 0), event(2, 60), event(3, 120)]);
    let objects = Objects::new(root.to_str().unwrap(), 2, |_| None).unwrap();
    let mut rejects = RejectsFile::new(None).unwrap();
    let mut table_of = Table::open(&events).unwrap().without([format!("{:016x}", 3)].into());
    let report = block_on(ingest_objects(&objects, &mut table_of, &mut rejects, at("2026-11-22T23:30:00Z"))).unwrap();
    assert_eq!((report.events, report.forgotten), (2, 1), "{report}");
    fs::write(events.join("2026-11-22T00.parquet"), "of somebody else").unwrap();
    assert_eq!(table_of.expire(at("2026-11-22T14:59:00Z")).unwrap(), 1);
    assert_eq!(names(&events), ["2026-11-22T00.parquet", "2026-11-22T14-0001.ndjson.gz"]);
}

#[test]
fn lines_of_the_forgotten_go_from_objects_and_from_those_set_aside() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("objects");
    put(&root, 13, "both", &[event(1, 0), event(2, 0)]);
    put(&root, 13, "one", &[event(1, 1)]);
    put(&root, 13, "joined", &[event(1, 3) + &event(4, 3)]);
    put(&root, 14, "other", &[event(3, 1)]);
    let before = fs::read(root.join("date=2026-11-22/hour=14/other.ndjson.gz")).unwrap();
    put(&root.join("rejected"), 14, "aside", &[event(1, 2), event(2, 2)]);
    let objects = Objects::new(root.to_str().unwrap(), 2, |_| None).unwrap();
    let is_wanted = |line: &[u8]| !String::from_utf8_lossy(line).contains("0000000000000001");
    // Damaged objects are reported, and the rest is processed.
    let cut = root.join("date=2026-11-22/hour=12/cut.ndjson.gz");
    fs::create_dir_all(cut.parent().unwrap()).unwrap();
    fs::write(&cut, &before[..before.len() - 9]).unwrap();
    let purge = |is_dry_run: bool| {
        let purged = block_on(purge_objects(&objects, is_dry_run, &is_wanted)).unwrap();
        assert!(purged.damaged.iter().map(|one| one.object.as_str()).eq(["date=2026-11-22/hour=12/cut.ndjson.gz"]));
        (purged.lines, purged.objects)
    };
    assert_eq!(purge(true), (4, 4));
    assert!(root.join("date=2026-11-22/hour=13/one.ndjson.gz").exists(), "a dry run changes nothing");
    assert_eq!(purge(false), (4, 4));
    fs::remove_file(&cut).unwrap();
    assert!(!root.join("date=2026-11-22/hour=13/one.ndjson.gz").exists());
    assert_eq!(fs::read(root.join("date=2026-11-22/hour=14/other.ndjson.gz")).unwrap(), before);
    let events = work.path().join("events");
    assert_eq!(run_folder(&root, &events).events, 3);
    assert_eq!(block_on(purge_objects(&objects, false, &is_wanted)).unwrap().lines, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_split_into_objects_and_runs_gives_the_same_events(
        deliveries in prop::collection::vec((13_u32..16, prop::collection::vec(0_u32..40, 1..12), any::<bool>()), 1..12),
    ) {
        let work = tempfile::tempdir().unwrap();
        let (root, events) = (work.path().join("objects"), work.path().join("events"));
        fs::create_dir_all(&root).unwrap();
        let mut sent = std::collections::BTreeSet::new();
        for (number, (hour, ids, does_run)) in deliveries.into_iter().enumerate() {
            let lines: Vec<String> = ids.iter().map(|id| event(*id, id * 7)).collect();
            sent.extend(lines.clone());
            put(&root, hour, &format!("{number:02}"), &lines);
            if does_run {
                run_folder(&root, &events);
            }
        }
        run_folder(&root, &events);
        prop_assert_eq!(table(&events).into_iter().collect::<std::collections::BTreeSet<_>>(), sent);
    }
}

/// Serves the part of S3 needed to list and get, with a recoverable failure before each answer.
fn serve(objects: BTreeMap<String, Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let count = AtomicUsize::new(0);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                head.push(line.trim().to_owned());
            }
            let Some(target) = head.first().and_then(|line| line.split(' ').nth(1)) else { continue };
            let signed =
                head.iter().any(|line| line.to_ascii_lowercase().starts_with("authorization: aws4-hmac-sha256"));
            log.lock().unwrap().push(target.to_owned());
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let (status, body) = if !signed {
                ("403 Forbidden", Vec::new())
            } else if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                ("503 Slow Down", Vec::new())
            } else if query.contains("list-type=2") {
                let after = query.split('&').find_map(|part| part.strip_prefix("start-after=")).unwrap_or_default();
                let after = after.replace("%2F", "/").replace("%3D", "=");
                let entry = |(name, bytes): (&String, &Vec<u8>)| {
                    format!(
                        "<Contents><Key>{name}</Key><LastModified>2026-11-22T00:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>{}</Size></Contents>",
                        bytes.len()
                    )
                };
                let entries: String = objects.iter().filter(|(name, _)| **name > after).map(entry).collect();
                let xml = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>");
                ("200 OK", xml.into_bytes())
            } else {
                let name = path.replace("%3D", "=");
                match objects.get(name.trim_start_matches("/bucket/")) {
                    Some(bytes) => ("200 OK", bytes.clone()),
                    None => ("404 Not Found", Vec::new()),
                }
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (address, asked)
}

#[test]
fn a_store_that_speaks_s3_and_falters_is_read_from_the_mark_on() {
    let work = tempfile::tempdir().unwrap();
    let name = |hour: u32| format!("events/date=2026-11-22/hour={hour:02}/a.ndjson.gz");
    let objects: BTreeMap<String, Vec<u8>> =
        [(13, 1), (18, 2), (20, 3)].map(|(hour, id)| (name(hour), packed(&[event(id, 0)]))).into();
    let (address, asked) = serve(objects);
    let variable = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("of the tests".to_owned()),
        "AWS_ENDPOINT_URL" => Some(address.clone()),
        "AWS_ALLOW_HTTP" => Some("true".to_owned()),
        _ => None,
    };
    let events = work.path().join("events");
    let report = run("s3://bucket/events", &events, variable).unwrap();
    assert_eq!((report.read, report.events), (3, 3), "{report}");
    let report = run("s3://bucket/events", &events, variable).unwrap();
    assert_eq!((report.read, report.read_before, report.events), (0, 2, 0), "{report}");
    let asked = asked.lock().unwrap();
    let last = asked.iter().rfind(|target| target.contains("list-type")).unwrap();
    assert!(last.contains("hour%3D18"), "{last}");
    let gets = asked.iter().filter(|target| !target.contains("list-type")).count();
    assert!((3..=6).contains(&gets), "three objects, each tried again once: {asked:?}");
}
