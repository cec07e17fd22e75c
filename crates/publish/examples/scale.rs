//! Measures publishing at 0.1, 1 and 10 million users, against a server with the limits of
//! Cloudflare's API, on a simulated clock: `make publish-scale` prints the table of
//! docs/operations.md. It fails if a limit is exceeded.
//!
//! The store is in its state after a week of publishes, of which only names and stamps are kept,
//! except that the live snapshot has shards to compare with, of one user each; every shard of a
//! snapshot differs from earlier ones. A call takes 25 ms plus its bytes at 100
//! Mbit/s.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "sizes far below 2^52")]

#[path = "../tests/it/support/board.rs"]
mod made;
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../tests/it/support/server.rs"]
mod server;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use server::{Server, SimulatedClock, Used};
use sinsang_core::key::{Key, REPLAYABLE_MS};
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::manifest::{Beside, Manifest, ManifestParts};
use sinsang_core::pack::taste::Widths;
use sinsang_core::pack::{Format, Kind, PackId};
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{
    Address, CollectOptions, DEFAULT_PRICES, Depth, Limits, Options, PriceList, RemoteKv, collect, publish, status,
};
use sinsang_run::clock::Clock;
use sinsang_run::progress::Progress;

/// 2026-11-22 00:00 UTC.
const BEGIN: i64 = 1_795_305_600_000;
/// Bytes of a user in a shard, including the key, and most bytes of users in one shard
/// (docs/operations.md).
const USER_BYTES: usize = 109;
const SHARD_BYTES: usize = 32_768;
/// Products of the board, with titles long enough to make it 3.3 MB.
const PRODUCTS: u64 = 2_022;
const TITLE_CHARS: usize = 500;
/// Grace period of unnamed packs, in days.
const GRACE_DAYS: i64 = 7;
/// The longest that publishing 65,536 shards may take, in milliseconds.
const MAX_PUBLISH_MS: i64 = 20 * 60_000;

static NOW: AtomicI64 = AtomicI64::new(BEGIN);
static SEED: AtomicU64 = AtomicU64::new(1);

fn now() -> UnixMillis {
    UnixMillis(NOW.load(Ordering::SeqCst))
}

/// Advances the clock so that waits of several connections overlap.
fn sleep(duration: Duration) {
    let until = NOW.load(Ordering::SeqCst) + i64::try_from(duration.as_millis()).unwrap_or(0);
    NOW.fetch_max(until, Ordering::SeqCst);
}

/// A name that no pack has, from `SplitMix64`.
fn made_up() -> PackId {
    let number = || {
        let mut value = SEED.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)).to_be_bytes()
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number());
    id[8..].copy_from_slice(&number());
    PackId(id)
}

fn board(built_at: UnixMillis) -> BoardParts {
    let mut parts = made::board(built_at, PRODUCTS);
    for product in &mut parts.products {
        product.title = "가".repeat(TITLE_CHARS);
    }
    parts
}

/// Number of shards for `users` users: a power of two, as in a build.
fn shards(users: usize) -> usize {
    (users * USER_BYTES).div_ceil(SHARD_BYTES).next_power_of_two()
}

/// Writes a snapshot of `users` users straight to files in `folder`.
fn snapshot(folder: &Path, users: usize, built_at: UnixMillis) -> Result<Snapshot, Box<dyn Error>> {
    let widths = Widths { vocabulary: 1, vector: 101, ..Widths::default() };
    let length = USER_BYTES - 8;
    let count = shards(users);
    fs::create_dir_all(folder.join("pack"))?;
    let (board, board_id) = sinsang_core::pack::board_write::write(&board(built_at))?;
    let snapshot = Snapshot::at(folder);
    fs::write(snapshot.file(Key::Pack(Kind::Board, board_id)), board)?;
    let mut ids = Vec::with_capacity(count);
    for shard in 0..count as u64 {
        let first = shard.checked_shl(64 - count.trailing_zeros()).unwrap_or(0);
        let users = users / count + usize::from((shard as usize) < users % count);
        let record = built_at.0.to_le_bytes().into_iter().cycle().take(length).collect::<Vec<u8>>();
        let records: Vec<(u64, Vec<u8>)> = (0..users as u64).map(|user| (first + user + 1, record.clone())).collect();
        let (bytes, id) = sinsang_core::pack::taste::write(&widths, &records)?;
        fs::write(snapshot.file(Key::Pack(Kind::Tastes, id)), bytes)?;
        ids.push(id);
    }
    let users = u32::try_from(users)?;
    let manifest =
        ManifestParts { built_at, board: board_id, format: Format::Two, users, shards: ids, beside: Vec::new() };
    fs::write(snapshot.file(Key::Live), manifest.write()?.0)?;
    Ok(snapshot)
}

/// A shard of one user, of `count` shards.
fn one_user(shard: u64, count: usize) -> Result<(Vec<u8>, PackId), Box<dyn Error>> {
    let key = shard.checked_shl(64 - count.trailing_zeros()).unwrap_or(0) | 1;
    let widths = Widths { vocabulary: 1, vector: 1, ..Widths::default() };
    Ok(sinsang_core::pack::taste::write(&widths, &[(key, vec![1])])?)
}

/// Fills the server as a week and a day of publishes would, so that the packs of one day are past
/// the grace period: five snapshots named by a manifest, and only stamps of all earlier ones.
fn fill(server: &Server, users: usize, a_day: i64) -> Result<(), Box<dyn Error>> {
    let count = shards(users);
    let shard_bytes = u32::try_from(users * USER_BYTES / count)?;
    let every = DAY_MS / a_day;
    let kept = 5;
    let mut state = server.state();
    for turn in kept..(GRACE_DAYS + 1) * a_day {
        let at = BEGIN - turn * every;
        for _ in 0..count + 2 {
            state.shelf.stamps.insert(made_up().0, (at, shard_bytes));
        }
    }
    let mut previous: Vec<Beside> = Vec::new();
    for turn in (0..kept).rev() {
        let built_at = UnixMillis(BEGIN - (turn + 1) * every);
        let live: Vec<(Vec<u8>, PackId)> = (0..if turn == 0 { count as u64 } else { 0 })
            .map(|shard| one_user(shard, count))
            .collect::<Result<_, _>>()?;
        let ids: Vec<PackId> =
            if turn == 0 { live.iter().map(|(_, id)| *id).collect() } else { (0..count).map(|_| made_up()).collect() };
        let (board, board_id) = sinsang_core::pack::board_write::write(&board(built_at))?;
        let users = u32::try_from(users)?;
        let parts = ManifestParts {
            built_at,
            board: board_id,
            format: Format::Two,
            users,
            shards: ids.clone(),
            beside: previous.iter().rev().copied().take(4).collect(),
        };
        let (bytes, id) = parts.write()?;
        previous.push(Beside {
            snapshot: Manifest::parse(bytes.clone())?.snapshot(),
            manifest: id,
            built_at,
            share: None,
        });
        for id in ids.iter().chain([&board_id, &id]) {
            state.shelf.stamps.insert(id.0, (built_at.0, shard_bytes));
        }
        for (key, value) in [
            (Key::Pack(Kind::Board, board_id), board),
            (Key::Pack(Kind::Manifest, id), bytes.clone()),
            (Key::Live, bytes),
        ] {
            state.entries.insert(key.to_string(), server::Entry { value, ..Default::default() });
        }
        for (value, id) in live {
            let key = Key::Pack(Kind::Tastes, id).to_string();
            state.entries.insert(key, server::Entry { value, ..Default::default() });
        }
    }
    Ok(())
}

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    calls: u64,
    bytes: u64,
    ms: i64,
    reads: u64,
    writes: u64,
    deletes: u64,
    lists: u64,
}

impl Cost {
    fn times(self, times: u64) -> Self {
        let Self { calls, bytes, ms, reads, writes, deletes, lists } = self;
        let [calls, bytes, reads, writes, deletes, lists] =
            [calls, bytes, reads, writes, deletes, lists].map(|one| one * times);
        Self { calls, bytes, ms: ms * i64::try_from(times).unwrap_or(0), reads, writes, deletes, lists }
    }

    fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            bytes: self.bytes + other.bytes,
            ms: self.ms + other.ms,
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            deletes: self.deletes + other.deletes,
            lists: self.lists + other.lists,
        }
    }
}

/// Runs `work` and returns its cost to the server.
fn measured(server: &Server, work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Cost, Box<dyn Error>> {
    let (before, begun): (Used, i64) = (server.state().used, NOW.load(Ordering::SeqCst));
    work()?;
    let after = server.state().used;
    Ok(Cost {
        calls: after.calls - before.calls,
        bytes: after.bytes - before.bytes,
        ms: NOW.load(Ordering::SeqCst) - begun,
        reads: after.reads - before.reads,
        writes: after.writes - before.writes,
        deletes: after.deletes - before.deletes,
        lists: after.lists - before.lists,
    })
}

/// Dollars of a month, beyond what the plan includes.
fn dollars(a_month: Cost) -> Result<f64, Box<dyn Error>> {
    let prices = PriceList::parse(DEFAULT_PRICES)?.prices;
    let used = [
        (prices.kv_reads, a_month.reads),
        (prices.kv_writes, a_month.writes),
        (prices.kv_deletes, a_month.deletes),
        (prices.kv_lists, a_month.lists),
    ];
    Ok(used.into_iter().map(|(price, units)| price.of(units as f64)).sum())
}

fn row(what: &str, cost: Cost, dollars: Option<f64>) {
    let (bytes, minutes) = (cost.bytes as f64 / 1e6, cost.ms as f64 / 60_000.0);
    let dollars = dollars.map_or_else(String::new, |dollars| format!("{dollars:.2}"));
    println!("| {what} | {} | {bytes:.0} | {minutes:.1} | {dollars} |", cost.calls);
}

fn measure(users: usize, a_day: i64, work: &Path) -> Result<(), Box<dyn Error>> {
    NOW.store(BEGIN, Ordering::SeqCst);
    let server = Server::start();
    let folder = work.join("snapshot");
    {
        let mut state = server.state();
        state.clock = Some(SimulatedClock {
            now: || NOW.load(Ordering::SeqCst),
            pass: |ms| _ = NOW.fetch_add(ms, Ordering::SeqCst),
        });
        state.shelf.folder = Some(folder.clone());
    }
    fill(&server, users, a_day)?;
    let stored = server.state().shelf.stamps.len();
    let snapshot = if folder.exists() { Snapshot::at(&folder) } else { snapshot(&folder, users, UnixMillis(BEGIN))? };
    let address = Address {
        account: server::ACCOUNT.to_owned(),
        namespace: server::NAMESPACE.to_owned(),
        token: server::TOKEN.to_owned(),
        base: server.base(),
        first_delay: Duration::from_millis(500),
        calls_file: Some(work.join(format!("calls-{a_day}"))),
    };
    // A new client per run, as in production each is a process; they share the rate limit through
    // its file.
    let kv = || RemoteKv::new(address.clone(), 4, Clock::simulated(now, sleep));
    let (holder, progress) = ("the measurement", Progress::hidden());
    let of_publish = measured(&server, || {
        let limits = Limits::default();
        let options =
            Options { at: now(), holder, read_back: Some(200), limits, is_forced: false, share: None, progress };
        let report = publish(&snapshot, &mut kv(), &options)?;
        if report.written == shards(users) + 1 { Ok(()) } else { Err(format!("not all was written: {report}").into()) }
    })?;
    let of_status = measured(&server, || {
        status(&mut kv(), now(), Depth::Sample)?;
        Ok(())
    })?;
    let pass = |budget: Option<u64>| {
        let options = CollectOptions {
            grace_ms: GRACE_DAYS * DAY_MS,
            replayable_ms: REPLAYABLE_MS,
            is_dry: false,
            budget,
            every_ms: DAY_MS,
            at: now(),
            holder,
            progress,
        };
        collect(&mut kv(), &options)
    };
    // One part each hour, as the CronJob does, until the pass is complete.
    let mut runs = 0;
    let mut removed = 0;
    let mut busy_ms = 0;
    let of_pass = measured(&server, || {
        loop {
            let begun = NOW.load(Ordering::SeqCst);
            let report = pass(Some(600))?;
            let took_ms = NOW.load(Ordering::SeqCst) - begun;
            busy_ms += took_ms;
            runs += 1;
            removed = report.pass.removed;
            if report.is_whole || runs > 24 {
                return if report.is_whole { Ok(()) } else { Err("a day is too short for a pass".into()) };
            }
            // The time between two runs costs nothing.
            NOW.fetch_add((HOUR_MS - took_ms).max(0), Ordering::SeqCst);
        }
    })?;
    let of_pass = Cost { ms: busy_ms, ..of_pass };
    let idle = measured(&server, || {
        pass(Some(600))?;
        Ok(())
    })?;
    let used = server.state().used;
    if used.refused > 0 || used.most_in_five_minutes > 1_200 {
        return Err(format!("{} calls in five minutes", used.most_in_five_minutes).into());
    }
    if of_publish.ms > MAX_PUBLISH_MS {
        return Err(format!("a publish took {} s", of_publish.ms / 1_000).into());
    }
    let a_day = u64::try_from(a_day)?;
    let name = if a_day == 1 { "daily" } else { "hourly" };
    let million = users as f64 / 1e6;
    println!("| **{million} million users, {name}**: {} shards, {stored} keys | | | | |", shards(users));
    row("a publish", of_publish, None);
    row("a status", of_status, None);
    row(&format!("a pass of collect, {removed} packs removed, in {runs} runs"), of_pass, None);
    let rest = a_day.saturating_sub(u64::try_from(runs)?);
    let whole = of_publish.and(of_status).times(a_day).and(of_pass).and(idle.times(rest));
    row(
        &format!("a day; dollars a month; at most {} calls in 5 minutes", used.most_in_five_minutes),
        whole,
        Some(dollars(whole.times(30))?),
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<usize> = std::env::args().skip(1).map(|users| users.parse()).collect::<Result<_, _>>()?;
    let asked = if asked.is_empty() { vec![100_000, 1_000_000, 10_000_000] } else { asked };
    println!("| | calls | MB | minutes | dollars |\n| --- | ---: | ---: | ---: | ---: |");
    for users in asked {
        let work = tempfile::tempdir()?;
        for a_day in [24, 1] {
            measure(users, a_day, work.path())?;
        }
    }
    Ok(())
}
