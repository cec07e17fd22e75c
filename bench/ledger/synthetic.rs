//! A generated market of any size: products' names, their codes, and each day's listings.
//! Everything derives from a product's number, so that nothing need be stored.

use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_identity::identity::{Listing, Policy};
use sinsang_identity::listing::{Features, Lexicon};

/// The resolved day.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_305_600_000);

const SHOPS: [&str; 12] = [
    "GS샵",
    "CJ온스타일",
    "현대홈쇼핑",
    "롯데홈쇼핑",
    "NS홈쇼핑",
    "홈앤쇼핑",
    "공영쇼핑",
    "KT알파쇼핑",
    "SK스토아",
    "신세계쇼핑",
    "W쇼핑",
    "쇼핑엔티",
];
const SYLLABLES: [&str; 64] = [
    "가", "나", "다", "라", "마", "바", "사", "아", "자", "차", "카", "타", "파", "하", "고", "노", "도", "로", "모",
    "보", "소", "오", "조", "초", "코", "토", "포", "호", "구", "누", "두", "루", "무", "부", "수", "우", "주", "추",
    "쿠", "투", "푸", "후", "기", "니", "디", "리", "미", "비", "시", "이", "지", "치", "키", "티", "피", "히", "린",
    "벨", "솔", "운", "랑", "민", "델", "론",
];
const KINDS: [&str; 40] = [
    "압력밥솥",
    "가마솥",
    "냄비",
    "프라이팬",
    "도마",
    "청소기",
    "에어컨",
    "선풍기",
    "공기청정기",
    "냉장고",
    "세탁기",
    "안마의자",
    "매트리스",
    "소파",
    "이불",
    "베개",
    "자켓",
    "코트",
    "니트",
    "블라우스",
    "원피스",
    "청바지",
    "운동화",
    "러닝화",
    "샌들",
    "백팩",
    "크림",
    "세럼",
    "앰플",
    "샴푸",
    "홍삼",
    "유산균",
    "오메가3",
    "갈비",
    "굴비",
    "김치",
    "사과",
    "한우",
    "만두",
    "커피",
];
const TRIMS: [&str; 8] = ["[방송에서만] ", "[최초가] ", "★", "(무이자12개월) ", "", "", "[특가] ", "[삼성카드5%할인] "];
const SIZES: [&str; 8] = [" 10인용", " 6인용", " 28cm", " 2종 세트", " 3박스", "", "", ""];

/// A seeded generator of numbers (SplitMix64, Steele, Lea and Flood 2014).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut draw = Self(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        draw.next();
        draw
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number below `end`, strongly biased to small ones: the cube of a uniform one.
    fn skewed(&mut self, end: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a draw"
        )]
        let drawn = {
            let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
            (unit * unit * unit * end as f64) as u64
        };
        drawn.min(end.saturating_sub(1))
    }
}

/// A word of the vocabulary, with one or two syllables at the beginning that make it unique, and
/// its features by the real reader.
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) read: Features,
}

fn spell(number: u64, least: usize) -> String {
    let mut text = String::new();
    let mut rest = number;
    let mut syllables = 0;
    while rest > 0 || syllables < least {
        text.push_str(SYLLABLES[usize::try_from(rest % 64).unwrap_or(0)]);
        rest /= 64;
        syllables += 1;
    }
    text
}

/// The parts of a product's name.
pub(crate) struct Name {
    pub(crate) brand: Option<usize>,
    pub(crate) lines: Vec<usize>,
    pub(crate) kind: usize,
    pub(crate) model: Option<String>,
    trim: usize,
    size: usize,
}

/// A market of `products` products, each with one listing.
pub(crate) struct World {
    pub(crate) products: u64,
    pub(crate) brands: Vec<Word>,
    pub(crate) lines: Vec<Word>,
    pub(crate) kinds: Vec<Word>,
}

impl World {
    /// Makes a vocabulary in proportion to the market: a line name for every hundred products, a
    /// brand for every thousand.
    pub(crate) fn new(products: u64) -> Self {
        let policy = Policy::default();
        let lexicon = Lexicon::new(&policy.words);
        let word = |text: String| Word { read: Features::read(&text, None, None, &lexicon), text };
        let count = |share: u64, least: u64, most: u64| (products / share).clamp(least, most);
        Self {
            products,
            brands: (0..count(1_000, 200, 60_000)).map(|number| word(spell(number * 5 + 700, 2))).collect(),
            lines: (0..count(100, 2_000, 1_000_000)).map(|number| word(spell(number * 7 + 5_000, 3))).collect(),
            kinds: KINDS.iter().map(|kind| word((*kind).to_owned())).collect(),
        }
    }

    pub(crate) fn name(&self, number: u64) -> Name {
        let mut draw = Draw::new(1, number);
        let place = |number: u64| usize::try_from(number).unwrap_or(0);
        let length = |words: &[Word]| u64::try_from(words.len()).unwrap_or(1);
        let brand = (draw.below(100) < 81).then(|| place(draw.skewed(length(&self.brands))));
        let count = 1 + draw.below(100) / 40;
        let lines = (0..count).map(|_| place(draw.skewed(length(&self.lines)))).collect();
        let model = (draw.below(100) < 30).then(|| {
            let letter = |draw: &mut Draw| char::from(b'A' + u8::try_from(draw.below(26)).unwrap_or(0));
            format!("{}{}{}-{}", letter(&mut draw), letter(&mut draw), letter(&mut draw), 1_000 + draw.below(9_000))
        });
        Name {
            brand,
            lines,
            kind: place(draw.below(length(&self.kinds))),
            model,
            trim: place(draw.below(8)),
            size: place(draw.below(8)),
        }
    }

    /// The words of a name in title order.
    fn words(&self, name: &Name) -> Vec<&Word> {
        let brand = name.brand.map(|brand| &self.brands[brand]);
        brand
            .into_iter()
            .chain(name.lines.iter().map(|line| &self.lines[*line]))
            .chain([&self.kinds[name.kind]])
            .collect()
    }

    pub(crate) fn title(&self, name: &Name) -> String {
        let mut title = TRIMS[name.trim].to_owned();
        for (index, word) in self.words(name).iter().enumerate() {
            if index > 0 {
                title.push(' ');
            }
            title.push_str(&word.text);
        }
        if let Some(model) = &name.model {
            title.push(' ');
            title.push_str(model);
        }
        title.push_str(SIZES[name.size]);
        title
    }

    /// The features of a name's title, joined from those of its words; `model` has those of its
    /// model.
    pub(crate) fn features(&self, name: &Name, model: Option<&Features>) -> Features {
        let mut parts: Vec<&Features> = self.words(name).iter().map(|word| &word.read).collect();
        parts.extend(model);
        Features::join(&parts)
    }

    /// A product's listing.
    pub(crate) fn listing(&self, number: u64) -> Listing {
        let name = self.name(number);
        let mut draw = Draw::new(2, number);
        let shop = SHOPS[usize::try_from(draw.below(12)).unwrap_or(0)];
        let first_at = NOW.plus(-DAY_MS * (30 + i64::try_from(draw.below(1_800)).unwrap_or(0)));
        let hours = i64::try_from(draw.below(24)).unwrap_or(0);
        let first_at = first_at.plus(hours * HOUR_MS);
        Listing {
            shop: shop.to_owned(),
            listing_id: (100_000_000 + number).to_string(),
            titles: vec![self.title(&name)],
            brand: name.brand.filter(|_| draw.below(10) > 0).map(|brand| self.brands[brand].text.clone()),
            category: None,
            price: Some(9_900 + 1_000 * u32::try_from(draw.below(300)).unwrap_or(0)),
            image: None,
            review_count: None,
            first_at,
            last_at: first_at,
            airings: 1,
        }
    }

    /// A day's listings: a quarter are known codes, half are known products under another shop's
    /// new code and in other words, a quarter are new.
    pub(crate) fn day(&self, listings: u64) -> Vec<Listing> {
        (0..listings)
            .map(|number| {
                let mut draw = Draw::new(3, number);
                let at = NOW.plus(-HOUR_MS * (1 + i64::try_from(number % 20).unwrap_or(0)));
                let of = draw.below(self.products);
                let known = self.listing(of);
                match number % 4 {
                    0 => Listing { first_at: at, last_at: at, ..known },
                    1 | 2 => {
                        let mut name = self.name(of);
                        name.trim = (name.trim + 3) % 8;
                        if name.lines.len() > 2 {
                            name.lines.swap(0, 1);
                        }
                        let shop = SHOPS[usize::try_from(draw.below(12)).unwrap_or(0)].to_owned();
                        let titles = vec![self.title(&name)];
                        Listing { shop, listing_id: format!("R{number}"), titles, first_at: at, last_at: at, ..known }
                    }
                    _ => {
                        let name = self.name(self.products + number);
                        let brand = name.brand.map(|brand| self.brands[brand].text.clone());
                        let titles = vec![self.title(&name)];
                        Listing { listing_id: format!("N{number}"), titles, brand, first_at: at, last_at: at, ..known }
                    }
                }
            })
            .collect()
    }
}
