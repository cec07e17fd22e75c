//! `live`: all broadcasts on air, in the viewer's order; nothing is hidden.

use super::{View, append_slot, explain, write_array, write_slot};
use crate::directive::Directives;
use crate::mix::{Half, Mix};
use crate::pack::taste::Taste;
use crate::rank::{Candidate, ascending, pulse_points, score};
use crate::signal::{Score, SurfaceWeights};
use crate::surface_name::Surface;
use crate::time::{SECOND_MS, UnixMillis};

/// The inputs of scores, looked up once per answer.
pub(super) struct Rater<'a> {
    view: View<'a>,
    directives: Directives<'a>,
    weights: SurfaceWeights,
    mix: Mix,
    /// The viewer's tastes, with the vector cut to the half that counts.
    taste: Option<Taste<'a>>,
    half: Half,
    /// `view.now`, rounded down to the second.
    second: UnixMillis,
}

impl<'a> Rater<'a> {
    pub(super) fn new(view: &View<'a>) -> Self {
        let mix = view.mix();
        let half = view.taste.map_or_else(Half::default, |taste| Half::of(taste.vector, mix.second, Surface::Live));
        Self {
            view: *view,
            directives: view.directives(Surface::Live, view.now),
            weights: view.weights().live,
            mix,
            taste: view.taste.map(|taste| Taste { vector: half.cut(taste.vector), ..taste }),
            half,
            second: view.now.floor(SECOND_MS),
        }
    }

    fn ordered(&self) -> Vec<usize> {
        let board = self.view.board;
        // An insertion sort: there is only one entry per channel, and another copy of a library
        // sort costs the Worker two kilobytes.
        let mut slots = Vec::new();
        for index in board.on_air(self.view.now) {
            let slot = board.slot(index);
            let total = self.score(index).total();
            let is_last = self.is_last(slot.product());
            let keyed = (is_last, std::cmp::Reverse(total), slot.channel(), board.product(slot.product()).id(), index);
            slots.insert(slots.partition_point(|before| *before < keyed), keyed);
        }
        let mut slots: Vec<usize> = slots.into_iter().map(|(.., index)| index).collect();
        let place = |slot: &usize| self.directives.effect(board.slot(*slot).product()).place;
        let pinned: Vec<(usize, usize)> = slots.iter().filter_map(|slot| Some((place(slot)?, *slot))).collect();
        slots.retain(|slot| place(slot).is_none());
        let places = pinned.iter().map(|(place, _)| i64::try_from(*place).unwrap_or(i64::MAX));
        for (place, slot) in ascending(places).filter_map(|at| pinned.get(at)) {
            slots.insert((*place).min(slots.len()), *slot);
        }
        slots
    }

    fn is_last(&self, product: usize) -> bool {
        let board = self.view.board;
        board.product(product).is_sold_out() && board.puts_sold_out_last(Surface::Live)
    }

    /// How well the slot at `index` suits the viewer by product and channel, in points.
    pub(super) fn suits(&self, index: usize) -> i64 {
        let score = self.score(index);
        score.taste.saturating_add(score.channel)
    }

    fn score(&self, index: usize) -> Score {
        let slot = self.view.board.slot(index);
        let product = self.view.board.product(slot.product());
        let candidate = Candidate {
            vector: self.half.cut(product.vector()),
            channel: slot.channel(),
            starts_at: slot.starts_at(),
            ends_at: slot.ends_at(),
            popularity: product.popularity(),
        };
        let own = score(&candidate, self.taste.as_ref(), &self.weights, self.view.now);
        // Whole seconds. The difference between two broadcasts is the same at any time, so they
        // never swap places.
        let on_air_s = self.second.since(slot.starts_at()).div_euclid(SECOND_MS).max(0);
        let weight = self.mix.near.saturating_sub(1);
        let memory = self.taste.filter(|_| weight > 0).map_or(0, |taste| taste.memory(product.id()).max(0));
        Score {
            memory: memory.saturating_mul(weight.into()),
            rules: self.directives.effect(slot.product()).points,
            stay: i64::from(self.mix.stay).saturating_mul(on_air_s),
            pulse: pulse_points(self.view.pulse, product.id(), &self.weights),
            ..own
        }
    }
}

/// The indexes of the slots on air, in display order.
pub fn order(view: &View<'_>) -> Vec<usize> {
    Rater::new(view).ordered()
}

/// The score of the slot at `index`.
pub fn score_of(view: &View<'_>, index: usize) -> Score {
    Rater::new(view).score(index)
}

/// Appends the surface's items as a JSON array.
pub fn write_items(view: &View<'_>, out: &mut Vec<u8>) {
    let rater = Rater::new(view);
    let mut items = view.board.shared().items().try_lock().ok();
    write_array(rater.ordered(), out, |index, out| {
        if !view.is_explained {
            return append_slot(view, items.as_deref_mut(), index, out);
        }
        let product = view.board.slot(index).product();
        write_slot(view, index, out);
        let (score, is_last) = (rater.score(index), rater.is_last(product));
        explain::write(view, &score, &rater.weights, Some(product), &rater.directives, (false, is_last), out);
        out.push(b'}');
    });
}
