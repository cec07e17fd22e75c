//! The data centre's cache, one rung below the store: isolates leave validated values here for
//! isolates that can't reach the store.
//!
//! It is reached by name, since the bindings of the `worker` crate panic if a cache is missing. Its
//! keys are URLs that begin with the request's own origin, as Cloudflare demands. No such path is
//! ever served from the cache, because requests reach the Worker before any cache.

use js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;

use super::platform::{call, get, response};
use crate::snapshot_load::{Keep, ReadFailure};
use sinsang_core::key::Key;

/// The cache under one of the Worker's origins.
pub(super) struct Cache {
    origin: String,
}

impl Cache {
    pub(super) fn of(origin: &str) -> Self {
        Self { origin: origin.to_owned() }
    }

    fn address(&self, key: Key) -> JsValue {
        format!("{}/.snapshot/{key}", self.origin).into()
    }

    /// Reads `key`, however long it takes.
    pub(super) async fn read(&self, key: Key) -> Result<Option<Vec<u8>>, ReadFailure> {
        self.find(key).await.map_err(|_| ReadFailure::Failed)
    }

    async fn find(&self, key: Key) -> Result<Option<Vec<u8>>, JsValue> {
        let found = call(&default_cache()?, "match", &[self.address(key)]).await?;
        if found.is_undefined() || found.is_null() {
            return Ok(None);
        }
        let body = call(&found, "arrayBuffer", &[]).await?;
        Ok(Some(Uint8Array::new(&body).to_vec()))
    }

    /// Writes a value; returns whether the cache took it.
    pub(super) async fn write(&self, keep: &Keep) -> bool {
        let (name, value) = crate::reply::kept_header();
        let response = response(200, &mut std::iter::once((name, value.as_str())), keep.bytes());
        match (response, default_cache()) {
            (Ok(response), Ok(cache)) => {
                call(&cache, "put", &[self.address(keep.key()), response.into()]).await.is_ok()
            }
            _ => false,
        }
    }
}

fn default_cache() -> Result<JsValue, JsValue> {
    get(&get(&js_sys::global(), "caches")?, "default")
}
