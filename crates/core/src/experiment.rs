//! Assignment of viewers to variants of experiments, computed from the viewer's key and the board
//! alone: nothing is stored, and every isolate gives the same result while an experiment runs.
//!
//! A viewer has one place in each layer, and the experiments of a layer hold disjoint ranges of
//! places. So each viewer is in at most one experiment per layer, and ending or adding one moves
//! nobody. Each layer and each experiment draws by a salt of its own, which makes the draws
//! independent.

use sha2::{Digest, Sha256};

use crate::audience::AudienceSet;
use crate::mix::Mix;
use crate::rank::Weights;
use crate::scatter::scatter;
use crate::signal::SurfaceWeights;
use crate::text::is_token;
use crate::time::UnixMillis;
use crate::viewer::UserKey;

/// The number of places in a layer, and in the draw of a variant.
pub const WHOLE: u32 = 1_000_000;
/// The most experiments on a board.
pub const MOST_EXPERIMENTS: usize = 16;
/// The most variants in an experiment.
pub const MOST_VARIANTS: usize = 8;
/// The longest id of an experiment or a variant, in bytes.
pub const MAX_ID_BYTES: usize = 40;

/// The purpose of a salt; texts of different purposes never give the same salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Draws a viewer's place in a layer.
    Layer,
    /// Draws the variant within an experiment.
    Variant,
    /// Draws the viewers who are held out of experiments.
    Holdout,
    /// Draws the viewers who get a snapshot on trial.
    Snapshot,
}

/// The number that randomises viewers for a `purpose`: the first 8 bytes (little-endian) of the
/// SHA-256 of the purpose's name, a zero byte and `text`.
pub fn salt(purpose: Purpose, text: &str) -> u64 {
    let name: &[u8] = match purpose {
        Purpose::Layer => b"layer\0",
        Purpose::Variant => b"variant\0",
        Purpose::Holdout => b"holdout\0",
        Purpose::Snapshot => b"snapshot\0",
    };
    let digest = Sha256::new().chain_update(name).chain_update(text).finalize();
    digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// The place of `viewer`, below [`WHOLE`], in the draw by `salt`.
pub fn place(salt: u64, viewer: u64) -> u32 {
    // Scattered twice, so that two salts are independent whatever the keys look like.
    let drawn = scatter(salt, scatter(salt, viewer)) >> 32;
    u32::try_from(drawn.saturating_mul(WHOLE.into()) >> 32).unwrap_or(0)
}

/// Whether `id` may name an experiment or a variant; ids appear unescaped in headers and addresses.
pub fn is_id(id: &str) -> bool {
    is_token(id, 1..=MAX_ID_BYTES)
}

/// The operators' rules of a board that viewers of a variant go without, so that the rules' effect
/// can be measured. A rule that a mask can't name applies to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// Directives: one bit for each index on the board.
    pub directives: u64,
    /// Floors: one bit for each index on the board.
    pub floors: u32,
}

impl HeldBack {
    /// Whether the directive at `index` is held back.
    pub fn directive(self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.directives.checked_shr(index).unwrap_or(0) & 1 == 1)
    }

    /// Whether the floor at `index` is held back.
    pub fn floor(self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.floors.checked_shr(index).unwrap_or(0) & 1 == 1)
    }

    fn join(&mut self, other: Self) {
        self.directives |= other.directives;
        self.floors |= other.floors;
    }
}

/// A variant of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The id, valid by [`is_id`].
    pub id: String,
    /// The upper end of its places: viewers in it have a place below this, and not below the
    /// previous variant's.
    pub below: u32,
    /// All weights; those that it does not change equal the board's.
    pub weights: Weights,
    /// The mix; what it does not change equals the board's.
    pub mix: Mix,
    /// The rules that its viewers go without.
    pub held_back: HeldBack,
}

/// An experiment of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// The id, valid by [`is_id`].
    pub id: String,
    /// The [`salt`] of its layer.
    pub layer: u64,
    /// The [`salt`] of its variants.
    pub salt: u64,
    /// Its range of places in the layer: from the first, inclusive, to the second, exclusive.
    pub traffic: (u32, u32),
    /// When it begins, inclusive.
    pub from: UnixMillis,
    /// When it ends, exclusive.
    pub until: UnixMillis,
    /// Viewers whose place for [`Purpose::Holdout`] is below this are held out.
    pub holdout: u32,
    /// The audiences that it is for; everybody if none.
    pub audiences: AudienceSet,
    /// The variants, the control first.
    pub variants: Vec<Variant>,
}

impl Experiment {
    fn runs(&self, at: UnixMillis) -> bool {
        self.from <= at && at < self.until
    }

    fn variant_of(&self, viewer: u64) -> Option<usize> {
        let place_of = place(self.layer, viewer);
        if place_of < self.traffic.0 || place_of >= self.traffic.1 {
            return None;
        }
        let drawn = place(self.salt, viewer);
        self.variants.iter().position(|variant| drawn < variant.below)
    }
}

/// The settings that a viewer's variants result in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The weights of the viewer's variants.
    pub weights: Weights,
    /// The mix of the viewer's variants.
    pub mix: Mix,
    /// The rules that the viewer goes without.
    pub held_back: HeldBack,
    /// A JSON object: the id of the variant by the id of the experiment.
    pub json: String,
    /// The same as a header value: `soon-first=control, other=b`.
    pub header: String,
    /// A fingerprint of these variants on this board; never 0.
    pub print: u64,
}

/// All experiments of a board, in the order of the rules file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Experiments {
    list: Vec<Experiment>,
    holdout: u64,
}

impl Experiments {
    /// Collects the experiments of `list`.
    pub fn new(list: Vec<Experiment>) -> Self {
        let holdout = if list.is_empty() { 0 } else { salt(Purpose::Holdout, "") };
        Self { list, holdout }
    }

    /// Iterates over the experiments.
    pub fn iter(&self) -> impl Iterator<Item = &Experiment> {
        self.list.iter()
    }

    /// Whether there are no experiments.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any experiment runs at `at`.
    pub fn run(&self, at: UnixMillis) -> bool {
        self.list.iter().any(|experiment| experiment.runs(at))
    }

    /// The number of distinct viewer-independent weights of the new-product tab: the board's,
    /// `base`, and those of variants that change them. Combinations of variants from several layers
    /// are not counted.
    pub fn shared_weights(&self, base: SurfaceWeights) -> usize {
        let mut known = vec![base.shared()];
        for variant in self.list.iter().flat_map(|experiment| &experiment.variants) {
            let own = variant.weights.new.shared();
            if !known.contains(&own) {
                known.push(own);
            }
        }
        known.len()
    }

    /// The indexes of an experiment and its variant, written as `experiment:variant`.
    ///
    /// # Errors
    /// If there is no such pair: all valid ones, separated by commas.
    pub fn find(&self, name: &str) -> Result<(usize, usize), String> {
        let mut known = String::new();
        for (index, experiment) in self.list.iter().enumerate() {
            for (place, variant) in experiment.variants.iter().enumerate() {
                if name.split_once(':') == Some((experiment.id.as_str(), variant.id.as_str())) {
                    return Ok((index, place));
                }
                for part in [if known.is_empty() { "" } else { ", " }, &experiment.id, ":", &variant.id] {
                    known.push_str(part);
                }
            }
        }
        Err(known)
    }

    /// Whether two of `chosen`, from [`Self::find`], belong to the same layer.
    pub fn meet(&self, chosen: &[(usize, usize)]) -> bool {
        chosen.iter().enumerate().any(|(at, one)| self.holds(chosen.get(..at).unwrap_or_default(), one.0))
    }

    /// Whether one of `chosen` belongs to the layer of the experiment at `index`.
    fn holds(&self, chosen: &[(usize, usize)], index: usize) -> bool {
        let layer = |index: usize| self.list.get(index).map(|experiment| experiment.layer);
        chosen.iter().any(|one| layer(one.0) == layer(index))
    }

    /// The indexes of the experiments and variants that `viewer`, who is in `audiences`, is in at
    /// `at`, in the order of the file. `forced` ones take precedence at any time and keep the
    /// viewer out of the rest of their layers.
    pub fn chosen(
        &self,
        (viewer, audiences): (Option<UserKey>, AudienceSet),
        forced: &[(usize, usize)],
        at: UnixMillis,
    ) -> Vec<(usize, usize)> {
        let held = viewer.map_or(0, |viewer| place(self.holdout, viewer.0));
        let mut chosen = Vec::new();
        for (index, experiment) in self.list.iter().enumerate() {
            if let Some(one) = forced.iter().find(|one| one.0 == index) {
                chosen.push(*one);
            } else if let Some(UserKey(viewer)) = viewer
                && experiment.runs(at)
                && held >= experiment.holdout
                && experiment.audiences.is_for(audiences)
                && !self.holds(forced, index)
                && !self.holds(&chosen, index)
                && let Some(variant) = experiment.variant_of(viewer)
            {
                chosen.push((index, variant));
            }
        }
        chosen
    }

    /// The settings of a viewer in `chosen`, on a board with `weights` and `mix`; `None` if
    /// `chosen` is empty.
    pub fn assign(&self, chosen: &[(usize, usize)], weights: Weights, mix: Mix) -> Option<Assignment> {
        let (json, header, print) = (String::from("{"), String::new(), u64::from(WHOLE));
        let mut all = Assignment { weights, mix, held_back: HeldBack::default(), json, header, print };
        for (index, place) in chosen {
            let Some((experiment, variant)) =
                self.list.get(*index).and_then(|experiment| Some((experiment, experiment.variants.get(*place)?)))
            else {
                continue;
            };
            // No two chosen variants change the same setting: rules that would are rejected.
            all.weights.take_changes(&weights, &variant.weights);
            all.mix.take_changes(&mix, &variant.mix);
            all.held_back.join(variant.held_back);
            if !all.header.is_empty() {
                all.json.push(',');
                all.header.push_str(", ");
            }
            for part in ["\"", &experiment.id, "\":\"", &variant.id, "\""] {
                all.json.push_str(part);
            }
            for part in [&experiment.id, "=", &variant.id] {
                all.header.push_str(part);
            }
            let own = index.saturating_mul(MOST_VARIANTS).saturating_add(*place);
            all.print = scatter(all.print, u64::try_from(own).unwrap_or(u64::MAX)).max(1);
        }
        all.json.push('}');
        (!all.header.is_empty()).then_some(all)
    }
}

#[cfg(test)]
mod tests;
