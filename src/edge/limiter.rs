//! Cloudflare's rate limiters, asked through `limiter.mjs`. Both Workers have this file.

use js_sys::futures::JsFuture;
use js_sys::{Function, Promise, Reflect};
use sinsang::rate::{Address, Asker};
use worker::wasm_bindgen::{JsCast as _, JsValue};

/// The limiter of whole addresses.
const ADDRESS: &str = "RATE_LIMIT_ADDRESS";
/// The limiters of askers: over 10 seconds and over 60.
const ASKER: [&str; 2] = ["RATE_LIMIT_BURST", "RATE_LIMIT"];

/// Whether any limiter is bound.
pub(crate) fn is_bound(env: &JsValue) -> bool {
    has(env, ADDRESS) || ASKER.iter().any(|name| has(env, name))
}

/// Whether too many requests came from `address`. This is asked first, before a token costs
/// anything.
pub(crate) async fn refuses_address(env: &JsValue, address: Address) -> bool {
    refuses(env, "address", &address.to_string()).await
}

/// Whether too many requests came from `asker` at `address`.
pub(crate) async fn refuses_asker(env: &JsValue, asker: Asker, address: Address) -> bool {
    match key_of(env, asker, address) {
        Some(key) => refuses(env, "asker", &key).await,
        None => false,
    }
}

/// The rate-limit key of `asker` at `address`; `None` if it isn't counted.
pub(crate) fn key_of(env: &JsValue, asker: Asker, address: Address) -> Option<String> {
    asker.key(address, has(env, ADDRESS))
}

fn has(env: &JsValue, name: &str) -> bool {
    Reflect::get(env, &name.into()).is_ok_and(|binding| binding.is_object())
}

/// A platform that gives no answer refuses nobody.
async fn refuses(env: &JsValue, kind: &str, key: &str) -> bool {
    match ask(env, kind, key) {
        Ok(answer) => JsFuture::from(answer).await.is_ok_and(|answer| answer == JsValue::TRUE),
        Err(_) => false,
    }
}

fn ask(env: &JsValue, kind: &str, key: &str) -> Result<Promise, JsValue> {
    let ask: Function = Reflect::get(&js_sys::global(), &"SINSANG_REFUSES".into())?.dyn_into()?;
    ask.call3(&JsValue::NULL, env, &kind.into(), &key.into())?.dyn_into()
}
