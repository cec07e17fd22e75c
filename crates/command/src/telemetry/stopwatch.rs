//! The duration of each stage of a run, measured by the stages' spans.

use std::sync::{Arc, Mutex};

use sinsang_core::time::UnixMillis;
use sinsang_run::STAGE;
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// A layer that measures spans of the target [`STAGE`].
#[derive(Clone, Debug)]
pub(crate) struct Stopwatch {
    clock: fn() -> UnixMillis,
    /// Milliseconds of each stage, in the order of their first ends.
    ended: Arc<Mutex<Vec<(&'static str, i64)>>>,
}

/// The start of a span.
struct Begun(UnixMillis);

impl Stopwatch {
    pub(super) fn new(clock: fn() -> UnixMillis) -> Self {
        Self { clock, ended: Arc::default() }
    }

    /// Seconds of each stage, summed over its runs.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run, far below 2^52")]
    pub(super) fn seconds(&self) -> Vec<(&'static str, f64)> {
        let ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.iter().map(|(stage, ms)| (*stage, *ms as f64 / 1e3)).collect()
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Stopwatch {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == STAGE
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().insert(Begun((self.clock)()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Begun(begun)) = span.extensions_mut().remove::<Begun>() else { return };
        let ms = (self.clock)().since(begun).max(0);
        let mut ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match ended.iter_mut().find(|(stage, _)| *stage == span.name()) {
            Some((_, sum)) => *sum = sum.saturating_add(ms),
            None => ended.push((span.name(), ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use sinsang_run::stage;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    static NOW: AtomicI64 = AtomicI64::new(0);

    fn pass(ms: i64) {
        NOW.fetch_add(ms, Ordering::Relaxed);
    }

    #[test]
    fn a_stage_lasts_from_its_beginning_to_its_end_and_counts_together_where_it_comes_again() {
        let stopwatch = Stopwatch::new(|| UnixMillis(NOW.load(Ordering::Relaxed)));
        let subscriber = tracing_subscriber::registry().with(stopwatch.clone());
        tracing::subscriber::with_default(subscriber, || {
            let outer = stage!("outer");
            pass(100);
            stage!("inner").in_scope(|| pass(20));
            stage!("inner").in_scope(|| pass(5));
            tracing::info_span!("no stage").in_scope(|| pass(1_000));
            drop(outer);
        });
        assert_eq!(stopwatch.seconds(), [("inner", 0.025), ("outer", 1.125)]);
    }
}
