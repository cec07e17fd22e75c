//! A sale's channel and category, by the embedded word lists.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
struct Theme {
    name: String,
    words: Vec<String>,
}

#[derive(Deserialize)]
struct Region {
    name: String,
    countries: Vec<String>,
}

#[derive(Deserialize)]
struct CategoryWords {
    cut: Vec<String>,
    skip: Vec<String>,
    count: usize,
}

/// The channels (themes of the home market, the rest of it, then regions) and the rules for
/// categories.
#[derive(Deserialize)]
pub(super) struct Layout {
    home: String,
    rest: String,
    theme: Vec<Theme>,
    region: Vec<Region>,
    category: CategoryWords,
}

impl Layout {
    pub(super) fn parse() -> Result<Self, String> {
        let layout: Self = toml::from_str(include_str!("../../../data/retail.toml")).map_err(|e| e.to_string())?;
        if layout.theme.is_empty() || layout.region.is_empty() {
            return Err("add themes and regions".to_owned());
        }
        Ok(layout)
    }

    /// The name of the channel `index`.
    pub(super) fn channel(&self, index: usize) -> &str {
        let home = self.theme.iter().map(|theme| &theme.name).chain([&self.rest]);
        home.chain(self.region.iter().map(|region| &region.name)).nth(index).unwrap_or(&self.rest)
    }

    /// The channel of a title sold in the home market.
    pub(super) fn theme(&self, title: &str) -> usize {
        let words = words(title);
        let has = |theme: &Theme| theme.words.iter().any(|word| words.contains(word));
        self.theme.iter().position(has).unwrap_or(self.theme.len())
    }

    /// The channel of a country; `None` for the home market. A country that no region lists belongs
    /// to the last region.
    pub(super) fn region(&self, country: &str) -> Option<usize> {
        if country == self.home {
            return None;
        }
        let named = self.region.iter().position(|region| region.countries.iter().any(|name| name == country));
        Some(self.theme.len() + 1 + named.unwrap_or(self.region.len().saturating_sub(1)))
    }

    /// The commonest head nouns of `titles` (one title for each item), the commonest first.
    pub(super) fn categories(&self, titles: &[&str]) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for noun in titles.iter().filter_map(|title| self.nouns(title, true).pop()) {
            *counts.entry(noun).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.into_iter().take(self.category.count).map(|(noun, _)| noun).collect()
    }

    /// The index of the last noun of `title` that is in `categories`. Accessories count only if the
    /// thing itself is in no category.
    pub(super) fn category(&self, title: &str, categories: &[String]) -> Option<usize> {
        let find =
            |nouns: Vec<String>| nouns.iter().rev().find_map(|noun| categories.iter().position(|name| name == noun));
        find(self.nouns(title, true)).or_else(|| find(self.nouns(title, false)))
    }

    /// The nouns of `title`, singular; with `cut`, only those before its accessories.
    fn nouns(&self, title: &str, cut: bool) -> Vec<String> {
        let lists = &self.category;
        let words = words(title);
        // "BOX OF 24 PARASOLS" is about parasols; a trailing OF cuts nothing.
        let from = words.iter().position(|word| word == "OF").map_or(0, |of| of + 1);
        let from = if from < words.len() { from } else { 0 };
        let mut nouns = Vec::new();
        for word in &words[from..] {
            if cut && lists.cut.contains(word) && !nouns.is_empty() {
                break;
            }
            if word.len() > 2 && !lists.skip.contains(word) && !lists.cut.contains(word) {
                nouns.push(singular(word));
            }
        }
        nouns
    }
}

/// The words of a title, in capitals.
fn words(title: &str) -> Vec<String> {
    let letters = |c: char| !(c.is_alphabetic() || c == '-' || c == '\'');
    title.to_uppercase().split(letters).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn singular(word: &str) -> String {
    for ending in ["SSES", "XES", "SHES", "CHES"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    if word.len() > 3 && word.ends_with('S') && !word.ends_with("SS") && !word.ends_with("US") {
        return word[..word.len() - 1].to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_goes_to_a_channel_by_theme_at_home_and_by_region_abroad() {
        let layout = Layout::parse().unwrap();
        assert_eq!(layout.channel(layout.theme("JUMBO BAG PINK POLKADOT")), "UK Bags");
        assert_eq!(layout.channel(layout.theme("Christmas bag")), "UK Christmas");
        assert_eq!(layout.channel(layout.theme("BAGPIPE")), "UK General");
        assert_eq!(layout.region("United Kingdom"), None);
        assert_eq!(layout.region("EIRE").map(|c| layout.channel(c)), Some("Ireland"));
        assert_eq!(layout.region("Atlantis").map(|c| layout.channel(c)), Some("Other countries"));
        let names: std::collections::BTreeSet<&str> = (0..18).map(|index| layout.channel(index)).collect();
        assert_eq!(names.len(), 18);
    }

    #[test]
    fn a_category_is_the_thing_and_not_its_colour_or_what_comes_with_it() {
        let layout = Layout::parse().unwrap();
        let titles = ["JUMBO BAG PINK POLKADOT", "LUNCH BAG RED", "BOX OF 6 CANDLES", "CANDLE WITH BAG", "CANDLE"];
        let categories = layout.categories(&titles);
        assert_eq!(categories, ["CANDLE", "BAG"]);
        assert_eq!(layout.category("SET OF 3 CANDLES IN BAG", &categories), Some(0));
        assert_eq!(layout.category("COOK WITH CANDLES", &categories), Some(0));
        assert_eq!(layout.category("WITH", &categories), None);
        assert_eq!(layout.category("", &categories), None);
    }
}
