//! Tests of publishing over KV's REST API.

mod remote;
mod support;
