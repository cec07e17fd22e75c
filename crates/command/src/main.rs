//! The `sinsang` binary: only this file reads arguments, the environment and the clock.

use std::process::ExitCode;

use sinsang_command::arguments::Arguments;
use sinsang_command::command::{self, Surroundings};
use sinsang_run::machine::{now, user_key, variable};

fn main() -> ExitCode {
    match Arguments::of_process() {
        Ok(arguments) => command::run(&arguments, Surroundings { clock: now, user_key, variable, connect: None }),
        Err(code) => code,
    }
}
