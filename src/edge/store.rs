//! Workers KV as the snapshot store: reads that end in time, and never in anything but a [`Fetched`].

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use worker::kv::KvStore;
use worker::{Delay, Env};

use crate::key::Key;
use crate::load::{Fetched, ReadFailure};

/// The KV namespace's binding in `wrangler.toml`.
const BINDING: &str = "SNAPSHOTS";
/// A read that takes longer has failed. KV's cold reads take 100 to 300 ms.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// KV's own cache holds the live manifest this long: the least that KV takes.
const LIVE_TTL_S: u64 = 30;
/// KV's own cache may hold a pack, which never changes, for a day.
const PACK_TTL_S: u64 = 86_400;

/// The snapshot store, or its absence where nothing is bound.
pub(super) struct Store(Option<KvStore>);

impl Store {
    pub(super) fn open(env: &Env) -> Self {
        Self(env.kv(BINDING).ok())
    }

    /// Reads `keys` side by side.
    pub(super) async fn read_all(&self, keys: Vec<Key>) -> Vec<Fetched> {
        join_all(keys.into_iter().map(|key| self.read(key))).await
    }

    /// Reads `key`.
    pub(super) async fn read(&self, key: Key) -> Fetched {
        let Some(kv) = &self.0 else { return Fetched { key, value: Err(ReadFailure::Failed) } };
        let ttl = if key == Key::Live { LIVE_TTL_S } else { PACK_TTL_S };
        let name = key.to_string();
        let read = pin!(kv.get(&name).cache_ttl(ttl).bytes());
        let value = match select(read, pin!(Delay::from(READ_LIMIT))).await {
            Either::Left((value, _)) => value.map_err(|_| ReadFailure::Failed),
            Either::Right(_) => Err(ReadFailure::TimedOut),
        };
        Fetched { key, value }
    }
}
