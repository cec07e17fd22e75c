//! A store in memory, and an isolate of the edge over it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use sinsang::memory::Memory;
use sinsang::reply::Reply;
use sinsang::request::{Config, Raw, Request};
use sinsang::serve::{Refresh, Serve, Step};
use sinsang::snapshot_load::{Fetched, Place, Read};
use sinsang_core::key::{Key, PACK_PREFIX};
use sinsang_core::pack::audience::AudiencePart;
use sinsang_core::pack::board_write::{
    BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart, TabPart, vocabulary, write,
};
use sinsang_core::pack::manifest::{ManifestParts, shard_index};
use sinsang_core::pack::mix::MixParts;
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::pack::{Format, Kind, Pack, PackId, pulse};
use sinsang_core::pulse::Counts;
use sinsang_core::rank::Weights;
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserHasher;
use sinsang_publish::overlay::{Defaults, Input, PutOptions, put};
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{Limits, Options, Page, Stamp, Store, publish};
use sinsang_replay::Question;
use sinsang_run::progress::Progress;

/// When the first snapshot is built.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_305_600_000);
/// Users with tastes; half of them are within the trial's share.
pub(crate) const USERS: [&str; 6] = ["u1", "u2", "u3", "u4", "u5", "u6"];
const SHARD_BITS: u32 = 2;
const PRODUCTS: u64 = 12;

pub(crate) fn hasher() -> UserHasher {
    UserHasher::new(b"a secret of the tests").unwrap()
}

/// The store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kv {
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) now: UnixMillis,
    nonce: u64,
}

impl Kv {
    pub(crate) fn new(now: UnixMillis) -> Self {
        Self { now, ..Self::default() }
    }

    pub(crate) fn live(&self) -> Vec<u8> {
        self.values[&Key::Live.to_string()].clone()
    }

    /// Publishes a snapshot that is built now, in the order of `seed`; on trial for a share.
    pub(crate) fn publish(&mut self, seed: u64, share: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = snapshot(folder.path(), self.now, seed);
        let options = Options {
            at: self.now,
            holder: "a test",
            read_back: None,
            limits: Limits::default(),
            is_forced: true,
            share: share.map(|share| share.parse().unwrap()),
            progress: Progress::hidden(),
        };
        publish(&snapshot, self, &options).unwrap();
    }

    /// Says a line about the live board.
    pub(crate) fn say(&mut self, line: &str) {
        self.nonce += 1;
        let options = PutOptions {
            by: "kim",
            holder: "a test",
            defaults: Defaults { why: Some("a test".to_owned()), ..Defaults::default() },
            is_dry: false,
            is_all_or_nothing: true,
            nonce: self.nonce,
        };
        let input = Input { place: "line 1".to_owned(), text: line.to_owned() };
        let report = put(self, &[input], &options).unwrap();
        assert!(report.is_put, "{report}");
    }

    /// Puts a pulse made at `at`, in which `product` is in demand, as the latest too.
    pub(crate) fn beat(&mut self, at: UnixMillis, product: u64) {
        let counts = Counts { viewers: 640, looks: 320, purchases: 480, ..Counts::default() };
        let bytes = pulse::write(&[(product, counts)], at).unwrap();
        self.values.insert(Key::PulseOf(at.to_seconds()).to_string(), bytes.clone());
        self.values.insert(Key::Pulse.to_string(), bytes);
    }

    /// Keys of the packs of a kind, as errors name it.
    pub(crate) fn packs_of(&self, what: &str) -> Vec<String> {
        let kind = if what.contains("board") { Kind::Board } else { Kind::Tastes };
        let packs = self.values.iter().filter(|(key, _)| key.starts_with(PACK_PREFIX));
        packs.filter(|(_, bytes)| Pack::parse((*bytes).clone(), kind).is_ok()).map(|(key, _)| key.clone()).collect()
    }
}

impl Store for Kv {
    type Error = Infallible;

    fn now(&self) -> UnixMillis {
        self.now
    }

    fn page(&mut self, _cursor: &str) -> Result<Page, Infallible> {
        let packs = self.values.keys().filter_map(|key| Some((Key::pack_of(key)?, Stamp::default())));
        Ok(Page { packs: packs.collect(), next: None })
    }

    fn keys(&mut self, prefix: &str) -> Result<Vec<String>, Infallible> {
        Ok(self.values.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.values.get(key).cloned())
    }

    fn put(&mut self, key: &str, value: &[u8], _at: UnixMillis) -> Result<(), Infallible> {
        self.values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, packs: &[PackId]) -> Result<(), Infallible> {
        for id in packs {
            self.values.remove(&Key::Pack(Kind::Board, *id).to_string());
        }
        Ok(())
    }

    fn settle(&mut self, _attempt: u32) -> bool {
        false
    }

    fn wait(&mut self, ms: u32) {
        self.now = self.now.plus(ms.into());
    }
}

/// A snapshot of a board on which `seed` decides what is popular, and of the users' tastes.
fn snapshot(folder: &std::path::Path, built_at: UnixMillis, seed: u64) -> Snapshot {
    let parts = board(built_at, seed);
    let widths = Widths {
        vocabulary: vocabulary(&parts.channels, &parts.tabs, &parts.blocks),
        channels: u16::try_from(parts.channels.len()).unwrap(),
        hours: 8,
        tabs: u16::try_from(parts.tabs.len()).unwrap(),
        ..Widths::default()
    };
    let mut packs = BTreeMap::new();
    let (bytes, board) = write(&parts).unwrap();
    packs.insert(board, bytes);
    let mut of_shard = vec![Vec::new(); 1 << SHARD_BITS];
    for (number, user) in (0_usize..).zip(USERS) {
        let key = hasher().key(user).0;
        let record =
            (0..widths.record_bytes()).map(|at| u8::try_from((number * 41 + at * 17) % 100).unwrap()).collect();
        of_shard[shard_index(key, SHARD_BITS)].push((key, record));
    }
    let shards = of_shard.iter_mut().map(|users| {
        users.sort_unstable();
        let (bytes, id) = taste::write(&widths, users).unwrap();
        packs.insert(id, bytes);
        id
    });
    let shards = shards.collect();
    let manifest = ManifestParts {
        built_at,
        board,
        format: parts.format,
        users: u32::try_from(USERS.len()).unwrap(),
        shards,
        beside: Vec::new(),
    };
    let snapshot = Snapshot::at(folder);
    snapshot.write(&packs, &manifest.write().unwrap().0).unwrap();
    snapshot
}

fn board(built_at: UnixMillis, seed: u64) -> BoardParts {
    let listing = |id: u64| ListingPart { shop: "GS샵".to_owned(), listing_id: id.to_string() };
    // Some are on air for hours, the others begin later.
    let times = |id: u64| {
        let starts_at = built_at.plus(if id.is_multiple_of(3) { -HOUR_MS } else { 20 * HOUR_MS }).floor(1_000);
        (starts_at, starts_at.plus(9 * HOUR_MS))
    };
    let product = |id: u64| ProductPart {
        id,
        title: format!("무쇠솥 {id}"),
        listings: vec![listing(id)],
        verdict: VerdictKind::New,
        verdict_first: "{}".to_owned(),
        verdict_later: "{}".to_owned(),
        first: times(id),
        popularity: u32::try_from(id * (seed * 7 + 5) * 131 % 1_024).unwrap(),
        ..ProductPart::default()
    };
    let slot = |id: u64| {
        let (starts_at, ends_at) = times(id);
        let channel = u16::try_from(id % 3).unwrap();
        SlotPart { product: id, channel, starts_at, ends_at, listing: listing(id), price: None }
    };
    let channel =
        |id: u64| ChannelPart { id: format!("ch-{id}"), name: format!("GS샵 {id}"), shop: "GS샵".to_owned() };
    let tab = |id: usize| TabPart {
        tab_id: format!("tab-{id}"),
        label: format!("탭 {id}"),
        pinned: id == 0,
        target: "/".to_owned(),
    };
    let known = AudiencePart { name: "known".to_owned(), is_newcomer: Some(false), ..AudiencePart::default() };
    let own = SurfaceWeights { channel: 3, popularity: 5, pulse: 300, position: 1, ..SurfaceWeights::default() };
    let mut weights = Weights::default();
    (weights.new, weights.live, weights.tabs) =
        (own, own, SurfaceWeights { taste: 3, position: 2, ..SurfaceWeights::default() });
    BoardParts {
        format: Format::Two,
        built_at,
        history_from: UnixMillis(0),
        blocks: Vec::new(),
        channels: (0..3).map(channel).collect(),
        categories: Vec::new(),
        products: (1..=PRODUCTS).map(product).collect(),
        slots: (1..=PRODUCTS).map(slot).collect(),
        tabs: (0..4).map(tab).collect(),
        weights,
        mix: MixParts { audiences: vec![known], ..MixParts::default() },
    }
}

/// An isolate.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    memory: Memory,
}

impl Edge {
    /// Answers as the shell has it done, all reads succeeding at once.
    pub(crate) fn ask(&mut self, kv: &Kv, question: &Question) -> Reply {
        let users = hasher();
        let verifier = sinsang::auth::Verifier::new(&[], &[], "app".to_owned(), users.clone()).unwrap();
        let config = Config { verifier: Some(verifier), devices: Some(users), ..Config::default() };
        let raw = Raw {
            method: "GET",
            path: question.path.as_str(),
            query: &question.query,
            authorization: question.viewer.map(|_| "Bearer of.a.user"),
            device: question.device.as_deref(),
            context: Some(question.context),
            ..Raw::default()
        };
        // As once the platform has proven the token.
        let request = Request::parse(&raw, &config, question.at, question.viewer);
        let mut serve = Serve::of(raw, &config, request, question.at);
        loop {
            match serve.next(&mut self.memory, question.at) {
                Step::Reply(reply) => return reply,
                Step::Read(reads) => {
                    let fetched = reads.into_iter().map(|read| fetch(kv, read)).collect();
                    serve.absorb(fetched, &mut self.memory, question.at);
                }
                Step::Bundle => serve.absorb_bundle(None, &mut self.memory, question.at),
                Step::Verify(_) | Step::Wait(_) => panic!("nothing to wait for"),
            }
        }
    }

    /// Looks at the store in the background, as after an answer.
    pub(crate) fn refresh(&mut self, kv: &Kv) {
        let mut refresh = Refresh::begin(2_000);
        while let Some(read) = refresh.next(&mut self.memory, kv.now) {
            assert_eq!(refresh.absorb(fetch(kv, read), &mut self.memory, kv.now), None);
        }
        assert!(self.memory.pulse(kv.now).is_some(), "the pulse has been read");
    }
}

fn fetch(kv: &Kv, read: Read) -> Fetched {
    let Read { place, key, .. } = read;
    let value = if place == Place::Store { kv.values.get(&key.to_string()).cloned() } else { None };
    Fetched { place, key, value: Ok(value), is_second: false }
}
