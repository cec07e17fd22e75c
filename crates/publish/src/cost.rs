//! The monthly cost at Cloudflare of this design, which stores tastes in shards, compared with one
//! key per user.
//!
//! Sizes come from an actual snapshot, prices and assumptions from `data/cost.toml`.

use std::fmt;

use serde::Serialize;
use sinsang_core::key::{Key, REPLAYABLE_MS};
use sinsang_core::pack::Kind;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::pulse::MAX_COUNTS;
use sinsang_core::pulse;
use sinsang_core::time::DAY_MS;

use crate::price::{Assumptions, Price, PriceList};
use crate::publication::packs;
use crate::snapshot::{self, Snapshot};

const DAYS: f64 = 30.0;
const SECONDS: f64 = DAYS * 86_400.0;
/// Seconds between two reads of the live manifest by an events consumer
/// (`crates/event-worker/src/edge/listing.rs`).
const LISTING_LOOK_S: f64 = 60.0;
/// The Durable Object that counts the pulse: most rows that it reads on waking, and bytes of all
/// its marks.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const COUNTER: (f64, f64) = ((pulse::MAX_PRODUCTS + 1) as f64, (pulse::MAX_ALL_MARKS * pulse::MARK_BYTES) as f64);
/// Days for which a store keeps what answers were given from.
#[expect(clippy::cast_precision_loss, reason = "a week")]
const REPLAYABLE_DAYS: f64 = REPLAYABLE_MS as f64 / DAY_MS as f64;
/// The most bytes of a pulse's counts.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const PULSE_BYTES: f64 = (MAX_COUNTS * 16) as f64;
/// Names per page of a list.
const LISTED: f64 = 1_000.0;
/// Upper bound on a publish's reads apart from shards: 200 packs and the manifest twice to read
/// them back; and the live and kept manifests, some of their packs, the lease and the history.
const PUBLISH_READS: f64 = 241.0;
/// Keys that every publish writes besides shards: the board, the manifest as a pack and as the live
/// one, the lease twice, the history and the builds.
const OTHER_KEYS: f64 = 7.0;
/// The packs among them, which a later collection removes.
const OTHER_PACKS: f64 = 2.0;

/// The load on the system.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Usage {
    /// Users in a month, all with tastes.
    pub users: f64,
    /// Requests per user in a month.
    pub requests_per_user: f64,
    /// Publishes a day.
    pub publishes_per_day: f64,
}

/// Measured sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sizes {
    /// Bytes of tastes per user.
    pub bytes_per_user: f64,
    /// Bytes of the board.
    pub board_bytes: f64,
    /// CPU time of a request, in microseconds.
    pub cpu_us: f64,
}

impl Sizes {
    /// Measures `snapshot`, and adds `cpu_us`, the measured CPU time of a request.
    ///
    /// # Errors
    /// If a file of the snapshot can't be read.
    #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
    pub fn of(snapshot: &Snapshot, cpu_us: f64) -> Result<Self, snapshot::Error> {
        let manifest: Manifest = snapshot.manifest()?;
        let (mut board_bytes, mut taste_bytes) = (0, 0);
        for key in packs(&manifest) {
            let bytes = snapshot.bytes_of(key)?;
            if matches!(key, Key::Pack(Kind::Board, _)) { board_bytes += bytes } else { taste_bytes += bytes }
        }
        let users = f64::from(manifest.users().max(1));
        Ok(Self { bytes_per_user: taste_bytes as f64 / users, board_bytes: board_bytes as f64, cpu_us })
    }
}

/// One billed resource, in both designs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The resource.
    pub name: &'static str,
    /// Units a month with shards.
    pub units: f64,
    /// Dollars a month with shards.
    pub dollars: f64,
    /// Units a month with one key per user.
    pub units_by_key: f64,
    /// Dollars a month with one key per user.
    pub dollars_by_key: f64,
}

/// A month's bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostReport {
    /// The load it assumes.
    pub usage: Usage,
    /// The sizes it is computed from.
    pub sizes: Sizes,
    /// Number of taste shards.
    pub shards: f64,
    /// Billed resources.
    pub lines: Vec<Line>,
    /// Dollars with shards, including the plan's base price.
    pub dollars: f64,
    /// GB that the store keeps for replays: a week of snapshots and pulses.
    pub replay_gb: f64,
    /// Dollars of these a month.
    pub replay_dollars: f64,
    /// Dollars with one key per user.
    pub dollars_by_key: f64,
    /// Day on which the prices were read.
    pub prices_read_on: String,
}

/// A month's use of each billed resource.
struct Consumption {
    requests: f64,
    cpu_ms: f64,
    kv_reads: f64,
    kv_writes: f64,
    kv_deletes: f64,
    kv_lists: f64,
    kv_gb_months: f64,
    replay_gb: f64,
    queue_operations: f64,
    r2_writes: f64,
    r2_reads: f64,
    r2_gb_months: f64,
    analytics_points: f64,
    object_requests: f64,
    object_gb_seconds: f64,
    object_rows_read: f64,
    object_rows_written: f64,
    object_gb_months: f64,
}

/// The bill for a month of 30 days.
pub fn cost(usage: Usage, sizes: Sizes, list: &PriceList) -> CostReport {
    let assumed = &list.assumptions;
    let shards = shards(usage.users * sizes.bytes_per_user, assumed.shard_bytes);
    let ours = consumption(usage, sizes, assumed, Some(shards));
    let by_key = consumption(usage, sizes, assumed, None);
    let prices = &list.prices;
    let lines: Vec<Line> = [
        ("requests", prices.requests, ours.requests, by_key.requests),
        ("CPU ms", prices.cpu_ms, ours.cpu_ms, by_key.cpu_ms),
        ("KV reads", prices.kv_reads, ours.kv_reads, by_key.kv_reads),
        ("KV writes", prices.kv_writes, ours.kv_writes, by_key.kv_writes),
        ("KV deletes", prices.kv_deletes, ours.kv_deletes, by_key.kv_deletes),
        ("KV lists", prices.kv_lists, ours.kv_lists, by_key.kv_lists),
        ("KV GB", prices.kv_gb_months, ours.kv_gb_months, by_key.kv_gb_months),
        ("Queues operations", prices.queue_operations, ours.queue_operations, by_key.queue_operations),
        ("R2 writes", prices.r2_writes, ours.r2_writes, by_key.r2_writes),
        ("R2 reads", prices.r2_reads, ours.r2_reads, by_key.r2_reads),
        ("R2 GB", prices.r2_gb_months, ours.r2_gb_months, by_key.r2_gb_months),
        ("Analytics points", prices.analytics_points, ours.analytics_points, by_key.analytics_points),
        ("Object requests", prices.object_requests, ours.object_requests, by_key.object_requests),
        ("Object GB-seconds", prices.object_gb_seconds, ours.object_gb_seconds, by_key.object_gb_seconds),
        ("Object rows read", prices.object_rows_read, ours.object_rows_read, by_key.object_rows_read),
        ("Object rows written", prices.object_rows_written, ours.object_rows_written, by_key.object_rows_written),
        ("Object GB", prices.object_gb_months, ours.object_gb_months, by_key.object_gb_months),
    ]
    .into_iter()
    .map(|(name, price, units, units_by_key)| line(name, price, units, units_by_key))
    .collect();
    CostReport {
        usage,
        sizes,
        shards,
        dollars: list.plan_dollars + lines.iter().map(|line| line.dollars).sum::<f64>(),
        dollars_by_key: list.plan_dollars + lines.iter().map(|line| line.dollars_by_key).sum::<f64>(),
        lines,
        replay_gb: ours.replay_gb,
        replay_dollars: prices.kv_gb_months.beyond(ours.replay_gb),
        prices_read_on: list.read_on.clone(),
    }
}

fn line(name: &'static str, price: Price, units: f64, units_by_key: f64) -> Line {
    Line { name, units, dollars: price.of(units), units_by_key, dollars_by_key: price.of(units_by_key) }
}

/// The smallest power of two of shards that holds `bytes` at `shard_bytes` each, as in a build.
fn shards(bytes: f64, shard_bytes: f64) -> f64 {
    (bytes / shard_bytes).max(1.0).log2().ceil().exp2()
}

/// A month's use with `shards` shards, or with one key per user if `None`.
fn consumption(usage: Usage, sizes: Sizes, assumed: &Assumptions, shards: Option<f64>) -> Consumption {
    let requests = usage.users * usage.requests_per_user;
    let publishes = usage.publishes_per_day * DAYS;
    let taste_bytes = usage.users * sizes.bytes_per_user;
    let keys = shards.unwrap_or(usage.users);
    let rewritten = keys * assumed.shards_changed;
    let looks = requests.min(assumed.isolates * SECONDS / assumed.manifest_looks_s);
    let boards = publishes * assumed.isolates;
    let pulses = SECONDS / assumed.pulse_s;
    let pulse_looks = requests.min(assumed.isolates * pulses);

    let (taste_reads, deletes, lists, stored_bytes, replay_bytes);
    if let Some(shards) = shards {
        // Each isolate reads each shard that its requests need once per publish, and again if it
        // has evicted it.
        let per_isolate = requests / (publishes * assumed.isolates).max(1.0);
        let met = shards * (1.0 - (1.0 - 1.0 / shards).powf(per_isolate));
        let remembered = (assumed.remembered_shard_bytes / (taste_bytes / shards)).min(shards);
        taste_reads = publishes * assumed.isolates * met.max(per_isolate * (1.0 - remembered / shards));
        // Content-addressed packs stay until a collection removes them.
        let late = usage.publishes_per_day * assumed.grace_days.max(REPLAYABLE_DAYS);
        let kept = assumed.kept_snapshots - 1.0 + late;
        let stored = shards + OTHER_PACKS + kept * (rewritten + OTHER_PACKS);
        deletes = publishes * (rewritten + OTHER_PACKS);
        // A collection lists the whole store once a day; a publish lists nothing.
        lists = DAYS * (stored / LISTED).ceil();
        let other_bytes = sizes.board_bytes + 16.0 * shards;
        let snapshot_bytes = taste_bytes * assumed.shards_changed + other_bytes;
        let pulse_bytes = REPLAYABLE_DAYS * 86_400.0 / assumed.pulse_s * PULSE_BYTES;
        replay_bytes = usage.publishes_per_day * REPLAYABLE_DAYS * snapshot_bytes + pulse_bytes;
        stored_bytes = taste_bytes + other_bytes + kept * snapshot_bytes + pulse_bytes;
    } else {
        // An isolate rarely meets a user twice, and values are overwritten in place.
        taste_reads = requests;
        deletes = 0.0;
        lists = 0.0;
        replay_bytes = 0.0;
        stored_bytes = taste_bytes + sizes.board_bytes;
    }
    let batches = requests * assumed.event_batches_per_request;
    let objects = batches / assumed.event_batches_per_object;
    // A consumer looks up the live board's listings, and reads the board if it has changed.
    let listing_looks = objects.min(assumed.consumers * SECONDS / LISTING_LOOK_S);
    let listing_boards = objects.min(assumed.consumers * publishes);
    Consumption {
        requests: requests + batches,
        cpu_ms: (requests + batches) * sizes.cpu_us / 1e3,
        // The overlay is looked up with the manifest.
        kv_reads: 2.0 * looks
            + pulse_looks
            + boards
            + taste_reads
            + publishes * PUBLISH_READS
            + listing_looks
            + listing_boards,
        // A pulse is written under its number and as the latest.
        kv_writes: publishes * (rewritten + OTHER_KEYS) + 2.0 * pulses,
        kv_deletes: deletes,
        kv_lists: lists,
        kv_gb_months: stored_bytes / 1e9,
        replay_gb: replay_bytes / 1e9,
        // A message is written, read and deleted.
        queue_operations: 3.0 * batches,
        r2_writes: objects,
        r2_reads: objects * assumed.event_object_reads,
        r2_gb_months: batches * assumed.event_batch_bytes * assumed.event_days / DAYS / 1e9,
        analytics_points: requests * assumed.sampled,
        // The pulse counter receives a request per object, and wakes once per pulse.
        object_requests: objects + pulses,
        object_gb_seconds: SECONDS * assumed.counter_active * assumed.counter_gb,
        // The upper bound: it wakes from hibernation each time, and reads all products and the
        // queue.
        object_rows_read: pulses * COUNTER.0,
        // Each pulse writes and deletes the waiting row, and sets the alarm.
        object_rows_written: objects * assumed.products_per_object * 2.0 + pulses * 3.0,
        object_gb_months: COUNTER.1 / 1e9,
    }
}

impl fmt::Display for CostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { users, requests_per_user, publishes_per_day } = self.usage;
        let Sizes { bytes_per_user, board_bytes, cpu_us } = self.sizes;
        writeln!(
            f,
            "{users:.0} users, {requests_per_user} requests per user and month, {publishes_per_day} publishes per day"
        )?;
        writeln!(
            f,
            "{} taste shards ({bytes_per_user:.0} bytes per user), a board of {board_bytes:.0} bytes",
            self.shards
        )?;
        writeln!(f, "{cpu_us:.0} µs of CPU per request; prices as of {}", self.prices_read_on)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<19} {:>15} {:>10}   {:>15} {:>10}",
            "per month", "shards", "dollars", "key per user", "dollars"
        )?;
        for Line { name, units, dollars, units_by_key, dollars_by_key } in &self.lines {
            let digits = if name.ends_with(" GB") { 2 } else { 0 };
            writeln!(
                f,
                "{name:<19} {units:>15.digits$} {dollars:>10.2}   {units_by_key:>15.digits$} {dollars_by_key:>10.2}"
            )?;
        }
        write!(
            f,
            "{:<19} {:>15} {:>10.2}   {:>15} {:>10.2}",
            "total with plan", "", self.dollars, "", self.dollars_by_key
        )?;
        write!(
            f,
            "\n\n{:.2} KV GB of it, {:.2} dollars, are a week of snapshots and pulses, for `sinsang replay`",
            self.replay_gb, self.replay_dollars
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage { users: 1e6, requests_per_user: 20.0, publishes_per_day: 24.0 };
    const SIZES: Sizes = Sizes { bytes_per_user: 128.0, board_bytes: 1e6, cpu_us: 300.0 };

    fn report() -> CostReport {
        cost(USAGE, SIZES, &PriceList::parse(crate::price::DEFAULT).unwrap())
    }

    #[track_caller]
    fn assert_line(name: &str, units: [f64; 2], dollars: [f64; 2]) {
        let report = report();
        let line = report.lines.iter().find(|line| line.name == name).unwrap();
        for (found, expected) in [line.units, line.units_by_key, line.dollars, line.dollars_by_key]
            .into_iter()
            .zip(units.into_iter().chain(dollars))
        {
            assert!((found - expected).abs() <= 1e-3 * expected.abs().max(0.01), "{name}: {found}, by hand {expected}");
        }
    }

    /// Worked out by hand: 720 publishes, 20 million requests, 4 million batches; 128 MB of tastes
    /// in 4,096 shards of 31,250 bytes.
    #[test]
    fn a_month_of_a_million_users_as_computed_by_hand() {
        assert!((report().shards - 4096.0).abs() < 1e-9);
        assert_line("requests", [24e6, 24e6], [4.20, 4.20]);
        assert_line("CPU ms", [7.2e6, 7.2e6], [0.0, 0.0]);
        // 720 × (4,096 + 7), and 720 × (1,000,000 + 7); 43,200 pulses, twice.
        assert_line("KV writes", [3_040_560.0, 720_091_440.0], [10.2028, 3595.457]);
        assert_line("KV deletes", [2_950_560.0, 0.0], [9.7528, 0.0]);
        // 4 + 168 older snapshots of 4,098 packs and the live one: 708,954 packs, 709 list pages,
        // 30 times.
        assert_line("KV lists", [21_270.0, 0.0], [0.0, 0.0]);
        // 17.28 million reads of the manifest and of the overlay each, 8.64 million of pulses,
        // 144,000 boards, 173,520 reads by publishes; 138.9 requests per isolate and publish, which
        // need 4,096 × (1 − (1 − 1/4,096)^138.9) = 136.57 shards: 19,665,900. Consumers: a look for
        // each of 40,000 objects, and 5 × 720 boards.
        assert_line("KV reads", [63_227_080.0, 63_561_120.0], [26.6135, 26.7806]);
        // 173 × (128 MB + 1 MB + 65,536 bytes), 10,080 pulses of 32 KiB, and 129 MB.
        assert_line("KV GB", [22.6586, 0.129], [10.8293, 0.0]);
        assert_line("Queues operations", [12e6, 12e6], [4.40, 4.40]);
        assert_line("R2 writes", [40_000.0, 40_000.0], [0.0, 0.0]);
        // 4 million batches of 600 bytes, kept for three months.
        assert_line("R2 GB", [7.2, 7.2], [0.0, 0.0]);
        assert_line("Analytics points", [200_000.0, 200_000.0], [0.0, 0.0]);
        // One request per object and 43,200 alarms; 128 MB all month; 8,193 rows per alarm; 50
        // products per object, twice, and 3 rows per alarm.
        assert_line("Object requests", [83_200.0, 83_200.0], [0.0, 0.0]);
        assert_line("Object GB-seconds", [331_776.0, 331_776.0], [0.0, 0.0]);
        assert_line("Object rows read", [353_937_600.0, 353_937_600.0], [0.0, 0.0]);
        assert_line("Object rows written", [4_129_600.0, 4_129_600.0], [0.0, 0.0]);
        assert_line("Object GB", [0.0018, 0.0018], [0.0, 0.0]);
        let report = report();
        let sum = 5.0 + 4.2 + 10.2028 + 9.7528 + 26.6135 + 10.8293 + 4.4;
        assert!((report.dollars - sum).abs() < 0.02, "{report}");
        // 168 of those snapshots, and the pulses.
        assert!((report.replay_gb - 22.0133).abs() < 1e-3, "{report}");
        assert!(
            report.to_string().ends_with(
                "22.01 KV GB of it, 11.01 dollars, are a week of snapshots and pulses, for `sinsang replay`"
            )
        );
        assert!(report.dollars_by_key > 50.0 * report.dollars, "{report}");
    }

    #[test]
    fn small_months_are_in_the_plan_and_large_ones_grow_with_use() {
        let list = PriceList::parse(crate::price::DEFAULT).unwrap();
        let small = cost(Usage { users: 1e3, requests_per_user: 1.0, publishes_per_day: 1.0 }, SIZES, &list);
        assert!((small.dollars - 5.0).abs() < 1e-9, "{small}");
        let large = cost(Usage { users: 1e7, ..USAGE }, SIZES, &list);
        assert!((large.shards - 65_536.0).abs() < 1e-9);
        assert!(large.dollars > report().dollars && large.dollars_by_key > 30_000.0, "{large}");
        // Twenty times the events: 800,000 objects write 80 million rows, of which the plan
        // includes 50 million.
        let busy = cost(Usage { users: 2e7, ..USAGE }, SIZES, &list);
        let rows = busy.lines.iter().find(|line| line.name == "Object rows written").unwrap();
        assert!((rows.units - 80_129_600.0).abs() < 1.0 && (rows.dollars - 30.1296).abs() < 1e-6, "{busy}");
        assert!(PriceList::parse("read_on = 'today'").is_err());
    }
}
