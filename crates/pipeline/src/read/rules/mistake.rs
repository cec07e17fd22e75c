//! What all rules have in common: mistakes with their places, and names without regard to case.

/// A mistake in a rule, with its byte offset in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The byte offset.
    pub(super) at: usize,
    /// The mistake, as a sentence.
    pub(super) what: String,
}

pub(super) fn mistake(at: usize, what: impl Into<String>) -> Mistake {
    Mistake { at, what: what.into() }
}

/// A name as names are compared.
pub(super) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}
