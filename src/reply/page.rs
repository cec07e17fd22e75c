//! The bodies of the schedule, of products and of calendars.

use super::{Chosen, Facts, cursor_at, frozen_at, unknown, write_cursor, write_number, write_stand};
use crate::request::{CalendarOf, Name, Refusal, Request, Route, ScheduleQuestion};
use sinsang_core::pack::board::Board;
use sinsang_core::surface::{calendar, product, schedule};
use sinsang_core::time::{DAY_MS, UnixMillis};

/// The reason why `board` has no answer to a request, if it has none: there is no such product or
/// channel, or the product has become one with another.
#[inline(never)]
pub fn missing(request: &Request, raw_query: &str, board: &Board) -> Option<Refusal> {
    let (id, suffix) = match &request.route {
        Route::Product(Name::Id(id)) => (*id, ""),
        Route::Product(Name::Listing(id)) => {
            let found = board.find_known(*id).filter(|index| !board.product(*index).is_hidden());
            return if found.is_some() { None } else { Some(Refusal::NoProduct) };
        }
        Route::Calendar(CalendarOf::Product(id)) => (*id, ".ics"),
        Route::Calendar(CalendarOf::Channel(id)) => {
            return if board.find_channel(id).is_some() { None } else { Some(Refusal::NoChannel) };
        }
        _ => return None,
    };
    let Some(index) = board.find_known(id) else { return Some(Refusal::NoProduct) };
    let product = board.product(index);
    // A calendar that has the broadcasts of a hidden product has to be told that they are off.
    if product.is_hidden() && suffix.is_empty() {
        return Some(Refusal::NoProduct);
    }
    let query = if raw_query.is_empty() { "" } else { "?" };
    (product.id() != id)
        .then(|| Refusal::Moved(format!("/v1/products/{:016x}{suffix}{query}{raw_query}", product.id())))
}

/// Appends the answer of `/v1/schedule`, but for its closing brace.
#[inline(never)]
pub(super) fn write_schedule(facts: &Facts<'_>, question: &ScheduleQuestion, out: &mut Vec<u8>) {
    let (view, list) = (&facts.view, &question.list);
    let frozen_at = frozen_at(facts, list);
    let range = question.range.unwrap_or_else(|| {
        let midnight = frozen_at.kst_midnight();
        (midnight, midnight.plus(DAY_MS))
    });
    let Chosen { category, channel, offset } = Chosen::of(view.board, list);
    let limit = list.limit;
    let selection = schedule::Selection { range, category, channel, is_mine: question.is_mine, offset, limit };
    let mut page = schedule::page(view, &selection);
    if facts.is_cut {
        page = schedule::Page { total: page.total, ..schedule::Page::default() };
    }
    out.extend_from_slice(b"{\"surface\":\"schedule\",");
    write_stand(facts, out);
    write_time(",\"from\":\"", range.0, out);
    write_time("\",\"to\":\"", range.1, out);
    out.extend_from_slice(b"\",\"total\":");
    write_number(page.total, out);
    if list.cursor.is_none() {
        out.extend_from_slice(b",\"channels\":");
        schedule::write_channels(view, &page, out);
    }
    out.extend_from_slice(b",\"items\":");
    schedule::write_items(view, &page, out);
    let cursor = page.next_offset.map(|offset| cursor_at(facts, list, frozen_at, offset));
    write_cursor(cursor.as_deref(), out);
    if facts.is_cut {
        out.extend_from_slice(b",\"interrupted\":true");
    } else {
        unknown::write(view.board, list, out);
    }
}

fn write_time(before: &str, at: UnixMillis, out: &mut Vec<u8>) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(at.to_kst_rfc3339().as_bytes());
}

/// Appends the answer of a product's page, but for its closing brace.
pub(super) fn write_product(facts: &Facts<'_>, name: Name, out: &mut Vec<u8>) {
    let (Name::Id(id) | Name::Listing(id)) = name;
    out.push(b'{');
    write_stand(facts, out);
    out.extend_from_slice(b",\"product\":");
    product::write(&facts.view, facts.view.board.find_known(id).unwrap_or(usize::MAX), out);
}

/// Appends the answer of `/v1/products`, but for its closing brace: the products in the order of
/// `ids`, each once; the ids that have become one with another; and those that are unknown.
#[inline(never)]
pub(super) fn write_products(facts: &Facts<'_>, ids: &[u64], out: &mut Vec<u8>) {
    let board = facts.view.board;
    let (mut found, mut moved, mut unknown) = (Vec::new(), String::new(), String::new());
    for id in ids {
        if let Some(index) = board.find_known(*id).filter(|index| !board.product(*index).is_hidden()) {
            let own = board.product(index).id();
            if own != *id {
                let pair = format!(",\"{id:016x}\":\"{own:016x}\"");
                moved.push_str(&pair);
            }
            if !found.contains(&index) {
                found.push(index);
            }
        } else {
            let one = format!(",\"{id:016x}\"");
            unknown.push_str(&one);
        }
    }
    out.push(b'{');
    write_stand(facts, out);
    out.extend_from_slice(b",\"items\":");
    product::write_items(&facts.view, &found, out);
    for (part, list) in [(",\"moved\":{", &moved), ("},\"unknown\":[", &unknown)] {
        out.extend_from_slice(part.as_bytes());
        // Each item begins with its comma.
        out.extend_from_slice(list.as_bytes().get(1..).unwrap_or_default());
    }
    out.push(b']');
}

/// The calendar of a product or a channel.
pub(super) fn calendar(facts: &Facts<'_>, of: &CalendarOf) -> Vec<u8> {
    let board = facts.view.board;
    let subject = match of {
        CalendarOf::Product(id) => board.find_known(*id).map(calendar::Subject::Product),
        CalendarOf::Channel(id) => board.find_channel(id).map(calendar::Subject::Channel),
    };
    let mut out = Vec::new();
    if let Some(subject) = subject {
        let said_at = facts.memory.overlays.latest().map_or(UnixMillis(0), |overlay| overlay.made_at());
        calendar::write(&facts.view, facts.published, subject, said_at, &mut out);
    }
    out
}
