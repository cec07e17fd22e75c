//! A listing's title as typed features: what names the article, what decides it, and nothing of how it is being sold.

pub mod brand;
pub(crate) mod lex;
pub(crate) mod normal;
pub(crate) mod prune;
pub(crate) mod segment;
pub(crate) mod unit;
pub mod words;

use serde::Serialize;

pub use brand::Brands;
pub use normal::MAX_TITLE_BYTES;
pub use words::Words;

/// A place in a title: bytes from `start` up to `end`.
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

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// About the broadcast, price, payment, delivery or channel.
    Promo,
    /// About how many or in what set.
    Pack,
    /// A season on an article, praise.
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
    /// A variant of a line, as in plus or pro.
    Variant,
    /// How it is cut, worn or mounted.
    Design,
    /// A flavour, ingredient, formula or variety.
    Flavour,
    /// What it is made of.
    Material,
    /// What sort of thing it is.
    Kind,
    /// Where it comes from or goes to.
    Origin,
    /// A maker, seller, agency or insurer.
    Brand,
    /// A name or a word that no list knows.
    Word,
}

/// The part of the trade that an article belongs to: the same number decides in one and not in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the words")]
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
    pub const ALL: [Self; 12] = [
        Self::Food,
        Self::Health,
        Self::Beauty,
        Self::Clothing,
        Self::Goods,
        Self::Appliance,
        Self::Kitchen,
        Self::Home,
        Self::Sports,
        Self::Pet,
        Self::Travel,
        Self::Service,
    ];

    /// The key in words.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Food => "food",
            Self::Health => "health",
            Self::Beauty => "beauty",
            Self::Clothing => "clothing",
            Self::Goods => "goods",
            Self::Appliance => "appliance",
            Self::Kitchen => "kitchen",
            Self::Home => "home",
            Self::Sports => "sports",
            Self::Pet => "pet",
            Self::Travel => "travel",
            Self::Service => "service",
        }
    }

    /// The domain that words.toml calls `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|domain| domain.as_str() == name)
    }

    /// The domain that a schedule's category name speaks of.
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
    /// The spelling that is compared.
    pub text: String,
    /// What it says.
    pub class: Class,
    /// The domain of a kind of thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// It names an extra or a part of the set, not the article itself.
    pub addon: bool,
    /// It stands in a bracket beside the title's plain words.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
    /// Where it stands.
    pub span: Span,
}

/// What a number, code or season in a title measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A maker's model or article number.
    Model,
    /// A code of at most three characters, as in R7.
    ShortCode,
    /// Screen, luggage or appliance size in inches or 형.
    Inch,
    /// The floor area an air conditioner is made for, in 평.
    Area,
    /// For how many persons.
    Persons,
    /// Burners, doors, tiers: each value carries its unit.
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
    /// Strength: 1000, 10X, 500 mg, of a supplement.
    Strength,
    /// Fineness of gold or silver.
    Purity,
    /// 26SS, 25FW.
    Season,
    /// A year of crop, make or model.
    Year,
    /// How many: pieces, boxes, sets, months.
    Pack,
}

/// A typed attribute of a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// What is measured.
    pub measure: Measure,
    /// Its value, comparable as text within one measure.
    pub value: String,
    /// It belongs to an extra or a part of the set.
    pub addon: bool,
    /// Where it stands.
    pub span: Span,
}

/// A title, read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    /// The kept words in the order of the title.
    pub tokens: Vec<Token>,
    /// The typed attributes in the order of the title.
    pub attributes: Vec<Attribute>,
    /// The brand field in comparable spellings; empty where there is none or it is a placeholder or a card.
    pub brands: Vec<String>,
    /// What part of the trade the article belongs to.
    pub domain: Option<Domain>,
    /// The kept words and deciding attributes run together: equal for titles that differ in decoration only. Empty where
    /// nothing of the title is kept.
    pub key: String,
    /// All letters and digits of the title in its one form, whatever they say.
    #[serde(skip)]
    pub letters: String,
    /// Runs of at least four letters and digits that have some of both: article codes, whether or not they are read as models.
    #[serde(skip)]
    pub codes: Vec<String>,
}

/// Letters and digits of a code that names one article and no series.
const WHOLE_CODE: usize = 7;

/// Whether a code is long enough to name one article, of letters and digits.
pub(crate) fn is_whole_code(value: &str) -> bool {
    value.chars().count() >= WHOLE_CODE
        && value.chars().any(|ch| ch.is_ascii_digit())
        && value.chars().any(|ch| ch.is_ascii_alphabetic())
}

/// Whether a run of letters and digits says how much, how many or when, as titles of all sorts do: 26ss, 250ml, 15mlx6, 2in1, kf94.
fn is_measure(run: &str) -> bool {
    const KINDS: [&str; 8] = ["spf", "kf", "ver", "vol", "top", "no", "uv", "pa"];
    let rest = run.trim_start_matches(|ch: char| ch.is_ascii_digit());
    let tail = rest.trim_start_matches(|ch: char| ch.is_ascii_alphabetic());
    let letters = rest.get(..rest.len() - tail.len()).unwrap_or_default();
    let counts = tail.is_empty() || letters.ends_with('x') || letters == "in";
    rest.len() < run.len() && counts || KINDS.contains(&letters) && tail.bytes().all(|byte| byte.is_ascii_digit())
}

/// Runs of Latin letters and digits, at least four and some of both, without the hyphens within them.
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

/// Whether what is eaten is at stake, so that colours, flavours and strengths name the article.
pub(crate) fn eaten(domain: Option<Domain>) -> bool {
    matches!(domain, Some(Domain::Food | Domain::Health | Domain::Pet))
}

impl Features {
    /// Reads a title with the schedule's own brand and category, either of which may be missing or wrong.
    ///
    /// At most [`MAX_TITLE_BYTES`] of the title are looked at. Never fails: a title of decoration only has no tokens.
    pub fn read(title: &str, brand: Option<&str>, category: Option<&str>, lexicon: &Lexicon<'_>) -> Self {
        let brands = brand.map(|brand| brand_spellings(brand, lexicon.words)).unwrap_or_default();
        let category = category.and_then(Domain::of_category);
        let items = lex::lex(title, &brands, lexicon);
        let glyphs = normal::normalise(title);
        let letters = glyphs.iter().map(|glyph| glyph.ch).filter(|ch| ch.is_alphanumeric()).collect();
        Self { letters, codes: codes(&glyphs), ..prune::prune(items, brands, category) }
    }

    /// The features of a title that is put together of `parts`, with a space between them: what [`Features::read`] gives of it where no
    /// part changes how another is read.
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

/// The dictionary a title is read by: the words, and brands learned from the listings themselves.
#[derive(Clone, Debug)]
pub struct Lexicon<'a> {
    /// The words.
    pub words: &'a Words,
    learned: Brands,
}

impl<'a> Lexicon<'a> {
    /// A dictionary of `words` alone.
    pub fn new(words: &'a Words) -> Self {
        Self { words, learned: Brands::default() }
    }

    /// Adds learned brands.
    #[must_use]
    pub fn with_brands(mut self, brands: Brands) -> Self {
        self.learned = brands;
        self
    }

    /// The compared spelling of the learned brand that `word` names.
    pub(crate) fn brand(&self, word: &str) -> Option<&str> {
        self.learned.get(word)
    }
}

/// The comparable spellings of a brand field: `쿠쿠(CUCKOO)` gives the one name that the list joins, or both.
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
