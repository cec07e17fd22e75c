//! How likely two titles are one product, and why: what the rules find, what the matcher makes of it, and what the policy parts.

use serde::Serialize;

use super::align::{Alignment, align};
use super::matcher::Carried;
use super::rules::{self, Sums};
use super::sketch::{Rarity, Sketch};
use super::{Policy, appliance, feature};
use crate::listing::{Domain, Features};

/// The answer for two titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sameness {
    /// One product.
    Same,
    /// Two products.
    Different,
}

/// One part of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// What was compared.
    pub name: &'static str,
    /// What it added to the score, or took from it.
    pub value: f64,
    /// The words or values concerned, for a person to read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// How alike two titles are, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The probability that they are one product.
    pub probability: f64,
    /// What carries it in the matcher's eyes. Where the policy parts the two, the veto carries it alone.
    pub carried_by: Vec<Carried>,
    /// What the rules make of it: from 0 to 1 and a little above; 0 where something decides against.
    pub total: f64,
    /// Weight of what agrees.
    pub evidence: f64,
    /// What the total is made of.
    pub parts: Vec<Part>,
    /// What decides that they are two products, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub veto: Option<Part>,
    /// The answer.
    pub verdict: Sameness,
}

/// What is known of an offer beside its title.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// Price in won.
    pub price: Option<u32>,
    /// Address of its picture.
    pub image: Option<&'a str>,
    /// The shop; empty where it is not known.
    pub shop: &'a str,
    /// The schedule's own category.
    pub category: Option<&'a str>,
}

/// Compares two titles with their prices and pictures, every word taken for equally rare.
pub fn same(a: &Features, a_offer: Offer<'_>, b: &Features, b_offer: Offer<'_>, policy: &Policy) -> Score {
    let rarity = Rarity::default();
    compare(&Sketch::new(a, &rarity, policy), a_offer, &Sketch::new(b, &rarity, policy), b_offer, policy)
}

/// The features of two titles, in the order of [`super::matcher::names`], every word taken for equally rare.
pub(crate) fn features(a: (&Features, Offer<'_>), b: (&Features, Offer<'_>), policy: &Policy) -> Vec<f64> {
    let rarity = Rarity::default();
    let (left, right) = (Sketch::new(a.0, &rarity, policy), Sketch::new(b.0, &rarity, policy));
    feature::values(&Compared::of((&left, a.1), (&right, b.1), policy, true))
}

/// The least likely that two titles are one product that are so outright.
const OUTRIGHT: f64 = 0.98;
/// The most likely that two titles are one product which the policy parts.
const PARTED: f64 = 0.05;

/// Compares two weighed titles.
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

/// Two titles with what the rules found in them.
pub(super) struct Compared<'a> {
    pub(super) a: &'a Sketch,
    pub(super) b: &'a Sketch,
    pub(super) offers: (Offer<'a>, Offer<'a>),
    pub(super) found: Alignment,
    pub(super) sums: Sums,
    /// Weight of what agrees.
    pub(super) evidence: f64,
    pub(super) domain: Option<Domain>,
}

impl<'a> Compared<'a> {
    /// Compares them; `quiet` leaves out what is only for a person to read.
    pub(super) fn of(
        (a, a_offer): (&'a Sketch, Offer<'a>),
        (b, b_offer): (&'a Sketch, Offer<'a>),
        policy: &Policy,
        quiet: bool,
    ) -> Self {
        let mut sums = Sums::new(quiet);
        let domain = match (a.domain, b.domain) {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => a.or(b),
        };
        let found = align(a, b, &policy.words);
        let evidence = rules::weigh((a, a_offer), (b, b_offer), &found, domain, policy, &mut sums);
        Self { a, b, offers: (a_offer, b_offer), found, sums, evidence, domain }
    }

    /// The probability that they are one product; 0 where one of them says nothing, next to it where the policy parts them.
    pub(super) fn probability(&self, policy: &Policy) -> f64 {
        self.judged(&feature::values(self), policy)
    }

    /// As [`Compared::probability`], of their features.
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

    /// Whether they are one product whatever other titles say: nothing decides against, and they say the same in the same words, or name
    /// one appliance code.
    pub(super) fn is_outright(&self) -> bool {
        let (a, b) = (self.a, self.b);
        let copies = !a.key.is_empty() && a.says_the_same(b) && self.sums.total >= rules::EQUAL - f64::EPSILON;
        self.sums.vetoes.is_empty() && (copies || appliance::agree(a, b))
    }

    /// Whether the policy parts them. Of some 450 such pairs of real schedules one was one product. Models are misread too often to decide, but
    /// for whole codes of appliances.
    fn is_parted(&self) -> bool {
        self.sums.is_parted() || appliance::same_code(self.a, self.b) == Some(false)
    }
}
