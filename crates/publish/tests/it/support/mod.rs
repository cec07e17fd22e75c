//! Support for the tests of stores: snapshots with any number of shards, and a server that plays
//! Cloudflare's KV REST API.

mod board;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use server::Server;
use sinsang_core::pack::PackId;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::manifest::ManifestParts;
use sinsang_core::pack::taste::Widths;
use sinsang_core::time::UnixMillis;
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{Address, Limits, Options, RemoteKv};
use sinsang_run::clock::Clock;
use sinsang_run::progress::Progress;

/// 2026-11-22 00:00 UTC.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_305_600_000);

/// A snapshot of `2^bits` shards of one user each, in `folder`. Snapshots of different times share
/// all shards except the first `changed`; if others were published before, the folder has only
/// those.
pub(crate) fn snapshot(folder: &Path, bits: u32, changed: u64, built_at: UnixMillis) -> Snapshot {
    let widths = Widths { vocabulary: 1, vector: 1, ..Widths::default() };
    let mut packs: BTreeMap<PackId, Vec<u8>> = BTreeMap::new();
    let shards = (0..1_u64 << bits).map(|shard| {
        // Each shard's content differs: the user's key has the shard in its highest bits and, for a
        // changed shard, the time in the low ones.
        let below = if shard < changed { built_at.0.cast_unsigned() & 0xffff_ffff } else { 1 };
        let key = shard.checked_shl(64 - bits).unwrap_or(0) | below;
        let (bytes, id) = sinsang_core::pack::taste::write(&widths, &[(key, vec![1])]).unwrap();
        if changed == 0 || shard < changed || bits < 16 {
            packs.insert(id, bytes);
        }
        id
    });
    let shards: Vec<PackId> = shards.collect();
    let is_even = built_at.0.div_euclid(sinsang_core::time::HOUR_MS) % 2 == 0;
    let format = if is_even { sinsang_core::pack::Format::One } else { sinsang_core::pack::Format::Two };
    // Both kinds of weights in turn, by the hour.
    let mut weights = sinsang_core::rank::Weights::default();
    for (surface, weights) in weights.each_mut() {
        weights.pulse = sinsang_core::rank::pulse_weight(surface);
    }
    let parts = BoardParts { format, weights, ..board::board(built_at, 40) };
    let (board_bytes, board) = sinsang_core::pack::board_write::write(&parts).unwrap();
    packs.insert(board, board_bytes);
    let manifest = ManifestParts { built_at, board, format: parts.format, users: 10, shards, beside: Vec::new() };
    let snapshot = Snapshot::at(folder);
    snapshot.write(&packs, &manifest.write().unwrap().0).unwrap();
    snapshot
}

/// The namespace of `server`, with delays short enough for a test.
pub(crate) fn store(server: &Server) -> RemoteKv {
    RemoteKv::new(address(server), 4, clock())
}

/// The machine's clock, which leases use. Published snapshots have times of their own.
pub(crate) fn clock() -> Clock {
    Clock::of_machine(|| {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        UnixMillis(i64::try_from(since.as_millis()).unwrap())
    })
}

pub(crate) fn address(server: &Server) -> Address {
    Address {
        account: server::ACCOUNT.to_owned(),
        namespace: server::NAMESPACE.to_owned(),
        token: server::TOKEN.to_owned(),
        base: server.base(),
        first_delay: Duration::from_millis(2),
        calls_file: None,
    }
}

pub(crate) fn options(at: UnixMillis, read_back: Option<usize>) -> Options<'static> {
    Options {
        at,
        holder: "a test",
        read_back,
        limits: Limits::default(),
        is_forced: false,
        share: None,
        progress: Progress::hidden(),
    }
}
