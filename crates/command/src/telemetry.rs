//! A run's telemetry: log lines, spans for a trace collector, and the duration of each stage.
//!
//! Telemetry never changes what a run does or how it ends. An unreachable collector delays exit by
//! at most [`COLLECTOR_LIMIT`].

mod collector;
mod stopwatch;

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use collector::COLLECTOR_LIMIT;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector as _, SdkProvidedResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use sinsang_core::time::UnixMillis;
use sinsang_run::STAGE;
use stopwatch::Stopwatch;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::terminal::{self, Printable};

/// The variable with the log filter, as `tracing_subscriber` directives: `info`,
/// `warn,sinsang_publish=debug`.
pub(crate) const LOG: &str = "SINSANG_LOG";
/// The log filter if [`LOG`] is unset.
const DEFAULT_LOG: &str = "warn";
/// OpenTelemetry variables that name a collector; if either is set, spans are sent to it. The
/// exporter itself reads the specification's variables for headers, service name and attributes.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// The variable that disables spans.
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// The attribute that names a service.
const SERVICE_NAME: &str = "service.name";

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines: a JSON object a line.
    Json,
}

/// Why telemetry can't begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log filter is invalid.
    #[error("{LOG} is invalid: {0}; set a level or directives, such as info or warn,sinsang_publish=debug")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The collector's address is invalid.
    #[error("the environment's settings of the trace collector (OTEL_EXPORTER_OTLP_*) are invalid: {0}")]
    Collector(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// A running command's telemetry.
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
    stopwatch: Stopwatch,
}

impl Telemetry {
    /// Begins to log to standard error and, if the environment names a collector, to send spans.
    pub(crate) fn begin(
        format: LogFormat,
        clock: fn() -> UnixMillis,
        variable: fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let filter = EnvFilter::try_new(set(LOG).as_deref().unwrap_or(DEFAULT_LOG))?;
        // A stage logs one line at its end, with its counts and duration.
        let lines = tracing_subscriber::fmt::layer().with_span_events(FmtSpan::CLOSE);
        let lines = match format {
            // Colours are escape sequences too, so only the fields of these lines are escaped.
            LogFormat::Text => lines
                .with_writer(io::stderr)
                .with_ansi(io::stderr().is_terminal())
                .fmt_fields(terminal::fields())
                .with_target(false)
                .with_filter(filter)
                .boxed(),
            LogFormat::Json => {
                lines.with_writer(|| Printable(io::stderr())).json().flatten_event(true).with_filter(filter).boxed()
            }
        };
        let is_disabled = set(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_sent = !is_disabled && ENDPOINTS.iter().any(|name| set(name).is_some());
        let provider = is_sent.then(provider).transpose()?;
        let ours = tracing_subscriber::filter::filter_fn(|metadata| {
            metadata.target().starts_with("sinsang") && *metadata.level() <= tracing::Level::INFO
        });
        let spans = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("sinsang"))
                .with_location(false)
                .with_filter(ours)
        });
        let stopwatch = Stopwatch::new(clock);
        let stages = tracing_subscriber::filter::filter_fn(|metadata| metadata.target() == STAGE);
        // Fails if this process has a subscriber already: a second run logs like the first.
        let _ = tracing_subscriber::registry()
            .with(lines)
            .with(spans)
            .with(stopwatch.clone().with_filter(stages))
            .try_init();
        Ok(Self { provider, stopwatch })
    }

    /// Seconds of each ended stage, in the order of their first ends.
    pub(crate) fn stages(&self) -> Vec<(&'static str, f64)> {
        self.stopwatch.seconds()
    }

    /// Sends the remaining spans, as far as the collector accepts them.
    pub(crate) fn end(self) {
        if let Some(Err(error)) = self.provider.map(|provider| provider.shutdown_with_timeout(COLLECTOR_LIMIT)) {
            tracing::warn!(%error, "spans may be missing at the collector");
        }
    }
}

/// Exports spans on a separate thread, through the HTTP client that publishing uses.
fn provider() -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector::Client::new())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(COLLECTOR_LIMIT)
        .build()?;
    let known = SdkProvidedResourceDetector.detect().get(&SERVICE_NAME.into()).map(|name| name.to_string());
    // The specification's detector says this if the environment names no service.
    let name = known.filter(|name| !name.starts_with("unknown_service")).unwrap_or_else(|| "sinsang".to_owned());
    let about = Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(about).build())
}
