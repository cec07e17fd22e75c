//! The audiences and contexts of a board.

use super::Board;
use crate::audience::{AudienceSet, Traits};
use crate::context::Context;
use crate::pack::taste::Taste;
use crate::time::UnixMillis;

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

    /// Whether the order for viewers without tastes depends on their context.
    pub fn has_contexts(&self) -> bool {
        self.contexts.is_there()
    }

    /// Whether a request's province and device class make a difference, beyond its time.
    pub fn tells_contexts_apart(&self) -> bool {
        self.contexts.differ() || self.audiences.tell_contexts_apart()
    }

    /// The preferences of viewers who come in `context` at `at`, as bytes for
    /// [`Self::context_taste`]; `None` if nothing is known of them.
    pub fn leaning(&self, context: Context, at: UnixMillis) -> Option<Vec<u8>> {
        self.contexts.leaning(&self.pack, context, at)
    }

    /// Interprets a [`Self::leaning`] as tastes.
    pub fn context_taste<'a>(&self, leaning: &'a [u8]) -> Taste<'a> {
        self.contexts.taste(leaning)
    }
}
