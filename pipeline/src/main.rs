//! The `sinsang` command: arguments, the environment and the clock are read here only.

mod arguments;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use serde::Serialize;
use sinsang::time::UnixMillis;
use sinsang_pipeline::identity::Policy;
use sinsang_pipeline::import::retail;
use sinsang_pipeline::publish::LocalKv;
use sinsang_pipeline::snapshot::Snapshot;
use sinsang_pipeline::{build, evaluate, generate, inspect, publish, verify};

use arguments::{Arguments, Command, Evaluate, Format, Import};

/// Something is wrong with what was asked or given.
const FAILED: u8 = 1;
/// The command ran, and what it checked does not hold.
const NOT_WHOLE: u8 = 3;

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            match arguments.format {
                Format::Text => eprintln!("sinsang: {error}"),
                Format::Json => eprintln!("{}", serde_json::json!({ "error": error.to_string() })),
            }
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> Outcome {
    let format = arguments.format;
    let progress = arguments.progress();
    match &arguments.command {
        Command::Generate(generate) => {
            print(format, &generate::generate(&generate.options(clock(), arguments.bar("days")))?)
        }
        Command::Import(Import::OnlineRetail(import)) => {
            print(format, &retail::online_retail(&import.options(arguments.bar("rows")))?)
        }
        Command::Build(build) => {
            let key = std::env::var("SINSANG_USER_KEY").unwrap_or_default();
            let options = build.options(key, progress);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            print(format, &runtime.block_on(build::build(&options, build.now.unwrap_or_else(clock)))?)
        }
        Command::Publish(publish) => {
            let mut store = LocalKv::open(&publish.project, &publish.local)?;
            print(format, &publish::publish(&Snapshot::at(&publish.snapshot), &mut store, progress)?)
        }
        Command::Inspect(inspect) => {
            let snapshot = Snapshot::at(&inspect.snapshot);
            let key = || std::env::var("SINSANG_USER_KEY").unwrap_or_default();
            let value = match (&inspect.product, &inspect.user) {
                (Some(id), _) => inspect::product(&snapshot, id)?,
                (None, Some(user)) => inspect::user(&snapshot, user, &key())?,
                (None, None) => inspect::snapshot(&snapshot)?,
            };
            say(&match format {
                Format::Text => inspect::readable(&value),
                Format::Json => format!("{value:#}"),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Evaluate(Evaluate::Identity { file }) => {
            print(format, &evaluate::identity::identity(file, &Policy::default())?)
        }
        Command::Evaluate(Evaluate::Ranking(ranking)) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            print(format, &runtime.block_on(evaluate::ranking::ranking(&ranking.options(progress)))?)
        }
        Command::Verify(verify) => {
            let report = verify::verify(&Snapshot::at(&verify.snapshot))?;
            print(format, &report)?;
            Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
        }
    }
}

fn print(format: Format, report: &(impl Serialize + std::fmt::Display)) -> Outcome {
    say(&match format {
        Format::Text => report.to_string().trim_end().to_owned(),
        Format::Json => serde_json::to_string_pretty(report)?,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. Whoever stopped reading, as `head` does, has read enough.
fn say(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the command reads the clock")]
fn clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
