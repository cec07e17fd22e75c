//! The commands on a store: publish, share, rollback, status, collect, overlay and replay.

use std::process::ExitCode;

use sinsang_pipeline::read::forgotten::{self, Forgotten};
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{self, Bill, Error, Planned, Store};
use sinsang_run::replace::beside;

use super::overlay::of_overlay;
use super::replay::of_replay;
use super::{NOT_WHOLE, Outcome, complain, print};
use crate::arguments::{Arguments, Command};
use crate::metrics::Page;

/// Who runs the command.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    /// The environment's user.
    pub(super) user: Option<&'a str>,
    /// The name of this run in the store's lease and history.
    pub(super) holder: &'a str,
    /// The secret that users are hashed with; empty if unset.
    pub(super) user_key: &'a str,
}

/// Runs the command on `store`.
pub(super) fn on_store<S: Store>(arguments: &Arguments, store: &mut S, who: Who<'_>, page: &mut Page) -> Outcome {
    let Who { user, holder, user_key } = who;
    let (format, progress, now) = (arguments.format, arguments.progress(), store.now());
    match &arguments.command {
        Command::Publish(publish) => {
            let snapshot = Snapshot::at(&publish.snapshot);
            let options = publish.options(now, holder, progress)?;
            sinsang_publish::refuse_forgotten(&snapshot, store)?;
            if publish.dry_run {
                let plan = sinsang_publish::plan(&snapshot, store, &options)?;
                let code = if plan.refusal.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) };
                let bill = publish.target.place.remote.then(|| Bill::of(&plan, publish.uplink));
                print(format, &Planned { plan, bill })?;
                return Ok(code);
            }
            let forgotten = Forgotten::read_file(&beside(&publish.snapshot, forgotten::FILE))?;
            sinsang_publish::note_forgotten(store, forgotten.users(), snapshot.manifest()?.built_at(), (now, holder))?;
            let mut report = match sinsang_publish::publish(&snapshot, store, &options) {
                Err(error @ Error::Refused { .. }) => {
                    if let Error::Refused { refusal, .. } = &error {
                        page.refused(refusal);
                    }
                    complain(arguments, &error);
                    return Ok(ExitCode::from(NOT_WHOLE));
                }
                outcome => outcome?,
            };
            page.publish(&report);
            let builds = publish.builds.clone().unwrap_or_else(|| beside(&publish.snapshot, "builds.ndjson"));
            report.builds = sinsang_publish::publish_builds(&builds, store, now);
            report.bundle =
                publish.bundle.as_deref().map(|file| sinsang_publish::bundle(&snapshot, file)).transpose()?;
            print(format, &report)
        }
        Command::Share(asked) => match sinsang_publish::share(store, asked.percent, &asked.options(now, holder)?) {
            Err(error @ Error::Refused { .. }) => {
                complain(arguments, &error);
                Ok(ExitCode::from(NOT_WHOLE))
            }
            outcome => print(format, &outcome?),
        },
        Command::Rollback(rollback) => {
            print(format, &sinsang_publish::rollback(store, rollback.snapshot, now, holder)?)
        }
        Command::Collect(collect) => {
            let options = collect.options(now, holder, progress);
            let report = sinsang_publish::collect(store, &options)?;
            if !options.is_dry {
                page.collect(&report);
            }
            print(format, &report)
        }
        Command::Status(status) => {
            let report = sinsang_publish::status(store, now, status.depth())?;
            page.status(&report);
            print(format, &report)
        }
        Command::Replay(replay) => of_replay(replay, format, store, user_key),
        Command::Overlay(command) => of_overlay(command, arguments, store, user, holder),
        _ => Ok(ExitCode::SUCCESS),
    }
}
