//! The `sinsang` command with cluster support, and the cluster's scheduler and executor.
//!
//! Only this file reads arguments, the environment and the clock.

mod address;
mod connection;
mod executor;
mod loss;
mod persistence;
mod readiness;
mod scheduler;
mod session;

use std::fmt::Display;
use std::net::IpAddr;
use std::process::ExitCode;

use ballista_core::config::TaskSchedulingPolicy;
use clap::{Args, CommandFactory as _, FromArgMatches};
use executor::Executor;
use log::LevelFilter;
use scheduler::Scheduler;
use sinsang_command::arguments::Arguments;
use sinsang_command::command::{self, Surroundings};
use sinsang_command::terminal;
use sinsang_run::machine::{now, user_key, variable};

/// Executors fetch tasks. If tasks are pushed instead, the scheduler of Ballista 55.0.0 never
/// regains the cores of cancelled ones, and later queries wait for ever
/// (<https://github.com/apache/datafusion-ballista/issues/2418>).
const SCHEDULING: TaskSchedulingPolicy = TaskSchedulingPolicy::PullStaged;

/// Stack of each server thread. Plans are read and optimised recursively, with some frames for each
/// level, and a scheduler that overflows its stack dies with all its queries: one plan of a dozen
/// windows and joins took more than the default of two megabytes.
const STACK_BYTES: usize = 16 << 20;

fn main() -> ExitCode {
    let command = Arguments::command()
        .name("sinsang-cluster")
        .subcommand(Scheduler::augment_args(clap::Command::new("scheduler")))
        .subcommand(Executor::augment_args(clap::Command::new("executor")));
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return terminal::end_of(&error),
    };
    match matches.subcommand() {
        Some(("scheduler", matches)) => {
            let scheduler: Scheduler = parsed(matches);
            serve(&scheduler.log, scheduler.serve())
        }
        Some(("executor", matches)) => {
            let executor: Executor = parsed(matches);
            serve(&executor.log, executor.work())
        }
        _ => command::run(
            &parsed(&matches),
            Surroundings { clock: now, user_key, variable, connect: Some(session::connect) },
        ),
    }
}

fn parsed<T: FromArgMatches>(matches: &clap::ArgMatches) -> T {
    T::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}

/// How much a server says on standard error.
#[derive(Debug, Args)]
struct Log {
    /// The log level: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value_t = LevelFilter::Info)]
    log: LevelFilter,
}

fn serve<E: Display>(log: &Log, server: impl Future<Output = Result<(), E>>) -> ExitCode {
    env_logger::Builder::new().filter_level(log.log).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(server).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&format!("sinsang-cluster: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// An address as written before a colon and a port.
fn url_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
