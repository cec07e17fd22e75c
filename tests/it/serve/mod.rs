//! Whole requests on the host: what an app would ask, and what it would be told, through hours that pass in milliseconds.

mod ahead;
mod cache;
mod context;
mod experiment;
mod fault;
mod filter;
mod ladder;
mod limit;
mod migration;
mod paging;
mod personal;
mod pulse;
mod refusal;
mod route;
mod snapshot;
mod token;
mod version;
