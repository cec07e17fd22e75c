//! Experiments on a generated board.

use sinsang_core::experiment::{HeldBack, WHOLE};
use sinsang_core::pack::Format;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::experiment::{ExperimentPart, VariantPart};
use sinsang_core::time::{HOUR_MS, UnixMillis};

use super::board::{Published, Shape, parts, publish, widths};

/// The smallest board with two layers, for the golden files.
pub(crate) const TINY: Shape =
    Shape { seed: 13, channels: 4, products: 12, hours: 6, tabs: 4, users: 6, shard_bits: 1 };

/// Two experiments of different layers: one that always runs with about half of all viewers, and
/// one that runs for a while with most of them.
pub(crate) fn experiments(parts: &BoardParts) -> Vec<ExperimentPart> {
    let variant = |id: &str, below: u32| VariantPart {
        id: id.to_owned(),
        below,
        weights: parts.weights,
        mix: parts.mix.mix,
        held_back: HeldBack::default(),
    };
    let mut soon = variant("soon", WHOLE);
    soon.weights.new.soon = 4_000;
    let mut turned = variant("turned", WHOLE);
    turned.weights.live.popularity = -9_000;
    turned.weights.tabs.position = -9_000;
    turned.mix.explore_every = 2;
    turned.mix.explore_below = 200;
    let experiment = |id: &str, layer: &str, traffic: (u32, u32), variants: Vec<VariantPart>| ExperimentPart {
        id: id.to_owned(),
        layer: layer.to_owned(),
        rule: None,
        salt: id.to_owned(),
        traffic,
        audiences: Vec::new(),
        from: UnixMillis::from_seconds(0),
        until: UnixMillis::from_seconds(u32::MAX),
        holdout: 50_000,
        variants,
    };
    let first = experiment("soon-first", "order", (0, 550_000), vec![variant("control", 500_000), soon]);
    let second = experiment("turned", "mixing", (100_000, WHOLE), vec![variant("control", 300_000), turned]);
    let (from, until) = (parts.built_at.plus(HOUR_MS), parts.built_at.plus(3 * HOUR_MS));
    vec![first, ExperimentPart { from, until, ..second }]
}

/// The parts of a board of `shape` with [`experiments`].
pub(crate) fn tried(shape: &Shape) -> BoardParts {
    let mut parts = parts(shape);
    parts.mix.experiments = experiments(&parts);
    parts
}

/// `parts` in the second format: a different pulse weight on each surface, and in the last variant
/// of each experiment.
pub(crate) fn in_the_second_format(mut parts: BoardParts) -> BoardParts {
    parts.format = Format::Two;
    (parts.weights.new.pulse, parts.weights.live.pulse) = (120, -7);
    for experiment in &mut parts.mix.experiments {
        for variant in &mut experiment.variants {
            (variant.weights.new.pulse, variant.weights.live.pulse) = (120, -7);
        }
        if let Some(last) = experiment.variants.last_mut() {
            if experiment.id == "turned" { last.weights.live.pulse = 40 } else { last.weights.new.pulse = 2_000 }
        }
    }
    parts
}

/// A snapshot of [`tried`].
pub(crate) fn published_tried(shape: &Shape) -> Published {
    published_of(&tried(shape), shape)
}

/// A snapshot of `parts`, of the size `shape`, without predecessors.
pub(crate) fn published_of(parts: &BoardParts, shape: &Shape) -> Published {
    publish(parts, shape, &widths(parts), Vec::new())
}
