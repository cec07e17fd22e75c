//! The inputs of a build, parsed: tables, catalogue, history, product identity, rules, and the
//! viewers to forget.

pub mod catalogue;
pub mod correction;
pub mod external_vectors;
pub mod forgotten;
pub mod history;
pub mod overlay;
pub mod past_events;
pub mod product;
pub mod rekey;
pub mod rules;
pub mod schedule;
pub mod score_text;
pub mod source;
