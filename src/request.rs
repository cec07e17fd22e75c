//! Requests: method, path, query and headers in, a request or a refusal out. Routes and parameters
//! are a closed list.

use std::rc::Rc;

use crate::auth::{BadKey, Bearer, DEFAULT_MAX_LIFE_S, Refused, Verifier};
use crate::cors::Cors;
use crate::guess::{Admission, PreviewSecret};
use crate::rate::Address;
use sinsang_core::context::Context;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::session::MOST_RECENT;
use sinsang_core::surface::cursor::Cursor;
use sinsang_core::surface::new::Sort;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{DeviceId, UserHasher, UserKey, Viewer};

mod parameter;
mod question;
mod refusal;
mod resource;

use parameter::Parameters;
pub use question::{
    CalendarOf, DEFAULT_LIMIT, ListQuestion, MAX_LIMIT, MAX_SCHEDULE_LIMIT, MOST_PRODUCTS, Name, ScheduleQuestion,
};
pub use refusal::{Halt, Refusal};
use resource::Resource;

/// Longest accepted path, in bytes.
pub const MAX_PATH_BYTES: usize = 256;
/// Longest accepted query, in bytes.
pub const MAX_QUERY_BYTES: usize = 2048;
/// Default limit on the time of all reads of a request. KV's cold reads take 100 to 300 ms, and
/// there are two rounds.
pub const DEFAULT_READ_LIMIT_MS: u32 = 2_000;
/// Longest read limit that a configuration may set, in milliseconds.
const MAX_READ_LIMIT_MS: u32 = 30_000;
/// Prefix of a preview viewer's key. A user id that begins with it can only be previewed by its
/// key.
pub const KEY_PREFIX: &str = "key:";

/// The request as the platform passes it on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    /// The method, `GET` for example.
    pub method: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The query without its question mark, percent-encoded.
    pub query: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Sinsang-Preview`.
    pub preview: Option<&'a str>,
    /// The header `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The header `Sinsang-Device`.
    pub device: Option<&'a str>,
    /// The client's address: it limits guesses of the preview secret and affects no answer
    /// otherwise.
    pub address: Address,
    /// The province and device class, if the shell has read them.
    pub context: Option<Context>,
    /// Whether there is a body, which is never read.
    pub has_body: bool,
}

/// The deployment's configuration; read once for an isolate.
#[derive(Debug)]
pub struct Config {
    /// The origins whose pages may read answers; none by default.
    pub cors: Cors,
    /// Checks tokens; without it, every token is refused.
    pub verifier: Option<Verifier>,
    /// Hashes device ids, by which experiments identify viewers without a token; without it, those
    /// viewers are in no experiment.
    pub devices: Option<UserHasher>,
    /// Opens `/preview/` and the preview parameters to its senders.
    pub preview_secret: Option<PreviewSecret>,
    /// Milliseconds added to the clock, for demonstrations with data of another time.
    pub clock_offset_ms: i64,
    /// Limit on the time of all reads of a request together, in milliseconds; the answer then uses
    /// what has arrived.
    pub read_limit_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cors: Cors::default(),
            verifier: None,
            devices: None,
            preview_secret: None,
            clock_offset_ms: 0,
            read_limit_ms: DEFAULT_READ_LIMIT_MS,
        }
    }
}

impl Config {
    /// The configuration in the deployment's variables, and the errors in its secrets.
    pub fn of(var: impl Fn(&str) -> Option<String>) -> (Self, Vec<BadKey>) {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let mut bad = Vec::new();
        let devices = var("USER_KEY").and_then(|secret| UserHasher::new(secret.as_bytes()));
        let verifier = devices.clone().map(|users| verifier(&var, users));
        let preview_secret = var("PREVIEW_SECRET").map(|text| PreviewSecret::new(&text));
        let [origins, headers] = ["CORS_ORIGINS", "CORS_HEADERS"].map(|name| var(name).unwrap_or_default());
        let config = Self {
            cors: Cors::of(&origins, headers),
            verifier: verifier.and_then(|one| one.map_err(|wrong| bad.push(wrong)).ok()),
            devices,
            preview_secret: preview_secret.and_then(|one| one.map_err(|wrong| bad.push(wrong)).ok()),
            clock_offset_ms: var("CLOCK_OFFSET_MS").and_then(|text| text.parse().ok()).unwrap_or(0),
            read_limit_ms: var("READ_LIMIT_MS")
                .and_then(|text| text.parse().ok())
                .filter(|limit| (1..=MAX_READ_LIMIT_MS).contains(limit))
                .unwrap_or(DEFAULT_READ_LIMIT_MS),
        };
        (config, bad)
    }
}

/// A verifier with the keys and the audience in `var`.
fn verifier(var: &impl Fn(&str) -> Option<String>, users: UserHasher) -> Result<Verifier, BadKey> {
    let hs256 = ["JWT_HS256_KEY", "JWT_HS256_KEY_OTHER"].map(|name| var(name).unwrap_or_default());
    let es256 = ["JWT_ES256_PUBLIC_KEY", "JWT_ES256_PUBLIC_KEY_OTHER"].map(|name| var(name).unwrap_or_default());
    let max_life_s = match var("JWT_MAX_LIFE_S") {
        None => DEFAULT_MAX_LIFE_S,
        Some(text) => text.parse().ok().filter(|seconds| *seconds > 0).ok_or(BadKey::MaxLife)?,
    };
    let texts = (hs256.each_ref().map(String::as_str), es256.each_ref().map(String::as_str));
    let audience = var("JWT_AUDIENCE").unwrap_or_default();
    Ok(Verifier::new(&texts.0, &texts.1, audience, users)?.with_max_life(max_life_s))
}

/// A request's resource, with its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v1/new`: a page of the new-product tab.
    New(ListQuestion),
    /// `/v1/live`: the live order.
    Live,
    /// `/v1/tabs`: the top tabs.
    Tabs,
    /// `/v1/home`: all surfaces, with the first page of the new-product tab.
    Home(ListQuestion),
    /// `/v1/schedule`: broadcasts by channel and time.
    Schedule(ScheduleQuestion),
    /// `/v1/products/{id}`, `/v1/listings/{shop}/{listing_id}`: a product with its background.
    Product(Name),
    /// `/v1/products`: products by their ids.
    Products(Vec<u64>),
    /// `/v1/products/{id}.ics`, `/v1/schedule.ics`: broadcasts for a phone's calendar.
    Calendar(CalendarOf),
    /// `/preview/…`: data for the preview page, which ranks in the browser.
    Pack(PackPart),
    /// `/v1/status`: snapshot, dependencies and memory of the isolate.
    Status,
    /// `/healthz`: whether the Worker runs.
    Health,
}

/// A download of the preview page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackPart {
    /// `/preview/board`: the board of a snapshot.
    Board,
    /// `/preview/tastes`: a taste pack with only the viewer's tastes.
    Tastes,
    /// `/preview/snapshots`: the available snapshots, as JSON.
    Snapshots,
}

impl Route {
    /// The question of a list, if the route has one.
    pub fn list(&self) -> Option<&ListQuestion> {
        match self {
            Self::New(question) | Self::Home(question) => Some(question),
            Self::Schedule(question) => Some(&question.list),
            _ => None,
        }
    }

    /// The binding of this question and viewer's cursors, if the route has cursors.
    pub fn binding(&self) -> Option<u64> {
        self.list().filter(|_| !matches!(self, Self::Home(_))).map(|question| question.binding)
    }

    /// Whether the answer depends on which snapshot the viewer gets: tools name the one they want.
    pub fn is_of_viewer(&self) -> bool {
        !matches!(self, Self::Pack(_) | Self::Health)
    }

    /// Whether the answer is the same for all viewers of a snapshot.
    pub fn is_for_all(&self) -> bool {
        match self {
            Self::Schedule(question) => !question.is_mine,
            Self::Product(_) | Self::Products(_) | Self::Calendar(_) => true,
            _ => false,
        }
    }

    /// Whether the answer's order depends on present demand.
    pub fn takes_pulse(&self) -> bool {
        match self {
            Self::New(question) => question.sort == Sort::Recommended,
            Self::Home(_) | Self::Live => true,
            _ => false,
        }
    }

    /// The cursor of a list that is being paged through.
    pub fn cursor(&self) -> Option<Cursor> {
        self.list().and_then(|question| question.cursor)
    }
}

/// An accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter, a method or a header of its own")]
pub struct Request {
    /// The resource.
    pub route: Route,
    /// Whether to leave the body out (`HEAD`).
    pub is_head: bool,
    /// The viewer.
    pub viewer: Viewer,
    /// Whether the right preview secret was given.
    pub is_preview: bool,
    /// The time that a preview chose for the answer.
    pub as_of: Option<UnixMillis>,
    /// The province and device class. For a preview they are the chosen ones, since the operator's
    /// own say nothing about the viewer.
    pub context: Context,
    /// Ids of the products that the viewer has just viewed, the latest first.
    pub recent: Vec<u64>,
    /// Whether a preview asks for each item's reasons.
    pub is_explained: bool,
    /// Whether items have only what a card shows.
    pub is_card: bool,
    /// Variants that a preview chose, each as `experiment:variant`.
    pub variants: Vec<String>,
    /// The snapshot that a preview chose.
    pub chosen_snapshot: Option<SnapshotId>,
}

impl Request {
    /// Parses a request that arrives at `now`. `proven` is the user of its token, if the platform
    /// has already proven the token's signature.
    ///
    /// # Errors
    /// [`Halt::Refused`] if the request is refused; [`Halt::Unproven`] if the platform has to check
    /// its token's signature first.
    pub fn parse(raw: &Raw<'_>, config: &Config, now: UnixMillis, proven: Option<UserKey>) -> Result<Self, Halt> {
        if raw.path.len() > MAX_PATH_BYTES || raw.query.len() > MAX_QUERY_BYTES {
            return Err(Refusal::TooLong.into());
        }
        let resource = Resource::of(raw.path).ok_or(Refusal::NotFound)?;
        let is_head = match raw.method {
            "GET" => false,
            "HEAD" => true,
            "OPTIONS" => return Err(Refusal::Preflight.into()),
            _ => return Err(Refusal::Method.into()),
        };
        if raw.has_body {
            return Err(Refusal::Body.into());
        }
        let parameters = Parameters::parse(raw.query, resource.parameters())?;
        if matches!(resource, Resource::Health) {
            return Ok(Self {
                route: Route::Health,
                is_head,
                viewer: Viewer::Anonymous,
                is_preview: false,
                as_of: None,
                context: Context::default(),
                recent: Vec::new(),
                is_explained: false,
                is_card: false,
                variants: Vec::new(),
                chosen_snapshot: None,
            });
        }
        let is_preview = may_preview(raw, config, now)?;
        if raw.path.starts_with("/preview/") && !is_preview {
            return Err(Refusal::PreviewOnly("snapshot").into());
        }
        for name in resource::OF_PREVIEWS {
            if parameters.get(name).is_some() && !is_preview {
                return Err(Refusal::PreviewOnly(name).into());
            }
        }
        let as_of = question::time(&parameters, "as_of")?;
        if raw.device.is_some_and(|device| DeviceId::parse(device).is_none()) {
            return Err(bad(
                "Sinsang-Device",
                "a header of 16 to 64 letters, digits, hyphens and underscores, or none",
            )
            .into());
        }
        let context = context(raw, &parameters, is_preview)?;
        let viewer = viewer(raw, &parameters, config, now, proven)?;
        let recent = question::ids(&parameters, "recent", MOST_RECENT)?;
        let is_explained = question::flag(&parameters, "explain")?;
        let is_card = match parameters.get("view") {
            None | Some("full") => false,
            Some("card") => true,
            Some(_) => return Err(bad("view", "'card' or 'full'").into()),
        };
        let route = resource.route(&parameters, viewer)?;
        let variants = parameters.all("variant").map(str::to_owned).collect();
        let chosen_snapshot = snapshot(&parameters)?;
        Ok(Self {
            route,
            is_head,
            viewer,
            is_preview,
            as_of,
            context,
            recent,
            is_explained,
            is_card,
            variants,
            chosen_snapshot,
        })
    }

    /// The snapshot to answer from, if not the live one: that of a continued list, or one that a
    /// preview chose.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        self.route.cursor().map(|cursor| cursor.snapshot).or(self.chosen_snapshot)
    }

    /// The user whose tastes the answer depends on.
    pub fn taster(&self) -> Option<UserKey> {
        self.viewer.key().filter(|_| !self.route.is_for_all())
    }
}

#[inline(never)]
fn bad(parameter: &str, expected: &str) -> Refusal {
    Refusal::Parameter(parameter.to_owned(), format!("expected {expected}"))
}

/// Whether the right preview secret was sent. After too many wrong ones, every request with a
/// secret is refused.
fn may_preview(raw: &Raw<'_>, config: &Config, now: UnixMillis) -> Result<bool, Refusal> {
    let (Some(given), Some(secret)) = (raw.preview, &config.preview_secret) else { return Ok(false) };
    match secret.admit(given, raw.address, now) {
        Admission::Right => Ok(true),
        Admission::Wrong => Ok(false),
        Admission::TooMany => Err(Refusal::TooMany),
    }
}

/// The context of a request; for a preview, the chosen one.
#[inline(never)]
fn context(raw: &Raw<'_>, parameters: &Parameters<'_>, is_preview: bool) -> Result<Context, Refusal> {
    if !is_preview {
        return Ok(raw.context.unwrap_or_default());
    }
    let [region, device] = ["region", "device_class"].map(|name| parameters.get(name));
    let context = Context::of_names(region.unwrap_or_default(), device.unwrap_or_default());
    if region.is_some() && context.region == 0 {
        return Err(bad("region", "the two digits of a Korean province's ISO 3166-2 code"));
    }
    if device.is_some() && context.device == 0 {
        return Err(bad("device_class", "phone, tablet, desktop or tv"));
    }
    Ok(context)
}

#[inline(never)]
fn viewer(
    raw: &Raw<'_>,
    parameters: &Parameters<'_>,
    config: &Config,
    now: UnixMillis,
    proven: Option<UserKey>,
) -> Result<Viewer, Halt> {
    if let Some(user_id) = parameters.get("viewer") {
        let Some(verifier) = &config.verifier else {
            return Err(bad("viewer", "nothing: this deployment has no USER_KEY and knows no users").into());
        };
        // The key as in events and packs, so that a logged URL identifies nobody.
        if let Some(key) = user_id.strip_prefix(KEY_PREFIX) {
            let key = UserKey::parse(key).ok_or_else(|| bad("viewer", "16 hex digits after 'key:'"))?;
            return Ok(Viewer::User(key));
        }
        if user_id.is_empty() || user_id.len() > crate::auth::MAX_USER_ID_BYTES {
            return Err(
                bad("viewer", "a user id of 1 to 128 bytes, or 'key:' and the 16 hex digits of a user's key").into()
            );
        }
        return Ok(Viewer::User(verifier.user(user_id)));
    }
    let Some(authorization) = raw.authorization else { return Ok(Viewer::Anonymous) };
    let verifier = config.verifier.as_ref().ok_or(Refusal::Token(Refused::Algorithm))?;
    match proven {
        Some(user) => Ok(Viewer::User(user)),
        None => match verifier.user_of(authorization, now).map_err(Refusal::Token)? {
            Bearer::User(user) => Ok(Viewer::User(user)),
            Bearer::Unproven(unproven) => Err(Halt::Unproven(Rc::new(unproven))),
        },
    }
}

#[inline(never)]
fn snapshot(parameters: &Parameters<'_>) -> Result<Option<SnapshotId>, Refusal> {
    let parse = |text: &str| SnapshotId::parse(text).ok_or_else(|| bad("snapshot", "an id of /preview/snapshots"));
    parameters.get("snapshot").map(parse).transpose()
}
