//! A generated home-shopping board, its users' tastes, and the manifest that names them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sinsang_core::key::Key;
use sinsang_core::pack::board::Block;
use sinsang_core::pack::board_write::{
    BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart, TabPart, vocabulary, write,
};
use sinsang_core::pack::manifest::{Beside, Manifest, ManifestParts, SnapshotId, shard_index};
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::pack::{Format, Kind, PackId};
use sinsang_core::rank::{Weights, pulse_weight};
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserHasher;

use super::{Numbers, at};

/// The secret by which fixtures hash users.
pub(crate) const USER_KEY: &str = "an app's secret by which users are named";
/// Build time of fixtures: six in the morning in Korea.
pub(crate) const BUILT_AT: &str = "2026-11-22T06:00:00+09:00";

const SHOPS: [&str; 9] =
    ["GS샵", "CJ온스타일", "현대홈쇼핑", "롯데홈쇼핑", "NS홈쇼핑", "홈앤쇼핑", "공영쇼핑", "KT알파", "SK스토아"];
const CATEGORIES: [&str; 6] = ["뷰티", "패션의류", "식품", "주방용품", "디지털/가전", "여행·보험"];
const BRANDS: [&str; 5] = ["설화수", "LG전자", "안동 \"간고등어\"", "Le Creuset", "정관장"];
const THINGS: [&str; 6] =
    ["에센스 5종", "니트 3종 세트", "간고등어 20팩", "냄비 24cm", "청소기 무선", "제주 3일 \\ 2박"];
const SLOT_MINUTES: [i64; 8] = [60, 60, 5, 40, 70, 60, 120, 210];
const BLOCKS: [(&str, u16); 4] = [("category", 12), ("words", 40), ("brand", 8), ("price", 4)];

/// The size of a generated board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) channels: usize,
    pub(crate) products: usize,
    pub(crate) hours: i64,
    pub(crate) tabs: usize,
    pub(crate) users: usize,
    pub(crate) shard_bits: u32,
}

impl Shape {
    /// Two days of eighteen channels.
    pub(crate) const DAY: Self =
        Self { seed: 7, channels: 18, products: 64, hours: 48, tabs: 9, users: 40, shard_bits: 2 };
    /// The smallest size that shows everything, for the golden files and for tests that damage
    /// bytes.
    pub(crate) const SMALL: Self =
        Self { seed: 11, channels: 5, products: 24, hours: 10, tabs: 6, users: 5, shard_bits: 2 };
}

/// The parts of a generated board. Its window opens two hours before its build.
pub(crate) fn parts(shape: &Shape) -> BoardParts {
    let mut numbers = Numbers::seeded(shape.seed);
    let built_at = at(BUILT_AT);
    let listings: Vec<ListingPart> = (0..shape.products)
        .map(|index| ListingPart {
            shop: SHOPS[index % SHOPS.len()].to_owned(),
            listing_id: format!("{}", 10_000 + index * 17),
        })
        .collect();
    let ids: Vec<u64> = (0..shape.products).map(|_| numbers.next()).collect();
    let slots = slots(shape, &ids, &listings, &mut numbers);
    let products = ids.iter().zip(&listings).enumerate();
    let products = products.filter_map(|(index, (id, listing))| {
        let mut of_product: Vec<(UnixMillis, UnixMillis)> =
            slots.iter().filter(|slot| slot.product == *id).map(|slot| (slot.starts_at, slot.ends_at)).collect();
        of_product.sort_unstable();
        of_product.first().map(|first| product(index, *id, listing, *first, built_at, &mut numbers))
    });
    let products = products.collect();
    BoardParts {
        format: Format::One,
        built_at,
        history_from: built_at.plus(-180 * DAY_MS),
        blocks: blocks(),
        channels: channels(shape.channels),
        categories: CATEGORIES.map(str::to_owned).to_vec(),
        products,
        slots,
        tabs: tabs(shape.tabs),
        weights: weights(),
        mix: sinsang_core::pack::mix::MixParts::default(),
    }
}

fn channels(count: usize) -> Vec<ChannelPart> {
    (0..count)
        .map(|index| {
            let shop = SHOPS[index % SHOPS.len()];
            let kind = if index < SHOPS.len() { "LIVE" } else { "마이샵" };
            ChannelPart { id: format!("ch-{index:02}"), name: format!("{shop} {kind}"), shop: shop.to_owned() }
        })
        .collect()
}

fn blocks() -> Vec<Block> {
    let mut start = 0;
    BLOCKS
        .iter()
        .map(|(name, length)| {
            let block = Block { name: (*name).to_owned(), start, length: *length };
            start += length;
            block
        })
        .collect()
}

fn tabs(count: usize) -> Vec<TabPart> {
    let labels = ["홈", "신상품", "생방송", "편성표", "이벤트", "베스트", "패션", "식품", "여행"];
    labels
        .iter()
        .enumerate()
        .take(count)
        .map(|(index, label)| TabPart {
            tab_id: format!("tab-{index}"),
            label: (*label).to_owned(),
            pinned: index == 0 || index == 3,
            target: format!("/t/{index}?from=\"tab\""),
        })
        .collect()
}

/// Weights with the first format's values for the pulse.
fn weights() -> Weights {
    let new = SurfaceWeights {
        taste: 6,
        channel: 2,
        hour: 2,
        soon: 4,
        on_air: 2,
        popularity: 3,
        pulse: pulse_weight(Surface::New),
        ..SurfaceWeights::default()
    };
    let pulse = pulse_weight(Surface::Live);
    let live = SurfaceWeights { taste: 8, channel: 4, popularity: 3, pulse, ..SurfaceWeights::default() };
    let tabs = SurfaceWeights { taste: 3, position: 2, ..SurfaceWeights::default() };
    let mut weights = Weights::default();
    (weights.new, weights.live, weights.tabs) = (new, live, tabs);
    weights
}

fn slots(shape: &Shape, ids: &[u64], listings: &[ListingPart], numbers: &mut Numbers) -> Vec<SlotPart> {
    let opens = at(BUILT_AT).plus(-2 * HOUR_MS);
    let closes = opens.plus(shape.hours * HOUR_MS);
    let mut slots = Vec::new();
    for channel in 0..shape.channels {
        let mut starts_at = opens.plus(i64::try_from(channel % 4).unwrap() * 10 * MINUTE_MS);
        while starts_at < closes {
            let ends_at = starts_at.plus(SLOT_MINUTES[numbers.below(SLOT_MINUTES.len())] * MINUTE_MS);
            let product = numbers.below(ids.len());
            slots.push(SlotPart {
                product: ids[product],
                channel: u16::try_from(channel).unwrap(),
                starts_at,
                ends_at,
                listing: listings[product].clone(),
                price: (!product.is_multiple_of(7)).then(|| 9_900 + 1_000 * u32::try_from(product).unwrap()),
            });
            // Now and then a channel shows something other than a product.
            let rest = if numbers.below(4) == 0 { 25 * MINUTE_MS } else { 0 };
            starts_at = ends_at.plus(rest);
        }
    }
    slots
}

fn product(
    index: usize,
    id: u64,
    listing: &ListingPart,
    on_board: (UnixMillis, UnixMillis),
    built_at: UnixMillis,
    numbers: &mut Numbers,
) -> ProductPart {
    let verdict = match index % 5 {
        _ if on_board.1 <= built_at => VerdictKind::Repeat,
        0..=2 => VerdictKind::New,
        3 => VerdictKind::Unknown,
        _ => VerdictKind::Repeat,
    };
    let first = if verdict == VerdictKind::Repeat {
        let aired = on_board.0.plus(-30 * DAY_MS);
        (aired, aired.plus(HOUR_MS))
    } else {
        on_board
    };
    let repeat = format!(
        "{{\"kind\":\"repeat\",\"evidence\":{{\"reason\":\"aired_before\",\"text\":\"{}에 방송\"}}}}",
        first.0.to_kst_rfc3339()
    );
    let verdict_first = match verdict {
        VerdictKind::New => {
            "{\"kind\":\"new\",\"evidence\":{\"reason\":\"first_broadcast\",\"text\":\"180일 기록에서 첫 방송\"}}"
                .to_owned()
        }
        VerdictKind::Unknown => {
            "{\"kind\":\"unknown\",\"evidence\":{\"reason\":\"reviews\",\"text\":\"리뷰 132개\"}}".to_owned()
        }
        VerdictKind::Repeat => repeat.clone(),
    };
    let price = (!index.is_multiple_of(9)).then(|| 9_900 + 1_000 * u32::try_from(index).unwrap());
    ProductPart {
        id,
        title: format!("[방송에서만] ★{} {index}차", THINGS[index % THINGS.len()]),
        brand: (!index.is_multiple_of(4)).then(|| BRANDS[index % BRANDS.len()].to_owned()),
        category: (index % 8 != 7).then(|| u16::try_from(index % CATEGORIES.len()).unwrap()),
        price,
        list_price: price.map(|price| price + 10_000),
        image: (!index.is_multiple_of(3)).then(|| format!("/demo/{index}.svg")),
        url: (!index.is_multiple_of(6)).then(|| format!("https://shop.example/{index}?a=1&b=2")),
        listings: vec![listing.clone()],
        verdict,
        verdict_first,
        verdict_later: repeat,
        first,
        popularity: u32::try_from(numbers.below(1025)).unwrap(),
        vector: (0..64).map(|_| numbers.weight()).collect(),
        ..ProductPart::default()
    }
}

/// The ids of the users with tastes.
pub(crate) fn users(shape: &Shape) -> Vec<String> {
    (0..shape.users).map(|index| format!("u{:06}", index + 1)).collect()
}

/// The widths of taste records for `parts`.
pub(crate) fn widths(parts: &BoardParts) -> Widths {
    Widths {
        vocabulary: vocabulary(&parts.channels, &parts.tabs, &parts.blocks),
        vector: parts.blocks.iter().map(|block| block.length).sum(),
        channels: u16::try_from(parts.channels.len()).unwrap(),
        hours: 8,
        tabs: u16::try_from(parts.tabs.len()).unwrap(),
        ..Widths::default()
    }
}

/// A published snapshot: all of its packs by key.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) manifest: Vec<u8>,
    pub(crate) manifest_id: PackId,
    pub(crate) snapshot: SnapshotId,
    pub(crate) built_at: UnixMillis,
    pub(crate) board: PackId,
    /// Packs by the text of their keys, the manifest included.
    pub(crate) packs: BTreeMap<String, Vec<u8>>,
}

impl Published {
    /// A later manifest's entry for this snapshot.
    pub(crate) fn as_beside(&self) -> Beside {
        Beside { snapshot: self.snapshot, manifest: self.manifest_id, built_at: self.built_at, share: None }
    }

    /// The bytes of the pack at `key`.
    pub(crate) fn pack(&self, key: Key) -> &[u8] {
        &self.packs[&key.to_string()]
    }

    /// The taste shard of a user.
    pub(crate) fn shard_of(&self, user: &str) -> Option<PackId> {
        Manifest::parse(self.manifest.clone()).unwrap().shard_of(hasher().key(user).0)
    }
}

pub(crate) fn hasher() -> UserHasher {
    UserHasher::new(USER_KEY.as_bytes()).unwrap()
}

/// Writes the packs that a publication of `parts` would put, with tastes of `widths`, after
/// `beside`.
pub(crate) fn publish(parts: &BoardParts, shape: &Shape, widths: &Widths, beside: Vec<Beside>) -> Published {
    let mut packs = BTreeMap::new();
    let (board_bytes, board) = write(parts).unwrap();
    packs.insert(Key::Pack(Kind::Board, board).to_string(), board_bytes);
    let mut numbers = Numbers::seeded(shape.seed ^ 0x7a57e);
    let mut of_shard = vec![Vec::new(); 1 << shape.shard_bits];
    for user in users(shape) {
        let key = hasher().key(&user).0;
        let record: Vec<u8> = (0..widths.record_bytes()).map(|_| numbers.weight().cast_unsigned()).collect();
        of_shard[shard_index(key, shape.shard_bits)].push((key, record));
    }
    let shards = of_shard.iter_mut().map(|users| {
        if users.is_empty() {
            return PackId::default();
        }
        users.sort_unstable();
        let (bytes, id) = taste::write(widths, users).unwrap();
        packs.insert(Key::Pack(Kind::Tastes, id).to_string(), bytes);
        id
    });
    let manifest = ManifestParts {
        built_at: parts.built_at,
        board,
        format: parts.format,
        users: u32::try_from(shape.users).unwrap(),
        shards: shards.collect(),
        beside,
    };
    let (bytes, manifest_id) = manifest.write().unwrap();
    packs.insert(Key::Pack(Kind::Manifest, manifest_id).to_string(), bytes.clone());
    let (snapshot, built_at) = (manifest.snapshot(), manifest.built_at);
    Published { manifest: bytes, manifest_id, snapshot, built_at, board, packs }
}

/// A snapshot of `shape` without predecessors. The two common ones are made once.
pub(crate) fn published(shape: &Shape) -> Published {
    static DAY: LazyLock<Published> = LazyLock::new(|| first_of(&Shape::DAY));
    static SMALL: LazyLock<Published> = LazyLock::new(|| first_of(&Shape::SMALL));
    match *shape {
        Shape::DAY => DAY.clone(),
        Shape::SMALL => SMALL.clone(),
        _ => first_of(shape),
    }
}

fn first_of(shape: &Shape) -> Published {
    let parts = parts(shape);
    publish(&parts, shape, &widths(&parts), Vec::new())
}

/// A successor of `before`: the same schedule built a minute later, which is within clock skew,
/// with reversed popularity so that orders differ.
pub(crate) fn published_after(shape: &Shape, before: &Published) -> Published {
    let mut parts = parts(shape);
    parts.built_at = before.built_at.plus(MINUTE_MS);
    for product in &mut parts.products {
        product.popularity = 1024 - product.popularity;
    }
    let history = Manifest::parse(before.manifest.clone()).unwrap();
    let previous = std::iter::once(before.as_beside()).chain(history.previous()).take(4).collect();
    publish(&parts, shape, &widths(&parts), previous)
}

/// The store's content while `next` is shown to a `share` of viewers, in millionths, beside `live`.
pub(crate) fn on_trial(live: &Published, next: &Published, share: u32) -> Published {
    let mut parts = Manifest::parse(live.manifest.clone()).unwrap().parts();
    parts.beside.insert(0, Beside { share: Some(share), ..next.as_beside() });
    let (manifest, manifest_id) = parts.write().unwrap();
    let mut packs = live.packs.clone();
    packs.extend(next.packs.clone());
    packs.insert(Key::Pack(Kind::Manifest, manifest_id).to_string(), manifest.clone());
    Published { manifest, manifest_id, packs, ..live.clone() }
}
