//! The calls of the KV REST API, each at the allowed pace and tried again while there is hope.
//!
//! What the API promises, from its reference (developers.cloudflare.com/api/resources/kv): a bulk write or removal takes 10,000 pairs and
//! 100 MB, and names the keys that it did not bring to all of its storage, to be sent again; a list gives 1,000 names and a cursor; all of
//! an account's calls together are 1,200 in five minutes, and 429 answers every call for the time in `Retry-After` beyond that.

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

/// Where the API is, where nothing else is said.
const API: &str = "https://api.cloudflare.com/client/v4";
/// How often a call is tried again.
const MAX_RETRIES: usize = 8;
/// The longest wait before a call is tried again by our own count.
const MAX_DELAY: Duration = Duration::from_mins(1);
/// The longest that the API may have us wait.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(15);
/// How long a call may take. A bulk write of 32 MiB takes 90 seconds at 3 Mbit/s.
const CALL_LIMIT: Duration = Duration::from_mins(5);
/// No answer is longer: a value in full.
const MAX_ANSWER_BYTES: u64 = 26 << 20;
/// Names that a list gives at once.
const LIST_LIMIT: usize = 1_000;

/// A KV namespace, and who asks.
#[derive(Clone)]
pub struct Address {
    /// The account.
    pub account: String,
    /// The namespace.
    pub namespace: String,
    /// A token that may write Workers KV.
    pub token: String,
    /// Where the API is.
    pub base: String,
    /// The wait before a call is tried again for the first time; it doubles from there.
    pub first_delay: Duration,
    /// The file by which processes of this machine keep to the account's pace together; without one, this process keeps to it alone.
    pub calls_file: Option<PathBuf>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("base", &self.base).field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Address {
    /// The address that the environment names: `CLOUDFLARE_ACCOUNT_ID`, `SINSANG_KV_NAMESPACE_ID` and `CLOUDFLARE_API_TOKEN`, and
    /// `CLOUDFLARE_API_BASE_URL` where the API is not Cloudflare's own.
    ///
    /// # Errors
    /// [`RemoteError::NotSet`] with all that are missing.
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

/// Why the namespace did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The environment does not say where to publish.
    #[error("{0} must be set in the environment to reach Workers KV (docs/operations.md)")]
    NotSet(String),
    /// The API was not reached, or the connection broke.
    #[error("Cloudflare's API can't be reached: {0}")]
    Unreachable(Box<ureq::Error>),
    /// The API is overloaded, or we asked too often.
    #[error("Cloudflare's API answered {status}, also after {MAX_RETRIES} further tries: {message}")]
    Busy {
        /// The status: 429, or 500 and above.
        status: u16,
        /// What it said.
        message: String,
    },
    /// The API refused, and would again.
    #[error("Cloudflare's API refused with {status}: {message}{}", advice(*status))]
    Refused {
        /// The status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Keys that the API did not take however often they were sent.
    #[error("Cloudflare's API did not take {count} keys however often they were sent, {first} among them")]
    NotTaken {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// An answer that the API's reference does not have.
    #[error("Cloudflare's API answered what its reference does not have: {0}")]
    Answer(String),
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "; has the token in CLOUDFLARE_API_TOKEN the permission to edit Workers KV storage of this account?"
        }
        404 => "; is SINSANG_KV_NAMESPACE_ID a namespace of CLOUDFLARE_ACCOUNT_ID?",
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
    /// Whatever it is: others may write to the namespace too.
    #[serde(default)]
    metadata: serde_json::Value,
}

#[derive(Default, Deserialize)]
struct BulkResult {
    #[serde(default)]
    unsuccessful_keys: Vec<String>,
}

/// A page of the list of keys: names with their stamps, and the cursor of the next page where there is one.
pub(super) struct Names {
    pub(super) names: Vec<(String, Stamp)>,
    pub(super) next: Option<String>,
}

/// The API, as seen by all connections.
#[derive(Debug)]
pub(super) struct Api {
    agent: Agent,
    base: String,
    token: String,
    pace: Pace,
    clock: Clock,
    /// Held by whoever waits out a `Retry-After`, so that nobody asks meanwhile.
    gate: RwLock<()>,
    /// How often the gate was closed.
    closures: AtomicU64,
    /// Calls so far, each try of one counted.
    calls: AtomicU64,
    /// How often a call was tried again.
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

    /// Names that begin with `prefix` and their stamps, from `cursor` on, and the cursor of the next page where there is one.
    pub(super) fn page(&self, prefix: &str, cursor: &str) -> Result<Names, RemoteError> {
        let cursor = escaped(cursor);
        let url = format!("{}/keys?limit={LIST_LIMIT}&prefix={}&cursor={cursor}", self.base, escaped(prefix));
        let page: Envelope<Vec<Name>> =
            self.json(|| self.agent.get(&url).header("Authorization", self.bearer()).call())?;
        let next = page.result_info.and_then(|info| info.cursor).filter(|next| !next.is_empty());
        if next.as_deref().is_some_and(|next| escaped(next) == cursor) {
            return Err(RemoteError::Answer("a list whose cursor does not move".to_owned()));
        }
        let stamp = |name: Name| (name.name, serde_json::from_value(name.metadata).unwrap_or_default());
        Ok(Names { names: page.result.unwrap_or_default().into_iter().map(stamp).collect(), next })
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        let url = format!("{}/values/{}", self.base, escaped(key));
        self.retried(|| {
            let (status, bytes) = self.call(|| self.agent.get(&url).header("Authorization", self.bearer()).call())?;
            match status {
                200 => Ok(Some(bytes)),
                // A namespace that is not there is refused with the same status, and a code of its own.
                404 if complaints(&bytes).iter().any(|complaint| complaint.code == 10_013) => {
                    Err(RemoteError::Refused { status, message: message(&bytes) })
                }
                404 => Ok(None),
                _ => Err(RemoteError::Refused { status, message: message(&bytes) }),
            }
        })
    }

    /// Writes all of `pairs`, sending again those that were not taken.
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

    /// Removes all of `keys`, at most 10,000, asking again for those that were not removed.
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

    /// The keys that a bulk request did not take.
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
            tracing::warn!(%error, wait_s = wait.as_secs_f64(), "a call is tried again");
        };
        let clock = self.clock;
        call.retry(self.backoff).sleep(move |wait| clock.sleep(wait)).when(RemoteError::may_pass).notify(count).call()
    }

    /// The time by the clock that calls are paced by.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Calls so far, each try of one counted.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How often calls were tried again so far.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// One call at the allowed pace: its status and its whole answer, where the API was there to give one.
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

    /// Keeps all connections still for `wait`, unless one has done so since this call began, when the gate had been closed `closures` times.
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

/// Where processes of this machine count the calls of `account` together, as the API does.
fn calls_file(account: &str) -> PathBuf {
    let name: String = account.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    std::env::temp_dir().join(format!("sinsang-calls-{name}"))
}

/// The seconds that the API asks to be left alone for. It never writes a date there.
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

/// What an answer says is wrong.
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

/// `text` as it stands in a path or a query.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
