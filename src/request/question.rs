//! Questions: what a path and its parameters ask for, as far as it can be checked without a board.

use super::bad;
use super::parameter::Parameters;
use super::refusal::Refusal;
use sinsang_core::surface::cursor::{BadCursor, Cursor, binding};
use sinsang_core::surface::new::Sort;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::viewer::Viewer;

/// Items on a page if the request gives no limit.
pub const DEFAULT_LIMIT: usize = 20;
/// Most items on a page.
pub const MAX_LIMIT: usize = 100;
/// Most broadcasts on a page of the schedule, and what a request without a limit gets: more than a
/// day of twenty channels.
pub const MAX_SCHEDULE_LIMIT: usize = 1_000;
/// Most products that one request may ask for.
pub const MOST_PRODUCTS: usize = 50;

/// A question for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuestion {
    /// A category's name.
    pub category: Option<String>,
    /// A channel's id.
    pub channel: Option<String>,
    /// The order of the list of new products.
    pub sort: Sort,
    /// Most items on the page, 1 to [`MAX_LIMIT`] or [`MAX_SCHEDULE_LIMIT`].
    pub limit: usize,
    /// The end of the previous page.
    pub cursor: Option<Cursor>,
    /// The value that a cursor of this question and viewer is bound to, without the variants of
    /// experiments, which depend on the board.
    pub binding: u64,
}

/// A question for the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleQuestion {
    /// Filters and page.
    pub list: ListQuestion,
    /// The range of time; without it, the Korean day of the answer.
    pub range: Option<(UnixMillis, UnixMillis)>,
    /// Whether the channels that suit the viewer come first.
    pub is_mine: bool,
}

/// How a request names a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// By its id.
    Id(u64),
    /// By a listing, as the id of a product that begins with it.
    Listing(u64),
}

/// Whose broadcasts a calendar has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarOf {
    /// A product's.
    Product(u64),
    /// A channel's, by its id.
    Channel(String),
}

/// A text parameter; an empty one is refused.
fn name<'p>(parameters: &'p Parameters<'_>, parameter: &str) -> Result<Option<&'p str>, Refusal> {
    match parameters.get(parameter) {
        Some("") => Err(bad(parameter, "a name that is not empty; leave the parameter out for all")),
        name => Ok(name),
    }
}

/// A parameter that is `1` or `0`, by default `0`.
pub(super) fn flag(parameters: &Parameters<'_>, parameter: &str) -> Result<bool, Refusal> {
    match parameters.get(parameter) {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(bad(parameter, "1 or 0")),
    }
}

/// A time parameter, as RFC 3339.
pub(super) fn time(parameters: &Parameters<'_>, parameter: &str) -> Result<Option<UnixMillis>, Refusal> {
    let Some(text) = parameters.get(parameter) else { return Ok(None) };
    let expected = "a time as RFC 3339, such as 2026-11-22T20:00:00+09:00, its + as %2B";
    UnixMillis::parse_from_query(text).map(Some).ok_or_else(|| bad(parameter, expected))
}

/// The ids in `parameter`, in the form of answers: at most `most`, separated by commas. Ids that
/// the board doesn't know are allowed; any other text is an error.
#[inline(never)]
pub(super) fn ids(parameters: &Parameters<'_>, parameter: &str, most: usize) -> Result<Vec<u64>, Refusal> {
    let Some(text) = parameters.get(parameter) else { return Ok(Vec::new()) };
    let ids: Option<Vec<u64>> = text.split(',').take(most.saturating_add(1)).map(id).collect();
    ids.filter(|ids| ids.len() <= most)
        .ok_or_else(|| bad(parameter, &format!("at most {most} product ids of 16 hex digits, separated by commas")))
}

/// The ids of the products that are asked for, each once.
pub(super) fn products(parameters: &Parameters<'_>) -> Result<Vec<u64>, Refusal> {
    let mut once = Vec::new();
    for id in ids(parameters, "ids", MOST_PRODUCTS)? {
        if !once.contains(&id) {
            once.push(id);
        }
    }
    if once.is_empty() {
        return Err(bad("ids", "the ids of up to 50 products, separated by commas"));
    }
    Ok(once)
}

/// An id in the form of answers: 16 hex digits, in lower case.
pub(super) fn id(text: &str) -> Option<u64> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// The question for new products.
pub(super) fn new(parameters: &Parameters<'_>, viewer: Viewer) -> Result<ListQuestion, Refusal> {
    let sort = match parameters.get("sort") {
        None | Some("recommended") => Sort::Recommended,
        Some("soonest") => Sort::Soonest,
        Some(_) => return Err(bad("sort", "'recommended' or 'soonest'")),
    };
    let kind: &[u8] = if sort == Sort::Soonest { b"soonest" } else { b"recommended" };
    let recent = parameters.get("recent");
    list(parameters, (DEFAULT_LIMIT, MAX_LIMIT), sort, Some(viewer), &[Some(kind), recent.map(str::as_bytes)])
}

/// The question for the schedule.
#[inline(never)]
pub(super) fn schedule(parameters: &Parameters<'_>, viewer: Viewer) -> Result<ScheduleQuestion, Refusal> {
    let is_mine = flag(parameters, "mine")?;
    let (from, to) = (time(parameters, "from")?, time(parameters, "to")?);
    let range = match (parameters.get("date"), from, to) {
        (None, None, None) => None,
        (Some(date), None, None) => {
            let midnight = Some(date).filter(|date| date.len() == 10);
            let midnight = midnight.and_then(|date| UnixMillis::parse_rfc3339(&[date, "T00:00:00+09:00"].concat()));
            let from = midnight.ok_or_else(|| bad("date", "a Korean day, such as 2026-11-22"))?;
            Some((from, from.plus(DAY_MS)))
        }
        (None, Some(from), Some(to)) if from < to => Some((from, to)),
        (Some(_), ..) => return Err(bad("date", "date alone, or from and to")),
        _ => return Err(bad("from", "from and to, from before to")),
    };
    let asked = ["date", "from", "to"].map(|name| parameters.get(name).map(str::as_bytes));
    let [date, from, to] = asked;
    let kind: &[u8] = if is_mine { b"mine" } else { b"schedule" };
    let limits = (MAX_SCHEDULE_LIMIT, MAX_SCHEDULE_LIMIT);
    let parts = [Some(kind), date, from, to];
    let list = list(parameters, limits, Sort::Soonest, is_mine.then_some(viewer), &parts)?;
    Ok(ScheduleQuestion { list, range, is_mine })
}

/// The question for a list whose limit is by default, and at most, `limits`. `parts` bind its
/// cursors, with filters and `viewer`.
#[inline(never)]
fn list(
    parameters: &Parameters<'_>,
    limits: (usize, usize),
    sort: Sort,
    viewer: Option<Viewer>,
    parts: &[Option<&[u8]>],
) -> Result<ListQuestion, Refusal> {
    let limit = match parameters.get("limit") {
        None => limits.0,
        Some(text) => text
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
            .filter(|limit| (1..=limits.1).contains(limit))
            .ok_or_else(|| bad("limit", &format!("a whole number from 1 to {}", limits.1)))?,
    };
    let (category, channel) = (name(parameters, "category")?, name(parameters, "channel")?);
    let key = viewer.and_then(Viewer::key).map(|key| key.0.to_le_bytes());
    let mut bound = vec![category.unwrap_or_default().as_bytes(), channel.unwrap_or_default().as_bytes()];
    let (kind, rest) = parts.split_first().unwrap_or((&None, &[]));
    bound.push(kind.unwrap_or_default());
    bound.push(key.as_ref().map_or(&[], |key| key.as_slice()));
    bound.extend(rest.iter().flatten());
    let cursor = parameters
        .get("cursor")
        .map(|text| {
            Cursor::decode(text).map_err(|BadCursor| bad("cursor", "the next_cursor of an earlier page, unchanged"))
        })
        .transpose()?;
    let [category, channel] = [category, channel].map(|name| name.map(str::to_owned));
    Ok(ListQuestion { category, channel, sort, limit, cursor, binding: binding(&bound) })
}

/// The channel of a calendar.
pub(super) fn calendar(parameters: &Parameters<'_>) -> Result<CalendarOf, Refusal> {
    let channel = name(parameters, "channel")?.ok_or_else(|| bad("channel", "a channel's id, from /v1/status"))?;
    Ok(CalendarOf::Channel(channel.to_owned()))
}
