//! Runs the commands. The `main` of each binary passes in the clock and the environment.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_demo::generate;
use sinsang_demo::import::retail;
use sinsang_event_import::{Objects, Table, ingest_kafka, ingest_objects};
use sinsang_identity::train::Labels;
use sinsang_pipeline::build;
use sinsang_pipeline::engine::Connect;
use sinsang_pipeline::ledger::{self, Extent, Ledger};
use sinsang_pipeline::read::forgotten::{self, Subject};
use sinsang_pipeline::read::history::{self, History};
use sinsang_pipeline::read::rekey::{self, Renamed};
use sinsang_pipeline::read::rules::Rules;
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{Address, LocalKv, PriceList, RemoteKv};
use sinsang_run::clock::Clock;
use sinsang_run::file::{SETTINGS_BYTES, read_text};
use sinsang_run::progress::Progress;
use sinsang_run::replace::beside;
use sinsang_tables::doctor::Verdict;
use sinsang_tables::reject::RejectsFile;
use tracing::field::Empty;

use crate::arguments::{
    Arguments, Collect, Command, ExperimentCommand, ExperimentPlan, ExperimentReport, Forget, Format, IdentityCommand,
    Import, IngestCommand, IngestKafka, IngestObjects, Judging, LedgerCommand, Publish, Replay, Review, Rollback,
    RulesCommand, Share, Status, Target, Train, Why,
};
use crate::forget::{self, copies};
use crate::metrics::Page;
use crate::telemetry::{LogFormat, Telemetry};
use crate::terminal::{self, Printable};
use crate::{audit, check, inspect, resolve, review, token, train, verify, why};

/// Exit code: the command failed.
const FAILED: u8 = 1;
/// Exit code: the command ran, and its check failed.
const NOT_WHOLE: u8 = 3;

mod compare;
mod evaluate;
mod overlay;
mod replay;
mod rules;
mod store;

use compare::of_compare;
use evaluate::of_evaluate;
use rules::{check_rules, of_rules};
use store::{Who, on_store};

/// The user-hashing secret before or after the current one, during a key change.
const USER_KEY_OTHER: &str = "SINSANG_USER_KEY_OTHER";

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// The clock, the environment and the cluster client that commands use.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The machine's clock.
    pub clock: fn() -> UnixMillis,
    /// The secret that users are hashed with; empty if unset.
    pub user_key: fn() -> String,
    /// Reads an environment variable.
    pub variable: fn(&str) -> Option<String>,
    /// Connects to a cluster; `None` in a binary without a cluster client.
    pub connect: Option<Connect>,
}

/// Runs the command and reports failures on standard error.
pub fn run(arguments: &Arguments, surroundings: Surroundings) -> ExitCode {
    let Surroundings { clock, variable, .. } = surroundings;
    let telemetry = match Telemetry::begin(arguments.log_format, clock, variable) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            // The log is not set up yet.
            terminal::complain(&format!("sinsang: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = tell(arguments, surroundings, &telemetry);
    telemetry.end();
    code
}

/// Performs the command within a span and writes its metrics.
fn tell(arguments: &Arguments, surroundings: Surroundings, telemetry: &Telemetry) -> ExitCode {
    let name = arguments.command.name();
    let span = tracing::info_span!(
        target: "sinsang::command",
        "command",
        name,
        otel.name = format!("sinsang {name}"),
        otel.status_code = Empty,
        otel.status_description = Empty,
    );
    let begun = (surroundings.clock)();
    let mut page = Page::default();
    match span.in_scope(|| perform(arguments, surroundings, &mut page)) {
        Ok(code) => {
            drop(span);
            if let Some(path) = &arguments.metrics {
                let is_success = code == ExitCode::SUCCESS;
                page.command(name, begun, (surroundings.clock)(), &telemetry.stages(), is_success);
                // The command's work stands: an alert covers runs without metrics.
                if let Err(error) = page.write(path) {
                    complain(arguments, &error);
                }
            }
            code
        }
        Err(error) => {
            span.record("otel.status_code", "ERROR").record("otel.status_description", error.to_string());
            complain(arguments, &*error);
            ExitCode::from(FAILED)
        }
    }
}

/// Reports an error on standard error, in the requested format.
fn complain(arguments: &Arguments, error: &dyn std::error::Error) {
    let command = arguments.command.name();
    match (arguments.log_format, arguments.format) {
        (LogFormat::Json, _) => tracing::error!(target: "sinsang::command", command, %error, "failed"),
        (LogFormat::Text, Format::Text) => terminal::complain(&format!("sinsang: {error}")),
        (LogFormat::Text, Format::Json) => {
            terminal::complain(&serde_json::json!({ "error": error.to_string() }).to_string());
        }
    }
}

fn perform(arguments: &Arguments, surroundings: Surroundings, page: &mut Page) -> Outcome {
    let Surroundings { clock, user_key, variable, connect } = surroundings;
    let format = arguments.format;
    let progress = arguments.progress();
    match &arguments.command {
        Command::Generate(generate) => {
            print(format, &generate::generate(&generate.options(clock(), arguments.bar("days")))?)
        }
        Command::Import(Import::OnlineRetail(import)) => {
            print(format, &retail::online_retail(&import.options(arguments.bar("rows")))?)
        }
        Command::Check(asked) => {
            let report = check::check(&asked.options(progress), asked.now.unwrap_or_else(clock))?;
            print(format, &report)?;
            Ok(told(report.verdict))
        }
        Command::Build(build) => {
            let now = build.now.unwrap_or_else(clock);
            let options = build.options(user_key(), progress, connect, now)?;
            let report = runtime()?.block_on(build::build(&options, now))?;
            page.build(&report);
            print(format, &report)
        }
        Command::Resolve(resolve) => {
            let rejects = resolve.rejects.clone().unwrap_or_else(|| beside(&resolve.output, "rejects.ndjson"));
            let judging = &resolve.judging;
            let Some(ledger) = &resolve.ledger else {
                let (history, rules, now) = read(judging, Some(rejects), progress, surroundings)?;
                let report = resolve::resolve(&history, &rules.judging(), &resolve.output, resolve.explain, now)?;
                return print(format, &report);
            };
            let (now, rules) = (judging.reading.now.unwrap_or_else(clock), judging.rules()?);
            let history = judging.reading.options(Some(rejects), progress, connect, now)?;
            let options = ledger::Options { ledger: ledger.clone(), history };
            let (history, run) = runtime()?.block_on(ledger::read(&options, now))?;
            let mut report = resolve::resolve(&history, &rules.judging(), &resolve.output, resolve.explain, now)?;
            report.ledger = Some(run.append(now)?);
            print(format, &report)
        }
        Command::Review(asked) => of_review(asked, format, progress, surroundings),
        Command::Why(why) => of_why(why, format, progress, surroundings),
        Command::Audit(audit) => {
            let (history, rules, _) = read(&audit.judging, None, progress, surroundings)?;
            print(format, &audit::audit(&history, &rules.judging(), audit.rows))
        }
        Command::Bundle(bundle) => {
            print(format, &sinsang_publish::bundle(&Snapshot::at(&bundle.snapshot), &bundle.output)?)
        }
        Command::Token(asked) => print(format, &token::sign(asked, variable, clock())?),
        Command::Compare(compare) => of_compare(compare, arguments, surroundings),
        Command::Publish(Publish { target, .. })
        | Command::Share(Share { target, .. })
        | Command::Rollback(Rollback { target, .. })
        | Command::Status(Status { target, .. })
        | Command::Collect(Collect { target, .. })
        | Command::Replay(Replay { target, .. }) => of_store(target, arguments, surroundings, page),
        Command::Overlay(command) => of_store(command.target(), arguments, surroundings, page),
        Command::Ingest(command) => of_ingest(command, format, surroundings, page),
        Command::Experiment(ExperimentCommand::Report(asked)) => of_experiment(asked, format, page),
        Command::Experiment(ExperimentCommand::Plan(asked)) => of_plan(asked, format),
        Command::Cost(cost) => {
            let prices = prices(cost.prices.as_deref())?;
            let cpu_us = cost.cpu.unwrap_or(prices.assumptions.cpu_us);
            let sizes = sinsang_publish::Sizes::of(&Snapshot::at(&cost.snapshot), cpu_us)?;
            print(format, &sinsang_publish::cost(cost.usage(), sizes, &prices))
        }
        Command::Inspect(inspect) => {
            let snapshot = Snapshot::at(&inspect.snapshot);
            let value = match (&inspect.product, &inspect.user) {
                (Some(id), _) => inspect::product(&snapshot, id)?,
                (None, Some(user)) => inspect::user(&snapshot, user, &user_key())?,
                (None, None) => inspect::snapshot(&snapshot)?,
            };
            terminal::say(&match format {
                Format::Text => inspect::readable(&value),
                Format::Json => format!("{value:#}"),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Evaluate(command) => of_evaluate(command, format, progress, surroundings),
        Command::Identity(IdentityCommand::Train(asked)) => of_train(asked, format, progress, surroundings),
        Command::Verify(verify) => {
            let report = verify::verify(&Snapshot::at(&verify.snapshot), clock())?;
            print(format, &report)?;
            Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
        }
        Command::Rules(RulesCommand::Check(asked)) => check_rules(asked, arguments, surroundings),
        Command::Rules(RulesCommand::Report(asked)) => of_rules(asked, format),
        Command::Rekey(asked) => {
            let other = variable(USER_KEY_OTHER).unwrap_or_default();
            print(format, &rekey::rekey(&asked.users, &asked.input, [&user_key(), &other])?)
        }
        Command::Forget(asked) => of_forget(asked, format, surroundings),
        Command::Ledger(command) => of_ledger(command, arguments, surroundings),
    }
}

/// The exit code for a check's verdict.
fn told(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Well => ExitCode::SUCCESS,
        Verdict::Wrong => ExitCode::from(NOT_WHOLE),
        Verdict::Refused => ExitCode::from(FAILED),
    }
}

/// Prints an experiment's report and writes its plot, if requested.
fn of_experiment(asked: &ExperimentReport, format: Format, page: &mut Page) -> Outcome {
    let (viewers, intake) = sinsang_experiment::exposure::read(&asked.events, &asked.experiment, asked.before)?;
    if let Some(nothing) = intake.nothing(&asked.experiment) {
        return Err(nothing.into());
    }
    let report = sinsang_experiment::report(&viewers, intake, &asked.settings()?);
    page.experiment(&report);
    if let Some(path) = &asked.plot {
        let svg = sinsang_experiment::plot::svg(&report);
        std::fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print(format, &report)?;
    let is_bad = report.is_ratio_broken || report.is_guardrail_broken;
    Ok(if is_bad { ExitCode::from(NOT_WHOLE) } else { ExitCode::SUCCESS })
}

fn of_plan(asked: &ExperimentPlan, format: Format) -> Outcome {
    let past = sinsang_experiment::past::read(&asked.events)?;
    print(format, &sinsang_experiment::plan(&past, &asked.settings()?)?)?;
    Ok(ExitCode::SUCCESS)
}

fn prices(file: Option<&Path>) -> Result<PriceList, Box<dyn std::error::Error>> {
    let text = match file {
        Some(path) => read_text(path, SETTINGS_BYTES).map_err(|error| format!("{}: {error}", path.display()))?,
        None => sinsang_publish::DEFAULT_PRICES.to_owned(),
    };
    Ok(PriceList::parse(&text)?)
}

/// Ingests events. Input without a single event is not a success, because nobody would notice
/// before a build without events.
fn of_ingest(command: &IngestCommand, format: Format, surroundings: Surroundings, page: &mut Page) -> Outcome {
    let (IngestCommand::Objects(IngestObjects { into, .. }) | IngestCommand::Kafka(IngestKafka { into, .. })) = command;
    let now = (surroundings.clock)();
    let mut table = Table::open(&into.folder)?.without(copies::left_out(&into.folder)?);
    let mut rejects = RejectsFile::kept(into.rejects(), now);
    let mut report = match command {
        IngestCommand::Objects(asked) => {
            let objects = Objects::new(&asked.source, asked.lookback, surroundings.variable)?;
            let objects = objects.bounded(asked.object_mib << 20);
            let run = ingest_objects(&objects, &mut table, &mut rejects, now);
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run)?
        }
        IngestCommand::Kafka(asked) => ingest_kafka(&asked.kafka(), &mut table, &mut rejects)?,
    };
    if let Some(oldest) = into.oldest(now) {
        report.expired = table.expire(oldest)?;
        rejects.expire(oldest)?;
    }
    page.ingest(&report);
    print(format, &report)?;
    Ok(if report.is_useless() { ExitCode::from(NOT_WHOLE) } else { ExitCode::SUCCESS })
}

/// Forgets viewers and reports what was found of them. The list and the stores come first, because
/// they take effect at once. A copy that can't be searched does not stop the search of the others.
fn of_forget(asked: &Forget, format: Format, surroundings: Surroundings) -> Outcome {
    let Surroundings { clock, user_key, variable, .. } = surroundings;
    let hashers = forgotten::hashers(&user_key(), variable(USER_KEY_OTHER).as_deref())?;
    let renamed = Renamed::read(&asked.input)?;
    let subjects: Vec<Subject> =
        asked.subjects(&hashers)?.into_iter().map(|subject| subject.by_all_names(&renamed)).collect();
    let added = forgotten::add(&asked.input, &subjects, asked.dry_run)?;
    let mut report = forget::Report::new(added, &subjects, asked.dry_run);
    let mut search = copies::Search::new(&subjects, asked.dry_run);
    let (holder, clock) = (holder(variable), Clock::of_machine(clock));
    if let Some(folder) = &asked.local {
        match LocalKv::open(&asked.project, folder, clock) {
            Ok(mut store) => {
                let outcome = search.store(&mut store, &holder);
                search.note(outcome);
            }
            Err(error) => search.note(Err(error)),
        }
    }
    if asked.remote {
        match Address::from_variables(variable) {
            Ok(address) => {
                let outcome = search.store(&mut RemoteKv::new(address, 1, clock), &holder);
                search.note(outcome);
            }
            Err(error) => search.note(Err(error)),
        }
    }
    search.tables(&asked.input);
    asked.rejects.iter().for_each(|file| search.rejects(file));
    asked.viewers.iter().for_each(|file| search.viewers(file));
    for source in &asked.objects {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome = runtime.block_on(search.objects(source, variable));
        search.note(outcome);
    }
    for folder in &asked.snapshots {
        let outcome = search.snapshot(folder);
        search.note(outcome);
    }
    search.tell(&mut report);
    print(format, &report)?;
    let problems = report.problems.len();
    if problems == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!(
        "{problems} copies could not be searched and may still have the viewers' rows:\n  {}",
        report.problems.join("\n  ")
    )
    .into())
}

/// The name of this run in a store's lease and history.
fn holder(variable: fn(&str) -> Option<String>) -> String {
    let host = variable("HOSTNAME").map_or_else(String::new, |host| format!(" on {host}"));
    format!("process {}{host}", std::process::id())
}

/// Runs a command on the store at `target`.
fn of_store(target: &Target, arguments: &Arguments, surroundings: Surroundings, page: &mut Page) -> Outcome {
    let Surroundings { clock, variable, user_key, .. } = surroundings;
    let (user, user_key) = (variable("USER"), user_key());
    let who = Who { user: user.as_deref(), holder: &holder(variable), user_key: &user_key };
    let clock = Clock::of_machine(clock);
    if let Some(folder) = &target.place.local {
        let mut store = LocalKv::open(&target.project, folder, clock)?;
        return on_store(arguments, &mut store, who, page);
    }
    let address = Address::from_variables(variable)?;
    let mut store = RemoteKv::new(address, target.connections.into(), clock);
    on_store(arguments, &mut store, who, page)
}

fn of_ledger(command: &LedgerCommand, arguments: &Arguments, surroundings: Surroundings) -> Outcome {
    let Surroundings { clock, connect, .. } = surroundings;
    let format = arguments.format;
    match command {
        LedgerCommand::Update(update) => {
            let now = update.reading.now.unwrap_or_else(clock);
            let options = update.options(arguments.progress(), connect, now)?;
            print(format, &runtime()?.block_on(ledger::update(&options, now))?)
        }
        LedgerCommand::Stats { folder } => print(format, &Ledger::open(folder)?.stats()),
        LedgerCommand::Compact { folder, all } => {
            let extent = if *all { Extent::All } else { Extent::Late };
            let now = clock();
            print(format, &ledger::compact(&mut Ledger::lock(folder, now)?, extent, now, &|_| Ok(()))?)
        }
        LedgerCommand::Check { folder } => {
            let report = ledger::check(folder)?;
            print(format, &report)?;
            Ok(if report.problem_count == 0 { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Fits a matcher to labels.
fn of_train(asked: &Train, format: Format, progress: Progress, surroundings: Surroundings) -> Outcome {
    let now = asked.reading.now.unwrap_or_else(surroundings.clock);
    let options = asked.reading.options(None, progress, surroundings.connect, now)?;
    let tables = runtime()?.block_on(history::tables(&options, now))?;
    let (pairs, verdicts) = (asked.pairs.clone(), asked.verdicts.clone());
    let labels = Labels { pairs, verdicts, titles: asked.titles.clone() };
    print(format, &train::train(&tables, &options.policy, &labels, &asked.output)?)
}

/// Asks a person about uncertain decisions, or prints the questions.
fn of_review(asked: &Review, format: Format, progress: Progress, surroundings: Surroundings) -> Outcome {
    let (judging, now) = (&asked.judging, asked.judging.reading.now.unwrap_or_else(surroundings.clock));
    let rules = judging.rules()?;
    let who = asked.who.as_deref().filter(|_| !asked.list && format == Format::Text);
    let desk = who.map(|who| review::Desk::begin(asked.file(), who, now)).transpose()?;
    let options = judging.reading.options(None, progress, surroundings.connect, now)?;
    let history = match &asked.ledger {
        Some(ledger) => {
            let options = ledger::Options { ledger: ledger.clone(), history: options };
            runtime()?.block_on(ledger::look(&options, now))?
        }
        None => runtime()?.block_on(history::read(&options, now))?,
    };
    let range = review::Range { now, days: asked.days.unwrap_or(rules.window.ahead_days), most: asked.most };
    let questions = review::questions(&history, &rules.judging(), range);
    let Some(desk) = desk else { return print(format, &questions) };
    let outcome = desk.ask(&questions, &mut io::stdin().lock(), &mut Printable(io::stdout()))?;
    print(format, &outcome)
}

/// Prints listings' stories, or their places for a viewer.
fn of_why(why: &Why, format: Format, progress: Progress, surroundings: Surroundings) -> Outcome {
    if let Some(viewer) = &why.viewer {
        let at = why.at.or(why.judging.reading.now).unwrap_or_else(surroundings.clock);
        let key = (surroundings.user_key)();
        let question = why::Question { viewer, user_key: &key, surface: why.surface, at };
        let snapshot = Snapshot::at(&why.judging.reading.input);
        return print(format, &why::places(&snapshot, &question, &why.listings)?);
    }
    let (history, rules, now) = read(&why.judging, None, progress, surroundings)?;
    print(format, &why::why(&history, &rules.judging(), &why.listings, now)?)
}

/// Reads the history and the rules, and decides the time to judge at.
fn read(
    judging: &Judging,
    rejects: Option<PathBuf>,
    progress: Progress,
    surroundings: Surroundings,
) -> Result<(History, Rules, UnixMillis), Box<dyn std::error::Error>> {
    let now = judging.reading.now.unwrap_or_else(surroundings.clock);
    let rules = judging.rules()?;
    let options = judging.reading.options(rejects, progress, surroundings.connect, now)?;
    let history = runtime()?.block_on(history::read(&options, now))?;
    Ok((history, rules, now))
}

fn print(format: Format, report: &(impl Serialize + std::fmt::Display)) -> Outcome {
    terminal::say(&match format {
        Format::Text => report.to_string().trim_end().to_owned(),
        Format::Json => serde_json::to_string_pretty(report)?,
    })?;
    Ok(ExitCode::SUCCESS)
}
