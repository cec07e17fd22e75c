//! The time, and how to wait for a later one: both are handed in, so that a test can go through a day in a second.

use std::thread;
use std::time::Duration;

use sinsang_core::time::UnixMillis;

/// A clock of this machine, or a simulated one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: fn() -> UnixMillis,
    sleep: fn(Duration),
}

impl Clock {
    /// The machine's clock, which `now` reads; waiting blocks the thread.
    pub fn of_machine(now: fn() -> UnixMillis) -> Self {
        Self { now, sleep: thread::sleep }
    }

    /// A clock that only moves where `sleep` moves it.
    pub fn simulated(now: fn() -> UnixMillis, sleep: fn(Duration)) -> Self {
        Self { now, sleep }
    }

    /// The time.
    pub fn now(self) -> UnixMillis {
        (self.now)()
    }

    /// Waits for so long.
    pub fn sleep(self, duration: Duration) {
        (self.sleep)(duration);
    }
}
