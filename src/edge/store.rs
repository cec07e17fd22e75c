//! Workers KV as the snapshot store: each read ends in a value, its absence or a [`ReadFailure`].

use std::cell::Cell;

use worker::Env;
use worker::kv::KvStore;

use crate::snapshot_load::ReadFailure;
use sinsang_core::key::Key;

/// The KV namespace's binding in `wrangler.toml`.
const BINDING: &str = "SNAPSHOTS";
/// How long KV's own cache holds the live manifest, or the absence of a pack: the shortest time
/// that KV accepts.
const LIVE_TTL_S: u64 = 30;
/// How long KV's own cache may hold a pack, which never changes: a day.
const PACK_TTL_S: u64 = 86_400;

/// The snapshot store; `None` if no namespace is bound.
pub(super) struct Store(Option<KvStore>);

impl Store {
    pub(super) fn open(env: &Env) -> Self {
        Self(env.kv(BINDING).ok())
    }

    /// Reads `key`, however long it takes. A missing pack is asked for twice, which `is_second`
    /// records.
    ///
    /// Each data centre's KV caches a key's absence as long as its value: a day for a pack. Yet a
    /// manifest may arrive before the packs that it names. A second read with a shorter time makes
    /// KV look for newer data
    /// (<https://developers.cloudflare.com/kv/api/read-key-value-pairs/#cachettl-parameter>).
    pub(super) async fn read(&self, key: Key, is_second: &Cell<bool>) -> Result<Option<Vec<u8>>, ReadFailure> {
        let Some(kv) = &self.0 else { return Err(ReadFailure::Failed) };
        // A pulse's absence is cached as long as its value would be.
        let mut ttl_s = if matches!(key, Key::Pack(..)) { PACK_TTL_S } else { LIVE_TTL_S };
        loop {
            let found = kv.get(&key.to_string()).cache_ttl(ttl_s).bytes().await.map_err(|_| ReadFailure::Failed)?;
            if found.is_some() || ttl_s == LIVE_TTL_S {
                return Ok(found);
            }
            is_second.set(true);
            ttl_s = LIVE_TTL_S;
        }
    }
}
