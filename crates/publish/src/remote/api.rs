//! Calls of the KV REST API, each rate-limited, and retried while a retry can help.
//!
//! The API's limits, from its reference (developers.cloudflare.com/api/resources/kv): a bulk write
//! or removal takes 10,000 pairs and 100 MB, and names the keys that did not reach all of its
//! storage, to be sent again; a list returns 1,000 names and a cursor; an account may make 1,200
//! calls in five minutes, and above that every call gets a 429 for the time in `Retry-After`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{BlockingRetryable as _, ExponentialBuilder};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sinsang_run::clock::Clock;
use ureq::Agent;
use ureq::http::Response;

use super::Pair;
use super::pace::Pace;
use crate::store::Stamp;

/// Default base URL of the API.
const API: &str = "https://api.cloudflare.com/client/v4";
/// Most retries per call.
const MAX_RETRIES: usize = 8;
/// The longest backoff between retries.
const MAX_DELAY: Duration = Duration::from_mins(1);
/// The longest `Retry-After` that is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(15);
/// Timeout of a call. A bulk write of 32 MiB takes 90 seconds at 3 Mbit/s.
const CALL_LIMIT: Duration = Duration::from_mins(5);
/// Largest answer: one complete value.
const MAX_ANSWER_BYTES: u64 = 26 << 20;
/// Names per page of a list.
const LIST_LIMIT: usize = 1_000;

/// A KV namespace, with the credentials for it.
#[derive(Clone)]
pub struct Address {
    /// The account's id.
    pub account: String,
    /// The namespace's id.
    pub namespace: String,
    /// A token with permission to edit Workers KV.
    pub token: String,
    /// Base URL of the API.
    pub base: String,
    /// Delay before the first retry; it doubles with each further one.
    pub first_delay: Duration,
    /// The file through which processes of this machine share the account's rate limit; without
    /// one, this process limits only itself.
    pub calls_file: Option<PathBuf>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("base", &self.base).field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Address {
    /// The address given by the environment variables `CLOUDFLARE_ACCOUNT_ID`,
    /// `SINSANG_KV_NAMESPACE_ID` and `CLOUDFLARE_API_TOKEN`, and optionally
    /// `CLOUDFLARE_API_BASE_URL` for an API other than Cloudflare's own.
    ///
    /// # Errors
    /// [`RemoteError::NotSet`] with the names of all missing variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, RemoteError> {
        let names = ["CLOUDFLARE_ACCOUNT_ID", "SINSANG_KV_NAMESPACE_ID", "CLOUDFLARE_API_TOKEN"];
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let [Some(account), Some(namespace), Some(token)] = names.map(set) else {
            let missing: Vec<&str> = names.into_iter().filter(|name| set(name).is_none()).collect();
            return Err(RemoteError::NotSet(missing.join(", ")));
        };
        let base = set("CLOUDFLARE_API_BASE_URL").unwrap_or_else(|| API.to_owned());
        let calls_file = Some(calls_file(&account));
        Ok(Self { account, namespace, token, base, first_delay: Duration::from_millis(500), calls_file })
    }
}

/// Why a call to the namespace failed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Environment variables are missing.
    #[error("set {0} in the environment to reach Workers KV (docs/operations.md)")]
    NotSet(String),
    /// The API was not reached, or the connection broke.
    #[error("Cloudflare's API can't be reached: {0}")]
    Unreachable(Box<ureq::Error>),
    /// The API is overloaded, or the rate limit is exceeded.
    #[error("Cloudflare's API still answered {status} after {MAX_RETRIES} retries: {message}")]
    Busy {
        /// The HTTP status: 429, or 500 and above.
        status: u16,
        /// The API's message.
        message: String,
    },
    /// The API refused, and a retry would not help.
    #[error("Cloudflare's API refused the call with {status}: {message}{}", advice(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The API's message.
        message: String,
    },
    /// The API did not take some keys, despite all retries.
    #[error("Cloudflare's API rejected {count} keys despite all retries, {first} among them")]
    NotTaken {
        /// Number of keys.
        count: usize,
        /// One of the keys.
        first: String,
    },
    /// An answer that the API's reference does not describe.
    #[error("Cloudflare's API sent an answer that its reference does not describe: {0}")]
    Answer(String),
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "; check that CLOUDFLARE_API_TOKEN may edit the Workers KV storage of this account",
        404 => "; check that SINSANG_KV_NAMESPACE_ID is a namespace of CLOUDFLARE_ACCOUNT_ID",
        _ => "",
    }
}

impl RemoteError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. } | Self::NotTaken { .. })
    }
}

/// The envelope of the API's answers.
#[derive(Deserialize)]
struct Envelope<T> {
    result: Option<T>,
    #[serde(default)]
    result_info: Option<ResultInfo>,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct ResultInfo {
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Name {
    name: String,
    /// Any JSON: others may write to the namespace too.
    #[serde(default)]
    metadata: serde_json::Value,
}

#[derive(Default, Deserialize)]
struct BulkResult {
    #[serde(default)]
    unsuccessful_keys: Vec<String>,
}

/// A page of the list of keys: names with their stamps, and the next page's cursor if there is one.
pub(super) struct Names {
    pub(super) names: Vec<(String, Stamp)>,
    pub(super) next: Option<String>,
}

/// The API client, shared by all connections.
#[derive(Debug)]
pub(super) struct Api {
    agent: Agent,
    base: String,
    token: String,
    pace: Pace,
    clock: Clock,
    /// Held while a connection waits out a `Retry-After`, so that no other one makes a call.
    gate: RwLock<()>,
    /// How often the gate has been closed.
    closures: AtomicU64,
    /// Calls so far, counting each attempt.
    calls: AtomicU64,
    /// Retries so far.
    retries: AtomicU64,
    backoff: ExponentialBuilder,
}

impl Api {
    pub(super) fn new(address: Address, clock: Clock) -> Self {
        let Address { account, namespace, token, base, first_delay, calls_file } = address;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_LIMIT))
            .user_agent(concat!("sinsang/", env!("CARGO_PKG_VERSION")));
        let pace = calls_file.map_or_else(|| Pace::own(clock), |path| Pace::shared(&path, clock));
        Self {
            agent: config.build().into(),
            base: format!("{}/accounts/{account}/storage/kv/namespaces/{namespace}", base.trim_end_matches('/')),
            token,
            pace,
            clock,
            gate: RwLock::new(()),
            closures: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            backoff: ExponentialBuilder::default()
                .with_min_delay(first_delay)
                .with_max_delay(MAX_DELAY)
                .with_max_times(MAX_RETRIES)
                .with_jitter(),
        }
    }

    /// The page at `cursor` of names that begin with `prefix`, with their stamps and the next
    /// page's cursor if there is one.
    pub(super) fn page(&self, prefix: &str, cursor: &str) -> Result<Names, RemoteError> {
        let cursor = escaped(cursor);
        let url = format!("{}/keys?limit={LIST_LIMIT}&prefix={}&cursor={cursor}", self.base, escaped(prefix));
        let page: Envelope<Vec<Name>> =
            self.json(|| self.agent.get(&url).header("Authorization", self.bearer()).call())?;
        let next = page.result_info.and_then(|info| info.cursor).filter(|next| !next.is_empty());
        if next.as_deref().is_some_and(|next| escaped(next) == cursor) {
            return Err(RemoteError::Answer("a list page with the same cursor again".to_owned()));
        }
        let stamp = |name: Name| (name.name, serde_json::from_value(name.metadata).unwrap_or_default());
        Ok(Names { names: page.result.unwrap_or_default().into_iter().map(stamp).collect(), next })
    }

    /// Reads the value of `key`; `None` if there is none.
    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        let url = format!("{}/values/{}", self.base, escaped(key));
        self.retried(|| {
            let (status, bytes) = self.call(|| self.agent.get(&url).header("Authorization", self.bearer()).call())?;
            match status {
                200 => Ok(Some(bytes)),
                // A missing namespace has the same status, but a code of its own.
                404 if complaints(&bytes).iter().any(|complaint| complaint.code == 10_013) => {
                    Err(RemoteError::Refused { status, message: message(&bytes) })
                }
                404 => Ok(None),
                _ => Err(RemoteError::Refused { status, message: message(&bytes) }),
            }
        })
    }

    /// Writes all of `pairs`, and resends those that the API did not take.
    pub(super) fn write(&self, pairs: Vec<Pair>) -> Result<(), RemoteError> {
        let rest = RefCell::new(pairs);
        self.retried(|| {
            let body = serde_json::to_vec(&*rest.borrow()).map_err(|error| RemoteError::Answer(error.to_string()))?;
            let url = format!("{}/bulk", self.base);
            let refused = self.bulk(|| {
                self.agent
                    .put(&url)
                    .header("Authorization", self.bearer())
                    .content_type("application/json")
                    .send(&body[..])
            })?;
            rest.borrow_mut().retain(|pair| refused.contains(&pair.key));
            not_taken(rest.borrow().iter().map(|pair| &pair.key))
        })
    }

    /// Removes all of `keys`, at most 10,000, and retries those that the API did not remove.
    pub(super) fn remove(&self, keys: Vec<String>) -> Result<(), RemoteError> {
        let rest = RefCell::new(keys);
        self.retried(|| {
            let body = serde_json::to_vec(&*rest.borrow()).map_err(|error| RemoteError::Answer(error.to_string()))?;
            let url = format!("{}/bulk/delete", self.base);
            let refused = self.bulk(|| {
                self.agent
                    .post(&url)
                    .header("Authorization", self.bearer())
                    .content_type("application/json")
                    .send(&body[..])
            })?;
            rest.borrow_mut().retain(|key| refused.contains(key));
            not_taken(rest.borrow().iter())
        })
    }

    /// Sends a bulk request and returns the keys that the API did not take.
    fn bulk(
        &self,
        send: impl Fn() -> Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<BTreeSet<String>, RemoteError> {
        let (status, bytes) = self.call(send)?;
        let answer: Envelope<BulkResult> = parsed(status, &bytes)?;
        Ok(answer.result.unwrap_or_default().unsuccessful_keys.into_iter().collect())
    }

    fn json<T: DeserializeOwned>(
        &self,
        send: impl Fn() -> Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<Envelope<T>, RemoteError> {
        self.retried(|| {
            let (status, bytes) = self.call(&send)?;
            parsed(status, &bytes)
        })
    }

    fn retried<T>(&self, call: impl FnMut() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        let count = |error: &RemoteError, wait: Duration| {
            self.retries.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, wait_s = wait.as_secs_f64(), "retrying a call to Cloudflare's API");
        };
        let clock = self.clock;
        call.retry(self.backoff).sleep(move |wait| clock.sleep(wait)).when(RemoteError::may_pass).notify(count).call()
    }

    /// The clock of the rate limiter.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Calls so far, counting each attempt.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Retries so far.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Makes one rate-limited call, and returns its status and complete answer if the API is
    /// reachable and not overloaded.
    fn call(
        &self,
        send: impl Fn() -> Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<(u16, Vec<u8>), RemoteError> {
        self.pace.wait();
        self.calls.fetch_add(1, Ordering::Relaxed);
        let unreachable = |error| RemoteError::Unreachable(Box::new(error));
        let (closures, outcome) = {
            let _open = self.gate.read();
            (self.closures.load(Ordering::Acquire), send())
        };
        let mut response = outcome.map_err(unreachable)?;
        let status = response.status().as_u16();
        let wait = retry_after(&response);
        let bytes = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().map_err(unreachable)?;
        if status == 429 || status >= 500 {
            self.wait_out(wait, closures);
            return Err(RemoteError::Busy { status, message: message(&bytes) });
        }
        Ok((status, bytes))
    }

    /// Pauses all connections for `wait`, unless another one did so after this call began, when the
    /// gate had been closed `closures` times.
    fn wait_out(&self, wait: Option<Duration>, closures: u64) {
        let Some(wait) = wait else { return };
        let _closed = self.gate.write();
        if self.closures.load(Ordering::Acquire) == closures {
            let wait = wait.min(MAX_RETRY_AFTER);
            self.pace.hold(wait);
            self.clock.sleep(wait);
            self.closures.fetch_add(1, Ordering::Release);
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

/// Path of the file in which processes of this machine count the calls of `account` together, as
/// the API does.
fn calls_file(account: &str) -> PathBuf {
    let name: String = account.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    std::env::temp_dir().join(format!("sinsang-calls-{name}"))
}

/// The `Retry-After` header, in seconds. The API never sends a date there.
fn retry_after(response: &Response<ureq::Body>) -> Option<Duration> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn not_taken<'a>(mut rest: impl ExactSizeIterator<Item = &'a String>) -> Result<(), RemoteError> {
    let count = rest.len();
    rest.next().map_or(Ok(()), |first| Err(RemoteError::NotTaken { count, first: first.clone() }))
}

fn parsed<T: DeserializeOwned>(status: u16, bytes: &[u8]) -> Result<Envelope<T>, RemoteError> {
    if !(200..300).contains(&status) {
        return Err(RemoteError::Refused { status, message: message(bytes) });
    }
    serde_json::from_slice(bytes).map_err(|error| RemoteError::Answer(format!("{error} in {}", excerpt(bytes))))
}

fn complaints(bytes: &[u8]) -> Vec<Complaint> {
    serde_json::from_slice::<Envelope<serde_json::Value>>(bytes).map(|answer| answer.errors).unwrap_or_default()
}

/// The error messages of an answer.
fn message(bytes: &[u8]) -> String {
    let complaints = complaints(bytes);
    if complaints.is_empty() {
        return excerpt(bytes);
    }
    complaints.iter().map(|one| format!("{} ({})", one.message, one.code)).collect::<Vec<_>>().join("; ")
}

fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(200).collect()
}

/// `text`, percent-encoded for a path or a query.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
