//! Records that several sections of a board have: text, weights, a mix.

use super::{Damage, Format, Pack, Table, array_at};
use crate::mix::Mix;
use crate::rank::{PULSE_WEIGHTS, Weights};
use crate::signal::{SurfaceWeights, WEIGHED};

pub(super) const TEXT: [u8; 4] = *b"TEXT";
/// Bytes of a mix.
pub(super) const MIX_BYTES: usize = 24;
/// Of the newest version; see [`weights_bytes`].
const WEIGHTS_BYTES: usize = 4 * WEIGHED;

/// The section `tag`, where there is one.
pub(super) fn optional(pack: &Pack, tag: [u8; 4], stride: usize) -> Result<Option<Table>, Damage> {
    match pack.table(tag, stride) {
        Err(Damage::Missing(_)) => Ok(None),
        table => table.map(Some),
    }
}

/// Bytes of a surface's weights in a board of `version`: the first one does without what the pulse weighs.
pub(super) fn weights_bytes(version: u16) -> usize {
    if version < 2 { WEIGHTS_BYTES.saturating_sub(4) } else { WEIGHTS_BYTES }
}

/// The weights of the surfaces, which are three records from `first` on: those of the board, or of a variant.
pub(super) fn weights_of(pack: &Pack, table: &Table, first: usize) -> Weights {
    let row = |surface: usize, pulse: i32| {
        let record = pack.record(table, first.saturating_add(surface));
        let mut fields: [i32; WEIGHED] =
            std::array::from_fn(|field| i32::from_le_bytes(array_at(record, field.saturating_mul(4))));
        if pack.version() < 2 {
            // A longer record of that version says something else there.
            let [.., last] = &mut fields;
            *last = pulse;
        }
        SurfaceWeights::from_fields(fields)
    };
    let [new, live, tabs] = PULSE_WEIGHTS;
    Weights { new: row(0, new), live: row(1, live), tabs: row(2, tabs) }
}

/// The records of the weights of the surfaces.
pub(super) fn weights(weights: &Weights, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (weights, pulse) in [weights.new, weights.live, weights.tabs].iter().zip(PULSE_WEIGHTS) {
        assert!(
            format > Format::One || weights.pulse == pulse,
            "the first format has a weight of the pulse of its own"
        );
        let fields = weights.fields().into_iter().flat_map(i32::to_le_bytes);
        bytes.extend(fields.take(weights_bytes(format.version())));
    }
    bytes
}

/// The mix, as `MIXT` has it.
pub(super) fn mix_of(record: &[u8]) -> Mix {
    let byte = |at: usize| record.get(at).copied().unwrap_or(0);
    let number = |at: usize| i32::from_le_bytes(array_at(record, at));
    Mix {
        window: byte(0),
        category: byte(1),
        brand: byte(2),
        channel: byte(3),
        explore_every: byte(4),
        explore_below: byte(5),
        similarity: number(8),
        memory: number(12),
        stay: number(16),
        tab_margin: number(20),
        second: byte(6),
        near: byte(7),
    }
}

/// The record of `MIXT` for a mix.
pub(super) fn record_of(mix: &Mix) -> Vec<u8> {
    let Mix { window, category, brand, channel, similarity, explore_every, explore_below, .. } = *mix;
    let Mix { memory, stay, tab_margin, second, near, .. } = *mix;
    let mut record = vec![window, category, brand, channel, explore_every, explore_below, second, near];
    record.extend([similarity, memory, stay, tab_margin].iter().flat_map(|number| number.to_le_bytes()));
    record
}
