//! The time and a way to wait, both passed in so that a test can go through a day in a second.

use std::thread;
use std::time::Duration;

use sinsang_core::time::UnixMillis;

/// The machine's clock, or a simulated one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: fn() -> UnixMillis,
    sleep: fn(Duration),
}

impl Clock {
    /// The machine's clock, read by `now`; waiting blocks the thread.
    pub fn of_machine(now: fn() -> UnixMillis) -> Self {
        Self { now, sleep: thread::sleep }
    }

    /// A clock that only `sleep` moves.
    pub fn simulated(now: fn() -> UnixMillis, sleep: fn(Duration)) -> Self {
        Self { now, sleep }
    }

    /// The current time.
    pub fn now(self) -> UnixMillis {
        (self.now)()
    }

    /// Waits for `duration`.
    pub fn sleep(self, duration: Duration) {
        (self.sleep)(duration);
    }
}
