//! `live`: every broadcast that is on air, in the viewer's order; nothing is hidden.

use super::{View, explain, write_array, write_broadcast, write_product};
use crate::directive::{Directives, Surface};
use crate::mix::Half;
use crate::pack::taste::Taste;
use crate::rank::{Candidate, Score, pulse_points, score};
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
    let mix = view.mix();
    let half = view.taste.map_or_else(Half::default, |taste| Half::of(taste.vector, mix.second, Surface::Live));
    let taste = view.taste.map(|taste| Taste { vector: half.cut(taste.vector), ..taste });
    let candidate = Candidate {
        vector: half.cut(product.vector()),
        channel: slot.channel(),
        starts_at: slot.starts_at(),
        ends_at: slot.ends_at(),
        popularity: product.popularity(),
    };
    let own = score(&candidate, taste.as_ref(), &view.weights().live, view.now);
    // Whole seconds without a division: what two broadcasts differ by is the same at any time, so they never change places.
    let on_air_s = view.now.floor(SECOND_MS).since(slot.starts_at()).div_euclid(SECOND_MS).max(0);
    let weight = mix.near.saturating_sub(1);
    let memory = taste.filter(|_| weight > 0).map_or(0, |taste| taste.memory(product.id()).max(0));
    Score {
        memory: memory.saturating_mul(weight.into()),
        rules: directives.effect(slot.product()).points,
        stay: i64::from(mix.stay).saturating_mul(on_air_s),
        pulse: pulse_points(view.pulse, product.id()),
        ..own
    }
}

/// Appends the surface's items as a JSON array.
pub fn write_items(view: &View<'_>, out: &mut Vec<u8>) {
    let directives = directives(view);
    let mut items = view.board.stage().items().try_lock().ok();
    write_array(ordered(view, &directives), out, |index, out| {
        let slot = view.board.slot(index);
        let product = view.board.product(slot.product());
        let write = |out: &mut Vec<u8>| {
            write_product(view, &product, true, out);
            out.extend_from_slice(b",\"broadcast\":");
            write_broadcast(&slot, view.now, out);
        };
        if let Some(items) = items.as_mut().filter(|_| !view.is_explained) {
            // After the products in the same memory: how they stand in the list of new ones.
            let key = view.board.product_count().saturating_add(index);
            items.append(key, view.now, view.trusts_verdicts, out, |out| {
                write(out);
                out.push(b'}');
                // It stands so while it is on air, but for the verdict, which changes with the end of the first broadcast.
                let first = Some(product.first_ends_at()).filter(|at| *at > view.now);
                first.map_or(slot.ends_at(), |first| first.min(slot.ends_at()))
            });
            return;
        }
        write(out);
        if view.is_explained {
            explain::write(view, &scored(view, index, &directives), Some(slot.product()), &directives, false, out);
        }
        out.push(b'}');
    });
}
