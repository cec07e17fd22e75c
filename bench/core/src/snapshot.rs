//! Generated snapshots with given numbers of candidates, products and users. Equal shapes give
//! equal bytes.
//!
//! Texts are as long as in the demonstration tables (a product's open JSON 290 bytes, its verdict
//! 180, a broadcast 200). The vectors' 64 dimensions, the 18 channels, 11 tabs and 12 categories
//! are the demonstration's, too; random values come from the seed.

use std::collections::BTreeMap;

use sinsang_core::key::Key;
use sinsang_core::mix::Mix;
use sinsang_core::pack::background::{BackgroundPart, Lowest, Past};
use sinsang_core::pack::board::Block;
use sinsang_core::pack::board_write::{
    BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart, TabPart, vocabulary, write,
};
use sinsang_core::pack::manifest::{ManifestParts, shard_index};
use sinsang_core::pack::mix::MixParts;
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::pack::{Kind, PackId, TooLarge};
use sinsang_core::rank::Weights;
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserHasher;

/// Days of the window: one before the build, eight after it.
const WINDOW_DAYS: i64 = 9;
const CHANNELS: [&str; 18] = [
    "CJ온스타일",
    "CJ온스타일플러스",
    "GS마이샵",
    "GS샵",
    "KT알파쇼핑",
    "NS샵플러스",
    "NS홈쇼핑",
    "SK스토아",
    "W쇼핑",
    "공영쇼핑",
    "공영쇼핑플러스",
    "롯데원티비",
    "롯데홈쇼핑",
    "쇼핑엔티",
    "신세계라이브쇼핑",
    "현대플러스샵",
    "현대홈쇼핑",
    "홈앤쇼핑",
];
const CATEGORIES: [&str; 12] = [
    "뷰티",
    "패션의류",
    "패션잡화",
    "식품",
    "건강식품",
    "주방용품",
    "생활용품",
    "디지털/가전",
    "침구/인테리어",
    "여행·보험",
    "유아동",
    "스포츠",
];
const TABS: [&str; 11] =
    ["신상품", "생방송", "편성표", "베스트", "뷰티", "패션", "식품", "리빙", "가전", "여행", "이벤트"];
const BLOCKS: [(&str, u16); 4] = [("category", 16), ("brand", 16), ("price", 8), ("words", 24)];
const THINGS: [&str; 8] = [
    "촉촉 히알루론 앰플 6병 (+손선풍기 증정)",
    "한우 사골곰탕 20팩",
    "통5중 스텐 냄비 세트 4종",
    "무선 물걸레 청소기 본품+패드 12매",
    "캐시미어 니트 3종 세트",
    "제주 3일 특가 여행",
    "구스 사계절 차렵이불 퀸",
    "프로바이오틱스 12개월분",
];
const BRANDS: [&str; 6] = ["하얀숲", "다래촌", "셀모아", "헤어온", "온누리", "가온"];

/// The size of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The seed of every draw.
    pub seed: u64,
    /// Products whose first broadcast is in the future or on air.
    pub candidates: usize,
    /// Length of every slot in minutes: shorter slots mean more slots and products.
    pub slot_minutes: i64,
    /// Number of users with tastes.
    pub users: usize,
    /// Logarithm to base 2 of the number of taste shards.
    pub shard_bits: u32,
    /// Whether lists are mixed: with caps, similarity, and products that few viewers have seen.
    pub is_mixed: bool,
}

/// A snapshot ready for publication.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The values by the text of their keys, the live manifest included.
    pub values: BTreeMap<String, Vec<u8>>,
    /// The board's id.
    pub board: PackId,
    /// Ids of the users with tastes.
    pub users: Vec<String>,
}

/// A stream of numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` - 1.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// An int8 of small to medium size.
    fn weight(&mut self) -> i8 {
        i8::try_from(self.below(121)).unwrap_or(0) - 60
    }

    /// A price in won in shops' style.
    fn price(&mut self) -> u32 {
        u32::try_from(19_900 + self.below(200) * 1_000).unwrap_or(0)
    }

    /// Shuffles `items` (Fisher and Yates).
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

/// The ids of the users of `shape`.
pub fn users(shape: &Shape) -> Vec<String> {
    (1..=shape.users).map(|number| format!("bench-{number:06}")).collect()
}

/// Makes the snapshot of `shape`, built at `built_at`; `hasher` hashes its users.
///
/// # Errors
/// [`TooLarge`] if a value exceeds KV's limit.
pub fn make(shape: &Shape, built_at: UnixMillis, hasher: &UserHasher) -> Result<Snapshot, TooLarge> {
    let parts = parts(shape, built_at);
    let (bytes, board) = write(&parts)?;
    let mut values = BTreeMap::from([(Key::Pack(Kind::Board, board).to_string(), bytes)]);
    let widths = Widths {
        vocabulary: vocabulary(&parts.channels, &parts.tabs, &parts.blocks),
        vector: parts.blocks.iter().map(|block| block.length).sum(),
        channels: u16::try_from(CHANNELS.len()).unwrap_or(u16::MAX),
        hours: 8,
        tabs: u16::try_from(TABS.len()).unwrap_or(u16::MAX),
        ..Widths::default()
    };
    let mut numbers = Numbers(shape.seed ^ 0x7a57e);
    let mut of_shard = vec![Vec::new(); 1 << shape.shard_bits];
    let users = users(shape);
    for user in &users {
        let key = hasher.key(user).0;
        let record: Vec<u8> = (0..widths.record_bytes()).map(|_| numbers.weight().cast_unsigned()).collect();
        of_shard[shard_index(key, shape.shard_bits)].push((key, record));
    }
    let mut shards = Vec::new();
    for of_one in &mut of_shard {
        of_one.sort_unstable();
        if of_one.is_empty() {
            shards.push(PackId::default());
            continue;
        }
        let (bytes, id) = taste::write(&widths, of_one)?;
        values.insert(Key::Pack(Kind::Tastes, id).to_string(), bytes);
        shards.push(id);
    }
    let count = u32::try_from(users.len()).unwrap_or(u32::MAX);
    let manifest = ManifestParts {
        built_at,
        board,
        format: sinsang_core::pack::Format::Two,
        users: count,
        shards,
        beside: Vec::new(),
    };
    let (bytes, id) = manifest.write()?;
    values.insert(Key::Live.to_string(), bytes.clone());
    values.insert(Key::Pack(Kind::Manifest, id).to_string(), bytes);
    Ok(Snapshot { values, board, users })
}

/// The board's parts: every channel is on air without gaps; the candidates' first broadcasts are
/// drawn among the upcoming slots, and the other slots show older products, each some two times.
fn parts(shape: &Shape, built_at: UnixMillis) -> BoardParts {
    let mut numbers = Numbers(shape.seed);
    let opens = built_at.plus(-DAY_MS);
    let length = shape.slot_minutes.max(1) * MINUTE_MS;
    let mut places = Vec::new();
    for channel in 0..CHANNELS.len() {
        let shift = i64::try_from(channel % 4).unwrap_or(0) * length / 4;
        let mut starts_at = opens.plus(shift);
        while starts_at < opens.plus(WINDOW_DAYS * DAY_MS) {
            places.push((starts_at, channel));
            starts_at = starts_at.plus(length);
        }
    }
    numbers.shuffle(&mut places);
    let mut ahead: Vec<_> = places.iter().filter(|place| place.0.plus(length) > built_at).copied().collect();
    let candidates: Vec<_> = ahead.drain(..shape.candidates.min(ahead.len())).collect();
    let mut others = ahead;
    others.extend(places.iter().filter(|place| place.0.plus(length) <= built_at));

    let mut products = Vec::new();
    let mut slots = Vec::new();
    let mut put = |index: usize, is_new: bool, shown: &[(UnixMillis, usize)], numbers: &mut Numbers| {
        let id = numbers.next();
        let channel = shown.first().map_or(0, |place| place.1);
        let listing = ListingPart {
            shop: CHANNELS.get(channel).copied().unwrap_or_default().to_owned(),
            listing_id: format!("{}", 1_000_000_000 + index * 17),
        };
        for (starts_at, channel) in shown {
            slots.push(SlotPart {
                product: id,
                channel: u16::try_from(*channel).unwrap_or(0),
                starts_at: *starts_at,
                ends_at: starts_at.plus(length),
                listing: listing.clone(),
                price: Some(numbers.price()),
            });
        }
        let first = shown.iter().map(|place| place.0).min().unwrap_or(built_at);
        let first = if is_new { first } else { first.plus(-30 * DAY_MS) };
        products.push(product(index, id, is_new, (first, first.plus(length)), listing, numbers));
    };
    for (index, place) in candidates.iter().enumerate() {
        put(index, true, &[*place], &mut numbers);
    }
    let mut index = candidates.len();
    let mut rest = others.as_slice();
    while !rest.is_empty() {
        let (shown, after) = rest.split_at(rest.len().min(1 + numbers.below(3)));
        put(index, false, shown, &mut numbers);
        index += 1;
        rest = after;
    }
    add_background(&mut products, built_at);
    let mix = if shape.is_mixed { mixed(&products) } else { MixParts::default() };
    BoardParts {
        format: sinsang_core::pack::Format::Two,
        built_at,
        history_from: built_at.plus(-180 * DAY_MS),
        blocks: blocks(),
        channels: CHANNELS
            .iter()
            .enumerate()
            .map(|(index, name)| ChannelPart {
                id: format!("channel-{index:02}-live"),
                name: (*name).to_owned(),
                shop: (*name).to_owned(),
            })
            .collect(),
        categories: CATEGORIES.map(str::to_owned).to_vec(),
        products,
        slots,
        tabs: tabs(),
        weights: weights(),
        mix,
    }
}

/// Gives each product as long a record and as many likenesses as a build writes at most.
fn add_background(products: &mut [ProductPart], built_at: UnixMillis) {
    let ids: Vec<u64> = products.iter().map(|product| product.id).collect();
    for (index, product) in products.iter_mut().enumerate() {
        let price = product.price.unwrap_or_default();
        let past = (1_i64..=10).zip(index..).map(|(weeks, place)| {
            let starts_at = built_at.plus(-7 * weeks * DAY_MS);
            let channel = u16::try_from(place % CHANNELS.len()).unwrap_or(0);
            Past { starts_at, ends_at: starts_at.plus(HOUR_MS), channel, price }
        });
        product.background = BackgroundPart {
            past: past.collect(),
            past_count: 30,
            lowest: Some(Lowest { price, at: built_at.plus(-90 * DAY_MS), channel: 0 }),
            near: (1..=6).filter_map(|step| ids.get((index + 97 * step) % ids.len()).copied()).collect(),
            aliases: Vec::new(),
        };
    }
}

/// All rules of a mix at once, so that none is skipped: the most that a board can demand.
fn mixed(products: &[ProductPart]) -> MixParts {
    let mix = Mix {
        window: 8,
        category: 2,
        brand: 1,
        channel: 3,
        similarity: 400,
        explore_every: 10,
        explore_below: 30,
        ..Mix::default()
    };
    let shown = (0_u8..=u8::MAX).cycle().step_by(7);
    MixParts { mix, shown: products.iter().map(|product| product.id).zip(shown).collect(), ..MixParts::default() }
}

fn product(
    index: usize,
    id: u64,
    is_new: bool,
    first: (UnixMillis, UnixMillis),
    listing: ListingPart,
    numbers: &mut Numbers,
) -> ProductPart {
    let later = format!(
        "{{\"kind\":\"repeat\",\"evidence\":{{\"reason\":\"broadcast_before\",\"text\":\"{} 방송\",\"history_days\":180,\
         \"shop_history_days\":180,\"review_count\":{},\"earlier\":null}}}}",
        first.0.to_kst_rfc3339(),
        numbers.below(900)
    );
    let verdict_first = if is_new {
        "{\"kind\":\"new\",\"evidence\":{\"reason\":\"first_broadcast\",\"text\":\"180일 기록에서 첫 방송\",\
         \"history_days\":180,\"shop_history_days\":180,\"review_count\":0,\"earlier\":null}}"
            .to_owned()
    } else {
        later.clone()
    };
    let price = numbers.price();
    ProductPart {
        id,
        title: format!("[주말특가] {} {} {index}차", BRANDS[index % BRANDS.len()], THINGS[index % THINGS.len()]),
        brand: Some(BRANDS[index % BRANDS.len()].to_owned()),
        category: u16::try_from(index % CATEGORIES.len()).ok(),
        price: Some(price),
        list_price: index.is_multiple_of(2).then_some(price + 10_000),
        url: Some(format!("https://shop.example/{}/{}", listing.shop.len(), listing.listing_id)),
        listings: vec![listing],
        verdict: if is_new { VerdictKind::New } else { VerdictKind::Repeat },
        verdict_first,
        verdict_later: later,
        first,
        popularity: u32::try_from(numbers.below(1_025)).unwrap_or(0),
        vector: (0..BLOCKS.iter().map(|block| block.1).sum()).map(|_| numbers.weight()).collect(),
        ..ProductPart::default()
    }
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

fn tabs() -> Vec<TabPart> {
    (0..)
        .zip(TABS)
        .map(|(index, label)| TabPart {
            tab_id: format!("tab-{index}"),
            label: label.to_owned(),
            pinned: index < 3,
            target: format!("/tab/{index}"),
        })
        .collect()
}

fn weights() -> Weights {
    let new = SurfaceWeights {
        taste: 6,
        channel: 2,
        hour: 2,
        soon: 4,
        on_air: 2,
        popularity: 3,
        ..SurfaceWeights::default()
    };
    let live = SurfaceWeights { taste: 8, channel: 4, popularity: 3, ..SurfaceWeights::default() };
    let tabs = SurfaceWeights { taste: 3, position: 2, ..SurfaceWeights::default() };
    let mut weights = Weights::default();
    (weights.new, weights.live, weights.tabs) = (new, live, tabs);
    weights
}

/// The bench's present: a second into ten minutes without a slot boundary or a ranking step.
pub fn present(built_at: UnixMillis) -> UnixMillis {
    built_at.plus(HOUR_MS / 3 + SECOND_MS)
}
