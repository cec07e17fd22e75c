//! The paths of the Worker, and the parameters that each takes.

use percent_encoding::percent_decode_str;

use super::parameter::Parameters;
use super::question::{self, CalendarOf, Name};
use super::refusal::Refusal;
use super::{PackPart, Route};
use sinsang_core::code::id_of_first;
use sinsang_core::text::compose_hangul;
use sinsang_core::viewer::Viewer;

/// The parameters that only previews may send.
pub(super) const OF_PREVIEWS: [&str; 7] =
    ["as_of", "viewer", "region", "device_class", "explain", "variant", "snapshot"];

/// Those of them for answers that are the same for everybody.
const OF_ANYBODY: [&str; 2] = ["as_of", "snapshot"];

/// A path, told apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    New,
    Home,
    Live,
    Tabs,
    Schedule,
    Product(Name),
    Products,
    ProductCalendar(u64),
    ChannelCalendar,
    Status,
    Pack(PackPart),
    Health,
}

impl Resource {
    /// The resource at `path`, percent-encoded.
    #[inline(never)]
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/new" => Self::New,
            "/v1/home" => Self::Home,
            "/v1/live" => Self::Live,
            "/v1/tabs" => Self::Tabs,
            "/v1/schedule" => Self::Schedule,
            "/v1/schedule.ics" => Self::ChannelCalendar,
            "/v1/products" => Self::Products,
            "/v1/status" => Self::Status,
            "/preview/board" => Self::Pack(PackPart::Board),
            "/preview/tastes" => Self::Pack(PackPart::Tastes),
            "/preview/snapshots" => Self::Pack(PackPart::Snapshots),
            "/healthz" => Self::Health,
            _ => match path.strip_prefix("/v1/products/") {
                Some(name) => match name.strip_suffix(".ics") {
                    Some(id) => Self::ProductCalendar(question::id(id)?),
                    None => Self::Product(Name::Id(question::id(name)?)),
                },
                None => Self::Product(listing(path.strip_prefix("/v1/listings/")?)?),
            },
        })
    }

    /// The parameters that it takes: everybody's, and those of previews.
    pub(super) fn parameters(self) -> [&'static [&'static str]; 2] {
        match self {
            Self::New => [&["category", "channel", "sort", "limit", "cursor", "recent", "view"], &OF_PREVIEWS],
            Self::Home => [&["limit", "recent", "view"], &OF_PREVIEWS],
            Self::Live => [&["recent", "view"], &OF_PREVIEWS],
            Self::Tabs => [&[], &OF_PREVIEWS],
            Self::Schedule => [
                &["date", "from", "to", "channel", "category", "mine", "limit", "cursor", "view"],
                &["as_of", "viewer", "region", "device_class", "snapshot"],
            ],
            Self::Products => [&["ids", "view"], &OF_ANYBODY],
            Self::Product(_) | Self::ProductCalendar(_) => [&[], &OF_ANYBODY],
            Self::ChannelCalendar => [&["channel"], &OF_ANYBODY],
            Self::Status => [&[], &["as_of", "viewer", "snapshot"]],
            Self::Pack(PackPart::Board) => [&[], &["snapshot"]],
            Self::Pack(PackPart::Tastes) => [&[], &["snapshot", "viewer"]],
            Self::Pack(PackPart::Snapshots) | Self::Health => [&[], &[]],
        }
    }

    /// The route with its question.
    #[inline(never)]
    pub(super) fn route(self, parameters: &Parameters<'_>, viewer: Viewer) -> Result<Route, Refusal> {
        Ok(match self {
            Self::New => Route::New(question::new(parameters, viewer)?),
            Self::Home => Route::Home(question::new(parameters, viewer)?),
            Self::Live => Route::Live,
            Self::Tabs => Route::Tabs,
            Self::Schedule => Route::Schedule(question::schedule(parameters, viewer)?),
            Self::Product(name) => Route::Product(name),
            Self::Products => Route::Products(question::products(parameters)?),
            Self::ProductCalendar(id) => Route::Calendar(CalendarOf::Product(id)),
            Self::ChannelCalendar => Route::Calendar(question::calendar(parameters)?),
            Self::Status => Route::Status,
            Self::Pack(part) => Route::Pack(part),
            Self::Health => Route::Health,
        })
    }
}

/// The product that begins with the listing in `path`: a shop and the shop's code for it, each
/// percent-encoded.
fn listing(path: &str) -> Option<Name> {
    let (shop, listing_id) = path.split_once('/')?;
    let decoded = |text| percent_decode_str(text).decode_utf8().ok();
    let (shop, listing_id) = (compose_hangul(&decoded(shop)?), decoded(listing_id)?);
    let is_named = !shop.is_empty() && !listing_id.is_empty();
    is_named.then(|| Name::Listing(id_of_first(&shop, &listing_id)))
}
