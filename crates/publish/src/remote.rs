//! A namespace of Cloudflare's Workers KV, through its REST API.
//!
//! Packs go in bulk writes over several connections, and keys that the API reports as not taken are
//! sent again. `remote/api.rs` makes the calls, within the API's rate limit.

mod api;
mod pace;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sinsang_core::key::{Key, PACK_PREFIX};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::UnixMillis;

pub use api::{Address, RemoteError};
pub(crate) use pace::PACE;

use crate::snapshot::Snapshot;
use crate::store::{Batch, Error, Page, Stamp, Store, checked, difference, parse};
use api::{Api, Names};
use sinsang_run::clock::Clock;
use sinsang_run::progress::Bar;

/// Most pairs, or keys, in one bulk request.
const MAX_PAIRS: usize = 10_000;
/// Target bytes of a bulk request. The API takes 100 MB; a smaller request loses less when its
/// connection breaks. A single value of 25 MiB is 35 MB in base64, and goes alone.
const BULK_BYTES: usize = 32 << 20;
/// Bytes of a pair apart from its value: key, metadata and punctuation.
const PAIR_BYTES: usize = 160;
/// Retries for a value that is not visible yet: KV shows a write everywhere within a minute or
/// more.
const SETTLE_ATTEMPTS: u32 = 30;

/// A pair of a bulk write.
#[derive(Serialize)]
struct Pair {
    key: String,
    value: String,
    base64: bool,
    metadata: Stamp,
}

/// A KV namespace.
#[derive(Debug)]
pub struct RemoteKv {
    api: Api,
    connections: usize,
    settle: Duration,
}

impl RemoteKv {
    /// The namespace at `address`, with `connections` parallel connections.
    pub fn new(address: Address, connections: usize, clock: Clock) -> Self {
        let settle = address.first_delay.saturating_mul(6);
        Self { api: Api::new(address, clock), connections: connections.clamp(1, 16), settle }
    }

    /// Runs `work` for each of `parts` over all connections, and stops at the first failure.
    fn over_connections<T: Sync, E: Send>(
        &self,
        parts: &[T],
        work: impl Fn(&T) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let next = AtomicUsize::new(0);
        let has_failed = AtomicBool::new(false);
        let failure = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.connections.min(parts.len()) {
                scope.spawn(|| {
                    while !has_failed.load(Ordering::Relaxed)
                        && let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Err(error) = work(part) {
                            has_failed.store(true, Ordering::Relaxed);
                            if let Ok(mut failure) = failure.lock() {
                                failure.get_or_insert(error);
                            }
                        }
                    }
                });
            }
        });
        failure.into_inner().ok().flatten().map_or(Ok(()), Err)
    }
}

impl Store for RemoteKv {
    type Error = RemoteError;

    fn now(&self) -> UnixMillis {
        self.api.clock().now()
    }

    fn page(&mut self, cursor: &str) -> Result<Page, RemoteError> {
        let Names { names, next } = self.api.page(PACK_PREFIX, cursor)?;
        let packs = names.into_iter().filter_map(|(name, stamp)| Some((Key::pack_of(&name)?, stamp))).collect();
        Ok(Page { packs, next })
    }

    fn keys(&mut self, prefix: &str) -> Result<Vec<String>, RemoteError> {
        let (mut keys, mut cursor) = (Vec::new(), String::new());
        loop {
            let Names { names, next } = self.api.page(prefix, &cursor)?;
            keys.extend(names.into_iter().map(|(name, _)| name));
            match next {
                Some(next) => cursor = next,
                None => return Ok(keys),
            }
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        self.api.get(key)
    }

    fn put(&mut self, key: &str, value: &[u8], at: UnixMillis) -> Result<(), RemoteError> {
        // The only way to write a single value with metadata that needs no multipart form.
        self.api.write(vec![pair(key.to_owned(), value, at)])
    }

    fn remove(&mut self, packs: &[PackId]) -> Result<(), RemoteError> {
        let keys: Vec<String> = packs.iter().map(|id| Key::Pack(Kind::Board, *id).to_string()).collect();
        let parts: Vec<&[String]> = keys.chunks(MAX_PAIRS).collect();
        self.over_connections(&parts, |part| self.api.remove(part.to_vec()))
    }

    fn calls(&self) -> u64 {
        self.api.calls()
    }

    fn retries(&self) -> u64 {
        self.api.retries()
    }

    fn settle(&mut self, attempt: u32) -> bool {
        if attempt < SETTLE_ATTEMPTS {
            self.api.clock().sleep(self.settle);
        }
        attempt < SETTLE_ATTEMPTS
    }

    fn wait(&mut self, ms: u32) {
        self.api.clock().sleep(Duration::from_millis(ms.into()));
    }

    fn lacking(&mut self, packs: &[Key]) -> Result<Vec<Key>, RemoteError> {
        let lacking = Mutex::new(Vec::new());
        self.over_connections(packs, |key| {
            if self.api.get(&key.to_string())?.is_none_or(|bytes| parse(*key, bytes).is_err()) {
                lacking.lock().unwrap_or_else(PoisonError::into_inner).push(*key);
            }
            Ok(())
        })?;
        Ok(lacking.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn written_at_once(&self) -> Batch {
        Batch { packs: self.connections * MAX_PAIRS, bytes: (self.connections * BULK_BYTES / 4 * 3) as u64 }
    }

    fn put_packs(
        &mut self,
        packs: &[Key],
        source: &Snapshot,
        at: UnixMillis,
        bar: &Bar,
    ) -> Result<(), Error<RemoteError>> {
        let parts = bulks(packs, source)?;
        self.over_connections(&parts, |part| {
            let mut pairs = Vec::with_capacity(part.len());
            let mut bytes = 0;
            for key in *part {
                let value = checked(source, *key)?;
                bytes += value.len() as u64;
                pairs.push(pair(key.to_string(), &value, at));
            }
            let first = part.first().map_or_else(String::new, Key::to_string);
            let several = format!("{} packs from {first}", part.len());
            self.api.write(pairs).map_err(|source| Error::Store { action: "writing", key: several, source })?;
            bar.advance(bytes);
            Ok(())
        })
    }

    fn read_back(&mut self, packs: &[Key], source: &Snapshot, bar: &Bar) -> Result<(), Error<RemoteError>> {
        self.over_connections(packs, |key| {
            let name = key.to_string();
            let written = source.read(*key)?;
            for attempt in 0.. {
                let back = self.api.get(&name).map_err(|source| Error::Store {
                    action: "reading back",
                    key: name.clone(),
                    source,
                })?;
                match difference(Some(*key), back, &written) {
                    None => break,
                    Some(_) if attempt < SETTLE_ATTEMPTS => self.api.clock().sleep(self.settle),
                    Some(damage) => return Err(Error::ReadBack { key: name, damage }),
                }
            }
            bar.advance(1);
            Ok(())
        })
    }
}

fn pair(key: String, value: &[u8], at: UnixMillis) -> Pair {
    Pair { key, value: STANDARD.encode(value), base64: true, metadata: Stamp::of(at, value.len()) }
}

/// Splits `packs` into parts that each fit one bulk write.
fn bulks<'a>(packs: &'a [Key], source: &Snapshot) -> Result<Vec<&'a [Key]>, Error<RemoteError>> {
    let mut parts = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, key) in packs.iter().enumerate() {
        let length = usize::try_from(source.bytes_of(*key)?).unwrap_or(usize::MAX);
        let pair = length.saturating_mul(4) / 3 + PAIR_BYTES;
        if at - begin == MAX_PAIRS || (at > begin && bytes + pair > BULK_BYTES) {
            parts.extend(packs.get(begin..at));
            (begin, bytes) = (at, 0);
        }
        bytes += pair;
    }
    parts.extend(packs.get(begin..).filter(|rest| !rest.is_empty()));
    Ok(parts)
}
