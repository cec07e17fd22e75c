//! The identity policy: thresholds, weights, penalties, and deciding measures by domain, from
//! `data/identity.toml` or a file in its format.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::matcher::Matcher;
use crate::correction::Corrections;
use crate::listing::words::Words;
use crate::listing::{Domain, Measure};

const DEFAULT: &str = include_str!("../../data/identity.toml");

/// Why a policy file is unusable.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// Not TOML, or with an unexpected key.
    #[error("invalid identity policy: {source}; see data/identity.toml for the keys")]
    Syntax {
        /// The TOML parser's message, with line and column.
        #[source]
        source: toml::de::Error,
    },
    /// A number outside its range.
    #[error("identity policy: `{key}` is {value}, but must be between 0 and {most}")]
    Range {
        /// The key.
        key: &'static str,
        /// The value found.
        value: f64,
        /// The largest allowed value.
        most: f64,
    },
    /// The words file is unusable.
    #[error(transparent)]
    Words(#[from] crate::listing::words::Error),
}

/// Penalties of differences, subtracted from the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "described key by key in data/identity.toml and docs/identity.md")]
pub struct Penalties {
    pub flavour: f64,
    pub material: f64,
    pub design: f64,
    pub designs: f64,
    pub variant: f64,
    pub generation: f64,
    pub gender: f64,
    pub child: f64,
    pub season_words: f64,
    pub brand_field: f64,
    pub brand_attested: f64,
    pub kinds_near: f64,
}

/// Weights of agreements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "described key by key in data/identity.toml and docs/identity.md")]
pub struct Weights {
    pub brand: f64,
    pub kind: f64,
    pub flavour: f64,
    pub material: f64,
    pub design: f64,
    pub variant: f64,
    pub origin: f64,
    pub gender: f64,
    pub filler: f64,
    pub unnamed: f64,
    pub colour: f64,
    pub addon: f64,
    pub model: f64,
    pub short_code: f64,
    pub attribute: f64,
}

/// Rules by which two listings are one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// A probability of at least this means "same".
    pub same_at: f64,
    /// Two titles of one shop code that carry a veto name two products if the weight of their
    /// agreeing words is below this.
    pub min_evidence: f64,
    /// Cost of a word that only one title has, as a share of its weight.
    pub one_sided: f64,
    /// Cost of words that stand against each other, as a share of their weight.
    pub two_sided: f64,
    /// As `one_sided`, for titles that share no names.
    pub one_sided_unnamed: f64,
    /// Titles read per listing.
    pub max_titles: usize,
    /// Penalties of differences.
    pub penalty: Penalties,
    /// Weights of agreements.
    pub weight: Weights,
    /// Deciding measures with their domains; an empty list means all.
    pub decides: BTreeMap<Measure, Vec<Domain>>,
    /// The lexicon for reading titles.
    #[serde(skip, default = "shipped_words")]
    pub words: Arc<Words>,
    /// The matcher, which estimates the probability that two titles are one product.
    #[serde(skip, default = "Matcher::shipped")]
    pub matcher: Arc<Matcher>,
    /// People's decisions, which override everything else.
    #[serde(skip)]
    pub corrections: Arc<Corrections>,
}

fn shipped_words() -> Arc<Words> {
    Arc::new(Words::shipped().clone())
}

impl Default for Policy {
    #[expect(clippy::expect_used, reason = "the text is in the binary and read by a test")]
    fn default() -> Self {
        toml::from_str(DEFAULT).expect("the shipped identity.toml is a policy")
    }
}

impl Policy {
    /// The default policy with the keys of `text` replaced.
    ///
    /// # Errors
    /// [`PolicyError`] if the text is not TOML with the policy's keys, or a number is out of range.
    pub fn with(text: &str) -> Result<Self, PolicyError> {
        let syntax = |source| PolicyError::Syntax { source };
        let mut base: toml::Table = toml::from_str(DEFAULT).map_err(syntax)?;
        let over: toml::Table = toml::from_str(text).map_err(syntax)?;
        for (key, value) in over {
            match (base.get_mut(&key), value) {
                (Some(toml::Value::Table(table)), toml::Value::Table(values)) => table.extend(values),
                (_, value) => {
                    base.insert(key, value);
                }
            }
        }
        let policy: Self = toml::Value::Table(base).try_into().map_err(syntax)?;
        for (key, value, most) in [
            ("same_at", policy.same_at, 1.0),
            ("one_sided", policy.one_sided, 10.0),
            ("two_sided", policy.two_sided, 10.0),
            ("one_sided_unnamed", policy.one_sided_unnamed, 10.0),
            ("min_evidence", policy.min_evidence, 100.0),
        ] {
            if !(0.0..=most).contains(&value) {
                return Err(PolicyError::Range { key, value, most });
            }
        }
        Ok(policy)
    }

    /// Adds an operator's words.
    ///
    /// # Errors
    /// [`PolicyError::Words`] if the text is not a words file.
    pub fn add_words(&mut self, text: &str) -> Result<(), PolicyError> {
        let mut words = self.words.as_ref().clone();
        words.extend(text)?;
        self.words = Arc::new(words);
        Ok(())
    }

    /// Whether differing values of `measure` decide that products of `domain` differ.
    pub(crate) fn decides(&self, measure: Measure, domain: Option<Domain>) -> bool {
        self.decides
            .get(&measure)
            .is_some_and(|domains| domains.is_empty() || domain.is_none_or(|domain| domains.contains(&domain)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_single_keys() {
        let policy = Policy::with("same_at = 0.7\n[penalty]\nflavour = 0.1\n[decides]\nvolume = [\"beauty\"]").unwrap();
        assert!((policy.same_at - 0.7).abs() < 1e-9 && (policy.penalty.flavour - 0.1).abs() < 1e-9);
        assert!(policy.decides(Measure::Volume, Some(Domain::Beauty)));
        assert!(!policy.decides(Measure::Volume, Some(Domain::Kitchen)));
        assert!(policy.decides(Measure::Model, Some(Domain::Food)));
        assert_eq!(Policy::with("").unwrap(), Policy::default());
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_key() {
        assert!(Policy::with("same_at = 3").unwrap_err().to_string().contains("same_at"));
        assert!(Policy::with("colour = 3").unwrap_err().to_string().contains("colour"));
    }
}
