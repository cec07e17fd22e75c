//! The content space: what a product says about itself as 64 small integers, in four named blocks.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

/// Dimensions of a product's and of a user's vector; one byte each.
pub const DIMS: usize = 64;

/// The length (L2 norm) of every block of a product's vector whose field is known, before rounding to integers.
///
/// Equal lengths make a block's partial dot with a user's block mean the same for category, brand, price and words.
pub const BLOCK_NORM: f64 = 127.0;

/// A run of dimensions that speaks of one field. The edge explains a score by the partial dot of each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What the block speaks of, as an explanation spells it.
    pub name: &'static str,
    /// First dimension.
    pub start: usize,
    /// Number of dimensions.
    pub dims: usize,
}

impl Block {
    /// The dimensions of the block.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.dims
    }
}

const CATEGORY: Block = Block { name: "category", start: 0, dims: 16 };
const BRAND: Block = Block { name: "brand", start: 16, dims: 16 };
const PRICE: Block = Block { name: "price", start: 32, dims: 8 };
const WORDS: Block = Block { name: "words", start: 40, dims: 24 };

/// The layout of a vector: every dimension lies in one block.
pub const BLOCKS: [Block; 4] = [CATEGORY, BRAND, PRICE, WORDS];

/// Dimensions that one brand or one word sets, each to plus or minus the same value.
const CODE_ENTRIES: usize = 4;
/// The spread of a price over the classes beside its own, in classes (standard deviation of a bell).
const PRICE_SPREAD: f64 = 0.6;
/// Where no product has a price: the lowest class, as log2 of won (10,000 won).
const DEFAULT_PRICE_LOW: f64 = 13.25;
/// Class positions are kept to quarters of an octave, so that a few new products do not move every vector.
const PRICE_GRID: f64 = 0.25;
/// The least distance of two price classes, in octaves: a tenth more or less is the same class to a shopper.
const MIN_PRICE_STEP: f64 = 0.5;
/// Words that fewer products share carry noise only: nothing else can match them.
const MIN_WORD_PRODUCTS: u32 = 2;

/// A vector before rounding.
pub(crate) type FloatVector = [f64; DIMS];

/// What is known of a product when its vector is made.
#[derive(Clone, Copy, Debug)]
pub struct ProductFeatures<'a> {
    /// The product's id.
    pub product: u64,
    /// Any of its titles; the normalised one gives the best words.
    pub title: &'a str,
    /// Its brand.
    pub brand: Option<&'a str>,
    /// Its category, by the name that [`Vocabulary::categories`] uses.
    pub category: Option<&'a str>,
    /// Its price in won.
    pub price: Option<u32>,
}

/// The names that published numbers stand for, by index. The caller sets the order and publishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Channel names; [`super::UserTaste::channels`] is in this order.
    pub channels: Vec<String>,
    /// Tab ids; [`super::UserTaste::tabs`] is in this order.
    pub tabs: Vec<String>,
    /// Category names. The first 16 have a dimension each; later ones share them, by index modulo 16.
    pub categories: Vec<String>,
}

/// How products become vectors: fitted once to a catalogue, then the same for all its products.
#[derive(Clone, Debug)]
pub struct Space {
    vocabulary: Vocabulary,
    categories: HashMap<String, usize>,
    products: u32,
    /// Products that have the word, by [`Code::key`].
    word_products: HashMap<u64, u32>,
    price_low: f64,
    price_step: f64,
    /// Mean vectors of the products that have a field, for those that lack it: a missing field neither lifts nor sinks.
    means: FloatVector,
}

impl Space {
    /// Fits word weights, price classes and block means to a catalogue. The order of the products does not matter.
    pub fn fit<'a>(products: impl IntoIterator<Item = ProductFeatures<'a>>, vocabulary: Vocabulary) -> Self {
        let categories = vocabulary.categories.iter().enumerate().map(|(at, name)| (name.clone(), at)).rev().collect();
        let mut space = Self {
            vocabulary,
            categories,
            products: 0,
            word_products: HashMap::new(),
            price_low: DEFAULT_PRICE_LOW,
            price_step: 1.0,
            means: [0.0; DIMS],
        };
        let mut means = Means::default();
        let mut prices = Vec::new();
        for product in products {
            space.products = space.products.saturating_add(1);
            for word in words(product.title) {
                let count = space.word_products.entry(Code::of("word", &word, WORDS.dims).key).or_default();
                *count = count.saturating_add(1);
            }
            let mut vector = [0.0; DIMS];
            means.add(CATEGORY, space.write_category(&product, &mut vector), &vector);
            means.add(BRAND, write_brand(&product, &mut vector), &vector);
            prices.extend(product.price.filter(|&price| price > 0).map(|price| f64::from(price).log2()));
        }
        prices.sort_by(f64::total_cmp);
        space.fit_price_classes(&prices);
        for &price in &prices {
            let mut vector = [0.0; DIMS];
            space.write_price(price, &mut vector);
            means.add(PRICE, true, &vector);
        }
        space.means = means.finish();
        space
    }

    /// The names behind the indexes.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The product's vector: in each block a vector of length [`BLOCK_NORM`], rounded, or the catalogue's mean where the
    /// field is missing. A title without a word that another product has leaves its block at 0.
    pub fn product_vector(&self, product: &ProductFeatures<'_>) -> [i8; DIMS] {
        round(&self.float_vector(product))
    }

    /// [`Self::product_vector`] before rounding.
    pub(crate) fn float_vector(&self, product: &ProductFeatures<'_>) -> FloatVector {
        let mut vector = [0.0; DIMS];
        if !self.write_category(product, &mut vector) {
            copy_block(CATEGORY, &self.means, &mut vector);
        }
        if !write_brand(product, &mut vector) {
            copy_block(BRAND, &self.means, &mut vector);
        }
        match product.price.filter(|&price| price > 0) {
            Some(price) => self.write_price(f64::from(price).log2(), &mut vector),
            None => copy_block(PRICE, &self.means, &mut vector),
        }
        self.write_words(product.title, &mut vector);
        vector
    }

    fn write_category(&self, product: &ProductFeatures<'_>, vector: &mut FloatVector) -> bool {
        let Some(index) = product.category.and_then(|category| self.categories.get(category)) else { return false };
        vector[CATEGORY.start + index % CATEGORY.dims] = BLOCK_NORM;
        true
    }

    /// The lowest class near the 5th percentile and the highest near the 95th, on the grid.
    fn fit_price_classes(&mut self, sorted: &[f64]) {
        let at = |percent: usize| sorted.get((sorted.len().saturating_sub(1)) * percent / 100).copied();
        let (Some(low), Some(high)) = (at(5), at(95)) else { return };
        self.price_low = (low / PRICE_GRID).floor() * PRICE_GRID;
        let step = (high - self.price_low) / (PRICE.dims - 1) as f64;
        self.price_step = ((step / PRICE_GRID).ceil() * PRICE_GRID).max(MIN_PRICE_STEP);
    }

    fn write_price(&self, log2_price: f64, vector: &mut FloatVector) {
        let last = (PRICE.dims - 1) as f64;
        let position = ((log2_price - self.price_low) / self.price_step).clamp(0.0, last);
        for (class, value) in vector[PRICE.range()].iter_mut().enumerate() {
            let distance = (class as f64 - position) / PRICE_SPREAD;
            *value = (-0.5 * distance * distance).exp();
        }
        scale_block(PRICE, vector);
    }

    fn write_words(&self, title: &str, vector: &mut FloatVector) {
        for word in words(title) {
            let code = Code::of("word", &word, WORDS.dims);
            let products = self.word_products.get(&code.key).copied().unwrap_or(0);
            if products >= MIN_WORD_PRODUCTS {
                let idf = (f64::from(self.products.saturating_add(1)) / f64::from(products)).ln();
                code.add(idf, &mut vector[WORDS.range()]);
            }
        }
        scale_block(WORDS, vector);
    }
}

fn write_brand(product: &ProductFeatures<'_>, vector: &mut FloatVector) -> bool {
    let brand: String =
        product.brand.map(|brand| folded(brand).filter(|c| c.is_alphanumeric()).collect()).unwrap_or_default();
    if brand.is_empty() {
        return false;
    }
    Code::of("brand", &brand, BRAND.dims).add(1.0, &mut vector[BRAND.range()]);
    scale_block(BRAND, vector);
    true
}

/// Compatibility-composed (NFKC) lower case: full-width letters and half-width jamo meet their usual forms.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.nfkc().flat_map(char::to_lowercase)
}

/// The distinct words of a title, in order: runs of letters and digits of two or more characters, not digits alone.
fn words(title: &str) -> BTreeSet<String> {
    let title: String = folded(title).collect();
    title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().nth(1).is_some() && !word.chars().all(char::is_numeric))
        .map(str::to_owned)
        .collect()
}

/// Random indexing: a few dimensions of a block that a text always sets, drawn from its hash. Two texts share so few of
/// them that sums of codes stay apart.
struct Code {
    key: u64,
    entries: [(usize, f64); CODE_ENTRIES],
}

impl Code {
    /// The code of `text` among those of one `kind`, over `dims` dimensions (at most 32, at least [`CODE_ENTRIES`]).
    fn of(kind: &str, text: &str, dims: usize) -> Self {
        let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize();
        let mut free: [usize; 32] = std::array::from_fn(|at| at);
        let mut entries = [(0, 0.0); CODE_ENTRIES];
        for (drawn, (entry, bytes)) in entries.iter_mut().zip(digest.chunks_exact(3)).enumerate() {
            if let &[high, low, sign] = bytes {
                let pick = drawn + usize::from(u16::from_be_bytes([high, low])) % (dims - drawn);
                free.swap(drawn, pick);
                *entry = (free[drawn], if sign & 1 == 0 { 1.0 } else { -1.0 });
            }
        }
        let key = digest.iter().rev().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte));
        Self { key, entries }
    }

    fn add(&self, weight: f64, block: &mut [f64]) {
        for &(at, sign) in &self.entries {
            if let Some(value) = block.get_mut(at) {
                *value += sign * weight;
            }
        }
    }
}

/// Block means over the products that have the field. Sums of rounded vectors are integers, so order cannot show.
struct Means {
    sums: [i64; DIMS],
    counts: [i64; DIMS],
}

impl Default for Means {
    fn default() -> Self {
        Self { sums: [0; DIMS], counts: [0; DIMS] }
    }
}

impl Means {
    fn add(&mut self, block: Block, known: bool, vector: &FloatVector) {
        if known {
            let rounded = round(vector);
            for at in block.range() {
                self.sums[at] += i64::from(rounded[at]);
                self.counts[at] += 1;
            }
        }
    }

    fn finish(&self) -> FloatVector {
        std::array::from_fn(|at| if self.counts[at] == 0 { 0.0 } else { self.sums[at] as f64 / self.counts[at] as f64 })
    }
}

fn copy_block(block: Block, from: &FloatVector, to: &mut FloatVector) {
    to[block.range()].copy_from_slice(&from[block.range()]);
}

/// Brings a block to [`BLOCK_NORM`]; one that is all 0 stays.
fn scale_block(block: Block, vector: &mut FloatVector) {
    let values = &mut vector[block.range()];
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm > 0.0 {
        for value in values {
            *value *= BLOCK_NORM / norm;
        }
    }
}

/// Rounds to the nearest whole number within an `i8`, never -128: negating a vector stays possible.
pub(crate) fn round(vector: &FloatVector) -> [i8; DIMS] {
    vector.map(to_i8)
}

/// The nearest whole number from -127 to 127.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8 before")]
pub(crate) fn to_i8(value: f64) -> i8 {
    value.round().clamp(-127.0, 127.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product<'a>(title: &'a str, brand: Option<&'a str>, price: Option<u32>) -> ProductFeatures<'a> {
        ProductFeatures { product: 1, title, brand, category: None, price }
    }

    fn dot(a: &[i8; DIMS], b: &[i8; DIMS], block: Block) -> i32 {
        block.range().map(|at| i32::from(a[at]) * i32::from(b[at])).sum()
    }

    fn catalogue() -> Vec<ProductFeatures<'static>> {
        let beauty = |title, brand, price| ProductFeatures {
            product: 1,
            title,
            brand: Some(brand),
            category: Some("뷰티"),
            price: Some(price),
        };
        vec![
            beauty("수분 크림 세트", "라네즈", 39_900),
            beauty("수분 앰플 기획", "설화수", 129_000),
            beauty("영양 크림 대용량", "라네즈", 59_000),
            ProductFeatures { category: Some("식품"), ..beauty("제주 은갈치 세트", "해담", 49_900) },
        ]
    }

    fn space() -> Space {
        let categories = ["뷰티", "식품"].map(str::to_owned).to_vec();
        Space::fit(catalogue(), Vocabulary { categories, ..Vocabulary::default() })
    }

    #[test]
    fn the_blocks_cover_every_dimension_once() {
        let covered: Vec<usize> = BLOCKS.iter().flat_map(|block| block.range()).collect();
        assert_eq!(covered, (0..DIMS).collect::<Vec<_>>());
    }

    #[test]
    fn every_block_with_its_field_known_has_the_same_length() {
        let space = space();
        for product in catalogue() {
            let vector = space.product_vector(&product);
            for block in BLOCKS {
                let norm = f64::from(dot(&vector, &vector, block)).sqrt();
                assert!((norm - BLOCK_NORM).abs() < 4.0, "{} of {}: {norm}", block.name, product.title);
            }
        }
    }

    #[test]
    fn spelling_of_a_brand_does_not_matter_and_another_brand_has_little_in_common() {
        let space = space();
        let vectors =
            ["LG 생활건강", "lg생활건강", "ＬＧ생활건강"].map(|b| space.product_vector(&product("", Some(b), None)));
        assert!(vectors.iter().all(|vector| *vector == vectors[0]));
        let brands: Vec<String> = (0..200).map(|at| format!("브랜드{at}")).collect();
        let close = brands
            .iter()
            .filter(|brand| {
                let other = space.product_vector(&product("", Some(brand), None));
                dot(&vectors[0], &other, BRAND) > 16_129 * 3 / 4
            })
            .count();
        assert!(close <= 4, "{close} of 200 brands look like LG");
    }

    #[test]
    fn nearer_prices_are_more_alike() {
        let space = space();
        let of = |price| space.product_vector(&product("", None, Some(price)));
        let likeness: Vec<i32> =
            [40_000, 50_000, 70_000, 3_000_000].map(|price| dot(&of(40_000), &of(price), PRICE)).to_vec();
        assert!(likeness.windows(2).all(|pair| pair[0] > pair[1]), "{likeness:?}");
    }

    #[test]
    fn shared_words_draw_titles_together_and_a_word_of_one_product_says_nothing() {
        let space = space();
        let of = |title| space.product_vector(&product(title, None, None));
        assert!(dot(&of("수분 크림"), &of("[단독] 수분 세럼"), WORDS) > 0);
        assert_eq!(dot(&of("은갈치"), &of("은갈치"), WORDS), 0);
        assert_eq!(of("은갈치 12 세트"), of("세트"));
    }

    #[test]
    fn a_missing_field_takes_the_mean_of_the_catalogue() {
        let vector = space().product_vector(&product("", None, None));
        assert_eq!((vector[0], vector[1], vector[2]), (95, 32, 0));
        assert!(vector[PRICE.range()].iter().any(|&value| value > 0));
    }

    #[test]
    fn an_empty_catalogue_and_odd_fields_are_no_trouble() {
        let space = Space::fit([], Vocabulary::default());
        assert_eq!(space.product_vector(&product("", None, Some(0))), [0; DIMS]);
        let odd = ProductFeatures { category: Some("없음"), ..product("★○◆", Some(" - "), Some(u32::MAX)) };
        assert!(space.product_vector(&odd)[..PRICE.start].iter().all(|&value| value == 0));
    }

    #[test]
    fn the_order_of_the_catalogue_does_not_show() {
        let mut reversed = catalogue();
        reversed.reverse();
        let other = Space::fit(reversed, space().vocabulary().clone());
        for product in catalogue() {
            assert_eq!(space().product_vector(&product), other.product_vector(&product));
        }
    }
}
