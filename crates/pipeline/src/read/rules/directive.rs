//! Operators' requests in the rules file: `[[directive]]` pins, boosts, buries or hides products
//! for a while, `[[floor]]` reserves places for a shop. They are checked, compared with each other,
//! and resolved to products of a board.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sinsang_core::directive::{DEFAULT_POINTS, Deed, MOST_DIRECTIVES, WHOLE};
use sinsang_core::mix::Floor;
use sinsang_core::pack::board::product_id;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::mix::DirectivePart;
use sinsang_core::surface_name::Surface;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use toml::Spanned;

use super::audience::{self, Audience};
use super::mistake::{Mistake, folded, mistake};

/// The most points.
const MOST_POINTS: i32 = 1_000_000_000;
/// The last place that a pin can hold.
const LAST_PLACE: u16 = 100;

/// The action on products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Do {
    /// Hold `place` and the places after it.
    Pin,
    /// Gain `points`.
    Boost,
    /// Lose `points`.
    Bury,
    /// Are left out.
    Hide,
}

/// A surface of a directive: one that lists products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct On(pub Surface);

impl On {
    /// The surface's bit in packs.
    pub(crate) fn bit(self) -> u8 {
        self.0.bit()
    }
}

impl Serialize for On {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let found = Surface::parse(&name).filter(|surface| surface.lists_products());
        found.map(Self).ok_or_else(|| {
            let known: Vec<&str> = Surface::of_products().map(Surface::as_str).collect();
            D::Error::custom(format!("'{name}' is not a surface of products: write {}", known.join(" or ")))
        })
    }
}

/// A directive as written. A product must match every given field, in any of that field's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// The directive's name, shown in explanations.
    pub name: String,
    /// The action.
    #[serde(rename = "do")]
    pub deed: Do,
    /// The surfaces; by default the new-product tab.
    #[serde(default = "new_alone")]
    pub on: Vec<On>,
    /// Ids of products.
    #[serde(default)]
    pub product: Vec<Spanned<String>>,
    /// Brands, ignoring spaces and case.
    #[serde(default)]
    pub brand: Vec<String>,
    /// Names of categories.
    #[serde(default)]
    pub category: Vec<String>,
    /// Names of channels on which the product has a broadcast of the board.
    #[serde(default)]
    pub channel: Vec<String>,
    /// Words of the title, ignoring case; all words of a value must occur.
    #[serde(default)]
    pub title: Vec<String>,
    /// Verdicts as of the build; for example, to bury uncertain ones.
    #[serde(default)]
    pub verdict: Vec<VerdictKind>,
    /// Points of a boost or a burial.
    pub points: Option<Spanned<i64>>,
    /// The place of a pin, from 1.
    pub place: Option<Spanned<i64>>,
    /// The start, RFC 3339; at once by default.
    pub from: Option<Spanned<String>>,
    /// The end, RFC 3339; never by default.
    pub until: Option<Spanned<String>>,
    /// The names of the audiences that it is for; everybody if there are none.
    #[serde(rename = "for", default)]
    pub audience: Vec<Spanned<String>>,
    /// The share of viewers, above 0 and at most 1.
    pub share: Option<Spanned<f64>>,
    /// The share of viewers who go without it, so that its effect can be measured.
    pub measure: Option<Spanned<f64>>,
}

fn new_alone() -> Vec<On> {
    vec![On(Surface::New)]
}

/// A contract's guarantee: places of each window for a shop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorRule {
    /// The shop.
    pub shop: Spanned<String>,
    /// Places of each `mix.window`.
    pub least: Spanned<i64>,
    /// The share of viewers who go without it, so that its effect can be measured.
    pub measure: Option<Spanned<f64>>,
}

impl FloorRule {
    pub(super) fn least(&self) -> i64 {
        *self.least.get_ref()
    }
}

impl Directive {
    pub(super) fn span(&self) -> (UnixMillis, UnixMillis) {
        let time =
            |text: &Option<Spanned<String>>| text.as_ref().and_then(|text| UnixMillis::parse_rfc3339(text.get_ref()));
        let (first, last) = (UnixMillis::from_seconds(0), UnixMillis::from_seconds(u32::MAX));
        (time(&self.from).unwrap_or(first), time(&self.until).unwrap_or(last))
    }

    fn share(&self) -> f64 {
        self.share.as_ref().map_or(1.0, |share| *share.get_ref())
    }

    fn place(&self) -> Option<u16> {
        self.place.as_ref().and_then(|place| u16::try_from(*place.get_ref()).ok())
    }

    /// All mistakes of the directive, which begins at byte `at`.
    fn mistakes(&self, at: usize) -> Vec<Mistake> {
        let mut wrong = Vec::new();
        if self.name.trim().is_empty() {
            wrong.push(mistake(at, "a directive has an empty name: explanations show it"));
        }
        if self.name.chars().any(char::is_control) {
            wrong.push(mistake(
                at,
                format!("directive {:?} has a line break or another control character in its name", self.name),
            ));
        }
        if self.on.is_empty() {
            wrong
                .push(mistake(at, format!("directive '{}' has no surface: write on = [\"new\", \"live\"]", self.name)));
        }
        if self.deed == Do::Hide && self.on.contains(&On(Surface::Live)) {
            wrong.push(mistake(
                at,
                format!("directive '{}' hides on live, which can't hide products: use bury", self.name),
            ));
        }
        let lists = [&self.brand, &self.category, &self.channel, &self.title];
        if self.product.is_empty() && self.verdict.is_empty() && lists.iter().all(|list| list.is_empty()) {
            let what = "matches nothing: give product, brand, category, channel, title or verdict";
            wrong.push(mistake(at, format!("directive '{}' {what}", self.name)));
        }
        if lists.iter().any(|list| list.iter().any(|value| value.trim().is_empty())) {
            wrong.push(mistake(at, format!("directive '{}' has an empty text, which matches everything", self.name)));
        }
        for id in &self.product {
            if product_id(id.get_ref()).is_none() {
                let what =
                    format!("product '{}' is not an id: write 16 hex digits, as answers show them", id.get_ref());
                wrong.push(mistake(id.span().start, what));
            }
        }
        self.check_numbers(at, &mut wrong);
        self.check_times(&mut wrong);
        wrong
    }

    fn check_numbers(&self, at: usize, wrong: &mut Vec<Mistake>) {
        let is_weight = matches!(self.deed, Do::Boost | Do::Bury);
        if let Some(points) = &self.points {
            if !is_weight {
                wrong.push(mistake(points.span().start, "only boost and bury take points"));
            } else if !(1..=i64::from(MOST_POINTS)).contains(points.get_ref()) {
                wrong.push(mistake(points.span().start, format!("points are from 1 to {MOST_POINTS}")));
            }
        }
        match &self.place {
            None if self.deed == Do::Pin => wrong.push(mistake(at, format!("pin '{}' has no place", self.name))),
            Some(place) if self.deed != Do::Pin => wrong.push(mistake(place.span().start, "only pin takes a place")),
            Some(place) if !(1..=i64::from(LAST_PLACE)).contains(place.get_ref()) => {
                wrong.push(mistake(place.span().start, format!("a place is from 1 to {LAST_PLACE}")));
            }
            _ => {}
        }
        if let Some(share) = &self.share
            && !(*share.get_ref() > 0.0 && *share.get_ref() <= 1.0)
        {
            wrong.push(mistake(share.span().start, "a share is above 0 and at most 1"));
        }
    }

    fn check_times(&self, wrong: &mut Vec<Mistake>) {
        for time in [&self.from, &self.until].into_iter().flatten() {
            if UnixMillis::parse_rfc3339(time.get_ref()).is_none() {
                let what = "expected an RFC 3339 time in quotes, for example '2026-11-22T20:00:00+09:00'";
                wrong.push(mistake(time.span().start, what));
            }
        }
        let (from, until) = self.span();
        if let Some(time) = self.until.as_ref().filter(|_| until <= from) {
            wrong.push(mistake(time.span().start, "it ends before it begins"));
        }
    }

    /// Whether both can apply to one viewer at one time on one surface.
    fn meets(&self, other: &Self) -> bool {
        let ((from, until), (other_from, other_until)) = (self.span(), other.span());
        from < other_until && other_from < until && self.on.iter().any(|on| other.on.contains(on))
    }

    /// Whether both name the same value of one field. Whether different fields match one product
    /// depends on the board.
    fn shares_a_name(&self, other: &Self) -> bool {
        let ids = |directive: &Self| -> BTreeSet<u64> {
            directive.product.iter().filter_map(|id| product_id(id.get_ref())).collect()
        };
        let folded = |list: &[String]| -> BTreeSet<String> { list.iter().map(|name| folded(name)).collect() };
        let meet = |a: &[String], b: &[String]| !folded(a).is_disjoint(&folded(b));
        !ids(self).is_disjoint(&ids(other))
            || meet(&self.brand, &other.brand)
            || meet(&self.category, &other.category)
            || meet(&self.channel, &other.channel)
            || meet(&self.title, &other.title)
            || self.verdict.iter().any(|verdict| other.verdict.contains(verdict))
    }

    fn is_about(&self, product: &Named<'_>) -> bool {
        let any =
            |list: &[String], of: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|name| of(&folded(name)));
        let ids = || self.product.iter().filter_map(|id| product_id(id.get_ref()));
        let has_words = |words: &str| words.split_whitespace().all(|word| product.title.contains(word));
        (self.product.is_empty() || ids().any(|id| id == product.id))
            && any(&self.brand, &|name| product.brand.as_deref() == Some(&*squeezed(name)))
            && any(&self.category, &|name| product.category.as_deref() == Some(name))
            && any(&self.channel, &|name| product.channels.contains(&name))
            && any(&self.title, &|name| has_words(name))
            && (self.verdict.is_empty() || self.verdict.contains(&product.verdict))
    }

    /// The directive for a board, with its matching products.
    fn resolve(&self, products: &[Named<'_>]) -> Vec<DirectivePart> {
        let about: Vec<u64> =
            products.iter().filter(|product| self.is_about(product)).map(|product| product.id).collect();
        let points = self.points.as_ref().and_then(|points| i32::try_from(*points.get_ref()).ok());
        let points = points.unwrap_or(DEFAULT_POINTS);
        let (from, until) = self.span();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
        let share = (self.share() * f64::from(WHOLE)).ceil().clamp(1.0, f64::from(WHOLE)) as u16;
        let part = |deed: Deed, products: Vec<u64>| DirectivePart {
            name: self.name.clone(),
            deed,
            surfaces: self.on.iter().fold(0, |bits, on| bits | on.bit()),
            share,
            audiences: audience::names(&self.audience),
            from,
            until,
            products,
        };
        match self.deed {
            Do::Boost => vec![part(Deed::Weigh(points), about)],
            Do::Bury => vec![part(Deed::Weigh(-points), about)],
            Do::Hide => vec![part(Deed::Hide, about)],
            // Several products of a pin take consecutive places.
            Do::Pin => vec![part(Deed::Pin(self.place().unwrap_or(1) - 1), about)],
        }
    }
}

/// A product's fields that directives match.
struct Named<'a> {
    id: u64,
    title: String,
    brand: Option<String>,
    category: Option<String>,
    channels: Vec<&'a str>,
    verdict: VerdictKind,
}

fn squeezed(text: &str) -> String {
    folded(text).chars().filter(|c| !c.is_whitespace()).collect()
}

/// All mistakes of directives and floors.
pub(super) fn mistakes(directives: &[Spanned<Directive>], floors: &[FloorRule], window: u8) -> Vec<Mistake> {
    let mut wrong: Vec<Mistake> =
        directives.iter().flat_map(|directive| directive.get_ref().mistakes(directive.span().start)).collect();
    if let Some(one_more) = directives.get(MOST_DIRECTIVES) {
        wrong.push(mistake(one_more.span().start, format!("there are more than {MOST_DIRECTIVES} directives")));
    }
    let mut sum = 0;
    for floor in floors {
        sum += floor.least.get_ref();
        if *floor.least.get_ref() < 1 || sum > i64::from(window) {
            let what = format!("a floor must be at least 1, and their sum at most mix.window, {window}");
            wrong.push(mistake(floor.least.span().start, what));
        }
    }
    wrong
}

/// Pairs of directives that contradict each other for some viewer.
pub(super) fn conflicts(directives: &[Spanned<Directive>], audiences: &[Spanned<Audience>]) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (at, one) in directives.iter().enumerate() {
        for other in &directives[at + 1..] {
            let (a, b) = (one.get_ref(), other.get_ref());
            if !a.meets(b) || audience::exclude(&a.audience, &b.audience, audiences) {
                continue;
            }
            let what = match (a.deed, b.deed) {
                (Do::Pin, Do::Pin) if a.place() == b.place() => {
                    "pin the same place: the first stands before the second"
                }
                (Do::Pin, Do::Pin) if a.shares_a_name(b) => "pin the same to two places: the first counts",
                (Do::Hide, other) | (other, Do::Hide) if other != Do::Hide && a.shares_a_name(b) => {
                    "hide and show the same: it is hidden"
                }
                (Do::Boost, Do::Bury) | (Do::Bury, Do::Boost) if a.shares_a_name(b) => {
                    "boost and bury the same: the points are added"
                }
                _ => continue,
            };
            found.push(mistake(other.span().start, format!("'{}' and '{}' {what}", a.name, b.name)));
        }
    }
    found
}

/// Directives and floors for a board.
pub(super) fn resolve(
    directives: &[Spanned<Directive>],
    floors: &[FloorRule],
    board: &BoardParts,
) -> (Vec<DirectivePart>, Vec<Floor>) {
    let names: Vec<String> = board.channels.iter().map(|channel| folded(&channel.name)).collect();
    let mut products: Vec<Named<'_>> = board
        .products
        .iter()
        .map(|product| Named {
            id: product.id,
            title: folded(&product.title),
            brand: product.brand.as_deref().map(squeezed),
            category: product.category.and_then(|at| board.categories.get(usize::from(at))).map(|name| folded(name)),
            channels: Vec::new(),
            verdict: product.verdict,
        })
        .collect();
    products.sort_by_key(|product| product.id);
    for slot in &board.slots {
        if let Ok(at) = products.binary_search_by_key(&slot.product, |product| product.id)
            && let Some(name) = names.get(usize::from(slot.channel))
            && !products[at].channels.contains(&name.as_str())
        {
            products[at].channels.push(name);
        }
    }
    let parts = directives.iter().flat_map(|directive| directive.get_ref().resolve(&products)).collect();
    let floors = floors.iter().map(|floor| {
        let of_shop = board.channels.iter().zip(0_u32..64).filter(|(channel, _)| channel.shop == *floor.shop.get_ref());
        Floor {
            channels: of_shop.fold(0, |bits, (_, at)| bits | 1 << at),
            least: u8::try_from(*floor.least.get_ref()).unwrap_or(u8::MAX),
        }
    });
    (parts, floors.collect())
}

/// The effect of a directive on a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The directive's name.
    pub name: String,
    /// Number of products of the board that match.
    pub products: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "directive '{}': {} products", self.name, self.products)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_about_what_matches_all_its_fields_each_in_any_of_its_values() {
        let product = |id, title: &str, brand: &str, verdict| Named {
            id,
            title: folded(title),
            brand: Some(squeezed(brand)),
            category: Some("식품".to_owned()),
            channels: vec!["gs샵"],
            verdict,
        };
        let products = [
            product(1, "[단독] 한우 불고기 선물세트", "안동 한우", VerdictKind::New),
            product(2, "영광 굴비 세트", "영광", VerdictKind::Unknown),
            product(3, "한우 곰탕", "안동한우", VerdictKind::Repeat),
        ];
        let about = |fields: &str| -> Vec<u64> {
            let text = format!("name = 'a'\ndo = 'bury'\n{fields}");
            let directive: Directive = toml::from_str(&text).unwrap();
            products.iter().filter(|product| directive.is_about(product)).map(|product| product.id).collect()
        };
        assert_eq!(about("title = ['한우 선물세트', '굴비']"), [1, 2]);
        assert_eq!(about("brand = ['안동한우']"), [1, 3]);
        assert_eq!(about("brand = ['안동한우']\nverdict = ['new', 'unknown']"), [1]);
        assert_eq!(about("verdict = ['unknown']"), [2]);
        assert_eq!(about("channel = ['GS샵']\ncategory = ['식품']\nproduct = ['0000000000000003']"), [3]);
        assert_eq!(about("channel = ['다른 채널']\nverdict = ['new']"), [0_u64; 0]);
        let error = toml::from_str::<Directive>("name = 'a'\ndo = 'bury'\nverdict = ['new', 'old']").unwrap_err();
        assert!(error.to_string().contains("line 3, column 19") && error.message().contains("old"), "{error}");
    }
}
