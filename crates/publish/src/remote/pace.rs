//! The rate limiter for Cloudflare's API, shared by all processes of this machine.
//!
//! Cloudflare takes 1,200 calls per user in five minutes. The bucket is two times in a file that
//! each call locks: the time up to which earlier calls have used the rate (GCRA's theoretical
//! arrival time), and the time before which a `Retry-After` forbids calls. A call reserves its slot
//! under the lock, then waits for it without the lock.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sinsang_core::time::MINUTE_MS;
use sinsang_run::clock::Clock;
use sinsang_run::file::open_own;

/// Burst size, in calls. With [`PACE`], no five minutes have more than 1,100 calls; the rest is
/// left to other programs of the account.
const BURST: i64 = 500;
/// Time per call at the sustained rate.
pub(crate) const PACE: Duration = Duration::from_millis(500);
const PACE_MS: i64 = 500;
/// A time further ahead than this is not a reservation: the file is damaged, or the clock went
/// back.
const MAX_AHEAD_MS: i64 = 30 * MINUTE_MS;

/// The shared token bucket.
#[derive(Debug)]
pub(super) struct Pace {
    clock: Clock,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Shared by every process that opens the same file.
    Shared(Mutex<File>),
    /// Private to this process.
    Own(Mutex<Bucket>),
}

/// Times in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used_until: i64,
    held_until: i64,
}

impl Bucket {
    /// The bucket without implausible times.
    fn believed(self, now: i64) -> Self {
        let believed = |time: i64| if time.saturating_sub(now) > MAX_AHEAD_MS { 0 } else { time };
        Self { used_until: believed(self.used_until), held_until: believed(self.held_until) }
    }

    /// Parses the file's text; missing or malformed times are 0.
    fn parse(text: &str) -> Self {
        let mut times = text.split_whitespace().map_while(|time| time.parse().ok());
        Self { used_until: times.next().unwrap_or(0), held_until: times.next().unwrap_or(0) }
    }
}

impl Pace {
    /// The bucket in the file at `path`, which is created if missing. If it can't be opened, this
    /// process limits only itself, and logs a warning.
    pub(super) fn shared(path: &Path, clock: Clock) -> Self {
        match open_own(path) {
            Ok(file) => Self { clock, place: Place::Shared(Mutex::new(file)) },
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "can't share the call rate limit with other processes");
                Self::own(clock)
            }
        }
    }

    /// A bucket private to this value.
    pub(super) fn own(clock: Clock) -> Self {
        Self { clock, place: Place::Own(Mutex::new(Bucket::default())) }
    }

    /// Waits until the rate allows one more call.
    pub(super) fn wait(&self) {
        let now = self.clock.now().0;
        let bucket = self.change(|bucket| {
            let bucket = bucket.believed(now);
            Bucket { used_until: bucket.used_until.max(now) + PACE_MS, ..bucket }
        });
        let wait = (bucket.used_until - BURST * PACE_MS).max(bucket.held_until) - now;
        if let Some(wait) = u64::try_from(wait).ok().filter(|wait| *wait > 0) {
            self.clock.sleep(Duration::from_millis(wait));
        }
    }

    /// Stops all processes from starting calls for `wait`, as a `Retry-After` asks.
    pub(super) fn hold(&self, wait: Duration) {
        let now = self.clock.now().0;
        let held = now + i64::try_from(wait.as_millis()).unwrap_or(MAX_AHEAD_MS);
        self.change(|bucket| {
            let bucket = bucket.believed(now);
            Bucket { held_until: bucket.held_until.max(held), ..bucket }
        });
    }

    /// Replaces the bucket with `next` of it, and returns the new one.
    fn change(&self, next: impl Fn(Bucket) -> Bucket) -> Bucket {
        match &self.place {
            Place::Own(bucket) => {
                let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                *bucket = next(*bucket);
                *bucket
            }
            Place::Shared(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                change_file(&mut file, &next).unwrap_or_else(|error| {
                    tracing::warn!(%error, "can't update the shared call rate limit");
                    next(Bucket::default())
                })
            }
        }
    }
}

fn change_file(file: &mut File, next: &impl Fn(Bucket) -> Bucket) -> io::Result<Bucket> {
    file.lock()?;
    let outcome = (|| {
        let mut text = String::new();
        file.rewind()?;
        // A file with other content counts as an empty bucket.
        let _ = file.read_to_string(&mut text);
        let bucket = next(Bucket::parse(&text));
        file.rewind()?;
        file.set_len(0)?;
        writeln!(file, "{} {}", bucket.used_until, bucket.held_until)?;
        Ok(bucket)
    })();
    // If unlocking fails, the lock ends with the process.
    let _ = file.unlock();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    use sinsang_core::time::UnixMillis;

    thread_local! {
        static NOW: Cell<i64> = const { Cell::new(1_795_305_600_000) };
    }

    fn clock() -> Clock {
        Clock::simulated(
            || UnixMillis(NOW.get()),
            |duration| NOW.set(NOW.get() + i64::try_from(duration.as_millis()).unwrap()),
        )
    }

    #[test]
    fn all_who_share_a_file_together_stay_below_what_five_minutes_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let mut calls = Vec::new();
        let two = [Pace::shared(&path, clock()), Pace::shared(&path, clock())];
        for turn in 0..4_000 {
            two[turn % 2].wait();
            calls.push(NOW.get());
        }
        let most = calls.iter().map(|end| calls.iter().filter(|at| (end - 300_000..=*end).contains(at)).count()).max();
        assert!((1_050..=1_101).contains(&most.unwrap()), "{most:?} in five minutes");
        // A third process that starts later sees the calls of the others.
        let before = NOW.get();
        Pace::shared(&path, clock()).wait();
        assert!(NOW.get() > before);
    }

    #[test]
    fn a_retry_after_holds_all_who_share_the_file_and_a_file_that_lies_holds_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let (one, other) = (Pace::shared(&path, clock()), Pace::shared(&path, clock()));
        let begun = NOW.get();
        one.hold(Duration::from_mins(5));
        other.wait();
        assert!((300_000..301_000).contains(&(NOW.get() - begun)), "{}", NOW.get() - begun);
        // The rest of the burst is still available.
        let after = NOW.get();
        (0..400).for_each(|_| other.wait());
        assert_eq!(NOW.get(), after);
        std::fs::write(&path, "9999999999999999 9999999999999999").unwrap();
        let begun = NOW.get();
        other.wait();
        std::fs::write(&path, "no number").unwrap();
        other.wait();
        assert_eq!(NOW.get(), begun);
        assert!(matches!(Pace::shared(folder.path(), clock()).place, Place::Own(_)));
    }
}
