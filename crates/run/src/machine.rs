//! The machine's clock and environment, read here for the commands' `main` and for nobody else: they hand both on.

use std::time::SystemTime;

use sinsang_core::time::UnixMillis;

/// The time.
#[expect(clippy::disallowed_methods, reason = "this is the one place where commands read the clock")]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The environment's variable `name`, where it is set and a text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The secret that users are hashed with; empty where there is none.
pub fn user_key() -> String {
    variable("SINSANG_USER_KEY").unwrap_or_default()
}
