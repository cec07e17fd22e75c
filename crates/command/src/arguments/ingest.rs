//! Arguments of `sinsang ingest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_run::replace::beside;

#[derive(Debug, Subcommand)]
pub(crate) enum IngestCommand {
    /// What the Worker's queue consumer left: objects by hour of receipt. Those that were read before are known, late ones are found, and
    /// damaged ones are read again once they have changed.
    Objects(IngestObjects),
    /// A topic of Kafka whose messages are events, up to where it ends at the start. Offsets are committed after the events are on the disk.
    Kafka(IngestKafka),
}

#[derive(Debug, Args)]
pub(crate) struct Into {
    /// The folder of the table, such as `data/events`; made where it is missing.
    #[arg(long = "into", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Where lines that are no events are added, with the time of the run [default: FOLDER.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Remove events and rejects that are older than so many days [default: none]. Events may come a week late.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(8..=3650))]
    keep_days: Option<u16>,
}

impl Into {
    pub(crate) fn rejects(&self) -> PathBuf {
        self.rejects.clone().unwrap_or_else(|| beside(&self.folder, "rejects.ndjson"))
    }

    /// The time before which events are removed, seen from `now`.
    pub(crate) fn oldest(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.keep_days.map(|days| now.plus(-i64::from(days) * DAY_MS))
    }
}

#[derive(Debug, Args)]
pub(crate) struct IngestObjects {
    /// A folder, or s3://bucket/folder by AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) into: Into,
    /// Hours before the last one read that are looked at again, for objects that came late.
    #[arg(long, value_name = "HOURS", default_value_t = 72)]
    pub(crate) lookback: u32,
    /// MiB that an object may unpack to; what is after that is not read, and the object is told as damaged.
    #[arg(long, value_name = "MIB", default_value_t = sinsang_event_import::DEFAULT_OBJECT_BYTES >> 20,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) object_mib: u64,
}

#[derive(Debug, Args)]
pub(crate) struct IngestKafka {
    /// Brokers to begin with, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: String,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// The consumer group whose offsets say what was read.
    #[arg(long, default_value = "sinsang")]
    group: String,
    /// Seconds without a message, while there are some left, after which the run fails and tells how many.
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
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is no NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
