//! Cloudflare's rate-limiting binding, where `wrangler.toml` binds one: one count for each address that asks.

use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::isolate::with_memory;
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
    let binding = js_sys::Reflect::get(env.as_ref(), &BINDING.into()).unwrap_or(JsValue::UNDEFINED);
    let key = header("CF-Connecting-IP").unwrap_or_default();
    let outcome = within(LIMIT_MS, super::cache::limit(&binding, &key)).await.flatten();
    with_memory(|memory| match outcome {
        Some(_) => memory.limiter.succeeded(now()),
        None => memory.limiter.failed(now()),
    });
    outcome == Some(false)
}
