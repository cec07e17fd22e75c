//! The readers on what fuzzing found, and on what the Worker takes.

mod corpus;
mod doctor;
mod event;
mod exporters;
