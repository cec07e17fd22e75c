//! Publishes a snapshot folder to a store, and lets operators roll back, see what is live and
//! collect unreferenced packs.
//!
//! This crate depends on no query engine, so its tests build in seconds.

mod builds;
mod bundle;
mod collect;
mod compare;
mod comparison;
mod cost;
mod forgotten;
mod found;
mod gate;
mod grace;
mod hindsight;
mod history;
mod lease;
mod local;
pub mod overlay;
mod past;
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
mod summary;
mod trial;
mod viewer_share;

pub use builds::publish_builds;
pub use bundle::{BundleError, BundleReport, bundle};
pub use collect::{CollectOptions, CollectReport, Pass, collect};
pub use compare::{CompareError, CompareReport, Located, Place, compare};
pub use comparison::{
    Cause, Churn, Comparison, Distribution, Draw, FIRST, MOST_SHARDS, MOST_VIEWERS, Movement, Side, Turn, Turns,
};
pub use cost::{CostReport, Line, Sizes, Usage, cost};
pub use forgotten::{Standing, is_forgotten, note_forgotten, refuse_forgotten, standing};
pub use gate::{Limits, Reason, Refusal, Share};
pub use grace::MIN_GRACE_MS;
pub use hindsight::{Hindsight, Judgement, Ranks};
pub use history::KEPT_SNAPSHOTS;
pub use local::{LocalKv, LocalKvError};
pub use price::{Assumptions, Bill, DEFAULT as DEFAULT_PRICES, Planned, Price, PriceList, Prices};
pub use publication::{Options, Plan, Report, packs, plan, publish};
pub use remote::{Address, RemoteError, RemoteKv};
pub use rollback::{RollbackReport, rollback};
pub use run::{Move, Run, live_since, moves, runs};
pub use status::{Depth, Holding, OverlayState, StatusReport, Stored, status};
pub use store::{Batch, Error, Listing, Page, Stamp, Store};
pub use summary::{ShopCount, Summary};
pub use trial::{ShareOptions, ShareReport, share};
pub use viewer_share::{BadShare, ViewerShare};
