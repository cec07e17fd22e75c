//! A listing's title as typed features: the words that name and distinguish the article, without
//! the sales talk.

pub mod brand;
pub(crate) mod lex;
pub(crate) mod normal;
pub(crate) mod prune;
pub(crate) mod segment;
pub(crate) mod unit;
pub mod words;

use serde::Serialize;
use strum::VariantArray as _;

pub use brand::Brands;
pub use normal::MAX_TITLE_BYTES;
pub use words::Words;

/// A byte range of a title, from `start` up to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// Class of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Promotion: broadcast, price, payment, delivery or channel.
    Promo,
    /// Quantity or set.
    Pack,
    /// Praise, or an article's season.
    Filler,
    /// A colour.
    Colour,
    /// A size of clothing or bedding.
    Size,
    /// For men.
    Male,
    /// For women.
    Female,
    /// For all.
    Unisex,
    /// For children.
    Child,
    /// A variant of a line: plus, pro.
    Variant,
    /// Cut, style of wear or mounting.
    Design,
    /// A flavour, ingredient, formula or variety.
    Flavour,
    /// A material.
    Material,
    /// A kind of thing.
    Kind,
    /// A place of origin or a destination.
    Origin,
    /// A maker, seller, agency or insurer.
    Brand,
    /// An unlisted name or word.
    Word,
}

/// The article's domain of trade: the same number decides in one domain and not in another.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the words")]
#[strum(serialize_all = "snake_case")]
pub enum Domain {
    Food,
    Health,
    Beauty,
    Clothing,
    Goods,
    Appliance,
    Kitchen,
    Home,
    Sports,
    Pet,
    Travel,
    Service,
}

impl Domain {
    /// Every domain, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The key in words.toml.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The domain that words.toml calls `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|domain| domain.as_str() == name)
    }

    /// The domain hinted at by a schedule's category name.
    pub fn of_category(category: &str) -> Option<Self> {
        const HINTS: [(&str, Domain); 58] = [
            ("반려", Domain::Pet),
            ("펫", Domain::Pet),
            ("애견", Domain::Pet),
            ("여행", Domain::Travel),
            ("투어", Domain::Travel),
            ("보험", Domain::Service),
            ("금융", Domain::Service),
            ("서비스", Domain::Service),
            ("상조", Domain::Service),
            ("렌탈", Domain::Appliance),
            ("건강식품", Domain::Health),
            ("건강", Domain::Health),
            ("헬스", Domain::Health),
            ("식품", Domain::Food),
            ("농수축산", Domain::Food),
            ("농산", Domain::Food),
            ("수산", Domain::Food),
            ("축산", Domain::Food),
            ("먹거리", Domain::Food),
            ("푸드", Domain::Food),
            ("뷰티", Domain::Beauty),
            ("화장품", Domain::Beauty),
            ("미용", Domain::Beauty),
            ("헤어", Domain::Beauty),
            ("메이크업", Domain::Beauty),
            ("주방", Domain::Kitchen),
            ("생필품", Domain::Kitchen),
            ("생활용품", Domain::Kitchen),
            ("가전", Domain::Appliance),
            ("디지털", Domain::Appliance),
            ("컴퓨터", Domain::Appliance),
            ("전자", Domain::Appliance),
            ("가구", Domain::Home),
            ("인테리어", Domain::Home),
            ("침구", Domain::Home),
            ("홈데코", Domain::Home),
            ("리빙", Domain::Home),
            ("스포츠", Domain::Sports),
            ("레저", Domain::Sports),
            ("골프", Domain::Sports),
            ("아웃도어", Domain::Sports),
            ("잡화", Domain::Goods),
            ("신발", Domain::Goods),
            ("슈즈", Domain::Goods),
            ("가방", Domain::Goods),
            ("주얼리", Domain::Goods),
            ("쥬얼리", Domain::Goods),
            ("보석", Domain::Goods),
            ("시계", Domain::Goods),
            ("명품", Domain::Goods),
            ("의류", Domain::Clothing),
            ("패션", Domain::Clothing),
            ("언더웨어", Domain::Clothing),
            ("속옷", Domain::Clothing),
            ("란제리", Domain::Clothing),
            ("여성복", Domain::Clothing),
            ("남성복", Domain::Clothing),
            ("생활", Domain::Kitchen),
        ];
        HINTS.iter().find(|(hint, _)| category.contains(hint)).map(|&(_, domain)| domain)
    }
}

/// A kept word of a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The spelling used in comparisons.
    pub text: String,
    /// Its class.
    pub class: Class,
    /// Its domain, if it is a kind of thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// It names an extra or a part of the set, not the article itself.
    pub addon: bool,
    /// It is in brackets, or after a slash, beside the title's plain words.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
    /// Its position in the title.
    pub span: Span,
}

/// Measure of a number, code or season in a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A maker's model or article number.
    Model,
    /// A code of at most three characters: R7.
    ShortCode,
    /// Screen, luggage or appliance size in inches or 형.
    Inch,
    /// Floor area that an air conditioner serves, in 평.
    Area,
    /// Number of persons.
    Persons,
    /// Burners, doors, tiers; each value includes its unit.
    Parts,
    /// Volume in millilitres.
    Volume,
    /// Weight in milligrams.
    Weight,
    /// Length in millimetres.
    Length,
    /// Power, current or voltage.
    Power,
    /// Storage or battery size.
    Storage,
    /// Days of a journey.
    Days,
    /// Countries of a journey.
    Countries,
    /// Season N, generation N, version N.
    Generation,
    /// Strength of a supplement: 1000, 10X, 500 mg.
    Strength,
    /// Fineness of gold or silver.
    Purity,
    /// Season of a collection: 26SS, 25FW.
    Season,
    /// Last two digits of a year of crop, make or model.
    Year,
    /// Count of pieces, boxes, sets or months.
    Pack,
}

/// A typed attribute of a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// Its measure.
    pub measure: Measure,
    /// Its value, comparable as text within one measure.
    pub value: String,
    /// It belongs to an extra or a part of the set.
    pub addon: bool,
    /// Its position in the title.
    pub span: Span,
}

/// The features of a title.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    /// The kept words, in title order.
    pub tokens: Vec<Token>,
    /// The typed attributes, in title order.
    pub attributes: Vec<Attribute>,
    /// Comparable spellings of the brand field; empty if it is missing, a placeholder or a card.
    pub brands: Vec<String>,
    /// The article's domain.
    pub domain: Option<Domain>,
    /// The concatenated kept words and deciding attributes: equal for titles that differ only in
    /// decoration. Empty if nothing is kept.
    pub key: String,
    /// All letters and digits of the normalised title.
    #[serde(skip)]
    pub letters: String,
    /// Article codes: runs of at least four letters and digits with both among them, whether or not
    /// they are read as models.
    #[serde(skip)]
    pub codes: Vec<String>,
}

/// Minimum length of a code that names one article, not a series.
const WHOLE_CODE: usize = 7;

/// Whether a code has letters and digits and is long enough to name one article.
pub(crate) fn is_whole_code(value: &str) -> bool {
    value.chars().count() >= WHOLE_CODE
        && value.chars().any(|ch| ch.is_ascii_digit())
        && value.chars().any(|ch| ch.is_ascii_alphabetic())
}

/// Whether a run of letters and digits is a size, count or date, and so may occur in any title:
/// 26ss, 250ml, 15mlx6, 2in1, kf94.
fn is_measure(run: &str) -> bool {
    const KINDS: [&str; 8] = ["spf", "kf", "ver", "vol", "top", "no", "uv", "pa"];
    let rest = run.trim_start_matches(|ch: char| ch.is_ascii_digit());
    let tail = rest.trim_start_matches(|ch: char| ch.is_ascii_alphabetic());
    let letters = rest.get(..rest.len() - tail.len()).unwrap_or_default();
    let counts = tail.is_empty() || letters.ends_with('x') || letters == "in";
    rest.len() < run.len() && counts || KINDS.contains(&letters) && tail.bytes().all(|byte| byte.is_ascii_digit())
}

/// Runs of at least four Latin letters and digits with both among them, after removing hyphens.
fn codes(glyphs: &[normal::Glyph]) -> Vec<String> {
    let within = |ch: char| ch.is_ascii_alphanumeric() || ch == '-';
    let mut codes: Vec<String> = glyphs
        .chunk_by(|a, b| within(a.ch) == within(b.ch))
        .map(|run| run.iter().map(|glyph| glyph.ch).filter(char::is_ascii_alphanumeric).collect::<String>())
        .filter(|run| {
            run.len() >= 4
                && run.bytes().any(|ch| ch.is_ascii_digit())
                && run.bytes().filter(u8::is_ascii_alphabetic).count() >= 2
                && !is_measure(run)
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Whether the article is eaten, so that colours, flavours and strengths identify it.
pub(crate) fn eaten(domain: Option<Domain>) -> bool {
    matches!(domain, Some(Domain::Food | Domain::Health | Domain::Pet))
}

impl Features {
    /// Reads a title with the schedule's brand and category, either of which may be missing or
    /// wrong.
    ///
    /// Reads at most [`MAX_TITLE_BYTES`] of the title. Never fails: a title of mere decoration has
    /// no tokens.
    pub fn read(title: &str, brand: Option<&str>, category: Option<&str>, lexicon: &Lexicon<'_>) -> Self {
        let brands = brand.map(|brand| brand_spellings(brand, lexicon.words)).unwrap_or_default();
        let category = category.and_then(Domain::of_category);
        let items = lex::lex(title, &brands, lexicon);
        let glyphs = normal::normalise(title);
        let letters = glyphs.iter().map(|glyph| glyph.ch).filter(|ch| ch.is_alphanumeric()).collect();
        Self { letters, codes: codes(&glyphs), ..prune::prune(items, brands, category) }
    }

    /// Features of a title made of `parts` joined by spaces; equal to [`Features::read`] of it if
    /// no part changes the reading of another.
    pub fn join(parts: &[&Self]) -> Self {
        let mut joined = Self::default();
        let mut start = 0;
        for part in parts {
            let moved = |span: Span| Span::new(span.start + start, span.end + start);
            joined.tokens.extend(part.tokens.iter().map(|token| Token { span: moved(token.span), ..token.clone() }));
            let attributes = part.attributes.iter();
            joined.attributes.extend(attributes.map(|it| Attribute { span: moved(it.span), ..it.clone() }));
            joined.domain = part.domain.or(joined.domain);
            joined.letters.push_str(&part.letters);
            joined.codes.extend(part.codes.iter().cloned());
            let ends = part.tokens.iter().map(|token| token.span.end);
            start += ends.chain(part.attributes.iter().map(|it| it.span.end)).max().unwrap_or(0) + 1;
        }
        joined.key = prune::key(&joined);
        joined
    }

    /// Whether nothing of the title was kept.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.attributes.iter().all(|attribute| attribute.measure != Measure::Model)
    }
}

/// The dictionary for reading titles: the listed words, and brands learned from the listings.
#[derive(Clone, Debug)]
pub struct Lexicon<'a> {
    /// The words.
    pub words: &'a Words,
    learned: Brands,
}

impl<'a> Lexicon<'a> {
    /// A lexicon of `words` alone.
    pub fn new(words: &'a Words) -> Self {
        Self { words, learned: Brands::default() }
    }

    /// Adds learned brands.
    #[must_use]
    pub fn with_brands(mut self, brands: Brands) -> Self {
        self.learned = brands;
        self
    }

    /// The canonical spelling of the learned brand `word`.
    pub(crate) fn brand(&self, word: &str) -> Option<&str> {
        self.learned.get(word)
    }
}

/// Comparable spellings of a brand field: `쿠쿠(CUCKOO)` gives one name if the word list joins the
/// two, otherwise both.
pub(crate) fn brand_spellings(field: &str, words: &Words) -> Vec<String> {
    const PLACEHOLDERS: [&str; 14] = [
        "없음",
        "기타",
        "기타브랜드",
        "브랜드없음",
        "노브랜드",
        "해당없음",
        "미정",
        "상세설명참조",
        "상세참조",
        "상품상세참조",
        "none",
        "null",
        "na",
        "nobrand",
    ];
    let mut names: Vec<String> = Vec::new();
    for part in field.split(['(', ')', '[', ']', '/', ',', '|']) {
        let name: String = words::plain(part).chars().filter(|ch| ch.is_alphanumeric()).collect();
        if name.is_empty() || PLACEHOLDERS.contains(&name.as_str()) {
            continue;
        }
        let entry = words.get(&name);
        if entry.is_some_and(|entry| matches!(entry.class, Class::Promo | Class::Pack | Class::Filler)) {
            continue;
        }
        let name = match entry {
            Some(entry) if entry.class == Class::Brand => entry.canonical.to_string(),
            _ => name,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
