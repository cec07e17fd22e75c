//! The sections of a board for experiments: the experiments, their variants, and each variant's
//! weights and mix.
//!
//! All of them are optional; without them everybody gets the same settings.

use serde::Serialize;

use super::audience::{AudiencePart, set_of};
use super::record::{self, MIX_BYTES, TEXT, mix_of, optional, record_of, weights_bytes, weights_of};
use super::{Damage, Format, Pack, Span, Writer, to_usize, u32_at, u64_at};
use crate::audience::AudienceSet;
use crate::experiment::{
    Experiment, Experiments, HeldBack, MOST_EXPERIMENTS, MOST_VARIANTS, Purpose, Variant, WHOLE, is_id, salt,
};
use crate::mix::Mix;
use crate::rank::Weights;
use crate::surface_name::Surface;
use crate::time::UnixMillis;

const EXPERIMENTS: [u8; 4] = *b"EXPR";
const EXPERIMENT_BYTES: usize = 56;
const VARIANTS: [u8; 4] = *b"EXPV";
const VARIANT_BYTES: usize = 16;
/// The length of a variant's record that names held-back directives.
const VARIANT_WITHOUT_BYTES: usize = 24;
const WEIGHTS: [u8; 4] = *b"EXPW";
/// The number of weight records per variant: one per surface, as in `RULE`.
const MIXES: [u8; 4] = *b"EXPM";

/// Parses the sections of a board and checks all references.
pub(super) fn parse(pack: &Pack) -> Result<Experiments, Damage> {
    let Some(experiments) = optional(pack, EXPERIMENTS, EXPERIMENT_BYTES)? else { return Ok(Experiments::default()) };
    let variants = pack.table(VARIANTS, VARIANT_BYTES)?;
    let weights = pack.table(WEIGHTS, weights_bytes(pack.version()))?;
    let mixes = pack.table(MIXES, MIX_BYTES)?;
    let text = pack.table(TEXT, 1)?;
    let ensure = |fits: bool, tag: [u8; 4]| if fits { Ok(()) } else { Err(Damage::Inconsistent(tag)) };
    ensure(experiments.count <= MOST_EXPERIMENTS, EXPERIMENTS)?;
    ensure(variants.count <= MOST_EXPERIMENTS.saturating_mul(MOST_VARIANTS), VARIANTS)?;
    let surfaces = Surface::stored_in(pack.version());
    ensure(weights.count == variants.count.saturating_mul(surfaces), WEIGHTS)?;
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
        let audiences = AudienceSet(u32_at(record, 52));
        let [first_place, end_place] = [u32_at(record, 24), u32_at(record, 28)];
        let mut experiment = Experiment {
            id: id(record, EXPERIMENTS)?,
            layer: u64_at(record, 8),
            salt: u64_at(record, 16),
            traffic: if audiences.0 == 0 { (first_place, end_place) } else { (end_place, first_place) },
            from: UnixMillis::from_seconds(u32_at(record, 32)),
            until: UnixMillis::from_seconds(u32_at(record, 36)),
            holdout: u32_at(record, 48),
            audiences,
            variants: Vec::with_capacity(count),
        };
        for index in first..first.saturating_add(count) {
            let record = pack.record(&variants, index);
            experiment.variants.push(Variant {
                id: id(record, VARIANTS)?,
                below: u32_at(record, 8),
                weights: weights_of(pack, &weights, index.saturating_mul(surfaces)),
                mix: mix_of(pack.record(&mixes, index)),
                held_back: HeldBack {
                    floors: u32_at(record, 12),
                    directives: record.get(16..24).map_or(0, |bits| u64_at(bits, 0)),
                },
            });
        }
        list.push(experiment);
    }
    Ok(Experiments::new(list))
}

/// A variant to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct VariantPart {
    /// The variant's id, valid by [`is_id`].
    pub id: String,
    /// The end of its places, in units of 1/[`WHOLE`]; they begin where the previous variant's end.
    pub below: u32,
    /// All weights, including those that it does not change.
    pub weights: Weights,
    /// The mix.
    pub mix: Mix,
    /// The rules that its viewers go without.
    pub held_back: HeldBack,
}

impl From<VariantPart> for String {
    fn from(variant: VariantPart) -> Self {
        variant.id
    }
}

/// An experiment to be written, and its form in `/v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExperimentPart {
    /// The experiment's id, valid by [`is_id`].
    pub id: String,
    /// The layer's name.
    pub layer: String,
    /// The name of the rule that it measures, if it measures one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The text behind the [`salt`] that draws its variants.
    #[serde(skip)]
    pub salt: String,
    /// Its range of places in the layer, in units of 1/[`WHOLE`].
    #[serde(serialize_with = "as_shares")]
    pub traffic: (u32, u32),
    /// When it begins; second 0 means at once.
    #[serde(serialize_with = "as_time")]
    pub from: UnixMillis,
    /// When it ends; the last second of a `u32` means never.
    #[serde(serialize_with = "as_time")]
    pub until: UnixMillis,
    /// The share of viewers held out of experiments, in units of 1/[`WHOLE`].
    #[serde(skip)]
    pub holdout: u32,
    /// The names of the audiences that it is for; everybody if none.
    #[serde(rename = "for", skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// The variants, the control first.
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
    /// Converts it to the experiment that the edge reads from a board with these `audiences`.
    pub fn experiment(&self, audiences: &[AudiencePart]) -> Experiment {
        let variant = |part: &VariantPart| Variant {
            id: part.id.clone(),
            below: part.below,
            weights: part.weights,
            mix: part.mix,
            held_back: part.held_back,
        };
        Experiment {
            id: self.id.clone(),
            layer: salt(Purpose::Layer, &self.layer),
            salt: salt(Purpose::Variant, &self.salt),
            traffic: self.traffic,
            from: UnixMillis::from_seconds(self.from.to_seconds()),
            until: UnixMillis::from_seconds(self.until.to_seconds()),
            holdout: self.holdout,
            audiences: set_of(&self.audiences, audiences),
            variants: self.variants.iter().map(variant).collect(),
        }
    }
}

/// Adds the sections for `parts` to a board of `format` with these `audiences`, or none if `parts`
/// is empty; `put` stores text.
pub(super) fn write(
    parts: &[ExperimentPart],
    audiences: &[AudiencePart],
    format: Format,
    writer: &mut Writer,
    mut put: impl FnMut(&str) -> [u8; 8],
) {
    if parts.is_empty() {
        return;
    }
    let (mut experiments, mut variants, mut weights, mut mixes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let names_directives =
        parts.iter().flat_map(|part| &part.variants).any(|variant| variant.held_back.directives != 0);
    let variant_bytes = if names_directives { VARIANT_WITHOUT_BYTES } else { VARIANT_BYTES };
    let mut first = 0_u32;
    for part in parts {
        let experiment = part.experiment(audiences);
        let count = u32::try_from(experiment.variants.len()).unwrap_or(u32::MAX);
        experiments.extend(put(&experiment.id));
        experiments.extend(experiment.layer.to_le_bytes());
        experiments.extend(experiment.salt.to_le_bytes());
        let times = [experiment.from.to_seconds(), experiment.until.to_seconds()];
        let mut traffic = [experiment.traffic.0, experiment.traffic.1];
        if experiment.audiences.0 != 0 {
            // No place is in a range that ends before it begins: readers that know no audiences
            // leave everybody out.
            traffic.reverse();
        }
        let rest = [experiment.holdout, experiment.audiences.0];
        let numbers = [traffic, times, [first, count], rest];
        experiments.extend(numbers.as_flattened().iter().flat_map(|number| number.to_le_bytes()));
        first = first.saturating_add(count);
        for variant in &experiment.variants {
            variants.extend(put(&variant.id));
            variants.extend(variant.below.to_le_bytes());
            variants.extend(variant.held_back.floors.to_le_bytes());
            if names_directives {
                variants.extend(variant.held_back.directives.to_le_bytes());
            }
            weights.extend(record::weights(&variant.weights, format));
            mixes.extend(record_of(&variant.mix));
        }
    }
    writer.section(EXPERIMENTS, EXPERIMENT_BYTES, experiments);
    writer.section(VARIANTS, variant_bytes, variants);
    writer.section(WEIGHTS, weights_bytes(format.version()), weights);
    writer.section(MIXES, MIX_BYTES, mixes);
}
