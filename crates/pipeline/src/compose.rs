//! Composition of a snapshot: catalogue, products, verdicts, tastes, tabs and rules in, packs out.

mod background;
pub(crate) mod strength;

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::mix::Mix;
use sinsang_core::pack::audience::AudiencePart;
use sinsang_core::pack::board::Block;
use sinsang_core::pack::board_write::{self, BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart, TabPart};
use sinsang_core::pack::context::ContextPart;
use sinsang_core::pack::manifest::{ManifestParts, shard_index};
use sinsang_core::pack::mix::MixParts;
use sinsang_core::pack::taste::{self as taste_pack, Widths};
use sinsang_core::pack::{Format, PackId, TooLarge};
use sinsang_core::rank::UNIT;
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_core::verdict::{Reason, VerdictKind};
use sinsang_core::viewer::UserKey;
use sinsang_identity::identity::{ProductId, Resolution};
use sinsang_identity::verdict::{self, Reach};
use sinsang_tables::table::Tab;

use crate::learn::taste::{self, ContextLeaning, Learned, Population, UserTaste, Vocabulary};
use crate::read::catalogue::{Airing, Catalogue, EntryId};
use crate::read::external_vectors::Lab;
use crate::read::product::{Likely, Product};
use crate::read::rules::{Outcome, Rules, Unnamed, Window};
use crate::report::census::Census;

/// The names of published numbers: channels and categories by name, tabs in the shared order.
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

/// Why a board can't be composed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A verdict can't be written as JSON.
    #[error("a verdict can't be written as JSON: {0}")]
    Verdict(#[from] serde_json::Error),
    /// The tables have more distinct names than a board can number.
    #[error("the schedule has more than 65,536 {what}: check whether that column holds another's texts")]
    TooMany {
        /// The kind of name.
        what: &'static str,
    },
}

/// The inputs of a board.
#[derive(Debug)]
pub struct Facts<'a> {
    /// All listings and airings.
    pub catalogue: &'a Catalogue,
    /// All products.
    pub products: &'a [Product],
    /// How the listings were matched to their products.
    pub resolution: &'a Resolution,
    /// For each listing, the earlier listings that may be the same product.
    pub likely: &'a Likely,
    /// The tabs, in the shared order.
    pub tabs: &'a [Tab],
    /// The rules.
    pub rules: &'a Rules,
    /// The names that tastes were learned with.
    pub vocabulary: &'a Vocabulary,
    /// The result of learning tastes.
    pub learned: &'a Learned,
    /// How far back the history reaches.
    pub reach: &'a Reach,
    /// The audiences that rules name.
    pub audiences: &'a [AudiencePart],
    /// The AI lab's vectors and lists.
    pub lab: Option<&'a Lab>,
    /// The time of the build.
    pub now: UnixMillis,
    /// The pack format, which must be able to hold the rules.
    pub format: Format,
}

/// The time window of a board's slots.
pub fn window(rules: &Rules, now: UnixMillis) -> (UnixMillis, UnixMillis) {
    let Window { back_hours, ahead_days } = rules.window;
    (now.plus(-i64::from(back_hours) * HOUR_MS), now.plus(i64::from(ahead_days) * DAY_MS))
}

/// The products with a slot on the board of `now`.
pub fn on_board(catalogue: &Catalogue, products: &[Product], rules: &Rules, now: UnixMillis) -> BTreeSet<u64> {
    let (from, to) = window(rules, now);
    let is_shown = |airing: &Airing| airing.ends_at > from && airing.starts_at < to;
    let airings = |product: &Product| product.airings.iter().any(|index| is_shown(&catalogue.airings[*index]));
    products.iter().filter(|product| airings(product)).map(|product| product.id.0).collect()
}

/// The parts of the board, the counts of its products, and the effects of operators' directives.
///
/// # Errors
/// [`Error`] if a verdict can't be written, or the tables have too many names.
pub fn board(facts: &Facts<'_>) -> Result<(BoardParts, Census, Vec<Outcome>), Error> {
    let Facts { catalogue, now, .. } = *facts;
    let vocabulary = facts.vocabulary;
    let population = &facts.learned.report.population;
    let (from, to) = window(facts.rules, now);
    let is_shown = |airing: &&Airing| airing.ends_at > from && airing.starts_at < to;
    let most_popular = population.popularity.values().copied().max().unwrap_or(0);

    let Layout { channels, tabs, blocks, .. } =
        layout(catalogue, vocabulary, facts.tabs, facts.lab.is_some(), facts.rules);
    let mut census = Census::default();
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
        let airings = || product.airings.iter().map(|index| &catalogue.airings[*index]);
        let shown: Vec<&Airing> = airings().filter(is_shown).collect();
        // A product is new until one of its broadcasts has ended; a later broadcast may end sooner.
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
        // The board reaches back a little for previews. If the first broadcast ended within that
        // time, the verdict before it is the one as of the window's start, and the verdict after it
        // looks back on it.
        let policy = facts.rules.judging();
        let judge = |at| verdict::judge(&history, facts.reach, &policy, at);
        let is_over = ends_at <= now;
        let mut before = judge(if is_over { from } else { now });
        if before.kind == VerdictKind::New || before.evidence.reason == Reason::NearMiss {
            before.evidence.nearest = product.nearest(catalogue, facts.resolution);
        }
        let after = judge(now.max(ends_at));
        for airing in &shown {
            parts.slots.push(facts.slot(product, airing)?);
        }
        let vector = facts.learned.product_vector(product.id.0);
        let popularity = popularity(population, product.id, &vector, most_popular);
        let verdicts = [serde_json::to_string(&before)?, serde_json::to_string(&after)?];
        let part = facts.product(product, &shown, (starts_at, ends_at), before.kind, verdicts)?;
        let foreign = facts.lab.map(|lab| lab.products.get(&product.id.0).copied().unwrap_or([0; taste::DIMS]));
        let vector = vector.iter().chain(foreign.iter().flatten()).copied().collect();
        let shops = part.listings.iter().map(|listing| listing.shop.as_str());
        census.count(&part.title, shops, if is_over { &after } else { &before });
        let background = facts.background(product, from);
        parts.products.push(ProductPart { popularity, vector, background, ..part });
    }
    background::liken(&mut parts.products, &parts.slots, now);
    let (rules, outcomes) = facts.rules.mix_parts(&parts);
    let shown = facts.learned.shown.iter().map(|(product, times)| (*product, u8::try_from(*times).unwrap_or(u8::MAX)));
    // The lab's lists replace the notes, in place and in meaning.
    let near = if facts.rules.lab.lists.is_some() { 0 } else { rules.mix.near };
    let mix = Mix { second: facts.lab.map_or(0, |lab| lab.surfaces), near, ..rules.mix };
    let experiments = facts.rules.experiment_parts(mix);
    let contexts = facts.learned.contexts.iter().map(|context| context_part(context, facts.lab.is_some())).collect();
    let audiences = facts.audiences.to_vec();
    parts.mix = MixParts { shown: shown.collect(), mix, audiences, experiments, contexts, ..rules };
    strength::calibrate(&mut parts, facts.learned.model.spread());
    Ok((parts, census, outcomes))
}

impl Facts<'_> {
    fn slot(&self, product: &Product, airing: &Airing) -> Result<SlotPart, Error> {
        let entry = &self.catalogue.entries[airing.entry];
        let channel = self.vocabulary.channels.iter().position(|name| *name == airing.channel);
        let channel = channel.expect("the vocabulary has the channels of all airings");
        Ok(SlotPart {
            product: product.id.0,
            channel: u16::try_from(channel).map_err(|_| Error::TooMany { what: "channels" })?,
            starts_at: airing.starts_at,
            ends_at: airing.ends_at,
            listing: ListingPart { shop: entry.listing.shop.clone(), listing_id: entry.listing.listing_id.clone() },
            price: airing.price,
        })
    }

    /// The product as its next slot's listing describes it, with its verdicts before and after its
    /// first broadcast as JSON.
    fn product(
        &self,
        product: &Product,
        shown: &[&Airing],
        first: (UnixMillis, UnixMillis),
        kind: VerdictKind,
        [verdict_first, verdict_later]: [String; 2],
    ) -> Result<ProductPart, Error> {
        let next = shown.iter().find(|airing| airing.ends_at > self.now).or(shown.last());
        let next = next.expect("a product of the board has a slot there");
        let entry = &self.catalogue.entries[next.entry];
        let features = product.features(self.catalogue);
        let price = next.price.or(entry.listing.price);
        let listings: BTreeSet<EntryId> = shown.iter().map(|airing| airing.entry).collect();
        let place = |name: &str| self.vocabulary.categories.iter().position(|known| known == name);
        let category = features.category.and_then(place).map(u16::try_from).transpose();
        Ok(ProductPart {
            id: product.id.0,
            title: entry.listing.titles.first().cloned().unwrap_or_default(),
            brand: features.brand.map(str::to_owned),
            category: category.map_err(|_| Error::TooMany { what: "categories" })?,
            price,
            list_price: entry.list_price.filter(|list_price| price.is_some_and(|price| *list_price > price)),
            image: entry.listing.image.clone(),
            url: entry.url.clone(),
            listings: listings
                .iter()
                .map(|entry| &self.catalogue.entries[*entry].listing)
                .map(|listing| ListingPart { shop: listing.shop.clone(), listing_id: listing.listing_id.clone() })
                .collect(),
            verdict: kind,
            unknown_listed: self.rules.new_tab.show_unknown && kind == VerdictKind::Unknown,
            verdict_first,
            verdict_later,
            first,
            ..ProductPart::default()
        })
    }
}

/// A context's leaning in the board's form; the lab's half of the vector is zero.
fn context_part(context: &ContextLeaning, has_foreign: bool) -> ContextPart {
    let foreign = if has_foreign { taste::DIMS } else { 0 };
    let parts = [&context.vector[..], &vec![0; foreign], &context.channels, &context.hours, &context.tabs];
    let leaning = parts.concat().into_iter().map(i8::cast_unsigned).collect();
    ContextPart { factor: context.factor, value: context.value, leaning }
}

/// Vectors are learned as a whole: no range of dimensions stands for one field.
fn blocks(has_foreign: bool) -> Vec<Block> {
    let length = u16::try_from(taste::DIMS).unwrap_or(u16::MAX);
    let names = ["taste", "lab"].into_iter().take(if has_foreign { 2 } else { 1 });
    names.zip((0..).step_by(taste::DIMS)).map(|(name, start)| Block { name: name.to_owned(), start, length }).collect()
}

fn tab(tab: &Tab) -> TabPart {
    TabPart { tab_id: tab.tab_id.clone(), label: tab.label.clone(), pinned: tab.pinned, target: tab.target.clone() }
}

/// The channels of `names`, each with its id and the shop with most slots on it; and those whose id
/// the operator should look at.
fn channels(catalogue: &Catalogue, names: &[String], rules: &Rules) -> (Vec<ChannelPart>, Vec<Unnamed>) {
    let mut shops: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for airing in &catalogue.airings {
        let shop = &catalogue.entries[airing.entry].listing.shop;
        *shops.entry(&airing.channel).or_default().entry(shop).or_default() += 1;
    }
    let shop_of = |name: &str| {
        let shops = shops.get(name).into_iter().flatten();
        shops.max_by_key(|(shop, slots)| (**slots, std::cmp::Reverse(**shop))).map_or("", |(shop, _)| *shop).to_owned()
    };
    let (ids, unnamed) = rules.channel_ids(names);
    let parts = ids.into_iter().zip(names);
    let parts = parts.map(|(id, name)| ChannelPart { id, name: name.clone(), shop: shop_of(name) }).collect();
    (parts, unnamed)
}

/// A product's popularity from 0 to [`UNIT`]: half its own engagement, in powers of two relative to
/// the most engaged product, half everyone's leanings.
fn popularity(population: &Population, id: ProductId, vector: &[i8], most: u32) -> u32 {
    let own = population.popularity.get(&id.0).copied().unwrap_or(0);
    let own = UNIT * log2_64ths(own) / log2_64ths(most).max(1);
    let fit: i64 = vector.iter().zip(&population.vector).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>() >> 5;
    u32::try_from(i64::midpoint(own, fit.clamp(0, UNIT))).unwrap_or(0)
}

/// log2(value + 1) in 64ths, linear between powers of two: whole numbers, so that all machines
/// agree.
fn log2_64ths(value: u32) -> i64 {
    let value = u64::from(value) + 1;
    let power = value.ilog2();
    let part = ((value << 6) >> power) & 63;
    i64::from(power) * 64 + i64::try_from(part).unwrap_or(0)
}

/// Target bytes of a user in a shard, key included: the short memory gets what the rest leaves.
const USER_BYTES: usize = 110;
/// The most notes of a short memory.
const MOST_NOTES: usize = 11;

/// The layout of a user's record: the meaning of its numbers.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Channels, in the order of their weights.
    pub channels: Vec<ChannelPart>,
    /// Tabs, in the order of their weights.
    pub tabs: Vec<TabPart>,
    /// The blocks of a vector.
    pub blocks: Vec<Block>,
    /// Channels whose ids the operator should look at.
    pub unnamed: Vec<Unnamed>,
}

/// The layout of a snapshot, which is fixed before learning.
pub fn layout(
    catalogue: &Catalogue,
    vocabulary: &Vocabulary,
    tabs: &[Tab],
    has_foreign: bool,
    rules: &Rules,
) -> Layout {
    let (channels, unnamed) = channels(catalogue, &vocabulary.channels, rules);
    Layout { channels, tabs: tabs.iter().map(tab).collect(), blocks: blocks(has_foreign), unnamed }
}

/// Collects users' tastes as packed records, so that ten million users take a gigabyte.
#[derive(Debug)]
pub struct Shards {
    widths: Widths,
    /// Keys, each with the number of its record.
    users: Vec<(u64, u32)>,
    records: Vec<u8>,
}

impl Shards {
    /// An empty collection in a layout, with room for lists of `listed` products.
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

    /// Adds one user, named by key. Devices are ignored: they have no place in a pack. If two users
    /// share a key, the later one replaces the earlier.
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
        // Half of the room is for products that go with the user's actions; either half may use
        // what the other leaves.
        let room = usize::from(self.widths.notes);
        let near = taste.near.len().min(room.div_ceil(2).max(room.saturating_sub(taste.notes.len())));
        let notes = taste.near.iter().take(near).chain(taste.notes.iter().take(room - near));
        record.extend(notes.flat_map(|(product, steps)| taste_pack::note(*product, *steps)));
        record.resize(self.widths.record_bytes(), 0);
        self.users.push((key.0, number));
        self.records.extend(record);
    }

    /// Users by key, each with the number of its latest record.
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
    /// The manifest's parts, without a previous snapshot.
    pub manifest: ManifestParts,
}

/// Writes the board and the shards.
///
/// # Errors
/// [`TooLarge`] if a pack exceeds a KV value.
pub fn packs(board: &BoardParts, shards: &Shards, shard_bytes: u32) -> Result<Packs, TooLarge> {
    let mut packs = BTreeMap::new();
    let (bytes, board_id) = board_write::write(board)?;
    packs.insert(board_id, bytes);
    let users = shards.sorted();
    let total = users.len() * shards.user_bytes();
    let bits = total.div_ceil(usize::try_from(shard_bytes).unwrap_or(usize::MAX).max(1)).next_power_of_two().ilog2();
    let mut ids = vec![PackId::default(); 1 << bits];
    // Keys ascend, and their first bits are the shard's index.
    for of_shard in users.chunk_by(|(a, _), (b, _)| shard_index(*a, bits) == shard_index(*b, bits)) {
        let records: Vec<(u64, Vec<u8>)> =
            of_shard.iter().map(|(key, number)| (*key, shards.record(*number))).collect();
        let (bytes, id) = taste_pack::write(&shards.widths, &records)?;
        ids[shard_index(of_shard[0].0, bits)] = id;
        packs.insert(id, bytes);
    }
    let users = u32::try_from(users.len()).unwrap_or(u32::MAX);
    let manifest = ManifestParts {
        built_at: board.built_at,
        board: board_id,
        format: board.format,
        users,
        shards: ids,
        beside: Vec::new(),
    };
    Ok(Packs { packs, manifest })
}
