//! What changes for viewers if one snapshot replaces another: numbers, verdicts, the products that
//! come to the tab `new` and leave it, and the first places of drawn viewers.
//!
//! [`Comparison::of`] is pure: a [`Draw`] names the few taste shards that it looks at, and the
//! caller reads them. Both boards are ranked as the edge ranks them at one moment, without the
//! overlay, the pulse, experiments and contexts.

mod churn;
mod draw;
mod movement;
mod turn;

use std::collections::BTreeMap;

use serde::Serialize;
use sinsang_core::pack::PackId;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::time::UnixMillis;

use crate::summary::{Summary, rfc3339};

pub use churn::{Churn, Distribution, FIRST};
pub use draw::{Draw, MOST_SHARDS, MOST_VIEWERS};
pub use movement::{Cause, Movement};
pub use turn::{Turn, Turns};

/// A snapshot, as it is compared.
#[derive(Debug)]
pub struct Side<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its board.
    pub board: &'a Board,
    /// The shards that the draw names on either side, as far as they can be read.
    pub shards: &'a BTreeMap<PackId, TasteShard>,
}

impl Side<'_> {
    /// The tastes of the viewer with this key, if they are there and fit the board.
    fn taste(&self, key: u64) -> Option<Taste<'_>> {
        let shard = self.shards.get(&self.manifest.shard_of(key)?)?;
        let fits = shard.widths().vocabulary == self.board.vocabulary();
        shard.find(key).filter(|_| fits).map(|record| Taste::cut(record, shard.widths()))
    }
}

/// What differs between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The moment at which both are ranked.
    #[serde(serialize_with = "rfc3339")]
    pub at: UnixMillis,
    /// The numbers of the snapshot that would go live.
    pub next: Summary,
    /// The numbers of the snapshot before it.
    pub before: Summary,
    /// Verdicts of the products on both boards.
    pub turns: Turns,
    /// Products that come to the tab `new`: those whose verdict changed, then by first broadcast.
    pub newcomers: Vec<Movement>,
    /// Products that leave it, in the same order.
    pub leavers: Vec<Movement>,
    /// The first places of drawn viewers.
    pub churn: Churn,
}

impl Comparison {
    /// Compares `next` with `before`, ranked at `at` for the viewers of `draw`.
    pub fn of(next: &Side<'_>, before: &Side<'_>, draw: &Draw, at: UnixMillis) -> Self {
        Self {
            at,
            next: Summary::of(next.manifest, next.board),
            before: Summary::of(before.manifest, before.board),
            turns: Turns::of(next.board, before.board),
            newcomers: movement::newcomers(next.board, before.board),
            leavers: movement::leavers(next.board, before.board),
            churn: Churn::of(next, before, draw, at),
        }
    }
}

#[cfg(test)]
mod tests;
