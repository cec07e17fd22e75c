//! Trials: a snapshot is shown to a share of viewers beside the live one before it is everybody's.
//!
//! The live manifest names the snapshot on trial and its share, so an edge learns of a trial by the
//! look that it makes anyway, and only the manifest moves when a trial is widened or withdrawn.

use std::fmt;

use serde::Serialize;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::UnixMillis;

use crate::compare;
use crate::forgotten::refuse;
use crate::found::Found;
use crate::gate::{Limits, Refusal};
use crate::lease::{Held, under};
use crate::publication::{make_live, missing, move_manifest};
use crate::run::{Run, record};
use crate::store::{Error, Store, kept};
use crate::viewer_share::ViewerShare;

/// How to change a trial.
#[derive(Clone, Copy, Debug)]
pub struct ShareOptions<'a> {
    /// The time of the change.
    pub at: UnixMillis,
    /// The operator, as the lease and the history of runs name them.
    pub holder: &'a str,
    /// How far the snapshot may differ from the live one, checked before more viewers get it.
    pub limits: Limits,
    /// Whether to go on despite those limits; the history records it.
    pub is_forced: bool,
}

/// The outcome of a changed trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShareReport {
    /// The snapshot on trial.
    pub snapshot: String,
    /// The snapshot that was live beside it.
    pub live: String,
    /// The share of viewers who got it before.
    pub before: ViewerShare,
    /// The share of viewers who get it.
    pub share: ViewerShare,
    /// Reasons against more viewers that force overrode.
    #[serde(skip_serializing_if = "Refusal::is_empty")]
    pub forced: Refusal,
}

impl fmt::Display for ShareReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, live, before, share, forced } = self;
        match *share {
            ViewerShare::ALL => write!(f, "snapshot {snapshot} is live; it replaced {live}")?,
            ViewerShare::NONE => write!(
                f,
                "snapshot {snapshot} is withdrawn: everybody gets {live}; lists that began in it go on in it"
            )?,
            _ => write!(f, "{share} of viewers get snapshot {snapshot} ({before} before), the others {live}")?,
        }
        if forced.is_empty() { Ok(()) } else { write!(f, "\nforced despite\n{forced}") }
    }
}

/// Shows the snapshot on trial to `share` of the viewers: fewer, more, all, which makes it live, or
/// none, which withdraws it.
///
/// # Errors
/// An [`Error`]; the live snapshot and the trial are then unchanged. [`Error::NoTrial`] if no
/// snapshot is on trial.
pub fn share<S: Store>(
    store: &mut S,
    share: ViewerShare,
    options: &ShareOptions<'_>,
) -> Result<ShareReport, Error<S::Error>> {
    under(store, options.holder, "share", |store, held| change(store, share, options, held))
}

fn change<S: Store>(
    store: &mut S,
    share: ViewerShare,
    options: &ShareOptions<'_>,
    held: &mut Held,
) -> Result<ShareReport, Error<S::Error>> {
    let found = Found::new(store)?;
    let live = found.needed()?;
    let trial = *live.trial().ok_or(Error::NoTrial)?;
    let (snapshot, before) = (trial.snapshot.to_string(), ViewerShare::of(trial.share));
    let manifest = kept(store, trial.manifest)?;
    let mut forced = Refusal::default();
    if share > before {
        let manifest = manifest.as_ref().ok_or_else(|| Error::TrialIncomplete {
            snapshot: snapshot.clone(),
            missing: 1,
            share: before,
        })?;
        forced = check(store, [manifest, live], before, options)?;
    }
    let at = options.at;
    let moved = if let Some(manifest) = manifest.as_ref().filter(|_| share == ViewerShare::ALL) {
        make_live(store, manifest, &found, at, held)?
    } else {
        let mut parts = live.parts();
        for beside in parts.beside.iter_mut().filter(|beside| beside.snapshot == trial.snapshot) {
            beside.share = Some(share.millionths());
        }
        move_manifest(store, &parts, &found, at, held)?
    };
    let action = match share {
        ViewerShare::ALL => "publish",
        ViewerShare::NONE => "withdraw",
        _ => "share",
    };
    let run = moved.of(Run {
        share: Some(share),
        is_forced: !forced.is_empty(),
        ..Run::new((at, options.holder), action, snapshot.clone(), forced.texts())
    });
    record(store, &run, at);
    Ok(ShareReport { snapshot, live: live.snapshot().to_string(), before, share, forced })
}

/// Checks the stored snapshot of `manifest` before more viewers get it in place of `live`, as
/// before a publish: its packs, the users who asked to be forgotten since, and the gate.
fn check<S: Store>(
    store: &mut S,
    [manifest, live]: [&Manifest; 2],
    share: ViewerShare,
    options: &ShareOptions<'_>,
) -> Result<Refusal, Error<S::Error>> {
    let snapshot = manifest.snapshot().to_string();
    let missing = missing(store, manifest)?;
    if missing > 0 {
        return Err(Error::TrialIncomplete { snapshot, missing, share });
    }
    refuse(store, manifest)?;
    let refusal = compare::refusal((None, manifest), Some(live), store, (&options.limits, options.at))?;
    if refusal.is_empty() || options.is_forced { Ok(refusal) } else { Err(Error::Refused { snapshot, refusal }) }
}

#[cfg(test)]
mod tests;
