//! The demo's vocabulary, from the lists embedded in the command.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::context::Contexts;

/// The unit in which a listing gives its quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(super) enum Pack {
    #[serde(rename = "없음")]
    None,
    #[serde(rename = "종")]
    Kinds,
    #[serde(rename = "세트")]
    Sets,
    #[serde(rename = "팩")]
    Packs,
    #[serde(rename = "kg")]
    Kilograms,
    #[serde(rename = "병")]
    Bottles,
    #[serde(rename = "포")]
    Pouches,
    #[serde(rename = "마리")]
    Animals,
    #[serde(rename = "본품")]
    Refills,
    #[serde(rename = "주분")]
    Weeks,
    #[serde(rename = "개월분")]
    Months,
    #[serde(rename = "박스")]
    Boxes,
    #[serde(rename = "매")]
    Sheets,
    #[serde(rename = "통")]
    Tubs,
    #[serde(rename = "롤")]
    Rolls,
    #[serde(rename = "장")]
    Pieces,
    #[serde(rename = "개")]
    Units,
}

/// A kind of goods in a category.
#[expect(clippy::struct_excessive_bools, reason = "each says which attribute the kind has, as the list spells it")]
#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) noun: String,
    pub(super) alt: Vec<String>,
    pub(super) variants: Vec<String>,
    #[serde(default)]
    pub(super) sizes: Vec<String>,
    #[serde(default)]
    pub(super) strengths: Vec<String>,
    pub(super) pack: Pack,
    #[serde(default)]
    pub(super) season: bool,
    #[serde(default)]
    pub(super) gender: bool,
    #[serde(default)]
    pub(super) generation: bool,
    #[serde(default)]
    pub(super) model: bool,
    #[serde(default)]
    pub(super) bed: bool,
    pub(super) price: [u32; 2],
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    pub(super) name: String,
    pub(super) weight: f64,
    pub(super) brands: Vec<String>,
    pub(super) no_brand: f64,
    #[serde(default = "few")]
    pub(super) no_price: f64,
    pub(super) lines: Vec<String>,
    #[serde(rename = "kind")]
    pub(super) kinds: Vec<Kind>,
}

/// Default share of listings without a price.
fn few() -> f64 {
    0.049
}

impl Category {
    /// The Korean and the Latin spelling of a brand.
    pub(super) fn brand(&self, index: usize) -> (&str, &str) {
        self.brands[index].split_once('|').unwrap_or((&self.brands[index], &self.brands[index]))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Channel {
    pub(super) name: String,
    #[serde(default)]
    pub(super) rest: Option<[u8; 2]>,
    #[serde(default)]
    pub(super) late_hours: bool,
    #[serde(default)]
    pub(super) utc: bool,
    #[serde(default)]
    pub(super) no_ends: bool,
    #[serde(default)]
    pub(super) no_codes: f64,
    /// The index of its shop.
    #[serde(skip)]
    pub(super) shop: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct Shop {
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) codes: u32,
    #[serde(default)]
    channel: Vec<Channel>,
    /// The indices of its channels.
    #[serde(skip)]
    pub(super) channels: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Phrases {
    pub(super) brackets: Vec<String>,
    pub(super) marks: Vec<String>,
    pub(super) claims: Vec<String>,
    pub(super) cards: Vec<String>,
    pub(super) payments: Vec<String>,
    pub(super) fillers: Vec<String>,
    pub(super) gifts: Vec<String>,
    pub(super) gift_forms: Vec<String>,
    pub(super) sets: Vec<String>,
    pub(super) details: Vec<String>,
    pub(super) slot_codes: Vec<String>,
    pub(super) colours: Vec<String>,
    pub(super) genders: Vec<String>,
    pub(super) beds: Vec<String>,
    pub(super) no_brand: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TabWords {
    pub(super) id: String,
    pub(super) label: String,
    #[serde(default)]
    pub(super) pinned: bool,
    pub(super) target: String,
    #[serde(default)]
    pub(super) categories: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Persona {
    pub(super) label: String,
    pub(super) categories: BTreeMap<String, f64>,
    pub(super) brands: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) tabs: Vec<String>,
    pub(super) price: f64,
    pub(super) hours: Vec<usize>,
    pub(super) sessions: u32,
}

/// All word lists.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) categories: Vec<Category>,
    pub(super) shops: Vec<Shop>,
    pub(super) channels: Vec<Channel>,
    pub(super) phrases: Phrases,
    pub(super) tabs: Vec<TabWords>,
    pub(super) personas: Vec<Persona>,
    pub(super) contexts: Contexts,
}

#[derive(Deserialize)]
struct Goods {
    category: Vec<Category>,
}

#[derive(Deserialize)]
struct Shops {
    shop: Vec<Shop>,
}

#[derive(Deserialize)]
struct Tabs {
    tab: Vec<TabWords>,
}

#[derive(Deserialize)]
struct Personas {
    persona: Vec<Persona>,
}

impl Words {
    /// Parses the embedded lists. The error names the list and the problem.
    pub(super) fn parse() -> Result<Self, (&'static str, String)> {
        let goods: Goods = list("goods.toml", include_str!("../../data/goods.toml"))?;
        let shops: Shops = list("channels.toml", include_str!("../../data/channels.toml"))?;
        let tabs: Tabs = list("tabs.toml", include_str!("../../data/tabs.toml"))?;
        let personas: Personas = list("personas.toml", include_str!("../../data/personas.toml"))?;
        let phrases: Phrases = list("phrases.toml", include_str!("../../data/phrases.toml"))?;
        let mut words = Self {
            categories: goods.category,
            shops: shops.shop,
            channels: Vec::new(),
            phrases,
            tabs: tabs.tab,
            personas: personas.persona,
            contexts: list("contexts.toml", include_str!("../../data/contexts.toml"))?,
        };
        for (index, shop) in words.shops.iter_mut().enumerate() {
            for mut channel in std::mem::take(&mut shop.channel) {
                channel.shop = index;
                shop.channels.push(words.channels.len());
                words.channels.push(channel);
            }
        }
        words.check()?;
        Ok(words)
    }

    /// Checks that no list from which items are drawn is empty.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let p = &self.phrases;
        let phrases = [
            &p.brackets,
            &p.marks,
            &p.claims,
            &p.cards,
            &p.payments,
            &p.fillers,
            &p.gifts,
            &p.gift_forms,
            &p.sets,
            &p.details,
            &p.slot_codes,
            &p.colours,
            &p.genders,
            &p.beds,
            &p.no_brand,
        ];
        if phrases.iter().any(|list| list.is_empty()) {
            return Err(("phrases.toml", "a list is empty".to_owned()));
        }
        for category in &self.categories {
            let thin =
                |k: &Kind| k.alt.is_empty() || k.variants.is_empty() || k.price[0] == 0 || k.price[0] > k.price[1];
            if category.brands.is_empty() || category.lines.is_empty() || category.kinds.is_empty() {
                return Err(("goods.toml", format!("{}: add brands, lines and kinds", category.name)));
            }
            if let Some(kind) = category.kinds.iter().find(|kind| thin(kind)) {
                return Err(("goods.toml", format!("{}: add alt, variants and a valid price range", kind.noun)));
            }
        }
        if self.channels.is_empty() || self.shops.iter().any(|shop| shop.channels.is_empty()) {
            return Err(("channels.toml", "every shop needs a channel".to_owned()));
        }
        for persona in &self.personas {
            let category = persona.categories.keys().find(|name| !self.categories.iter().any(|c| c.name == **name));
            let channel = persona.channels.iter().find(|name| !self.channels.iter().any(|c| c.name == **name));
            let tab = persona.tabs.iter().find(|id| !self.tabs.iter().any(|t| t.id == **id));
            let brand = persona.brands.iter().find(|name| {
                !self.categories.iter().any(|c| (0..c.brands.len()).any(|b| c.brand(b).0 == name.as_str()))
            });
            if let Some(name) = category.or(channel).or(tab).or(brand) {
                return Err(("personas.toml", format!("{}: {name} is missing from the other lists", persona.label)));
            }
            if persona.hours.is_empty() || persona.hours.iter().any(|hour| *hour > 23) {
                return Err(("personas.toml", format!("{}: add hours, from 0 to 23", persona.label)));
            }
        }
        self.contexts.check(&self.category_names()).map_err(|detail| ("contexts.toml", detail))
    }

    /// The names of the categories, in list order.
    pub(super) fn category_names(&self) -> Vec<&str> {
        self.categories.iter().map(|category| category.name.as_str()).collect()
    }
}

fn list<T: DeserializeOwned>(name: &'static str, text: &str) -> Result<T, (&'static str, String)> {
    toml::from_str(text).map_err(|e| (name, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_lists_are_whole_and_only_claims_claim_newness() {
        let words = Words::parse().unwrap();
        assert_eq!((words.channels.len(), words.shops.len(), words.categories.len()), (18, 12, 12));
        assert!((8..=12).contains(&words.personas.len()));
        assert!(words.shops.iter().filter(|shop| shop.channels.len() > 1).count() >= 5);
        let claims = regex::Regex::new("(?i)신상|최초|new|런칭").unwrap();
        let p = &words.phrases;
        assert!(p.claims.iter().all(|text| claims.is_match(text)));
        let mut others: Vec<&String> = [&p.brackets, &p.marks, &p.cards, &p.fillers, &p.gifts, &p.sets, &p.details]
            .into_iter()
            .flatten()
            .collect();
        others.extend(words.categories.iter().flat_map(|c| c.brands.iter().chain(&c.lines)));
        for text in others {
            assert!(!claims.is_match(text), "{text}");
        }
    }
}
