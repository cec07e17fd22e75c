//! An edge without a platform: a store with injected faults, an isolate's memory, and a clock that
//! tests move.

use std::collections::{BTreeMap, BTreeSet};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::Value;
use sha2::Sha256;

use sinsang::auth::{POINT_BYTES, Unproven, Verifier};
use sinsang::cors::Cors;
use sinsang::guess::PreviewSecret;
use sinsang::memory::Memory;
use sinsang::rate::Address;
use sinsang::reply::Reply;
use sinsang::request::{Config, Raw};
use sinsang::serve::{Refresh, Serve, Step};
use sinsang::snapshot_load::{Fetched, Keep, Place, Read, ReadFailure};
use sinsang_core::context::Context;
use sinsang_core::key::Key;
use sinsang_core::pack::{Kind, bundle};
use sinsang_core::time::{DAY_MS, SECOND_MS, UnixMillis};

use super::at;
use super::board::{BUILT_AT, Published, hasher};

pub(crate) const HS256_KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const AUDIENCE: &str = "sinsang";
pub(crate) const PREVIEW: &str = "let me see, would you";
pub(crate) const ORIGIN: &str = "https://app.example";
/// Duration of a round of reads, in milliseconds.
const ROUND_MS: i64 = 7;
/// Upper bound on the rounds of any request.
const MAX_ROUNDS: usize = 12;

/// An injected failure of a key's read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error,
    Timeout,
    Missing,
    /// One byte in the middle is changed.
    Flipped,
    /// Only this many bytes arrive.
    Cut(usize),
}

/// The snapshot store.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) faults: BTreeMap<String, Fault>,
    /// A fault of every key.
    pub(crate) outage: Option<Fault>,
    /// Packs that are found only on the second read.
    pub(crate) late: BTreeSet<String>,
    /// Keys read so far, in order.
    pub(crate) reads: Vec<String>,
    /// The data centre's cache, which isolates share.
    pub(crate) cached: BTreeMap<String, Vec<u8>>,
    /// A fault of every key in the cache.
    pub(crate) cache_outage: Option<Fault>,
    pub(crate) cache_reads: usize,
    /// The newest pack version that the edge knows, if it is older than the current one: newer
    /// packs appear as unknown.
    pub(crate) newest: Option<u16>,
    /// The snapshot bundled with the Worker.
    pub(crate) bundle: Option<Vec<u8>>,
}

impl Store {
    /// Puts the packs of `published` and makes it live.
    pub(crate) fn publish(&mut self, published: &Published) {
        self.values.extend(published.packs.clone());
        self.values.insert(Key::Live.to_string(), published.manifest.clone());
    }

    fn read(&mut self, read: Read) -> Fetched {
        let mut fetched = self.fetch(read);
        if let (Ok(Some(bytes)), Some(newest)) = (&mut fetched.value, self.newest)
            && bytes.get(4..6).is_some_and(|version| u16::from_le_bytes([version[0], version[1]]) > newest)
        {
            bytes[4..6].copy_from_slice(&u16::MAX.to_le_bytes());
        }
        fetched
    }

    fn fetch(&mut self, read: Read) -> Fetched {
        let Read { place, key, .. } = read;
        let name = key.to_string();
        if place == Place::Cache {
            self.cache_reads += 1;
            let value = match self.cache_outage {
                None => Ok(self.cached.get(&name).cloned()),
                Some(Fault::Timeout) => Err(ReadFailure::TimedOut),
                Some(_) => Err(ReadFailure::Failed),
            };
            return Fetched { place, key, value, is_second: false };
        }
        self.reads.push(name.clone());
        let value = self.values.get(&name).cloned();
        let value = match self.outage.or_else(|| self.faults.get(&name).copied()) {
            None => Ok(value),
            Some(Fault::Error) => Err(ReadFailure::Failed),
            Some(Fault::Timeout) => Err(ReadFailure::TimedOut),
            Some(Fault::Missing) => Ok(None),
            Some(Fault::Flipped) => Ok(value.map(|mut bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                bytes
            })),
            Some(Fault::Cut(length)) => Ok(value.map(|mut bytes| {
                bytes.truncate(length);
                bytes
            })),
        };
        // Like the shell: a missing pack is asked for twice.
        let is_second = matches!(key, Key::Pack(..)) && (matches!(value, Ok(None)) || self.late.contains(&name));
        Fetched { place, key, value, is_second }
    }
}

impl Store {
    fn keep(&mut self, keeps: &[Keep]) {
        self.cached.extend(keeps.iter().map(|keep| (keep.key().to_string(), keep.bytes().to_vec())));
    }

    /// Bundles the snapshot of `published` with the Worker.
    pub(crate) fn deploy(&mut self, published: &Published) {
        let board = &published.packs[&Key::Pack(Kind::Board, published.board).to_string()];
        self.bundle = Some(bundle::write(&published.manifest, board));
    }
}

/// A request under construction.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
    pub(crate) preview: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) address: Address,
    /// The province and device class, as the shell passes them.
    pub(crate) context: Option<Context>,
    pub(crate) has_body: bool,
}

impl Ask {
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            authorization: None,
            preview: None,
            if_none_match: None,
            origin: None,
            device: None,
            address: Address::UNKNOWN,
            context: None,
            has_body: false,
        }
    }

    pub(crate) fn raw(&self) -> Raw<'_> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        Raw {
            method: self.method,
            path,
            query,
            authorization: self.authorization.as_deref(),
            preview: self.preview.as_deref(),
            if_none_match: self.if_none_match.as_deref(),
            origin: self.origin.as_deref(),
            device: self.device.as_deref(),
            address: self.address,
            context: self.context,
            has_body: self.has_body,
        }
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Signed in as `user`, with a token that outlives the test.
    pub(crate) fn user(self, user: &str) -> Self {
        let expiry = at(BUILT_AT).plus(300 * DAY_MS).0 / SECOND_MS;
        let claims = serde_json::json!({ "sub": user, "aud": AUDIENCE, "exp": expiry });
        self.bearer(&hs256(&serde_json::json!({ "alg": "HS256", "typ": "JWT" }), &claims, HS256_KEY))
    }

    pub(crate) fn bearer(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    pub(crate) fn preview(mut self, secret: &str) -> Self {
        self.preview = Some(secret.to_owned());
        self
    }

    pub(crate) fn if_none_match(mut self, etag: &str) -> Self {
        self.if_none_match = Some(etag.to_owned());
        self
    }

    /// On the device `id`.
    pub(crate) fn device(mut self, id: &str) -> Self {
        self.device = Some(id.to_owned());
        self
    }

    pub(crate) fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }
}

/// A JWT signed with HMAC-SHA256, regardless of its header.
pub(crate) fn hs256(header: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}

/// The platform's verdict on a token's signature. A point off the curve is a key that verifies
/// nothing.
pub(crate) fn is_signed(token: &Unproven) -> bool {
    let signature = Signature::from_slice(token.signature()).ok();
    let signs = |point: &[u8]| VerifyingKey::from_sec1_bytes(point).ok()?.verify(token.signed(), &signature?).ok();
    token.points().chunks(POINT_BYTES).any(|point| signs(point).is_some())
}

/// The cost of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) reads: usize,
    pub(crate) rounds: usize,
    /// Signature checks by the platform.
    pub(crate) proofs: usize,
    /// Reads after the answer.
    pub(crate) background: usize,
    /// Duration in milliseconds.
    pub(crate) ms: i64,
    /// Whether the answer was available at once.
    pub(crate) is_warm: bool,
}

/// One isolate in front of a store.
pub(crate) struct Edge {
    pub(crate) store: Store,
    pub(crate) memory: Memory,
    pub(crate) config: Config,
    pub(crate) now: UnixMillis,
    /// Whether background refreshes are lost, as if the platform cancelled them.
    pub(crate) loses_refreshes: bool,
    pub(crate) cost: Cost,
}

impl Edge {
    /// A cold isolate at `now` with an empty store.
    pub(crate) fn cold(now: UnixMillis) -> Self {
        Self {
            store: Store::default(),
            memory: Memory::default(),
            config: config(None),
            now,
            loses_refreshes: false,
            cost: Cost::default(),
        }
    }

    /// A cold isolate at `now` with a store that holds `published`.
    pub(crate) fn with(published: &Published, now: UnixMillis) -> Self {
        let mut edge = Self::cold(now);
        edge.store.publish(published);
        edge
    }

    /// Empties the memory, like a fresh isolate.
    pub(crate) fn restart(&mut self) {
        self.memory = Memory::default();
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
    }

    pub(crate) fn get(&mut self, target: &str) -> Reply {
        self.ask(&Ask::get(target))
    }

    /// Serves a request, and then its background refresh.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Reply {
        let raw = ask.raw();
        self.cost = Cost::default();
        let began = self.now;
        let mut serve = Serve::begin(raw, &self.config, self.now);
        // A warm answer must equal the full path's answer.
        let warm = serve.warm(&mut self.memory, self.now);
        let reply = loop {
            let reads = match serve.next(&mut self.memory, self.now) {
                Step::Reply(mut reply) => {
                    if let Some(warm) = warm {
                        let waited = (self.cost.rounds, self.cost.proofs, began);
                        assert_eq!(waited, (0, 0, self.now), "{} is not warm", ask.target);
                        assert!(
                            !(warm.wants_refresh && reply.wants_refresh),
                            "{}: the lease is taken once",
                            ask.target
                        );
                        reply.wants_refresh |= warm.wants_refresh;
                        assert_eq!(Reply { wants_refresh: reply.wants_refresh, ..warm }, reply, "{}", ask.target);
                        self.cost.is_warm = true;
                    }
                    break reply;
                }
                Step::Read(reads) => reads,
                Step::Bundle => {
                    serve.absorb_bundle(self.store.bundle.as_deref(), &mut self.memory, self.now);
                    continue;
                }
                Step::Verify(token) => {
                    self.cost.proofs += 1;
                    assert_eq!(self.cost.proofs, 1, "{} asks again", ask.target);
                    serve.absorb_proof(is_signed(&token));
                    continue;
                }
                Step::Wait(ms) => {
                    self.now = self.now.plus(i64::from(ms));
                    continue;
                }
            };
            assert!(!reads.is_empty(), "a round reads something");
            self.cost.rounds += 1;
            self.cost.reads += reads.len();
            assert!(self.cost.rounds <= MAX_ROUNDS, "{} goes on reading: {:?}", ask.target, self.store.reads);
            let longest_ms = reads.iter().map(|read| i64::from(read.limit_ms)).max().unwrap_or(0);
            let fetched: Vec<Fetched> = reads.into_iter().map(|read| self.store.read(read)).collect();
            let ran_out = fetched.iter().any(|one| matches!(one.value, Err(ReadFailure::TimedOut)));
            self.now = self.now.plus(if ran_out { longest_ms } else { ROUND_MS });
            serve.absorb(fetched, &mut self.memory, self.now);
        };
        self.cost.ms = self.now.since(began);
        self.store.keep(&serve.take_keeps());
        if reply.wants_refresh && !self.loses_refreshes {
            self.refresh();
        }
        reply
    }

    /// Serves concurrent requests: each takes a step in turn, and gets its reads' results when
    /// their time is over. Returns the answers, and the maximum number of concurrent reads.
    pub(crate) fn ask_together(&mut self, asks: &[Ask]) -> (Vec<Reply>, usize) {
        let Self { store, memory, config, now, .. } = self;
        let mut on_their_way: Vec<_> =
            asks.iter().map(|ask| Some((Serve::begin(ask.raw(), config, *now), *now, Vec::<Read>::new()))).collect();
        let mut replies: Vec<Option<Reply>> = vec![None; asks.len()];
        let mut most_at_once = 0;
        while on_their_way.iter().any(Option::is_some) {
            for (place, slot) in on_their_way.iter_mut().enumerate() {
                let Some((serve, due, reads)) = slot.as_mut().filter(|(_, due, _)| *due <= *now) else { continue };
                if !reads.is_empty() {
                    let fetched = reads.drain(..).map(|read| store.read(read)).collect();
                    serve.absorb(fetched, memory, *now);
                }
                match serve.next(memory, *now) {
                    Step::Reply(reply) => {
                        store.keep(&serve.take_keeps());
                        (replies[place], *slot) = (Some(reply), None);
                    }
                    Step::Bundle => serve.absorb_bundle(store.bundle.as_deref(), memory, *now),
                    Step::Verify(token) => serve.absorb_proof(is_signed(&token)),
                    Step::Wait(ms) => *due = now.plus(i64::from(ms)),
                    Step::Read(wanted) => {
                        let is_slow = wanted.iter().any(|read| read.place == Place::Store) && store.outage.is_some();
                        let longest_ms = wanted.iter().map(|read| i64::from(read.limit_ms)).max().unwrap_or(0);
                        *due = now.plus(if is_slow { longest_ms } else { ROUND_MS });
                        *reads = wanted;
                    }
                }
            }
            let under_way = on_their_way.iter().flatten().flat_map(|(_, _, reads)| reads);
            most_at_once = most_at_once.max(under_way.filter(|read| read.place == Place::Store).count());
            *now = now.plus(1);
        }
        (replies.into_iter().flatten().collect(), most_at_once)
    }

    /// Lets the isolate have looked at the manifest and the overlay just now.
    pub(crate) fn saw_all(&mut self) {
        self.memory.seen(self.now);
        self.memory.adopt_overlay(None, Some(self.now));
    }

    fn refresh(&mut self) {
        let mut refresh = Refresh::begin(self.config.read_limit_ms);
        while let Some(read) = refresh.next(&mut self.memory, self.now) {
            self.cost.background += 1;
            assert!(self.cost.background <= MAX_ROUNDS, "a refresh goes on reading");
            let fetched = self.store.read(read);
            self.now = self.now.plus(ROUND_MS);
            refresh.absorb(fetched, &mut self.memory, self.now);
        }
        self.store.keep(&refresh.take_keeps());
    }
}

/// A configuration that enables everything the tests use.
pub(crate) fn config(es256_jwk: Option<&str>) -> Config {
    Config {
        cors: Cors::of(ORIGIN, String::new()),
        verifier: Some(
            Verifier::new(&[HS256_KEY], &[es256_jwk.unwrap_or_default()], AUDIENCE.to_owned(), hasher()).unwrap(),
        ),
        devices: Some(hasher()),
        preview_secret: PreviewSecret::new(PREVIEW).ok(),
        ..Config::default()
    }
}

/// The body as JSON.
#[track_caller]
pub(crate) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body)
        .unwrap_or_else(|error| panic!("{error}: {} {}", reply.status, String::from_utf8_lossy(&reply.body)))
}

/// The body as JSON of a reply with status 200.
#[track_caller]
pub(crate) fn ok(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    json(reply)
}

/// The values of `field` in the array `items` of `value`.
#[track_caller]
pub(crate) fn fields(value: &Value, field: &str) -> Vec<String> {
    value["items"]
        .as_array()
        .expect("items is an array")
        .iter()
        .map(|item| item[field].as_str().expect("a text").to_owned())
        .collect()
}

/// Product ids of a surface's items, in order.
#[track_caller]
pub(crate) fn ids(value: &Value) -> Vec<String> {
    fields(value, "product_id")
}
