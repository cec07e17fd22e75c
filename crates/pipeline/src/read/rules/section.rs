//! Sections of the rules file, with their defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sinsang_core::mix::Mix;
use sinsang_core::rank::{Weights, pulse_weight};
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::surface_name::{PerSurface, Surface};
use sinsang_identity::verdict::Thresholds;

use super::directive::On;

/// The weights by surface, each from -1,000,000 to 1,000,000; `docs/ranking.md` defines the
/// signals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "PerSurface<Option<SurfaceWeights>>")]
pub struct Ranking(pub Weights);

impl Default for Ranking {
    fn default() -> Self {
        Self(Weights::of(|surface| {
            let none = SurfaceWeights { pulse: pulse_weight(surface), ..SurfaceWeights::default() };
            match surface {
                Surface::New => {
                    SurfaceWeights { taste: 800, channel: 12, hour: 12, soon: 24, on_air: 4, popularity: 10, ..none }
                }
                Surface::Live => SurfaceWeights { taste: 800, channel: 24, popularity: 30, ..none },
                Surface::Tabs => SurfaceWeights { taste: 100, position: 100, ..none },
            }
        }))
    }
}

impl From<PerSurface<Option<SurfaceWeights>>> for Ranking {
    /// Surfaces without weights keep the defaults.
    fn from(given: PerSurface<Option<SurfaceWeights>>) -> Self {
        let Self(defaults) = Self::default();
        Self(Weights::of(|surface| given.get(surface).unwrap_or(*defaults.get(surface))))
    }
}

/// How lists are mixed beyond scores; `docs/ranking.md` defines each rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixRules {
    /// Consecutive places to which caps and floors apply.
    pub window: u8,
    /// Most of one category in a window; 0 for no cap.
    pub category: u8,
    /// Most of one brand in a window.
    pub brand: u8,
    /// Most of one channel in a window.
    pub channel: u8,
    /// The weight of similarity to the preceding places.
    pub similarity: i32,
    /// One place in this many is for rarely shown products; 0 for none.
    pub explore_every: u8,
    /// Impressions below which a product counts as rarely shown.
    pub explore_below: u8,
    /// The weight of the short memory.
    pub memory: i32,
    /// Points for each second on air, on the live order.
    pub stay: i32,
    /// Points by which a tab must be better to overtake another.
    pub tab_margin: i32,
    /// The weight of products that go with a viewer's actions, on the live order; at most 254.
    pub near: u8,
}

impl Default for MixRules {
    fn default() -> Self {
        Self {
            window: 10,
            category: 8,
            brand: 5,
            channel: 8,
            similarity: 1,
            explore_every: 20,
            explore_below: 100,
            memory: 16,
            stay: 1,
            tab_margin: 2_000,
            near: 120,
        }
    }
}

impl MixRules {
    /// The mix in the edge's type.
    pub fn mix(self) -> Mix {
        let Self { window, category, brand, channel, similarity, .. } = self;
        let Self { explore_every, explore_below, memory, stay, tab_margin, near, .. } = self;
        Mix {
            window,
            category,
            brand,
            channel,
            similarity,
            explore_every,
            explore_below,
            memory,
            stay,
            tab_margin,
            near: near.saturating_add(1),
            second: 0,
        }
    }
}

/// The AI lab's files, relative to the folder of the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabRules {
    /// Vectors of users: `user_id`, `vector`.
    pub users: Option<PathBuf>,
    /// Vectors of products: `product_id`, `vector`.
    pub products: Option<PathBuf>,
    /// Ready lists for the new-product tab: `user_id`, `products`.
    pub lists: Option<PathBuf>,
    /// Surfaces on which the lab's vectors are used; the others use ours.
    pub on: Vec<On>,
    /// Most products kept of a list, 1 to 31; each takes 3 bytes a user.
    pub listed: usize,
}

impl Default for LabRules {
    fn default() -> Self {
        Self { users: None, products: None, lists: None, on: Surface::of_products().map(On).collect(), listed: 9 }
    }
}

/// The contents of the new-product tab.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewTab {
    /// Whether to show products of unknown verdict too, marked with that verdict.
    pub show_unknown: bool,
    /// A product is new if the probability that it has aired as a similar listing is below this,
    /// from 0 to 1.
    pub new_below: f64,
    /// From this probability on it is a repeat; in between it is unknown.
    pub repeat_from: f64,
}

impl Default for NewTab {
    fn default() -> Self {
        let Thresholds { new_below, repeat_from } = Thresholds::default();
        Self { show_unknown: false, new_below, repeat_from }
    }
}

/// What operators' overlay does on a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayRules {
    /// The surfaces on which what is sold out stands behind the rest; on others it is marked alone.
    pub sold_out_last: Vec<On>,
}

impl Default for OverlayRules {
    fn default() -> Self {
        Self { sold_out_last: Surface::of_products().map(On).collect() }
    }
}

impl OverlayRules {
    /// The surfaces, as bits, on which what is sold out keeps its place.
    pub(super) fn sold_out_stays(&self) -> u8 {
        let stays = Surface::of_products().filter(|surface| !self.sold_out_last.contains(&On(*surface)));
        stays.fold(0, |bits, surface| bits | surface.bit())
    }
}

/// The time window of a board, around the time of the build.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// Hours of past slots, for previews of the past.
    pub back_hours: u32,
    /// Days of upcoming slots.
    pub ahead_days: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { back_hours: 24, ahead_days: 8 }
    }
}

/// How tastes are learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TasteRules {
    /// Days after which an event weighs half: the half-life.
    pub half_life_days: f64,
    /// Whether viewers without tastes are ranked by the part of the week, province and device
    /// class.
    pub by_context: bool,
    /// Users with more events than this, besides impressions, are set aside as bots.
    pub max_events_per_user: u64,
    /// Days for which a stored model is reused before the next training; 0 for none.
    pub train_every_days: u32,
    /// Memory that training may take, in MiB: it decides how many products are learned from what
    /// users did, and how many of them others are predicted from.
    pub memory_mb: u32,
    /// Whether shares, penalty and half-life are chosen by the last weeks' events when a model is
    /// trained that is kept.
    pub tune: bool,
    /// Most bytes of users in one shard; shards are halved until the average fits.
    pub shard_bytes: u32,
}

impl Default for TasteRules {
    fn default() -> Self {
        Self {
            half_life_days: 30.0,
            by_context: true,
            max_events_per_user: 10_000,
            train_every_days: 7,
            memory_mb: 1_024,
            tune: true,
            shard_bytes: 32 * 1024,
        }
    }
}
