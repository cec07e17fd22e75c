//! What operators ask of a surface for a while: to pin, boost, bury or hide certain products, for all viewers or a share of them.

use crate::scatter::scatter;
use crate::surface_name::Surface;
use crate::time::UnixMillis;

/// What is done with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Its score gains points, or loses them where there are fewer than 0.
    Weigh(i32),
    /// It keeps a place, from 0, whatever it scores.
    Pin(u16),
    /// It is left out.
    Hide,
}

/// Shares are in parts of this.
pub const WHOLE: u16 = 10_000;

/// A directive of a board.
#[derive(Clone, Copy, Debug)]
pub struct Directive<'a> {
    /// Its name, for explanations.
    pub name: &'a str,
    /// What is done.
    pub deed: Deed,
    /// Bits of the surfaces that it is for.
    pub surfaces: u8,
    /// The share of viewers, in [`WHOLE`]s.
    pub share: u16,
    /// When it begins.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// Indexes of its products as u32, ascending.
    pub products: &'a [u8],
}

impl Directive<'_> {
    /// Whether it is about the product at `index` of the board.
    pub fn is_about(&self, index: usize) -> bool {
        let Ok(index) = u32::try_from(index) else { return false };
        let indexes = self.products.as_chunks().0;
        indexes.binary_search_by(|bytes| u32::from_le_bytes(*bytes).cmp(&index)).is_ok()
    }
}

/// What all directives together do with a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Points for its score.
    pub points: i64,
    /// The place it keeps.
    pub place: Option<usize>,
    /// Whether it is left out.
    pub is_hidden: bool,
}

/// The directives that hold for a viewer on a surface at a time.
#[derive(Clone, Debug, Default)]
pub struct Directives<'a>(Vec<Directive<'a>>);

impl<'a> Directives<'a> {
    /// Those of `all`, a board's, that hold on `surface` at `at` for `viewer`: everybody without tastes of their own is one viewer, 0.
    pub fn holding(all: impl Iterator<Item = Directive<'a>>, surface: Surface, at: UnixMillis, viewer: u64) -> Self {
        let holds = |(index, directive): &(usize, Directive<'_>)| {
            let drawn = scatter(viewer, u64::try_from(*index).unwrap_or(0)).checked_rem(WHOLE.into()).unwrap_or(0);
            directive.surfaces & surface.bit() != 0
                && directive.from <= at
                && at < directive.until
                && drawn < u64::from(directive.share)
        };
        Self(all.enumerate().filter(holds).map(|(_, directive)| directive).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they do with the product at `index` of the board. Of several places the first given counts.
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

    /// Those about the product at `index` of the board.
    pub fn about(&self, index: usize) -> impl Iterator<Item = &Directive<'a>> {
        self.0.iter().filter(move |directive| directive.is_about(index))
    }
}
