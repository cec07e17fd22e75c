//! Method, path, query and headers in, a request or a refusal out: the closed list of what may be asked.

use std::rc::Rc;

use crate::auth::{BadKey, Bearer, DEFAULT_MAX_LIFE_S, Refused, Unproven, Verifier};
use crate::cors::Cors;
use crate::guess::{Admission, PreviewSecret};
use crate::rate::Address;
use sinsang_core::context::Context;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::session::MOST_RECENT;
use sinsang_core::surface::cursor::{BadCursor, Cursor, binding};
use sinsang_core::surface::new::Sort;
use sinsang_core::text::compose_hangul;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{DeviceId, UserHasher, UserKey, Viewer};

/// Items on a page where the request does not say.
pub const DEFAULT_LIMIT: usize = 20;
/// Most items on a page.
pub const MAX_LIMIT: usize = 100;
/// Longest path that is looked at, in bytes.
pub const MAX_PATH_BYTES: usize = 256;
/// Longest query that is looked at, in bytes.
pub const MAX_QUERY_BYTES: usize = 2048;
/// How long all reads of a request may take where nothing else is configured. KV's cold reads take 100 to 300 ms, and there are two rounds.
pub const DEFAULT_READ_LIMIT_MS: u32 = 2_000;
/// The longest read limit that a configuration may ask for, in milliseconds.
const MAX_READ_LIMIT_MS: u32 = 30_000;
/// Longest value of a parameter, in bytes.
const MAX_VALUE_BYTES: usize = 256;
/// Stands before the key of a preview's viewer. A user id that begins so can be previewed by its key alone.
const KEY_PREFIX: &str = "key:";
/// Longest value of `recent`, in bytes: twenty ids with their commas.
const MAX_RECENT_BYTES: usize = 340;
/// The most parameters, `variant` being the one that may be given again.
const MAX_PARAMETERS: usize = 32;

/// What the platform hands over, untouched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    /// `GET` and the like.
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
    /// Where it comes from: no answer hangs on it but how often may be guessed at the preview secret.
    pub address: Address,
    /// Where it comes from and on what, as far as the shell has looked.
    pub context: Option<Context>,
    /// Whether there is a body, which nobody reads.
    pub has_body: bool,
}

/// How the edge is set up; read once for an isolate.
#[derive(Debug)]
pub struct Config {
    /// Pages of which origins may read answers; none by default.
    pub cors: Cors,
    /// Checks tokens; without it every token is refused.
    pub verifier: Option<Verifier>,
    /// Names devices, which experiments know viewers without a token by; without it those are in none.
    pub devices: Option<UserHasher>,
    /// Opens `as_of` and `viewer` to whoever sends it.
    pub preview_secret: Option<PreviewSecret>,
    /// Added to the clock, for demonstrations with data of another time. Milliseconds.
    pub clock_offset_ms: i64,
    /// How long all reads of a request may take together, in milliseconds; the answer then stands on what there is.
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
    /// The configuration that the deployment's variables give, and what is wrong with its secrets.
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

/// Checks tokens with the keys and for the audience that `var` gives.
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

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A page of the new-product tab.
    New(NewQuestion),
    /// The live order.
    Live,
    /// The top tabs.
    Tabs,
    /// All three, with the first page of the new-product tab.
    Home(NewQuestion),
    /// A pack for the preview page, which ranks by it in the browser.
    Pack(PackPart),
    /// What the edge stands on.
    Status,
    /// Whether the Worker runs.
    Health,
}

/// What the preview page downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackPart {
    /// The board of a snapshot.
    Board,
    /// A taste pack that holds the viewer's tastes alone.
    Tastes,
    /// Which snapshots there are, as JSON.
    Snapshots,
}

/// A question for the new-product tab, its parameters checked as far as they can be without a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewQuestion {
    /// A category's name.
    pub category: Option<String>,
    /// A channel's id.
    pub channel: Option<String>,
    /// How to order.
    pub sort: Sort,
    /// Most items on the page, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// What a cursor of this question and viewer is bound to, but for the variants of experiments: which those are is for a board to say.
    pub binding: u64,
}

impl Route {
    /// What a cursor of this question and viewer is bound to, where there may be one.
    pub fn binding(&self) -> Option<u64> {
        match self {
            Self::New(question) => Some(question.binding),
            _ => None,
        }
    }

    /// Whether the answer's order depends on what is wanted at the moment.
    pub fn takes_pulse(&self) -> bool {
        match self {
            Self::New(question) => question.sort == Sort::Recommended,
            Self::Home(_) | Self::Live => true,
            _ => false,
        }
    }

    /// Where a list that is being paged through goes on.
    pub fn cursor(&self) -> Option<Cursor> {
        match self {
            Self::New(question) => question.cursor,
            _ => None,
        }
    }
}

/// A request that may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub route: Route,
    /// Whether the answer goes without its body.
    pub is_head: bool,
    /// Who asks.
    pub viewer: Viewer,
    /// Whether the preview secret was given and right.
    pub is_preview: bool,
    /// The time that the answer is for, where a preview chose it.
    pub as_of: Option<UnixMillis>,
    /// Where it comes from and on what: for a preview, as that chose it, for where an operator sits says nothing of whom it is for.
    pub context: Context,
    /// Products that the viewer has just looked at, by their ids, the latest first.
    pub recent: Vec<u64>,
    /// Whether a preview asks why each item stands where it does.
    pub is_explained: bool,
    /// Variants that a preview chose, each as `experiment:variant`.
    pub variants: Vec<String>,
    /// The snapshot that a preview chose.
    pub chosen_snapshot: Option<SnapshotId>,
}

/// Why a request is not answered with what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such path.
    NotFound,
    /// The path has no such method.
    Method,
    /// A preflight: what may be asked from another origin.
    Preflight,
    /// Path or query is longer than the limit.
    TooLong,
    /// The parameter, and what it should have been.
    Parameter(String, String),
    /// The parameter needs the preview secret.
    PreviewOnly(&'static str),
    /// The cursor's snapshot is no longer kept.
    CursorGone,
    /// The snapshot that a preview chose is no longer kept.
    SnapshotGone,
    /// The token is refused.
    Token(Refused),
    /// There is nothing to answer from.
    NoData,
    /// The requests of one asker or one address come too fast, or too many wrong preview secrets came from the address.
    TooMany,
    /// The request has a body.
    Body,
}

/// Why a request is not answered with what it asks for, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It never is: to be answered by [`crate::reply`].
    Refused(Refusal),
    /// Who asks hangs on a signature. It is read again once that is proven.
    Unproven(Rc<Unproven>),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Request {
    /// Reads a request that arrives at `now`. `proven` is the user of its token, where the token's signature had to be proven first.
    ///
    /// # Errors
    /// A [`Halt`].
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

    /// The snapshot to answer from, where it need not be the live one: that of a list that goes on, or the one that a preview chose.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        self.route.cursor().map(|cursor| cursor.snapshot).or(self.chosen_snapshot)
    }
}

fn bad(parameter: &str, expected: &str) -> Refusal {
    Refusal::Parameter(parameter.to_owned(), format!("expected {expected}"))
}

/// Whether the preview secret was sent, and is right. Where too many wrong ones came, nothing is answered that was asked with one.
fn may_preview(raw: &Raw<'_>, config: &Config, now: UnixMillis) -> Result<bool, Refusal> {
    let (Some(given), Some(secret)) = (raw.preview, &config.preview_secret) else { return Ok(false) };
    match secret.admit(given, raw.address, now) {
        Admission::Right => Ok(true),
        Admission::Wrong => Ok(false),
        Admission::TooMany => Err(Refusal::TooMany),
    }
}

/// For a preview as that chose it.
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
        // As events and packs name them, so that an address that is logged somewhere names nobody.
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

/// Ids as answers show them. Which of them the board knows is for the order to say; another text is a mistake.
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

/// The parameters of a query: each known, and given once, but for `variant`.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(query: &str, allowed: &[&str]) -> Result<Self, Refusal> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !allowed.contains(&name.as_ref()) {
                let shown: String = name.chars().take(40).collect();
                let expected = if allowed.is_empty() {
                    "no parameter here".to_owned()
                } else {
                    format!("one of {}", allowed.join(", "))
                };
                return Err(Refusal::Parameter(shown, format!("unknown parameter, expected {expected}")));
            }
            let is_list = name == "variant" && parameters.len() < MAX_PARAMETERS;
            if !is_list && parameters.iter().any(|(known, _)| *known == name) {
                return Err(bad(&name, "the parameter once"));
            }
            // As boards have it, whatever the client's system does to Hangul.
            let value = compose_hangul(&value);
            let longest = if name == "recent" { MAX_RECENT_BYTES } else { MAX_VALUE_BYTES };
            if value.len() > longest {
                return Err(bad(&name, &format!("at most {longest} bytes")));
            }
            parameters.push((name.into_owned(), value));
        }
        Ok(Self(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
