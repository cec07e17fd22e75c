//! Answers as status, headers and body. No answer may be cached.

use std::borrow::Cow;

use sinsang::header;
use sinsang::rate::retry_after_s;
use sinsang::request::Config;
use sinsang_core::time::UnixMillis;

use crate::admit::{Raw, Refusal, Taken};

const JSON: &str = "application/json; charset=utf-8";
const PROBLEM: &str = "application/problem+json; charset=utf-8";
const METHODS: &str = "POST, OPTIONS";
/// Shortest `Retry-After` of a rate-limited client, in seconds; the longest is twice that. Limiters
/// have windows of 10 or 60.
const TOO_MANY_WAIT_S: i64 = 10;
/// The same while the queue is unavailable.
const UNAVAILABLE_WAIT_S: i64 = 30;

/// An answer ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: String,
}

/// The answer to an accepted request, some of whose rows may have been refused.
pub fn accepted(taken: &Taken, raw: &Raw<'_>, config: &Config) -> Answer {
    let mut headers = common(raw, config);
    headers.push(("Content-Type", JSON.into()));
    let refused: Vec<String> = taken
        .refused
        .iter()
        .map(|row| {
            let field = row.wrong.field.map_or_else(|| "null".to_owned(), quoted);
            format!("{{\"index\":{},\"field\":{field},\"reason\":{}}}", row.index, quoted(row.wrong.reason))
        })
        .collect();
    let body = format!("{{\"accepted\":{},\"refused\":[{}]}}", taken.accepted, refused.join(","));
    Answer { status: 202, headers, body }
}

/// The answer at `now` to a refused request.
pub fn refuse(refusal: &Refusal, raw: &Raw<'_>, config: &Config, now: UnixMillis) -> Answer {
    let mut headers = common(raw, config);
    let (status, kind, title, detail): (u16, _, _, Cow<'_, str>) = match refusal {
        Refusal::Preflight => return preflight(headers, config),
        Refusal::NotFound => (404, "not-found", "No such resource", "see /openapi.json for what there is".into()),
        Refusal::Method => {
            headers.push(("Allow", METHODS.into()));
            (405, "method-not-allowed", "Method not allowed", format!("this resource has {METHODS}").into())
        }
        Refusal::Foreign => (
            403,
            "foreign-origin",
            "Another site's page",
            "events come from apps, and pages of origins that are named".into(),
        ),
        Refusal::ContentType => (
            415,
            "unsupported-type",
            "Unsupported media type",
            "events come as application/json or, from a beacon, as text/plain".into(),
        ),
        Refusal::TooLarge => {
            (413, "too-large", "Too large", "a request has at most 65,536 bytes and 100 events; none was taken".into())
        }
        Refusal::Invalid(_, expected) => (400, "invalid-parameter", "Invalid parameter", (*expected).into()),
        Refusal::Token(refused) => {
            headers.push((
                "WWW-Authenticate",
                format!("Bearer error=\"invalid_token\", error_description=\"{refused}\"").into(),
            ));
            (401, "invalid-token", "Invalid token", refused.to_string().into())
        }
        Refusal::Nobody => {
            headers.push(("WWW-Authenticate", "Bearer".into()));
            (401, "nobody", "Neither a token nor a device", "sign in, or send Sinsang-Device".into())
        }
        Refusal::TooMany => {
            headers.push(("Retry-After", retry_after_s(TOO_MANY_WAIT_S, now).to_string().into()));
            (429, "too-many-requests", "Too many requests", "wait before the next request; none was taken".into())
        }
        Refusal::Unavailable => {
            headers.push(("Retry-After", retry_after_s(UNAVAILABLE_WAIT_S, now).to_string().into()));
            (503, "unavailable", "Not taken", "events can't be taken now; none of the request's was".into())
        }
    };
    let mut body = format!(
        "{{\"type\":\"/problems/{kind}\",\"title\":{},\"status\":{status},\"detail\":{}",
        quoted(title),
        quoted(&detail)
    );
    if let Refusal::Invalid(parameter, _) = refusal {
        body.push_str(",\"parameter\":");
        body.push_str(&quoted(parameter));
    }
    body.push('}');
    headers.push(("Content-Type", PROBLEM.into()));
    Answer { status, headers, body: if raw.method == "HEAD" { String::new() } else { body } }
}

/// The headers of every answer. Pages of other origins are answered only if the origin is named:
/// `*` opens the surfaces but not events, which any page could send in its visitors' names.
fn common(raw: &Raw<'_>, config: &Config) -> Vec<(&'static str, Cow<'static, str>)> {
    let mut headers = vec![
        ("X-Content-Type-Options", Cow::from("nosniff")),
        ("Vary", "Authorization, Origin, Sinsang-Device".into()),
        ("Cache-Control", "no-store".into()),
    ];
    if let Some(origin) = raw.origin.filter(|origin| config.cors.names(origin)) {
        headers.push(("Access-Control-Allow-Origin", origin.to_owned().into()));
        headers.push(("Access-Control-Expose-Headers", "Retry-After".into()));
    }
    headers
}

fn preflight(mut headers: Vec<(&'static str, Cow<'static, str>)>, config: &Config) -> Answer {
    headers.push(("Allow", METHODS.into()));
    if let Some((_, reader)) = headers.iter().find(|(name, _)| *name == "Access-Control-Allow-Origin") {
        let allowed = config.cors.headers(&header::OF_EVENTS, reader);
        headers.push(("Access-Control-Allow-Methods", METHODS.into()));
        headers.push(("Access-Control-Allow-Headers", allowed.into()));
        headers.push(("Access-Control-Max-Age", header::PREFLIGHT_MAX_AGE_S.into()));
    }
    Answer { status: 204, headers, body: String::new() }
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
