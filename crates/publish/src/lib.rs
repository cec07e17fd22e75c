//! From a snapshot folder to a store, and what operators do there: publish, roll back, tell what is live, collect what nothing names.
//!
//! It names no engine, so that its tests build in seconds.

mod builds;
mod bundle;
mod collect;
mod cost;
mod forgotten;
mod found;
mod gate;
mod grace;
mod lease;
mod local;
mod price;
mod publication;
mod remote;
mod rollback;
mod run;
#[cfg(test)]
mod shelf;
pub mod snapshot;
mod status;
mod store;

pub use builds::publish_builds;
pub use bundle::{BundleError, BundleReport, bundle};
pub use collect::{CollectOptions, CollectReport, Pass, collect};
pub use cost::{CostReport, Line, Sizes, Usage, cost};
pub use forgotten::{Standing, note_forgotten, refuse_forgotten, standing};
pub use gate::{Limits, Reason, Refusal, Share, ShopCount, Summary};
pub use grace::MIN_GRACE_MS;
pub use local::{LocalKv, LocalKvError};
pub use price::{Assumptions, Bill, DEFAULT as DEFAULT_PRICES, Planned, Price, PriceList, Prices};
pub use publication::{KEPT_SNAPSHOTS, Options, Plan, Report, packs, plan, publish};
pub use remote::{Address, RemoteError, RemoteKv};
pub use rollback::{RollbackReport, rollback};
pub use run::Run;
pub use status::{Depth, Holding, StatusReport, Stored, status};
pub use store::{Batch, Error, Listing, Page, Stamp, Store};
