//! ES256 signatures, checked by the platform through `signature.mjs`. Both Workers have this file.

use js_sys::futures::JsFuture;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast as _, JsValue};

/// Whether one of the keys in `points` made `signature` of `signed`. If the platform can't answer,
/// the result is false.
pub(crate) async fn is_good(points: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    ask(points, signed, signature).await.is_ok_and(|answer| answer == JsValue::TRUE)
}

async fn ask(points: &[u8], signed: &[u8], signature: &[u8]) -> Result<JsValue, JsValue> {
    let check: Function = Reflect::get(&js_sys::global(), &"SINSANG_IS_SIGNED".into())?.dyn_into()?;
    let [points, signed, signature] = [points, signed, signature].map(Uint8Array::from);
    let promise: Promise = check.call3(&JsValue::NULL, &points, &signed, &signature)?.dyn_into()?;
    JsFuture::from(promise).await
}
