//! The schedule: every broadcast within a range of time, by channel and then by start.

use std::cmp::Reverse;

use super::{View, append_slot, live, write_array, write_slot};
use crate::json::opened::listing;
use crate::rank::{Keyed, sort};
use crate::time::{DAY_MS, UnixMillis};

/// How far ahead a channel's next broadcast is looked for, in milliseconds.
const NEXT_MS: i64 = DAY_MS;

/// A part of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The range: broadcasts that end after its start and start before its end.
    pub range: (UnixMillis, UnixMillis),
    /// Only products of this category; `Some(None)` stands for one that the board does not know.
    pub category: Option<Option<usize>>,
    /// Only this channel; `Some(None)` stands for one that the board does not know.
    pub channel: Option<Option<usize>>,
    /// Whether the channels that suit the viewer come first.
    pub is_mine: bool,
    /// The number of broadcasts to skip.
    pub offset: usize,
    /// The most broadcasts on the page.
    pub limit: usize,
}

/// A page of the schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The number of broadcasts in the frozen schedule.
    pub total: usize,
    /// The indexes of the broadcasts to show.
    pub slots: Vec<usize>,
    /// The offset of the next page, if there is one.
    pub next_offset: Option<usize>,
    /// The indexes of the channels with a broadcast in the schedule, in its order.
    pub channels: Vec<usize>,
}

/// The page for `selection`.
pub fn page(now: &View<'_>, selection: &Selection) -> Page {
    let view = now.frozen();
    let board = view.board;
    let (from, to) = selection.range;
    let mut chosen: Vec<Keyed> = Vec::new();
    let mut means = vec![(0_i64, 0_i64); board.channel_count()];
    let rater = selection.is_mine.then(|| live::Rater::new(&view));
    for index in board.between(from, to) {
        let slot = board.slot(index);
        let is_chosen = selection.channel.is_none_or(|channel| channel == Some(slot.channel()))
            && selection
                .category
                .is_none_or(|category| category.is_some() && board.product(slot.product()).category() == category);
        if !is_chosen {
            continue;
        }
        if let Some((sum, count)) = means.get_mut(slot.channel()) {
            *sum = sum.saturating_add(rater.as_ref().map_or(0, |rater| rater.suits(index)));
            *count = count.saturating_add(1);
        }
        chosen.push((Reverse(0), index));
    }
    let mut order: Vec<Keyed> = Vec::new();
    for (channel, (sum, count)) in means.iter().enumerate().filter(|(_, (_, count))| *count > 0) {
        order.push((Reverse(sum.checked_div(*count).unwrap_or(0)), channel));
    }
    sort(&mut order);
    let channels: Vec<usize> = order.into_iter().map(|(_, channel)| channel).collect();
    let mut ranks = vec![0_i64; board.channel_count()];
    for (rank, channel) in (0_i64..).zip(&channels) {
        if let Some(own) = ranks.get_mut(*channel) {
            *own = rank.saturating_neg();
        }
    }
    // By channel, and then by index: slots are ordered by start.
    for (rank, index) in &mut chosen {
        *rank = Reverse(ranks.get(board.slot(*index).channel()).copied().unwrap_or(0));
    }
    sort(&mut chosen);
    let end = selection.offset.saturating_add(selection.limit);
    let mut slots = Vec::new();
    for (_, index) in chosen.iter().take(end).skip(selection.offset) {
        slots.extend(present(now, *index));
    }
    Page { total: chosen.len(), slots, next_offset: (end < chosen.len()).then_some(end), channels }
}

/// The index now of a slot of the frozen board: none if operators took it out since.
fn present(now: &View<'_>, index: usize) -> Option<usize> {
    let Some(frozen) = now.frozen_board else { return Some(index) };
    let slot = frozen.slot(index);
    let at = slot.starts_at();
    now.board.between(at, at.plus(1)).find(|other| {
        let other = now.board.slot(*other);
        // A channel may sell two listings of a product at once.
        (other.starts_at(), other.channel(), other.product()) == (at, slot.channel(), slot.product())
            && listing(other.head_json()) == listing(slot.head_json())
    })
}

/// Appends the broadcasts of `page` as a JSON array.
pub fn write_items(view: &View<'_>, page: &Page, out: &mut Vec<u8>) {
    let mut items = view.board.shared().items().try_lock().ok();
    write_array(&page.slots, out, |index, out| append_slot(view, items.as_deref_mut(), *index, out));
}

/// Appends the channels of `page` as a JSON array, each with its broadcast on air and its next one
/// within a day, as cards.
pub fn write_channels(view: &View<'_>, page: &Page, out: &mut Vec<u8>) {
    let card = View { is_card: true, ..*view };
    let board = view.board;
    let mut found: Vec<[Option<usize>; 2]> = vec![[None; 2]; board.channel_count()];
    for index in board.between(view.now, view.now.plus(NEXT_MS)) {
        let slot = board.slot(index);
        let place = usize::from(!slot.is_on_air(view.now));
        if let Some(first) = found.get_mut(slot.channel()).and_then(|own| own.get_mut(place)) {
            first.get_or_insert(index);
        }
    }
    write_array(&page.channels, out, |channel, out| {
        out.extend_from_slice(b"{\"channel\":");
        write_channel(view, *channel, out);
        let own = found.get(*channel).copied().unwrap_or_default();
        for (name, index) in [&b",\"now\":"[..], b",\"next\":"].into_iter().zip(own) {
            out.extend_from_slice(name);
            match index {
                Some(index) => {
                    write_slot(&card, index, out);
                    out.push(b'}');
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
    });
}

/// Appends a channel's JSON object. A board of an earlier pipeline has only its id.
pub(super) fn write_channel(view: &View<'_>, channel: usize, out: &mut Vec<u8>) {
    let json = view.board.channel_json(channel);
    if json.is_empty() {
        let id = view.board.channel_id(channel).as_bytes();
        for part in [b"{\"id\":\"", id, b"\",\"name\":\"", id, b"\"}"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(json);
}
