//! A complete warm request without the platform: parsed, identified, ranked, answered. Counted in
//! instructions, it shows effects that a shared machine's noise hides.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use sinsang::memory::Memory;
use sinsang::reply::Reply;
use sinsang::request::{Config, Raw};
use sinsang::serve::{Serve, Step};
use sinsang::snapshot_load::Fetched;
use sinsang_core::key::Key;
use sinsang_core::overlay::{Change, Entry, Subject};
use sinsang_core::pack::overlay::write;
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_core::viewer::UserHasher;

use crate::alone::BUILT_AT;
use crate::snapshot::{self, Shape};

const KEY: &str = "a key of the bench, of 32 bytes or more";
const AUDIENCE: &str = "bench";
const USER_KEY: &str = "a user key of the bench";
/// Expiry of the tokens, in seconds since the Unix epoch: 300 days after [`BUILT_AT`].
const EXPIRY_S: u64 = 1_821_063_600;
/// Limit on rounds of reads; more of them mean a defect.
const MOST_ROUNDS: usize = 8;

/// A warm isolate, and viewers who have asked before.
#[derive(Debug)]
pub struct Whole {
    config: Config,
    memory: Memory,
    now: UnixMillis,
    /// For each viewer, the `Authorization` header and the ETag of their answer.
    viewers: Vec<(String, String)>,
}

impl Whole {
    /// An isolate with the snapshot of `shape`, and its users as viewers, under an overlay of so
    /// many entries.
    ///
    /// # Errors
    /// A text that says what failed.
    pub fn of(shape: &Shape, entries: usize) -> Result<Self, String> {
        let built_at = UnixMillis::parse_rfc3339(BUILT_AT).unwrap_or_default();
        let hasher = UserHasher::new(USER_KEY.as_bytes()).ok_or("no hasher")?;
        let mut made = snapshot::make(shape, built_at, &hasher).map_err(|error| error.to_string())?;
        let (config, bad) = Config::of(|name| {
            let value = match name {
                "USER_KEY" => USER_KEY,
                "JWT_HS256_KEY" => KEY,
                "JWT_AUDIENCE" => AUDIENCE,
                _ => return None,
            };
            Some(value.to_owned())
        });
        if let Some(bad) = bad.first() {
            return Err(bad.to_string());
        }
        let now = snapshot::present(built_at);
        let viewers = made.users.iter().map(|user| (bearer(user), String::new())).collect();
        let mut whole = Self { config, memory: Memory::default(), now, viewers };
        if entries > 0 {
            whole.read(0, &made.values)?;
            let overlay = whole.overlay(entries).ok_or("no snapshot")?;
            made.values.insert(Key::Overlay.to_string(), overlay);
            whole.memory = Memory::default();
        }
        for viewer in 0..whole.viewers.len() {
            let reply = whole.read(viewer, &made.values)?;
            let etag = reply.headers.iter().find(|(name, _)| *name == "ETag").map(|(_, value)| value.to_string());
            whole.viewers[viewer].1 = etag.ok_or("no ETag")?;
        }
        Ok(whole)
    }

    /// An overlay of the board that is in memory: of three products each, one has another price,
    /// one is sold out, and what is said of the third is over.
    fn overlay(&self, entries: usize) -> Option<Vec<u8>> {
        let board = &self.memory.current()?.board;
        let ids = (0..entries).map(|index| board.product(index % board.product_count()).id());
        let entries: Vec<Entry<'_>> = ids
            .zip(1..)
            .map(|(product, id)| {
                let product = Subject::Product(product);
                let (change, until) = match id % 3 {
                    0 => (Change::Price(product, 12_345), self.now.plus(DAY_MS)),
                    1 => (Change::SoldOut(product), self.now.plus(DAY_MS)),
                    _ => (Change::Hide(product), self.now.plus(-HOUR_MS)),
                };
                Entry { id, from: self.now.plus(-DAY_MS), until, since: 1, removed: None, change }
            })
            .collect();
        write(&entries, 1, self.now).ok()
    }

    /// Asks like a cold isolate, reading from `values`.
    fn read(&mut self, viewer: usize, values: &BTreeMap<String, Vec<u8>>) -> Result<Reply, String> {
        let authorization = self.viewers[viewer].0.clone();
        let mut serve = Serve::begin(home(&authorization, None), &self.config, self.now);
        for _ in 0..MOST_ROUNDS {
            match serve.next(&mut self.memory, self.now) {
                Step::Reply(reply) => return Ok(reply),
                Step::Read(reads) => {
                    let fetch = |read: sinsang::snapshot_load::Read| Fetched {
                        place: read.place,
                        key: read.key,
                        value: Ok(values.get(&read.key.to_string()).cloned()),
                        is_second: false,
                    };
                    serve.absorb(reads.into_iter().map(fetch).collect(), &mut self.memory, self.now);
                }
                Step::Bundle => serve.absorb_bundle(None, &mut self.memory, self.now),
                Step::Verify(_) => return Err("the bench signs with HS256".to_owned()),
                Step::Wait(_) => return Err("a lone request waits".to_owned()),
            }
        }
        Err("no answer".to_owned())
    }

    /// Number of viewers.
    pub fn viewers(&self) -> usize {
        self.viewers.len()
    }

    /// The warm answer to a viewer's home, or to a conditional request for it if `is_known`.
    pub fn ask(&mut self, viewer: usize, is_known: bool) -> Option<Reply> {
        let (authorization, etag) = self.viewers.get(viewer)?;
        let raw = home(authorization, Some(etag.as_str()).filter(|_| is_known));
        Serve::begin(raw, &self.config, self.now).warm(&mut self.memory, self.now)
    }

    /// The warm page of the board's product at `index`, counted round.
    pub fn product(&mut self, index: usize) -> Option<Reply> {
        let board = &self.memory.current()?.board;
        let id = board.product(index.checked_rem(board.product_count())?).id();
        let path = format!("/v1/products/{id:016x}");
        let raw = Raw { method: "GET", path: &path, ..Raw::default() };
        Serve::begin(raw, &self.config, self.now).warm(&mut self.memory, self.now)
    }
}

fn home<'a>(authorization: &'a str, if_none_match: Option<&'a str>) -> Raw<'a> {
    Raw {
        method: "GET",
        path: "/v1/home",
        query: "limit=60",
        authorization: Some(authorization),
        if_none_match,
        ..Raw::default()
    }
}

fn bearer(user: &str) -> String {
    let part = |value: &serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let header = part(&json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = part(&json!({ "sub": user, "aud": AUDIENCE, "exp": EXPIRY_S }));
    let signed = format!("{header}.{claims}");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("HMAC takes any key");
    mac.update(signed.as_bytes());
    format!("Bearer {signed}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}
