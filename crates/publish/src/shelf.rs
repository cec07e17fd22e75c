//! An in-memory store for tests, with a settable clock, that can fail after some writes, corrupt
//! values and simulate concurrent writers.

#[path = "../tests/it/support/board.rs"]
mod board;

use std::collections::BTreeMap;
use std::path::Path;

use sinsang_core::key::{Key, PACK_PREFIX};
use sinsang_core::pack::manifest::{Manifest, ManifestParts};
use sinsang_core::pack::taste::Widths;
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::UnixMillis;
use sinsang_run::progress::Progress;

use crate::gate::Limits;
use crate::publication::Options;
use crate::snapshot::Snapshot;
use crate::store::{Page, Stamp, Store};

pub(crate) use board::board;

/// Packs per page.
const PAGE: usize = 10;

/// Keys and their values.
type Pairs = Vec<(String, Vec<u8>)>;

/// An in-memory store that takes `writes_left` writes, then refuses.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) stamps: BTreeMap<String, Stamp>,
    pub(crate) writes_left: usize,
    pub(crate) flips: bool,
    pub(crate) now: i64,
    pub(crate) calls: u64,
    pub(crate) lists: usize,
    /// Whether it rejects cursors as unknown.
    pub(crate) is_forgetful: bool,
    /// Whether another holder renews its lease while this run waits.
    pub(crate) holds_on: bool,
    /// Values that another writer stores, once, right after this key is written.
    pub(crate) meanwhile: Option<(String, Pairs)>,
}

impl Shelf {
    /// An empty store that takes 10,000 writes.
    pub(crate) fn new() -> Self {
        Self { writes_left: 10_000, ..Self::default() }
    }

    /// A copy that takes `writes` more writes.
    pub(crate) fn cut(&self, writes: usize) -> Self {
        Self {
            values: self.values.clone(),
            stamps: self.stamps.clone(),
            writes_left: writes,
            now: self.now,
            ..Self::default()
        }
    }

    pub(crate) fn live(&self) -> Manifest {
        Manifest::parse(self.values[&Key::Live.to_string()].clone()).unwrap()
    }
}

impl Store for Shelf {
    type Error = std::io::Error;

    fn now(&self) -> UnixMillis {
        UnixMillis(self.now)
    }

    fn calls(&self) -> u64 {
        self.calls
    }

    fn page(&mut self, cursor: &str) -> Result<Page, Self::Error> {
        self.calls += 1;
        self.lists += 1;
        if self.is_forgetful && !cursor.is_empty() {
            return Err(std::io::Error::other("no such cursor"));
        }
        let stamp = |key: &String| self.stamps.get(key).copied().unwrap_or_default();
        let later = self.values.keys().filter(|key| key.as_str() > cursor && key.starts_with(PACK_PREFIX));
        let names: Vec<&String> = later.take(PAGE + 1).collect();
        let next = if names.len() > PAGE { Some(names[PAGE - 1].clone()) } else { None };
        let packs = names.iter().take(PAGE).filter_map(|key| Some((Key::pack_of(key)?, stamp(key)))).collect();
        Ok(Page { packs, next })
    }

    fn keys(&mut self, prefix: &str) -> Result<Vec<String>, Self::Error> {
        self.calls += 1;
        Ok(self.values.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        self.calls += 1;
        Ok(self.values.get(key).cloned())
    }

    fn put(&mut self, key: &str, value: &[u8], at: UnixMillis) -> Result<(), Self::Error> {
        self.calls += 1;
        self.writes_left = self.writes_left.checked_sub(1).ok_or_else(|| std::io::Error::other("the line is cut"))?;
        self.stamps.insert(key.to_owned(), Stamp::of(at, value.len()));
        let mut value = value.to_vec();
        if self.flips && key.starts_with(PACK_PREFIX) {
            value[40] ^= 1;
        }
        self.values.insert(key.to_owned(), value);
        if let Some((_, written)) = self.meanwhile.take_if(|(after, _)| after == key) {
            self.values.extend(written);
        }
        Ok(())
    }

    fn remove(&mut self, packs: &[PackId]) -> Result<(), Self::Error> {
        self.calls += 1;
        for id in packs {
            self.values.remove(&Key::Pack(Kind::Board, *id).to_string());
        }
        Ok(())
    }

    fn settle(&mut self, _attempt: u32) -> bool {
        false
    }

    fn wait(&mut self, ms: u32) {
        self.now += i64::from(ms);
        if self.holds_on {
            let until = self.now + crate::lease::LEASE_MS;
            let lease = format!(r#"{{"holder":"another","action":"publish","since":1,"until":{until}}}"#);
            self.values.insert(sinsang_core::key::LEASE.to_owned(), lease.into_bytes());
        }
    }
}

/// Options of a publish at `ms`.
pub(crate) fn options(ms: i64, is_forced: bool) -> Options<'static> {
    let (limits, progress) = (Limits::default(), Progress::hidden());
    Options { at: UnixMillis(ms), holder: "a test", read_back: None, limits, is_forced, share: None, progress }
}

/// A snapshot with a board of `products` products, and `shards` shards, a power of two, of one user
/// each.
pub(crate) fn snapshot(folder: &Path, at: i64, products: u64, shards: u64) -> Snapshot {
    let widths = Widths { vocabulary: 1, vector: 1, ..Widths::default() };
    let mut packs = BTreeMap::new();
    let bits = shards.trailing_zeros();
    let ids = (0..shards).map(|shard| {
        let below = if shards == 1 { 7 } else { at.cast_unsigned() };
        let key = shard.checked_shl(64 - bits).unwrap_or(0) | below;
        let (bytes, id) = sinsang_core::pack::taste::write(&widths, &[(key, vec![1])]).unwrap();
        packs.insert(id, bytes);
        id
    });
    let shards = ids.collect();
    let parts = board(UnixMillis(at), products);
    let (board, board_id) = sinsang_core::pack::board_write::write(&parts).unwrap();
    packs.insert(board_id, board);
    let built_at = UnixMillis(at);
    let manifest =
        ManifestParts { built_at, board: board_id, format: parts.format, users: 1, shards, beside: Vec::new() };
    let snapshot = Snapshot::at(folder);
    snapshot.write(&packs, &manifest.write().unwrap().0).unwrap();
    snapshot
}
