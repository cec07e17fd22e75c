//! The lease of a store: one run at a time moves its manifest or removes packs.
//!
//! KV has no compare-and-set, so a lease is a value that says who holds the store and until when. A
//! run writes its own, reads it back, renews it while it works and checks it again right before the
//! manifest moves. One race remains: two runs that both look before either's write is visible. So
//! the manifest is checked too, before and after it moves (`publication.rs`).
//!
//! The overlay has a lease of its own, which lasts a minute: what can't wait for a build can't wait
//! for a publish either.
//!
//! The value also records the progress of an unfinished publish, so that the next one resumes
//! without listing the store.

use serde::{Deserialize, Serialize};
use sinsang_core::key::{LEASE, OVERLAY_LEASE};
use sinsang_core::pack::PackId;
use sinsang_core::time::{CLOCK_LEEWAY_MS, MINUTE_MS, SECOND_MS, UnixMillis};

use crate::store::{Error, Store, read};

/// How long an unrenewed lease lasts, in milliseconds: the time for which a killed run blocks
/// others. It is renewed after each batch ([`Store::written_at_once`]), which takes less than this
/// at 3 Mbit/s.
pub(crate) const LEASE_MS: i64 = 10 * MINUTE_MS;
/// Shortest time between two renewals, in milliseconds: KV accepts one write of a key per second.
const RENEW_MS: i64 = 1_100;

/// The same for the overlay's lease, under which two small values are written.
const OVERLAY_LEASE_MS: i64 = MINUTE_MS;
/// How much longer a run waits for a lease than a killed run can block it, in milliseconds.
const PATIENCE_MS: i64 = 10 * SECOND_MS;
/// Delay between two checks of the lease while waiting, in milliseconds.
const LOOK_MS: u32 = 1_000;
/// The action of a run that removes no packs, so the record of an unfinished publish survives it.
pub(crate) const FORGET: &str = "forget";
/// The action that changes the overlay alone.
pub(crate) const OVERLAY: &str = "overlay";

/// The key of the lease that `action` takes, and how long that lasts unless it is renewed, in
/// milliseconds.
fn terms(action: &str) -> (&'static str, i64) {
    if action == OVERLAY { (OVERLAY_LEASE, OVERLAY_LEASE_MS) } else { (LEASE, LEASE_MS) }
}

/// The holder of a store, and when the lease expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    holder: String,
    action: String,
    since: i64,
    until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<Unfinished>,
}

/// Progress of a publish that has not moved the manifest yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// The snapshot.
    pub(crate) snapshot: String,
    /// The live manifest when it began, on which its choice of missing packs depends.
    pub(crate) beside: Option<String>,
    /// The last pack written, in the order of their names.
    pub(crate) last: String,
    /// When the first pack was written.
    pub(crate) since: i64,
}

impl Unfinished {
    /// The last pack that was written.
    pub(crate) fn last(&self) -> Option<PackId> {
        PackId::parse(&self.last)
    }
}

/// A lease held by this run.
#[derive(Debug)]
pub(crate) struct Held {
    lease: Lease,
    written_at: UnixMillis,
    /// The publish that the previous run left unfinished.
    pub(crate) before: Option<Unfinished>,
}

impl Held {
    /// Takes the lease of `store` for `holder`, who is about to run `action`.
    ///
    /// # Errors
    /// [`Error::Held`] if another run holds it; [`Error::Store`] if the store fails.
    pub(crate) fn take<S: Store>(store: &mut S, holder: &str, action: &str) -> Result<Self, Error<S::Error>> {
        let now = store.now();
        let (_, lasts_ms) = terms(action);
        let before = current(store, action)?;
        if let Some(other) = before.as_ref().filter(|lease| lease.holds(now)) {
            return Err(other.refusal());
        }
        let unfinished = before.as_ref().and_then(|lease| lease.unfinished.clone());
        let lease = Lease {
            holder: holder.to_owned(),
            action: action.to_owned(),
            since: now.0,
            until: now.plus(lasts_ms).0,
            // Any other action may remove the packs of an unfinished publish, so its record is
            // dropped.
            unfinished: unfinished.clone().filter(|_| ["publish", FORGET].contains(&action)),
        };
        let held = Self { lease, written_at: now, before: unfinished };
        held.write(store)?;
        for attempt in 0.. {
            match current(store, action)? {
                Some(found) if found == held.lease => break,
                // The previous value is still visible.
                found if found == before && store.settle(attempt) => {}
                Some(other) => return Err(other.refusal()),
                None => return Err(Error::LeaseLost { holder: "nobody".to_owned() }),
            }
        }
        Ok(held)
    }

    /// Checks that this run still holds the lease, and extends it if half of it has passed.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if another run holds it; [`Error::Store`] if the store fails.
    pub(crate) fn secure<S: Store>(&mut self, store: &mut S) -> Result<(), Error<S::Error>> {
        self.check(store)?;
        if store.now().since(self.written_at) < terms(&self.lease.action).1 / 2 {
            return Ok(());
        }
        self.extend(store)?;
        self.check(store)
    }

    /// Renews the lease and records a publish's progress, unless it was written within the last 1.1
    /// seconds.
    ///
    /// # Errors
    /// As [`Self::secure`].
    pub(crate) fn renew<S: Store>(
        &mut self,
        store: &mut S,
        unfinished: Option<Unfinished>,
    ) -> Result<(), Error<S::Error>> {
        self.lease.unfinished = unfinished;
        if store.now().since(self.written_at) < RENEW_MS {
            return Ok(());
        }
        self.check(store)?;
        self.extend(store)
    }

    fn extend<S: Store>(&mut self, store: &mut S) -> Result<(), Error<S::Error>> {
        self.written_at = store.now();
        self.lease.until = self.written_at.plus(terms(&self.lease.action).1).0;
        self.write(store)
    }

    /// Checks that the lease is this run's. An expired one that nobody has taken since still is.
    fn check<S: Store>(&self, store: &mut S) -> Result<(), Error<S::Error>> {
        let is_ours = |lease: &Lease| lease.holder == self.lease.holder && lease.since == self.lease.since;
        match current(store, &self.lease.action)? {
            Some(lease) if is_ours(&lease) => Ok(()),
            other => Err(Error::LeaseLost { holder: other.map_or_else(|| "nobody".to_owned(), |other| other.holder) }),
        }
    }

    /// Releases the lease if it is still this run's, and records unfinished work. If the store
    /// refuses, the next run waits until the lease expires.
    pub(crate) fn give_back<S: Store>(mut self, store: &mut S, is_done: bool) {
        if self.check(store).is_ok() {
            self.lease.until = 0;
            self.lease.unfinished = self.lease.unfinished.take().filter(|_| !is_done || self.lease.action == FORGET);
            let _ = self.write(store);
        }
    }

    fn write<S: Store>(&self, store: &mut S) -> Result<(), Error<S::Error>> {
        let bytes = serde_json::to_vec(&self.lease).unwrap_or_default();
        let now = store.now();
        let (key, _) = terms(&self.lease.action);
        store.put(key, &bytes, now).map_err(|source| Error::Store { action: "writing", key: key.into(), source })
    }
}

impl Lease {
    /// Whether the store is held. A lease that ends later than any run asks for comes from a wrong
    /// clock or from a writer that never releases it, and is ignored.
    fn holds(&self, now: UnixMillis) -> bool {
        self.until > now.0 && self.until <= now.plus(terms(&self.action).1 + CLOCK_LEEWAY_MS).0
    }

    fn refusal<E: std::error::Error + Send + Sync + 'static>(&self) -> Error<E> {
        let Self { holder, action, since, until, .. } = self.clone();
        Error::Held { action, holder, since: UnixMillis(since), until: UnixMillis(until) }
    }
}

/// The stored lease that `action` takes. An unreadable one counts as none.
fn current<S: Store>(store: &mut S, action: &str) -> Result<Option<Lease>, Error<S::Error>> {
    Ok(read(store, terms(action).0)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Runs `work` under the lease of `store`, then releases the lease.
///
/// # Errors
/// As [`Held::take`] and `work`.
pub(crate) fn under<S: Store, T>(
    store: &mut S,
    holder: &str,
    action: &str,
    work: impl FnOnce(&mut S, &mut Held) -> Result<T, Error<S::Error>>,
) -> Result<T, Error<S::Error>> {
    let mut held = Held::take(store, holder, action)?;
    let outcome = work(store, &mut held);
    held.give_back(store, outcome.is_ok());
    outcome
}

/// Runs `work` as [`under`] does, after waiting for the current holder's lease to be released or
/// expire.
///
/// # Errors
/// As [`under`]; [`Error::Held`] if others hold the lease for longer than an unrenewed one lasts.
pub(crate) fn after_others<S: Store, T>(
    store: &mut S,
    holder: &str,
    action: &str,
    mut work: impl FnMut(&mut S, &mut Held) -> Result<T, Error<S::Error>>,
) -> Result<T, Error<S::Error>> {
    let begun = store.now();
    let mut is_told = false;
    loop {
        match under(store, holder, action, &mut work) {
            Err(error @ (Error::Held { .. } | Error::LeaseLost { .. })) => {
                if store.now().since(begun) >= terms(action).1 + PATIENCE_MS {
                    return Err(error);
                }
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "waiting for the store's lease");
                }
                // Waiting runs are spread out: the local KV takes one write at a time.
                store.wait(LOOK_MS + std::process::id() % LOOK_MS);
            }
            outcome => return outcome,
        }
    }
}
