//! The machine's clock and environment, read only by the commands' `main`, which passes both on.

use std::time::SystemTime;

use sinsang_core::time::UnixMillis;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the one place where commands read the clock")]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The environment variable `name`, if it is set to valid Unicode.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The secret with which users are hashed; empty if unset.
pub fn user_key() -> String {
    variable("SINSANG_USER_KEY").unwrap_or_default()
}
