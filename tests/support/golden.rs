//! The golden files' contents as text: the orders and scores of the golden packs, and complete
//! answers made from them.
//!
//! Native code and Wasm run the same functions over the same packs, so that equal text means equal
//! ranking.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sinsang_core::key::Key;
use sinsang_core::pack::board::{Board, Product, Slot};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Kind, Pack, pulse};
use sinsang_core::pulse::Counts;
use sinsang_core::rank::{Candidate, score, score_tab};
use sinsang_core::signal::Score;
use sinsang_core::surface::new::{RANK_STEP_MS, Selection, page};
use sinsang_core::surface::{View, live, tabs};
use sinsang_core::time::{HOUR_MS, UnixMillis};

use super::board::{BUILT_AT, Published, hasher};
use super::edge::{Ask, Edge, PREVIEW};
use super::{Numbers, at};

/// Viewers of the golden orders: without a token, with tastes, and without tastes.
const VIEWERS: [&str; 5] = ["", "u000001", "u000002", "u000004", "stranger"];
/// Times: before the board's build, at it, just before and at a slot boundary, and late.
const TIMES: [&str; 5] = [
    "2026-11-22T04:30:00+09:00",
    "2026-11-22T06:00:00+09:00",
    "2026-11-22T06:59:59.999+09:00",
    "2026-11-22T07:00:00+09:00",
    "2026-11-22T12:10:00+09:00",
];
/// Requests of the golden answers: viewer, time and target.
const ASKED: [(&str, &str, &str); 7] = [
    ("", "2026-11-22T06:00:00+09:00", "/v1/new?limit=3"),
    ("u000001", "2026-11-22T06:00:00+09:00", "/v1/new?limit=3&sort=soonest"),
    ("u000002", "2026-11-22T07:00:00+09:00", "/v1/new?limit=2&category=%EB%B7%B0%ED%8B%B0"),
    ("u000001", "2026-11-22T07:00:00+09:00", "/v1/live"),
    ("u000004", "2026-11-22T06:00:00+09:00", "/v1/tabs"),
    ("stranger", "2026-11-22T09:20:00+09:00", "/v1/home?limit=1"),
    ("", "2026-11-22T06:00:00+09:00", "/v1/status"),
];

/// The packs of the golden snapshot.
pub(crate) struct Packs {
    pub(crate) manifest: Vec<u8>,
    pub(crate) board: Vec<u8>,
    pub(crate) tastes: Vec<Vec<u8>>,
}

impl Packs {
    /// The packs by their keys.
    pub(crate) fn values(&self) -> BTreeMap<String, Vec<u8>> {
        let pack = |kind, bytes: &Vec<u8>| {
            let id = Pack::parse(bytes.clone(), kind).unwrap().id();
            (Key::Pack(kind, id).to_string(), bytes.clone())
        };
        let mut values: BTreeMap<String, Vec<u8>> = self.tastes.iter().map(|bytes| pack(Kind::Tastes, bytes)).collect();
        values.extend([pack(Kind::Board, &self.board), pack(Kind::Manifest, &self.manifest)]);
        values.insert(Key::Live.to_string(), self.manifest.clone());
        values
    }

    fn read(&self) -> (Manifest, Board, Vec<TasteShard>) {
        let manifest = Manifest::parse(self.manifest.clone()).unwrap();
        let board = Board::parse(self.board.clone(), manifest.board()).unwrap();
        let shard = |bytes: &Vec<u8>| {
            let id = Pack::parse(bytes.clone(), Kind::Tastes).unwrap().id();
            TasteShard::parse(bytes.clone(), id).unwrap()
        };
        (manifest, board, self.tastes.iter().map(shard).collect())
    }
}

/// Every surface's order and the parts of each score, for every viewer and time: one item on each
/// line.
pub(crate) fn orders(packs: &Packs) -> String {
    let (_, board, shards) = packs.read();
    let mut text =
        String::from("viewer\ttime\tsurface\titem\ttaste\tchannel\thour\tsoon\ton_air\tpopularity\tposition\n");
    for viewer in VIEWERS {
        let key = hasher().key(viewer).0;
        let found = shards.iter().find_map(|shard| shard.find(key).map(|record| Taste::cut(record, shard.widths())));
        for time in TIMES {
            let view =
                View { taste: found, viewer: if found.is_some() { key } else { 0 }, ..View::shared(&board, at(time)) };
            let mut line = |surface: &str, item: &str, score: &Score| {
                let Score { taste, channel, hour, soon, on_air, popularity, position, .. } = score;
                writeln!(
                    text,
                    "{viewer}\t{time}\t{surface}\t{item}\t{taste}\t{channel}\t{hour}\t{soon}\t{on_air}\t{popularity}\t{position}"
                )
                .unwrap();
            };
            for (product, score) in new_order(&view) {
                line("new", &format!("{:016x}", product.id()), &score);
            }
            for index in live::order(&view) {
                let slot = board.slot(index);
                let score = live_score(&view, &slot);
                line("live", &format!("{index}"), &score);
            }
            for index in tabs::order(&view) {
                let score = score_tab(index, index, board.tab_count(), view.taste.as_ref(), &board.weights().tabs);
                line("tabs", &format!("{index}"), &score);
            }
        }
    }
    text
}

fn new_order<'a>(view: &View<'a>) -> Vec<(Product<'a>, Score)> {
    let selection = Selection::recommended(view.now, usize::MAX);
    let products = page(view, &selection).products.into_iter().map(|index| view.board.product(index));
    products
        .map(|product| {
            let candidate = Candidate {
                vector: product.vector(),
                channel: product.slots().next().map_or(usize::MAX, |slot| view.board.slot(slot).channel()),
                starts_at: product.first_starts_at(),
                ends_at: product.first_ends_at(),
                popularity: product.popularity(),
            };
            let ranked_at = view.now.floor(RANK_STEP_MS);
            (product, score(&candidate, view.taste.as_ref(), &view.board.weights().new, ranked_at))
        })
        .collect()
}

fn live_score(view: &View<'_>, slot: &Slot<'_>) -> Score {
    let product = view.board.product(slot.product());
    let candidate = Candidate {
        vector: product.vector(),
        channel: slot.channel(),
        starts_at: slot.starts_at(),
        ends_at: slot.ends_at(),
        popularity: product.popularity(),
    };
    score(&candidate, view.taste.as_ref(), &view.board.weights().live, view.now)
}

/// Complete answers: viewer, time, target, ETag and body on each line.
pub(crate) fn answers(packs: &Packs) -> String {
    let mut text = String::new();
    for (viewer, time, target) in ASKED {
        let mut edge = Edge::cold(at(time));
        edge.store.values = packs.values();
        let mut ask = Ask::get(target);
        if !viewer.is_empty() {
            let joint = if target.contains('?') { '&' } else { '?' };
            ask = Ask::get(format!("{target}{joint}viewer={viewer}")).preview(PREVIEW);
        }
        let reply = edge.ask(&ask);
        assert_eq!(reply.status, 200, "{target}");
        let etag = reply.header("ETag").unwrap_or("-");
        writeln!(text, "{viewer}\t{time}\t{target}\t{etag}\t{}", String::from_utf8(reply.body.clone()).unwrap())
            .unwrap();
    }
    text
}

/// The orders of devices and users while experiments run: viewer, time, target, variants, ETag and
/// ordered ids on each line.
pub(crate) fn variants(tried: &Published) -> String {
    let mut text = String::new();
    for hours in [0, 2, 4] {
        let mut edge = Edge::with(tried, at(BUILT_AT).plus(hours * HOUR_MS));
        for number in 0..24 {
            let (name, target) =
                (format!("golden-device-{number:02}"), ["/v1/new", "/v1/live", "/v1/tabs"][number % 3]);
            let ask = Ask::get(target);
            let ask = if number % 4 == 3 { ask.user(&format!("u{number:06}")) } else { ask.device(&name) };
            let reply = edge.ask(&ask);
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            let of = |item: &serde_json::Value| item.get("product_id").or_else(|| item.get("tab_id")).cloned();
            let ids: Vec<_> = body["items"].as_array().unwrap().iter().filter_map(of).collect();
            let ids = serde_json::Value::from(ids);
            let variants = reply.header("Sinsang-Experiments").unwrap_or("-");
            let etag = reply.header("ETag").unwrap_or("-");
            writeln!(text, "{number}\t{hours}\t{target}\t{variants}\t{etag}\t{ids}").unwrap();
        }
    }
    text
}

/// The orders of experiments' viewers under a pulse: viewer, target, variants, and each item's id
/// with the pulse's part of its score, on each line.
pub(crate) fn wanted(values: BTreeMap<String, Vec<u8>>) -> String {
    let mut edge = Edge::cold(wanted_at());
    edge.store.values = values;
    edge.get("/v1/tabs");
    for _ in 0..2 {
        // The background look at the pulse.
        edge.pass(32_000);
        edge.get("/v1/tabs");
    }
    let mut text = String::new();
    for number in 0..24 {
        let target = ["/v1/new", "/v1/live"][number % 2];
        let ask = Ask::get(format!("{target}?explain=1")).preview(PREVIEW);
        let ask = if number % 4 == 3 {
            ask.user(&format!("u{number:06}"))
        } else {
            ask.device(&format!("golden-device-{number:02}"))
        };
        let reply = edge.ask(&ask);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let of = |item: &serde_json::Value| {
            format!("{}:{}", item["product_id"].as_str().unwrap(), item["why"]["parts"]["pulse"].as_i64().unwrap_or(0))
        };
        let items: Vec<String> = body["items"].as_array().unwrap().iter().map(of).collect();
        let variants = reply.header("Sinsang-Experiments").unwrap_or("-");
        writeln!(text, "{number}\t{target}\t{variants}\t{}", items.join(" ")).unwrap();
    }
    text
}

/// The time of [`wanted`]: all experiments run.
pub(crate) fn wanted_at() -> UnixMillis {
    at(BUILT_AT).plus(HOUR_MS + HOUR_MS / 2)
}

/// A pulse of every other product of `board`, and its values by the keys of its publication.
pub(crate) fn pulse_of(board: &[u8], made_at: UnixMillis) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let id = Pack::parse(board.to_vec(), Kind::Board).unwrap().id();
    let board = Board::parse(board.to_vec(), id).unwrap();
    let counts: Vec<(u64, Counts)> = (0..board.product_count())
        .step_by(2)
        .map(|index| {
            let purchases = u16::try_from(16 * (index + 1)).unwrap();
            (board.product(index).id(), Counts { viewers: purchases, purchases, ..Counts::default() })
        })
        .collect();
    let bytes = pulse::write(&counts, made_at).unwrap();
    let keys = [Key::Pulse, Key::PulseOf(made_at.to_seconds())];
    (bytes.clone(), keys.into_iter().map(|key| (key.to_string(), bytes.clone())).collect())
}

/// A digest of inner products and scores of generated vectors of all lengths, beyond the golden
/// packs.
pub(crate) fn arithmetic() -> u64 {
    let mut numbers = Numbers::seeded(2026);
    let mut digest = 0_u64;
    for round in 0..400 {
        let mut bytes = |length: usize| -> Vec<u8> { (0..length).map(|_| numbers.next().to_le_bytes()[0]).collect() };
        let (vector, tastes) = (bytes(round % 70), bytes(64 + 18 + 8 + 9));
        let taste = Taste {
            vector: &tastes[..64],
            channels: &tastes[64..82],
            hours: &tastes[82..90],
            tabs: &tastes[90..],
            ..Taste::default()
        };
        let starts_at = UnixMillis(i64::from_le_bytes(numbers.next().to_le_bytes()) >> 16);
        let candidate = Candidate {
            vector: &vector,
            channel: numbers.below(20),
            starts_at,
            ends_at: starts_at.plus(3_600_000),
            popularity: u32::try_from(numbers.below(2000)).unwrap(),
        };
        let number = |numbers: &mut Numbers| i32::try_from(numbers.below(2_000_000)).unwrap() - 1_000_000;
        let weights = sinsang_core::signal::SurfaceWeights {
            taste: number(&mut numbers),
            channel: number(&mut numbers),
            hour: number(&mut numbers),
            soon: number(&mut numbers),
            on_air: number(&mut numbers),
            popularity: number(&mut numbers),
            position: number(&mut numbers),
            ..Default::default()
        };
        let now = UnixMillis(i64::from_le_bytes(numbers.next().to_le_bytes()) >> 16);
        let total = score(&candidate, Some(&taste), &weights, now).total();
        let tab = score_tab(numbers.below(9), numbers.below(9), 9, Some(&taste), &weights).total();
        digest = digest.rotate_left(5) ^ total.cast_unsigned() ^ tab.cast_unsigned().rotate_left(31);
    }
    digest
}
