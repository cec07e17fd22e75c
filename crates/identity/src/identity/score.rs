//! The score of two titles: the probability that they are one product, from rules, matcher and
//! policy, with the reasons.

use serde::Serialize;

use super::compared::Compared;
use super::matcher::Carried;
use super::offer::Offer;
use super::rules::Part;
use super::sketch::{Rarity, Sketch};
use super::{Policy, feature};
use crate::listing::Features;

/// The answer for two titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sameness {
    /// One product.
    Same,
    /// Two products.
    Different,
}

/// Similarity of two titles, with the reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The probability that they are one product.
    pub probability: f64,
    /// The matcher's main reasons. If the policy separates the two, only the veto counts.
    pub carried_by: Vec<Carried>,
    /// The rules' score: from 0 to slightly above 1; 0 if there is a veto.
    pub total: f64,
    /// Weight of the agreement.
    pub evidence: f64,
    /// Parts of the total.
    pub parts: Vec<Part>,
    /// The veto by which they are two products, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub veto: Option<Part>,
    /// The answer.
    pub verdict: Sameness,
}

/// Compares two titles with their prices and pictures, treating all words as equally rare.
pub fn same(a: &Features, a_offer: Offer<'_>, b: &Features, b_offer: Offer<'_>, policy: &Policy) -> Score {
    let rarity = Rarity::default();
    compare(&Sketch::new(a, &rarity, policy), a_offer, &Sketch::new(b, &rarity, policy), b_offer, policy)
}

/// Features of two titles, in the order of [`super::matcher::names`], treating all words as equally
/// rare.
pub(crate) fn features(a: (&Features, Offer<'_>), b: (&Features, Offer<'_>), policy: &Policy) -> Vec<f64> {
    let rarity = Rarity::default();
    let (left, right) = (Sketch::new(a.0, &rarity, policy), Sketch::new(b.0, &rarity, policy));
    feature::values(&Compared::of((&left, a.1), (&right, b.1), policy, true))
}

/// Lower limit of the probability for outright matches.
const OUTRIGHT: f64 = 0.98;
/// Upper limit of the probability for titles that the policy separates.
const PARTED: f64 = 0.05;

/// Compares two sketches.
pub(crate) fn compare(a: &Sketch, a_offer: Offer<'_>, b: &Sketch, b_offer: Offer<'_>, policy: &Policy) -> Score {
    let compared = Compared::of((a, a_offer), (b, b_offer), policy, false);
    let values = feature::values(&compared);
    let (probability, carried_by) = (compared.judged(&values, policy), policy.matcher.carried_by(&values));
    let Compared { sums, evidence, .. } = compared;
    Score {
        probability,
        carried_by,
        total: if sums.vetoes.is_empty() { sums.total.max(0.0) } else { 0.0 },
        evidence,
        parts: sums.parts,
        veto: sums.vetoes.into_iter().next(),
        verdict: if probability >= policy.same_at { Sameness::Same } else { Sameness::Different },
    }
}

impl Compared<'_> {
    /// The probability that they are one product: 0 if either title is empty, at most `PARTED` if
    /// the policy separates them.
    pub(super) fn probability(&self, policy: &Policy) -> f64 {
        self.judged(&feature::values(self), policy)
    }

    /// As [`Compared::probability`], from feature values.
    fn judged(&self, values: &[f64], policy: &Policy) -> f64 {
        if self.a.is_empty() || self.b.is_empty() {
            return 0.0;
        }
        let probability = policy.matcher.probability(values);
        if self.is_outright() {
            return probability.max(OUTRIGHT);
        }
        if self.is_parted() { probability.min(PARTED) } else { probability }
    }
}
