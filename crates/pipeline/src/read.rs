//! What a build reads, and makes of what it read: tables, the catalogue, the history, which listings are one product, the rules, who is to be forgotten.

pub mod catalogue;
pub mod correction;
pub mod external_vectors;
pub mod forgotten;
pub mod history;
pub mod product;
pub mod rekey;
pub mod rules;
pub mod schedule;
pub mod score_text;
pub mod source;
