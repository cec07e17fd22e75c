//! The data centre's cache as the rung below the store: what isolates read whole they leave here for those that can't.
//!
//! It is reached by name, since the bindings of the `worker` crate panic where a cache is missing. An address in it begins with the
//! request's own origin, as Cloudflare asks; no such path is ever served, because requests reach the Worker before any cache.

use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast as _, JsValue};

use crate::key::Key;
use crate::load::{Keep, ReadFailure};

/// The cache, for one of the Worker's origins.
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

    /// Keeps a value, and says whether the cache took it.
    pub(super) async fn write(&self, keep: &Keep) -> bool {
        match response(keep.bytes()) {
            Ok(response) => match default_cache() {
                Ok(cache) => call(&cache, "put", &[self.address(keep.key()), response]).await.is_ok(),
                Err(_) => false,
            },
            Err(_) => false,
        }
    }
}

fn get(of: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(of, &name.into())
}

fn default_cache() -> Result<JsValue, JsValue> {
    get(&get(&js_sys::global(), "caches")?, "default")
}

/// Calls a method that gives a promise.
async fn call(of: &JsValue, name: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = get(of, name)?.dyn_into()?;
    let list: Array = arguments.iter().collect();
    let promise: Promise = Reflect::apply(&method, of, &list)?.dyn_into()?;
    JsFuture::from(promise).await
}

fn response(bytes: &[u8]) -> Result<JsValue, JsValue> {
    let (name, value) = crate::reply::kept_header();
    let (headers, init) = (Object::new(), Object::new());
    Reflect::set(&headers, &name.into(), &value.into())?;
    Reflect::set(&init, &"headers".into(), &headers)?;
    let make: Function = get(&js_sys::global(), "Response")?.dyn_into()?;
    let list: Array = [JsValue::from(Uint8Array::from(bytes)), init.into()].iter().collect();
    Reflect::construct(&make, &list)
}

/// The same for the rate limiter's binding: whether `limit` lets `key` pass.
pub(super) async fn limit(binding: &JsValue, key: &str) -> Option<bool> {
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into()).ok()?;
    let outcome = call(binding, "limit", &[options.into()]).await.ok()?;
    get(&outcome, "success").ok()?.as_bool()
}
