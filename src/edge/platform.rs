//! Parts of the platform that are reached by name, because their bindings panic on missing or
//! refused values: properties, calls, responses.

use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::Response;

/// A property.
pub(super) fn get(of: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(of, &name.into())
}

/// Calls a method that returns a promise.
pub(super) async fn call(of: &JsValue, name: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = get(of, name)?.dyn_into()?;
    let list: Array = arguments.iter().collect();
    let promise: Promise = Reflect::apply(&method, of, &list)?.dyn_into()?;
    JsFuture::from(promise).await
}

/// A response; an empty `body` means none.
pub(super) fn response(
    status: u16,
    // One copy of this function, whatever has the headers.
    headers: &mut dyn Iterator<Item = (&str, &str)>,
    body: &[u8],
) -> Result<Response, JsValue> {
    let (all, init) = (Object::new(), Object::new());
    for (name, value) in headers {
        Reflect::set(&all, &name.into(), &value.into())?;
    }
    Reflect::set(&init, &"headers".into(), &all)?;
    Reflect::set(&init, &"status".into(), &status.into())?;
    let body = if body.is_empty() { JsValue::NULL } else { Uint8Array::from(body).into() };
    let make: Function = get(&js_sys::global(), "Response")?.dyn_into()?;
    Reflect::construct(&make, &[body, init.into()].iter().collect::<Array>())?.dyn_into()
}
