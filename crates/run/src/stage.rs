//! The stages of a run as spans, from which logs, traces and metrics take their times.

/// The target of spans that mark a stage of a run.
pub const STAGE: &str = "sinsang::stage";

/// A span for a stage of a run, with its name and its counts as fields.
#[macro_export]
macro_rules! stage {
    ($name:literal $(, $($fields:tt)*)?) => {
        ::tracing::info_span!(target: $crate::STAGE, $name $(, $($fields)*)?)
    };
}

/// A count as a span's field. It is signed, because OpenTelemetry's only integers are, and other
/// types would become text.
pub fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
