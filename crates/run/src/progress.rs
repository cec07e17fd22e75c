//! Progress bars for work that takes longer than a second: shown on a terminal only, and never part
//! of a result.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sinsang_core::printable::printable;

/// How long work runs before its bar appears.
const QUIET: Duration = Duration::from_secs(1);

/// The unit of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown with binary prefixes.
    Bytes,
    /// Rows of a table.
    Rows,
    /// Anything else.
    Items,
}

/// Whether a run shows bars; copied into the options of each function that can show one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// Bars on stderr, if it is a terminal.
    pub fn on_terminal() -> Self {
        Self { shown: true }
    }

    /// No bars.
    pub fn hidden() -> Self {
        Self { shown: false }
    }

    /// Starts a bar labelled `label` for `total` units of work.
    pub fn start(self, label: &str, unit: Unit, total: u64) -> Bar {
        let inner = self.shown.then(|| {
            let counts = match unit {
                Unit::Bytes => "{bytes} of {total_bytes}",
                Unit::Rows => "{human_pos} of {human_len} rows",
                Unit::Items => "{human_pos} of {human_len}",
            };
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
            let template = format!("{{msg}} {{wide_bar:.dim}} {counts}, {{eta}} left");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar.set_message(label.to_owned());
            bar
        });
        // The monotonic clock decides only whether a bar is drawn: no result depends on it.
        Bar { inner, begun: Instant::now(), drawn: AtomicBool::new(false) }
    }
}

/// A running bar; it disappears when dropped.
pub struct Bar {
    inner: Option<ProgressBar>,
    begun: Instant,
    drawn: AtomicBool,
}

impl Bar {
    /// Adds `units` to the work done. Cheap, but meant for batches rather than single rows.
    pub fn advance(&self, units: u64) {
        let Some(bar) = &self.inner else { return };
        bar.inc(units);
        if !self.drawn.load(Ordering::Relaxed) && self.begun.elapsed() >= QUIET {
            self.drawn.store(true, Ordering::Relaxed);
            // A target that is not a terminal stays hidden automatically.
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Sets the bar's message, for instance to the current file.
    pub fn say(&self, text: impl fmt::Display) {
        if let Some(bar) = &self.inner {
            bar.set_message(printable(&text.to_string()).into_owned());
        }
    }

    /// Whether the bar has been drawn.
    pub fn is_drawn(&self) -> bool {
        self.drawn.load(Ordering::Relaxed)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.inner {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_draws_nothing_and_hidden_bars_count_nothing() {
        let bar = Progress::on_terminal().start("broadcasts", Unit::Bytes, 10);
        bar.advance(10);
        assert!(!bar.is_drawn());
        assert_eq!(bar.inner.as_ref().unwrap().position(), 10);
        assert!(Progress::hidden().start("events", Unit::Rows, 10).inner.is_none());
    }

    #[test]
    fn work_past_a_second_is_drawn() {
        let mut bar = Progress::on_terminal().start("broadcasts", Unit::Items, 10);
        bar.begun = Instant::now().checked_sub(QUIET).unwrap();
        bar.advance(1);
        assert!(bar.is_drawn());
    }
}
