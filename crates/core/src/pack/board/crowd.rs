//! The candidates of a board as a crowd.

use std::sync::Arc;

use super::{Board, Product};
use crate::crowd::{Asked, Crowd, Listed, Member};
use crate::rank::Candidate;

impl Board {
    /// The candidates as `asked`: scored once for all viewers, and remembered beside the board.
    pub fn crowd(&self, asked: Asked<'_>) -> Arc<Crowd> {
        let sets = || self.experiments().shared_weights(self.weights().new);
        self.shared.crowd(asked, sets, |asked| Crowd::of(self.listed(), self.dimensions(), asked))
    }

    /// The candidates that the new-product tab lists, by id: products stand on the board in that order.
    fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        let products = self.candidates().map(|index| self.product(index)).filter(Product::is_listed);
        products.map(|product| Listed {
            member: Member {
                index: product.index(),
                id: product.id(),
                ends_at: product.first_ends_at(),
                category: product.category(),
                shown: product.shown(),
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
