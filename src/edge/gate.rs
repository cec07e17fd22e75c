//! Who may have what is the preview page's alone and is answered in JavaScript (`preview.mjs`): for whoever sends the preview secret. Guesses are
//! counted here as for all else, so that no path is a way around it.

use worker::Env;
use worker::wasm_bindgen;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use super::{isolate, limiter, real_now};
use crate::guess::Admission;
use crate::rate::{Address, Asker};

/// What becomes of a request with the secret `given` from `address`: the status, 200, 403 or 429, the key by which its address is counted, and that of
/// its asker, with spaces between.
#[expect(unreachable_pub, reason = "only public functions are exported")]
#[allow(clippy::needless_pass_by_value, reason = "JavaScript hands over texts of its own")]
#[wasm_bindgen(js_name = admitPreview)]
pub fn admit(env: &Env, given: Option<String>, address: Option<String>) -> String {
    let config = isolate::config(env);
    let address = Address::parse(address.as_deref());
    let admission = match (given, &config.preview_secret) {
        (Some(given), Some(secret)) => secret.admit(&given, address, real_now()),
        _ => Admission::Wrong,
    };
    let (status, asker) = match admission {
        Admission::Right => ("200", Asker::Preview),
        Admission::Wrong => ("403", Asker::Refused),
        Admission::TooMany => ("429", Asker::Refused),
    };
    let key = limiter::key_of(env.as_ref(), asker, address).unwrap_or_default();
    [status, &address.to_string(), &key].join(" ")
}
