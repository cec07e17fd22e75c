//! What a board knows of its products beyond the window.

use super::{Board, CHANNEL_BYTES, Product};
use crate::pack::Span;
use crate::pack::background::{Lowest, Past};

impl Board {
    /// The index of the product with this id, or of the one that has its listing: a product's id is
    /// that of its first listing, and products become one.
    pub fn find_known(&self, id: u64) -> Option<usize> {
        self.find_product(id).or_else(|| self.background.find(&self.pack, id))
    }

    /// The JSON object of the channel at `index`; empty on a board of an earlier pipeline.
    pub fn channel_json(&self, index: usize) -> &[u8] {
        self.json(Span::at(self.pack.record(&self.channels, index), CHANNEL_BYTES))
    }
}

impl Product<'_> {
    /// Its broadcasts before the window that are kept, the latest first, and how many there were.
    pub fn past(&self) -> (Vec<Past>, u32) {
        self.board.background.past(&self.board.pack, self.index)
    }

    /// Its lowest price until the build.
    pub fn lowest(&self) -> Option<Lowest> {
        self.board.background.lowest(&self.board.pack, self.index)
    }

    /// The indexes of products like it, the most alike first.
    pub fn near(&self) -> Vec<usize> {
        self.board.background.near(&self.board.pack, self.index)
    }
}
