//! `sinsang replay` on a store.

use std::process::ExitCode;

use sinsang_publish::Store;
use sinsang_replay::Report;

use super::{Outcome, print};
use crate::arguments::{Format, Replay};
use crate::terminal;

/// Replays the answer: its body alone to standard output, or all about it.
pub(super) fn of_replay<S: Store>(replay: &Replay, format: Format, store: &mut S, user_key: &str) -> Outcome {
    let report = sinsang_replay::replay(store, &replay.question(user_key)?)?;
    if replay.explain || format == Format::Json {
        return print(format, &report);
    }
    let Report { status, body, possible, has_etag, also, .. } = &report;
    terminal::pass(body)?;
    // Standard output has the body and nothing else.
    if *status != 200 {
        tracing::warn!(target: "sinsang::command", status, "the edge refused this request");
    } else if has_etag.is_none() && possible.is_uncertain() {
        tracing::warn!(target: "sinsang::command", %possible, "an isolate may have used other values then: --etag decides");
    } else if !also.is_empty() {
        tracing::warn!(target: "sinsang::command", ?also, "other revisions of the overlay give this ETag and another next_cursor");
    }
    Ok(ExitCode::SUCCESS)
}
