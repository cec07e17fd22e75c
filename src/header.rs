//! Names of the request headers that the Workers read. A preflight allows the same headers, so that
//! browsers block no page that follows the docs.

/// The app's token.
pub const AUTHORIZATION: &str = "Authorization";
/// The media type of a body.
pub const CONTENT_TYPE: &str = "Content-Type";
/// The anonymous device's id.
pub const DEVICE: &str = "Sinsang-Device";
/// The class of device; `edge/context.mjs` reads it.
pub const DEVICE_CLASS: &str = "Sinsang-Device-Class";
/// The ETag that the client has.
pub const IF_NONE_MATCH: &str = "If-None-Match";
/// The preview secret.
pub const PREVIEW: &str = "Sinsang-Preview";

/// The origin of the requesting page; only browsers set it.
pub const ORIGIN: &str = "Origin";
/// The relation of that page's site to this one (W3C Fetch Metadata); only browsers set it.
pub const FETCH_SITE: &str = "Sec-Fetch-Site";
/// The client's address; Cloudflare sets it and overwrites whatever a client sends.
pub const ADDRESS: &str = "CF-Connecting-IP";

/// Headers that a page of another origin may send to the surfaces.
pub const OF_SURFACES: [&str; 5] = [AUTHORIZATION, IF_NONE_MATCH, DEVICE, DEVICE_CLASS, PREVIEW];
/// Headers that a page of another origin may send with events.
pub const OF_EVENTS: [&str; 4] = [AUTHORIZATION, CONTENT_TYPE, DEVICE, DEVICE_CLASS];
/// How long a browser may cache a preflight's answer, in seconds.
pub const PREFLIGHT_MAX_AGE_S: &str = "86400";
