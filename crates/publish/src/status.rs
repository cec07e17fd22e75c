//! The status of a store: the live snapshot, the kept ones, their size and recent runs.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{MINUTE_MS, UnixMillis};

use crate::found::Found;
use crate::overlay;
use crate::publication::{pack, packs, sample};
use crate::run::{Run, runs};
use crate::store::{Error, Listing, Store, kept, list};
use crate::viewer_share::ViewerShare;

/// Runs of the report; the store keeps those of a week, for replays.
const RUNS_TOLD: usize = 50;
/// Runs shown as text.
const RUNS_SHOWN: usize = 10;
/// Packs checked of the live snapshot, and of each kept one, if the store is not listed. Both
/// include the board.
const LOOKS: (usize, usize) = (40, 6);

/// How thoroughly a store is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Reads some packs of each snapshot: about seventy calls, whatever the store's size.
    Sample,
    /// Lists all packs of the store: one call per thousand.
    Full,
}

/// A snapshot in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// Its name.
    pub snapshot: String,
    /// When it was built.
    pub built_at: String,
    /// The share of viewers who get it in place of the live one, 0 once it is withdrawn; `None` if
    /// it was live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<ViewerShare>,
    /// Minutes since it was built.
    pub age_minutes: i64,
    /// Users with tastes; `None` if its manifest can't be read.
    pub users: Option<u32>,
    /// The pack format of its board; `None` if its manifest can't be read.
    pub pack_format: Option<u16>,
    /// Packs that it names.
    pub packs: usize,
    /// Packs checked: all of them if the store was listed.
    pub looked_at: usize,
    /// Checked packs that are missing from the store.
    pub missing: usize,
    /// Bytes of its stamped packs; `None` if the store was not listed.
    pub bytes: Option<u64>,
}

/// The contents of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The snapshot that answers come from, if any.
    pub live: Option<Stored>,
    /// Damage of the live manifest, if it can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Snapshots kept beside it, the latest first: earlier ones, available for rollback, and those
    /// on trial or withdrawn.
    pub kept: Vec<Stored>,
    /// The store's total contents; `None` if it was not listed.
    #[serde(flatten)]
    pub all: Option<Holding>,
    /// What operators said between builds; `None` if nobody ever did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<OverlayState>,
    /// Recent runs, most recent first.
    pub runs: Vec<Run>,
}

/// The state of a store's overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OverlayState {
    /// Its revision.
    pub revision: u32,
    /// Entries that stand now.
    pub standing: usize,
    /// Entries that are to come.
    pub coming: usize,
    /// The latest entry, as text.
    pub latest: Option<String>,
    /// What is wrong with it, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// The total contents of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Packs in the store.
    pub packs: usize,
    /// Bytes of the stamped packs.
    pub bytes: u64,
    /// Packs that no kept snapshot names, which `sinsang collect` removes once they are old enough.
    pub unnamed: usize,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, built_at, age_minutes, users, pack_format, packs, looked_at, missing, bytes, .. } = self;
        write!(f, "{snapshot} built {built_at} ({age_minutes} min old)")?;
        match users {
            Some(users) => {
                let format = pack_format.unwrap_or_default();
                write!(f, ": {users} users, {packs} packs of format {format}")?;
                match bytes {
                    Some(bytes) => write!(f, ", {bytes} bytes")?,
                    None => write!(f, ", {looked_at} of them checked")?,
                }
            }
            None => write!(f, ": unreadable manifest")?,
        }
        if *missing > 0 { write!(f, ", {missing} PACKS MISSING") } else { Ok(()) }
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.live, &self.damage) {
            (Some(live), _) => writeln!(f, "live   {live}")?,
            (None, Some(damage)) => writeln!(f, "live   unreadable manifest ({damage})")?,
            (None, None) => writeln!(f, "live   nothing")?,
        }
        for kept in &self.kept {
            match kept.share {
                None => writeln!(f, "kept   {kept}")?,
                Some(ViewerShare::NONE) => writeln!(f, "tried  {kept}, withdrawn")?,
                Some(share) => writeln!(f, "trial  {kept}, for {share} of viewers")?,
            }
        }
        if let Some(Holding { packs, bytes, unnamed }) = &self.all {
            writeln!(f, "store  {packs} packs, {bytes} bytes; {unnamed} packs unreferenced by kept snapshots")?;
        }
        if let Some(OverlayState { revision, standing, coming, latest, damage }) = &self.overlay {
            writeln!(f, "said   {standing} entries of the overlay stand, {coming} are to come; revision {revision}")?;
            latest.iter().try_for_each(|latest| writeln!(f, "         the latest: {latest}"))?;
            damage.iter().try_for_each(|damage| writeln!(f, "         DAMAGED: {damage}"))?;
        }
        for Run { at, action, snapshot, share, packs, bytes, by, is_forced, reasons, .. } in
            self.runs.iter().take(RUNS_SHOWN)
        {
            let forced = if *is_forced { " (forced)" } else { "" };
            let share = share.map(|share| format!(", {share} of viewers")).unwrap_or_default();
            write!(f, "run    {at} {action}{forced}: {snapshot}{share}, {packs} packs, {bytes} bytes")?;
            if !by.is_empty() {
                write!(f, ", by {by}")?;
            }
            reasons.iter().try_for_each(|reason| write!(f, "\n         {reason}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Reports the status of `store`.
///
/// # Errors
/// [`Error::Store`] if the store does not answer.
pub fn status<S: Store>(store: &mut S, now: UnixMillis, depth: Depth) -> Result<StatusReport, Error<S::Error>> {
    let there = if depth == Depth::Full { Some(list(store)?) } else { None };
    let mut named: BTreeSet<PackId> = BTreeSet::new();
    let found = Found::new(store)?;
    let live = found.manifest.as_ref();
    let (looks, looks_kept) = LOOKS;
    let mut report = live.map(|live| stored(store, live, (now, looks), there.as_ref())).transpose()?;
    named.extend(live.into_iter().flat_map(ids));
    // If the live manifest can't be read, the snapshot that was live last is a rollback target.
    let mut before: Vec<Stored> = found.damage.as_ref().and_then(|_| report.take()).into_iter().collect();
    for beside in live.into_iter().flat_map(Manifest::beside) {
        let share = beside.share.map(ViewerShare::of);
        before.push(match kept(store, beside.manifest)? {
            Some(manifest) => {
                named.extend(ids(&manifest));
                Stored { share, ..stored(store, &manifest, (now, looks_kept), there.as_ref())? }
            }
            None => Stored {
                snapshot: beside.snapshot.to_string(),
                built_at: beside.built_at.to_string(),
                share,
                age_minutes: now.since(beside.built_at) / MINUTE_MS,
                users: None,
                pack_format: None,
                packs: 0,
                looked_at: 1,
                missing: 1,
                bytes: None,
            },
        });
    }
    let all = there.map(|there| Holding {
        packs: there.len(),
        bytes: there.values().filter_map(|stamp| stamp.bytes).sum(),
        unnamed: there.keys().filter(|id| !named.contains(id)).count(),
    });
    let damage = found.damage.map(|damage| damage.to_string());
    let overlay = overlay_state(store)?;
    let mut runs = runs(store)?;
    runs.truncate(RUNS_TOLD);
    Ok(StatusReport { live: report, damage, kept: before, all, overlay, runs })
}

/// The state of the overlay. A log that can't be read is told, and stops nothing here.
fn overlay_state<S: Store>(store: &mut S) -> Result<Option<OverlayState>, Error<S::Error>> {
    let list = match overlay::list(store, true) {
        Err(error @ Error::OverlayLog { .. }) => {
            let damage = Some(error.to_string());
            return Ok(Some(OverlayState { revision: 0, standing: 0, coming: 0, latest: None, damage }));
        }
        list => list?,
    };
    let count = |state: &str| list.entries.iter().filter(|shown| shown.state == state).count();
    let state = OverlayState {
        revision: list.revision,
        standing: count("standing"),
        coming: count("coming"),
        latest: list.entries.first().map(ToString::to_string),
        damage: list.damage.clone(),
    };
    Ok(Some(state).filter(|state| state.revision > 0 || state.damage.is_some()))
}

/// Describes the snapshot of `manifest`, from the listing `there` or else by reading `looks` of its
/// packs.
fn stored<S: Store>(
    store: &mut S,
    manifest: &Manifest,
    (now, looks): (UnixMillis, usize),
    there: Option<&Listing>,
) -> Result<Stored, Error<S::Error>> {
    let ids: BTreeSet<PackId> = ids(manifest).collect();
    let (looked_at, missing) = if let Some(there) = there {
        (ids.len(), ids.iter().filter(|id| !there.contains_key(id)).count())
    } else {
        let keys = sample(&packs(manifest).collect::<Vec<_>>(), Some(looks));
        let lacking = store.lacking(&keys);
        let lacking = lacking.map_err(|source| Error::Store { action: "checking", key: "packs".to_owned(), source })?;
        (keys.len(), lacking.len())
    };
    Ok(Stored {
        snapshot: manifest.snapshot().to_string(),
        built_at: manifest.built_at().to_string(),
        share: None,
        age_minutes: now.since(manifest.built_at()) / MINUTE_MS,
        users: Some(manifest.users()),
        pack_format: Some(manifest.format().version()),
        packs: ids.len(),
        looked_at,
        missing,
        bytes: there.map(|there| ids.iter().filter_map(|id| there.get(id)?.bytes).sum()),
    })
}

/// The packs of the snapshot of `manifest`, including the manifest's own.
fn ids(manifest: &Manifest) -> impl Iterator<Item = PackId> + use<> {
    packs(manifest).filter_map(pack).chain([manifest.id()])
}
