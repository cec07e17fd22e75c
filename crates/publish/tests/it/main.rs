//! Publishing over the API of KV.

mod remote;
mod support;
