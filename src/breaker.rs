//! May the store be asked now? A pure state machine with two states, closed and open; time is told to it.
//!
//! While open, one probe at a time is let through. A probe is a lease that runs out, not a flag: the request that carries it may go away
//! and never report.

use crate::time::{SECOND_MS, UnixMillis};

/// Failures in a row that open the breaker.
pub const FAILURES_TO_OPEN: u32 = 3;
/// How long an open breaker waits before a probe, and how long a probe's lease lasts.
pub const PROBE_EVERY_MS: i64 = 5 * SECOND_MS;

/// The state of one dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    next_probe_at: Option<UnixMillis>,
}

impl Breaker {
    /// Whether a read may be made at `now`. While the breaker is open this takes the probe's lease.
    pub fn admit(&mut self, now: UnixMillis) -> bool {
        match self.next_probe_at {
            None => true,
            Some(at) if now >= at => {
                self.next_probe_at = Some(now.plus(PROBE_EVERY_MS));
                true
            }
            Some(_) => false,
        }
    }

    /// A read came back, whether or not it found a value.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A read failed or ran out of time at `now`.
    pub fn failed(&mut self, now: UnixMillis) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_TO_OPEN {
            self.next_probe_at = Some(now.plus(PROBE_EVERY_MS));
        }
    }

    /// Whether reads are held back.
    pub fn is_open(&self) -> bool {
        self.next_probe_at.is_some()
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_lets_one_probe_through_at_a_time_and_a_lost_probe_blocks_nobody() {
        let mut breaker = Breaker::default();
        let start = UnixMillis(1_000_000);
        for _ in 0..FAILURES_TO_OPEN {
            assert!(breaker.admit(start));
            breaker.failed(start);
        }
        assert!(breaker.is_open());
        assert!(!breaker.admit(start.plus(PROBE_EVERY_MS - 1)));
        let probe = start.plus(PROBE_EVERY_MS);
        assert!(breaker.admit(probe));
        assert!(!breaker.admit(probe.plus(1)), "the probe is out");
        assert!(breaker.admit(probe.plus(PROBE_EVERY_MS)), "its lease ran out");
        breaker.succeeded();
        assert!(!breaker.is_open());
        assert!(breaker.admit(probe) && breaker.admit(probe));
    }

    #[test]
    fn failures_that_are_not_in_a_row_do_not_open_it() {
        let mut breaker = Breaker::default();
        for at in 0..100 {
            breaker.failed(UnixMillis(at));
            breaker.failed(UnixMillis(at));
            assert!(!breaker.is_open());
            breaker.succeeded();
        }
    }
}
