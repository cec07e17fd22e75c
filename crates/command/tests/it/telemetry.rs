//! The command's telemetry: spans to a collector, log lines, and metrics in Prometheus' text
//! format.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use sinsang_command::metrics::FAMILIES;

const NOW: &str = "2026-11-22T12:34:56+09:00";

fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(arguments).env("SINSANG_USER_KEY", "a secret of the tests");
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes tables of a few users into `folder`, with one invalid row of broadcasts.
fn tables(folder: &Path) {
    let made = ["generate", "--quick", "--days", "2", "--users", "12", "--now", NOW, "--out", text(folder)];
    sinsang(&made).assert().success();
    let file = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let broadcasts =
        file.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("broadcasts"));
    // A zstd file may have several frames.
    let row = zstd::encode_all(&b"{\"title\": 3}\n"[..], 0).unwrap();
    fs::OpenOptions::new().append(true).open(broadcasts.unwrap()).unwrap().write_all(&row).unwrap();
}

fn build<'a>(input: &'a Path, output: &'a Path) -> [&'a str; 7] {
    ["build", "--input", text(input), "--output", text(output), "--now", NOW]
}

/// A request's head and body.
type Sent = (String, Vec<u8>);

/// A trace collector on loopback, with the requests it received.
struct Collector {
    url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let taken = Arc::clone(&sent);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                taken.lock().unwrap().push((head, body));
                reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        Self { url, sent }
    }

    /// The received spans, and the names of the services that sent them.
    fn spans(&self) -> (Vec<Span>, Vec<String>) {
        let (mut spans, mut services) = (Vec::new(), Vec::new());
        for (head, body) in self.sent.lock().unwrap().iter() {
            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
            assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
            for resource in ExportTraceServiceRequest::decode(body.as_slice()).unwrap().resource_spans {
                for attribute in resource.resource.unwrap().attributes {
                    if let (true, Some(Any::StringValue(name))) =
                        (attribute.key == "service.name", attribute.value.and_then(|value| value.value))
                    {
                        services.push(name);
                    }
                }
                spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        (spans, services)
    }
}

fn number(span: &Span, key: &str) -> i64 {
    let value = span.attributes.iter().find(|attribute| attribute.key == key).and_then(|one| one.value.clone()?.value);
    match value {
        Some(Any::IntValue(number)) => number,
        other => panic!("{key} of {} is {other:?}", span.name),
    }
}

#[test]
fn the_stages_of_a_build_come_to_the_collector_with_their_counts_and_those_of_one_that_fails_with_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("tables"), folder.path().join("snapshot"));
    tables(&input);
    let collector = Collector::start();
    sinsang(&build(&input, &output)).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).assert().success().stderr("");
    let (spans, services) = collector.spans();
    assert!(!services.is_empty() && services.iter().all(|service| service == "sinsang"), "{services:?}");
    let by_name: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.name.as_str(), span)).collect();
    let stages = ["broadcasts", "schedule", "catalogue", "identity", "events and tabs", "tastes", "packs", "snapshot"];
    let root = by_name["sinsang build"];
    for stage in stages {
        let span = by_name.get(stage).unwrap_or_else(|| panic!("no {stage} in {:?}", by_name.keys()));
        assert_eq!((&span.trace_id, &span.parent_span_id), (&root.trace_id, &root.span_id), "{stage}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert_eq!(number(by_name["broadcasts"], "rows"), number(by_name["broadcasts"], "kept") + 1);
    assert!(number(by_name["packs"], "bytes") > 1_000);

    let collector = Collector::start();
    let nowhere = folder.path().join("nowhere");
    sinsang(&build(&nowhere, &output)).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).assert().code(1);
    let (spans, _) = collector.spans();
    let status = spans.iter().find(|span| span.name == "sinsang build").unwrap().status.clone().unwrap();
    assert!(status.message.contains("nowhere"), "{status:?}");
}

#[test]
fn a_collector_that_is_away_or_does_not_answer_neither_fails_a_run_nor_holds_it_long() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, "").unwrap();
    let check = ["rules", "check", text(&rules)];
    // A port that was bound and released: nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The system accepts connections to this port, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let begun = Instant::now();
        let mut command = sinsang(&check);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
        let outcome = command.assert().success();
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?} for {address}", begun.elapsed());
        let said = String::from_utf8_lossy(&outcome.get_output().stderr).into_owned();
        assert!(said.contains("the trace collector") || said.contains("spans may be missing"), "{said}");
    }
}

#[test]
fn log_lines_are_json_where_that_is_asked_for_and_a_level_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("tables"), folder.path().join("snapshot"));
    tables(&input);
    let asked = [&build(&input, &output)[..], &["--log-format", "json"]].concat();
    let outcome = sinsang(&asked).env("SINSANG_LOG", "info").assert().success();
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&outcome.get_output().stderr)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect();
    let identity = lines.iter().find(|line| line["span"]["name"] == "identity").expect("a line for each stage");
    assert!(identity["span"]["products"].as_u64().unwrap() > 0, "{identity}");
    assert!(identity["time.busy"].is_string(), "{identity}");

    let nowhere = folder.path().join("nowhere");
    let asked = [&build(&nowhere, &output)[..], &["--log-format", "json"]].concat();
    let outcome = sinsang(&asked).assert().code(1);
    let line: serde_json::Value = serde_json::from_slice(&outcome.get_output().stderr).unwrap();
    assert_eq!((&line["level"], &line["command"]), (&"ERROR".into(), &"build".into()));
    assert!(line["error"].as_str().unwrap().contains("nowhere"), "{line}");

    let outcome = sinsang(&["rules", "check", "x"]).env("SINSANG_LOG", "a=b=c").assert().code(1);
    assert!(String::from_utf8_lossy(&outcome.get_output().stderr).contains("SINSANG_LOG"));
}

/// The samples of a page in Prometheus' text format; each line is checked against the format.
fn samples(page: &Path) -> BTreeMap<String, f64> {
    let mut announced = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in fs::read_to_string(page).unwrap().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind, "gauge", "{line}");
            assert_eq!(
                announced.insert(name.to_owned(), true),
                Some(false),
                "{name} is announced twice or has no help"
            );
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty());
            assert_eq!(announced.insert(name.to_owned(), false), None, "{name} is announced twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
            let is_label = |label: &str| label.contains("=\"") && label.ends_with('"');
            let inside = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            assert!(labels.is_empty() || inside.unwrap().split(',').all(is_label), "{line}");
            assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()), "{name}");
            assert_eq!(announced.get(name), Some(&true), "{name} is not announced");
            assert!(FAMILIES.iter().any(|family| family.name == name), "{name} is not listed");
            assert_eq!(samples.insert(series.to_owned(), value.parse().unwrap()), None, "{series} twice");
        }
    }
    samples
}

#[test]
fn metrics_tell_what_a_build_a_publish_and_a_look_at_the_store_came_to_and_a_failure_leaves_the_last_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (input, output, page) = (at("tables"), at("snapshot"), at("build.prom"));
    tables(&input);
    let asked = [&build(&input, &output)[..], &["--metrics", text(&page), "--format", "json"]].concat();
    let outcome = sinsang(&asked).assert().success();
    let report: serde_json::Value = serde_json::from_slice(&outcome.get_output().stdout).unwrap();
    let built = samples(&page);
    assert!((built["sinsang_build_rejected_rows{table=\"broadcasts\"}"] - 1.0).abs() < 1e-9);
    let same = [
        ("sinsang_build_products", "/products"),
        ("sinsang_build_users", "/tastes/users"),
        ("sinsang_build_packs", "/packs"),
        ("sinsang_build_bytes", "/bytes"),
        ("sinsang_build_verdicts{verdict=\"new\"}", "/verdicts/new"),
        ("sinsang_build_rows{table=\"events\"}", "/tables/1/rows"),
    ];
    for (series, pointer) in same {
        assert_eq!(Some(built[series]), report.pointer(pointer).unwrap().as_f64(), "{series}");
    }
    let snapshot = report["snapshot"].as_str().unwrap();
    assert!(built.contains_key(&format!("sinsang_build_snapshot_info{{snapshot=\"{snapshot}\"}}")));
    let whole = built["sinsang_command_duration_seconds{command=\"build\"}"];
    let stages: f64 =
        built.iter().filter(|(series, _)| series.contains("stage_duration")).map(|(_, value)| value).sum();
    assert!(stages > 0.0 && stages <= whole + 0.1, "{stages} of {whole} seconds");
    assert!(built["sinsang_command_last_success_timestamp_seconds{command=\"build\"}"] > 1.7e9);

    let before = fs::read(&page).unwrap();
    let nowhere = at("nowhere");
    sinsang(&[&build(&nowhere, &output)[..], &["--metrics", text(&page)]].concat()).assert().code(1);
    assert_eq!(fs::read(&page).unwrap(), before, "a run that failed leaves the page of the last that did not");

    // A separate store, in this repository's project.
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let (kv, published, status) = (at("kv"), at("publish.prom"), at("status.prom"));
    let target = ["--local", text(&kv), "--project", text(project)];
    // Forced, because all built broadcasts are over.
    let publish = ["publish", text(&output), "--force", "--metrics", text(&published)];
    sinsang(&publish).args(target).assert().success();
    let packs = built["sinsang_build_packs"];
    assert_eq!(samples(&published)["sinsang_publish_packs{outcome=\"written\"}"].to_bits(), packs.to_bits());
    sinsang(&publish).args(target).assert().success();
    assert_eq!(samples(&published)["sinsang_publish_packs{outcome=\"kept\"}"].to_bits(), packs.to_bits());
    sinsang(&["status", "--metrics", text(&status)]).args(target).assert().success();
    let store = samples(&status);
    assert!(store.contains_key(&format!("sinsang_store_live_snapshot_info{{snapshot=\"{snapshot}\"}}")));
    assert!(store["sinsang_store_live_snapshot_age_seconds"].abs() < 1e12);
    assert!(store["sinsang_store_missing_packs"].abs() < 1e-9);
    assert!(!at("status.prom.part").exists());
}
