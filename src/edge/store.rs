//! Workers KV as the snapshot store: reads that never end in anything but a value, its absence or a [`ReadFailure`].

use std::cell::Cell;

use worker::Env;
use worker::kv::KvStore;

use crate::snapshot_load::ReadFailure;
use sinsang_core::key::Key;

/// The KV namespace's binding in `wrangler.toml`.
const BINDING: &str = "SNAPSHOTS";
/// KV's own cache holds the live manifest, and that a pack is missing, this long: the least that KV takes.
const LIVE_TTL_S: u64 = 30;
/// KV's own cache may hold a pack, which never changes, for a day.
const PACK_TTL_S: u64 = 86_400;

/// The snapshot store, or its absence where nothing is bound.
pub(super) struct Store(Option<KvStore>);

impl Store {
    pub(super) fn open(env: &Env) -> Self {
        Self(env.kv(BINDING).ok())
    }

    /// Reads `key`, however long it takes. A pack that is not there is asked for twice, which `is_second` tells.
    ///
    /// KV remembers in each data centre that a key was missing as long as it would remember its value, which for a pack is a day, and a
    /// manifest may arrive before the packs that it names. Asking again with a shorter time has KV look for newer data than that
    /// (<https://developers.cloudflare.com/kv/api/read-key-value-pairs/#cachettl-parameter>).
    pub(super) async fn read(&self, key: Key, is_second: &Cell<bool>) -> Result<Option<Vec<u8>>, ReadFailure> {
        let Some(kv) = &self.0 else { return Err(ReadFailure::Failed) };
        // That a pulse is not there yet is remembered as long as its value would be.
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
