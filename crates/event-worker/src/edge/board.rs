//! The pulse counter: a Durable Object that keeps the marks of a [`Counter`] and publishes a pulse
//! of them once a minute.
//!
//! A pulse is written twice: first under its own number, where continued lists find it, and a
//! minute later as the latest one. By the time an edge sees it, KV has replicated the numbered one
//! everywhere.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::futures::JsFuture;
use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use sinsang_core::key::{Key, REPLAYABLE_MS};
use sinsang_core::pack::pulse::{MAX_COUNTS, Pulse, write};
use sinsang_core::pulse::{Counted, Counter, Terms};
use sinsang_core::time::SECOND_MS;
use worker::durable::State;
use worker::wasm_bindgen::{self, JsCast as _};
use worker::{Delay, DurableObject, Env, Request, Response, Result, SqlStorageValue, durable_object};

use super::now;
use crate::pulse_marks;

/// The object's binding in `wrangler.toml`.
const BINDING: &str = "PULSE";
/// The KV namespace that the edge reads.
pub(super) const STORE: &str = "SNAPSHOTS";
/// Default milliseconds between two pulses.
const EVERY_MS: u64 = 60_000;
/// Shortest interval in milliseconds: KV accepts one write of a key each second.
const LEAST_EVERY_MS: u64 = 1_000;
/// How long a pulse is kept under its number, in seconds. Continued lists need it for minutes,
/// replays for days.
#[expect(clippy::cast_possible_truncation, reason = "a week")]
const KEPT_S: u32 = (REPLAYABLE_MS / SECOND_MS) as u32;
/// Timeout of the object's answer, in milliseconds. An overloaded object queues requests before it
/// refuses them, and a batch must not wait for that.
const FEED_LIMIT_MS: u64 = 5_000;
/// Limit on a message in bytes: far above a batch's size.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Sends happenings to the counter, if one is bound. A failure is logged and dropped: a pulse is
/// not worth losing an event for.
pub(super) async fn feed(env: &Env, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let late = Delay::from(Duration::from_millis(FEED_LIMIT_MS));
    let outcome = match select(pin!(tell(env, &bytes)), pin!(late)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(worker::Error::RustError("timed out".to_owned())),
    };
    if let Err(error) = outcome {
        worker::console_error!("the pulse lost {} bytes of events: {error}", bytes.len());
    }
}

async fn tell(env: &Env, bytes: &[u8]) -> Result<()> {
    let Ok(objects) = env.durable_object(BINDING) else { return Ok(()) };
    // The crate's own initialisation of requests would be an eighth of this Worker.
    let init = worker::web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&Uint8Array::from(bytes));
    let request = worker::web_sys::Request::new_with_str_and_init("https://pulse/count", &init)?.into();
    let mut response = objects.get_by_name("pulse")?.fetch_with_request(request).await?;
    let told = response.text().await?;
    if response.status_code() != 200 {
        return Err(worker::Error::RustError(told));
    }
    worker::console_log!("{told}");
    Ok(())
}

/// Counts happenings, in one place for all consumers.
#[durable_object(alarm)]
pub struct PulseBoard {
    state: State,
    env: Env,
    counter: RefCell<Option<Counter>>,
}

impl DurableObject for PulseBoard {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, counter: RefCell::new(None) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let bytes = request.bytes().await?;
        if bytes.len() > MAX_BYTES {
            return Response::error("too much", 413);
        }
        let told = self.count(&bytes)?;
        if self.state.storage().get_alarm().await?.is_none() {
            self.state.storage().set_alarm(self.every()).await?;
        }
        Response::ok(told)
    }

    async fn alarm(&self) -> Result<Response> {
        if let Err(error) = self.publish().await {
            worker::console_error!("can't publish the pulse, retrying later: {error}");
        }
        let is_over = self.with(|counter| counter.is_empty())? && self.waiting()?.is_none();
        if !is_over {
            self.state.storage().set_alarm(self.every()).await?;
        }
        Response::empty()
    }
}

impl PulseBoard {
    /// Counts happenings, stores the changed marks, and returns the outcomes as a line of JSON.
    fn count(&self, bytes: &[u8]) -> Result<String> {
        let now = now();
        let mut outcomes: Vec<(Counted, usize)> = Counted::ALL.map(|of| (of, 0)).into();
        self.with(|counter| {
            for one in pulse_marks::read(bytes) {
                let became = counter.count(&one, now);
                for (of, count) in &mut outcomes {
                    *count = count.saturating_add(usize::from(*of == became));
                }
            }
        })?;
        self.store()?;
        let parts: Vec<String> =
            outcomes.iter().map(|(of, count)| format!("\"{}\":{count}", format!("{of:?}").to_lowercase())).collect();
        Ok(format!("{{\"pulse\":{{{}}}}}", parts.join(",")))
    }

    /// Lets `act` use the counter, which is first read from storage if the object has just woken
    /// up.
    fn with<T>(&self, act: impl FnOnce(&mut Counter) -> T) -> Result<T> {
        let busy = |_| worker::Error::RustError("the counter is in use".to_owned());
        let mut counter = self.counter.try_borrow_mut().map_err(busy)?;
        if counter.is_none() {
            *counter = Some(self.load()?);
        }
        Ok(act(counter.get_or_insert_with(|| Counter::new(Terms::default()))))
    }

    fn load(&self) -> Result<Counter> {
        let sql = self.state.storage().sql();
        // Each product's marks are one row; without a rowid, a write is billed as one row instead
        // of two. `waiting` holds the next pulse to become the latest, if any.
        let table = "CREATE TABLE IF NOT EXISTS mark (product TEXT PRIMARY KEY, marks BLOB NOT NULL) WITHOUT ROWID";
        sql.exec(table, None)?;
        sql.exec("CREATE TABLE IF NOT EXISTS waiting (only INTEGER PRIMARY KEY, pulse BLOB NOT NULL)", None)?;
        let mut counter = Counter::new(Terms::default());
        for row in sql.exec("SELECT product, marks FROM mark", None)?.raw() {
            if let [SqlStorageValue::String(product), SqlStorageValue::Blob(marks)] = row?.as_slice()
                && let Ok(product) = u64::from_str_radix(product, 16)
            {
                counter.restore(product, marks);
            }
        }
        Ok(counter)
    }

    /// Stores the changes. No other event runs meanwhile, so it stores all of them or none.
    fn store(&self) -> Result<()> {
        let sql = self.state.storage().sql();
        for (product, marks) in self.with(Counter::take_changed)? {
            let product = SqlStorageValue::String(format!("{product:016x}"));
            if marks.is_empty() {
                sql.exec("DELETE FROM mark WHERE product = ?", vec![product])?;
            } else {
                sql.exec("INSERT OR REPLACE INTO mark (product, marks) VALUES (?, ?)", vec![product, marks.into()])?;
            }
        }
        Ok(())
    }

    /// The next pulse to become the latest.
    fn waiting(&self) -> Result<Option<Vec<u8>>> {
        let row = self.state.storage().sql().exec("SELECT pulse FROM waiting", None)?.raw().next().transpose()?;
        Ok(row.and_then(|row| match row.into_iter().next() {
            Some(SqlStorageValue::Blob(bytes)) => Some(bytes),
            _ => None,
        }))
    }

    /// Publishes the waiting pulse as the latest, then the next one under its number.
    async fn publish(&self) -> Result<()> {
        let now = now();
        let next = self.with(|counter| {
            counter.sweep(now);
            (!counter.is_empty()).then(|| write(&counter.counts(MAX_COUNTS, now), now))
        })?;
        self.store()?;
        if let Some(bytes) = self.waiting()? {
            self.put(Key::Pulse, &bytes, None).await?;
            self.state.storage().sql().exec("DELETE FROM waiting", None)?;
        }
        let Some(bytes) = next else { return Ok(()) };
        let failed = |error: String| worker::Error::RustError(error);
        let bytes = bytes.map_err(|error| failed(error.to_string()))?;
        // The edge's own reader checks the pulse before it is published, as for every pack.
        let pulse = Pulse::parse(bytes.clone()).map_err(|damage| failed(damage.to_string()))?;
        self.put(Key::PulseOf(pulse.number()), &bytes, Some(KEPT_S)).await?;
        let waiting = vec![SqlStorageValue::Integer(0), bytes.into()];
        self.state.storage().sql().exec("INSERT OR REPLACE INTO waiting (only, pulse) VALUES (?, ?)", waiting)?;
        Ok(())
    }

    /// Writes a value to the edge's store, with an expiry after `ttl_s` seconds or none.
    async fn put(&self, key: Key, bytes: &[u8], ttl_s: Option<u32>) -> Result<()> {
        // Called by name: the crate's own KV binding adds a second JSON library.
        let store = Reflect::get(self.env.as_ref(), &STORE.into())?;
        let put: Function = Reflect::get(&store, &"put".into())?.dyn_into()?;
        let options = Object::new();
        if let Some(ttl_s) = ttl_s {
            Reflect::set(&options, &"expirationTtl".into(), &ttl_s.into())?;
        }
        let promise = put.call3(&store, &key.to_string().into(), &Uint8Array::from(bytes), &options)?;
        JsFuture::from(promise.dyn_into::<Promise>()?).await?;
        Ok(())
    }

    fn every(&self) -> Duration {
        let every = self.env.var("PULSE_EVERY_MS").ok().and_then(|every| every.to_string().parse().ok());
        Duration::from_millis(every.unwrap_or(EVERY_MS).max(LEAST_EVERY_MS))
    }
}
