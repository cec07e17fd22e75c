//! Which variants of experiments a viewer is in: worked out from the viewer's key and the board alone, so that nothing is stored and every
//! isolate says the same for as long as an experiment runs.
//!
//! A viewer has one place in each layer, and experiments of a layer hold ranges of places that don't meet: each viewer is in at most one of
//! them, and one that ends or is added moves nobody. Layers draw places, and experiments variants, by salts of their own, so that one
//! says nothing of another.

use sha2::{Digest, Sha256};

use crate::mix::Mix;
use crate::rank::Weights;
use crate::scatter::scatter;
use crate::signal::SurfaceWeights;
use crate::text::is_token;
use crate::time::UnixMillis;
use crate::viewer::UserKey;

/// Places of a layer, and of the draw of a variant.
pub const WHOLE: u32 = 1_000_000;
/// The most experiments of a board.
pub const MOST_EXPERIMENTS: usize = 16;
/// The most variants of an experiment.
pub const MOST_VARIANTS: usize = 8;
/// The longest id of an experiment or a variant.
pub const MAX_ID_BYTES: usize = 40;

/// What a salt is for; texts of different purposes never give one salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The places of a layer.
    Layer,
    /// The variants of an experiment.
    Variant,
    /// Who is in no experiment.
    Holdout,
}

/// The number that viewers are drawn by for a `purpose`: the first 8 bytes of a SHA-256 of its name, a zero byte and `text`.
pub fn salt(purpose: Purpose, text: &str) -> u64 {
    let name: &[u8] = match purpose {
        Purpose::Layer => b"layer\0",
        Purpose::Variant => b"variant\0",
        Purpose::Holdout => b"holdout\0",
    };
    let digest = Sha256::new().chain_update(name).chain_update(text).finalize();
    digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// Where `viewer` stands among [`WHOLE`] places that are drawn by `salt`.
pub fn place(salt: u64, viewer: u64) -> u32 {
    // Twice, so that two salts have nothing in common whatever viewers' keys look like.
    let drawn = scatter(salt, scatter(salt, viewer)) >> 32;
    u32::try_from(drawn.saturating_mul(WHOLE.into()) >> 32).unwrap_or(0)
}

/// Whether `id` may name an experiment or a variant: it stands in headers and addresses as it is.
pub fn is_id(id: &str) -> bool {
    is_token(id, 1..=MAX_ID_BYTES)
}

/// A variant of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its id.
    pub id: String,
    /// Viewers whose place lies below this, and not below that of the variant before, are in it.
    pub below: u32,
    /// All weights; what it does not change is as the board has it.
    pub weights: Weights,
    /// The mix, in the same way.
    pub mix: Mix,
}

/// An experiment of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// Its id.
    pub id: String,
    /// The [`salt`] of its layer.
    pub layer: u64,
    /// The [`salt`] of its variants.
    pub salt: u64,
    /// The places of the layer that are in it, from the first on and below the second.
    pub traffic: (u32, u32),
    /// When it begins.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// Viewers whose place for [`Purpose::Holdout`] lies below this are not in it.
    pub holdout: u32,
    /// Its variants, the control first.
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

/// What a viewer is shown by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The weights of the viewer's variants.
    pub weights: Weights,
    /// The mix of the viewer's variants.
    pub mix: Mix,
    /// A JSON object: the id of the variant by the id of the experiment.
    pub json: String,
    /// The same as a header has it: `soon-first=control, other=b`.
    pub header: String,
    /// Stands for these variants of this board; never 0.
    pub print: u64,
}

/// All experiments of a board, in the order of the rules file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Experiments {
    list: Vec<Experiment>,
    holdout: u64,
}

impl Experiments {
    /// The experiments of `list`.
    pub fn new(list: Vec<Experiment>) -> Self {
        let holdout = if list.is_empty() { 0 } else { salt(Purpose::Holdout, "") };
        Self { list, holdout }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Experiment> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one runs at `at`.
    pub fn run(&self, at: UnixMillis) -> bool {
        self.list.iter().any(|experiment| experiment.runs(at))
    }

    /// How many weights of the new-product tab have shared scores of their own, beside those of the board, `base`; without what variants of
    /// several layers make together.
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

    /// The place of an experiment and of its variant that are written as `experiment:variant`.
    ///
    /// # Errors
    /// All that may be written, separated by commas.
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

    /// Whether two of `chosen`, from [`Self::find`], are of one layer.
    pub fn meet(&self, chosen: &[(usize, usize)]) -> bool {
        chosen.iter().enumerate().any(|(at, one)| self.holds(chosen.get(..at).unwrap_or_default(), one.0))
    }

    /// Whether one of `chosen` is of the layer of the experiment at `index`.
    fn holds(&self, chosen: &[(usize, usize)], index: usize) -> bool {
        let layer = |index: usize| self.list.get(index).map(|experiment| experiment.layer);
        chosen.iter().any(|one| layer(one.0) == layer(index))
    }

    /// The places of the experiments and variants that `viewer` is in at `at`, in the order of the file. `forced` come before what is drawn,
    /// at any time, and keep the viewer out of the rest of their layers.
    pub fn chosen(&self, viewer: Option<UserKey>, forced: &[(usize, usize)], at: UnixMillis) -> Vec<(usize, usize)> {
        let held = viewer.map_or(0, |viewer| place(self.holdout, viewer.0));
        let mut chosen = Vec::new();
        for (index, experiment) in self.list.iter().enumerate() {
            if let Some(one) = forced.iter().find(|one| one.0 == index) {
                chosen.push(*one);
            } else if let Some(UserKey(viewer)) = viewer
                && experiment.runs(at)
                && held >= experiment.holdout
                && !self.holds(forced, index)
                && !self.holds(&chosen, index)
                && let Some(variant) = experiment.variant_of(viewer)
            {
                chosen.push((index, variant));
            }
        }
        chosen
    }

    /// What a viewer who is in `chosen` is shown by, where the board has `weights` and `mix`; `None` who is in none.
    pub fn assign(&self, chosen: &[(usize, usize)], weights: Weights, mix: Mix) -> Option<Assignment> {
        let mut all =
            Assignment { weights, mix, json: String::from("{"), header: String::new(), print: u64::from(WHOLE) };
        for (index, place) in chosen {
            let Some((experiment, variant)) =
                self.list.get(*index).and_then(|experiment| Some((experiment, experiment.variants.get(*place)?)))
            else {
                continue;
            };
            // No two of them change the same: rules that would are refused.
            all.weights.take_changes(&weights, &variant.weights);
            all.mix.take_changes(&mix, &variant.mix);
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
