//! What Cloudflare charges, from `data/cost.toml`, and what a single publish comes to.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::publication::Plan;
use crate::remote::PACE;

/// The prices and assumptions that hold where nothing else is said.
pub const DEFAULT: &str = include_str!("../data/cost.toml");

/// The file of prices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// The day that the prices were read on.
    pub read_on: String,
    /// Dollars of the plan itself, a month.
    pub plan_dollars: f64,
    /// What is charged.
    pub prices: Prices,
    /// What an estimate takes for granted.
    pub assumptions: Assumptions,
}

/// What is charged: dollars for units beyond those that the plan includes each month.
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

/// The price of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Dollars for `per` units.
    pub dollars: f64,
    /// Units that `dollars` are for.
    pub per: f64,
    /// Units a month that the plan includes.
    pub included: f64,
}

impl Price {
    /// Dollars of `units` in a month.
    pub fn of(self, units: f64) -> f64 {
        (units - self.included).max(0.0) / self.per * self.dollars
    }

    /// Dollars of `units` once what the plan includes is used up.
    pub fn beyond(self, units: f64) -> f64 {
        units / self.per * self.dollars
    }
}

/// What an estimate takes for granted; `data/cost.toml` says what each is.
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
    /// The list in `text`.
    ///
    /// # Errors
    /// Where it is no TOML, or leaves something out.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

/// Calls by which a publish looks at what is live, kept and there.
pub(crate) const LOOKS: usize = 31;
/// Calls of a publish beside looking, packs and what is read back of them: the lease, the manifest, the history, the live board and the builds.
pub(crate) const MOVES: usize = 18;

static LIST: LazyLock<Option<PriceList>> = LazyLock::new(|| PriceList::parse(DEFAULT).ok());

/// What a planned publish to Cloudflare comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bill {
    /// Requests to the API.
    pub requests: usize,
    /// Dollars, beyond what the plan includes.
    pub dollars: f64,
    /// Seconds, at the speed given and the pace that the API allows.
    pub seconds: f64,
}

impl Bill {
    /// The bill of `plan`, sent at `mbit` Mbit/s.
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

/// A plan, and its bill where there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// What would be done.
    #[serde(flatten)]
    pub plan: Plan,
    /// What that comes to.
    pub bill: Option<Bill>,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { snapshot, live, packs, keys, bytes, read_back, is_live, refusal } = &self.plan;
        if *is_live {
            return write!(f, "snapshot {snapshot} is live already; nothing would be written");
        }
        write!(f, "snapshot {snapshot} of {packs} packs would become live")?;
        if let Some(live) = live {
            write!(f, " after {live}")?;
        }
        write!(f, ": {keys} keys written ({bytes} bytes), {read_back} read back")?;
        if let Some(Bill { requests, dollars, seconds }) = &self.bill {
            write!(
                f,
                "; {requests} requests, {dollars:.4} dollars beyond what the plan includes, {seconds:.0} seconds"
            )?;
        }
        if refusal.is_empty() { Ok(()) } else { write!(f, "\nit would be refused without --force:\n{refusal}") }
    }
}
