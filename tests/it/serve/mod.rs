//! Complete requests on the host, as apps make them, through hours that pass in milliseconds.

mod ahead;
mod audience;
mod cache;
mod context;
mod experiment;
mod fault;
mod filter;
mod ladder;
mod limit;
mod migration;
mod overlay;
mod paging;
mod personal;
mod product;
mod pulse;
mod refusal;
mod route;
mod schedule;
mod snapshot;
mod token;
mod trial;
mod version;
