//! Tests of the pipeline as a library, on generated tables and broken inputs.

mod desk;
mod external_vectors;
mod model;
mod offset;
mod schedule;
mod source;
mod taste;
mod world;
