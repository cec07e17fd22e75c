//! Admission of events: whether a request may send them, whose they are, and which rows are valid.

use sinsang::auth::{Bearer, Refused, Unproven};
use sinsang::rate::Asker;
use sinsang::request::Config;
use sinsang_core::context::Context;
use sinsang_core::event::{ADDED_BYTES, Event, Wrong};
use sinsang_core::json::{Object, items, members};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{DeviceId, UserKey, ViewerName};

/// The only path.
pub const PATH: &str = "/v1/events";
/// Longest body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Limit on the events of a request.
pub const MAX_EVENTS: usize = 100;
/// Limit on a queue message in bytes: Cloudflare Queues' 128 KB.
const MAX_MESSAGE_BYTES: usize = 128_000;
// One message always holds all rows of a request, so they are queued together or not at all.
const _: () = assert!(MAX_BODY_BYTES + MAX_EVENTS * ADDED_BYTES < MAX_MESSAGE_BYTES);

/// A request as the platform passes it on, without its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    /// The method, `POST` for example.
    pub method: &'a str,
    /// Scheme and host of the request's URL.
    pub own_origin: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: &'a str,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The header `Content-Length`.
    pub content_length: Option<&'a str>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Sinsang-Device`.
    pub device: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The header `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The province and device class.
    pub context: Context,
}

/// Why a whole request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The path is unknown.
    NotFound,
    /// The method is not `POST`.
    Method,
    /// A CORS preflight: the answer lists what other origins may send.
    Preflight,
    /// The page's origin is foreign and not named in the configuration.
    Foreign,
    /// The body is neither JSON nor a beacon's plain text.
    ContentType,
    /// The body is longer than [`MAX_BODY_BYTES`], or has more than [`MAX_EVENTS`] events.
    TooLarge,
    /// The invalid part of the body or the headers, and its expected form.
    Invalid(&'static str, &'static str),
    /// The token is refused.
    Token(Refused),
    /// The request has neither a token nor a device.
    Nobody,
    /// One asker or one address has sent too many requests.
    TooMany,
    /// The queue took nothing, or there is no key to hash viewers with.
    Unavailable,
}

/// A row that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its index in the request, from 0.
    pub index: usize,
    /// The error.
    pub wrong: Wrong,
}

/// The outcome of a request's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Number of valid rows.
    pub accepted: usize,
    /// The valid rows as lines, each with its line end: a message of the queue.
    pub lines: String,
    /// The invalid rows.
    pub refused: Vec<Row>,
}

/// Whether the sender may send events: an app (not a page), a page of this Worker, or a page whose
/// origin the configuration names. `*` names none.
///
/// Any page may send a form or a plain-text beacon anywhere without a preflight, but the browser
/// adds the page's `Origin`, which the page can't suppress. `null` is any sandbox, file or
/// redirect, on whatever site. If `Origin` is missing, Fetch Metadata still identifies a page:
/// `none` means that a person typed the URL.
fn is_welcome(raw: &Raw<'_>, config: &Config) -> bool {
    match (raw.origin, raw.fetch_site) {
        (Some(origin), _) => config.cors.names(origin) || (!origin.is_empty() && origin == raw.own_origin),
        (None, Some(site)) => matches!(site, "same-origin" | "none"),
        (None, None) => true,
    }
}

/// Decides from method, path and headers whether to read the body.
///
/// # Errors
/// [`Refusal`] if the request is refused without its body.
pub fn begin(raw: &Raw<'_>, config: &Config) -> Result<(), Refusal> {
    if raw.path != PATH {
        return Err(Refusal::NotFound);
    }
    match raw.method {
        "POST" => (),
        "OPTIONS" => return Err(Refusal::Preflight),
        _ => return Err(Refusal::Method),
    }
    if !is_welcome(raw, config) {
        return Err(Refusal::Foreign);
    }
    if !raw.query.is_empty() {
        return Err(Refusal::Invalid("query", "no parameter here"));
    }
    let kind = raw.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !["application/json", "text/plain"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Err(Refusal::ContentType);
    }
    // A length that isn't a number is ignored: the body is counted as it arrives.
    if raw.content_length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// A request whose body has been read and whose rows are unchecked.
#[derive(Debug)]
pub struct Sent {
    /// Each row as received: an invalid row does not affect the others.
    rows: Vec<String>,
    context: Context,
    viewer: Viewer,
}

/// The members of a body as received.
#[derive(Default)]
struct Body<'a> {
    token: Option<&'a str>,
    device: Option<&'a str>,
    events: Option<&'a str>,
}

impl<'a> Body<'a> {
    fn parse(body: &'a str) -> Result<Self, Refusal> {
        let mut parts = Self::default();
        let members = members(body).ok_or(Refusal::Invalid("body", "expected JSON: an object with events"))?;
        for (name, value) in members.into_iter().filter(|(_, value)| *value != "null") {
            let (part, name) = match name {
                "token" => (&mut parts.token, "token"),
                "device" => (&mut parts.device, "device"),
                "events" => (&mut parts.events, "events"),
                _ => continue,
            };
            if part.replace(value).is_some() {
                return Err(Refusal::Invalid(name, "expected it once"));
            }
        }
        Ok(parts)
    }

    fn rows(&self) -> Result<Vec<String>, Refusal> {
        let rows = self.events.and_then(items);
        let rows = rows.ok_or(Refusal::Invalid("events", "expected a list of at most 100 events"))?;
        if rows.len() > MAX_EVENTS { Err(Refusal::TooLarge) } else { Ok(rows.into_iter().map(str::to_owned).collect()) }
    }
}

/// Reads a text member of the body.
fn text(value: Option<&str>, field: &'static str) -> Result<Option<String>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let object = format!("{{\"text\":{value}}}");
    let text = Object::parse(object.as_bytes()).and_then(|object| object.text("text").ok()?.map(str::to_owned));
    text.map(Some).ok_or(Refusal::Invalid(field, "expected text"))
}

/// The owner of the events.
#[derive(Debug)]
enum Viewer {
    Known(String),
    /// The token's user, if its signature proves good.
    Unproven(Unproven),
}

impl Viewer {
    fn user(key: UserKey) -> Self {
        Self::Known(format!("{:016x}", key.0))
    }
}

impl Sent {
    /// Reads a request's `body`, received at `now`.
    ///
    /// # Errors
    /// [`Refusal`] if no row can be valid.
    pub fn parse(raw: &Raw<'_>, body: &[u8], config: &Config, now: UnixMillis) -> Result<Self, Refusal> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Refusal::TooLarge);
        }
        // Text cut within a character is an error of its row, which is then refused for its
        // replacement character.
        let body = String::from_utf8_lossy(body);
        let body = Body::parse(&body)?;
        let (token, device) = (text(body.token, "token")?, text(body.device, "device")?);
        let viewer = viewer(raw, token.as_deref(), device.as_deref(), config, now)?;
        Ok(Self { rows: body.rows()?, context: raw.context, viewer })
    }

    /// The token whose signature the platform has to check before the owner is known.
    pub fn unproven(&self) -> Option<&Unproven> {
        match &self.viewer {
            Viewer::Unproven(unproven) => Some(unproven),
            Viewer::Known(_) => None,
        }
    }

    /// Whom the request is counted for in rate limits: nobody while a signature is unproven.
    pub fn asker(&self) -> Asker {
        let Viewer::Known(viewer) = &self.viewer else { return Asker::Nobody };
        match ViewerName::parse(viewer) {
            Some(ViewerName::User(key)) => Asker::User(key),
            Some(ViewerName::Device(key)) => Asker::Device(key),
            None => Asker::Nobody,
        }
    }

    /// Takes the platform's answer: whether one of the keys signed the token.
    ///
    /// # Errors
    /// [`Refusal::Token`] if the token is invalid.
    pub fn prove(&mut self, is_signed: bool, config: &Config, now: UnixMillis) -> Result<(), Refusal> {
        if let Viewer::Unproven(unproven) = &self.viewer {
            let verifier = config.verifier.as_ref().ok_or(Refusal::Unavailable)?;
            self.viewer = Viewer::user(verifier.prove(unproven, is_signed, now).map_err(Refusal::Token)?);
        }
        Ok(())
    }

    /// Checks the rows at `now`.
    ///
    /// # Errors
    /// [`Refusal::Token`] while the token's signature is unproven.
    pub fn take(&self, now: UnixMillis) -> Result<Taken, Refusal> {
        let Viewer::Known(viewer) = &self.viewer else { return Err(Refusal::Token(Refused::Signature)) };
        let mut taken = Taken::default();
        for (index, row) in self.rows.iter().enumerate() {
            match Event::of(row, viewer, now) {
                Ok(event) => {
                    let (region, device_class) = self.context.names();
                    let event = Event { region, device_class: device_class.map(str::to_owned), ..event };
                    taken.accepted = taken.accepted.saturating_add(1);
                    taken.lines.push_str(&event.line());
                    taken.lines.push('\n');
                }
                Err(wrong) => taken.refused.push(Row { index, wrong }),
            }
        }
        Ok(taken)
    }
}

/// The owner of the events: the token's user before the device, and headers before the body's
/// members, since a beacon sets no headers.
fn viewer(
    raw: &Raw<'_>,
    token: Option<&str>,
    device: Option<&str>,
    config: &Config,
    now: UnixMillis,
) -> Result<Viewer, Refusal> {
    let (field, device) = match raw.device {
        Some(device) => ("Sinsang-Device", Some(device)),
        None => ("device", device),
    };
    let of_device =
        |device| DeviceId::parse(device).ok_or(Refusal::Invalid(field, "expected 16 to 64 of A-Z, a-z, 0-9, _ and -"));
    let device = device.map(of_device).transpose()?.and_then(DeviceId::id);
    let bearer = token.map(|token| format!("Bearer {token}"));
    let authorization = raw.authorization.or(bearer.as_deref());
    if authorization.is_none() && device.is_none() {
        return Err(Refusal::Nobody);
    }
    let verifier = config.verifier.as_ref().ok_or(Refusal::Unavailable)?;
    match (authorization, device) {
        (Some(authorization), _) => match verifier.user_of(authorization, now).map_err(Refusal::Token)? {
            Bearer::User(user) => Ok(Viewer::user(user)),
            Bearer::Unproven(unproven) => Ok(Viewer::Unproven(unproven)),
        },
        (None, device) => {
            let device = device.unwrap_or_default();
            Ok(Viewer::Known(format!("d{:016x}", verifier.user(&format!("device:{device}")).0)))
        }
    }
}

#[cfg(test)]
mod tests;
