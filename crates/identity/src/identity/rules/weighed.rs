//! The weights of one title's words, summed by how the other title matches them.

use super::super::sketch::Unit;
use super::{ASIDE, KIND_ALONE};
use crate::listing::Class;

/// Weights of one title's words, by match.
#[derive(Default)]
pub(super) struct Weighed {
    /// Found in the other title.
    pub(super) agreed: f64,
    /// The names and ingredients among `agreed`.
    pub(super) named: f64,
    /// Not found: names and everything without a field below.
    pub(super) over: f64,
    /// As `over`, by the words' weights against other words.
    pub(super) against: f64,
    /// Not found: unlisted names in Latin letters.
    pub(super) latin_over: f64,
    /// Not found: kinds of thing, which are compared separately.
    pub(super) kind_over: f64,
    /// Not found: brands.
    pub(super) brand_over: f64,
    /// Not found: the unlisted name that begins the title.
    pub(super) head_over: f64,
}

impl Weighed {
    pub(super) fn of(units: &[Unit], shares: &[f64], other: &[Unit]) -> Self {
        let mut weighed = Self::default();
        let kinds_meet = other.iter().any(|unit| unit.class == Class::Kind && !unit.addon);
        // The last kind is the article; an earlier one qualifies it: 김치 손만두.
        let last_kind = units.iter().rposition(|unit| unit.class == Class::Kind && !unit.addon);
        for (index, (unit, &share)) in units.iter().zip(shares).enumerate() {
            weighed.agreed += unit.weight * share;
            if matches!(unit.class, Class::Word | Class::Flavour | Class::Origin | Class::Variant) && !unit.addon {
                weighed.named += unit.weight * share;
            }
            let over = unit.weight * (1.0 - share);
            // The rest of a partly matched word is mostly detail: 농협목우촌 and 목우촌.
            let against = unit.against * (1.0 - share) * if share > 0.0 { 0.5 } else { 1.0 };
            match unit.class {
                Class::Brand => weighed.brand_over += over,
                Class::Kind => {
                    weighed.kind_over += over;
                    if last_kind != Some(index) {
                        weighed.against += against;
                    } else if !kinds_meet {
                        weighed.against += KIND_ALONE * against;
                    }
                }
                _ if unit.latin => weighed.latin_over += over,
                _ if unit.aside && unit.class == Class::Word => {
                    weighed.over += over * ASIDE;
                    weighed.against += against;
                }
                _ => {
                    weighed.over += over;
                    weighed.against += against;
                }
            }
            if index == 0 && unit.class == Class::Word {
                weighed.head_over = over;
            }
        }
        weighed
    }
}
