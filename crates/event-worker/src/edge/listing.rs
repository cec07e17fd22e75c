//! The live board's listings, remembered by an isolate of the consumer.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::futures::JsFuture;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{MINUTE_MS, UnixMillis};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::{Env, Error, Result};

use super::{board::STORE, now};
use crate::listing::Listings;

/// Minimum time between two looks at the live manifest.
const LOOK_MS: i64 = MINUTE_MS;

#[derive(Default)]
struct Known {
    listings: Option<Rc<Listings>>,
    looked_at: Option<UnixMillis>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The listings of the live board, or of the last readable one; `None` if none could be read.
pub(super) async fn listings(env: &Env) -> Option<Rc<Listings>> {
    let now = now();
    let (known, is_due) = KNOWN.with_borrow_mut(|known| {
        // Negative if the clock has gone back.
        let is_due = known.looked_at.is_none_or(|at| !(0..LOOK_MS).contains(&now.since(at)));
        if is_due {
            // Set before the reads, so that concurrent batches don't read as well.
            known.looked_at = Some(now);
        }
        (known.listings.clone(), is_due)
    });
    if !is_due {
        return known;
    }
    match look(env, known.as_deref()).await {
        Ok(None) => known,
        Ok(Some(found)) => {
            worker::console_log!("{{\"listings\":{}}}", found.len());
            let found = Some(Rc::new(found));
            KNOWN.with_borrow_mut(|known| known.listings.clone_from(&found));
            found
        }
        Err(error) => {
            worker::console_error!("can't read the live board's listings: {error}");
            known
        }
    }
}

/// The listings of the live board; `None` if they are the `known` ones.
async fn look(env: &Env, known: Option<&Listings>) -> Result<Option<Listings>> {
    let failed = |damage: sinsang_core::pack::Damage| Error::RustError(damage.to_string());
    let Some(manifest) = get(env, Key::Live).await? else { return Ok(None) };
    let id = Manifest::parse(manifest).map_err(failed)?.board();
    if known.is_some_and(|known| known.board() == id) {
        return Ok(None);
    }
    let bytes = get(env, Key::Pack(Kind::Board, id)).await?;
    let bytes = bytes.ok_or_else(|| Error::RustError("the live board is missing".to_owned()))?;
    Listings::parse(bytes, id).map(Some).map_err(failed)
}

/// A value of the edge's store.
async fn get(env: &Env, key: Key) -> Result<Option<Vec<u8>>> {
    let store = Reflect::get(env.as_ref(), &STORE.into())?;
    let get: Function = Reflect::get(&store, &"get".into())?.dyn_into()?;
    let promise: Promise = get.call2(&store, &key.to_string().into(), &JsValue::from_str("arrayBuffer"))?.dyn_into()?;
    let value = JsFuture::from(promise).await?;
    Ok((!value.is_null()).then(|| Uint8Array::new(&value).to_vec()))
}
