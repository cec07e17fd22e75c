//! Data of others mapped to the input tables.
