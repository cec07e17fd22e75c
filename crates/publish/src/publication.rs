//! Publishing: packs are written first and read back with the edge's own reader, and the manifest
//! moves last.
//!
//! An interrupted publish leaves packs that no manifest names yet, and the live snapshot unchanged;
//! the next publish writes the missing packs. It knows which packs exist without listing the store:
//! the live manifest and the manifests it keeps name them, and no collection removes a named pack.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::manifest::{Manifest, ManifestParts};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::{Bar, Progress, Unit};
use sinsang_run::{count, stage};

use crate::bundle::BundleReport;
use crate::found::Found;
use crate::gate::{Limits, Refusal};
use crate::history::{beside, ended, history};
use crate::lease::{Held, Unfinished, under};
use crate::run::{Move, Run, record};
use crate::snapshot::Snapshot;
use crate::store::{Batch, Error, Store, confirm, live};
use crate::viewer_share::ViewerShare;

mod start;

use start::Start;

/// Packs that are checked of a stored snapshot before it goes live or more viewers get it,
/// including the board. A collection never removes packs that a kept manifest names.
const LOOKS_WHOLE: usize = 200;

/// How to publish a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The time of the publish.
    pub at: UnixMillis,
    /// The operator, as the lease and the history of runs name them.
    pub holder: &'a str,
    /// How many of the written packs are read back, always including the board; all if `None`.
    pub read_back: Option<usize>,
    /// How far the snapshot may differ from the live one.
    pub limits: Limits,
    /// Whether to publish a snapshot beyond those limits; the history records it.
    pub is_forced: bool,
    /// The share of viewers who get the snapshot in place of the live one; all if `None`, which
    /// makes it live.
    pub share: Option<ViewerShare>,
    /// Whether to show progress bars.
    pub progress: Progress,
}

/// The actions that a publish would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The snapshot.
    pub snapshot: String,
    /// The live snapshot.
    pub live: Option<String>,
    /// Packs of the snapshot.
    pub packs: usize,
    /// Keys that would be written: packs, the manifest twice, the lease twice and the list of runs.
    pub keys: usize,
    /// Bytes that would be written.
    pub bytes: u64,
    /// Values that would be read back.
    pub read_back: usize,
    /// The share of viewers who would get it; `None` if it would go live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<ViewerShare>,
    /// Whether the snapshot is live and complete, so that nothing would be written.
    pub is_live: bool,
    /// Reasons to refuse it; empty if it would go live.
    pub refusal: Refusal,
}

/// The outcome of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The snapshot that was published.
    pub snapshot: String,
    /// The snapshot that was live before.
    pub previous: Option<String>,
    /// The share of viewers who get it in place of the live one; `None` if it is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<ViewerShare>,
    /// Another snapshot, whose trial this publish ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Another snapshot, which stays on trial: nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
    /// Packs of the snapshot.
    pub packs: usize,
    /// Packs that were missing and were written.
    pub written: usize,
    /// Bytes of the written packs.
    pub written_bytes: usize,
    /// Written packs that were read back.
    pub read_back: usize,
    /// Calls of the store's API, counting each attempt; 0 if they are not counted.
    pub calls: u64,
    /// Retried calls.
    pub retried: u64,
    /// Whether the snapshot was live already, so that nothing was done.
    pub was_live: bool,
    /// Reasons to refuse it that force overrode.
    #[serde(skip_serializing_if = "Refusal::is_empty")]
    pub forced: Refusal,
    /// Lines of the build history copied to the store, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds: Option<usize>,
    /// The bundle written alongside, to be deployed with the Worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleReport>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, packs, written, written_bytes, read_back, .. } = self;
        if self.was_live {
            write!(f, "snapshot {snapshot} is already live")?;
            if let Some(trial) = &self.trial {
                write!(f, "; snapshot {trial} stays on trial: `sinsang share 0%` withdraws it")?;
            }
        } else {
            let state =
                self.share.map_or_else(|| "live".to_owned(), |share| format!("on trial for {share} of viewers"));
            write!(f, "snapshot {snapshot} is {state}: {written} of {packs} packs written ({written_bytes} bytes)")?;
            if read_back < written {
                write!(f, ", {read_back} read back")?;
            }
            match (&self.previous, self.share) {
                (Some(live), Some(_)) => write!(f, "; the others get {live}")?,
                (Some(previous), None) => write!(f, "; it replaced {previous}")?,
                (None, _) => {}
            }
        }
        self.withdrawn.iter().try_for_each(|trial| write!(f, "\n{}", ended(trial)))?;
        if self.share.is_some() {
            write!(
                f,
                "\nwiden it with `sinsang share 25%`, make it live with 100%, or withdraw it with 0%; another publish ends the trial"
            )?;
        }
        if !self.forced.is_empty() {
            write!(f, "\nforced despite\n{}", self.forced)?;
        }
        self.bundle.iter().try_for_each(|bundle| write!(f, "\n{bundle}"))
    }
}

/// Says what [`publish`] would do, without doing it.
///
/// # Errors
/// An [`Error`] if the snapshot or the store can't be read.
pub fn plan<S: Store>(snapshot: &Snapshot, store: &mut S, options: &Options<'_>) -> Result<Plan, Error<S::Error>> {
    let start = Start::new(snapshot, store, None)?;
    start.may_be_tried(options.share)?;
    let is_live = start.is_live();
    let refusal = if is_live { Refusal::default() } else { start.refusal(snapshot, store, options)? };
    let manifest_bytes = 2 * start.manifest.bytes().len() as u64;
    Ok(Plan {
        snapshot: start.manifest.snapshot().to_string(),
        live: start.found.shown().map(|live| live.snapshot().to_string()),
        packs: start.packs,
        keys: if is_live { 0 } else { start.missing.len() + 5 + usize::from(options.share.is_some()) },
        bytes: if is_live { 0 } else { start.missing_bytes + manifest_bytes },
        read_back: if is_live { 0 } else { sample(&start.missing, options.read_back).len() + 2 },
        share: options.share,
        is_live,
        refusal,
    })
}

/// Makes `snapshot` live in `store`.
///
/// # Errors
/// An [`Error`]; the live snapshot is then unchanged. [`Error::Refused`] if the snapshot differs
/// too much from it.
pub fn publish<S: Store>(snapshot: &Snapshot, store: &mut S, options: &Options<'_>) -> Result<Report, Error<S::Error>> {
    let manifest = snapshot.manifest()?;
    if options.share.is_none() && live(store)?.is_some_and(|live| live.snapshot() == manifest.snapshot()) {
        let start = Start::new(snapshot, store, None)?;
        if start.is_live() {
            let previous = start.found.shown().and_then(|live| live.previous().next());
            let previous = previous.map(|previous| previous.snapshot.to_string());
            let trial = start.found.trial().map(|trial| trial.to_string());
            return Ok(Report { previous, trial, was_live: true, ..report(&start, store) });
        }
    }
    let outcome = under(store, options.holder, "publish", |store, held| go_live(snapshot, store, options, held));
    if let Err(error) = &outcome
        && let Some(reasons) = said_no(error)
    {
        let run = Run::new((options.at, options.holder), "refused", manifest.snapshot().to_string(), reasons);
        record(store, &run, options.at);
    }
    outcome
}

/// Reasons that the history records for a rejected publish.
fn said_no<E: std::error::Error + Send + Sync + 'static>(error: &Error<E>) -> Option<Vec<String>> {
    match error {
        Error::Refused { refusal, .. } => Some(refusal.texts()),
        Error::Held { .. } | Error::LeaseLost { .. } | Error::Overtaken { .. } => Some(vec![error.to_string()]),
        _ => None,
    }
}

fn report<S: Store>(start: &Start, store: &S) -> Report {
    Report {
        snapshot: start.manifest.snapshot().to_string(),
        previous: start.found.manifest.as_ref().map(|live| live.snapshot().to_string()),
        share: None,
        withdrawn: None,
        trial: None,
        packs: start.packs,
        written: 0,
        written_bytes: 0,
        read_back: 0,
        calls: store.calls(),
        retried: store.retries(),
        was_live: false,
        forced: Refusal::default(),
        builds: None,
        bundle: None,
    }
}

/// Writes `snapshot` to `store` and moves the manifest, under this run's lease.
fn go_live<S: Store>(
    snapshot: &Snapshot,
    store: &mut S,
    options: &Options<'_>,
    held: &mut Held,
) -> Result<Report, Error<S::Error>> {
    let start = stage!("look").in_scope(|| Start::new(snapshot, store, held.before.take()))?;
    start.may_be_tried(options.share)?;
    let refusal = stage!("compare").in_scope(|| start.refusal(snapshot, store, options))?;
    if !refusal.is_empty() && !options.is_forced {
        return Err(Error::Refused { snapshot: start.manifest.snapshot().to_string(), refusal });
    }
    let bar = options.progress.start("publishing packs", Unit::Bytes, start.missing_bytes);
    stage!("write", packs = count(start.missing.len()), bytes = count(start.missing_bytes))
        .in_scope(|| write(&start, snapshot, store, (options.at, &bar), held))?;
    drop(bar);
    let sample = sample(&start.missing, options.read_back);
    let bar = options.progress.start("reading back", Unit::Items, sample.len() as u64);
    stage!("read back", packs = count(sample.len())).in_scope(|| store.read_back(&sample, snapshot, &bar))?;
    drop(bar);
    let moved = stage!("go live").in_scope(|| match options.share {
        Some(share) => try_out(store, &start, share, options.at, held),
        None => make_live(store, &start.manifest, &start.found, options.at, held),
    })?;
    let action = if options.share.is_some() { "share" } else { "publish" };
    let trial = start.found.trial();
    let run = moved.of(Run {
        share: options.share,
        packs: start.missing.len(),
        bytes: start.missing_bytes,
        is_forced: !refusal.is_empty(),
        ..Run::new((options.at, options.holder), action, start.manifest.snapshot().to_string(), refusal.texts())
    });
    record(store, &run, options.at);
    Ok(Report {
        written: start.missing.len(),
        written_bytes: usize::try_from(start.missing_bytes).unwrap_or(usize::MAX),
        read_back: sample.len(),
        forced: refusal,
        share: options.share,
        withdrawn: trial.filter(|trial| *trial != start.manifest.snapshot()).map(|trial| trial.to_string()),
        ..report(&start, store)
    })
}

/// Puts the snapshot of `start`, whose packs are there, on trial for a `share` of viewers.
fn try_out<S: Store>(
    store: &mut S,
    start: &Start,
    share: ViewerShare,
    at: UnixMillis,
    held: &mut Held,
) -> Result<Move, Error<S::Error>> {
    let live = start.found.needed()?;
    put(store, Key::Pack(Kind::Manifest, start.manifest.id()), start.manifest.bytes(), at)?;
    move_manifest(store, &beside(live, &start.manifest, share), &start.found, at, held)
}

/// Writes the missing packs in batches; after each batch, renews the lease and records the
/// progress.
fn write<S: Store>(
    start: &Start,
    snapshot: &Snapshot,
    store: &mut S,
    (at, bar): (UnixMillis, &Bar),
    held: &mut Held,
) -> Result<(), Error<S::Error>> {
    let Batch { packs: most, bytes: most_bytes } = store.written_at_once();
    let since = start.resumed_since.unwrap_or(store.now().0);
    let mut rest = start.missing.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let mut length = 0;
        for key in rest.iter().take(most.max(1)) {
            bytes += snapshot.bytes_of(*key)?;
            if length > 0 && bytes > most_bytes {
                break;
            }
            length += 1;
        }
        let (batch, later) = rest.split_at(length);
        store.put_packs(batch, snapshot, at, bar)?;
        rest = later;
        let last = batch.iter().rev().find_map(|key| shard(*key));
        let unfinished = last.map(|last| Unfinished {
            snapshot: start.manifest.snapshot().to_string(),
            beside: start.found.manifest.as_ref().map(|live| live.id().to_string()),
            last: last.to_string(),
            since,
        });
        held.renew(store, unfinished)?;
    }
    Ok(())
}

/// Moves the manifest to the snapshot of `manifest`, whose packs are there, with `found` as its
/// predecessor.
///
/// # Errors
/// An [`Error`]; the live snapshot is then unchanged, unless it is [`Error::Unconfirmed`] or
/// [`Error::Overtaken`].
pub(crate) fn make_live<S: Store>(
    store: &mut S,
    manifest: &Manifest,
    found: &Found,
    at: UnixMillis,
    held: &mut Held,
) -> Result<Move, Error<S::Error>> {
    let mut parts = manifest.parts();
    parts.beside = found.manifest.as_ref().map(|live| history(live, manifest)).unwrap_or_default();
    move_manifest(store, &parts, found, at, held)
}

/// Makes the manifest of `parts` the live one, in place of `found`.
///
/// # Errors
/// As [`make_live`].
pub(crate) fn move_manifest<S: Store>(
    store: &mut S,
    parts: &ManifestParts,
    found: &Found,
    at: UnixMillis,
    held: &mut Held,
) -> Result<Move, Error<S::Error>> {
    let before = found.shown();
    let (bytes, id) = parts.write()?;
    let mut moved_at = at;
    for key in [Key::Pack(Kind::Manifest, id), Key::Live] {
        if key == Key::Live {
            held.secure(store)?;
            if let Some(by) = overtaken(store, &[before.map(Manifest::id)])? {
                return Err(Error::Overtaken { by, what: "so this run's snapshot did not" });
            }
            moved_at = store.now();
        }
        match put(store, key, &bytes, at) {
            // The store took the manifest and may show it late; the previous value is no sign of
            // damage.
            Err(Error::ReadBack { .. }) if key == Key::Live && before.is_some_and(|before| is_live(store, before)) => {
                return Err(Error::Unconfirmed { snapshot: parts.snapshot().to_string() });
            }
            Err(Error::ReadBack { .. }) if key == Key::Live => {
                let known = [before.map(Manifest::id), Some(id)];
                let by = overtaken(store, &known)?.unwrap_or_else(|| "(no readable manifest)".to_owned());
                return Err(Error::Overtaken { by, what: "after this run's snapshot" });
            }
            outcome => outcome?,
        }
    }
    Ok(Move { manifest: id, at: moved_at })
}

/// Writes a manifest and reads it back.
fn put<S: Store>(store: &mut S, key: Key, bytes: &[u8], at: UnixMillis) -> Result<(), Error<S::Error>> {
    let name = key.to_string();
    store.put(&name, bytes, at).map_err(|source| Error::Store { action: "writing", key: name.clone(), source })?;
    confirm(store, &name, bytes, Some(key))
}

/// The live snapshot, unless its manifest is one of `known`, in which `None` stands for no live
/// manifest.
fn overtaken<S: Store>(store: &mut S, known: &[Option<PackId>]) -> Result<Option<String>, Error<S::Error>> {
    let found = live(store)?;
    let is_known = known.contains(&found.as_ref().map(Manifest::id));
    Ok(if is_known {
        None
    } else {
        Some(found.map_or("(no readable manifest)".to_owned(), |live| live.snapshot().to_string()))
    })
}

fn is_live<S: Store>(store: &mut S, manifest: &Manifest) -> bool {
    live(store).is_ok_and(|live| live.is_some_and(|live| live.id() == manifest.id()))
}

/// At most `most` of `packs`, spread evenly over their names, which are hashes, with the board
/// first.
pub(crate) fn sample(packs: &[Key], most: Option<usize>) -> Vec<Key> {
    let Some(most) = most.filter(|most| *most < packs.len()) else { return packs.to_vec() };
    (0..most).filter_map(|at| packs.get(at * packs.len() / most)).copied().collect()
}

/// How many packs of the stored snapshot of `manifest` are missing or damaged, of at most
/// [`LOOKS_WHOLE`] that are read.
///
/// # Errors
/// [`Error::Store`] if the store does not answer.
pub(crate) fn missing<S: Store>(store: &mut S, manifest: &Manifest) -> Result<usize, Error<S::Error>> {
    let keys = sample(&packs(manifest).collect::<Vec<_>>(), Some(LOOKS_WHOLE));
    let lacking = store.lacking(&keys);
    Ok(lacking.map_err(|source| Error::Store { action: "checking", key: "packs".to_owned(), source })?.len())
}

/// The packs that `manifest` names, each once.
pub fn packs(manifest: &Manifest) -> impl Iterator<Item = Key> + use<> {
    let parts = manifest.parts();
    let shards: BTreeSet<PackId> = parts.shards.into_iter().filter(|shard| !shard.is_none()).collect();
    std::iter::once(Key::Pack(Kind::Board, parts.board)).chain(shards.into_iter().map(|id| Key::Pack(Kind::Tastes, id)))
}

/// The name of a taste shard.
fn shard(key: Key) -> Option<PackId> {
    match key {
        Key::Pack(Kind::Tastes, id) => Some(id),
        _ => None,
    }
}

/// The name of the pack under `key`.
pub(crate) fn pack(key: Key) -> Option<PackId> {
    match key {
        Key::Pack(_, id) => Some(id),
        Key::Live | Key::Pulse | Key::PulseOf(_) | Key::Overlay => None,
    }
}

#[cfg(test)]
mod tests;
