//! A topic of Kafka whose messages are events, one a message.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sinsang_input::reject::RejectsFile;

use crate::table::Table;
use crate::{Error, Intake, Report};

/// How long a look for a message waits, so that the end of a topic is noticed.
const LOOK: Duration = Duration::from_millis(200);
/// Messages after which what is held is written and its offsets are committed, where a topic never ends.
const SETTLE: u32 = 200_000;
/// How long a run waits to be given partitions and for their first messages: a group whose last member died without a word waits for it
/// before it shares them out again.
const JOIN: Duration = Duration::from_secs(90);
/// How long the brokers have to say that the topic is there.
const ANSWER: Duration = Duration::from_secs(15);

/// What to read.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Brokers to begin with: `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group whose offsets say what was read.
    pub group: String,
    /// A run ends when it is at the end of all its partitions and no message has come for so long.
    pub idle: Duration,
    /// Further settings of librdkafka, such as `security.protocol`.
    pub settings: Vec<(String, String)>,
}

/// Takes the events of a topic into `table` to its end; what is no event goes to `rejects`.
///
/// Offsets are committed only after the events before them are on the disk: a run that dies is followed by one that reads some messages again,
/// and knows their events.
///
/// # Errors
/// An [`Error`] that says what was being done. What was taken in before it stays.
pub fn ingest(kafka: &Kafka, table: &mut Table, rejects: &mut RejectsFile) -> Result<Report, Error> {
    let failed = |doing| move |source| Error::Kafka { doing, source };
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("group.id", &kafka.group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest");
    for (name, value) in &kafka.settings {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create().map_err(failed("reading the settings"))?;
    // Asked first: a consumer waits without a word for brokers that do not answer.
    let told =
        consumer.fetch_metadata(Some(&kafka.topic), ANSWER).map_err(failed("asking the brokers for the topic"))?;
    if let Some(error) = told.topics().iter().find_map(rdkafka::metadata::MetadataTopic::error) {
        return Err(failed("asking the brokers for the topic")(KafkaError::MetadataFetch(error.into())));
    }
    consumer.subscribe(&[&kafka.topic]).map_err(failed("subscribing to the topic"))?;
    let mut intake = Intake::new(table, rejects);
    let mut offsets = TopicPartitionList::new();
    let mut at_end = BTreeSet::new();
    let (mut quiet, mut unsettled) = (Duration::ZERO, 0);
    while quiet < kafka.idle || (quiet < JOIN && !is_read(&consumer, &at_end).map_err(failed("joining the group"))?) {
        match consumer.poll(LOOK) {
            None => quiet += LOOK,
            Some(Ok(message)) => {
                quiet = Duration::ZERO;
                unsettled += 1;
                intake.report.read += 1;
                let (topic, partition) = (message.topic(), message.partition());
                at_end.remove(&partition);
                let number = u64::try_from(message.offset()).unwrap_or(0);
                intake.take(&format!("{topic}/{partition}"), number, message.payload().unwrap_or_default())?;
                let next = Offset::Offset(message.offset().saturating_add(1));
                if offsets.set_partition_offset(topic, partition, next).is_err() {
                    offsets.add_partition_offset(topic, partition, next).map_err(failed("noting an offset"))?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                at_end.insert(partition);
            }
            // librdkafka connects again by itself.
            Some(Err(error)) if passes(&error) => quiet += LOOK,
            Some(Err(error)) => return Err(failed("reading the topic")(error)),
        }
        if intake.is_full() || unsettled >= SETTLE {
            settle(&consumer, &mut intake, &mut offsets)?;
            unsettled = 0;
        }
    }
    settle(&consumer, &mut intake, &mut offsets)?;
    intake.finish()
}

/// Brings what is held onto the disk, and only then tells the brokers.
fn settle(consumer: &BaseConsumer, intake: &mut Intake<'_>, offsets: &mut TopicPartitionList) -> Result<(), Error> {
    intake.write()?;
    if offsets.count() > 0 {
        let doing = "committing what was read; the next run reads it again, and adds no event twice";
        consumer.commit(offsets, CommitMode::Sync).map_err(|source| Error::Kafka { doing, source })?;
        *offsets = TopicPartitionList::new();
    }
    Ok(())
}

/// Whether `consumer` has partitions, and is at the end of all of them.
fn is_read(consumer: &BaseConsumer, at_end: &BTreeSet<i32>) -> Result<bool, KafkaError> {
    let assigned = consumer.assignment()?;
    Ok(assigned.count() > 0 && assigned.elements().iter().all(|element| at_end.contains(&element.partition())))
}

/// Whether librdkafka goes on by itself after `error`.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
        )
    )
}
