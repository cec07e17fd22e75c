//! A run's metrics in Prometheus' text format: `--metrics FILE`, for node_exporter's textfile
//! collector.
//!
//! A run is over once its file is written. All metrics are therefore gauges of the last completed
//! run; none is a counter, and no name ends in `_total`. [`FAMILIES`] lists them; `deploy/` has
//! their panels and alerts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family as Samples;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::report::built::Report;
use sinsang_pipeline::report::census::VerdictCounts;
use sinsang_publish::{CollectReport, Refusal, Report as Published, StatusReport};
use sinsang_run::replace::{Access, replace};

/// A metric's name and help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name, by Prometheus' conventions.
    pub name: &'static str,
    /// The help text, without a full stop.
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident $name:literal $help:literal)*) => {
        $(const $constant: Family = Family { name: $name, help: $help };)*
        /// All metrics of the command.
        pub const FAMILIES: &[Family] = &[$($constant),*];
    };
}

families! {
    LAST_SUCCESS "sinsang_command_last_success_timestamp_seconds" "When the command last succeeded, by command"
    DURATION "sinsang_command_duration_seconds" "How long the command took, by command"
    STAGE_DURATION "sinsang_command_stage_duration_seconds" "How long a stage of the command took, by command and stage"
    BUILD_SNAPSHOT "sinsang_build_snapshot_info" "The name of the built snapshot"
    BUILD_ROWS "sinsang_build_rows" "Rows read, by table"
    BUILD_REJECTED "sinsang_build_rejected_rows" "Rows set aside as unusable, by table"
    BUILD_REJECTED_PUBLIC "sinsang_build_rejected_public_rows" "Rows from apps set aside as unusable, by table"
    BUILD_VERDICTS "sinsang_build_verdicts" "Products of the window, by verdict"
    BUILD_LISTINGS "sinsang_build_listings" "Listings of schedule and history"
    BUILD_PRODUCTS "sinsang_build_products" "Products of the listings"
    BUILD_EVENTS_USED "sinsang_build_used_events" "Events used for tastes"
    BUILD_USERS "sinsang_build_users" "Users with a taste"
    BUILD_PACKS "sinsang_build_packs" "Packs of the snapshot, without the manifest"
    BUILD_BYTES "sinsang_build_bytes" "Bytes of the snapshot's packs"
    BUILD_BOARD_BYTES "sinsang_build_board_bytes" "Bytes of the board"
    BUILD_SHARDS "sinsang_build_taste_shards" "Taste shards, empty ones included"
    PUBLISH_SNAPSHOT "sinsang_publish_snapshot_info" "The name of the snapshot made live"
    PUBLISH_PACKS "sinsang_publish_packs" "Packs of the snapshot, by outcome: written, or kept because the store had them"
    PUBLISH_BYTES "sinsang_publish_written_bytes" "Bytes of the written packs"
    PUBLISH_READ_BACK "sinsang_publish_read_back_packs" "Written packs read back"
    PUBLISH_REASONS "sinsang_publish_refusal_reasons" "Reasons for which the snapshot was refused, or would have been without --force"
    PUBLISH_CALLS "sinsang_publish_calls" "Calls of the store's API, retries included"
    PUBLISH_RETRIES "sinsang_publish_retries" "Retried calls of the store's API"
    STORE_LIVE "sinsang_store_live_snapshot_info" "The name of the live snapshot"
    STORE_AGE "sinsang_store_live_snapshot_age_seconds" "Time since the live snapshot was built, in whole minutes"
    STORE_MISSING "sinsang_store_missing_packs" "Packs that a kept snapshot names and the store lacks, among those checked"
    STORE_PACKS "sinsang_store_packs" "Packs in the store after the last complete collection"
    STORE_BYTES "sinsang_store_bytes" "Bytes of the packs in the store after the last complete collection"
    STORE_UNNAMED "sinsang_store_unnamed_packs" "Packs in no kept snapshot at the last complete collection, all too young to remove"
    COLLECT_LAST "sinsang_collect_last_pass_timestamp_seconds" "When the last complete collection began"
    COLLECT_CALLS "sinsang_collect_calls" "Calls of the store's API, retries included"
    COLLECT_REMOVED "sinsang_collect_removed_packs" "Packs removed"
    COLLECT_BYTES "sinsang_collect_removed_bytes" "Bytes of the packs removed"
    INGEST_EVENTS "sinsang_ingest_events" "Lines read, by outcome: new to the table, known to it, or not an event"
    INGEST_READ "sinsang_ingest_read" "Objects or Kafka messages read"
    INGEST_DAMAGED "sinsang_ingest_damaged_objects" "Objects that can't be read to their end and have not changed since"
    INGEST_AHEAD "sinsang_ingest_ahead_objects" "Objects dated after the run"
    EXPERIMENT_VIEWERS "sinsang_experiment_viewers" "Viewers, by experiment and variant"
    EXPERIMENT_MIXED "sinsang_experiment_mixed_viewers" "Viewers seen with several variants, by experiment"
    EXPERIMENT_RATIO "sinsang_experiment_ratio_p_value" "The p-value of the viewers' ratio against the shares, by experiment"
}

/// Why no metrics were written.
#[derive(Debug, thiserror::Error)]
#[error("the metrics can't be written to {}: {source}; the command itself is complete", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// The metrics of one run, gathered until it ends.
#[derive(Debug, Default)]
pub struct Page {
    samples: Vec<Sample>,
}

type Number = Gauge<f64, AtomicU64>;

#[derive(Debug)]
struct Sample {
    family: Family,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Page {
    fn set(&mut self, family: Family, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.samples.push(Sample { family, labels, value });
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus has floating point only; counts are far below 2^52")]
    fn count(&mut self, family: Family, labels: &[(&'static str, &str)], value: usize) {
        self.set(family, labels, value as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus has floating point only; counts are far below 2^52")]
    fn long(&mut self, family: Family, labels: &[(&'static str, &str)], value: u64) {
        self.set(family, labels, value as f64);
    }

    /// Adds a build's metrics.
    pub fn build(&mut self, report: &Report) {
        self.set(BUILD_SNAPSHOT, &[("snapshot", &report.snapshot)], 1.0);
        for table in &report.tables {
            self.long(BUILD_ROWS, &[("table", table.table)], table.rows);
            self.long(BUILD_REJECTED, &[("table", table.table)], table.rows.saturating_sub(table.kept));
            self.long(BUILD_REJECTED_PUBLIC, &[("table", table.table)], table.public_faults);
        }
        let VerdictCounts { new, repeat, unknown } = report.verdicts;
        for (verdict, count) in [("new", new), ("repeat", repeat), ("unknown", unknown)] {
            self.count(BUILD_VERDICTS, &[("verdict", verdict)], count);
        }
        self.count(BUILD_LISTINGS, &[], report.listings);
        self.count(BUILD_PRODUCTS, &[], report.products);
        self.long(BUILD_EVENTS_USED, &[], report.tastes.events_used);
        self.long(BUILD_USERS, &[], report.tastes.users);
        self.count(BUILD_PACKS, &[], report.packs);
        self.count(BUILD_BYTES, &[], report.bytes);
        self.count(BUILD_BOARD_BYTES, &[], report.board_bytes);
        self.count(BUILD_SHARDS, &[], report.taste_shards);
    }

    /// Adds a publish's metrics.
    pub fn publish(&mut self, report: &Published) {
        self.set(PUBLISH_SNAPSHOT, &[("snapshot", &report.snapshot)], 1.0);
        self.count(PUBLISH_PACKS, &[("outcome", "written")], report.written);
        self.count(PUBLISH_PACKS, &[("outcome", "kept")], report.packs.saturating_sub(report.written));
        self.count(PUBLISH_BYTES, &[], report.written_bytes);
        self.count(PUBLISH_READ_BACK, &[], report.read_back);
        self.long(PUBLISH_CALLS, &[], report.calls);
        self.long(PUBLISH_RETRIES, &[], report.retried);
        self.refused(&report.forced);
    }

    /// Adds the reasons for which a publish was refused, or would have been without `--force`.
    pub fn refused(&mut self, refusal: &Refusal) {
        self.count(PUBLISH_REASONS, &[], refusal.reasons.len());
    }

    /// Adds a store's metrics; without a live snapshot, none of that.
    #[expect(clippy::cast_precision_loss, reason = "minutes, far below 2^52")]
    pub fn status(&mut self, report: &StatusReport) {
        if let Some(live) = &report.live {
            self.set(STORE_LIVE, &[("snapshot", &live.snapshot)], 1.0);
            self.set(STORE_AGE, &[], live.age_minutes as f64 * 60.0);
        }
        let missing = report.live.iter().chain(&report.kept).map(|stored| stored.missing).sum();
        self.count(STORE_MISSING, &[], missing);
    }

    /// Adds what a collection removed, and the store's contents after the last completed one.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age, far below 2^52")]
    pub fn collect(&mut self, report: &CollectReport) {
        self.count(COLLECT_REMOVED, &[], report.pass.removed);
        self.long(COLLECT_BYTES, &[], report.pass.removed_bytes);
        self.long(COLLECT_CALLS, &[], report.calls);
        if let Some(last) = &report.last {
            self.set(COLLECT_LAST, &[], last.begun_at as f64 / 1e3);
            self.count(STORE_PACKS, &[], last.packs.saturating_sub(last.removed));
            self.long(STORE_BYTES, &[], last.bytes.saturating_sub(last.removed_bytes));
            self.count(STORE_UNNAMED, &[], last.in_grace);
        }
    }

    /// Adds an ingestion's metrics.
    pub fn ingest(&mut self, report: &sinsang_event_import::Report) {
        let rejected = report.rejected.iter().map(|reason| reason.rows).sum();
        for (outcome, lines) in [("new", report.events), ("known", report.known), ("rejected", rejected)] {
            self.long(INGEST_EVENTS, &[("outcome", outcome)], lines);
        }
        self.long(INGEST_READ, &[], report.read);
        self.long(INGEST_DAMAGED, &[], (report.damaged.len() + report.aside.len()) as u64 + report.damaged_before);
        self.long(INGEST_AHEAD, &[], report.ahead);
    }

    /// Adds an experiment's viewer counts and the p-value of their ratio.
    pub fn experiment(&mut self, report: &sinsang_experiment::Report) {
        let experiment = ("experiment", report.experiment.as_str());
        for variant in &report.variants {
            self.count(EXPERIMENT_VIEWERS, &[experiment, ("variant", &variant.variant)], variant.viewers);
        }
        self.count(EXPERIMENT_MIXED, &[experiment], report.mixed_viewers);
        if let Some(p) = report.ratio_p {
            self.set(EXPERIMENT_RATIO, &[experiment], p);
        }
    }

    /// Adds the duration of `command` and its stages in seconds and, if it succeeded, the time of
    /// its end.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age, far below 2^52")]
    pub fn command(
        &mut self,
        command: &str,
        begun: UnixMillis,
        ended: UnixMillis,
        stages: &[(&str, f64)],
        is_success: bool,
    ) {
        if is_success {
            self.set(LAST_SUCCESS, &[("command", command)], ended.0 as f64 / 1e3);
        }
        self.set(DURATION, &[("command", command)], ended.since(begun).max(0) as f64 / 1e3);
        for (stage, seconds) in stages {
            self.set(STAGE_DURATION, &[("command", command), ("stage", stage)], *seconds);
        }
    }

    /// The page in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        for family in FAMILIES {
            let samples: Samples<Vec<(&'static str, String)>, Number> = Samples::default();
            let mut alone = None;
            for sample in self.samples.iter().filter(|sample| sample.family == *family) {
                let number = if sample.labels.is_empty() {
                    alone.get_or_insert_with(Number::default).clone()
                } else {
                    samples.get_or_create_owned(&sample.labels)
                };
                number.set(sample.value);
            }
            match alone {
                Some(number) => registry.register(family.name, family.help, number),
                // A family without samples is left out of the text.
                None => registry.register(family.name, family.help, samples),
            }
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode_registry(&mut text, &registry);
        text
    }

    /// Replaces `path` atomically: a collector sees the old page or this one.
    ///
    /// # Errors
    /// If the folder can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        // Collectors read `*.prom`; the temporary file is named otherwise.
        replace(path, self.text().as_bytes(), Access::Everybody)
            .map_err(|source| Error { path: path.to_owned(), source })
    }
}
