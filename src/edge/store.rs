//! Workers KV as the snapshot store: each read ends in a value, its absence or a [`ReadFailure`].
//!
//! It is reached by name: the bindings of the `worker` crate bring in a serializer and a hash map
//! for their options, two kilobytes of the Worker.

use std::cell::Cell;

use js_sys::{Object, Reflect, Uint8Array};
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::platform::{call, get};
use crate::snapshot_load::ReadFailure;
use sinsang_core::key::Key;

/// The KV namespace's binding in `wrangler.toml`.
const BINDING: &str = "SNAPSHOTS";
/// How long KV's own cache holds the live manifest, or the absence of a pack: the shortest time
/// that KV accepts.
const LIVE_TTL_S: u32 = 30;
/// How long KV's own cache may hold a pack, which never changes: a day.
const PACK_TTL_S: u32 = 86_400;

/// The snapshot store; `undefined` if no namespace is bound, of which no read succeeds.
pub(super) struct Store(JsValue);

impl Store {
    pub(super) fn open(env: &Env) -> Self {
        Self(get(env.as_ref(), BINDING).unwrap_or_default())
    }

    /// Reads `key`, however long it takes. A missing pack is asked for twice, which `is_second`
    /// records.
    ///
    /// Each data centre's KV caches a key's absence as long as its value: a day for a pack. Yet a
    /// manifest may arrive before the packs that it names. A second read with a shorter time makes
    /// KV look for newer data
    /// (<https://developers.cloudflare.com/kv/api/read-key-value-pairs/#cachettl-parameter>).
    pub(super) async fn read(&self, key: Key, is_second: &Cell<bool>) -> Result<Option<Vec<u8>>, ReadFailure> {
        // A pulse's absence is cached as long as its value would be.
        let mut ttl_s = if matches!(key, Key::Pack(..)) { PACK_TTL_S } else { LIVE_TTL_S };
        loop {
            let found = self.find(key, ttl_s).await.map_err(|_| ReadFailure::Failed)?;
            if found.is_some() || ttl_s == LIVE_TTL_S {
                return Ok(found);
            }
            is_second.set(true);
            ttl_s = LIVE_TTL_S;
        }
    }

    async fn find(&self, key: Key, ttl_s: u32) -> Result<Option<Vec<u8>>, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"type".into(), &"arrayBuffer".into())?;
        Reflect::set(&options, &"cacheTtl".into(), &ttl_s.into())?;
        let found = call(&self.0, "get", &[key.to_string().into(), options.into()]).await?;
        Ok((!found.is_null()).then(|| Uint8Array::new(&found).to_vec()))
    }
}
