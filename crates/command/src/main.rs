//! The `sinsang` command: arguments, the environment and the clock are read here only.

use std::process::ExitCode;
use std::time::SystemTime;

use sinsang_command::arguments::Arguments;
use sinsang_command::command::{self, Surroundings};
use sinsang_core::time::UnixMillis;

fn main() -> ExitCode {
    match Arguments::of_process() {
        Ok(arguments) => command::run(&arguments, Surroundings { clock, user_key, variable, connect: None }),
        Err(code) => code,
    }
}

fn user_key() -> String {
    std::env::var("SINSANG_USER_KEY").unwrap_or_default()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the command reads the clock")]
fn clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
