//! Workers KV as the snapshot store: reads that never end in anything but a value, its absence or a [`ReadFailure`].

use worker::Env;
use worker::kv::KvStore;

use crate::key::Key;
use crate::load::ReadFailure;

/// The KV namespace's binding in `wrangler.toml`.
const BINDING: &str = "SNAPSHOTS";
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

    /// Reads `key`, however long it takes.
    pub(super) async fn read(&self, key: Key) -> Result<Option<Vec<u8>>, ReadFailure> {
        let Some(kv) = &self.0 else { return Err(ReadFailure::Failed) };
        // That a pulse is not there yet is remembered as long as its value would be.
        let ttl = if matches!(key, Key::Pack(..)) { PACK_TTL_S } else { LIVE_TTL_S };
        kv.get(&key.to_string()).cache_ttl(ttl).bytes().await.map_err(|_| ReadFailure::Failed)
    }
}
