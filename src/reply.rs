//! A surface in, status, headers and body out. What may be shared, and for how long, is decided here and nowhere else.

mod freshness;
mod problem;
mod unknown;

use std::borrow::Cow;

use crate::memory::{Memory, SecondReads};
use crate::request::{Config, NewQuestion, PackPart, Raw, Request, Route};
use sinsang_core::context::Context;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::surface::cursor::Cursor;
use sinsang_core::surface::new::Selection;
use sinsang_core::surface::{View, live, new, tabs, write_number};
use sinsang_core::time::{SECOND_MS, UnixMillis};
use sinsang_core::viewer::Viewer;

pub use freshness::kept_header;
use freshness::{cache_control, etag, is_match, stands_until};
pub use problem::refuse;

const JSON: &str = "application/json; charset=utf-8";
const BYTES: &str = "application/octet-stream";

const VARY: &str = "Authorization, Origin, Sinsang-Preview";
/// The same where experiments run.
const VARY_BY_DEVICE: &str = "Authorization, Origin, Sinsang-Device, Sinsang-Preview";

/// The rung of the ladder that an answer stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// From the isolate's memory alone.
    Isolate,
    /// The store was read for this answer.
    Kv,
    /// From memory that should have been refreshed and could not be.
    Stale,
    /// From the data centre's cache, where the store did not answer.
    Cache,
    /// From the snapshot that was bundled with the Worker at deploy.
    Bundle,
}

impl Rung {
    /// The spelling in headers and bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Kv => "kv",
            Self::Stale => "stale",
            Self::Cache => "cache",
            Self::Bundle => "bundle",
        }
    }

    /// Whether the answer may soon be a better one.
    fn is_makeshift(self) -> bool {
        matches!(self, Self::Stale | Self::Cache | Self::Bundle)
    }
}

/// How long reading took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Keys read.
    pub reads: u32,
    /// Milliseconds from the request's arrival, on the platform's clock, which stands still but for I/O.
    pub ms: i64,
}

/// Header names and values. Most values are the same for every answer, and are not copied for each.
pub type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// An answer that is ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// Until when whoever asks the same is answered the very same, as long as memory stands on the same snapshot; `None` where another
    /// viewer or another moment may be answered otherwise.
    pub stands_until: Option<UnixMillis>,
    /// Whether the manifest should be looked up in the background.
    pub wants_refresh: bool,
    /// What is worth logging, once.
    pub log: Vec<String>,
}

impl Reply {
    /// The value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// All that an answer is made from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The request.
    pub request: &'a Request,
    /// Its headers.
    pub raw: &'a Raw<'a>,
    /// How the edge is set up.
    pub config: &'a Config,
    /// The manifest of the snapshot.
    pub manifest: &'a Manifest,
    /// Board, tastes and the time that the answer is for.
    pub view: View<'a>,
    /// The viewer's tastes as bytes, which are part of what the answer depends on.
    pub taste_record: Option<&'a [u8]>,
    /// What viewers in the same context lean to, where that orders the answer: the same for all of them.
    pub leaning: Option<&'a [u8]>,
    /// The context that the list is ordered by, for its later pages.
    pub context: Option<Context>,
    /// Where the answer stands.
    pub rung: Rung,
    /// Whether the page that is asked for can't be had now, and the list stops short of it.
    pub is_cut: bool,
    /// What the isolate remembers, for its status.
    pub memory: &'a Memory,
    /// How long reading took.
    pub timing: Timing,
    /// The clock, which a demonstration may have moved.
    pub now: UnixMillis,
    /// The clock as it is.
    pub real_now: UnixMillis,
}

impl Facts<'_> {
    fn age_s(&self) -> i64 {
        self.now.since(self.manifest.built_at()).div_euclid(SECOND_MS).max(0)
    }

    fn is_personal(&self) -> bool {
        self.view.taste.is_some() && !self.view.is_of_context
    }

    /// Whether another device may be answered otherwise: one without a token is known to experiments by it.
    fn is_of_device(&self) -> bool {
        self.raw.device.is_some() && self.has_experiments()
    }

    /// Whether experiments run, or ran when the list was frozen that goes on here.
    fn has_experiments(&self) -> bool {
        self.view.assignment.is_some() || self.view.board.experiments().run(self.view.now)
    }

    /// Whether the answer is for who asks alone.
    fn is_alone(&self) -> bool {
        self.request.viewer != Viewer::Anonymous || !self.request.recent.is_empty() || self.is_of_device()
    }

    /// Stands for the variants that the viewer is in; 0 for none.
    fn print(&self) -> u64 {
        self.view.assignment.map_or(0, |assignment| assignment.print)
    }
}

/// The answer to a request that a snapshot can answer.
pub fn answer(facts: &Facts<'_>) -> Reply {
    let mut reply = Reply { status: 200, headers: common(facts.raw, facts.config, facts.timing), ..Reply::default() };
    let headers = &mut reply.headers;
    headers.push(("Sinsang-Rung", facts.rung.as_str().into()));
    headers.push(("Sinsang-Age", itoa::Buffer::new().format(facts.age_s()).to_owned().into()));
    headers.push(("Sinsang-Snapshot", facts.manifest.name().to_owned().into()));
    headers.push(("Cache-Control", cache_control(facts)));
    if let Some((_, vary)) = headers.iter_mut().find(|(name, _)| *name == "Vary" && facts.has_experiments()) {
        *vary = VARY_BY_DEVICE.into();
    }
    if let Some(assignment) = facts.view.assignment {
        headers.push(("Sinsang-Experiments", assignment.header.clone().into()));
    }
    // By this the preview page orders as this answer does.
    if let Some(pulse) = facts.view.pulse.filter(|_| facts.request.is_preview) {
        headers.push(("Sinsang-Pulse", pulse.number().to_string().into()));
    }
    if facts.request.route != Route::Status {
        let etag = etag(facts);
        let matches = facts.raw.if_none_match.is_some_and(|header| is_match(header, &etag));
        headers.push(("ETag", etag.into()));
        if matches {
            reply.status = 304;
            return reply;
        }
    }
    reply.stands_until = stands_until(facts);
    let is_pack = matches!(facts.request.route, Route::Pack(PackPart::Board | PackPart::Tastes));
    reply.headers.push(("Content-Type", if is_pack { BYTES } else { JSON }.into()));
    let body = body(facts);
    if facts.request.is_head {
        reply.headers.push(("Content-Length", body.len().to_string().into()));
    } else {
        reply.body = body;
    }
    reply
}

fn body(facts: &Facts<'_>) -> Vec<u8> {
    let view = &facts.view;
    // Room for a home of sixty items, so that it is not moved while it grows.
    let mut out = Vec::with_capacity(72 * 1024);
    match &facts.request.route {
        Route::New(question) => {
            let (page, frozen_at, cursor) = new_page(facts, question);
            out.extend_from_slice(b"{\"surface\":\"new\",");
            write_stand(facts, &mut out);
            out.push(b',');
            write_new(view, &page, frozen_at, cursor.as_deref(), &mut out);
            if facts.is_cut {
                out.extend_from_slice(b",\"interrupted\":true");
            } else {
                unknown::write(view.board, question, &mut out);
            }
        }
        Route::Live => {
            out.extend_from_slice(b"{\"surface\":\"live\",");
            write_stand(facts, &mut out);
            out.extend_from_slice(b",\"items\":");
            live::write_items(view, &mut out);
        }
        Route::Tabs => {
            out.extend_from_slice(b"{\"surface\":\"tabs\",");
            write_stand(facts, &mut out);
            out.extend_from_slice(b",\"items\":");
            tabs::write_items(view, &mut out);
        }
        Route::Home(question) => {
            let (page, frozen_at, cursor) = new_page(facts, question);
            out.push(b'{');
            write_stand(facts, &mut out);
            out.extend_from_slice(b",\"tabs\":{\"items\":");
            tabs::write_items(view, &mut out);
            out.extend_from_slice(b"},\"live\":{\"items\":");
            live::write_items(view, &mut out);
            out.extend_from_slice(b"},\"new\":{");
            write_new(view, &page, frozen_at, cursor.as_deref(), &mut out);
            out.push(b'}');
        }
        Route::Pack(PackPart::Board) => return view.board.pack().bytes().to_vec(),
        Route::Pack(PackPart::Tastes) => return lone_taste(facts),
        Route::Pack(PackPart::Snapshots) => write_snapshots(facts, &mut out),
        Route::Status => write_status(facts, &mut out),
        Route::Health => out.extend_from_slice(b"{\"status\":\"ok\""),
    }
    out.push(b'}');
    out
}

/// A taste pack with the viewer's tastes and nobody else's; an empty one where none are known.
#[inline(never)]
fn lone_taste(facts: &Facts<'_>) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap_or(u16::MAX);
    let taste = facts.view.taste.unwrap_or_default();
    // Of two narrow weights to a byte the second may be one too many, and is 0 then.
    let length = |part: &[u8]| length(part).saturating_mul(if taste.is_narrow { 2 } else { 1 });
    let widths = Widths {
        vocabulary: facts.view.board.vocabulary(),
        vector: u16::try_from(taste.vector.len()).unwrap_or(u16::MAX),
        channels: length(taste.channels),
        hours: length(taste.hours),
        tabs: length(taste.tabs),
        is_narrow: taste.is_narrow,
        notes: u16::try_from(taste.notes.len() / taste::NOTE_BYTES).unwrap_or(u16::MAX),
    };
    let record = [taste.vector, taste.channels, taste.hours, taste.tabs, taste.notes].concat();
    let user = facts.request.viewer.key().filter(|_| facts.is_personal()).map(|key| (key.0, record));
    taste::write(&widths, user.as_slice()).map(|(bytes, _)| bytes).unwrap_or_default()
}

#[inline(never)]
fn write_snapshots(facts: &Facts<'_>, out: &mut Vec<u8>) {
    let live = (facts.manifest.snapshot(), facts.manifest.built_at());
    let before = facts.manifest.previous().map(|previous| (previous.snapshot, previous.built_at));
    let list: Vec<String> = std::iter::once(live)
        .chain(before)
        .map(|(id, built_at)| format!("{{\"id\":\"{id}\",\"built_at\":\"{built_at}\"}}"))
        .collect();
    out.extend_from_slice(format!("{{\"snapshots\":[{}]", list.join(",")).as_bytes());
}

fn new_page(facts: &Facts<'_>, question: &NewQuestion) -> (new::Page, UnixMillis, Option<String>) {
    let board = facts.view.board;
    // A cursor keeps seconds, so the first page is frozen at a whole second too.
    let frozen_at = question.cursor.map_or_else(|| facts.view.now.floor(SECOND_MS), |cursor| cursor.frozen_at);
    let selection = Selection {
        category: question.category.as_deref().map(|name| board.find_category(name)),
        channel: question.channel.as_deref().map(|id| board.find_channel(id)),
        sort: question.sort,
        frozen_at,
        offset: question.cursor.and_then(|cursor| usize::try_from(cursor.offset).ok()).unwrap_or(0),
        limit: question.limit,
    };
    let mut page = new::page(&facts.view, &selection);
    if !facts.view.trusts_verdicts {
        page = new::Page::default();
    } else if facts.is_cut {
        page = new::Page { total: page.total, ..new::Page::default() };
    }
    let cursor = page.next_offset.map(|offset| {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        Cursor {
            snapshot: facts.manifest.snapshot(),
            frozen_at,
            offset,
            binding: question.binding ^ facts.print(),
            // What a session asks for comes with each request; only what is read can be missing later.
            is_personal: facts.taste_record.is_some(),
            pulse: facts.view.pulse.map_or(0, Pulse::number),
            context: facts.context,
        }
        .encode()
    });
    (page, frozen_at, cursor)
}

fn write_new(view: &View<'_>, page: &new::Page, frozen_at: UnixMillis, cursor: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"total\":");
    write_number(page.total, out);
    out.extend_from_slice(b",\"items\":");
    new::write_items(view, page, frozen_at, out);
    let quote: &[u8] = if cursor.is_some() { b"\"" } else { b"" };
    for part in [b",\"next_cursor\":", quote, cursor.unwrap_or("null").as_bytes(), quote] {
        out.extend_from_slice(part);
    }
}

fn write_stand(facts: &Facts<'_>, out: &mut Vec<u8>) {
    let is_personal: &[u8] = if facts.is_personal() { b"true" } else { b"false" };
    for part in [b"\"personalized\":", is_personal, b",\"snapshot\":"] {
        out.extend_from_slice(part);
    }
    write_snapshot(facts, out);
    if let Some(assignment) = facts.view.assignment {
        out.extend_from_slice(b",\"experiments\":");
        out.extend_from_slice(assignment.json.as_bytes());
    }
}

fn write_snapshot(facts: &Facts<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(facts.manifest.head_json());
    out.extend_from_slice(b",\"age_s\":");
    write_number(facts.age_s(), out);
    for part in [b",\"rung\":\"", facts.rung.as_str().as_bytes(), b"\"}"] {
        out.extend_from_slice(part);
    }
}

#[inline(never)]
fn write_status(facts: &Facts<'_>, out: &mut Vec<u8>) {
    let board = facts.view.board;
    let clock = if facts.config.clock_offset_ms == 0 { "real" } else { "shifted" };
    let (from, to) = board.window();
    out.extend_from_slice(
        format!("{{\"now\":\"{}\",\"clock\":\"{clock}\",\"rung\":\"{}\",", facts.now, facts.rung.as_str()).as_bytes(),
    );
    out.extend_from_slice(b"\"snapshot\":");
    write_snapshot(facts, out);
    out.extend_from_slice(format!(",\"window\":{{\"from\":\"{from}\",\"to\":\"{to}\"}},\"counts\":").as_bytes());
    out.extend_from_slice(board.counts_json());
    out.extend_from_slice(
        format!(",\"users\":{},\"taste_shards\":{}}},", facts.manifest.users(), facts.manifest.shard_count())
            .as_bytes(),
    );
    out.extend_from_slice(board.lists_json());
    out.push(b',');
    write_dependencies(facts.memory, facts.real_now, out);
}

/// Appends how the dependencies are, and how much the isolate remembers, as members of an object.
fn write_dependencies(memory: &Memory, real_now: UnixMillis, out: &mut Vec<u8>) {
    match memory.pulse(real_now) {
        Some(pulse) => {
            let age_s = real_now.since(pulse.made_at()).div_euclid(SECOND_MS).max(0);
            let json = format!("\"pulse\":{{\"age_s\":{age_s},\"products\":{}}},", pulse.len());
            out.extend_from_slice(json.as_bytes());
        }
        None => out.extend_from_slice(b"\"pulse\":null,"),
    }
    let SecondReads { count, found } = memory.second_reads;
    let second = format!(",\"second_reads\":{count},\"late_packs\":{found}");
    for (name, breaker, more) in [("store", &memory.store, second.as_str()), ("cache", &memory.cache, "")] {
        let state = if breaker.is_open() { "open" } else { "closed" };
        let json = format!("\"{name}\":{{\"breaker\":\"{state}\",\"failures\":{}{more}}},", breaker.failures());
        out.extend_from_slice(json.as_bytes());
    }
    let refused = memory.refused().map(|(key, damage)| {
        // A section's name may be of any bytes. What would have to be escaped is left out.
        let reason = format!("{key}: {damage}").replace(|one: char| one.is_control() || one == '"' || one == '\\', "");
        format!("\"{reason}\"")
    });
    out.extend_from_slice(format!("\"refused\":{},", refused.as_deref().unwrap_or("null")).as_bytes());
    let (snapshots, tastes, wasm_bytes) = (memory.snapshot_bytes(), memory.taste_bytes(), memory.wasm_bytes);
    let json =
        format!("\"memory\":{{\"snapshot_bytes\":{snapshots},\"taste_bytes\":{tastes},\"wasm_bytes\":{wasm_bytes}}}");
    out.extend_from_slice(json.as_bytes());
}

fn common(raw: &Raw<'_>, config: &Config, timing: Timing) -> Headers {
    // Room for all headers that any answer has.
    let mut headers = Headers::with_capacity(12);
    headers.push(("X-Content-Type-Options", "nosniff".into()));
    headers.push(("Vary", VARY.into()));
    headers.push(("Server-Timing", server_timing(timing)));
    if let Some(reader) = raw.origin.and_then(|origin| config.cors.reader(origin)) {
        headers.push(("Access-Control-Allow-Origin", reader.to_owned().into()));
        let exposed =
            "ETag, Server-Timing, Sinsang-Age, Sinsang-Experiments, Sinsang-Rung, Sinsang-Snapshot, Retry-After";
        headers.push(("Access-Control-Expose-Headers", exposed.into()));
    }
    headers
}

fn server_timing(timing: Timing) -> Cow<'static, str> {
    match timing {
        Timing { reads: 0, ms: ..=0 } => "kv;dur=0;desc=\"0 reads\"".into(),
        Timing { reads, ms } => format!("kv;dur={};desc=\"{reads} reads\"", ms.max(0)).into(),
    }
}

/// The answer that says that the Worker runs, from nothing else.
pub fn health(request: &Request, raw: &Raw<'_>, config: &Config) -> Reply {
    let mut headers = common(raw, config, Timing::default());
    headers.push(("Cache-Control", "no-store".into()));
    headers.push(("Content-Type", JSON.into()));
    let body = if request.is_head { Vec::new() } else { b"{\"status\":\"ok\"}".to_vec() };
    Reply { status: 200, headers, body, ..Reply::default() }
}

/// The answer to `/v1/status` where there is no snapshot: then more than ever, the store's state is what is asked for.
pub fn status_without_data(
    request: &Request,
    raw: &Raw<'_>,
    config: &Config,
    memory: &Memory,
    timing: Timing,
    (now, real_now): (UnixMillis, UnixMillis),
) -> Reply {
    let mut headers = common(raw, config, timing);
    headers.push(("Sinsang-Rung", Rung::Kv.as_str().into()));
    headers.push(("Cache-Control", "no-store".into()));
    headers.push(("Content-Type", JSON.into()));
    let clock = if config.clock_offset_ms == 0 { "real" } else { "shifted" };
    let mut body = format!(
        "{{\"now\":\"{now}\",\"clock\":\"{clock}\",\"rung\":\"{}\",\"snapshot\":null,\"window\":null,\"counts\":null,\
         \"channels\":[],\"categories\":[],",
        Rung::Kv.as_str()
    )
    .into_bytes();
    write_dependencies(memory, real_now, &mut body);
    body.push(b'}');
    let body = if request.is_head { Vec::new() } else { body };
    Reply { status: 200, headers, body, ..Reply::default() }
}
