//! The lease of a store: one run at a time moves its manifest or removes packs.
//!
//! KV compares nothing before it writes, so a lease is a value that says who has the store and until when. A run writes its own, reads it
//! back, renews it while it works and looks at it again right before the manifest moves. What remains: two runs that both looked in the
//! moment before either's write showed. So the manifest is looked at too, before and after it moves (`publication.rs`).
//!
//! The value also keeps how far an unfinished publish came, so that the next one goes on from there without a list of the store.

use serde::{Deserialize, Serialize};
use sinsang_core::key::LEASE;
use sinsang_core::pack::PackId;
use sinsang_core::time::{CLOCK_LEEWAY_MS, MINUTE_MS, SECOND_MS, UnixMillis};

use crate::store::{Error, Store, read};

/// How long a lease lasts that is not renewed, in milliseconds: what a killed run keeps others waiting. It is renewed after each batch
/// ([`Store::written_at_once`]), which takes less than this at 3 Mbit/s.
pub(crate) const LEASE_MS: i64 = 10 * MINUTE_MS;
/// KV takes one write of a key in a second.
const RENEW_MS: i64 = 1_100;

/// How long a run that waits for the lease does so, in milliseconds: what a killed run keeps it.
const PATIENCE_MS: i64 = LEASE_MS + 10 * SECOND_MS;
/// How long it waits between two looks, in milliseconds.
const LOOK_MS: u32 = 1_000;
/// What a run does that removes no packs: what a publish left unfinished outlives it.
pub(crate) const FORGET: &str = "forget";

/// Who has a store, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    holder: String,
    action: String,
    since: i64,
    until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<Unfinished>,
}

/// How far a publish came that has not moved the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// The snapshot.
    pub(crate) snapshot: String,
    /// The live manifest that it began beside: what it relied on hangs on it.
    pub(crate) beside: Option<String>,
    /// Of the packs that were to be written, in the order of their names, the last that was.
    pub(crate) last: String,
    /// When the first of them was written.
    pub(crate) since: i64,
}

impl Unfinished {
    /// The last pack that was written.
    pub(crate) fn last(&self) -> Option<PackId> {
        PackId::parse(&self.last)
    }
}

/// A lease that this run has.
#[derive(Debug)]
pub(crate) struct Held {
    lease: Lease,
    written_at: UnixMillis,
    /// What the run before left unfinished.
    pub(crate) before: Option<Unfinished>,
}

impl Held {
    /// Takes the lease of `store` for `holder`, who is going to do `action`.
    ///
    /// # Errors
    /// [`Error::Held`] where another run has it, and where the store fails.
    pub(crate) fn take<S: Store>(store: &mut S, holder: &str, action: &str) -> Result<Self, Error<S::Error>> {
        let now = store.now();
        let before = current(store)?;
        if let Some(other) = before.as_ref().filter(|lease| lease.holds(now)) {
            return Err(other.refusal());
        }
        let unfinished = before.as_ref().and_then(|lease| lease.unfinished.clone());
        let lease = Lease {
            holder: holder.to_owned(),
            action: action.to_owned(),
            since: now.0,
            until: now.plus(LEASE_MS).0,
            // Whoever has the store next may remove what a publish left, and does not go on from it.
            unfinished: unfinished.clone().filter(|_| ["publish", FORGET].contains(&action)),
        };
        let held = Self { lease, written_at: now, before: unfinished };
        held.write(store)?;
        for attempt in 0.. {
            match current(store)? {
                Some(found) if found == held.lease => break,
                // What was there before still shows.
                found if found == before && store.settle(attempt) => {}
                Some(other) => return Err(other.refusal()),
                None => return Err(Error::LeaseLost { holder: "nobody".to_owned() }),
            }
        }
        Ok(held)
    }

    /// Makes sure that the lease is still this run's, and lasts for what comes next.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] where it is not, and where the store fails.
    pub(crate) fn secure<S: Store>(&mut self, store: &mut S) -> Result<(), Error<S::Error>> {
        self.check(store)?;
        if store.now().since(self.written_at) < LEASE_MS / 2 {
            return Ok(());
        }
        self.extend(store)?;
        self.check(store)
    }

    /// Renews the lease, and notes how far a publish came, unless that was done a moment ago.
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
        self.lease.until = self.written_at.plus(LEASE_MS).0;
        self.write(store)
    }

    /// One that ran out, and that nobody has taken since, is this run's still.
    fn check<S: Store>(&self, store: &mut S) -> Result<(), Error<S::Error>> {
        let is_ours = |lease: &Lease| lease.holder == self.lease.holder && lease.since == self.lease.since;
        match current(store)? {
            Some(lease) if is_ours(&lease) => Ok(()),
            other => Err(Error::LeaseLost { holder: other.map_or_else(|| "nobody".to_owned(), |other| other.holder) }),
        }
    }

    /// Gives the lease back where it is still this run's, with what is left unfinished. A store that does not take it has the next run wait.
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
        store.put(LEASE, &bytes, now).map_err(|source| Error::Store { action: "writing", key: LEASE.into(), source })
    }
}

impl Lease {
    /// Whether somebody has the store. A lease that ends later than any run asks for was written by a clock that is wrong, or by nobody who lets go.
    fn holds(&self, now: UnixMillis) -> bool {
        self.until > now.0 && self.until <= now.plus(LEASE_MS + CLOCK_LEEWAY_MS).0
    }

    fn refusal<E: std::error::Error + Send + Sync + 'static>(&self) -> Error<E> {
        let Self { holder, action, since, until, .. } = self.clone();
        Error::Held { action, holder, since: UnixMillis(since), until: UnixMillis(until) }
    }
}

/// The lease as it lies there. One that can't be read is none.
fn current<S: Store>(store: &mut S) -> Result<Option<Lease>, Error<S::Error>> {
    Ok(read(store, LEASE)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Does `work` under the lease of `store`, and gives it back.
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

/// Does `work` as [`under`] does, once whoever has the lease gives it back or lets it run out.
///
/// # Errors
/// As [`under`]; [`Error::Held`] where the lease of others goes on for longer than one lasts that is not renewed.
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
                if store.now().since(begun) >= PATIENCE_MS {
                    return Err(error);
                }
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "waiting for the store");
                }
                // Not all who wait at the same moment: the local KV takes one write at a time.
                store.wait(LOOK_MS + std::process::id() % LOOK_MS);
            }
            outcome => return outcome,
        }
    }
}
