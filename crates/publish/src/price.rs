//! Cloudflare's prices, from `data/cost.toml`, and the bill of a single publish.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::publication::Plan;
use crate::remote::PACE;

/// The default prices and assumptions.
pub const DEFAULT: &str = include_str!("../data/cost.toml");

/// A price file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// Day on which the prices were read.
    pub read_on: String,
    /// Base price of the plan, in dollars a month.
    pub plan_dollars: f64,
    /// Prices by unit.
    pub prices: Prices,
    /// Assumptions of an estimate.
    pub assumptions: Assumptions,
}

/// Prices in dollars, for units beyond those that the plan includes each month.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it, and the file says more")]
pub struct Prices {
    pub requests: Price,
    pub cpu_ms: Price,
    pub kv_reads: Price,
    pub kv_writes: Price,
    pub kv_deletes: Price,
    pub kv_lists: Price,
    pub kv_gb_months: Price,
    pub queue_operations: Price,
    pub r2_writes: Price,
    pub r2_reads: Price,
    pub r2_gb_months: Price,
    pub analytics_points: Price,
    pub object_requests: Price,
    pub object_gb_seconds: Price,
    pub object_rows_read: Price,
    pub object_rows_written: Price,
    pub object_gb_months: Price,
}

/// The price of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Dollars for `per` units.
    pub dollars: f64,
    /// Number of units that `dollars` buys.
    pub per: f64,
    /// Units a month that the plan includes.
    pub included: f64,
}

impl Price {
    /// Dollars for `units` in a month.
    pub fn of(self, units: f64) -> f64 {
        (units - self.included).max(0.0) / self.per * self.dollars
    }

    /// Dollars for `units` once the included ones are used up.
    pub fn beyond(self, units: f64) -> f64 {
        units / self.per * self.dollars
    }
}

/// Assumptions of an estimate, each described in `data/cost.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "data/cost.toml says what each is")]
pub struct Assumptions {
    pub cpu_us: f64,
    pub shard_bytes: f64,
    pub isolates: f64,
    pub remembered_shard_bytes: f64,
    pub manifest_looks_s: f64,
    pub pulse_s: f64,
    pub shards_changed: f64,
    pub kept_snapshots: f64,
    pub grace_days: f64,
    pub event_batches_per_request: f64,
    pub event_batch_bytes: f64,
    pub event_days: f64,
    pub event_batches_per_object: f64,
    pub event_object_reads: f64,
    pub consumers: f64,
    pub products_per_object: f64,
    pub counter_active: f64,
    pub counter_gb: f64,
    pub sampled: f64,
}

impl PriceList {
    /// Parses the price list in `text`.
    ///
    /// # Errors
    /// If `text` is not TOML or lacks a field.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

/// API calls of a publish that read the live manifest, kept manifests and existing packs.
pub(crate) const LOOKS: usize = 31;
/// Further API calls of a publish, apart from writing packs and reading them back: the lease, the
/// manifest, the history, the live board and the builds.
pub(crate) const MOVES: usize = 18;

static LIST: LazyLock<Option<PriceList>> = LazyLock::new(|| PriceList::parse(DEFAULT).ok());

/// Dollars a month that KV takes for keeping `bytes`, beyond what the plan includes.
#[expect(clippy::cast_precision_loss, reason = "an estimate, of sizes far below 2^52")]
pub(crate) fn stored(bytes: u64) -> f64 {
    LIST.as_ref().map_or(0.0, |list| list.prices.kv_gb_months.beyond(bytes as f64 / 1e9))
}

/// The estimated cost of a planned publish to Cloudflare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bill {
    /// Requests to the API.
    pub requests: usize,
    /// Dollars, beyond what the plan includes.
    pub dollars: f64,
    /// Seconds, at the given upload speed and the API's rate limit.
    pub seconds: f64,
}

impl Bill {
    /// The bill of `plan`, uploaded at `mbit` Mbit/s.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, of sizes far below 2^52"
    )]
    pub fn of(plan: &Plan, mbit: f64) -> Self {
        let sent = plan.bytes as f64 * 4.0 / 3.0;
        let bulks = plan.keys.div_ceil(10_000).max((sent / f64::from(32 << 20)).ceil() as usize) + 2;
        let requests = LOOKS + if plan.is_live { 0 } else { bulks + plan.read_back + MOVES };
        let dollars = LIST.as_ref().map_or(0.0, |list| {
            let Prices { kv_writes, kv_reads, .. } = &list.prices;
            kv_writes.beyond(plan.keys as f64) + kv_reads.beyond((LOOKS + MOVES + plan.read_back) as f64)
        });
        let paced = requests.saturating_sub(500) as f64 * PACE.as_secs_f64();
        Self { requests, dollars, seconds: paced.max(sent * 8.0 / (mbit.max(0.001) * 1e6)) }
    }
}

/// A plan, with its bill if known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// The planned publish.
    #[serde(flatten)]
    pub plan: Plan,
    /// Its cost.
    pub bill: Option<Bill>,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { snapshot, live, packs, keys, bytes, read_back, share, is_live, refusal } = &self.plan;
        if *is_live {
            return write!(f, "snapshot {snapshot} is already live; nothing would be written");
        }
        write!(f, "snapshot {snapshot} ({packs} packs) ")?;
        match (share, live) {
            (Some(share), Some(live)) => write!(f, "would be on trial for {share} of viewers beside {live}")?,
            (Some(share), None) => write!(f, "would be on trial for {share} of viewers")?,
            (None, Some(live)) => write!(f, "would become live, replacing {live}")?,
            (None, None) => f.write_str("would become live")?,
        }
        write!(f, ": {keys} keys written ({bytes} bytes), {read_back} read back")?;
        if let Some(Bill { requests, dollars, seconds }) = &self.bill {
            write!(
                f,
                "; {requests} requests, {dollars:.4} dollars beyond what the plan includes, {seconds:.0} seconds"
            )?;
        }
        if refusal.is_empty() {
            Ok(())
        } else {
            write!(f, "\nwithout --force the publish would be refused:\n{refusal}")
        }
    }
}
