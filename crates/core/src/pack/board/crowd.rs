//! The crowd of a board's candidates.

use std::sync::Arc;

use super::{Board, Product};
use crate::crowd::{Asked, Crowd, Listed, Member};
use crate::rank::Candidate;
use crate::surface_name::Surface;

impl Board {
    /// The candidates as `asked`: scored once for all viewers, and cached beside the board.
    pub fn crowd(&self, asked: Asked<'_>) -> Arc<Crowd> {
        let sets = || self.experiments().shared_weights(self.weights().new);
        self.shared.crowd(asked, sets, |asked| Crowd::of(self.listed(), self.dimensions(), asked))
    }

    /// The candidates for the new-product tab, in the board's order: by first start, then by id.
    fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        let puts_last = self.puts_sold_out_last(Surface::New);
        let products = self.candidates().map(|index| self.product(index)).filter(Product::is_listed);
        products.map(move |product| Listed {
            member: Member {
                index: product.index(),
                id: product.id(),
                ends_at: product.first_ends_at(),
                category: product.category(),
                shown: product.shown(),
                is_last: puts_last && product.is_sold_out(),
            },
            candidate: Candidate {
                vector: product.vector(),
                channel: product.slots().next().map_or(usize::MAX, |slot| self.slot(slot).channel()),
                starts_at: product.first_starts_at(),
                ends_at: product.first_ends_at(),
                popularity: product.popularity(),
            },
        })
    }
}
