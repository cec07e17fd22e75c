//! A topic of Kafka whose messages are events, one a message.

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

/// How long a look for a message waits, so that the end of a topic is noticed.
const LOOK: Duration = Duration::from_millis(200);
/// Messages after which what is held is written and its offsets are committed, where a topic never ends.
const SETTLE: u32 = 200_000;
/// How long a run waits to be given partitions: a group whose last member died without a word waits for it before it shares them out again.
const JOIN: Duration = Duration::from_secs(90);
/// How long brokers that went silent have to show that they are there.
const GONE: Duration = Duration::from_secs(5);
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
    /// A run fails where no message has come for so long and there are some left to read.
    pub idle: Duration,
    /// Further settings of librdkafka, such as `security.protocol`.
    pub settings: Vec<(String, String)>,
}

/// Takes the events of a topic into `table`, up to the ends that its partitions have when the run begins; what is no event goes to `rejects`. What
/// comes after is the next run's, so a run ends however busy the topic is.
///
/// Offsets are committed only after the events before them are on the disk: a run that dies is followed by one that reads some messages again,
/// and knows their events.
///
/// # Errors
/// An [`Error`] that says what was being done; [`Error::Left`] where messages are left and none comes. What was taken in before it stays.
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
                    noted.map_err(failed("noting an offset"))?;
                }
                is_news = ends.came_to(partition, next);
                if is_news {
                    // Of a busy partition no more is read, so that the others get their turn.
                    consumer.pause(&one(&kafka.topic, partition)).map_err(failed("ending a partition"))?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => ends.is_at_end(partition),
            // librdkafka connects again by itself.
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
            // What was waited for is there, and the messages of it are not yet.
            quiet = Duration::ZERO;
            given.clone_from(&assigned);
        }
        if !assigned.is_empty() && assigned.iter().all(|partition| ends.is_read(*partition)) {
            settle(&consumer, &mut intake, &mut offsets)?;
            return intake.finish();
        }
        if quiet >= if assigned.is_empty() { JOIN } else { kafka.idle } {
            intake.write()?;
            // Brokers that are gone are not told, for the consumer would wait for them; the next run then reads some of it again, and adds nothing
            // twice.
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

/// Where each partition of the topic ends when a run begins, and how far the run has come.
struct Ends(BTreeMap<i32, Reach>);

#[derive(Clone, Copy)]
struct Reach {
    /// The next offset to be read.
    next: i64,
    /// The offset that the first message after the start will have: the high watermark.
    end: i64,
}

impl Ends {
    /// Asks the brokers for the ends, and for what the group had read before.
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

    /// Notes that `next` is the next offset of `partition`; `true` where that is its end or after it.
    fn came_to(&mut self, partition: i32, next: i64) -> bool {
        if let Some(reach) = self.0.get_mut(&partition) {
            reach.next = next;
        }
        self.is_read(partition)
    }

    /// Notes that there is nothing more in `partition`. Its last offsets may be no messages: markers of transactions, or compacted ones.
    fn is_at_end(&mut self, partition: i32) {
        if let Some(reach) = self.0.get_mut(&partition) {
            reach.next = reach.next.max(reach.end);
        }
    }

    /// Whether `partition` was read to its end. One that came since has none that this run looks for.
    fn is_read(&self, partition: i32) -> bool {
        self.0.get(&partition).is_none_or(|reach| reach.next >= reach.end)
    }

    /// What there is to say of messages that are left; `None` where there are none. Partitions that another member of the group has are as far as
    /// it has committed, if the brokers still say so.
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

/// The offsets that the group has committed of `partitions`, of those that it has any of.
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
