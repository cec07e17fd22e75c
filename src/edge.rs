//! The shell around the core: the only module that knows the platform. It reads the clock, the
//! store and the configuration, and drives [`crate::serve`].
//!
//! The Workers clock only advances with I/O, so it is read on arrival and after each await. No
//! future is kept across requests; state that outlives a request is plain data in
//! [`crate::memory`], borrowed only between awaits.
//!
//! Warm requests bypass this module: the platform calls `edge/entry.mjs`, which asks [`fast_path`]
//! first and calls `fetch` only for requests that have to read or wait.

mod cache;
mod fast_path;
mod gate;
mod isolate;
mod limiter;
mod platform;
mod signature;
mod store;

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::{OptionFuture, join};
use worker::wasm_bindgen;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::{Request, Response};
use worker::{Context, Date, Delay, Env, event};

use crate::header;
use crate::rate::Address;
use crate::reply::{Reply, Timing};
use crate::request::{Config, Raw, Refusal};
use crate::serve::{Refresh, Serve, Step};
use crate::snapshot_load::{Fetched, Keep, Place, Read, ReadFailure};
use sinsang_core::time::UnixMillis;

use cache::Cache;
use isolate::with_memory;
use store::Store;

/// Answers `GET /v1/…` and `/healthz`; the platform serves static assets before it calls this.
/// Parameters and result are the platform's own types: those of the `worker` crate would be
/// converted from and to them, and unwrap the results.
///
/// # Errors
/// None.
#[event(fetch)]
pub async fn fetch(request: Request, env: Env, context: Context) -> Result<Response, Infallible> {
    let config = isolate::config(&env);
    let url = request.url();
    let method = request.method();
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let (origin_of_url, path, query) = cut(&url);
    let (authorization, preview) = (header(header::AUTHORIZATION), header(header::PREVIEW));
    let (if_none_match, origin) = (header(header::IF_NONE_MATCH), header(header::ORIGIN));
    let device = header(header::DEVICE);
    let raw = Raw {
        method: &method,
        path,
        query,
        authorization: authorization.as_deref(),
        preview: preview.as_deref(),
        if_none_match: if_none_match.as_deref(),
        origin: origin.as_deref(),
        device: device.as_deref(),
        address: Address::parse(header(header::ADDRESS).as_deref()),
        context: Some(isolate::context(&request)),
        has_body: request.body().is_some(),
    };
    let too_many = || respond(&crate::reply::refuse(&Refusal::TooMany, &raw, &config, Timing::default(), now(&config)));
    // The address is counted first: that costs less than checking a token's signature.
    let is_limited = isolate::has_limiter(&env) && path != HEALTH;
    if is_limited && limiter::refuses_address(env.as_ref(), raw.address).await {
        return Ok(too_many());
    }
    let stores = Stores { store: Store::open(&env), cache: Cache::of(origin_of_url) };
    let mut serve = Serve::begin(raw, &config, now(&config));
    let mut is_counted = !is_limited;
    let reply = loop {
        if !is_counted && let Some(asker) = serve.asker() {
            is_counted = true;
            if limiter::refuses_asker(env.as_ref(), asker, raw.address).await {
                return Ok(too_many());
            }
        }
        match with_memory(|memory| serve.next(memory, now(&config))) {
            Step::Reply(reply) => break reply,
            Step::Read(reads) => {
                let fetched = stores.read_all(reads).await;
                with_memory(|memory| serve.absorb(fetched, memory, now(&config)));
            }
            Step::Bundle => {
                let bytes = isolate::bundle();
                with_memory(|memory| serve.absorb_bundle(bytes.as_deref(), memory, now(&config)));
            }
            Step::Verify(token) => {
                let is_signed = signature::is_good(token.points(), token.signed(), token.signature()).await;
                serve.absorb_proof(is_signed);
            }
            Step::Wait(ms) => Delay::from(Duration::from_millis(ms.into())).await,
        }
    };
    for line in &reply.log {
        worker::console_warn!("{} {}: {line}", method, path);
    }
    let keeps = serve.take_keeps();
    if reply.wants_refresh || !keeps.is_empty() {
        let (wants_refresh, config) = (reply.wants_refresh, config.clone());
        context.wait_until(async move {
            stores.keep(keeps, &config).await;
            if wants_refresh {
                refresh(&stores, &config).await;
            }
        });
    }
    Ok(respond(&reply))
}

/// The path that is always answered, never limited.
const HEALTH: &str = "/healthz";

/// The two places that values are read from.
struct Stores {
    store: Store,
    cache: Cache,
}

impl Stores {
    /// Makes `reads` two at a time; no step has more than two.
    async fn read_all(&self, reads: Vec<Read>) -> Vec<Fetched> {
        let (mut reads, mut fetched) = (reads.into_iter(), Vec::new());
        while let Some(first) = reads.next() {
            let second = OptionFuture::from(reads.next().map(|read| self.read(read)));
            let (first, second) = join(self.read(first), second).await;
            fetched.push(first);
            fetched.extend(second);
        }
        fetched
    }

    async fn read(&self, read: Read) -> Fetched {
        let Read { place, key, limit_ms } = read;
        let is_second = std::cell::Cell::new(false);
        let value = match place {
            Place::Store => within(limit_ms, self.store.read(key, &is_second)).await,
            Place::Cache => within(limit_ms, self.cache.read(key)).await,
        };
        Fetched { place, key, value: value.unwrap_or(Err(ReadFailure::TimedOut)), is_second: is_second.get() }
    }

    /// Writes values read from the store to the data centre's cache, for isolates that can't reach
    /// the store.
    async fn keep(&self, keeps: Vec<Keep>, config: &Config) {
        for keep in keeps {
            if !with_memory(|memory| memory.cache.admit(now(config))) {
                return;
            }
            let is_kept = within(config.read_limit_ms, self.cache.write(&keep)).await.unwrap_or(false);
            with_memory(
                |memory| {
                    if is_kept { memory.cache.succeeded(now(config)) } else { memory.cache.failed(now(config)) }
                },
            );
        }
    }
}

/// The result of `work`, or `None` if it takes longer than `limit_ms`.
async fn within<T>(limit_ms: u32, work: impl Future<Output = T>) -> Option<T> {
    use futures_util::future::{Either, select};
    use std::pin::pin;
    match select(pin!(work), pin!(Delay::from(Duration::from_millis(limit_ms.into())))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Background work that `edge/entry.mjs` starts after a [`fast_path`] answer has asked for it.
/// Nobody awaits it.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures)]
pub async fn background(env: Env) {
    let config = isolate::config(&env);
    // The data centre's cache holds packs by their content alone and serves no requests: any of the
    // Worker's origins works.
    let stores = Stores { store: Store::open(&env), cache: Cache::of(&fast_path::origin()) };
    refresh(&stores, &config).await;
}

/// Reads the live manifest, and loads what it names, outside any request.
async fn refresh(stores: &Stores, config: &Config) {
    let mut refresh = Refresh::begin(config.read_limit_ms);
    while let Some(read) = with_memory(|memory| refresh.next(memory, now(config))) {
        let fetched = stores.read(read).await;
        if let Some(line) = with_memory(|memory| refresh.absorb(fetched, memory, now(config))) {
            worker::console_warn!("{line}");
        }
    }
    stores.keep(refresh.take_keeps(), config).await;
}

/// The platform's clock, moved by the configured offset.
fn now(config: &Config) -> UnixMillis {
    real_now().plus(config.clock_offset_ms)
}

/// The platform's clock.
fn real_now() -> UnixMillis {
    UnixMillis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// Splits an absolute, normalised URL into origin, path and query.
fn cut(url: &str) -> (&str, &str, &str) {
    let host_at = url.as_bytes().windows(3).position(|part| part == b"://").map_or(0, |at| at.saturating_add(3));
    let path_at = url.get(host_at..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host_at.saturating_add(at));
    let (origin, from_path) = url.split_at_checked(path_at).unwrap_or((url, ""));
    let without_fragment = from_path.split_once('#').map_or(from_path, |(before, _)| before);
    let (path, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
    (origin, if path.is_empty() { "/" } else { path }, query)
}

fn respond(reply: &Reply) -> Response {
    let mut headers = reply.headers.iter().map(|(name, value)| (*name, value.as_ref()));
    platform::response(reply.status, &mut headers, &reply.body).unwrap_or_else(|error| {
        worker::console_error!("the platform does not take an answer: {error:?}");
        Response::error()
    })
}
