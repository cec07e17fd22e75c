//! A Kafka topic as a source of events, one per message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use sinsang_tables::reject::RejectsFile;

use crate::table::Table;
use crate::{Error, Intake, Report};

/// Timeout of a poll, short enough to notice the end of the topic.
const LOOK: Duration = Duration::from_millis(200);
/// Messages after which held events are written and their offsets committed, for topics that never
/// end.
const SETTLE: u32 = 200_000;
/// How long a run waits for partitions: a group whose last member died silently waits for it before
/// rebalancing.
const JOIN: Duration = Duration::from_secs(90);
/// How long silent brokers have to answer.
const GONE: Duration = Duration::from_secs(5);
/// Timeout for the brokers to confirm that the topic exists.
const ANSWER: Duration = Duration::from_secs(15);

/// The topic to read, and how.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Bootstrap brokers: `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group, whose offsets record the progress.
    pub group: String,
    /// A run fails if no message comes for this long while messages are left to read.
    pub idle: Duration,
    /// Further settings of librdkafka, such as `security.protocol`.
    pub settings: Vec<(String, String)>,
}

/// Imports the events of a topic into `table`, up to the ends of its partitions when the run
/// begins; invalid messages go to `rejects`. Later messages are left to the next run, so a run ends
/// however busy the topic is.
///
/// Offsets are committed only after the events before them are on disk: if a run dies, the next one
/// reads some messages again, and recognizes their events.
///
/// # Errors
/// An [`Error`] that names the step that failed; [`Error::Left`] if messages are left and none
/// arrives. Events imported before the error stay.
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
    // Queried first: a consumer waits silently for brokers that do not answer.
    let mut ends = Ends::ask(&consumer, kafka).map_err(failed("asking the brokers for the topic"))?;
    consumer.subscribe(&[&kafka.topic]).map_err(failed("subscribing to the topic"))?;
    let mut intake = Intake::new(table, rejects);
    let mut offsets = TopicPartitionList::new();
    let (mut quiet, mut unsettled, mut given) = (Duration::ZERO, 0, BTreeSet::new());
    loop {
        let mut is_news = true;
        match consumer.poll(LOOK) {
            None => quiet += LOOK,
            Some(Ok(message)) => {
                quiet = Duration::ZERO;
                unsettled += 1;
                intake.report.read += 1;
                let (topic, partition) = (message.topic(), message.partition());
                let number = u64::try_from(message.offset()).unwrap_or(0);
                intake.take(&format!("{topic}/{partition}"), number, message.payload().unwrap_or_default())?;
                let next = message.offset().saturating_add(1);
                if offsets.set_partition_offset(topic, partition, Offset::Offset(next)).is_err() {
                    let noted = offsets.add_partition_offset(topic, partition, Offset::Offset(next));
                    noted.map_err(failed("recording an offset"))?;
                }
                is_news = ends.came_to(partition, next);
                if is_news {
                    // A partition that reached its end is paused, so that the others get their
                    // turn.
                    consumer.pause(&one(&kafka.topic, partition)).map_err(failed("pausing a partition"))?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => ends.is_at_end(partition),
            // librdkafka reconnects automatically.
            Some(Err(error)) if passes(&error) => quiet += LOOK,
            Some(Err(error)) => return Err(failed("reading the topic")(error)),
        }
        if intake.is_full() || unsettled >= SETTLE {
            settle(&consumer, &mut intake, &mut offsets)?;
            unsettled = 0;
        }
        if !is_news {
            continue;
        }
        let assigned = consumer.assignment().map_err(failed("joining the group"))?;
        let assigned: BTreeSet<i32> = assigned.elements().iter().map(TopicPartitionListElem::partition).collect();
        if assigned != given {
            // The partitions have been assigned, but their messages have not arrived yet.
            quiet = Duration::ZERO;
            given.clone_from(&assigned);
        }
        if !assigned.is_empty() && assigned.iter().all(|partition| ends.is_read(*partition)) {
            settle(&consumer, &mut intake, &mut offsets)?;
            return intake.finish();
        }
        if quiet >= if assigned.is_empty() { JOIN } else { kafka.idle } {
            intake.write()?;
            // Offsets are not committed to unreachable brokers, because the consumer would wait for
            // them; the next run then reads some messages again, and adds no event twice.
            let is_there = consumer.fetch_metadata(Some(&kafka.topic), GONE).is_ok();
            let is_told = is_there && (offsets.count() == 0 || consumer.commit(&offsets, CommitMode::Sync).is_ok());
            return match ends.left(&consumer, kafka, is_told, quiet, &assigned, intake.report.read) {
                Some(left) => Err(left),
                None => intake.finish(),
            };
        }
    }
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}

/// The end of each partition when a run begins, and the run's progress.
struct Ends(BTreeMap<i32, Reach>);

#[derive(Clone, Copy)]
struct Reach {
    /// The next offset to read.
    next: i64,
    /// The offset of the first message after the start: the high watermark.
    end: i64,
}

impl Ends {
    /// Asks the brokers for the ends, and for the group's committed offsets.
    fn ask(consumer: &BaseConsumer, kafka: &Kafka) -> Result<Self, KafkaError> {
        let told = consumer.fetch_metadata(Some(&kafka.topic), ANSWER)?;
        let topic = told.topics().iter().find(|topic| topic.name() == kafka.topic);
        if let Some(error) = topic.and_then(MetadataTopic::error) {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        let partitions: Vec<i32> =
            topic.into_iter().flat_map(MetadataTopic::partitions).map(MetadataPartition::id).collect();
        let committed = committed(consumer, &kafka.topic, partitions.iter().copied())?;
        let reset = kafka.settings.iter().rfind(|(name, _)| name == "auto.offset.reset");
        let is_from_end = reset.is_some_and(|(_, value)| ["latest", "largest", "end"].contains(&value.as_str()));
        let mut ends = BTreeMap::new();
        for partition in partitions {
            let (first, end) = consumer.fetch_watermarks(&kafka.topic, partition, ANSWER)?;
            let start = if is_from_end { end } else { first };
            let next = committed.get(&partition).copied().unwrap_or(start).max(first);
            ends.insert(partition, Reach { next, end });
        }
        Ok(Self(ends))
    }

    /// Records `next` as the next offset of `partition`; `true` if it has reached the end.
    fn came_to(&mut self, partition: i32, next: i64) -> bool {
        if let Some(reach) = self.0.get_mut(&partition) {
            reach.next = next;
        }
        self.is_read(partition)
    }

    /// Records that `partition` has nothing more. Its last offsets may not be messages, but
    /// transaction markers or compacted ones.
    fn is_at_end(&mut self, partition: i32) {
        if let Some(reach) = self.0.get_mut(&partition) {
            reach.next = reach.next.max(reach.end);
        }
    }

    /// Whether `partition` was read to its end. A partition created since the start counts as read.
    fn is_read(&self, partition: i32) -> bool {
        self.0.get(&partition).is_none_or(|reach| reach.next >= reach.end)
    }

    /// The error for unread messages; `None` if there are none. For partitions that another group
    /// member has, the committed offsets count, if the brokers still answer.
    fn left(
        mut self,
        consumer: &BaseConsumer,
        kafka: &Kafka,
        is_told: bool,
        silent: Duration,
        assigned: &BTreeSet<i32>,
        read: u64,
    ) -> Option<Error> {
        let others = self.0.keys().copied().filter(|partition| !assigned.contains(partition));
        let committed =
            if is_told { committed(consumer, &kafka.topic, others).unwrap_or_default() } else { BTreeMap::new() };
        for (partition, next) in committed {
            self.came_to(partition, next);
        }
        let left = |reach: &Reach| u64::try_from(reach.end - reach.next).unwrap_or(0);
        let behind: Vec<String> =
            self.0.iter().filter(|(_, reach)| left(reach) > 0).map(|(partition, _)| partition.to_string()).collect();
        let left = self.0.values().map(left).sum();
        let (topic, partitions, is_assigned) = (kafka.topic.clone(), behind.join(", "), !assigned.is_empty());
        (left > 0).then_some(Error::Left { topic, left, partitions, silent, is_assigned, read })
    }
}

/// The group's committed offsets of `partitions`; those without one are left out.
fn committed(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: impl Iterator<Item = i32>,
) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition(topic, partition);
    }
    if asked.count() == 0 {
        return Ok(BTreeMap::new());
    }
    let told = consumer.committed_offsets(asked, ANSWER)?;
    let offset = |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    Ok(told.elements().iter().filter_map(|part| Some((part.partition(), offset(part.offset())?))).collect())
}

/// Writes held events to disk, and only then commits the offsets.
fn settle(consumer: &BaseConsumer, intake: &mut Intake<'_>, offsets: &mut TopicPartitionList) -> Result<(), Error> {
    intake.write()?;
    if offsets.count() > 0 {
        let doing = "committing offsets (the next run reads these messages again, without duplicates)";
        consumer.commit(offsets, CommitMode::Sync).map_err(|source| Error::Kafka { doing, source })?;
        *offsets = TopicPartitionList::new();
    }
    Ok(())
}

/// Whether librdkafka recovers from `error` automatically.
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
