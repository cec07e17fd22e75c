//! The identity policy: thresholds, weights, penalties and which measures decide where, from `data/identity.toml` or a file like it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::matcher::Matcher;
use crate::correction::Corrections;
use crate::listing::words::Words;
use crate::listing::{Domain, Measure};

const DEFAULT: &str = include_str!("../../data/identity.toml");

/// Why a policy file can't be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// Not TOML of the expected keys.
    #[error("identity policy: {source}; see data/identity.toml for the keys")]
    Syntax {
        /// What the TOML reader says, with line and column.
        #[source]
        source: toml::de::Error,
    },
    /// A number outside its range.
    #[error("identity policy: `{key}` is {value}, it must be from 0 to {most}")]
    Range {
        /// The key.
        key: &'static str,
        /// The value found.
        value: f64,
        /// The largest value allowed.
        most: f64,
    },
    /// The words file can't be used.
    #[error(transparent)]
    Words(#[from] crate::listing::words::Error),
}

/// What a difference takes from the score.
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

/// What an agreement counts.
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

/// What makes two listings one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// A probability at or above this is "same".
    pub same_at: f64,
    /// Below this weight of what agrees, titles of one code that something decides against are two things.
    pub min_evidence: f64,
    /// Cost of a word that only one title has, as a share of its weight.
    pub one_sided: f64,
    /// Cost of words that stand against each other.
    pub two_sided: f64,
    /// As `one_sided`, where no name agrees.
    pub one_sided_unnamed: f64,
    /// Titles of a listing that are looked at.
    pub max_titles: usize,
    /// What differences take.
    pub penalty: Penalties,
    /// What agreements count.
    pub weight: Weights,
    /// Measures that decide, and in which domains; an empty list is all.
    pub decides: BTreeMap<Measure, Vec<Domain>>,
    /// The words that titles are read by.
    #[serde(skip, default = "shipped_words")]
    pub words: Arc<Words>,
    /// What tells how likely two titles are one product.
    #[serde(skip, default = "Matcher::shipped")]
    pub matcher: Arc<Matcher>,
    /// What people decided, which stands above all of this.
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
    /// The default policy with the keys of `text` put in its place.
    ///
    /// # Errors
    /// [`PolicyError`] where the text is not TOML of the policy's keys, or a number is out of range.
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
    /// [`PolicyError::Words`] where the text is no words file.
    pub fn add_words(&mut self, text: &str) -> Result<(), PolicyError> {
        let mut words = self.words.as_ref().clone();
        words.extend(text)?;
        self.words = Arc::new(words);
        Ok(())
    }

    /// Whether differing values of `measure` make two products of `domain`.
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
