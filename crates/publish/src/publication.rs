//! Publishing: packs first, read back with the edge's own reader, and the manifest last.
//!
//! A publish that is cut short leaves packs that nothing names yet, and the store live as it was; the next one writes what is missing.
//! What is there is known without a list of the store: the live manifest and those that it keeps name it, and no collection removes what they name.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::manifest::{Manifest, Previous};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::{Bar, Progress, Unit};
use sinsang_run::{count, stage};

use crate::bundle::BundleReport;
use crate::found::Found;
use crate::gate::{Limits, Refusal};
use crate::lease::{Held, Unfinished, under};
use crate::run::{Run, record};
use crate::snapshot::Snapshot;
use crate::store::{Batch, Error, Store, confirm, live};

mod start;

use start::Start;

/// Snapshots before the live one that its manifest keeps, for rollback and for lists that are being paged through.
pub const KEPT_SNAPSHOTS: usize = 4;

/// How a snapshot is published.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The time of the publish.
    pub at: UnixMillis,
    /// Who publishes, as the lease and the history of runs name it.
    pub holder: &'a str,
    /// How many of the written packs are read back, the board always among them; all of them where it is nothing.
    pub read_back: Option<usize>,
    /// How far the snapshot may differ from the live one.
    pub limits: Limits,
    /// Whether it goes live though it differs more; the history says so.
    pub is_forced: bool,
    /// Whether bars are shown.
    pub progress: Progress,
}

/// What a publish would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The snapshot.
    pub snapshot: String,
    /// The one that is live.
    pub live: Option<String>,
    /// Packs of the snapshot.
    pub packs: usize,
    /// Keys that would be written: packs, the manifest twice, the lease twice and the list of runs.
    pub keys: usize,
    /// Bytes that would be written.
    pub bytes: u64,
    /// Values that would be read back.
    pub read_back: usize,
    /// Whether nothing would be written, because the snapshot is live and whole.
    pub is_live: bool,
    /// Why it would be refused; nothing where it would not.
    pub refusal: Refusal,
}

/// What a publish did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The snapshot that is live.
    pub snapshot: String,
    /// The one that was live before.
    pub previous: Option<String>,
    /// Packs of the snapshot.
    pub packs: usize,
    /// Packs that were not there yet.
    pub written: usize,
    /// Their bytes.
    pub written_bytes: usize,
    /// Written packs that were read back.
    pub read_back: usize,
    /// Calls of the store's interface, each try counted; 0 where they are not.
    pub calls: u64,
    /// Calls that were tried again.
    pub retried: u64,
    /// Whether the snapshot was live already and nothing was done.
    pub was_live: bool,
    /// Why it would have been refused, had it not been forced.
    #[serde(skip_serializing_if = "Refusal::is_empty")]
    pub forced: Refusal,
    /// Lines of what the last builds came to that were brought along, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds: Option<usize>,
    /// What was written besides, to be deployed with the Worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleReport>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, packs, written, written_bytes, read_back, .. } = self;
        if self.was_live {
            write!(f, "snapshot {snapshot} is live already")?;
        } else {
            write!(f, "snapshot {snapshot} is live: {written} of its {packs} packs written ({written_bytes} bytes)")?;
            if read_back < written {
                write!(f, ", {read_back} of them read back")?;
            }
            if let Some(previous) = &self.previous {
                write!(f, ", before it {previous}")?;
            }
        }
        if !self.forced.is_empty() {
            write!(f, "\nforced, though\n{}", self.forced)?;
        }
        self.bundle.iter().try_for_each(|bundle| write!(f, "\n{bundle}"))
    }
}

/// Tells what [`publish`] would do, and does none of it.
///
/// # Errors
/// An [`Error`] where the snapshot or the store can't be read.
pub fn plan<S: Store>(snapshot: &Snapshot, store: &mut S, options: &Options<'_>) -> Result<Plan, Error<S::Error>> {
    let start = Start::new(snapshot, store, None)?;
    let is_live = start.is_live();
    let refusal = if is_live { Refusal::default() } else { start.refusal(snapshot, store, options)? };
    let manifest_bytes = 2 * start.manifest.bytes().len() as u64;
    Ok(Plan {
        snapshot: start.manifest.snapshot().to_string(),
        live: start.found.shown().map(|live| live.snapshot().to_string()),
        packs: start.packs,
        keys: if is_live { 0 } else { start.missing.len() + 5 },
        bytes: if is_live { 0 } else { start.missing_bytes + manifest_bytes },
        read_back: if is_live { 0 } else { sample(&start.missing, options.read_back).len() + 2 },
        is_live,
        refusal,
    })
}

/// Makes `snapshot` live in `store`.
///
/// # Errors
/// An [`Error`]; whatever was live before still is. [`Error::Refused`] where the snapshot differs too much from it.
pub fn publish<S: Store>(snapshot: &Snapshot, store: &mut S, options: &Options<'_>) -> Result<Report, Error<S::Error>> {
    let manifest = snapshot.manifest()?;
    if live(store)?.is_some_and(|live| live.snapshot() == manifest.snapshot()) {
        let start = Start::new(snapshot, store, None)?;
        if start.is_live() {
            let previous = start.found.shown().and_then(|live| live.previous().next());
            let previous = previous.map(|previous| previous.snapshot.to_string());
            return Ok(Report { previous, was_live: true, ..report(&start, store) });
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

/// What the history is told of a publish that was not let through.
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

/// Brings `snapshot` to `store` and moves the manifest, under the lease that this run has.
fn go_live<S: Store>(
    snapshot: &Snapshot,
    store: &mut S,
    options: &Options<'_>,
    held: &mut Held,
) -> Result<Report, Error<S::Error>> {
    let start = stage!("look").in_scope(|| Start::new(snapshot, store, held.before.take()))?;
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
    let id = stage!("go live").in_scope(|| make_live(store, &start.manifest, &start.found, options.at, held))?;
    let run = Run {
        manifest: Some(id.to_string()),
        packs: start.missing.len(),
        bytes: start.missing_bytes,
        is_forced: !refusal.is_empty(),
        ..Run::new((options.at, options.holder), "publish", start.manifest.snapshot().to_string(), refusal.texts())
    };
    record(store, &run, options.at);
    Ok(Report {
        written: start.missing.len(),
        written_bytes: usize::try_from(start.missing_bytes).unwrap_or(usize::MAX),
        read_back: sample.len(),
        forced: refusal,
        ..report(&start, store)
    })
}

/// Writes what is missing in batches, and after each renews the lease and notes how far it came.
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

/// Moves the manifest to the snapshot of `manifest`, whose packs are there, with what was `found` as the one before it. Answers with the name of
/// the manifest that is live.
///
/// # Errors
/// An [`Error`]; whatever was live before still is, unless it is [`Error::Unconfirmed`] or [`Error::Overtaken`].
pub(crate) fn make_live<S: Store>(
    store: &mut S,
    manifest: &Manifest,
    found: &Found,
    at: UnixMillis,
    held: &mut Held,
) -> Result<PackId, Error<S::Error>> {
    let mut parts = manifest.parts();
    parts.previous = found.manifest.as_ref().map(|live| history(live, manifest)).unwrap_or_default();
    let before = found.shown();
    let (bytes, id) = parts.write()?;
    for key in [Key::Pack(Kind::Manifest, id), Key::Live] {
        if key == Key::Live {
            held.secure(store)?;
            if let Some(by) = overtaken(store, &[before.map(Manifest::id)])? {
                return Err(Error::Overtaken { by, what: "and this run's did not" });
            }
        }
        let name = key.to_string();
        store.put(&name, &bytes, at).map_err(|source| Error::Store { action: "writing", key: name.clone(), source })?;
        match confirm(store, &name, &bytes, Some(key)) {
            // The store took it and may show it late; what it was before is no damage.
            Err(Error::ReadBack { .. }) if key == Key::Live && before.is_some_and(|before| is_live(store, before)) => {
                return Err(Error::Unconfirmed { snapshot: manifest.snapshot().to_string() });
            }
            Err(Error::ReadBack { .. }) if key == Key::Live => {
                let known = [before.map(Manifest::id), Some(id)];
                let by = overtaken(store, &known)?.unwrap_or_else(|| "that is none".to_owned());
                return Err(Error::Overtaken { by, what: "after this run's did" });
            }
            outcome => outcome?,
        }
    }
    Ok(id)
}

/// The snapshot that is live, unless its manifest is one of `known`; no live manifest is `None` among them.
fn overtaken<S: Store>(store: &mut S, known: &[Option<PackId>]) -> Result<Option<String>, Error<S::Error>> {
    let found = live(store)?;
    let is_known = known.contains(&found.as_ref().map(Manifest::id));
    Ok(if is_known { None } else { Some(found.map_or("that is none".to_owned(), |live| live.snapshot().to_string())) })
}

fn is_live<S: Store>(store: &mut S, manifest: &Manifest) -> bool {
    live(store).is_ok_and(|live| live.is_some_and(|live| live.id() == manifest.id()))
}

/// At most `most` of `packs`, spread evenly over their names, which are hashes, and the board first among them.
pub(crate) fn sample(packs: &[Key], most: Option<usize>) -> Vec<Key> {
    let Some(most) = most.filter(|most| *most < packs.len()) else { return packs.to_vec() };
    (0..most).filter_map(|at| packs.get(at * packs.len() / most)).copied().collect()
}

/// The packs that `manifest` names, each once.
pub fn packs(manifest: &Manifest) -> impl Iterator<Item = Key> + use<> {
    let parts = manifest.parts();
    let shards: BTreeSet<PackId> = parts.shards.into_iter().filter(|shard| !shard.is_none()).collect();
    std::iter::once(Key::Pack(Kind::Board, parts.board)).chain(shards.into_iter().map(|id| Key::Pack(Kind::Tastes, id)))
}

/// The name of a shard of tastes.
fn shard(key: Key) -> Option<PackId> {
    match key {
        Key::Pack(Kind::Tastes, id) => Some(id),
        _ => None,
    }
}

/// The name of the pack that `key` leads to.
pub(crate) fn pack(key: Key) -> Option<PackId> {
    match key {
        Key::Pack(_, id) => Some(id),
        Key::Live | Key::Pulse | Key::PulseOf(_) => None,
    }
}

/// What comes before `next` once it takes the place of `live`.
fn history(live: &Manifest, next: &Manifest) -> Vec<Previous> {
    let before = Previous { snapshot: live.snapshot(), manifest: live.id(), built_at: live.built_at() };
    let history = std::iter::once(before).chain(live.previous());
    history.filter(|previous| previous.snapshot != next.snapshot()).take(KEPT_SNAPSHOTS).collect()
}

#[cfg(test)]
mod tests;
