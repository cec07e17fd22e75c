//! What of a board is about experiments: which there are, their variants, and what each variant is ranked and mixed by.
//!
//! All of it may be missing; then everybody is shown the same.

use serde::Serialize;

use super::record::{self, MIX_BYTES, TEXT, mix_of, optional, record_of, weights_bytes, weights_of};
use super::{Damage, Format, Pack, Span, Writer, to_usize, u32_at, u64_at};
use crate::experiment::{
    Experiment, Experiments, MOST_EXPERIMENTS, MOST_VARIANTS, Purpose, Variant, WHOLE, is_id, salt,
};
use crate::mix::Mix;
use crate::rank::Weights;
use crate::time::UnixMillis;

const EXPERIMENTS: [u8; 4] = *b"EXPR";
const EXPERIMENT_BYTES: usize = 56;
const VARIANTS: [u8; 4] = *b"EXPV";
const VARIANT_BYTES: usize = 16;
const WEIGHTS: [u8; 4] = *b"EXPW";
/// Records of weights for a variant: one a surface, as `RULE` has them.
const SURFACES: usize = 3;
const MIXES: [u8; 4] = *b"EXPM";

/// Reads the sections of a board, and checks all that they refer to.
pub(super) fn parse(pack: &Pack) -> Result<Experiments, Damage> {
    let Some(experiments) = optional(pack, EXPERIMENTS, EXPERIMENT_BYTES)? else { return Ok(Experiments::default()) };
    let variants = pack.table(VARIANTS, VARIANT_BYTES)?;
    let weights = pack.table(WEIGHTS, weights_bytes(pack.version()))?;
    let mixes = pack.table(MIXES, MIX_BYTES)?;
    let text = pack.table(TEXT, 1)?;
    let ensure = |fits: bool, tag: [u8; 4]| if fits { Ok(()) } else { Err(Damage::Inconsistent(tag)) };
    ensure(experiments.count <= MOST_EXPERIMENTS, EXPERIMENTS)?;
    ensure(variants.count <= MOST_EXPERIMENTS.saturating_mul(MOST_VARIANTS), VARIANTS)?;
    ensure(weights.count == variants.count.saturating_mul(SURFACES), WEIGHTS)?;
    ensure(mixes.count == variants.count, MIXES)?;
    let id = |record: &[u8], tag: [u8; 4]| {
        let id = pack.span(&text, Span::at(record, 0)).and_then(|id| std::str::from_utf8(id).ok());
        id.filter(|id| is_id(id)).map(str::to_owned).ok_or(Damage::Inconsistent(tag))
    };
    let mut list = Vec::with_capacity(experiments.count);
    for index in 0..experiments.count {
        let record = pack.record(&experiments, index);
        let (first, count) = (to_usize(u32_at(record, 40)), to_usize(u32_at(record, 44)));
        ensure((1..=MOST_VARIANTS).contains(&count), EXPERIMENTS)?;
        ensure(first.checked_add(count).is_some_and(|end| end <= variants.count), EXPERIMENTS)?;
        let mut experiment = Experiment {
            id: id(record, EXPERIMENTS)?,
            layer: u64_at(record, 8),
            salt: u64_at(record, 16),
            traffic: (u32_at(record, 24), u32_at(record, 28)),
            from: UnixMillis::from_seconds(u32_at(record, 32)),
            until: UnixMillis::from_seconds(u32_at(record, 36)),
            holdout: u32_at(record, 48),
            variants: Vec::with_capacity(count),
        };
        for index in first..first.saturating_add(count) {
            let record = pack.record(&variants, index);
            experiment.variants.push(Variant {
                id: id(record, VARIANTS)?,
                below: u32_at(record, 8),
                weights: weights_of(pack, &weights, index.saturating_mul(SURFACES)),
                mix: mix_of(pack.record(&mixes, index)),
            });
        }
        list.push(experiment);
    }
    Ok(Experiments::new(list))
}

/// A variant that is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct VariantPart {
    /// Its id.
    pub id: String,
    /// The end of its places, in [`WHOLE`]s; they begin where those of the variant before end.
    pub below: u32,
    /// All weights.
    pub weights: Weights,
    /// The mix.
    pub mix: Mix,
}

impl From<VariantPart> for String {
    fn from(variant: VariantPart) -> Self {
        variant.id
    }
}

/// An experiment that is to be written, and how `/v1/status` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExperimentPart {
    /// Its id, of which [`is_id`] holds.
    pub id: String,
    /// The layer's name.
    pub layer: String,
    /// What its variants are drawn by.
    #[serde(skip)]
    pub salt: String,
    /// The places of the layer that are in it, in [`WHOLE`]s.
    #[serde(serialize_with = "as_shares")]
    pub traffic: (u32, u32),
    /// When it begins; second 0 for at once.
    #[serde(serialize_with = "as_time")]
    pub from: UnixMillis,
    /// When it ends; the last second of a `u32` for never.
    #[serde(serialize_with = "as_time")]
    pub until: UnixMillis,
    /// The share of viewers who are in no experiment, in [`WHOLE`]s.
    #[serde(skip)]
    pub holdout: u32,
    /// Its variants, the control first.
    pub variants: Vec<VariantPart>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference; in Wasm it is no larger")]
fn as_shares<S: serde::Serializer>(traffic: &(u32, u32), serializer: S) -> Result<S::Ok, S::Error> {
    [traffic.0, traffic.1].map(|place| f64::from(place) / f64::from(WHOLE)).serialize(serializer)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference; in Wasm it is no larger")]
fn as_time<S: serde::Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    let is_open = [0, u32::MAX].contains(&at.to_seconds());
    (!is_open).then(|| at.to_kst_rfc3339()).serialize(serializer)
}

impl ExperimentPart {
    /// The experiment as the edge reads it.
    pub fn experiment(&self) -> Experiment {
        let variant = |part: &VariantPart| Variant {
            id: part.id.clone(),
            below: part.below,
            weights: part.weights,
            mix: part.mix,
        };
        Experiment {
            id: self.id.clone(),
            layer: salt(Purpose::Layer, &self.layer),
            salt: salt(Purpose::Variant, &self.salt),
            traffic: self.traffic,
            from: UnixMillis::from_seconds(self.from.to_seconds()),
            until: UnixMillis::from_seconds(self.until.to_seconds()),
            holdout: self.holdout,
            variants: self.variants.iter().map(variant).collect(),
        }
    }
}

/// Adds the sections for `parts` to a board of `format`, or none where there are none; `put` takes in text.
pub(super) fn write(
    parts: &[ExperimentPart],
    format: Format,
    writer: &mut Writer,
    mut put: impl FnMut(&str) -> [u8; 8],
) {
    if parts.is_empty() {
        return;
    }
    let (mut experiments, mut variants, mut weights, mut mixes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut first = 0_u32;
    for part in parts {
        let experiment = part.experiment();
        let count = u32::try_from(experiment.variants.len()).unwrap_or(u32::MAX);
        experiments.extend(put(&experiment.id));
        experiments.extend(experiment.layer.to_le_bytes());
        experiments.extend(experiment.salt.to_le_bytes());
        let times = [experiment.from.to_seconds(), experiment.until.to_seconds()];
        let numbers = [[experiment.traffic.0, experiment.traffic.1], times, [first, count], [experiment.holdout, 0]];
        experiments.extend(numbers.as_flattened().iter().flat_map(|number| number.to_le_bytes()));
        first = first.saturating_add(count);
        for variant in &experiment.variants {
            variants.extend(put(&variant.id));
            variants.extend(variant.below.to_le_bytes());
            variants.extend([0; 4]);
            weights.extend(record::weights(&variant.weights, format));
            mixes.extend(record_of(&variant.mix));
        }
    }
    writer.section(EXPERIMENTS, EXPERIMENT_BYTES, experiments);
    writer.section(VARIANTS, VARIANT_BYTES, variants);
    writer.section(WEIGHTS, weights_bytes(format.version()), weights);
    writer.section(MIXES, MIX_BYTES, mixes);
}
