//! What a run tells while it works: log lines, spans for a collector of traces, and how long each of its stages took.
//!
//! Nothing here decides what a run does or how it ends. A collector that is away costs a run [`COLLECTOR_LIMIT`] at its end, at the most.

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

/// The variable that says what is logged, as `tracing_subscriber`'s directives have it: `info`, `warn,sinsang_publish=debug`.
pub(crate) const LOG: &str = "SINSANG_LOG";
/// What is logged where nothing is said.
const DEFAULT_LOG: &str = "warn";
/// Variables of OpenTelemetry's specification that name a collector; either has spans sent to it. The exporter reads those of the same
/// specification for headers, the service's name and attributes itself.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What switches it off.
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// The attribute that names a service.
const SERVICE_NAME: &str = "service.name";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines: a JSON object a line.
    Json,
}

/// Why a run can't tell of itself as it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The level can't be read.
    #[error("{LOG} is no level or list of directives, such as info or warn,sinsang_publish=debug: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The collector's address can't be used.
    #[error("spans can't be sent to the collector that the environment names: {0}")]
    Collector(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// What is running beside a command.
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
    stopwatch: Stopwatch,
}

impl Telemetry {
    /// Begins to log to standard error, and to send spans where the environment names a collector.
    pub(crate) fn begin(
        format: LogFormat,
        clock: fn() -> UnixMillis,
        variable: fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let filter = EnvFilter::try_new(set(LOG).as_deref().unwrap_or(DEFAULT_LOG))?;
        // A stage is a line where it ends, with its counts and its time.
        let lines = tracing_subscriber::fmt::layer().with_span_events(FmtSpan::CLOSE);
        let lines = match format {
            // Colours are commands to the terminal too, so that of these lines only the fields are made printable.
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
        // Fails where this process has one already: a second run in it logs as the first does.
        let _ = tracing_subscriber::registry()
            .with(lines)
            .with(spans)
            .with(stopwatch.clone().with_filter(stages))
            .try_init();
        Ok(Self { provider, stopwatch })
    }

    /// Seconds of the stages that have ended, in the order in which they first did.
    pub(crate) fn stages(&self) -> Vec<(&'static str, f64)> {
        self.stopwatch.seconds()
    }

    /// Sends what is left to be sent, as far as the collector takes it.
    pub(crate) fn end(self) {
        if let Some(Err(error)) = self.provider.map(|provider| provider.shutdown_with_timeout(COLLECTOR_LIMIT)) {
            tracing::warn!(%error, "spans may be missing at the collector");
        }
    }
}

/// Spans go out from a thread of their own, over the HTTP client that publishing uses.
fn provider() -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector::Client::new())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(COLLECTOR_LIMIT)
        .build()?;
    let known = SdkProvidedResourceDetector.detect().get(&SERVICE_NAME.into()).map(|name| name.to_string());
    // Without a name in the environment the specification has the detector say this.
    let name = known.filter(|name| !name.starts_with("unknown_service")).unwrap_or_else(|| "sinsang".to_owned());
    let about = Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(about).build())
}
