//! Sparse features of a product: words and word pairs of its title, brand, category and price.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization as _;

use crate::matrix::Sparse;

/// Length of the brand's part relative to the title's, which is 1.
const BRAND_WEIGHT: f64 = 0.7;
/// Length of the category's part.
const CATEGORY_WEIGHT: f64 = 1.0;
/// Length of the price's part. A larger one ordered new products worse on purchases of a gift shop.
const PRICE_WEIGHT: f64 = 0.25;
/// Price classes, equally spaced in the logarithm.
const PRICE_CLASSES: usize = 8;
/// Width of a price's bell over the classes: its standard deviation, in classes.
const PRICE_SPREAD: f64 = 0.6;
/// Minimum distance of price classes, in octaves: shoppers ignore a price difference of a tenth.
const MIN_PRICE_STEP: f64 = 0.5;

/// The inputs of a product's description.
#[derive(Clone, Copy, Debug)]
pub struct ProductFeatures<'a> {
    /// The product's id.
    pub product: u64,
    /// Any of its titles; the normalised one gives the best words.
    pub title: &'a str,
    /// Its brand.
    pub brand: Option<&'a str>,
    /// Its category, by name.
    pub category: Option<&'a str>,
    /// Its price in won.
    pub price: Option<u32>,
}

/// What a catalogue's descriptions are made of: how rare its words are, which brands and categories
/// it has, and its classes of prices. Descriptions are made of it product by product, because those
/// of a whole catalogue take more memory than all else that is learned.
pub struct Describer<'a> {
    products: &'a [ProductFeatures<'a>],
    /// Number and inverse document frequency of each word.
    words: HashMap<String, (u32, f64)>,
    /// Number of each normalised category (true) and brand (false).
    names: BTreeMap<(bool, String), usize>,
    prices: PriceClasses,
}

impl<'a> Describer<'a> {
    /// Reads a catalogue.
    pub fn new(products: &'a [ProductFeatures<'a>]) -> Self {
        let mut words: HashMap<String, (u32, f64)> = HashMap::new();
        let mut names: BTreeMap<(bool, String), usize> = BTreeMap::new();
        for product in products {
            for word in counts(product.title).into_keys() {
                let next = u32::try_from(words.len()).unwrap_or(u32::MAX);
                words.entry(word).or_insert((next, 0.0)).1 += 1.0;
            }
            for name in named(product) {
                let next = names.len();
                names.entry(name).or_insert(next);
            }
        }
        let total = products.len() as f64;
        for (_, having) in words.values_mut() {
            *having = ((1.0 + total) / (1.0 + *having)).ln() + 1.0;
        }
        Self { products, words, names, prices: PriceClasses::fit(products) }
    }

    /// A description of length 1 for each product at a place of `wanted`, empty for others and for
    /// those without features.
    pub fn rows(&self, wanted: impl Fn(usize) -> bool) -> Sparse {
        self.described(wanted, PRICE_WEIGHT)
    }

    /// [`Self::rows`] without prices: only title, brand and category. A profile with prices orders
    /// new products worse than one without.
    pub fn names(&self, wanted: impl Fn(usize) -> bool) -> Sparse {
        self.described(wanted, 0.0)
    }

    fn described(&self, wanted: impl Fn(usize) -> bool, price_weight: f64) -> Sparse {
        let width = self.words.len();
        let first_price = width + self.names.len();
        let mut described = Sparse::new(first_price + PRICE_CLASSES);
        for (at, product) in self.products.iter().enumerate() {
            if !wanted(at) {
                described.push([]);
                continue;
            }
            let mut row = self.title(product.title);
            for name in named(product) {
                let weight = if name.0 { CATEGORY_WEIGHT } else { BRAND_WEIGHT };
                row.extend(self.names.get(&name).map(|index| (width + index, weight)));
            }
            if let Some(price) = product.price.filter(|price| *price > 0 && price_weight > 0.0) {
                let classes = self.prices.row(price).into_iter();
                row.extend(classes.map(|(class, value)| (first_price + class, value * price_weight)));
            }
            described.push(to_length_1(row));
        }
        described
    }

    /// TF-IDF of words and neighbouring word pairs of a title, with
    /// `ln((1 + n) / (1 + products with it)) + 1` as IDF, of length 1.
    fn title(&self, title: &str) -> Vec<(usize, f64)> {
        let row = counts(title).into_iter().filter_map(|(word, count)| {
            let (number, rarity) = self.words.get(&word)?;
            Some((*number as usize, count * rarity))
        });
        to_length_1(row.collect())
    }
}

/// A description of length 1 for each product, in input order; empty if the product has no
/// features.
pub fn describe(products: &[ProductFeatures<'_>]) -> Sparse {
    Describer::new(products).rows(|_| true)
}

/// The words of titles alone, as [`Describer`] weighs them; each row has length 1.
pub fn title_words(products: &[ProductFeatures<'_>]) -> Sparse {
    let describer = Describer::new(products);
    let mut rows = Sparse::new(describer.words.len());
    for product in products {
        rows.push(describer.title(product.title));
    }
    rows
}

/// How often each word and each pair of neighbours is in a title.
fn counts(title: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for word in words(title) {
        *counts.entry(word).or_insert(0.0) += 1.0;
    }
    counts
}

fn to_length_1(mut row: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    let length = row.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        for (_, value) in &mut row {
            *value /= length;
        }
    }
    row
}

/// The normalised category (true) and brand (false).
fn named(product: &ProductFeatures<'_>) -> impl Iterator<Item = (bool, String)> {
    let folded = |text: Option<&str>| {
        let text: String = text.map(|text| folded(text).filter(|c| c.is_alphanumeric()).collect()).unwrap_or_default();
        (!text.is_empty()).then_some(text)
    };
    let category = folded(product.category).map(|name| (true, name));
    category.into_iter().chain(folded(product.brand).map(|name| (false, name)))
}

/// Lower case in compatibility composition (NFKC), which maps full-width letters and half-width
/// jamo to their usual forms.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.nfkc().flat_map(char::to_lowercase)
}

/// The words of a title (runs of at least two letters and digits, except digits alone), followed by
/// each pair of neighbours.
fn words(title: &str) -> Vec<String> {
    let title: String = folded(title).collect();
    let mut words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().nth(1).is_some() && !word.chars().all(char::is_numeric))
        .map(str::to_owned)
        .collect();
    let pairs: Vec<String> = words.windows(2).map(|pair| pair.join(" ")).collect();
    words.extend(pairs);
    words
}

/// Price classes from the 5th to the 95th percentile of a catalogue's prices.
struct PriceClasses {
    low: f64,
    step: f64,
}

impl PriceClasses {
    fn fit(products: &[ProductFeatures<'_>]) -> Self {
        let known = products.iter().filter_map(|product| product.price.filter(|price| *price > 0));
        let mut prices: Vec<f64> = known.map(|price| f64::from(price).log2()).collect();
        prices.sort_by(f64::total_cmp);
        let at = |percent: usize| prices.get(prices.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0.0);
        Self { low: at(5), step: ((at(95) - at(5)) / (PRICE_CLASSES - 1) as f64).max(MIN_PRICE_STEP) }
    }

    /// A bell of length 1 over the classes, centred on the price.
    fn row(&self, price: u32) -> Vec<(usize, f64)> {
        let place = ((f64::from(price).log2() - self.low) / self.step).clamp(0.0, (PRICE_CLASSES - 1) as f64);
        let bell = |class: usize| (-0.5 * ((class as f64 - place) / PRICE_SPREAD).powi(2)).exp();
        to_length_1((0..PRICE_CLASSES).map(|class| (class, bell(class))).filter(|(_, value)| *value > 1e-3).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbour;

    fn product<'a>(
        title: &'a str,
        brand: Option<&'a str>,
        category: Option<&'a str>,
        price: Option<u32>,
    ) -> ProductFeatures<'a> {
        ProductFeatures { product: 1, title, brand, category, price }
    }

    fn likeness(products: &[ProductFeatures<'_>], a: usize, b: usize) -> f64 {
        let described = describe(products);
        let row: BTreeMap<usize, f64> = described.row(a).collect();
        described.row(b).map(|(word, value)| value * row.get(&word).copied().unwrap_or(0.0)).sum()
    }

    #[test]
    fn spelling_of_a_brand_and_the_width_of_letters_do_not_matter() {
        let brands = ["LG 생활건강", "lg생활건강", "ＬＧ생활건강", "설화수"];
        let products: Vec<_> = brands.iter().map(|brand| product("", Some(brand), None, None)).collect();
        assert!((likeness(&products, 0, 1) - 1.0).abs() < 1e-12 && (likeness(&products, 0, 2) - 1.0).abs() < 1e-12);
        assert!(likeness(&products, 0, 3).abs() < 1e-12);
    }

    #[test]
    fn nearer_prices_rarer_words_and_pairs_of_words_make_products_more_alike() {
        let prices = [40_000, 50_000, 90_000, 3_000_000, 10_000, 1_000_000];
        let products: Vec<_> = prices.iter().map(|price| product("", None, None, Some(*price))).collect();
        let near: Vec<f64> = (0..4).map(|at| likeness(&products, 0, at)).collect();
        assert!(near.windows(2).all(|pair| pair[0] > pair[1]), "{near:?}");
        let titles = ["수분 크림 세트", "수분 크림 기획", "크림 수분 기획", "수분 앰플", "영양 크림", "수분 세럼"];
        let products: Vec<_> = titles.iter().map(|title| product(title, None, None, None)).collect();
        assert!(likeness(&products, 0, 1) > likeness(&products, 0, 2));
        assert!(likeness(&products, 0, 2) > likeness(&products, 0, 3));
    }

    #[test]
    fn odd_and_missing_fields_are_no_trouble() {
        let products = [product("★○◆ 12", Some(" - "), Some(""), Some(0)), product("", None, None, Some(u32::MAX))];
        let described = describe(&products);
        assert_eq!((described.row(0).count(), described.len()), (0, 2));
        assert!(describe(&[]).is_empty() && neighbour::alike(&described, &described, 3).row(0).count() == 0);
    }
}
