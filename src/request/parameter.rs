//! Query parameters of a request.

use std::borrow::Cow;

use sinsang_core::text::compose_hangul;

use super::bad;
use super::refusal::Refusal;

/// Longest value of a parameter, in bytes.
const MAX_VALUE_BYTES: usize = 256;
/// Longest value of `recent` and `ids`, in bytes: fifty ids with commas.
const MAX_IDS_BYTES: usize = 850;
/// Limit on the number of parameters; only `variant` may repeat.
const MAX_PARAMETERS: usize = 32;

/// The parameters of a query: all known, and none repeated except `variant`.
pub(super) struct Parameters<'q>(pub(super) Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Parameters<'q> {
    /// The parameters of `query`, all of them among the lists `allowed`.
    pub(super) fn parse(query: &'q str, allowed: [&[&str]; 2]) -> Result<Self, Refusal> {
        let mut parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !allowed.iter().any(|list| list.contains(&name.as_ref())) {
                let shown: String = name.chars().take(40).collect();
                let allowed = allowed.concat();
                let expected = if allowed.is_empty() {
                    "no parameter here".to_owned()
                } else {
                    format!("one of {}", allowed.join(", "))
                };
                return Err(Refusal::Parameter(shown, format!("unknown parameter, expected {expected}")));
            }
            let is_list = name == "variant" && parameters.len() < MAX_PARAMETERS;
            if !is_list && parameters.iter().any(|(known, _)| *known == name) {
                return Err(bad(&name, "the parameter once"));
            }
            // Composed as on boards, whatever the client's system does to Hangul.
            let value = if value.is_ascii() { value } else { Cow::Owned(compose_hangul(&value)) };
            let longest = if matches!(&*name, "recent" | "ids") { MAX_IDS_BYTES } else { MAX_VALUE_BYTES };
            if value.len() > longest {
                return Err(bad(&name, &format!("at most {longest} bytes")));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    #[inline(never)]
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_ref())
    }
}
