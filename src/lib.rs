//! Sinsang's edge and its pure core.

extern crate alloc;

pub mod time;
