//! Everything comes together: catalogue, products, verdicts, tastes, tabs and rules in, the packs of a snapshot out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};
use sinsang_core::mix::Mix;
use sinsang_core::pack::board::Block;
use sinsang_core::pack::board_write::{self, BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart, TabPart};
use sinsang_core::pack::context::ContextPart;
use sinsang_core::pack::manifest::{ManifestParts, shard_index};
use sinsang_core::pack::mix::MixParts;
use sinsang_core::pack::taste::{self as taste_pack, Widths};
use sinsang_core::pack::{Format, PackId, TooLarge};
use sinsang_core::rank::UNIT;
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserKey;
use sinsang_identity::identity::{ProductId, Resolution};
use sinsang_identity::verdict::{self, Reach};
use sinsang_tables::table::Tab;

use crate::learn::taste::{self, ContextLeaning, Learned, Population, UserTaste, Vocabulary};
use crate::read::catalogue::{Airing, Catalogue};
use crate::read::external_vectors::Lab;
use crate::read::product::{Likely, Product};
use crate::read::rules::{Outcome, Rules, Window};

/// The names that published numbers stand for: channels and categories by name, tabs in the shared order.
pub fn vocabulary(catalogue: &Catalogue, tabs: &[Tab]) -> Vocabulary {
    let channels: BTreeSet<&str> = catalogue.airings.iter().map(|airing| airing.channel.as_str()).collect();
    let categories: BTreeSet<&str> =
        catalogue.entries.iter().filter_map(|entry| entry.listing.category.as_deref()).collect();
    Vocabulary {
        channels: channels.into_iter().map(str::to_owned).collect(),
        tabs: tabs.iter().map(|tab| tab.tab_id.clone()).collect(),
        categories: categories.into_iter().map(str::to_owned).collect(),
    }
}

/// Verdicts on the board, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerdictCounts {
    /// Products whose first broadcast ever lies ahead or is on air.
    pub new: usize,
    /// Products that were broadcast before.
    pub repeat: usize,
    /// Products of which the history can't tell.
    pub unknown: usize,
}

impl VerdictCounts {
    /// The count of a kind.
    pub fn of(&mut self, kind: VerdictKind) -> &mut usize {
        match kind {
            VerdictKind::New => &mut self.new,
            VerdictKind::Repeat => &mut self.repeat,
            VerdictKind::Unknown => &mut self.unknown,
        }
    }
}

/// What a board is made from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// All listings and airings.
    pub catalogue: &'a Catalogue,
    /// All products.
    pub products: &'a [Product],
    /// How the listings came to their products.
    pub resolution: &'a Resolution,
    /// The earlier listings that each listing may be the same product as.
    pub likely: &'a Likely,
    /// The tabs, in the shared order.
    pub tabs: &'a [Tab],
    /// The rules.
    pub rules: &'a Rules,
    /// The names that tastes were learned with.
    pub vocabulary: &'a Vocabulary,
    /// What was learned from events.
    pub learned: &'a Learned,
    /// How far back the history reaches.
    pub reach: &'a Reach,
    /// What the AI lab handed in.
    pub lab: Option<&'a Lab>,
    /// The time of the build.
    pub now: UnixMillis,
    /// What packs are written in, which can say what the rules say.
    pub format: Format,
}

/// The stretch of time whose slots a board shows.
pub fn window(rules: &Rules, now: UnixMillis) -> (UnixMillis, UnixMillis) {
    let Window { back_hours, ahead_days } = rules.window;
    (now.plus(-i64::from(back_hours) * HOUR_MS), now.plus(i64::from(ahead_days) * DAY_MS))
}

/// The products with a slot that the board of `now` shows.
pub fn on_board(catalogue: &Catalogue, products: &[Product], rules: &Rules, now: UnixMillis) -> BTreeSet<u64> {
    let (from, to) = window(rules, now);
    let is_shown = |airing: &Airing| airing.ends_at > from && airing.starts_at < to;
    let airings =
        |product: &Product| product.airings.iter().filter_map(|index| catalogue.airings.get(*index)).any(is_shown);
    products.iter().filter(|product| airings(product)).map(|product| product.id.0).collect()
}

/// The parts of the board, the verdicts as of the build, and what operators' directives came to.
///
/// # Errors
/// Where a verdict can't be written as JSON.
pub fn board(facts: &Facts<'_>) -> serde_json::Result<(BoardParts, VerdictCounts, Vec<Outcome>)> {
    let Facts { catalogue, now, .. } = *facts;
    let vocabulary = facts.vocabulary;
    let population = &facts.learned.report.population;
    let (from, to) = window(facts.rules, now);
    let is_shown = |airing: &&Airing| airing.ends_at > from && airing.starts_at < to;
    let most_popular = population.popularity.values().copied().max().unwrap_or(0);

    let Layout { channels, tabs, blocks } = layout(catalogue, vocabulary, facts.tabs, facts.lab.is_some());
    let mut counts = VerdictCounts::default();
    let mut parts = BoardParts {
        format: facts.format,
        built_at: now,
        history_from: facts.reach.since().unwrap_or(now),
        blocks,
        channels,
        categories: vocabulary.categories.clone(),
        products: Vec::new(),
        slots: Vec::new(),
        tabs,
        weights: facts.rules.weights(),
        mix: MixParts::default(),
    };
    for product in facts.products {
        let airings = || product.airings.iter().filter_map(|index| catalogue.airings.get(*index));
        let shown: Vec<&Airing> = airings().filter(is_shown).collect();
        // A product is new until a broadcast of it has ended, and one that began later may end sooner.
        let history = product.history(catalogue, facts.likely);
        let counted = || history.counted();
        let Some((starts_at, ends_at)) =
            counted().map(|airing| airing.starts_at).min().zip(counted().map(|airing| airing.ends_at).min())
        else {
            continue;
        };
        if shown.is_empty() {
            continue;
        }
        // The board reaches back a little so that a preview can: for a first broadcast that ended within it, the verdict that held until
        // then is the one as of the window's start. The one that holds afterwards looks back on it.
        let policy = facts.rules.judging();
        let judge = |at| verdict::judge(&history, facts.reach, &policy, at);
        let is_over = ends_at <= now;
        let mut before = judge(if is_over { from } else { now });
        if before.kind == VerdictKind::New || before.evidence.reason == verdict::Reason::NearMiss {
            before.evidence.nearest = product.nearest(catalogue, facts.resolution);
        }
        let after = judge(now.max(ends_at));
        *counts.of(if is_over { after.kind } else { before.kind }) += 1;
        parts.slots.extend(shown.iter().filter_map(|airing| facts.slot(product, airing)));
        let vector = facts.learned.product_vector(product.id.0);
        let popularity = popularity(population, product.id, &vector, most_popular);
        let verdicts = [serde_json::to_string(&before)?, serde_json::to_string(&after)?];
        if let Some(part) = facts.product(product, &shown, (starts_at, ends_at), before.kind, verdicts) {
            let foreign = facts.lab.map(|lab| lab.products.get(&product.id.0).copied().unwrap_or([0; taste::DIMS]));
            let vector = vector.iter().chain(foreign.iter().flatten()).copied().collect();
            parts.products.push(ProductPart { popularity, vector, ..part });
        }
    }
    let (rules, outcomes) = facts.rules.mix_parts(&parts);
    let shown = facts.learned.shown.iter().map(|(product, times)| (*product, u8::try_from(*times).unwrap_or(u8::MAX)));
    // Lists that were handed in take the notes' room, and their meaning.
    let near = if facts.rules.lab.lists.is_some() { 0 } else { rules.mix.near };
    let mix = Mix { second: facts.lab.map_or(0, |lab| lab.surfaces), near, ..rules.mix };
    let experiments = facts.rules.experiment_parts(mix);
    let contexts = facts.learned.contexts.iter().map(|context| context_part(context, facts.lab.is_some())).collect();
    parts.mix = MixParts { shown: shown.collect(), mix, experiments, contexts, ..rules };
    Ok((parts, counts, outcomes))
}

impl Facts<'_> {
    fn slot(&self, product: &Product, airing: &Airing) -> Option<SlotPart> {
        let entry = self.catalogue.entries.get(airing.entry)?;
        let channel = self.vocabulary.channels.iter().position(|name| *name == airing.channel)?;
        Some(SlotPart {
            product: product.id.0,
            channel: u16::try_from(channel).ok()?,
            starts_at: airing.starts_at,
            ends_at: airing.ends_at,
            listing: ListingPart { shop: entry.listing.shop.clone(), listing_id: entry.listing.listing_id.clone() },
            price: airing.price,
        })
    }

    /// The product as the listing of its next slot describes it, with its verdicts until and after its first broadcast as JSON.
    fn product(
        &self,
        product: &Product,
        shown: &[&Airing],
        first: (UnixMillis, UnixMillis),
        kind: VerdictKind,
        [verdict_first, verdict_later]: [String; 2],
    ) -> Option<ProductPart> {
        let next = shown.iter().find(|airing| airing.ends_at > self.now).or(shown.last())?;
        let entry = self.catalogue.entries.get(next.entry)?;
        let features = product.features(self.catalogue);
        let price = next.price.or(entry.listing.price);
        let listings: BTreeSet<usize> = shown.iter().map(|airing| airing.entry).collect();
        let listing = |index: &usize| self.catalogue.entries.get(*index).map(|entry| &entry.listing);
        let categories = &self.vocabulary.categories;
        Some(ProductPart {
            id: product.id.0,
            title: entry.listing.titles.first().cloned().unwrap_or_default(),
            brand: features.brand.map(str::to_owned),
            category: features
                .category
                .and_then(|category| categories.iter().position(|name| name == category))
                .and_then(|index| u16::try_from(index).ok()),
            price,
            list_price: entry.list_price.filter(|list_price| price.is_some_and(|price| *list_price > price)),
            image: entry.listing.image.clone(),
            url: entry.url.clone(),
            listings: listings
                .iter()
                .filter_map(listing)
                .map(|listing| ListingPart { shop: listing.shop.clone(), listing_id: listing.listing_id.clone() })
                .collect(),
            verdict: kind,
            unknown_listed: self.rules.new_tab.show_unknown && kind == VerdictKind::Unknown,
            verdict_first,
            verdict_later,
            first,
            popularity: 0,
            vector: Vec::new(),
        })
    }
}

/// A leaning as the board has it; the lab's half of its vector is empty.
fn context_part(context: &ContextLeaning, has_foreign: bool) -> ContextPart {
    let foreign = if has_foreign { taste::DIMS } else { 0 };
    let parts = [&context.vector[..], &vec![0; foreign], &context.channels, &context.hours, &context.tabs];
    let leaning = parts.concat().into_iter().map(i8::cast_unsigned).collect();
    ContextPart { factor: context.factor, value: context.value, leaning }
}

/// The vectors are learned whole: no run of their dimensions speaks of one field.
fn blocks(has_foreign: bool) -> Vec<Block> {
    let length = u16::try_from(taste::DIMS).unwrap_or(u16::MAX);
    let names = ["taste", "lab"].into_iter().take(if has_foreign { 2 } else { 1 });
    names.zip((0..).step_by(taste::DIMS)).map(|(name, start)| Block { name: name.to_owned(), start, length }).collect()
}

fn tab(tab: &Tab) -> TabPart {
    TabPart { tab_id: tab.tab_id.clone(), label: tab.label.clone(), pinned: tab.pinned, target: tab.target.clone() }
}

/// The channels of `names`, each with an id for addresses and the shop that airs most on it.
fn channels(catalogue: &Catalogue, names: &[String]) -> Vec<ChannelPart> {
    let mut shops: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for airing in &catalogue.airings {
        if let Some(entry) = catalogue.entries.get(airing.entry) {
            *shops.entry(&airing.channel).or_default().entry(&entry.listing.shop).or_default() += 1;
        }
    }
    let shop_of = |name: &str| {
        let shops = shops.get(name).into_iter().flatten();
        shops.max_by_key(|(shop, slots)| (**slots, std::cmp::Reverse(**shop))).map_or("", |(shop, _)| *shop).to_owned()
    };
    names
        .iter()
        .map(|name| ChannelPart { id: channel_id(name, names), name: name.clone(), shop: shop_of(name) })
        .collect()
}

/// An id for addresses: the name in Latin letters and digits, words joined by hyphens: `현대홈쇼핑` is `hyeondaehomsyoping`. Where two names
/// would share one, and where nothing is left of a name, its hash is added.
fn channel_id(name: &str, others: &[String]) -> String {
    let latin = |name: &str| {
        let words = deunicode::deunicode(name).to_lowercase();
        words
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-")
    };
    let id = latin(name);
    if !id.is_empty() && others.iter().all(|other| other == name || latin(other) != id) {
        return id;
    }
    let hash = Sha256::digest(name.as_bytes());
    let start = hash.first_chunk().map_or(0, |start| u32::from_be_bytes(*start));
    format!("{id}-{start:08x}").trim_start_matches('-').to_owned()
}

/// How much a product is looked for, from 0 to [`UNIT`]: half its own engagement, in powers of two against the most engaged product's,
/// half what everyone leans to.
fn popularity(population: &Population, id: ProductId, vector: &[i8], most: u32) -> u32 {
    let own = population.popularity.get(&id.0).copied().unwrap_or(0);
    let own = UNIT * log2_64ths(own) / log2_64ths(most).max(1);
    let fit: i64 = vector.iter().zip(&population.vector).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>() >> 5;
    u32::try_from(i64::midpoint(own, fit.clamp(0, UNIT))).unwrap_or(0)
}

/// log2(value + 1) in 64ths, linear between powers of two: whole numbers, so that every machine agrees.
fn log2_64ths(value: u32) -> i64 {
    let value = u64::from(value) + 1;
    let power = value.ilog2();
    let part = ((value << 6) >> power) & 63;
    i64::from(power) * 64 + i64::try_from(part).unwrap_or(0)
}

/// Bytes that a user may take in a shard, key included, as far as there is a choice: what is left over is for the short memory.
const USER_BYTES: usize = 110;
/// The most notes of a short memory.
const MOST_NOTES: usize = 11;

/// What numbers in a user's record stand for.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Channels, in the order of their weights.
    pub channels: Vec<ChannelPart>,
    /// Tabs, in the order of theirs.
    pub tabs: Vec<TabPart>,
    /// What vectors are made of.
    pub blocks: Vec<Block>,
}

/// The layout of a snapshot, which is settled before anything is learned.
pub fn layout(catalogue: &Catalogue, vocabulary: &Vocabulary, tabs: &[Tab], has_foreign: bool) -> Layout {
    Layout {
        channels: channels(catalogue, &vocabulary.channels),
        tabs: tabs.iter().map(tab).collect(),
        blocks: blocks(has_foreign),
    }
}

/// Users' tastes while they are collected: the records as they are packed, so that ten million take a gigabyte.
#[derive(Debug)]
pub struct Shards {
    widths: Widths,
    /// Keys, each with the number of its record.
    users: Vec<(u64, u32)>,
    records: Vec<u8>,
}

impl Shards {
    /// Shards in a layout, with room for lists of `listed` products.
    pub fn new(layout: &Layout, listed: usize) -> Self {
        let small = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        let widths = Widths {
            vocabulary: board_write::vocabulary(&layout.channels, &layout.tabs, &layout.blocks),
            vector: layout.blocks.iter().map(|block| block.length).sum(),
            channels: small(layout.channels.len()),
            hours: small(taste::HOUR_BUCKETS),
            tabs: small(layout.tabs.len()),
            is_narrow: true,
            notes: 0,
        };
        let left = USER_BYTES.saturating_sub(widths.record_bytes() + 8) / taste_pack::NOTE_BYTES;
        let widths = Widths { notes: small(left.min(MOST_NOTES).max(listed)), ..widths };
        Self { widths, users: Vec::new(), records: Vec::new() }
    }

    /// Takes in one user, who is named by their key; a device has a name too, but no place in a pack. Of two users with one key the later one
    /// counts.
    pub fn add(&mut self, taste: &UserTaste) {
        let Some((key, number)) = UserKey::parse(&taste.user_id).zip(u32::try_from(self.users.len()).ok()) else {
            return;
        };
        let mut record = taste_pack::keep_weights(&taste.vector, false);
        record.extend(taste_pack::keep_weights(&taste.second, false));
        record.resize(self.widths.vector.into(), 0);
        for part in [taste.channels.as_slice(), &taste.hours, &taste.tabs] {
            record.extend(taste_pack::keep_weights(part, self.widths.is_narrow));
        }
        // Half of the room is for what goes with what they did, and what either leaves is the other's.
        let room = usize::from(self.widths.notes);
        let near = taste.near.len().min(room.div_ceil(2).max(room.saturating_sub(taste.notes.len())));
        let notes = taste.near.iter().take(near).chain(taste.notes.iter().take(room - near));
        record.extend(notes.flat_map(|(product, steps)| taste_pack::note(*product, *steps)));
        record.resize(self.widths.record_bytes(), 0);
        self.users.push((key.0, number));
        self.records.extend(record);
    }

    /// Users by key, each with the number of the record that counts.
    fn sorted(&self) -> Vec<(u64, u32)> {
        let mut users = self.users.clone();
        users.sort_unstable_by_key(|(key, number)| (*key, std::cmp::Reverse(*number)));
        users.dedup_by_key(|(key, _)| *key);
        users
    }

    fn record(&self, number: u32) -> Vec<u8> {
        let (at, width) = (number as usize, self.widths.record_bytes());
        self.records.get(at * width..(at + 1) * width).unwrap_or_default().to_vec()
    }

    /// Bytes of one user in a shard: the key and the record.
    pub fn user_bytes(&self) -> usize {
        self.widths.record_bytes() + 8
    }
}

/// The packs of a snapshot, and its manifest.
#[derive(Debug)]
pub struct Packs {
    /// Every pack by its name.
    pub packs: BTreeMap<PackId, Vec<u8>>,
    /// What the manifest says; no snapshot before it.
    pub manifest: ManifestParts,
}

/// Writes board and shards.
///
/// # Errors
/// [`TooLarge`] where one would not fit a KV value.
pub fn packs(board: &BoardParts, shards: &Shards, shard_bytes: u32) -> Result<Packs, TooLarge> {
    let mut packs = BTreeMap::new();
    let (bytes, board_id) = board_write::write(board)?;
    packs.insert(board_id, bytes);
    let users = shards.sorted();
    let total = users.len() * shards.user_bytes();
    let bits = total.div_ceil(usize::try_from(shard_bytes).unwrap_or(usize::MAX).max(1)).next_power_of_two().ilog2();
    let mut ids = vec![PackId::default(); 1 << bits];
    // Keys ascend, and a shard is what their first bits say.
    for of_shard in users.chunk_by(|(a, _), (b, _)| shard_index(*a, bits) == shard_index(*b, bits)) {
        let records: Vec<(u64, Vec<u8>)> =
            of_shard.iter().map(|(key, number)| (*key, shards.record(*number))).collect();
        let (bytes, id) = taste_pack::write(&shards.widths, &records)?;
        let shard = of_shard.first().map_or(0, |(key, _)| shard_index(*key, bits));
        if let Some(place) = ids.get_mut(shard) {
            *place = id;
        }
        packs.insert(id, bytes);
    }
    let users = u32::try_from(users.len()).unwrap_or(u32::MAX);
    let manifest = ManifestParts {
        built_at: board.built_at,
        board: board_id,
        format: board.format,
        users,
        shards: ids,
        previous: Vec::new(),
    };
    Ok(Packs { packs, manifest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_ids_can_be_read_and_are_never_shared() {
        let names = ["현대홈쇼핑", "GS샵 LIVE", "CJ온스타일+", "CJ온스타일", "★", "☆"].map(str::to_owned);
        let ids: Vec<String> = names.iter().map(|name| channel_id(name, &names)).collect();
        assert_eq!(ids[0], "hyeondaehomsyoping");
        assert_eq!(ids[1], "gssyab-live");
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{ids:?}");
        assert!(
            ids.iter().all(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')),
            "{ids:?}"
        );
    }
}
