//! The audiences of a board.

use super::Board;
use crate::audience::{AudienceSet, Traits};

impl Board {
    /// Whether an audience lists keys of viewers.
    pub fn lists_viewers(&self) -> bool {
        self.audiences.list_viewers()
    }

    /// The audiences of a viewer.
    pub fn audiences(&self, traits: &Traits<'_>) -> AudienceSet {
        self.audiences.of(&self.pack, traits, self.mix().second)
    }

    /// The names of some audiences, separated by `, `.
    pub fn audience_names(&self, set: AudienceSet) -> String {
        self.audiences.names(&self.pack, &self.text, set)
    }
}
