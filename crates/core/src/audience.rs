//! Audiences: the groups of viewers that operators' directives and experiments may be for, told
//! from what a request says of itself and from tastes. Nothing is stored for them.

use crate::context::Context;
use crate::viewer::UserKey;

/// The most audiences of a board: each is a bit of an [`AudienceSet`], whose last one is nobody's.
pub const MOST_AUDIENCES: usize = 31;
/// The most keys that the audiences of a board name in all: an isolate holds them, 8 bytes each.
pub const MOST_KEYS: usize = 50_000;
/// How many categories a viewer counts among: those that their tastes lean to most.
pub const STRONGEST: usize = 3;

/// Some of a board's audiences: a bit for each, by its index on the board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudienceSet(pub u32);

impl AudienceSet {
    /// A set that no viewer is in: of something whose audiences all are missing.
    pub const NOBODY: Self = Self(1 << MOST_AUDIENCES);

    /// Whether something that is for these audiences, or for everybody if there are none, is for a
    /// viewer who is in those of `viewer`.
    pub fn is_for(self, viewer: Self) -> bool {
        self.0 == 0 || self.0 & viewer.0 != 0
    }

    /// Whether the audience at `index` is among them.
    pub fn has(self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.0.checked_shr(index).unwrap_or(0) & 1 == 1)
    }

    /// Adds the audience at `index`.
    pub fn add(&mut self, index: usize) {
        self.0 |= u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0);
    }
}

/// What tells the audiences of a viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits<'a> {
    /// The province and the class of device.
    pub context: Context,
    /// The key of the user, or of the device without a token.
    pub key: Option<UserKey>,
    /// The vector of the viewer's own tastes, if they are known.
    pub vector: Option<&'a [u8]>,
    /// Whether it is certain that there are no tastes of the viewer; neither this nor a vector if
    /// they could not be read.
    pub is_newcomer: bool,
}
