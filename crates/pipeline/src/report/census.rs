//! Counts of a board's products by shop: verdicts, reasons of unknown ones, and claims of being
//! new.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::verdict::Verdict;

use super::claim::claim;

/// Number of products by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerdictCounts {
    /// Products whose first broadcast is ahead or on air.
    pub new: usize,
    /// Products with an earlier broadcast.
    pub repeat: usize,
    /// Products for which the history does not suffice.
    pub unknown: usize,
}

impl VerdictCounts {
    /// The count of one verdict.
    pub fn of(&mut self, kind: VerdictKind) -> &mut usize {
        match kind {
            VerdictKind::New => &mut self.new,
            VerdictKind::Repeat => &mut self.repeat,
            VerdictKind::Unknown => &mut self.unknown,
        }
    }
}

/// Number of one shop's products, by verdict and claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shop {
    /// New products.
    pub new: usize,
    /// Repeats.
    pub repeat: usize,
    /// Products for which the history does not suffice.
    pub unknown: usize,
    /// Products whose title claims to be new.
    pub claims: usize,
    /// Repeats among the claims.
    pub claims_aired: usize,
    /// Unknown products among the claims.
    pub claims_unknown: usize,
}

/// Counts of a board's products, as of its build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Products by verdict.
    pub verdicts: VerdictCounts,
    /// Unknown products, by reason.
    pub unknown: BTreeMap<&'static str, usize>,
    /// Products by shop; a product of several shops counts for each.
    pub shops: BTreeMap<String, Shop>,
}

impl Census {
    /// Counts a product shown under `title`, with listings of `shops`.
    pub fn count<'a>(&mut self, title: &str, shops: impl Iterator<Item = &'a str>, verdict: &Verdict) {
        *self.verdicts.of(verdict.kind) += 1;
        if verdict.kind == VerdictKind::Unknown {
            *self.unknown.entry(verdict.evidence.reason.as_str()).or_default() += 1;
        }
        let claims = usize::from(claim(title).is_some());
        for shop in shops.collect::<BTreeSet<_>>() {
            let shop = self.shops.entry(shop.to_owned()).or_default();
            shop.claims += claims;
            match verdict.kind {
                VerdictKind::New => shop.new += 1,
                VerdictKind::Repeat => (shop.repeat, shop.claims_aired) = (shop.repeat + 1, shop.claims_aired + claims),
                VerdictKind::Unknown => {
                    (shop.unknown, shop.claims_unknown) = (shop.unknown + 1, shop.claims_unknown + claims);
                }
            }
        }
    }
}
