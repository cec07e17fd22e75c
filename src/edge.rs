//! The shell around the core: the one place that knows the platform. It reads the clock, the store and the configuration, and drives
//! [`crate::serve`].
//!
//! The Workers clock stands still but for I/O, so it is read on arrival and after each await. Nothing here keeps a future across requests;
//! what outlives one is plain data in [`crate::memory`], borrowed only between awaits.

mod isolate;
mod store;

use worker::{Context, Date, Env, Headers, Request, Response, ResponseBuilder, Result, event};

use crate::reply::Reply;
use crate::request::{Config, Raw};
use crate::serve::{Refresh, Serve, Step};
use crate::time::UnixMillis;

use isolate::with_memory;
use store::Store;

/// Answers `GET /v1/…` and `/healthz`; static assets are served before it is asked.
///
/// # Errors
/// None of its own: the platform's, where a header or a body can't be handed over.
#[event(fetch)]
pub async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let config = isolate::config(&env);
    let url = request.inner().url();
    let method = request.inner().method();
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let (path, query) = path_and_query(&url);
    let (authorization, preview) = (header("Authorization"), header("Sinsang-Preview"));
    let (if_none_match, origin) = (header("If-None-Match"), header("Origin"));
    let raw = Raw {
        method: &method,
        path,
        query,
        authorization: authorization.as_deref(),
        preview: preview.as_deref(),
        if_none_match: if_none_match.as_deref(),
        origin: origin.as_deref(),
    };
    let mut serve = Serve::begin(raw, &config, now(&config));
    let reply = loop {
        let keys = match with_memory(|memory| serve.next(memory, now(&config))) {
            Step::Reply(reply) => break reply,
            Step::Read(keys) => keys,
        };
        let fetched = Store::open(&env).read_all(keys).await;
        with_memory(|memory| serve.absorb(fetched, memory, now(&config)));
    };
    for line in &reply.log {
        worker::console_warn!("{} {}: {line}", method, path);
    }
    if reply.wants_refresh {
        let (store, config) = (Store::open(&env), config.clone());
        context.wait_until(async move { refresh(&store, &config).await });
    }
    respond(reply)
}

/// Looks the live manifest up, and loads what it names, outside any request.
async fn refresh(store: &Store, config: &Config) {
    let mut refresh = Refresh::begin();
    while let Some(key) = with_memory(|memory| refresh.next(memory, now(config))) {
        let fetched = store.read(key).await;
        if let Some(line) = with_memory(|memory| refresh.absorb(fetched, memory, now(config))) {
            worker::console_warn!("{line}");
        }
    }
}

/// The platform's clock, moved by the configured offset.
fn now(config: &Config) -> UnixMillis {
    UnixMillis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX)).plus(config.clock_offset_ms)
}

/// Cuts the address that the platform hands over, which is absolute and normalised already.
fn path_and_query(url: &str) -> (&str, &str) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let from_path = after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("/");
    let without_fragment = from_path.split_once('#').map_or(from_path, |(before, _)| before);
    without_fragment.split_once('?').unwrap_or((without_fragment, ""))
}

fn respond(reply: Reply) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in &reply.headers {
        headers.set(name, value)?;
    }
    let builder = ResponseBuilder::new().with_status(reply.status).with_headers(headers);
    Ok(if reply.body.is_empty() { builder.empty() } else { builder.fixed(reply.body) })
}
