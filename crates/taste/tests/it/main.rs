//! Integration tests of checkpoints.

mod kept;
