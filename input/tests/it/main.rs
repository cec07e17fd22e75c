//! The readers on what fuzzing found.

mod corpus;
