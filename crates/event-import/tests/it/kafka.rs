//! Tests of a topic on librdkafka's own mock cluster.

use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use sinsang_event_import::{Error, Kafka, Report, Table, ingest_kafka};
use sinsang_tables::reject::RejectsFile;

use crate::support::{event, table};

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic("events", 3, 1).unwrap();
    cluster
}

fn send(brokers: &str, payloads: &[String]) {
    // Small batches: a consumer receives at least one batch at a time.
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("batch.num.messages", "10").create().unwrap();
    for payload in payloads {
        producer.send(BaseRecord::<(), str>::to("events").payload(payload)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
}

fn run(brokers: &str, events: &Path) -> Result<Report, Error> {
    run_with(brokers, events, &[])
}

fn run_with(brokers: &str, events: &Path, settings: &[(&str, &str)]) -> Result<Report, Error> {
    let kafka = Kafka {
        brokers: brokers.to_owned(),
        topic: "events".to_owned(),
        group: "sinsang".to_owned(),
        idle: Duration::from_secs(3),
        // Short timeouts, so that a dead consumer is noticed quickly.
        settings: [("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "500")]
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    ingest_kafka(&kafka, &mut Table::open(events)?, &mut RejectsFile::new(None).unwrap())
}

#[test]
fn each_message_is_read_once_by_runs_that_follow_each_other() {
    let (cluster, work) = (cluster(), tempfile::tempdir().unwrap());
    let (brokers, events) = (cluster.bootstrap_servers(), work.path().join("events"));
    let mut sent: Vec<String> = (0..300).map(|id| event(id, id)).collect();
    sent.push("no event".to_owned());
    send(&brokers, &sent);
    let report = run(&brokers, &events).unwrap();
    assert_eq!((report.read, report.events), (301, 300), "{report}");
    assert_eq!(report.rejected.len(), 1, "{report}");
    assert_eq!(table(&events).len(), 300);

    // Producers send twice too, if an answer is lost.
    send(&brokers, &[event(7, 7), event(400, 400)]);
    let report = run(&brokers, &events).unwrap();
    assert_eq!((report.read, report.events, report.known), (2, 1, 1), "{report}");
    assert_eq!(table(&events).len(), 301);
}

/// Removes the table's folder after the messages are read and before they are on disk, as if the
/// run were killed there.
#[test]
fn a_run_that_dies_before_its_events_are_safe_leaves_them_to_the_next() {
    let (cluster, work) = (cluster(), tempfile::tempdir().unwrap());
    let (brokers, events) = (cluster.bootstrap_servers(), work.path().join("events"));
    send(&brokers, &(0..50).map(|id| event(id, 0)).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        let dies = scope.spawn(|| run(&brokers, &events));
        while !events.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::remove_dir_all(&events).unwrap();
        let error = dies.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
    });
    let report = run(&brokers, &events).unwrap();
    assert_eq!((report.read, report.events), (50, 50), "{report}");
    assert_eq!(table(&events).len(), 50);
}

/// Sends messages to every partition more often than a run's timeout, for as long as it runs.
#[test]
fn a_run_ends_where_the_topic_ended_when_it_began() {
    let (cluster, work) = (cluster(), tempfile::tempdir().unwrap());
    let (brokers, events) = (cluster.bootstrap_servers(), work.path().join("events"));
    send(&brokers, &(0..200).map(|id| event(id, 0)).collect::<Vec<_>>());
    let (stop, told) = std::sync::mpsc::channel::<()>();
    let (done, outcome) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let told = told;
            for id in 10_000.. {
                if told.recv_timeout(Duration::from_millis(2)) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    break;
                }
                send(&brokers, &(0..8).map(|at| event(id * 8 + at, 0)).collect::<Vec<_>>());
            }
        });
        scope.spawn(|| drop(done.send(run(&brokers, &events))));
        let report = outcome.recv_timeout(Duration::from_mins(1));
        stop.send(()).unwrap();
        let report = report.expect("the run does not end").unwrap();
        assert!(report.events >= 200, "{report}");
    });
    // Nothing is lost: the next run reads the rest.
    run(&brokers, &events).unwrap();
    assert!(table(&events).len() > 200);
}

#[test]
fn brokers_that_vanish_with_messages_left_fail_the_run_and_nothing_is_lost() {
    let (cluster, work) = (cluster(), tempfile::tempdir().unwrap());
    let (brokers, events) = (cluster.bootstrap_servers(), work.path().join("events"));
    send(&brokers, &(0..2_000).map(|id| event(id, 0)).collect::<Vec<_>>());
    let round_trip = |ms| (1..=2).for_each(|id| cluster.broker_round_trip_time(id, Duration::from_millis(ms)).unwrap());
    round_trip(100);
    let small =
        [("fetch.message.max.bytes", "2000"), ("queued.min.messages", "1"), ("queued.max.messages.kbytes", "4")];
    let error = std::thread::scope(|scope| {
        let reads = scope.spawn(|| run_with(&brokers, &events, &small));
        while !events.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_secs(6));
        (1..=2).for_each(|broker| cluster.broker_down(broker).unwrap());
        reads.join().unwrap().unwrap_err()
    });
    let Error::Left { left, read, .. } = &error else { panic!("{error}") };
    let (left, read) = (*left, *read);
    assert!(left > 0 && read > 0 && left + read == 2_000, "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("{left} messages of events are unread")) && text.contains("run it again"), "{text}");
    assert_eq!(table(&events).len() as u64, read, "what was read is on the disk");
    (1..=2).for_each(|broker| cluster.broker_up(broker).unwrap());
    round_trip(0);
    run(&brokers, &events).unwrap();
    assert_eq!(table(&events).len(), 2_000);
}

#[test]
fn brokers_that_are_away_are_told() {
    let work = tempfile::tempdir().unwrap();
    let error = run("127.0.0.1:9", &work.path().join("events")).unwrap_err().to_string();
    assert!(error.starts_with("Kafka failed while asking the brokers for the topic"), "{error}");
}
