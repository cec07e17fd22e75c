//! Corrections applied during clustering: listings that a person joined to a product, and listings
//! and products that a person kept apart.

use super::super::rules::Part;
use super::super::score::Sameness;
use super::super::{Joined, Nearest, ProductId};
use super::{Candidate, Product, Run};
use crate::correction::{Corrections, Decision};

/// Name of the score part that represents a correction.
pub const CORRECTION: &str = "correction";

impl Product {
    /// The decision that keeps the listings of `groups` out of this product.
    fn apart<'c>(&self, mut groups: impl Iterator<Item = usize>, corrections: &'c Corrections) -> Option<&'c Decision> {
        groups.find_map(|group| self.groups.iter().find_map(|&other| corrections.apart(group, other)))
    }
}

impl Run<'_> {
    /// The correction group of a listing.
    fn group(&self, listing: usize) -> Option<usize> {
        self.groups.get(listing).copied().flatten()
    }

    /// Records a listing's group in its product, for corrections on later listings.
    pub(super) fn note_group(&mut self, listing: usize, product: usize) {
        if let (Some(group), Some(product)) = (self.group(listing), self.products.get_mut(product)) {
            product.groups.insert(group);
            self.of_group.entry(group).or_insert(listing);
        }
    }

    /// The product that a correction assigns the listing to, if any.
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

    /// The decision that keeps a listing out of a product.
    pub(super) fn kept_apart(&self, listing: usize, product: usize) -> Option<&Decision> {
        let group = self.group(listing)?;
        self.products.get(product)?.apart(std::iter::once(group), &self.policy.corrections)
    }

    /// Whether a correction keeps two products apart.
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

    /// Merges known products whose listings a person declared one product.
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

/// A listing moved by corrections from one known product to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The listing's shop.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
    /// The product it leaves.
    pub from: ProductId,
    /// The product it joins.
    pub into: ProductId,
    /// Keys by which its product is to be found.
    pub keys: Vec<super::super::Key>,
}
