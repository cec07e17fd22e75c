//! Integration tests of checkpoints.

mod kept;
mod tune;
