//! The matcher: a logistic regression for the probability that two titles are one product, over
//! features (`feature.rs`) and products of two features.
//!
//! Its numbers are in `data/matcher.json`, fitted by [`crate::train`]. It contains no words, and
//! each number's share in an answer can be reported.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::feature;

const SHIPPED: &str = include_str!("../../data/matcher.json");
/// The file format that this version reads and writes.
pub const FORMAT: u32 = 1;
/// Standard deviations from the mean at which a feature is clamped.
const MOST_DEVIATIONS: f64 = 4.0;
/// Absolute value at which a product of two features is clamped.
const MOST_PRODUCT: f64 = 6.0;

/// Features reported for one answer.
const MOST_CARRIED: usize = 6;

/// Why a file is not a usable matcher.
#[derive(Debug, Error)]
pub enum Error {
    /// Not JSON, or with other keys than a matcher's.
    #[error("invalid matcher: {0}; write one with `sinsang identity train`")]
    Syntax(#[from] serde_json::Error),
    /// Written by a version with another format.
    #[error("matcher has format {found}, but this version reads {FORMAT}: train it again")]
    Format {
        /// The format in the file.
        found: u32,
    },
    /// It weighs a feature unknown to this version.
    #[error("matcher has an unknown feature `{name}`: train it again")]
    Feature {
        /// The feature's name.
        name: String,
    },
    /// A number is not finite, or a deviation is not positive.
    #[error("matcher has an invalid number in `{name}`: train it again")]
    Number {
        /// The feature or other owner of the number.
        name: String,
    },
}

/// A feature's scale and weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The feature.
    pub name: String,
    /// Its mean over known values.
    pub mean: f64,
    /// Its standard deviation over known values.
    pub deviation: f64,
    /// Logit added per standard deviation above the mean.
    pub weight: f64,
    /// Logit added if the value is unknown.
    pub absent: f64,
}

/// Weight of the product of two features' deviations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The two features; equal ones make a square.
    pub of: [String; 2],
    /// Logit added for a product of one.
    pub weight: f64,
}

/// Maps the probability that the likeliest earlier title is the same product to the probability
/// that the listing has aired before: a line between logits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Intercept of the line.
    pub bias: f64,
    /// Slope of the line.
    pub slope: f64,
}

/// A matcher's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// [`FORMAT`].
    pub format: u32,
    /// The logit if all features are at their means.
    pub bias: f64,
    /// Feature weights.
    pub features: Vec<Weight>,
    /// Weights of products of features.
    pub products: Vec<Product>,
    /// Calibration of the probability that a listing has aired before.
    pub aired: Calibration,
}

impl fmt::Display for Model {
    /// The JSON of its file, one weight per line.
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

/// One feature's contribution to an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Carried {
    /// The feature (`feature.rs`), or `letters` for all measures of shared letters together.
    pub feature: String,
    /// Its contribution to the probability's logit: positive for one product, negative for two.
    pub logit: f64,
}

/// A model prepared for answering.
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    model: Model,
    /// For each compared feature, the index of its weight in the model.
    places: Vec<Option<usize>>,
    /// Products as indexes of two weights, with the product's weight.
    products: Vec<(usize, usize, f64)>,
}

/// Names of the features, in order.
pub fn names() -> &'static [&'static str] {
    feature::names()
}

impl Matcher {
    /// This version's built-in matcher.
    #[expect(clippy::expect_used, reason = "the text is in the binary and read by a test")]
    pub fn shipped() -> Arc<Self> {
        static MATCHER: LazyLock<Arc<Matcher>> =
            LazyLock::new(|| Arc::new(Matcher::read(SHIPPED).expect("the shipped matcher.json is a matcher")));
        Arc::clone(&MATCHER)
    }

    /// Parses a matcher from the JSON `text`.
    ///
    /// # Errors
    /// [`enum@Error`] if the text is not a matcher of this version.
    pub fn read(text: &str) -> Result<Self, Error> {
        Self::new(serde_json::from_str(text)?)
    }

    /// Prepares `model`.
    ///
    /// # Errors
    /// [`enum@Error`] if `model` has another version, an unknown feature, or unusable numbers.
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

    /// The model.
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

    /// The features with the largest contributions, the largest first, relative to an average pair.
    /// Each product's contribution is split evenly between its two features.
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

    /// The probability that a listing has aired before, if its likeliest earlier title is the same
    /// product with `probability`.
    pub fn aired(&self, probability: f64) -> f64 {
        let Calibration { bias, slope } = self.model.aired;
        logistic(bias + slope * logit(probability))
    }

    /// Each weighed feature in standard deviations from its mean; `None` if unknown.
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

/// The name under which a feature is reported. Measures of shared letters correlate, so single
/// weights mean nothing: one may offset another.
fn family(name: &str) -> &str {
    const LETTERS: [&str; 4] = ["grams", "raw_grams", "triples", "run"];
    if LETTERS.contains(&name.trim_end_matches("_inside")) { "letters" } else { name }
}

/// Distance of a value from the mean in standard deviations, clamped.
pub(crate) fn deviations(value: f64, mean: f64, deviation: f64) -> f64 {
    ((value - mean) / deviation).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
}

/// Clamped product of two features; an unknown one counts as its mean.
pub(crate) fn product(a: Option<&Option<f64>>, b: Option<&Option<f64>>) -> f64 {
    let of = |value: Option<&Option<f64>>| value.copied().flatten().unwrap_or(0.0);
    (of(a) * of(b)).clamp(-MOST_PRODUCT, MOST_PRODUCT)
}

/// The probability that corresponds to a logit.
pub(crate) fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// The logit of a probability, clamped to 0.00001 from 0 and 1.
pub(crate) fn logit(probability: f64) -> f64 {
    let inside = probability.clamp(1e-5, 1.0 - 1e-5);
    (inside / (1.0 - inside)).ln()
}
