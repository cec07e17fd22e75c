//! Circuit breaker for one dependency: a pure state machine with two states, closed and open, that
//! is given the time.
//!
//! An open breaker admits one probe at a time. A probe is a lease that runs out, not a flag: the
//! request that carries it may be cancelled and never report. The wait is derived from the
//! isolate's seed by a hash, so that ten thousand isolates don't retry at once. After recovery,
//! optional reads are admitted in growing steps, so that a store that has just come back is not
//! overloaded by the backlog.

use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Failures in a row that open the breaker.
pub const FAILURES_TO_OPEN: u32 = 3;
/// Shortest wait of an open breaker before a probe, and shortest lease of a probe.
pub const PROBE_MIN_MS: i64 = 4 * SECOND_MS;
/// Longest wait of an open breaker, and longest lease of a probe.
pub const PROBE_MAX_MS: i64 = 6 * SECOND_MS;
/// Refills admitted in the first second after a recovery; the number doubles each further second.
pub const REFILLS_IN_FIRST_SECOND: u32 = 8;
/// Seconds after a recovery in which refills are limited.
pub const RAMP_SECONDS: u32 = 6;

/// The state of one dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    seed: u64,
    failures: u32,
    next_probe_at: Option<UnixMillis>,
    recovered_at: Option<UnixMillis>,
    ramp_second: u32,
    ramp_used: u32,
}

impl Breaker {
    /// A closed breaker whose waits derive from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether a read may be made at `now`. An open breaker grants the probe's lease here.
    pub fn admit(&mut self, now: UnixMillis) -> bool {
        match self.next_probe_at {
            None => true,
            // Further away than any wait: the clock has gone back, and the old lease would block
            // for as long.
            Some(at) if now >= at || at.since(now) > PROBE_MAX_MS => {
                self.next_probe_at = Some(now.plus(self.wait_ms()));
                true
            }
            Some(_) => false,
        }
    }

    /// Whether an optional read may be made at `now`: never as a probe, and after a recovery only a
    /// limited number each second.
    pub fn admit_refill(&mut self, now: UnixMillis) -> bool {
        if self.is_open() {
            return false;
        }
        let Some(mut recovered_at) = self.recovered_at else { return true };
        if recovered_at > now {
            // The clock has gone back: the ramp restarts.
            (recovered_at, self.ramp_used) = (now, 0);
            self.recovered_at = Some(now);
        }
        let second = u32::try_from(now.since(recovered_at).div_euclid(SECOND_MS)).unwrap_or(0);
        if second >= RAMP_SECONDS {
            self.recovered_at = None;
            return true;
        }
        if second != self.ramp_second {
            (self.ramp_second, self.ramp_used) = (second, 0);
        }
        let is_free = self.ramp_used < REFILLS_IN_FIRST_SECOND << second;
        self.ramp_used = self.ramp_used.saturating_add(u32::from(is_free));
        is_free
    }

    /// A read came back at `now`, whether or not it found a value.
    pub fn succeeded(&mut self, now: UnixMillis) {
        if self.next_probe_at.take().is_some() {
            (self.recovered_at, self.ramp_second, self.ramp_used) = (Some(now), 0, 0);
        }
        self.failures = 0;
    }

    /// A read failed or timed out at `now`.
    pub fn failed(&mut self, now: UnixMillis) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_TO_OPEN {
            self.next_probe_at = Some(now.plus(self.wait_ms()));
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

    fn wait_ms(&self) -> i64 {
        spread(self.seed ^ u64::from(self.failures), PROBE_MIN_MS, PROBE_MAX_MS)
    }
}

/// A number from `least` to `most`, derived from `seed` (the finisher of splitmix64).
pub fn spread(seed: u64, least: i64, most: i64) -> i64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let width = u64::try_from(most.saturating_sub(least)).unwrap_or(0).saturating_add(1);
    let within = (mixed ^ (mixed >> 31)).checked_rem(width).unwrap_or(0);
    least.saturating_add(i64::try_from(within).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opened(seed: u64, at: UnixMillis) -> Breaker {
        let mut breaker = Breaker::seeded(seed);
        for _ in 0..FAILURES_TO_OPEN {
            assert!(breaker.admit(at));
            breaker.failed(at);
        }
        assert!(breaker.is_open());
        breaker
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_at_a_time_and_a_lost_probe_blocks_nobody() {
        let start = UnixMillis(1_000_000);
        for seed in 0..200 {
            let mut breaker = opened(seed, start);
            assert!(!breaker.admit(start.plus(PROBE_MIN_MS - 1)));
            let probe = start.plus(PROBE_MAX_MS);
            assert!(breaker.admit(probe));
            assert!(!breaker.admit(probe.plus(1)), "the probe is out");
            assert!(breaker.admit(probe.plus(PROBE_MAX_MS)), "its lease ran out");
            breaker.succeeded(probe);
            assert!(!breaker.is_open());
            assert!(breaker.admit(probe) && breaker.admit(probe));
        }
    }

    #[test]
    fn failures_that_are_not_in_a_row_do_not_open_it() {
        let mut breaker = Breaker::default();
        for at in (0..100).map(UnixMillis) {
            breaker.failed(at);
            breaker.failed(at);
            assert!(!breaker.is_open());
            breaker.succeeded(at);
        }
    }

    #[test]
    fn isolates_do_not_probe_together() {
        let start = UnixMillis(0);
        let waits: std::collections::BTreeSet<i64> =
            (0..1_000).map(|seed| opened(seed, start).next_probe_at.map_or(0, |at| at.since(start))).collect();
        assert!(waits.len() > 500, "{} different waits", waits.len());
        assert!(waits.iter().all(|wait| (PROBE_MIN_MS..=PROBE_MAX_MS).contains(wait)));
    }

    #[test]
    fn what_can_wait_comes_back_in_growing_steps_and_never_as_a_probe() {
        let start = UnixMillis(5_000);
        let mut breaker = opened(1, start);
        assert!(!breaker.admit_refill(start.plus(PROBE_MAX_MS)), "a refill is no probe");
        let back = start.plus(PROBE_MAX_MS);
        assert!(breaker.admit(back));
        breaker.succeeded(back);
        for second in 0..RAMP_SECONDS {
            let now = back.plus(i64::from(second) * SECOND_MS);
            let admitted = (0..10_000).filter(|_| breaker.admit_refill(now)).count();
            assert_eq!(admitted, usize::try_from(REFILLS_IN_FIRST_SECOND << second).unwrap(), "second {second}");
        }
        let later = back.plus(i64::from(RAMP_SECONDS) * SECOND_MS);
        assert!((0..10_000).all(|_| breaker.admit_refill(later)));
    }

    #[test]
    fn a_clock_that_goes_back_keeps_no_breaker_open_and_no_refill_waiting() {
        let late = UnixMillis(100_000_000);
        let mut breaker = opened(7, late);
        let early = UnixMillis(1_000_000);
        assert!(breaker.admit(early), "the wait of an hour from now is none of this clock");
        assert!(!breaker.admit(early.plus(1)), "the probe is out");
        breaker.succeeded(late);
        for second in 0..RAMP_SECONDS {
            let now = early.plus(i64::from(second) * SECOND_MS);
            let admitted = (0..10_000).filter(|_| breaker.admit_refill(now)).count();
            assert_eq!(admitted, usize::try_from(REFILLS_IN_FIRST_SECOND << second).unwrap(), "second {second}");
        }
        assert!((0..100).all(|_| breaker.admit_refill(early.plus(10 * SECOND_MS))));
    }

    proptest! {
        /// For any requests and any clock, the reads that reach a dead dependency are bounded.
        #[test]
        fn a_dead_dependency_is_probed_a_bounded_number_of_times(seed: u64, steps in proptest::collection::vec(0_i64..500, 1..400)) {
            let mut breaker = Breaker::seeded(seed);
            let (start, mut now, mut asked) = (UnixMillis(0), UnixMillis(0), 0_i64);
            for step in steps {
                now = now.plus(step);
                if breaker.admit(now) {
                    asked += 1;
                    breaker.failed(now);
                }
                prop_assert!(!breaker.is_open() || !breaker.admit_refill(now));
            }
            prop_assert!(asked <= i64::from(FAILURES_TO_OPEN) + now.since(start) / PROBE_MIN_MS + 1);
        }
    }
}
