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
use sinsang_core::surface::cursor::{BadCursor, Cursor, binding};
use sinsang_core::surface::new::Sort;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{DeviceId, UserHasher, UserKey, Viewer};

mod parameter;
mod refusal;

use parameter::Parameters;
pub use refusal::{Halt, Refusal};

/// Items on a page if the request gives no limit.
pub const DEFAULT_LIMIT: usize = 20;
/// Most items on a page.
pub const MAX_LIMIT: usize = 100;
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

/// A request's resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v1/new`: a page of the new-product tab.
    New(NewQuestion),
    /// `/v1/live`: the live order.
    Live,
    /// `/v1/tabs`: the top tabs.
    Tabs,
    /// `/v1/home`: all surfaces, with the first page of the new-product tab.
    Home(NewQuestion),
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

/// A question for the new-product tab, its parameters checked as far as possible without a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewQuestion {
    /// A category's name.
    pub category: Option<String>,
    /// A channel's id.
    pub channel: Option<String>,
    /// The order of the list.
    pub sort: Sort,
    /// Most items on the page, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// The end of the previous page.
    pub cursor: Option<Cursor>,
    /// The value that a cursor of this question and viewer is bound to, without the variants of
    /// experiments, which depend on the board.
    pub binding: u64,
}

impl Route {
    /// The binding of this question and viewer's cursors, if the route has cursors.
    pub fn binding(&self) -> Option<u64> {
        match self {
            Self::New(question) => Some(question.binding),
            _ => None,
        }
    }

    /// Whether the answer depends on which snapshot the viewer gets: tools name the one they want.
    pub fn is_of_viewer(&self) -> bool {
        !matches!(self, Self::Pack(_) | Self::Health)
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
        match self {
            Self::New(question) => question.cursor,
            _ => None,
        }
    }
}

/// An accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let allowed: &[&str] = match raw.path {
            "/v1/new" => &[
                "category",
                "channel",
                "sort",
                "limit",
                "cursor",
                "recent",
                "as_of",
                "viewer",
                "region",
                "device_class",
                "explain",
                "variant",
                "snapshot",
            ],
            "/v1/home" => {
                &["limit", "recent", "as_of", "viewer", "region", "device_class", "explain", "variant", "snapshot"]
            }
            "/v1/live" => &["recent", "as_of", "viewer", "region", "device_class", "explain", "variant", "snapshot"],
            "/v1/tabs" => &["as_of", "viewer", "region", "device_class", "explain", "variant", "snapshot"],
            "/v1/status" => &["as_of", "viewer", "snapshot"],
            "/preview/board" => &["snapshot"],
            "/preview/tastes" => &["snapshot", "viewer"],
            "/preview/snapshots" | "/healthz" => &[],
            _ => return Err(Refusal::NotFound.into()),
        };
        let is_head = match raw.method {
            "GET" => false,
            "HEAD" => true,
            "OPTIONS" => return Err(Refusal::Preflight.into()),
            _ => return Err(Refusal::Method.into()),
        };
        if raw.has_body {
            return Err(Refusal::Body.into());
        }
        let parameters = Parameters::parse(raw.query, allowed)?;
        if raw.path == "/healthz" {
            return Ok(Self {
                route: Route::Health,
                is_head,
                viewer: Viewer::Anonymous,
                is_preview: false,
                as_of: None,
                context: Context::default(),
                recent: Vec::new(),
                is_explained: false,
                variants: Vec::new(),
                chosen_snapshot: None,
            });
        }
        let is_preview = may_preview(raw, config, now)?;
        if raw.path.starts_with("/preview/") && !is_preview {
            return Err(Refusal::PreviewOnly("snapshot").into());
        }
        for name in ["as_of", "viewer", "region", "device_class", "explain", "variant", "snapshot"] {
            if parameters.get(name).is_some() && !is_preview {
                return Err(Refusal::PreviewOnly(name).into());
            }
        }
        let as_of = parameters
            .get("as_of")
            .map(|text| {
                UnixMillis::parse_from_query(text)
                    .ok_or_else(|| bad("as_of", "a time as RFC 3339, such as 2026-11-22T20:00:00+09:00, its + as %2B"))
            })
            .transpose()?;
        if raw.device.is_some_and(|device| DeviceId::parse(device).is_none()) {
            return Err(bad(
                "Sinsang-Device",
                "a header of 16 to 64 letters, digits, hyphens and underscores, or none",
            )
            .into());
        }
        let context = context(raw, &parameters, is_preview)?;
        let viewer = viewer(raw, &parameters, config, now, proven)?;
        let recent = recent(&parameters)?;
        let is_explained = match parameters.get("explain") {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(bad("explain", "1 or 0").into()),
        };
        let route = match raw.path {
            "/v1/new" => Route::New(new_question(&parameters, viewer)?),
            "/v1/home" => Route::Home(new_question(&parameters, viewer)?),
            "/v1/live" => Route::Live,
            "/v1/tabs" => Route::Tabs,
            "/preview/board" => Route::Pack(PackPart::Board),
            "/preview/tastes" => Route::Pack(PackPart::Tastes),
            "/preview/snapshots" => Route::Pack(PackPart::Snapshots),
            _ => Route::Status,
        };
        let variants = parameters.all("variant").map(str::to_owned).collect();
        let chosen_snapshot = snapshot(&parameters)?;
        Ok(Self { route, is_head, viewer, is_preview, as_of, context, recent, is_explained, variants, chosen_snapshot })
    }

    /// The snapshot to answer from, if not the live one: that of a continued list, or one that a
    /// preview chose.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        self.route.cursor().map(|cursor| cursor.snapshot).or(self.chosen_snapshot)
    }
}

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
fn context(raw: &Raw<'_>, parameters: &Parameters, is_preview: bool) -> Result<Context, Refusal> {
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
    parameters: &Parameters,
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

/// The ids in `recent`, in the form of answers. Ids that the board doesn't know are allowed; any
/// other text is an error.
#[inline(never)]
fn recent(parameters: &Parameters) -> Result<Vec<u64>, Refusal> {
    let Some(text) = parameters.get("recent") else { return Ok(Vec::new()) };
    let parse = |id: &str| {
        let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_id.then(|| u64::from_str_radix(id, 16).ok()).flatten()
    };
    let ids: Option<Vec<u64>> = text.split(',').take(MOST_RECENT.saturating_add(1)).map(parse).collect();
    ids.filter(|ids| ids.len() <= MOST_RECENT)
        .ok_or_else(|| bad("recent", "at most 20 product ids of 16 hex digits, separated by commas, the latest first"))
}

#[inline(never)]
fn snapshot(parameters: &Parameters) -> Result<Option<SnapshotId>, Refusal> {
    let parse = |text: &str| SnapshotId::parse(text).ok_or_else(|| bad("snapshot", "an id of /preview/snapshots"));
    parameters.get("snapshot").map(parse).transpose()
}

fn new_question(parameters: &Parameters, viewer: Viewer) -> Result<NewQuestion, Refusal> {
    let sort = match parameters.get("sort") {
        None | Some("recommended") => Sort::Recommended,
        Some("soonest") => Sort::Soonest,
        Some(_) => return Err(bad("sort", "'recommended' or 'soonest'")),
    };
    let limit = match parameters.get("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| bad("limit", "a whole number from 1 to 100"))?,
    };
    let name = |parameter: &str| match parameters.get(parameter) {
        Some("") => Err(bad(parameter, "a name that is not empty; leave the parameter out for all")),
        name => Ok(name.map(str::to_owned)),
    };
    let (category, channel) = (name("category")?, name("channel")?);
    let key = viewer.key().map(|key| key.0.to_le_bytes());
    let recent = parameters.get("recent");
    let parts = [
        category.as_deref().unwrap_or_default().as_bytes(),
        channel.as_deref().unwrap_or_default().as_bytes(),
        if sort == Sort::Soonest { b"soonest" } else { b"recommended" },
        key.as_ref().map_or(&[], |key| key.as_slice()),
        recent.unwrap_or_default().as_bytes(),
    ];
    let without = parts.split_last().map(|(_, parts)| parts).filter(|_| recent.is_none());
    let binding = binding(without.unwrap_or(&parts));
    let cursor = parameters
        .get("cursor")
        .map(|text| {
            Cursor::decode(text).map_err(|BadCursor| bad("cursor", "the next_cursor of an earlier page, unchanged"))
        })
        .transpose()?;
    Ok(NewQuestion { category, channel, sort, limit, cursor, binding })
}
