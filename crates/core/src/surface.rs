//! The content of each surface: packs and a time in, JSON out.

pub mod calendar;
mod card;
pub mod cursor;
mod explain;
pub mod live;
pub mod new;
pub mod product;
pub mod schedule;
pub mod tabs;

use std::borrow::Cow;

use crate::audience::{AudienceSet, Traits};
use crate::crowd::Items;
use crate::directive::Directives;
use crate::experiment::{Assignment, HeldBack};
use crate::mix::{Floor, Mix};
use crate::pack::board::{Board, Product, Slot};
use crate::pack::pulse::Pulse;
use crate::pack::taste::Taste;
use crate::rank::Weights;
use crate::signal::Score;
use crate::surface_name::Surface;
use crate::time::{DAY_MS, HOUR_MS, SECOND_MS, UnixMillis};
use crate::verdict::{Reason, VerdictKind};
use crate::viewer::UserKey;

/// The age of a snapshot, in milliseconds, beyond which nothing counts as new: broadcasts scheduled
/// since its build may have aired already. Snapshots are built at least once a day; this leaves
/// room for one failed build.
pub const MAX_VERDICT_AGE_MS: i64 = 48 * HOUR_MS;

/// Whether a snapshot built at `built_at` may still call a product new at `now`.
pub fn trusts_verdicts(built_at: UnixMillis, now: UnixMillis) -> bool {
    now.since(built_at) <= MAX_VERDICT_AGE_MS
}

/// The inputs of a surface.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each follows from another input")]
pub struct View<'a> {
    /// The board of the snapshot, as the overlay leaves it now.
    pub board: &'a Board,
    /// The same board as the overlay left it when the list was frozen, if that was otherwise.
    pub frozen_board: Option<&'a Board>,
    /// The viewer's tastes, if known and compatible with the board.
    pub taste: Option<Taste<'a>>,
    /// Whether `taste` holds the preferences of viewers in the same context instead of the viewer's
    /// own.
    pub is_of_context: bool,
    /// The time that decides which broadcasts are on air or over.
    pub now: UnixMillis,
    /// Whether the snapshot is recent enough to call a product new.
    pub trusts_verdicts: bool,
    /// The seed for shares of viewers and for exploration: the viewer's key, or 0 for viewers
    /// without tastes of their own.
    pub viewer: u64,
    /// The audiences that the viewer is in.
    pub audiences: AudienceSet,
    /// Whether each item explains its place.
    pub is_explained: bool,
    /// Whether items have only what a card shows.
    pub is_card: bool,
    /// The current demand of viewers, if known.
    pub pulse: Option<&'a Pulse>,
    /// The settings from the viewer's experiments, which replace the board's weights and mix.
    pub assignment: Option<&'a Assignment>,
}

impl<'a> View<'a> {
    /// The view of `board` at `now` for viewers without tastes of their own, who come in no
    /// context.
    pub fn shared(board: &'a Board, now: UnixMillis) -> Self {
        let audiences = board.audiences(&Traits { is_newcomer: true, ..Traits::default() });
        Self {
            board,
            frozen_board: None,
            taste: None,
            is_of_context: false,
            now,
            trusts_verdicts: true,
            viewer: 0,
            audiences,
            is_explained: false,
            is_card: false,
            pulse: None,
            assignment: None,
        }
    }

    /// The view of `board` at `now` for the user `key` with these tastes, who comes in no context.
    pub fn of_user(board: &'a Board, now: UnixMillis, taste: Taste<'a>, key: UserKey) -> Self {
        let traits = Traits { key: Some(key), vector: Some(taste.vector), ..Traits::default() };
        let audiences = board.audiences(&traits);
        Self { taste: Some(taste), viewer: key.0, audiences, ..Self::shared(board, now) }
    }

    /// The view in which the list was frozen.
    #[must_use]
    pub fn frozen(&self) -> Self {
        Self { board: self.frozen_board.unwrap_or(self.board), ..*self }
    }

    /// The weights in force for the viewer.
    pub fn weights(&self) -> Weights {
        self.assignment.map_or_else(|| self.board.weights(), |assignment| assignment.weights)
    }

    /// The mix in force for the viewer.
    pub fn mix(&self) -> Mix {
        self.assignment.map_or_else(|| self.board.mix(), |assignment| assignment.mix)
    }

    fn held_back(&self) -> HeldBack {
        self.assignment.map(|assignment| assignment.held_back).unwrap_or_default()
    }

    /// The directives in force for the viewer on `surface` at `at`.
    fn directives(&self, surface: Surface, at: UnixMillis) -> Directives<'a> {
        let of_viewer = (self.audiences, self.held_back());
        Directives::holding(self.board.directives(), surface, at, self.viewer, of_viewer)
    }

    /// The floors in force for the viewer.
    fn floors(&self) -> Cow<'a, [Floor]> {
        let (floors, held_back) = (self.board.floors(), self.held_back());
        if held_back.floors == 0 {
            return Cow::Borrowed(floors);
        }
        floors.iter().enumerate().filter(|(index, _)| !held_back.floor(*index)).map(|(_, floor)| *floor).collect()
    }
}

/// All new products in the recommended order, and the second that they are ranked at.
fn whole(view: &View<'_>) -> (new::Page, UnixMillis) {
    let frozen_at = view.now.floor(SECOND_MS);
    (new::page(view, &new::Selection::recommended(frozen_at, usize::MAX)), frozen_at)
}

/// Appends all items of a surface as a JSON array. A paged list is written whole, in the
/// recommended order.
pub fn write_items(surface: Surface, view: &View<'_>, out: &mut Vec<u8>) {
    match surface {
        Surface::New => {
            let (page, frozen_at) = whole(view);
            new::write_items(view, &page, frozen_at, out);
        }
        Surface::Live => live::write_items(view, out),
        Surface::Tabs => tabs::write_items(view, out),
    }
}

/// The scores of all items of a surface, in the order of [`write_items`].
pub fn scores(surface: Surface, view: &View<'_>) -> Vec<Score> {
    match surface {
        Surface::New => {
            let (page, frozen_at) = whole(view);
            page.products.iter().map(|index| new::score_of(view, *index, frozen_at)).collect()
        }
        Surface::Live => live::order(view).into_iter().map(|index| live::score_of(view, index)).collect(),
        Surface::Tabs => tabs::order(view).into_iter().map(|index| tabs::score_of(view, index)).collect(),
    }
}

/// Appends a product's JSON object without its closing brace: its head, its verdict and whether it
/// is on air.
fn write_product(view: &View<'_>, product: &Product<'_>, on_air: bool, out: &mut Vec<u8>) {
    let is_before_first_end = view.now < product.first_ends_at();
    if view.is_card {
        card::append_product(product.head_json(), out);
    } else {
        out.extend_from_slice(product.head_json());
    }
    out.extend_from_slice(b",\"verdict\":");
    let is_outdated = !view.trusts_verdicts && is_before_first_end && product.verdict() == VerdictKind::New;
    let verdict = product.verdict_json(is_before_first_end);
    if view.is_card {
        let verdict = if is_outdated { b"{\"kind\":\"unknown\"" } else { card::kind(verdict) };
        out.extend_from_slice(verdict);
        out.push(b'}');
    } else if is_outdated {
        let days = view.board.built_at().since(view.board.history_from()).div_euclid(DAY_MS).max(0);
        let outdated = format!(
            "{{\"kind\":\"unknown\",\"evidence\":{{\"reason\":\"{}\",\"text\":\"편성 자료가 오래되어 첫 방송인지 알 수 없음\",\
             \"history_days\":{days},\"shop_history_days\":{days},\"review_count\":null,\"earlier\":null}}}}",
            Reason::Outdated.as_str()
        );
        out.extend_from_slice(outdated.as_bytes());
    } else {
        out.extend_from_slice(verdict);
    }
    out.extend_from_slice(if on_air { b",\"on_air\":true" } else { b",\"on_air\":false" });
}

/// Appends a broadcast's JSON object.
fn write_broadcast(view: &View<'_>, slot: &Slot<'_>, out: &mut Vec<u8>) {
    if view.is_card {
        card::append_broadcast(slot.head_json(), out);
    } else {
        out.extend_from_slice(slot.head_json());
    }
    out.extend_from_slice(if slot.is_on_air(view.now) { b",\"on_air\":true}" } else { b",\"on_air\":false}" });
}

/// Appends the broadcast at `index` with its product as a JSON object without its closing brace.
fn write_slot(view: &View<'_>, index: usize, out: &mut Vec<u8>) {
    let slot = view.board.slot(index);
    let product = view.board.product(slot.product());
    let is_on_air = |slot: usize| view.board.slot(slot).is_on_air(view.now);
    write_product(view, &product, is_on_air(index) || product.slots().any(is_on_air), out);
    out.extend_from_slice(b",\"broadcast\":");
    write_broadcast(view, &slot, out);
}

/// Appends the broadcast at `index` with its product as a JSON object, from the cache if it is
/// there.
fn append_slot(view: &View<'_>, items: Option<&mut Items>, index: usize, out: &mut Vec<u8>) {
    let write = |out: &mut Vec<u8>| {
        write_slot(view, index, out);
        out.push(b'}');
        changes_at(view, &view.board.product(view.board.slot(index).product()))
    };
    match items {
        // In the cache, slots' keys follow the products' keys.
        Some(items) => append(view, items, view.board.product_count().saturating_add(index), out, write),
        None => {
            write(out);
        }
    }
}

/// Appends the item of `key` from the cache, or by `write`. Cards' keys follow those of whole
/// items.
fn append(
    view: &View<'_>,
    items: &mut Items,
    key: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> UnixMillis,
) {
    let all = view.board.product_count().saturating_add(view.board.slot_count());
    let key = if view.is_card { key.saturating_add(all) } else { key };
    items.append(key, view.now, view.trusts_verdicts, out, write);
}

/// When a product's item changes: at the end of the first broadcast, or at the start or end of a
/// slot.
fn changes_at(view: &View<'_>, product: &Product<'_>) -> UnixMillis {
    let slots = product.slots().map(|slot| view.board.slot(slot));
    slots
        .flat_map(|slot| [slot.starts_at(), slot.ends_at()])
        .chain([product.first_ends_at()])
        .filter(|at| *at > view.now)
        .min()
        .unwrap_or(UnixMillis(i64::MAX))
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
