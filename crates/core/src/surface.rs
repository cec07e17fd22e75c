//! What each surface shows: packs and a time in, JSON out.

pub mod cursor;
mod explain;
pub mod live;
pub mod new;
pub mod tabs;

use crate::experiment::Assignment;
use crate::mix::Mix;
use crate::pack::board::{Board, Product, Slot};
use crate::pack::pulse::Pulse;
use crate::pack::taste::Taste;
use crate::rank::Weights;
use crate::time::{DAY_MS, HOUR_MS, UnixMillis};
use crate::verdict::VerdictKind;

/// Past this age of a snapshot nothing counts as new any more: what the schedule gained since may have been broadcast already. A snapshot
/// is built at least once a day; this leaves room for one that failed.
pub const MAX_VERDICT_AGE_MS: i64 = 48 * HOUR_MS;

/// Whether verdicts of a snapshot that was built at `built_at` may still call a product new at `now`.
pub fn trusts_verdicts(built_at: UnixMillis, now: UnixMillis) -> bool {
    now.since(built_at) <= MAX_VERDICT_AGE_MS
}

/// Everything that a surface is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The board of the snapshot.
    pub board: &'a Board,
    /// The viewer's tastes, where they are known and fit the board.
    pub taste: Option<Taste<'a>>,
    /// Whether `taste` is what viewers lean to who come in the same context, and not the viewer's own.
    pub is_of_context: bool,
    /// The time that decides what is on air and what is over.
    pub now: UnixMillis,
    /// Whether the verdicts are recent enough to call a product new.
    pub trusts_verdicts: bool,
    /// Draws shares and places for exploration: the viewer's key, or 0 for everybody without tastes of their own.
    pub viewer: u64,
    /// Whether each item says why it stands where it does.
    pub is_explained: bool,
    /// What viewers want at the moment, where it is known.
    pub pulse: Option<&'a Pulse>,
    /// What experiments show the viewer by, in place of the board's weights and mix.
    pub assignment: Option<&'a Assignment>,
}

impl<'a> View<'a> {
    /// What everybody without tastes of their own sees of `board` at `now`.
    pub fn shared(board: &'a Board, now: UnixMillis) -> Self {
        Self {
            board,
            taste: None,
            is_of_context: false,
            now,
            trusts_verdicts: true,
            viewer: 0,
            is_explained: false,
            pulse: None,
            assignment: None,
        }
    }

    /// The weights that the viewer is shown things by.
    pub fn weights(&self) -> Weights {
        self.assignment.map_or_else(|| self.board.weights(), |assignment| assignment.weights)
    }

    /// The mix that the viewer is shown things by.
    pub fn mix(&self) -> Mix {
        self.assignment.map_or_else(|| self.board.mix(), |assignment| assignment.mix)
    }
}

/// Appends a product's JSON object without its closing brace: head, verdict and whether it is on air.
fn write_product(view: &View<'_>, product: &Product<'_>, on_air: bool, out: &mut Vec<u8>) {
    let is_before_first_end = view.now < product.first_ends_at();
    out.extend_from_slice(product.head_json());
    out.extend_from_slice(b",\"verdict\":");
    if !view.trusts_verdicts && is_before_first_end && product.verdict() == VerdictKind::New {
        let days = view.board.built_at().since(view.board.history_from()).div_euclid(DAY_MS).max(0);
        let outdated = format!(
            "{{\"kind\":\"unknown\",\"evidence\":{{\"reason\":\"outdated\",\"text\":\"편성 자료가 오래되어 첫 방송인지 알 수 없음\",\
             \"history_days\":{days},\"shop_history_days\":{days},\"review_count\":null,\"earlier\":null}}}}"
        );
        out.extend_from_slice(outdated.as_bytes());
    } else {
        out.extend_from_slice(product.verdict_json(is_before_first_end));
    }
    out.extend_from_slice(if on_air { b",\"on_air\":true" } else { b",\"on_air\":false" });
}

/// Appends a broadcast's JSON object.
fn write_broadcast(slot: &Slot<'_>, now: UnixMillis, out: &mut Vec<u8>) {
    out.extend_from_slice(slot.head_json());
    out.extend_from_slice(if slot.is_on_air(now) { b",\"on_air\":true}" } else { b",\"on_air\":false}" });
}

/// Appends a whole number.
pub fn write_number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `items`, written by `write`, as a JSON array.
fn write_array<T>(items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
