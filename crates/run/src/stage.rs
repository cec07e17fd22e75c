//! The stages of a run, as spans: what a log, a collector of traces and the metrics tell times by.

/// The target of spans that are a stage of a run.
pub const STAGE: &str = "sinsang::stage";

/// A span for a stage of a run: its name, and what it counts as fields.
#[macro_export]
macro_rules! stage {
    ($name:literal $(, $($fields:tt)*)?) => {
        ::tracing::info_span!(target: $crate::STAGE, $name $(, $($fields)*)?)
    };
}

/// A count as a span's field: signed, for OpenTelemetry knows no other whole numbers and would get text.
pub fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
