//! The headers that requests are read by, named once: what a preflight allows is what is read, so that no page that follows the docs is
//! blocked by its browser.

/// The app's token.
pub const AUTHORIZATION: &str = "Authorization";
/// What a body is.
pub const CONTENT_TYPE: &str = "Content-Type";
/// The anonymous device.
pub const DEVICE: &str = "Sinsang-Device";
/// The class of device; `edge/context.mjs` reads it.
pub const DEVICE_CLASS: &str = "Sinsang-Device-Class";
/// The ETag of an answer that the client has.
pub const IF_NONE_MATCH: &str = "If-None-Match";
/// The preview secret.
pub const PREVIEW: &str = "Sinsang-Preview";

/// The origin of the page that asks: set by browsers, and by no page itself.
pub const ORIGIN: &str = "Origin";
/// How that page's site stands to this one (W3C Fetch Metadata): set by browsers, and by no page itself.
pub const FETCH_SITE: &str = "Sec-Fetch-Site";
/// The client's address: set by Cloudflare, over whatever a client sends.
pub const ADDRESS: &str = "CF-Connecting-IP";

/// What a page of another origin may send to the surfaces.
pub const OF_SURFACES: [&str; 5] = [AUTHORIZATION, IF_NONE_MATCH, DEVICE, DEVICE_CLASS, PREVIEW];
/// What a page of another origin may send with events.
pub const OF_EVENTS: [&str; 4] = [AUTHORIZATION, CONTENT_TYPE, DEVICE, DEVICE_CLASS];
/// How long a browser may remember a preflight's answer, in seconds.
pub const PREFLIGHT_MAX_AGE_S: &str = "86400";
