//! `live`: every broadcast that is on air, in the viewer's order; nothing is hidden.

use super::{View, write_array, write_broadcast, write_product};
use crate::rank::{Candidate, Score, score};

/// Indexes of the slots on air, in the order to show.
pub fn order(view: &View<'_>) -> Vec<usize> {
    let board = view.board;
    let mut slots: Vec<usize> = board.on_air(view.now).collect();
    slots.sort_by_cached_key(|index| {
        let slot = board.slot(*index);
        let total = score_of(view, *index).total();
        (std::cmp::Reverse(total), slot.channel(), board.product(slot.product()).id(), *index)
    });
    slots
}

/// The score of the slot at `index`.
pub fn score_of(view: &View<'_>, index: usize) -> Score {
    let slot = view.board.slot(index);
    let product = view.board.product(slot.product());
    let candidate = Candidate {
        vector: product.vector(),
        channel: slot.channel(),
        starts_at: slot.starts_at(),
        ends_at: slot.ends_at(),
        popularity: product.popularity(),
    };
    score(&candidate, view.taste.as_ref(), &view.board.weights().live, view.now)
}

/// Appends the surface's items as a JSON array.
pub fn write_items(view: &View<'_>, out: &mut Vec<u8>) {
    write_array(order(view), out, |index, out| {
        let slot = view.board.slot(index);
        let product = view.board.product(slot.product());
        write_product(view, &product, true, out);
        out.extend_from_slice(b",\"broadcast\":");
        write_broadcast(&slot, view.now, out);
        out.push(b'}');
    });
}
