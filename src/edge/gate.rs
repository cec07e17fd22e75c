//! Admission to the preview page's own resources, which `preview.mjs` answers: for senders of the
//! preview secret. Guesses are counted here as everywhere, so that no path avoids the limit.

use worker::Env;
use worker::wasm_bindgen;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use super::{isolate, limiter, real_now};
use crate::guess::Admission;
use crate::rate::{Address, Asker};

/// Admits a request with the secret `given` from `address`. Returns three values separated by
/// spaces: the status (200, 403 or 429), the address's rate-limit key, and the asker's.
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
