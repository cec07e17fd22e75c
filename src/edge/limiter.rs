//! Cloudflare's rate-limiting binding, where `wrangler.toml` binds one: one count for each address that asks.

use js_sys::{Object, Reflect};
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::isolate::with_memory;
use super::platform::{call, get};
use super::within;
use crate::time::UnixMillis;

/// The rate limiter's binding in `wrangler.toml`.
pub(super) const BINDING: &str = "RATE_LIMIT";
/// A limiter that takes longer than this, in milliseconds, is not waited for: the request passes.
const LIMIT_MS: u32 = 50;

/// Whether the limiter refuses the request. A limiter that fails or hangs refuses nobody, and is left alone for a while.
pub(super) async fn refuses(env: &Env, header: impl Fn(&str) -> Option<String>, now: impl Fn() -> UnixMillis) -> bool {
    if !with_memory(|memory| memory.limiter.admit(now())) {
        return false;
    }
    let binding = get(env.as_ref(), BINDING).unwrap_or(JsValue::UNDEFINED);
    let key = header("CF-Connecting-IP").unwrap_or_default();
    let outcome = within(LIMIT_MS, limit(&binding, &key)).await.flatten();
    with_memory(|memory| match outcome {
        Some(_) => memory.limiter.succeeded(now()),
        None => memory.limiter.failed(now()),
    });
    outcome == Some(false)
}

/// Whether `limit` of the binding lets `key` pass.
async fn limit(binding: &JsValue, key: &str) -> Option<bool> {
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into()).ok()?;
    let outcome = call(binding, "limit", &[options.into()]).await.ok()?;
    get(&outcome, "success").ok()?.as_bool()
}
