//! Requests of any bytes: each is answered or refused, by name and in form, and no door opens that
//! no key was given for.

use std::sync::LazyLock;

use sinsang::request::{MAX_LIMIT, Request};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, published};
use crate::support::edge::{Ask, Edge, ORIGIN, PREVIEW};

static SNAPSHOT: LazyLock<Published> = LazyLock::new(|| published(&Shape::SMALL));
const STATUSES: [u16; 12] = [200, 204, 304, 400, 401, 403, 404, 405, 410, 413, 414, 429];

/// Reads the lines of `bytes` as a target, a method, the headers `Sinsang-Preview`, `If-None-Match`
/// and `Origin`, and a user's id.
pub(crate) fn request(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().filter(|line| !line.is_empty());
    let mut ask = Ask::get(line().unwrap_or("/"));
    ask.method = match line() {
        None | Some("GET") => "GET",
        Some("HEAD") => "HEAD",
        Some("OPTIONS") => "OPTIONS",
        Some(_) => "POST",
    };
    (ask.preview, ask.if_none_match, ask.origin) =
        (line().map(str::to_owned), line().map(str::to_owned), line().map(str::to_owned));
    if let Some(user) = line() {
        ask = ask.user(user);
    }
    let mut edge = Edge::with(&SNAPSHOT, at(BUILT_AT));
    if let Ok(request) = Request::parse(&ask.raw(), &edge.config, edge.now, None) {
        assert!(!request.is_preview || ask.preview.as_deref() == Some(PREVIEW), "{ask:?}");
        assert!(request.as_of.is_none() || request.is_preview, "{ask:?}");
    }
    // Once cold and once warm.
    for _ in 0..2 {
        let reply = edge.ask(&ask);
        assert!(STATUSES.contains(&reply.status), "{ask:?}: {}", reply.status);
        for (name, value) in &reply.headers {
            assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{ask:?}: {name} {value:?}");
        }
        let allowed = reply.header("Access-Control-Allow-Origin");
        assert!(allowed.is_none() || ask.origin.as_deref() == Some(ORIGIN), "{ask:?}: {allowed:?}");
        let shared = reply.header("Cache-Control").is_some_and(|value| value.contains("public"));
        assert!(!shared || ask.authorization.is_none() && ask.preview.as_deref() != Some(PREVIEW), "{ask:?}");
        let is_json = reply.header("Content-Type").is_some_and(|kind| kind.contains("json"));
        if !is_json || ask.method == "HEAD" {
            continue;
        }
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON where JSON is promised");
        assert!(reply.status == 200 || body["status"] == reply.status, "{ask:?}: {body}");
        let items = body["items"].as_array().or(body["new"]["items"].as_array()).map_or(0, Vec::len);
        assert!(items <= MAX_LIMIT || body["surface"] != "new", "{ask:?}: {items} items");
    }
}
