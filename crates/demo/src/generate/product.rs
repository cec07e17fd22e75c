//! Products: their identity, and the attributes that tell two of them apart.

use std::collections::HashMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sinsang_core::time::UnixMillis;

use super::chance::weighted;
use super::words::{Category, Kind, Words};

/// A product by its deciding attributes; each is an index into the word lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attributes {
    pub(super) category: u8,
    pub(super) kind: u8,
    /// `None` for goods without a brand, such as produce.
    pub(super) brand: Option<u8>,
    pub(super) line: u8,
    pub(super) variant: u8,
    pub(super) size: Option<u8>,
    pub(super) strength: Option<u8>,
    /// Year and half: `2 * year + (0 for SS, 1 for FW)`.
    pub(super) season: Option<u16>,
    pub(super) gender: Option<u8>,
    pub(super) generation: Option<u8>,
    pub(super) model: Option<String>,
}

impl Attributes {
    pub(super) fn category<'w>(&self, words: &'w Words) -> &'w Category {
        &words.categories[usize::from(self.category)]
    }

    pub(super) fn kind<'w>(&self, words: &'w Words) -> &'w Kind {
        &self.category(words).kinds[usize::from(self.kind)]
    }

    /// Korean and Latin spelling of the brand.
    pub(super) fn brand<'w>(&self, words: &'w Words) -> Option<(&'w str, &'w str)> {
        self.brand.map(|brand| self.category(words).brand(usize::from(brand)))
    }
}

/// A product and its true history.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) attributes: Attributes,
    /// Price of its usual quantity in won, before rounding to a price that ends in 900 or 000.
    pub(super) price: f64,
    /// Time of the first broadcast ever, on any channel, in the records or before them.
    pub(super) first_at: i64,
    /// Whether it first aired before the records begin.
    pub(super) censored: bool,
    /// Whether every title has to give the model: a sibling may differ in the model only.
    pub(super) model_decides: bool,
}

/// Draws after which a product is accepted even if titles may not tell it from another. This
/// happens when nearly all distinguishable products exist.
const MOST_DRAWS: u32 = 200;

/// Makes products that titles tell apart.
pub(super) struct Maker {
    /// The products of each kind, line and variant, and whether all titles of a product give its
    /// model.
    seen: HashMap<[u8; 4], Vec<(Attributes, bool)>>,
    weights: Vec<f64>,
}

/// What distinguishes two products of one kind, line and variant in every title of both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// An attribute (brand, size and the like) that both titles give.
    Clearly,
    /// Only their models.
    ByModel,
    /// Nothing: they are the same, or one title only says less.
    Not,
}

fn apart(a: &Attributes, b: &Attributes) -> Apart {
    fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    if differ(a.brand.as_ref(), b.brand.as_ref())
        || differ(a.size.as_ref(), b.size.as_ref())
        || differ(a.strength.as_ref(), b.strength.as_ref())
        || differ(a.season.as_ref(), b.season.as_ref())
        || differ(a.gender.as_ref(), b.gender.as_ref())
        || differ(a.generation.as_ref(), b.generation.as_ref())
    {
        Apart::Clearly
    } else if differ(a.model.as_ref(), b.model.as_ref()) {
        Apart::ByModel
    } else {
        Apart::Not
    }
}

impl Maker {
    pub(super) fn new(words: &Words) -> Self {
        Self { seen: HashMap::new(), weights: words.categories.iter().map(|c| c.weight).collect() }
    }

    /// A new, distinct product, first aired at `first_at`.
    pub(super) fn product(&mut self, words: &Words, first_at: i64, censored: bool, rng: &mut ChaCha8Rng) -> Product {
        let mut draws = 0;
        loop {
            draws += 1;
            let attributes = self.draw(words, first_at, rng);
            if let Some(product) = self.admit(words, attributes, first_at, censored, draws > MOST_DRAWS, rng) {
                return product;
            }
        }
    }

    /// A product that differs from `from` in one deciding token; `None` if `from` has no token to
    /// change or all such products exist.
    pub(super) fn sibling(
        &mut self,
        words: &Words,
        from: &Product,
        first_at: i64,
        censored: bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<Product> {
        for _ in 0..4 {
            let mut attributes = from.attributes.clone();
            let kind = from.attributes.kind(words);
            match rng.random_range(0..8) {
                0 | 1 if attributes.size.is_some() => attributes.size = Some(index(rng, kind.sizes.len())),
                2 if attributes.gender.is_some() => attributes.gender = attributes.gender.map(|gender| 1 - gender),
                3 if attributes.season.is_some() && censored => {
                    // The same season a year earlier is another design, which was on sale then.
                    attributes.season = attributes.season.map(|season| season.saturating_sub(2));
                }
                4 if attributes.generation.is_some() => attributes.generation = Some(2 + index(rng, 7)),
                5 if attributes.strength.is_some() => attributes.strength = Some(index(rng, kind.strengths.len())),
                6 if from.model_decides => attributes.model = Some(model(rng)),
                7 => attributes.line = index(rng, from.attributes.category(words).lines.len()),
                _ => attributes.variant = index(rng, kind.variants.len()),
            }
            // A different article has its own model, and belongs to the collection on sale at its
            // first broadcast.
            if attributes.model.is_some() && attributes.model == from.attributes.model {
                attributes.model = Some(model(rng));
            }
            if !censored {
                attributes.season = attributes.season.map(|_| season(first_at));
            }
            if let Some(mut product) = self.admit(words, attributes, first_at, censored, false, rng) {
                product.price = from.price * rng.random_range(0.85..1.2);
                product.model_decides |= from.model_decides;
                return Some(product);
            }
        }
        None
    }

    fn draw(&self, words: &Words, first_at: i64, rng: &mut ChaCha8Rng) -> Attributes {
        let category = weighted(rng, &self.weights);
        let lists = &words.categories[category];
        let kind_index = rng.random_range(0..lists.kinds.len());
        let kind = &lists.kinds[kind_index];
        let some = |rng: &mut ChaCha8Rng, list: &[String]| (!list.is_empty()).then(|| index(rng, list.len()));
        Attributes {
            category: u8::try_from(category).unwrap_or(0),
            kind: u8::try_from(kind_index).unwrap_or(0),
            brand: (!rng.random_bool(lists.no_brand)).then(|| index(rng, lists.brands.len())),
            line: index(rng, lists.lines.len()),
            variant: index(rng, kind.variants.len()),
            size: some(rng, &kind.sizes),
            strength: some(rng, &kind.strengths),
            season: (kind.season && rng.random_bool(0.65)).then(|| season(first_at)),
            gender: (kind.gender && rng.random_bool(0.6)).then(|| index(rng, 2)),
            generation: (kind.generation && rng.random_bool(0.4)).then(|| 2 + index(rng, 7)),
            model: (kind.model && rng.random_bool(0.6)).then(|| model(rng)),
        }
    }

    fn admit(
        &mut self,
        words: &Words,
        attributes: Attributes,
        first_at: i64,
        censored: bool,
        anyhow: bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<Product> {
        let like =
            self.seen.entry([attributes.category, attributes.kind, attributes.line, attributes.variant]).or_default();
        let mut model_decides = false;
        for (other, decides) in like.iter() {
            match apart(&attributes, other) {
                Apart::Clearly => {}
                Apart::ByModel if *decides => model_decides = true,
                _ if anyhow && attributes != *other => {}
                _ => return None,
            }
        }
        let [low, high] = attributes.kind(words).price;
        let (low, high) = (f64::from(low).ln(), f64::from(high).ln());
        let price = (low + (high - low) * rng.random::<f64>()).exp();
        model_decides |= attributes.model.is_some() && rng.random_bool(0.4);
        like.push((attributes.clone(), model_decides));
        Some(Product { attributes, price, first_at, censored, model_decides })
    }
}

/// A random index below `len` (at most 256).
fn index(rng: &mut ChaCha8Rng, len: usize) -> u8 {
    u8::try_from(rng.random_range(0..len)).unwrap_or(0)
}

fn model(rng: &mut ChaCha8Rng) -> String {
    let letter = |rng: &mut ChaCha8Rng| char::from(rng.random_range(b'A'..=b'Z'));
    format!("{}{}-{}{}", letter(rng), letter(rng), letter(rng), rng.random_range(10..990))
}

/// The clothing season on sale at `at`: FW from August to January, SS otherwise.
fn season(at: i64) -> u16 {
    let text = UnixMillis(at).to_kst_rfc3339();
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u16>().ok()).unwrap_or(0);
    let (year, month) = (part(2..4), part(5..7));
    match month {
        1 => 2 * year.saturating_sub(1) + 1,
        2..=7 => 2 * year,
        _ => 2 * year + 1,
    }
}

/// The season as text, `26FW` for example.
pub(super) fn season_text(season: u16) -> String {
    format!("{:02}{}", (season / 2) % 100, if season.is_multiple_of(2) { "SS" } else { "FW" })
}
