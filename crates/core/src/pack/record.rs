//! Records that several sections of a board share: text, weights, a mix.

use super::{Damage, Format, Pack, Table, array_at};
use crate::mix::Mix;
use crate::rank::{Weights, default_weights};
use crate::signal::{SurfaceWeights, weighed_in};
use crate::surface_name::Surface;

pub(super) const TEXT: [u8; 4] = *b"TEXT";
/// The size of a mix record in bytes.
pub(super) const MIX_BYTES: usize = 24;

/// The section `tag`, if present.
#[inline(never)]
pub(super) fn optional(pack: &Pack, tag: [u8; 4], stride: usize) -> Result<Option<Table>, Damage> {
    match pack.table(tag, stride) {
        Err(Damage::Missing(_)) => Ok(None),
        table => table.map(Some),
    }
}

/// The size of a surface's weights in a board of `version`, in bytes.
pub(super) fn weights_bytes(version: u16) -> usize {
    weighed_in(version).saturating_mul(4)
}

/// The weights of all surfaces, one record each from `first` on: a board's or a variant's.
pub(super) fn weights_of(pack: &Pack, table: &Table, first: usize) -> Weights {
    Weights::of(|surface| surface_weights(pack, table, first, surface))
}

#[inline(never)]
fn surface_weights(pack: &Pack, table: &Table, first: usize, surface: Surface) -> SurfaceWeights {
    let defaults = default_weights(surface);
    if surface.since() > pack.version() {
        return defaults;
    }
    let record = pack.record(table, first.saturating_add(usize::from(surface as u8)));
    // In an older version, a longer record holds something else at its end.
    let (defaults, held) = (defaults.fields(), weighed_in(pack.version()));
    SurfaceWeights::from_fields(std::array::from_fn(|field| match defaults.get(field) {
        Some(default) if field >= held => *default,
        _ => i32::from_le_bytes(array_at(record, field.saturating_mul(4))),
    }))
}

/// Encodes the weights of all surfaces as records.
pub(super) fn weights(weights: &Weights, format: Format) -> Vec<u8> {
    let held = weighed_in(format.version());
    let mut bytes = Vec::new();
    for (surface, weights) in weights.each() {
        let (fields, defaults) = (weights.fields(), default_weights(surface).fields());
        let held = if surface.since() <= format.version() { held } else { 0 };
        assert_eq!(fields.get(held..), defaults.get(held..), "format {} has weights of its own here", format.version());
        bytes.extend(fields.into_iter().take(held).flat_map(i32::to_le_bytes));
    }
    bytes
}

/// Decodes a `MIXT` record.
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

/// Encodes a mix as a `MIXT` record.
pub(super) fn record_of(mix: &Mix) -> Vec<u8> {
    let Mix { window, category, brand, channel, similarity, explore_every, explore_below, .. } = *mix;
    let Mix { memory, stay, tab_margin, second, near, .. } = *mix;
    let mut record = vec![window, category, brand, channel, explore_every, explore_below, second, near];
    record.extend([similarity, memory, stay, tab_margin].iter().flat_map(|number| number.to_le_bytes()));
    record
}
