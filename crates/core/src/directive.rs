//! Temporary orders of operators for a surface: to pin, boost, bury or hide certain products, for
//! all viewers or a share of them.

use crate::audience::AudienceSet;
use crate::experiment::HeldBack;
use crate::scatter::scatter;
use crate::surface_name::Surface;
use crate::time::UnixMillis;

/// The effect of a directive on a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Adds points to its score; negative points lower it.
    Weigh(i32),
    /// Pins it to a place, counted from 0, whatever its score.
    Pin(u16),
    /// Leaves it out.
    Hide,
}

/// The most directives of a rules file, and of an overlay: each is looked at for every candidate of
/// a list.
pub const MOST_DIRECTIVES: usize = 64;
/// The points of a boost or a burial that names none: about one standard deviation of a well-known
/// viewer's tastes.
pub const DEFAULT_POINTS: i32 = 30_000;
/// The denominator of shares of viewers.
pub const WHOLE: u16 = 10_000;

/// A directive of a board.
#[derive(Clone, Copy, Debug)]
pub struct Directive<'a> {
    /// Its name, shown in explanations.
    pub name: &'a str,
    /// Its effect on its products.
    pub deed: Deed,
    /// The surfaces that it applies to, as bits of [`Surface::bit`].
    pub surfaces: u8,
    /// The share of viewers that it applies to, in units of 1/[`WHOLE`].
    pub share: u16,
    /// The audiences that it is for; everybody if none.
    pub audiences: AudienceSet,
    /// When it begins, inclusive.
    pub from: UnixMillis,
    /// When it ends, exclusive.
    pub until: UnixMillis,
    /// The board indexes of its products, as little-endian u32, ascending.
    pub products: &'a [u8],
}

impl Directive<'_> {
    /// Whether `viewer` is in its share; `index` is its own among the board's directives.
    pub fn draws(&self, index: usize, viewer: u64) -> bool {
        let drawn = scatter(viewer, u64::try_from(index).unwrap_or(0)).checked_rem(WHOLE.into()).unwrap_or(0);
        drawn < u64::from(self.share)
    }

    /// Whether it applies to the product at `index` of the board.
    pub fn is_about(&self, index: usize) -> bool {
        let Ok(index) = u32::try_from(index) else { return false };
        let indexes = self.products.as_chunks().0;
        indexes.binary_search_by(|bytes| u32::from_le_bytes(*bytes).cmp(&index)).is_ok()
    }
}

/// The combined effect of all directives on a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Points added to its score.
    pub points: i64,
    /// The place it is pinned to, from 0.
    pub place: Option<usize>,
    /// Whether it is left out.
    pub is_hidden: bool,
}

/// The directives in force for a viewer on a surface at a given time.
#[derive(Clone, Debug, Default)]
pub struct Directives<'a>(Vec<Directive<'a>>);

impl<'a> Directives<'a> {
    /// Selects from `all` directives of a board those in force on `surface` at `at` for `viewer`,
    /// who is in `audiences` and goes without those that are `held_back`. Viewers without tastes of
    /// their own all count as viewer 0.
    pub fn holding(
        all: impl Iterator<Item = Directive<'a>>,
        surface: Surface,
        at: UnixMillis,
        viewer: u64,
        (audiences, held_back): (AudienceSet, HeldBack),
    ) -> Self {
        let holds = |(index, directive): &(usize, Directive<'_>)| {
            directive.surfaces & surface.bit() != 0
                && directive.from <= at
                && at < directive.until
                && directive.audiences.is_for(audiences)
                && directive.draws(*index, viewer)
                && !held_back.directive(*index)
        };
        Self(all.enumerate().filter(holds).map(|(_, directive)| directive).collect())
    }

    /// Whether no directive is in force.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their combined effect on the product at `index` of the board. If several pin it, the first
    /// place counts.
    pub fn effect(&self, index: usize) -> Effect {
        let mut effect = Effect::default();
        for directive in self.about(index) {
            match directive.deed {
                Deed::Weigh(points) => effect.points = effect.points.saturating_add(points.into()),
                Deed::Pin(place) => effect.place = effect.place.or(Some(place.into())),
                Deed::Hide => effect.is_hidden = true,
            }
        }
        effect
    }

    /// The directives that apply to the product at `index` of the board.
    pub fn about(&self, index: usize) -> impl Iterator<Item = &Directive<'a>> {
        self.0.iter().filter(move |directive| directive.is_about(index))
    }
}
