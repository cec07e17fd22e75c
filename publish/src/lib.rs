//! From a snapshot folder to a store, and what operators do there: publish, roll back, tell what is live, collect what nothing names.
//!
//! It names no engine, so that its tests build in seconds.

mod builds;
mod bundle;
mod collect;
mod cost;
mod forgotten;
mod local;
mod price;
pub mod progress;
mod publication;
mod remote;
mod rollback;
mod run;
pub mod snapshot;
mod stage;
mod status;
mod store;

pub use builds::publish_builds;
pub use bundle::{BundleError, BundleReport, bundle};
pub use collect::{CollectReport, MIN_GRACE_MS, collect};
pub use cost::{CostReport, Line, Sizes, Usage, cost};
pub use forgotten::{Standing, note_forgotten, refuse_forgotten, standing};
pub use local::{LocalKv, LocalKvError};
pub use price::{Assumptions, Bill, DEFAULT as DEFAULT_PRICES, Planned, Price, PriceList, Prices};
pub use publication::{KEPT_SNAPSHOTS, Options, Plan, Report, packs, plan, publish};
pub use remote::{Address, RemoteError, RemoteKv};
pub use rollback::{RollbackReport, rollback};
pub use run::Run;
pub use stage::{STAGE, count};
pub use status::{StatusReport, status};
pub use store::{Error, Listing, Stamp, Store};
