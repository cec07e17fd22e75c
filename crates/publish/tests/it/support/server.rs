//! A server that plays Cloudflare's KV REST API as its reference describes it, enforces its limits,
//! and fails on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ACCOUNT: &str = "account-of-the-tests";
pub(crate) const NAMESPACE: &str = "0f2ac74b498b48028cb68387c421e279";
pub(crate) const TOKEN: &str = "token-of-the-tests";

/// Limits from the documentation.
const MAX_PAIRS: usize = 10_000;
const MAX_REQUEST_BYTES: usize = 100_000_000;
const MAX_VALUE_BYTES: usize = 25 << 20;
const MAX_KEY_BYTES: usize = 512;
const MAX_METADATA_BYTES: usize = 1_024;
const MAX_CALLS_IN_FIVE_MINUTES: usize = 1_200;

type Body = BoxBody<Bytes, std::io::Error>;

/// A fault injected into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 429 with a `Retry-After` of this many seconds.
    TooMany(u64),
    /// 500, and nothing is done.
    Internal,
    /// 503 from a proxy, whose body is not JSON.
    Unavailable,
    /// The connection breaks before anything is done.
    Dropped,
    /// The connection breaks after the work is done, so the client can't know.
    DroppedAfter,
    /// The answer breaks off half way, after the work is done.
    CutShort,
    /// A bulk request does not take every third key.
    Partial,
}

/// A key's value and metadata, and how often it was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    pub(crate) metadata: Value,
    pub(crate) writes: usize,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Time of each call, with its method and path.
    pub(crate) calls: Vec<(Instant, String)>,
    /// Pairs and bytes of each bulk write.
    pub(crate) bulks: Vec<(usize, usize)>,
    /// The fault of the n-th call, from 0.
    pub(crate) faults: BTreeMap<usize, Fault>,
    /// The fault of every call.
    pub(crate) always: Option<Fault>,
    /// Keys that answer with an older value, and for how many more reads.
    pub(crate) stale: BTreeMap<String, (Option<Vec<u8>>, usize)>,
    /// Reads of a key before a write to it becomes visible.
    pub(crate) reads_until_shown: usize,
    /// Duration of every call.
    pub(crate) delay: Duration,
    /// Packs whose stamps alone the server has.
    pub(crate) shelf: Shelf,
    /// The clock that rate-limits calls and that they advance, for runs of days; without one, all
    /// calls of a server count as within five minutes.
    pub(crate) clock: Option<SimulatedClock>,
    /// Times of the recent calls, by that clock.
    recent: VecDeque<i64>,
    /// Use so far.
    pub(crate) used: Used,
}

/// Totals of a server's calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) calls: u64,
    /// The most calls in any five minutes.
    pub(crate) most_in_five_minutes: usize,
    /// Calls refused by the rate limit.
    pub(crate) refused: u64,
    pub(crate) bytes: u64,
    pub(crate) reads: u64,
    pub(crate) lists: u64,
    pub(crate) writes: u64,
    pub(crate) deletes: u64,
}

/// Milliseconds since the epoch, and a function that advances them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedClock {
    pub(crate) now: fn() -> i64,
    pub(crate) pass: fn(i64),
}

/// Packs by name, with the time of their stamp and their bytes; their values are in the folder of a
/// snapshot, or nowhere.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) stamps: BTreeMap<[u8; 16], (i64, u32)>,
    pub(crate) folder: Option<PathBuf>,
}

/// Time per call besides its bytes at 100 Mbit/s, with four calls in parallel, in milliseconds.
const CALL_MS: i64 = 25;
const BYTES_PER_MS: i64 = 12_500;

/// A running server; it stops when the test ends.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, state, _runtime: runtime }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/client/v4", self.address)
    }

    /// Makes the n-th call from here on fail, counted from 0.
    pub(crate) fn fail(&self, number: usize, fault: Fault) {
        let mut state = self.state();
        let number = state.calls.len() + number;
        state.faults.insert(number, fault);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Whether a call of `bytes` bytes exceeds the limit of the last five minutes.
    fn is_too_often(&mut self, bytes: usize) -> bool {
        let count = if let Some(clock) = self.clock {
            (clock.pass)(CALL_MS + i64::try_from(bytes).unwrap() / BYTES_PER_MS);
            let now = (clock.now)();
            while self.recent.front().is_some_and(|at| now - at > 300_000) {
                self.recent.pop_front();
            }
            self.recent.push_back(now);
            self.recent.len()
        } else {
            self.calls.len()
        };
        self.used.most_in_five_minutes = self.used.most_in_five_minutes.max(count);
        self.used.refused += u64::from(count > MAX_CALLS_IN_FIVE_MINUTES);
        count > MAX_CALLS_IN_FIVE_MINUTES
    }
}

/// The id of a pack that only the server's shelf has.
fn shelved(state: &State, key: &str) -> Option<[u8; 16]> {
    state.shelf.folder.as_ref()?;
    let hex = key.strip_prefix("pack/")?;
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(id)
}

/// Breaks the connection: hyper closes it if a service fails.
#[derive(Debug, thiserror::Error)]
#[error("dropped")]
struct Drop;

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>, Drop> {
    let (parts, body) = request.into_parts();
    let (fault, delay) = {
        let mut state = state.lock().unwrap();
        state.used.calls += 1;
        let number = state.calls.len();
        state.calls.push((Instant::now(), format!("{} {}", parts.method, parts.uri)));
        (state.always.or_else(|| state.faults.get(&number).copied()), state.delay)
    };
    if fault == Some(Fault::Dropped) {
        return Err(Drop);
    }
    let bytes = body.collect().await.map_err(|_| Drop)?.to_bytes();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (status, content) = match fault {
        Some(Fault::TooMany(seconds)) => {
            let mut response = whole(429, &failed(10_000, "Please wait and consider throttling your request speed"));
            response.headers_mut().insert("retry-after", seconds.into());
            return Ok(response);
        }
        Some(Fault::Internal) => return Ok(whole(500, &failed(10_001, "internal error"))),
        Some(Fault::Unavailable) => return Ok(whole(503, b"<html>upstream connect error</html>")),
        _ => {
            let mut state = state.lock().unwrap();
            if state.is_too_often(bytes.len()) {
                let mut response = whole(429, &failed(10_000, "more than 1,200 requests in five minutes"));
                response.headers_mut().insert("retry-after", 300.into());
                return Ok(response);
            }
            let (status, content) = act(&mut state, &parts, &bytes, fault == Some(Fault::Partial));
            state.used.bytes += (bytes.len() + content.len()) as u64;
            (status, content)
        }
    };
    match fault {
        Some(Fault::DroppedAfter) => Err(Drop),
        Some(Fault::CutShort) => Ok(cut(content)),
        _ => Ok(whole(status, &content)),
    }
}

fn whole(status: u16, content: &[u8]) -> Response<Body> {
    let body = Full::new(Bytes::copy_from_slice(content)).map_err(|never: Infallible| match never {}).boxed();
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(body).unwrap()
}

/// An answer that declares its full length and breaks off half way.
fn cut(content: Vec<u8>) -> Response<Body> {
    let length = content.len();
    let half = Bytes::from(content).slice(..length / 2);
    let frames = [Ok(Frame::data(half)), Err(std::io::Error::other("cut"))];
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed();
    Response::builder().header("content-length", length).body(body).unwrap()
}

fn failed(code: u32, message: &str) -> Vec<u8> {
    let errors = json!([{ "code": code, "message": message }]);
    json!({ "success": false, "errors": errors, "messages": [], "result": null }).to_string().into_bytes()
}

fn succeeded(result: &Value, info: Option<Value>) -> (u16, Vec<u8>) {
    let mut answer = json!({ "success": true, "errors": [], "messages": [], "result": result });
    if let Some(info) = info {
        answer["result_info"] = info;
    }
    (200, answer.to_string().into_bytes())
}

fn act(state: &mut State, parts: &hyper::http::request::Parts, body: &[u8], is_partial: bool) -> (u16, Vec<u8>) {
    if parts.headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {TOKEN}")) {
        return (401, failed(10_000, "Authentication error"));
    }
    let prefix = format!("/client/v4/accounts/{ACCOUNT}/storage/kv/namespaces/{NAMESPACE}/");
    let Some(rest) = parts.uri.path().strip_prefix(&prefix) else {
        return (404, failed(10_013, "namespace not found"));
    };
    if body.len() >= MAX_REQUEST_BYTES {
        return (413, failed(10_036, "the request is too large"));
    }
    match (&parts.method, rest) {
        (&Method::GET, "keys") => list(state, parts.uri.query().unwrap_or_default()),
        (&Method::PUT, "bulk") => write(state, body, is_partial),
        (&Method::POST, "bulk/delete") => remove(state, body, is_partial),
        (&Method::GET, _) if rest.starts_with("values/") => read(state, &unescaped(&rest["values/".len()..])),
        _ => (405, failed(10_405, "method not allowed")),
    }
}

fn list(state: &mut State, query: &str) -> (u16, Vec<u8>) {
    state.used.lists += 1;
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), unescaped(value)))
        .collect();
    let limit: usize = query.get("limit").map_or(Ok(1_000), |limit| limit.parse()).unwrap_or(0);
    if !(10..=1_000).contains(&limit) {
        return (400, failed(10_028, "limit must be from 10 to 1000"));
    }
    let (prefix, after) = (query.get("prefix").cloned().unwrap_or_default(), query.get("cursor").cloned());
    let after = after.filter(|after| !after.is_empty()).map(|after| after.trim_start_matches("c=").to_owned());
    if state.shelf.folder.is_some() {
        return list_shelf(&state.shelf, limit, after);
    }
    let from = after.clone().unwrap_or_else(|| prefix.clone());
    let found: Vec<(&String, &Entry)> = state
        .entries
        .range(from..)
        .skip_while(|(key, _)| after.as_ref() == Some(*key))
        .take_while(|(key, _)| key.starts_with(&prefix))
        .take(limit + 1)
        .collect();
    let names: Vec<Value> =
        found.iter().take(limit).map(|(key, entry)| json!({ "name": key, "metadata": entry.metadata })).collect();
    // A cursor is opaque; this one needs escaping in a query.
    let cursor = if found.len() > limit { format!("c={}", found[limit - 1].0) } else { String::new() };
    succeeded(&json!(names), Some(json!({ "count": names.len(), "cursor": cursor })))
}

/// As [`list`], for the packs on the shelf.
fn list_shelf(shelf: &Shelf, limit: usize, after: Option<String>) -> (u16, Vec<u8>) {
    let next = |after: String| u128::from_str_radix(after.trim_start_matches("pack/"), 16).unwrap() + 1;
    let from = after.map_or(0, next);
    let mut found = shelf.stamps.range(from.to_be_bytes()..).take(limit + 1);
    let name = |id: &[u8; 16]| format!("pack/{:032x}", u128::from_be_bytes(*id));
    let names: Vec<Value> = found
        .by_ref()
        .take(limit)
        .map(|(id, (at, bytes))| json!({ "name": name(id), "metadata": { "at": at, "bytes": bytes } }))
        .collect();
    let has_more = found.next().is_some();
    let cursor =
        if has_more { format!("c={}", names.last().unwrap()["name"].as_str().unwrap()) } else { String::new() };
    succeeded(&json!(names), Some(json!({ "count": names.len(), "cursor": cursor })))
}

fn write(state: &mut State, body: &[u8], is_partial: bool) -> (u16, Vec<u8>) {
    let Ok(Value::Array(pairs)) = serde_json::from_slice(body) else {
        return (400, failed(10_026, "expected an array of pairs"));
    };
    state.bulks.push((pairs.len(), body.len()));
    if pairs.len() > MAX_PAIRS {
        return (400, failed(10_025, "more than 10000 pairs"));
    }
    let mut refused = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        let (Some(key), Some(text)) = (pair["key"].as_str(), pair["value"].as_str()) else {
            return (400, failed(10_026, "a pair without key or value"));
        };
        let value = if pair["base64"] == json!(true) {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        } else {
            text.as_bytes().to_vec()
        };
        let is_large = key.len() > MAX_KEY_BYTES || value.len() > MAX_VALUE_BYTES;
        if is_large || pair["metadata"].to_string().len() > MAX_METADATA_BYTES {
            return (413, failed(10_030, "key, value or metadata too large"));
        }
        if is_partial && number % 3 == 0 {
            refused.push(key.to_owned());
            continue;
        }
        state.used.writes += 1;
        if let Some(id) = shelved(state, key) {
            let at = pair["metadata"]["at"].as_i64().unwrap();
            state.shelf.stamps.insert(id, (at, u32::try_from(value.len()).unwrap()));
            // A manifest is small, and the folder does not have it as a pack.
            if state.shelf.folder.as_ref().is_some_and(|folder| folder.join(key).exists()) {
                continue;
            }
        }
        let shown = state.reads_until_shown;
        let entry = state.entries.entry(key.to_owned()).or_default();
        if shown > 0 {
            let before = (entry.writes > 0).then(|| entry.value.clone());
            state.stale.insert(key.to_owned(), (before, shown));
        }
        *entry = Entry { value, metadata: pair["metadata"].clone(), writes: entry.writes + 1 };
    }
    let taken = pairs.len() - refused.len();
    succeeded(&json!({ "successful_key_count": taken, "unsuccessful_keys": refused }), None)
}

fn remove(state: &mut State, body: &[u8], is_partial: bool) -> (u16, Vec<u8>) {
    let keys: Vec<String> = serde_json::from_slice(body).unwrap();
    if keys.len() > MAX_PAIRS {
        return (400, failed(10_025, "more than 10000 keys"));
    }
    let refused: BTreeSet<&String> =
        keys.iter().enumerate().filter(|(number, _)| is_partial && number % 3 == 0).map(|(_, key)| key).collect();
    for key in keys.iter().filter(|key| !refused.contains(key)) {
        state.used.deletes += 1;
        state.entries.remove(key);
        if let Some(id) = shelved(state, key) {
            state.shelf.stamps.remove(&id);
        }
    }
    succeeded(&json!({ "successful_key_count": keys.len() - refused.len(), "unsuccessful_keys": refused }), None)
}

fn read(state: &mut State, key: &str) -> (u16, Vec<u8>) {
    let missing = || (404, failed(10_009, "get: 'key not found'"));
    if let Some((value, left)) = state.stale.get_mut(key)
        && *left > 0
    {
        *left -= 1;
        return value.clone().map_or_else(missing, |value| (200, value));
    }
    state.used.reads += 1;
    let on_disk = || std::fs::read(state.shelf.folder.as_ref()?.join(key)).ok();
    state.entries.get(key).map(|entry| entry.value.clone()).or_else(on_disk).map_or_else(missing, |value| (200, value))
}

fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}
