//! A pair of titles with the rules' findings.

use super::align::{Alignment, align};
use super::offer::Offer;
use super::rules::{self, Sums};
use super::sketch::Sketch;
use super::{Policy, appliance};
use crate::listing::Domain;

/// Two titles with the rules' findings.
pub(super) struct Compared<'a> {
    pub(super) a: &'a Sketch,
    pub(super) b: &'a Sketch,
    pub(super) offers: (Offer<'a>, Offer<'a>),
    pub(super) found: Alignment,
    pub(super) sums: Sums,
    /// Weight of the agreeing words.
    pub(super) evidence: f64,
    pub(super) domain: Option<Domain>,
}

impl<'a> Compared<'a> {
    /// Compares them; `quiet` omits the notes for people.
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

    /// Whether they are one product whatever other titles say: there is no veto, and they have
    /// equal words or share a whole appliance code.
    pub(super) fn is_outright(&self) -> bool {
        let (a, b) = (self.a, self.b);
        let copies = !a.key.is_empty() && a.says_the_same(b) && self.sums.total >= rules::EQUAL - f64::EPSILON;
        self.sums.vetoes.is_empty() && (copies || appliance::agree(a, b))
    }

    /// Whether the policy separates them. Among some 450 such pairs of real schedules, one was one
    /// product. Models are misread too often to decide, except whole codes of appliances.
    pub(super) fn is_parted(&self) -> bool {
        self.sums.is_parted() || appliance::same_code(self.a, self.b) == Some(false)
    }
}
