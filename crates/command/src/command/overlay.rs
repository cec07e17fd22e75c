//! `sinsang overlay` on a store.

use std::process::ExitCode;

use sinsang_core::scatter::scatter;
use sinsang_publish::Store;
use sinsang_publish::overlay::{self, PutOptions};
use sinsang_run::replace::{Access, replace};

use super::{NOT_WHOLE, Outcome, print};
use crate::arguments::{Arguments, Author, OverlayCommand};

/// Runs the command on `store`; `user` is the environment's, and `holder` names this run in the
/// store's lease.
pub(super) fn of_overlay<S: Store>(
    command: &OverlayCommand,
    arguments: &Arguments,
    store: &mut S,
    user: Option<&str>,
    holder: &str,
) -> Outcome {
    let format = arguments.format;
    let by =
        |author: &Author| author.by.clone().or_else(|| user.map(str::to_owned)).unwrap_or_else(|| holder.to_owned());
    let is_whole = match command {
        OverlayCommand::Put(put) => {
            let now = store.now();
            let options = PutOptions {
                by: &by(&put.author),
                holder,
                defaults: put.defaults(),
                is_dry: put.dry_run,
                is_all_or_nothing: put.all_or_nothing,
                nonce: scatter(now.0.cast_unsigned(), std::process::id().into()),
            };
            let report = overlay::put(store, &put.lines()?, &options)?;
            print(format, &report)?;
            report.refused.is_empty()
        }
        OverlayCommand::List(_) => {
            let report = overlay::list(store, false)?;
            print(format, &report)?;
            report.damage.is_none()
        }
        OverlayCommand::Remove(remove) => {
            let report = overlay::remove(store, &remove.ids, &remove.why, (&by(&remove.author), holder))?;
            print(format, &report)?;
            report.unknown.is_empty()
        }
        OverlayCommand::History(history) => {
            if let Some(file) = &history.output {
                replace(file, overlay::log_of(store)?.to_text().as_bytes(), Access::Everybody)?;
            }
            let report = overlay::list(store, true)?;
            print(format, &report)?;
            report.damage.is_none()
        }
    };
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
}
