//! `live`: every broadcast that is on air, in the viewer's order; nothing is hidden.

use super::{View, explain, write_array, write_broadcast, write_product};
use crate::directive::{Directives, Surface};
use crate::rank::{Candidate, Score, score};
use crate::time::SECOND_MS;

/// Indexes of the slots on air, in the order to show.
pub fn order(view: &View<'_>) -> Vec<usize> {
    ordered(view, &directives(view))
}

fn directives<'a>(view: &View<'a>) -> Directives<'a> {
    Directives::holding(view.board, Surface::Live, view.now, view.viewer)
}

fn ordered(view: &View<'_>, directives: &Directives<'_>) -> Vec<usize> {
    let board = view.board;
    let mut slots: Vec<usize> = board.on_air(view.now).collect();
    slots.sort_by_cached_key(|index| {
        let slot = board.slot(*index);
        let total = scored(view, *index, directives).total();
        (std::cmp::Reverse(total), slot.channel(), board.product(slot.product()).id(), *index)
    });
    let place = |slot: &usize| directives.effect(board.slot(*slot).product()).place;
    let mut pinned: Vec<(usize, usize)> = slots.iter().filter_map(|slot| Some((place(slot)?, *slot))).collect();
    pinned.sort_by_key(|(place, _)| *place);
    slots.retain(|slot| place(slot).is_none());
    for (place, slot) in pinned {
        slots.insert(place.min(slots.len()), slot);
    }
    slots
}

/// The score of the slot at `index`.
pub fn score_of(view: &View<'_>, index: usize) -> Score {
    scored(view, index, &directives(view))
}

fn scored(view: &View<'_>, index: usize, directives: &Directives<'_>) -> Score {
    let slot = view.board.slot(index);
    let product = view.board.product(slot.product());
    let candidate = Candidate {
        vector: product.vector(),
        channel: slot.channel(),
        starts_at: slot.starts_at(),
        ends_at: slot.ends_at(),
        popularity: product.popularity(),
    };
    let own = score(&candidate, view.taste.as_ref(), &view.board.weights().live, view.now);
    // Whole seconds without a division: what two broadcasts differ by is the same at any time, so they never change places.
    let on_air_s = view.now.floor(SECOND_MS).since(slot.starts_at()).div_euclid(SECOND_MS).max(0);
    Score {
        rules: directives.effect(slot.product()).points,
        stay: i64::from(view.board.mix().stay).saturating_mul(on_air_s),
        ..own
    }
}

/// Appends the surface's items as a JSON array.
pub fn write_items(view: &View<'_>, out: &mut Vec<u8>) {
    let directives = directives(view);
    write_array(ordered(view, &directives), out, |index, out| {
        let slot = view.board.slot(index);
        let product = view.board.product(slot.product());
        write_product(view, &product, true, out);
        out.extend_from_slice(b",\"broadcast\":");
        write_broadcast(&slot, view.now, out);
        if view.is_explained {
            explain::write(view, &scored(view, index, &directives), Some(slot.product()), &directives, false, out);
        }
        out.push(b'}');
    });
}
