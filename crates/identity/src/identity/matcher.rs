//! The probability that two titles are one product: a logistic regression over features (`feature.rs`) and over products of two of them.
//!
//! Its numbers are in `data/matcher.json`, fitted by [`crate::train`]. It holds no words, and each number's share in an answer can be told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::feature;

const SHIPPED: &str = include_str!("../../data/matcher.json");
/// The format of the files that this version reads and writes.
pub const FORMAT: u32 = 1;
/// Deviations from the mean beyond which a feature counts no more.
const MOST_DEVIATIONS: f64 = 4.0;
/// The same for the product of two.
const MOST_PRODUCT: f64 = 6.0;

/// Features that are told of an answer.
const MOST_CARRIED: usize = 6;

/// Why a file is no matcher.
#[derive(Debug, Error)]
pub enum Error {
    /// Not JSON of a matcher's keys.
    #[error("matcher: {0}; `sinsang identity train` writes one")]
    Syntax(#[from] serde_json::Error),
    /// Written by another version.
    #[error("matcher: it has format {found}, and this version reads {FORMAT}: train it again")]
    Format {
        /// The format it names.
        found: u32,
    },
    /// It weighs what this version does not know.
    #[error("matcher: it weighs `{name}`, which this version does not compare: train it again")]
    Feature {
        /// The feature's name.
        name: String,
    },
    /// A number is not finite, or a deviation is not positive.
    #[error("matcher: `{name}` has a number that can't be used: train it again")]
    Number {
        /// The feature, or what else has it.
        name: String,
    },
}

/// What one feature counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The feature.
    pub name: String,
    /// Its mean where it was known.
    pub mean: f64,
    /// Its standard deviation there.
    pub deviation: f64,
    /// What a deviation above the mean adds to the logit.
    pub weight: f64,
    /// What is added where it can't be known.
    pub absent: f64,
}

/// What the product of two features' deviations adds to the logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The features; one twice is its square.
    pub of: [String; 2],
    /// What a product of one adds.
    pub weight: f64,
}

/// From the probability that the likest earlier title is the same product to the one that the listing has aired: a line between logits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Where the line begins.
    pub bias: f64,
    /// How steep it is.
    pub slope: f64,
}

/// A matcher as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// [`FORMAT`].
    pub format: u32,
    /// The logit where all features are at their means.
    pub bias: f64,
    /// What features count.
    pub features: Vec<Weight>,
    /// What products of features count.
    pub products: Vec<Product>,
    /// How likely a listing is to have aired.
    pub aired: Calibration,
}

impl fmt::Display for Model {
    /// The JSON of its file, a weight a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |value: serde_json::Result<String>| value.map_err(|_| fmt::Error);
        writeln!(f, "{{\n\"format\":{},\n\"bias\":{},\n\"features\":[", self.format, self.bias)?;
        for (at, weight) in self.features.iter().enumerate() {
            let comma = if at + 1 == self.features.len() { "" } else { "," };
            writeln!(f, "{}{comma}", json(serde_json::to_string(weight))?)?;
        }
        writeln!(f, "],\n\"products\":[")?;
        for (at, product) in self.products.iter().enumerate() {
            let comma = if at + 1 == self.products.len() { "" } else { "," };
            writeln!(f, "{}{comma}", json(serde_json::to_string(product))?)?;
        }
        writeln!(f, "],\n\"aired\":{}\n}}", json(serde_json::to_string(&self.aired))?)
    }
}

/// What one feature adds to an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Carried {
    /// The feature (`feature.rs`), or `letters` for all that measure how many letters are shared.
    pub feature: String,
    /// What it adds to the logit of the probability: above 0 for one product, below for two.
    pub logit: f64,
}

/// A model made ready to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    model: Model,
    /// For each of the features that are compared, its weight's place in the model.
    places: Vec<Option<usize>>,
    /// The products by places among the weights.
    products: Vec<(usize, usize, f64)>,
}

/// The names of the features, in their order.
pub fn names() -> &'static [&'static str] {
    feature::names()
}

impl Matcher {
    /// The matcher that this version ships.
    #[expect(clippy::expect_used, reason = "the text is in the binary and read by a test")]
    pub fn shipped() -> Arc<Self> {
        static MATCHER: LazyLock<Arc<Matcher>> =
            LazyLock::new(|| Arc::new(Matcher::read(SHIPPED).expect("the shipped matcher.json is a matcher")));
        Arc::clone(&MATCHER)
    }

    /// The matcher that the JSON `text` describes.
    ///
    /// # Errors
    /// [`enum@Error`] where the text is no matcher of this version.
    pub fn read(text: &str) -> Result<Self, Error> {
        Self::new(serde_json::from_str(text)?)
    }

    /// Makes `model` ready.
    ///
    /// # Errors
    /// [`enum@Error`] where it is of another version, or has numbers that can't be used.
    pub fn new(model: Model) -> Result<Self, Error> {
        if model.format != FORMAT {
            return Err(Error::Format { found: model.format });
        }
        let known = |name: &String| {
            if names().contains(&name.as_str()) { Ok(()) } else { Err(Error::Feature { name: name.clone() }) }
        };
        let weighed: BTreeMap<&str, usize> =
            model.features.iter().enumerate().map(|(at, weight)| (weight.name.as_str(), at)).collect();
        for Weight { name, mean, deviation, weight, absent } in &model.features {
            known(name)?;
            if ![mean, deviation, weight, absent].iter().all(|number| number.is_finite()) || *deviation <= 0.0 {
                return Err(Error::Number { name: name.clone() });
            }
        }
        let whole = [model.bias, model.aired.bias, model.aired.slope];
        if !whole.iter().chain(model.products.iter().map(|product| &product.weight)).all(|number| number.is_finite()) {
            return Err(Error::Number { name: "bias, aired or products".to_owned() });
        }
        let place =
            |name: &String| weighed.get(name.as_str()).copied().ok_or_else(|| Error::Feature { name: name.clone() });
        let products =
            model.products.iter().map(|product| Ok((place(&product.of[0])?, place(&product.of[1])?, product.weight)));
        let products = products.collect::<Result<_, Error>>()?;
        let places = names().iter().map(|name| weighed.get(name).copied()).collect();
        Ok(Self { model, places, products })
    }

    /// Its numbers.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The probability that a pair with these features, in the order of [`names`], is one product.
    pub fn probability(&self, values: &[f64]) -> f64 {
        let scaled = self.scaled(values);
        let mut logit = self.model.bias;
        for (weight, scaled) in self.model.features.iter().zip(&scaled) {
            logit += scaled.map_or(weight.absent, |scaled| weight.weight * scaled);
        }
        for &(a, b, weight) in &self.products {
            logit += weight * product(scaled.get(a), scaled.get(b));
        }
        logistic(logit)
    }

    /// The features that carry the answer, the weightiest first: what each adds to the logit beyond a pair that is in all things average.
    /// Half of a product's share is each of its features'.
    pub fn carried_by(&self, values: &[f64]) -> Vec<Carried> {
        let scaled = self.scaled(values);
        let mut logits: Vec<f64> = self
            .model
            .features
            .iter()
            .zip(&scaled)
            .map(|(weight, scaled)| scaled.map_or(weight.absent, |scaled| weight.weight * scaled))
            .collect();
        for &(a, b, weight) in &self.products {
            let share = weight * product(scaled.get(a), scaled.get(b)) / 2.0;
            for place in [a, b] {
                if let Some(logit) = logits.get_mut(place) {
                    *logit += share;
                }
            }
        }
        let mut told: BTreeMap<&str, f64> = BTreeMap::new();
        for (weight, logit) in self.model.features.iter().zip(logits) {
            *told.entry(family(&weight.name)).or_default() += logit;
        }
        let mut carried: Vec<Carried> =
            told.into_iter().map(|(name, logit)| Carried { feature: name.to_owned(), logit }).collect();
        carried.sort_by(|a, b| b.logit.abs().total_cmp(&a.logit.abs()).then_with(|| a.feature.cmp(&b.feature)));
        carried.truncate(MOST_CARRIED);
        carried
    }

    /// The probability that a listing has aired whose likest earlier title is the same product with `probability`.
    pub fn aired(&self, probability: f64) -> f64 {
        let Calibration { bias, slope } = self.model.aired;
        logistic(bias + slope * logit(probability))
    }

    /// Each weighed feature in deviations from its mean, where it is known.
    fn scaled(&self, values: &[f64]) -> Vec<Option<f64>> {
        let mut scaled = vec![None; self.model.features.len()];
        for (place, &value) in self.places.iter().zip(values) {
            if let Some(at) = *place
                && let (Some(weight), Some(scaled)) = (self.model.features.get(at), scaled.get_mut(at))
                && !value.is_nan()
            {
                *scaled = Some(deviations(value, weight.mean, weight.deviation));
            }
        }
        scaled
    }
}

/// What a feature is told as. Those that measure how many letters are shared rise and fall together, so the weights of single ones say
/// nothing: one may take back what another gives.
fn family(name: &str) -> &str {
    const LETTERS: [&str; 4] = ["grams", "raw_grams", "triples", "run"];
    if LETTERS.contains(&name.trim_end_matches("_inside")) { "letters" } else { name }
}

/// How far a value is from the mean.
pub(crate) fn deviations(value: f64, mean: f64, deviation: f64) -> f64 {
    ((value - mean) / deviation).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
}

/// The product of two features; one that is not known is at its mean.
pub(crate) fn product(a: Option<&Option<f64>>, b: Option<&Option<f64>>) -> f64 {
    let of = |value: Option<&Option<f64>>| value.copied().flatten().unwrap_or(0.0);
    (of(a) * of(b)).clamp(-MOST_PRODUCT, MOST_PRODUCT)
}

/// The probability of a logit.
pub(crate) fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// The logit of a probability, of one that is nearly 0 or 1 that of a thousandth of a per cent beside it.
pub(crate) fn logit(probability: f64) -> f64 {
    let inside = probability.clamp(1e-5, 1.0 - 1e-5);
    (inside / (1.0 - inside)).ln()
}
