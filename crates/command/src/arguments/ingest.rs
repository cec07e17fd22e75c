//! Arguments of `sinsang ingest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_run::replace::beside;

#[derive(Debug, Subcommand)]
pub(crate) enum IngestCommand {
    /// Read the objects that the Worker's queue consumer wrote, by hour of receipt. Objects read
    /// before are skipped, late ones are found, and damaged ones are retried once they have
    /// changed.
    Objects(IngestObjects),
    /// Read events from a Kafka topic, up to its end at the start of the run. Offsets are committed
    /// once the events are on disk.
    Kafka(IngestKafka),
}

#[derive(Debug, Args)]
pub(crate) struct Into {
    /// The folder of the table, such as `data/events`; created if missing.
    #[arg(long = "into", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// The file to which lines that are not events are appended, with the time of the run [default:
    /// FOLDER.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Remove events and rejects older than this many days [default: keep all]. Events may arrive a
    /// week late.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(8..=3650))]
    keep_days: Option<u16>,
}

impl Into {
    pub(crate) fn rejects(&self) -> PathBuf {
        self.rejects.clone().unwrap_or_else(|| beside(&self.folder, "rejects.ndjson"))
    }

    /// The time before which events are removed: `keep_days` before `now`.
    pub(crate) fn oldest(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.keep_days.map(|days| now.plus(-i64::from(days) * DAY_MS))
    }
}

#[derive(Debug, Args)]
pub(crate) struct IngestObjects {
    /// A folder, or s3://bucket/folder with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY.
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) into: Into,
    /// Hours before the last one read that are checked again, for late objects.
    #[arg(long, value_name = "HOURS", default_value_t = 72)]
    pub(crate) lookback: u32,
    /// The most MiB that an object may unpack to; the rest is not read, and the object is reported
    /// as damaged.
    #[arg(long, value_name = "MIB", default_value_t = sinsang_event_import::DEFAULT_OBJECT_BYTES >> 20,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) object_mib: u64,
}

#[derive(Debug, Args)]
pub(crate) struct IngestKafka {
    /// Bootstrap brokers, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: String,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// The consumer group, whose offsets record what was read.
    #[arg(long, default_value = "sinsang")]
    group: String,
    /// Seconds without a message after which the run fails if messages remain, and reports how
    /// many.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle: u64,
    /// A setting of librdkafka, such as `security.protocol=ssl`.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) into: Into,
}

impl IngestKafka {
    pub(crate) fn kafka(&self) -> sinsang_event_import::Kafka {
        let Self { brokers, topic, group, idle, settings, .. } = self;
        let (brokers, topic, group) = (brokers.clone(), topic.clone(), group.clone());
        let idle = Duration::from_secs(*idle);
        sinsang_event_import::Kafka { brokers, topic, group, idle, settings: settings.clone() }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("expected NAME=VALUE, not '{text}'"))?;
    Ok((name.to_owned(), value.to_owned()))
}
