//! What corrections make of a run: listings that join a product by a person's word, and products that nothing may join.

use super::super::rules::Part;
use super::super::score::Sameness;
use super::super::{Joined, Nearest, ProductId};
use super::{Candidate, Product, Run};
use crate::correction::{Corrections, Decision};

/// The part of a score that tells of a correction.
pub const CORRECTION: &str = "correction";

impl Product {
    /// The decision by which no listing of `groups` is one product with it.
    fn apart<'c>(&self, mut groups: impl Iterator<Item = usize>, corrections: &'c Corrections) -> Option<&'c Decision> {
        groups.find_map(|group| self.groups.iter().find_map(|&other| corrections.apart(group, other)))
    }
}

impl Run<'_> {
    /// The group of corrections that a listing is of.
    fn group(&self, listing: usize) -> Option<usize> {
        self.groups.get(listing).copied().flatten()
    }

    /// Notes that a listing belongs to a product, for what corrections say of the listings after it.
    pub(super) fn note_group(&mut self, listing: usize, product: usize) {
        if let (Some(group), Some(product)) = (self.group(listing), self.products.get_mut(product)) {
            product.groups.insert(group);
            self.of_group.entry(group).or_insert(listing);
        }
    }

    /// How a listing joins by a person's word, where one said so.
    pub(super) fn corrected(&self, listing: usize) -> Option<(Joined, usize)> {
        let corrections = &self.policy.corrections;
        let this = *self.listings.get(listing)?;
        let with = *self.of_group.get(&self.group(listing)?)?;
        let other = *self.listings.get(with)?;
        let names = [this, other].map(|it| (it.shop.as_str(), it.listing_id.as_str()));
        let decision = corrections.joining(names[0], names[1]).filter(|_| names[0] != names[1])?.clone();
        let product = self.product_of.get(with).copied().flatten()?;
        Some((Joined::Corrected { with, decision }, self.root(product)))
    }

    /// The decision by which a listing is of another product than this one.
    pub(super) fn kept_apart(&self, listing: usize, product: usize) -> Option<&Decision> {
        let group = self.group(listing)?;
        self.products.get(product)?.apart(std::iter::once(group), &self.policy.corrections)
    }

    /// Whether a correction makes two of two products.
    pub(super) fn are_apart(&self, a: usize, b: usize) -> bool {
        let (Some(a), Some(b)) = (self.products.get(a), self.products.get(b)) else { return false };
        a.apart(b.groups.iter().copied(), &self.policy.corrections).is_some()
    }

    /// The listing of an earlier title that a correction keeps apart.
    pub(super) fn nearest_apart(&self, candidate: &Candidate, decision: &Decision) -> Option<Nearest> {
        let mut nearest = self.nearest(candidate)?;
        let score = &mut nearest.score;
        (score.probability, score.verdict) = (0.0, Sameness::Different);
        score.carried_by.clear();
        score.veto = Some(Part { name: CORRECTION, value: 0.0, note: decision.to_string() });
        Some(nearest)
    }

    /// Makes one of known products whose listings a person said are one.
    pub(super) fn merge_corrected(&mut self) {
        if self.policy.corrections.is_empty() {
            return;
        }
        for listing in self.new..self.listings.len() {
            if let (Some((_, with)), Some(own)) =
                (self.corrected(listing), self.product_of.get(listing).copied().flatten())
            {
                let (own, with) = (self.root(own), with);
                if own != with && !self.are_apart(own, with) {
                    self.unite(own.min(with), own.max(with));
                }
            }
        }
    }
}

/// A listing that goes from one known product to another, as corrections want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its shop.
    pub shop: String,
    /// The shop's code of it.
    pub listing_id: String,
    /// The product that had it.
    pub from: ProductId,
    /// The product that it is.
    pub into: ProductId,
    /// The keys that its product is to be found by from now on.
    pub keys: Vec<super::super::Key>,
}
