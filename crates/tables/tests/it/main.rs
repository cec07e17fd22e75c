//! Tests of the readers on the fuzzing corpora, and on what the Worker accepts.

mod corpus;
mod doctor;
mod event;
mod exporters;
