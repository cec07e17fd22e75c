//! The shell: the only module that knows the platform. It reads the clock, the configuration and
//! the body, sends to the queue, and writes the queue's batches to the bucket.

mod board;
#[path = "../../../src/edge/limiter.rs"]
mod limiter;
mod listing;
#[path = "../../../src/edge/signature.rs"]
mod signature;

use std::cell::OnceCell;
use std::rc::Rc;

use futures_util::StreamExt as _;
use js_sys::futures::JsFuture;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use sinsang::header;
use sinsang::rate::{Address, Asker};
use sinsang::request::Config;
use sinsang_core::time::UnixMillis;
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::{
    Bucket, Context, Date, Env, Headers, HttpMetadata, MessageBatch, MessageExt as _, QueueContentType,
    RawMessageBuilder, Request, Response, ResponseBuilder, Result, event,
};

use crate::admit::{MAX_BODY_BYTES, Raw, Refusal, Sent, Taken, begin};
use crate::answer::{Answer, accepted, refuse};
use crate::object::{Batch, Message, names};
use crate::pulse_marks;

/// The queue's binding in `wrangler.toml`.
const QUEUE: &str = "EVENTS";
/// The binding of the bucket for event objects.
const BUCKET: &str = "EVENT_OBJECTS";

thread_local! {
    static CONFIG: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

/// Answers `POST /v1/events`.
///
/// # Errors
/// The platform's error if it refuses a header or a body.
#[event(fetch)]
pub async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    let config = config(&env);
    let url = request.inner().url();
    let method = request.inner().method();
    let (own_origin, path, query) = cut(&url);
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let (content_type, content_length) = (header(header::CONTENT_TYPE), header("Content-Length"));
    let (authorization, device) = (header(header::AUTHORIZATION), header(header::DEVICE));
    let (origin, fetch_site) = (header(header::ORIGIN), header(header::FETCH_SITE));
    let address = Address::parse(header(header::ADDRESS).as_deref());
    let raw = Raw {
        method: &method,
        own_origin,
        path,
        query,
        content_type: content_type.as_deref(),
        content_length: content_length.as_deref(),
        authorization: authorization.as_deref(),
        device: device.as_deref(),
        origin: origin.as_deref(),
        fetch_site: fetch_site.as_deref(),
        context: context(&request),
    };
    let answer = match answer(&mut request, &raw, &config, &env, address).await {
        Ok(taken) => accepted(&taken, &raw, &config),
        Err(refusal) => refuse(&refusal, &raw, &config, now()),
    };
    respond(answer)
}

async fn answer(
    request: &mut Request,
    raw: &Raw<'_>,
    config: &Config,
    env: &Env,
    address: Address,
) -> std::result::Result<Taken, Refusal> {
    begin(raw, config)?;
    let is_limited = limiter::is_bound(env.as_ref());
    // The address is counted first: that costs less than a body and a token's signature.
    if is_limited && limiter::refuses_address(env.as_ref(), address).await {
        return Err(Refusal::TooMany);
    }
    let sent = sent(request, raw, config).await;
    let asker = sent.as_ref().map_or(Asker::Refused, Sent::asker);
    if is_limited && limiter::refuses_asker(env.as_ref(), asker, address).await {
        return Err(Refusal::TooMany);
    }
    let taken = sent?.take(now())?;
    if taken.accepted > 0 {
        send(env, &taken.lines).await.map_err(|error| {
            worker::console_error!("can't queue {} events: {error}", taken.accepted);
            Refusal::Unavailable
        })?;
    }
    Ok(taken)
}

/// Reads the body and identifies the owner of the events.
async fn sent(request: &mut Request, raw: &Raw<'_>, config: &Config) -> std::result::Result<Sent, Refusal> {
    let body = read(request).await?;
    let mut sent = Sent::parse(raw, &body, config, now())?;
    if let Some(token) = sent.unproven() {
        let is_signed = signature::is_good(token.points(), token.signed(), token.signature()).await;
        sent.prove(is_signed, config, now())?;
    }
    Ok(sent)
}

/// Reads the body up to [`MAX_BODY_BYTES`].
async fn read(request: &mut Request) -> std::result::Result<Vec<u8>, Refusal> {
    if request.inner().body().is_none() {
        return Ok(Vec::new());
    }
    let broken = |_| Refusal::Invalid("body", "expected a body that arrives whole");
    let mut stream = request.stream().map_err(broken)?;
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(broken)?;
        if body.len().saturating_add(chunk.len()) > MAX_BODY_BYTES {
            return Err(Refusal::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn send(env: &Env, lines: &str) -> Result<()> {
    let message = RawMessageBuilder::new(JsValue::from_str(lines)).build_with_content_type(QueueContentType::Text);
    env.queue(QUEUE)?.send_raw(message).await
}

/// Writes a batch of the queue's messages as objects, then acknowledges them. If a write fails, the
/// queue delivers them again.
///
/// # Errors
/// None: the queue retries failures.
#[event(queue)]
pub async fn queue(batch: MessageBatch<()>, env: Env, _context: Context) -> Result<()> {
    let messages: Vec<Message> =
        batch.raw_iter().map(|message| Message { id: message.id(), text: message.body().as_string() }).collect();
    match store(&messages, &env).await {
        Ok(parts) => {
            batch.ack_all();
            let (events, rejected) = (parts.events.len(), parts.rejected_count);
            worker::console_log!(
                "{{\"queue\":\"{}\",\"messages\":{},\"events\":{events},\"rejected\":{rejected}}}",
                batch.queue(),
                messages.len()
            );
            if parts.events.iter().any(pulse_marks::may_count)
                && let Some(listings) = listing::listings(&env).await
            {
                let happenings = parts.events.iter().filter_map(|event| pulse_marks::of(event, &listings));
                board::feed(&env, pulse_marks::write(happenings)).await;
            }
        }
        Err(error) => {
            worker::console_error!("retrying {} messages of {}: {error}", messages.len(), batch.queue());
            batch.retry_all();
        }
    }
    Ok(())
}

/// Writes the objects of `messages`.
async fn store(messages: &[Message], env: &Env) -> Result<Batch> {
    let bucket = env.bucket(BUCKET)?;
    let parts = Batch::of(messages);
    let (name, rejected) = names(messages, now());
    put(&bucket, rejected, &parts.rejected).await?;
    put(&bucket, name, &parts.lines).await?;
    Ok(parts)
}

async fn put(bucket: &Bucket, name: String, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let metadata = HttpMetadata { content_type: Some("application/gzip".to_owned()), ..HttpMetadata::default() };
    bucket.put(name, gzip(text).await?).http_metadata(metadata).execute().await?;
    Ok(())
}

/// Compresses with the platform's `CompressionStream`, through `entry.mjs`: a deflate in Wasm would
/// be a third of this Worker.
async fn gzip(text: &str) -> Result<Vec<u8>> {
    let pack: Function = Reflect::get(&js_sys::global(), &"SINSANG_GZIP".into())?.dyn_into()?;
    let promise: Promise = pack.call1(&JsValue::NULL, &Uint8Array::from(text.as_bytes()))?.dyn_into()?;
    Ok(Uint8Array::new(&JsFuture::from(promise).await?).to_vec())
}

/// The context of a request, from the number that `entry.mjs` computes.
fn context(request: &Request) -> sinsang_core::context::Context {
    let number = || {
        let of: Function = Reflect::get(&js_sys::global(), &"SINSANG_CONTEXT".into()).ok()?.dyn_into().ok()?;
        of.call1(&JsValue::NULL, request.inner()).ok()?.as_f64()
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
    sinsang_core::context::Context::of_number(number().unwrap_or_default() as u32)
}

/// A secret with no use here. It isn't even read: a Worker that doesn't hold it can't leak it.
const NOT_OURS: &str = "PREVIEW_SECRET";

/// The configuration, read from the environment once an isolate.
fn config(env: &Env) -> Rc<Config> {
    let read = || {
        let of = |name: &str| env.var(name).ok().map(|value| value.to_string()).filter(|_| name != NOT_OURS);
        let (config, bad) = Config::of(of);
        for one in bad {
            worker::console_error!("configuration: {one}");
        }
        if env.var(NOT_OURS).is_ok() {
            worker::console_warn!("configuration: {NOT_OURS} is not used here: remove it");
        }
        Rc::new(config)
    };
    CONFIG.with(|cell| Rc::clone(cell.get_or_init(read)))
}

fn now() -> UnixMillis {
    UnixMillis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// Splits an absolute, normalised URL into origin, path and query.
fn cut(url: &str) -> (&str, &str, &str) {
    let host_at = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path_at = url.get(host_at..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host_at.saturating_add(at));
    let (origin, from_path) = url.split_at_checked(path_at).unwrap_or((url, ""));
    let without_fragment = from_path.split_once('#').map_or(from_path, |(before, _)| before);
    let (path, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
    (origin, path, query)
}

fn respond(answer: Answer) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in &answer.headers {
        headers.set(name, value)?;
    }
    let builder = ResponseBuilder::new().with_status(answer.status).with_headers(headers);
    Ok(if answer.body.is_empty() { builder.empty() } else { builder.fixed(answer.body.into_bytes()) })
}
