//! A surface in; status, headers and body out. Only this module decides what may be shared, and for
//! how long.

mod freshness;
mod page;
mod problem;
mod status;
mod unknown;

use std::borrow::Cow;

use crate::memory::Memory;
use crate::request::{Config, ListQuestion, PackPart, Raw, Request, Route};
use sinsang_core::context::Context;
use sinsang_core::experiment::WHOLE;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::surface::cursor::Cursor;
use sinsang_core::surface::new::Selection;
use sinsang_core::surface::{View, live, new, tabs, write_number};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{SECOND_MS, UnixMillis};
use sinsang_core::viewer::Viewer;

pub use freshness::kept_header;
use freshness::{cache_control, etag, is_match, stands_until};
pub use page::missing;
pub use problem::refuse;
pub use status::status_without_data;
use status::write_status;

const JSON: &str = "application/json; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const CALENDAR: &str = "text/calendar; charset=utf-8";

const VARY: &str = "Authorization, Origin, Sinsang-Preview";
/// The same if viewers are drawn, by experiments or a trial.
const VARY_BY_DEVICE: &str = "Authorization, Origin, Sinsang-Device, Sinsang-Preview";

/// An answer's rung on the ladder of fallbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// From the isolate's memory alone.
    Isolate,
    /// The store was read for this answer.
    Kv,
    /// From memory that should have been refreshed but could not be.
    Stale,
    /// From the data centre's cache, because the store did not answer.
    Cache,
    /// From the snapshot that was bundled with the Worker at deploy.
    Bundle,
}

impl Rung {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Isolate, Self::Kv, Self::Stale, Self::Cache, Self::Bundle];

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

    /// Whether a better answer may soon be available.
    fn is_makeshift(self) -> bool {
        matches!(self, Self::Stale | Self::Cache | Self::Bundle)
    }
}

/// The cost of a request's reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Keys read.
    pub reads: u32,
    /// Milliseconds since the request's arrival by the platform's clock, which only advances with
    /// I/O.
    pub ms: i64,
}

/// Header names and values. Most values are the same for every answer and are borrowed.
pub type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// An answer ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// How long the same request gets the same answer, while memory keeps the same snapshot; `None`
    /// if another viewer or another moment may get a different one.
    pub stands_until: Option<UnixMillis>,
    /// Whether to look up the manifest in the background.
    pub wants_refresh: bool,
    /// Log lines, each written once.
    pub log: Vec<String>,
}

impl Reply {
    /// The value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// What operators' overlay changes in an answer.
#[derive(Clone, Copy, Debug)]
pub struct Overlaid {
    /// The revision that the list is ordered by; 0 without an overlay.
    pub revision: u32,
    /// A hash of what stands now; 0 if nothing does.
    pub print: u64,
    /// The same for the time at which a continued list was frozen.
    pub frozen: u64,
    /// Until when the same stands.
    pub until: UnixMillis,
}

/// The inputs of an answer.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The request.
    pub request: &'a Request,
    /// Its method, path and headers.
    pub raw: &'a Raw<'a>,
    /// The deployment's configuration.
    pub config: &'a Config,
    /// The manifest of the snapshot.
    pub manifest: &'a Manifest,
    /// Board, tastes and time of the answer.
    pub view: View<'a>,
    /// The board as it was published, without an overlay.
    pub published: &'a Board,
    /// What operators' overlay changes in the answer.
    pub overlay: Overlaid,
    /// The viewer's taste record as bytes, one of the answer's inputs.
    pub taste_record: Option<&'a [u8]>,
    /// The leanings of viewers in the same context, if they order the answer: the same for all such
    /// viewers.
    pub leaning: Option<&'a [u8]>,
    /// The context that orders the list, for its later pages.
    pub context: Option<Context>,
    /// The answer's rung.
    pub rung: Rung,
    /// Whether the requested page is unavailable and the list ends before it.
    pub is_cut: bool,
    /// The isolate's memory, which the status reports.
    pub memory: &'a Memory,
    /// How long reading took.
    pub timing: Timing,
    /// The clock, which a demonstration may have shifted.
    pub now: UnixMillis,
    /// The real clock.
    pub real_now: UnixMillis,
}

impl Facts<'_> {
    fn age_s(&self) -> i64 {
        self.now.since(self.manifest.built_at()).div_euclid(SECOND_MS).max(0)
    }

    fn is_personal(&self) -> bool {
        self.view.taste.is_some() && !self.view.is_of_context
    }

    /// Whether another device may get a different answer.
    fn is_of_device(&self) -> bool {
        self.raw.device.is_some() && self.draws_viewers()
    }

    /// Whether viewers are told apart, those without a token by their device: an audience lists
    /// them, a snapshot is on trial, or experiments run, or ran when a continued list was frozen.
    fn draws_viewers(&self) -> bool {
        self.view.assignment.is_some()
            || self.view.board.experiments().run(self.view.now)
            || self.view.board.lists_viewers()
            || self.memory.trial().is_some()
    }

    /// Whether the answer is for one viewer only.
    fn is_alone(&self) -> bool {
        if self.request.route.is_for_all() {
            let is_somebody = self.request.viewer != Viewer::Anonymous || self.raw.device.is_some();
            return is_somebody && self.memory.trial().is_some();
        }
        self.request.viewer != Viewer::Anonymous || !self.request.recent.is_empty() || self.is_of_device()
    }

    /// A fingerprint of the viewer's variants; 0 for none.
    fn print(&self) -> u64 {
        self.view.assignment.map_or(0, |assignment| assignment.print)
    }
}

/// The answer to a request, from a snapshot.
pub fn answer(facts: &Facts<'_>) -> Reply {
    let mut reply = Reply { status: 200, headers: common(facts.raw, facts.config, facts.timing), ..Reply::default() };
    let headers = &mut reply.headers;
    headers.push(("Sinsang-Rung", facts.rung.as_str().into()));
    headers.push(("Sinsang-Age", itoa::Buffer::new().format(facts.age_s()).to_owned().into()));
    headers.push(("Sinsang-Snapshot", facts.manifest.name().to_owned().into()));
    headers.push(("Cache-Control", cache_control(facts)));
    if let Some((_, vary)) = headers.iter_mut().find(|(name, _)| *name == "Vary" && facts.draws_viewers()) {
        *vary = VARY_BY_DEVICE.into();
    }
    if let Some(assignment) = facts.view.assignment {
        headers.push(("Sinsang-Experiments", assignment.header.clone().into()));
    }
    // The preview page reproduces this answer's order with that pulse, overlay and audiences.
    let told = [
        ("Sinsang-Pulse", facts.view.pulse.map_or(0, Pulse::number)),
        ("Sinsang-Overlay", facts.overlay.revision),
        ("Sinsang-Audiences", facts.view.audiences.0),
    ];
    for (name, number) in told.into_iter().filter(|(_, number)| facts.request.is_preview && *number > 0) {
        headers.push((name, number.to_string().into()));
    }
    if !matches!(facts.request.route, Route::Status) {
        let etag = etag(facts);
        let matches = facts.raw.if_none_match.is_some_and(|header| is_match(header, &etag));
        headers.push(("ETag", etag.into()));
        if matches {
            reply.status = 304;
            return reply;
        }
    }
    reply.stands_until = stands_until(facts);
    let kind = match facts.request.route {
        Route::Pack(PackPart::Board | PackPart::Tastes) => BYTES,
        Route::Calendar(_) => CALENDAR,
        _ => JSON,
    };
    reply.headers.push(("Content-Type", kind.into()));
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
    // Room for a home of sixty items, so that the buffer is not moved as it grows.
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
        Route::Live => write_whole(facts, Surface::Live, live::write_items, &mut out),
        Route::Tabs => write_whole(facts, Surface::Tabs, tabs::write_items, &mut out),
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
        Route::Schedule(question) => page::write_schedule(facts, question, &mut out),
        Route::Product(name) => page::write_product(facts, *name, &mut out),
        Route::Products(ids) => page::write_products(facts, ids, &mut out),
        Route::Calendar(of) => return page::calendar(facts, of),
        Route::Pack(PackPart::Board) => return view.board.pack().bytes().to_vec(),
        Route::Pack(PackPart::Tastes) => return lone_taste(facts),
        Route::Pack(PackPart::Snapshots) => write_snapshots(facts, &mut out),
        Route::Status => write_status(facts, &mut out),
        Route::Health => out.extend_from_slice(b"{\"status\":\"ok\""),
    }
    out.push(b'}');
    out
}

/// Appends the answer of a surface without pages, but for its closing brace.
fn write_whole(facts: &Facts<'_>, surface: Surface, items: fn(&View<'_>, &mut Vec<u8>), out: &mut Vec<u8>) {
    for part in ["{\"surface\":\"", surface.as_str(), "\","] {
        out.extend_from_slice(part.as_bytes());
    }
    write_stand(facts, out);
    out.extend_from_slice(b",\"items\":");
    items(&facts.view, out);
}

/// A taste pack with only the viewer's tastes; an empty one if they have none.
#[inline(never)]
fn lone_taste(facts: &Facts<'_>) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap_or(u16::MAX);
    let taste = facts.view.taste.unwrap_or_default();
    // Two narrow weights share a byte; the second of the last pair may be padding, and is 0 then.
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
    let live = (facts.manifest.snapshot(), facts.manifest.built_at(), None);
    let beside = facts.manifest.beside().map(|one| (one.snapshot, one.built_at, one.share));
    let mut before = "{\"snapshots\":[";
    for (id, built_at, share) in std::iter::once(live).chain(beside) {
        let share = share.map_or(String::new(), |share| format!(",\"share\":{}", decimal(share)));
        let one = format!("{before}{{\"id\":\"{id}\",\"built_at\":\"{built_at}\"{share}}}");
        out.extend_from_slice(one.as_bytes());
        before = ",";
    }
    out.push(b']');
}

/// A share in millionths as a decimal number.
fn decimal(share: u32) -> String {
    format!("{}.{:06}", share / WHOLE, share % WHOLE)
}

/// What of a list a question chooses, as a board knows it; `Some(None)` is a value that it does not
/// know.
#[expect(clippy::option_option, reason = "no filter and an unknown value are different questions")]
struct Chosen {
    category: Option<Option<usize>>,
    channel: Option<Option<usize>>,
    /// The number of places to skip.
    offset: usize,
}

impl Chosen {
    fn of(board: &Board, question: &ListQuestion) -> Self {
        Self {
            category: question.category.as_deref().map(|name| board.find_category(name)),
            channel: question.channel.as_deref().map(|id| board.find_channel(id)),
            offset: question.cursor.and_then(|cursor| usize::try_from(cursor.offset).ok()).unwrap_or(0),
        }
    }
}

fn new_page(facts: &Facts<'_>, question: &ListQuestion) -> (new::Page, UnixMillis, Option<String>) {
    let Chosen { category, channel, offset } = Chosen::of(facts.view.board, question);
    let frozen_at = frozen_at(facts, question);
    let selection = Selection { category, channel, sort: question.sort, frozen_at, offset, limit: question.limit };
    let mut page = new::page(&facts.view, &selection);
    if !facts.view.trusts_verdicts {
        page = new::Page::default();
    } else if facts.is_cut {
        page = new::Page { total: page.total, ..new::Page::default() };
    }
    let cursor = page.next_offset.map(|offset| cursor_at(facts, question, frozen_at, offset));
    (page, frozen_at, cursor)
}

/// The cursor of the page at `offset` of a list that was frozen at `frozen_at`.
fn cursor_at(facts: &Facts<'_>, question: &ListQuestion, frozen_at: UnixMillis, offset: usize) -> String {
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    Cursor {
        snapshot: facts.manifest.snapshot(),
        frozen_at,
        offset,
        binding: question.binding ^ facts.print(),
        // Each request carries its session's products; only data that is read can be missing
        // later.
        is_personal: facts.taste_record.is_some(),
        pulse: facts.view.pulse.map_or(0, Pulse::number),
        overlay: facts.overlay.revision,
        audiences: facts.view.audiences,
        context: facts.context,
    }
    .encode()
}

/// When the list was frozen. A cursor keeps seconds, so the first page is frozen at a whole second
/// too.
fn frozen_at(facts: &Facts<'_>, question: &ListQuestion) -> UnixMillis {
    question.cursor.map_or_else(|| facts.view.now.floor(SECOND_MS), |cursor| cursor.frozen_at)
}

fn write_new(view: &View<'_>, page: &new::Page, frozen_at: UnixMillis, cursor: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"total\":");
    write_number(page.total, out);
    out.extend_from_slice(b",\"items\":");
    new::write_items(view, page, frozen_at, out);
    write_cursor(cursor, out);
}

fn write_cursor(cursor: Option<&str>, out: &mut Vec<u8>) {
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

fn common(raw: &Raw<'_>, config: &Config, timing: Timing) -> Headers {
    // Room for all headers of any answer.
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

/// The health answer: the Worker runs. It depends on nothing else.
pub fn health(request: &Request, raw: &Raw<'_>, config: &Config) -> Reply {
    let mut headers = common(raw, config, Timing::default());
    headers.push(("Cache-Control", "no-store".into()));
    headers.push(("Content-Type", JSON.into()));
    let body = if request.is_head { Vec::new() } else { b"{\"status\":\"ok\"}".to_vec() };
    Reply { status: 200, headers, body, ..Reply::default() }
}
