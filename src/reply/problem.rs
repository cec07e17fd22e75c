//! Refusals as RFC 9457 problem documents, and the answer to a browser's preflight.

use std::borrow::Cow;

use super::{Headers, Reply, Timing, common};
use crate::header;
use crate::rate::retry_after_s;
use crate::request::{Config, Raw, Refusal};
use sinsang_core::time::UnixMillis;

const PROBLEM: &str = "application/problem+json; charset=utf-8";
const METHODS: &str = "GET, HEAD, OPTIONS";

/// Shortest `Retry-After` of a rate-limited client, in seconds; the longest is twice that. Limiters
/// have windows of 10 or 60.
const TOO_MANY_WAIT_S: i64 = 10;
/// The same for a request that found no data.
const NO_DATA_WAIT_S: i64 = 5;

/// A refusal at `now` as an RFC 9457 problem document.
pub fn refuse(refusal: &Refusal, raw: &Raw<'_>, config: &Config, timing: Timing, now: UnixMillis) -> Reply {
    let mut headers = common(raw, config, timing);
    headers.push(("Cache-Control", "no-store".into()));
    let (status, kind, title, detail): (u16, &str, &str, Cow<'_, str>) = match refusal {
        Refusal::Preflight => return preflight(headers, config),
        Refusal::NotFound => (404, "not-found", "No such resource", "see /openapi.json for what there is".into()),
        Refusal::NoProduct => (
            404,
            "no-product",
            "No such product",
            "no product or listing of this id has a broadcast from yesterday to eight days ahead".into(),
        ),
        Refusal::NoChannel => (404, "no-channel", "No such channel", "/v1/status lists the channels".into()),
        Refusal::Moved(path) => {
            headers.push(("Location", path.clone().into()));
            (301, "moved", "Moved", format!("this product has become one with that of {path}").into())
        }
        Refusal::Method => {
            headers.push(("Allow", METHODS.into()));
            (405, "method-not-allowed", "Method not allowed", format!("this resource has {METHODS}").into())
        }
        Refusal::TooLong => {
            (414, "too-long", "Address too long", "the path or the query is longer than the limit".into())
        }
        Refusal::Parameter(_, expected) => (400, "invalid-parameter", "Invalid parameter", expected.as_str().into()),
        Refusal::PreviewOnly(name) => (
            403,
            "preview-only",
            "Only for previews",
            format!("{name} needs the header Sinsang-Preview with this deployment's secret").into(),
        ),
        Refusal::CursorGone => (
            410,
            "cursor-gone",
            "The list is gone",
            "what it was made from can't be had any more: begin again without a cursor".into(),
        ),
        Refusal::SnapshotGone => (
            410,
            "snapshot-gone",
            "The snapshot is gone",
            "it is not kept any more: /preview/snapshots names those that are".into(),
        ),
        Refusal::Token(refused) => {
            headers.push((
                "WWW-Authenticate",
                format!("Bearer error=\"invalid_token\", error_description=\"{refused}\"").into(),
            ));
            (401, "invalid-token", "Invalid token", refused.to_string().into())
        }
        Refusal::TooMany => {
            headers.push(wait(TOO_MANY_WAIT_S, now));
            (429, "too-many-requests", "Too many requests", "wait before the next request".into())
        }
        Refusal::Body => (413, "no-body", "No body is taken", "requests to this resource have no body".into()),
        Refusal::NoData => {
            headers.push(wait(NO_DATA_WAIT_S, now));
            (
                503,
                "no-data",
                "No data yet",
                "no snapshot could be read: none is published, or the store does not answer".into(),
            )
        }
    };
    let parameter = match refusal {
        Refusal::Parameter(name, _) => Some(name.as_str()),
        Refusal::PreviewOnly(name) => Some(*name),
        Refusal::CursorGone => Some("cursor"),
        Refusal::SnapshotGone => Some("snapshot"),
        _ => None,
    };
    let mut problem = format!(
        "{{\"type\":\"/problems/{kind}\",\"title\":{},\"status\":{status},\"detail\":{}",
        quoted(title),
        quoted(&detail)
    );
    if let Some(parameter) = parameter {
        problem.push_str(",\"parameter\":");
        problem.push_str(&quoted(parameter));
    }
    problem.push('}');
    headers.push(("Content-Type", PROBLEM.into()));
    let body = if raw.method == "HEAD" { Vec::new() } else { problem.into_bytes() };
    Reply { status, headers, body, ..Reply::default() }
}

#[inline(never)]
fn wait(least_s: i64, now: UnixMillis) -> (&'static str, Cow<'static, str>) {
    ("Retry-After", retry_after_s(least_s, now).to_string().into())
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn preflight(mut headers: Headers, config: &Config) -> Reply {
    headers.push(("Allow", METHODS.into()));
    if let Some((_, reader)) = headers.iter().find(|(name, _)| *name == "Access-Control-Allow-Origin") {
        let allowed = config.cors.headers(&header::OF_SURFACES, reader);
        headers.push(("Access-Control-Allow-Methods", METHODS.into()));
        headers.push(("Access-Control-Allow-Headers", allowed.into()));
        headers.push(("Access-Control-Max-Age", header::PREFLIGHT_MAX_AGE_S.into()));
    }
    Reply { status: 204, headers, ..Reply::default() }
}
