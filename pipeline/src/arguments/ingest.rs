//! Arguments of `sinsang ingest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::build::beside;

#[derive(Debug, Subcommand)]
pub(crate) enum IngestCommand {
    /// What the Worker's queue consumer left: objects by hour of receipt. Those that were read before are known, late ones are found.
    Objects(IngestObjects),
    /// A topic of Kafka whose messages are events. Offsets are committed after the events are on the disk.
    Kafka(IngestKafka),
}

#[derive(Debug, Args)]
pub(crate) struct Into {
    /// The folder of the table, such as `data/events`; made where it is missing.
    #[arg(long = "into", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Where lines that are no events are written [default: FOLDER.rejects.ndjson].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl Into {
    pub(crate) fn rejects(&self) -> PathBuf {
        self.rejects.clone().unwrap_or_else(|| beside(&self.folder, "rejects.ndjson"))
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
    /// Seconds without a message, at the end of all partitions, after which the run ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    idle: u64,
    /// A setting of librdkafka, such as `security.protocol=ssl`.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) into: Into,
}

impl IngestKafka {
    pub(crate) fn kafka(&self) -> sinsang_ingest::Kafka {
        let Self { brokers, topic, group, idle, settings, .. } = self;
        let (brokers, topic, group) = (brokers.clone(), topic.clone(), group.clone());
        let idle = Duration::from_secs(*idle);
        sinsang_ingest::Kafka { brokers, topic, group, idle, settings: settings.clone() }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is no NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
