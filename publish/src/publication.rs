//! Publishing: packs first, read back with the edge's own reader, and the manifest last.
//!
//! A publish that is cut short leaves packs that nothing names yet, and the store live as it was; the next one writes what is missing.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang::key::Key;
use sinsang::pack::manifest::{Manifest, Previous};
use sinsang::pack::{Kind, PackId};
use sinsang::time::UnixMillis;

use crate::bundle::BundleReport;
use crate::collect::FRESH_MS;
use crate::progress::{Progress, Unit};
use crate::run::{Run, record};
use crate::snapshot::Snapshot;
use crate::stage;
use crate::stage::count;
use crate::store::{Error, Listing, Store, confirm, kept, list, live};

/// Snapshots before the live one that its manifest keeps, for rollback and for lists that are being paged through.
pub const KEPT_SNAPSHOTS: usize = 4;

/// How a snapshot is published.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time of the publish.
    pub at: UnixMillis,
    /// How many of the written packs are read back, the board always among them; all of them where it is nothing.
    pub read_back: Option<usize>,
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
    /// Keys that would be written, the manifest's and the list of runs among them.
    pub keys: usize,
    /// Bytes that would be written.
    pub bytes: u64,
    /// Values that would be read back.
    pub read_back: usize,
    /// Whether nothing would be written, because the snapshot is live and whole.
    pub is_live: bool,
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
    /// Calls that were tried again.
    pub retried: u64,
    /// Whether the snapshot was live already and nothing was done.
    pub was_live: bool,
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
        self.bundle.iter().try_for_each(|bundle| write!(f, "\n{bundle}"))
    }
}

/// Where a store stands before a publish.
struct Start {
    manifest: Manifest,
    live: Option<Manifest>,
    packs: usize,
    missing: Vec<Key>,
    missing_bytes: u64,
}

impl Start {
    fn new<S: Store>(snapshot: &Snapshot, store: &mut S, at: UnixMillis) -> Result<Self, Error<S::Error>> {
        let manifest = snapshot.manifest()?;
        let live = live(store)?;
        let there = list(store)?;
        let all: Vec<Key> = packs(&manifest).collect();
        let relied = reliable(store, &there, live.as_ref(), at)?;
        let missing: Vec<Key> =
            all.iter().copied().filter(|key| matches!(key, Key::Pack(_, id) if !relied.contains(id))).collect();
        let mut missing_bytes = 0;
        for key in &missing {
            missing_bytes += snapshot.bytes_of(*key)?;
        }
        Ok(Self { manifest, live, packs: all.len(), missing, missing_bytes })
    }

    fn is_live(&self) -> bool {
        self.missing.is_empty() && self.live.as_ref().is_some_and(|live| live.snapshot() == self.manifest.snapshot())
    }
}

/// The packs of `there` that a publish may rely on: a kept snapshot names them, or they were just written, so that no collection under way
/// takes them.
fn reliable<S: Store>(
    store: &mut S,
    there: &Listing,
    live: Option<&Manifest>,
    at: UnixMillis,
) -> Result<BTreeSet<PackId>, Error<S::Error>> {
    let id = |key| match key {
        Key::Pack(_, id) => Some(id),
        Key::Live | Key::Pulse | Key::PulseOf(_) => None,
    };
    let mut named: BTreeSet<PackId> = live.into_iter().flat_map(packs).filter_map(id).collect();
    for previous in live.into_iter().flat_map(Manifest::previous) {
        if let Some(manifest) = kept(store, previous.manifest)? {
            named.extend(packs(&manifest).filter_map(id));
        }
    }
    let is_fresh = |written_at: Option<i64>| written_at.is_some_and(|written| at.since(UnixMillis(written)) < FRESH_MS);
    Ok(there.iter().filter(|(id, stamp)| named.contains(id) || is_fresh(stamp.at)).map(|(id, _)| *id).collect())
}

/// Tells what [`publish`] would do, and does none of it.
///
/// # Errors
/// An [`Error`] where the snapshot or the store can't be read.
pub fn plan<S: Store>(snapshot: &Snapshot, store: &mut S, options: &Options) -> Result<Plan, Error<S::Error>> {
    let start = Start::new(snapshot, store, options.at)?;
    let is_live = start.is_live();
    let manifest_bytes = 2 * start.manifest.bytes().len() as u64;
    Ok(Plan {
        snapshot: start.manifest.snapshot().to_string(),
        live: start.live.as_ref().map(|live| live.snapshot().to_string()),
        packs: start.packs,
        keys: if is_live { 0 } else { start.missing.len() + 3 },
        bytes: if is_live { 0 } else { start.missing_bytes + manifest_bytes },
        read_back: if is_live { 0 } else { sample(&start.missing, options.read_back).len() + 2 },
        is_live,
    })
}

/// Makes `snapshot` live in `store`.
///
/// # Errors
/// An [`Error`]; whatever was live before still is.
pub fn publish<S: Store>(snapshot: &Snapshot, store: &mut S, options: &Options) -> Result<Report, Error<S::Error>> {
    let start = stage!("look").in_scope(|| Start::new(snapshot, store, options.at))?;
    let mut report = Report {
        snapshot: start.manifest.snapshot().to_string(),
        previous: start.live.as_ref().map(|live| live.snapshot().to_string()),
        packs: start.packs,
        written: 0,
        written_bytes: 0,
        read_back: 0,
        retried: 0,
        was_live: false,
        builds: None,
        bundle: None,
    };
    if start.is_live() {
        let previous = start.live.as_ref().and_then(|live| live.previous().next());
        return Ok(Report {
            previous: previous.map(|previous| previous.snapshot.to_string()),
            was_live: true,
            retried: store.retries(),
            ..report
        });
    }
    let bar = options.progress.start("publishing packs", Unit::Bytes, start.missing_bytes);
    stage!("write", packs = count(start.missing.len()), bytes = count(start.missing_bytes))
        .in_scope(|| store.put_packs(&start.missing, snapshot, options.at, &bar))?;
    drop(bar);
    report.written = start.missing.len();
    report.written_bytes = usize::try_from(start.missing_bytes).unwrap_or(usize::MAX);
    let sample = sample(&start.missing, options.read_back);
    let bar = options.progress.start("reading back", Unit::Items, sample.len() as u64);
    stage!("read back", packs = count(sample.len())).in_scope(|| store.read_back(&sample, snapshot, &bar))?;
    drop(bar);
    report.read_back = sample.len();
    // What became live meanwhile is what comes before this one.
    let before = live(store)?;
    report.previous = before.as_ref().map(|live| live.snapshot().to_string());
    stage!("go live").in_scope(|| make_live(store, &start.manifest, before.as_ref(), options.at))?;
    let run = Run {
        at: options.at.to_string(),
        action: "publish".to_owned(),
        snapshot: report.snapshot.clone(),
        packs: report.written,
        bytes: start.missing_bytes,
    };
    record(store, run, options.at);
    report.retried = store.retries();
    Ok(report)
}

/// Moves the manifest to the snapshot of `manifest`, whose packs are there, with `before` as the one before it.
///
/// # Errors
/// An [`Error`]; whatever was live before still is, unless it is [`Error::Unconfirmed`].
pub(crate) fn make_live<S: Store>(
    store: &mut S,
    manifest: &Manifest,
    before: Option<&Manifest>,
    at: UnixMillis,
) -> Result<(), Error<S::Error>> {
    let mut parts = manifest.parts();
    parts.previous = before.map(|live| history(live, manifest)).unwrap_or_default();
    let (bytes, id) = parts.write()?;
    for key in [Key::Pack(Kind::Manifest, id), Key::Live] {
        let name = key.to_string();
        store.put(&name, &bytes, at).map_err(|source| Error::Store { action: "writing", key: name.clone(), source })?;
        match confirm(store, &name, &bytes, Some(key)) {
            // The store took it and may show it late; what it was before is no damage.
            Err(Error::ReadBack { .. }) if key == Key::Live && before.is_some_and(|before| is_live(store, before)) => {
                return Err(Error::Unconfirmed { snapshot: manifest.snapshot().to_string() });
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

fn is_live<S: Store>(store: &mut S, manifest: &Manifest) -> bool {
    live(store).is_ok_and(|live| live.is_some_and(|live| live.id() == manifest.id()))
}

/// At most `most` of `packs`, spread evenly over their names, which are hashes, and the board first among them.
fn sample(packs: &[Key], most: Option<usize>) -> Vec<Key> {
    let Some(most) = most.filter(|most| *most < packs.len()) else { return packs.to_vec() };
    (0..most).filter_map(|at| packs.get(at * packs.len() / most)).copied().collect()
}

/// The packs that `manifest` names, each once.
pub fn packs(manifest: &Manifest) -> impl Iterator<Item = Key> + use<> {
    let parts = manifest.parts();
    let shards: BTreeSet<PackId> = parts.shards.into_iter().filter(|shard| !shard.is_none()).collect();
    std::iter::once(Key::Pack(Kind::Board, parts.board)).chain(shards.into_iter().map(|id| Key::Pack(Kind::Tastes, id)))
}

/// What comes before `next` once it takes the place of `live`.
fn history(live: &Manifest, next: &Manifest) -> Vec<Previous> {
    let before = Previous { snapshot: live.snapshot(), manifest: live.id(), built_at: live.built_at() };
    let history = std::iter::once(before).chain(live.previous());
    history.filter(|previous| previous.snapshot != next.snapshot()).take(KEPT_SNAPSHOTS).collect()
}

#[cfg(test)]
mod tests;
