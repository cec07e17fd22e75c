//! The write side of the board: the counterpart of [`super::board`].

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::background::{self, BackgroundPart};
use super::board::{
    BLOCK_BYTES, BLOCKS, Block, CANDIDATES, CATEGORIES, CATEGORY_BYTES, CHANNEL_BYTES, CHANNELS, COUNTS,
    FIRST_BROADCAST, INDEX_BYTES, LISTS, META, META_BYTES, NO_CATEGORY, PINNED, PRODUCT_BYTES, PRODUCT_SLOTS, PRODUCTS,
    SLOT_BYTES, SLOTS, TAB_BYTES, TABS, TIMES, VECTORS, WEIGHTS,
};
use super::experiment::{self, ExperimentPart};
use super::mix::MixParts;
use super::record::{TEXT, weights, weights_bytes};
use super::{Format, Kind, PackId, TooLarge, Writer, audience, context};
use crate::rank::{HOUR_BUCKETS, Weights};
use crate::time::UnixMillis;
use crate::verdict::VerdictKind;

/// A TV channel, as shown in the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelPart {
    /// The id in addresses: ASCII letters, digits and hyphens.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// The shop that runs it.
    pub shop: String,
}

/// A shop's listing of a product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ListingPart {
    /// The shop.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
}

/// A product with its verdict.
#[derive(Clone, Debug, Default)]
pub struct ProductPart {
    /// The product's id.
    pub id: u64,
    /// The title to show.
    pub title: String,
    /// The brand.
    pub brand: Option<String>,
    /// The index into [`BoardParts::categories`].
    pub category: Option<u16>,
    /// The price in won.
    pub price: Option<u32>,
    /// The price before the discount, in won.
    pub list_price: Option<u32>,
    /// The address of a picture.
    pub image: Option<String>,
    /// The address of its page.
    pub url: Option<String>,
    /// Its listings on the board.
    pub listings: Vec<ListingPart>,
    /// The verdict.
    pub verdict: VerdictKind,
    /// Whether the new-product tab shows it even if its verdict is unknown.
    pub unknown_listed: bool,
    /// The verdict as a JSON object, in force until the first broadcast ends.
    pub verdict_first: String,
    /// The verdict as a JSON object, in force afterwards.
    pub verdict_later: String,
    /// The start and end of its first known broadcast.
    pub first: (UnixMillis, UnixMillis),
    /// The demand for it, from 0 to 1,024.
    pub popularity: u32,
    /// Its vector, as long as all blocks together.
    pub vector: Vec<i8>,
    /// What is known of it beyond the window.
    pub background: BackgroundPart,
}

/// A broadcast within the window.
#[derive(Clone, Debug)]
pub struct SlotPart {
    /// The product's id.
    pub product: u64,
    /// The index into [`BoardParts::channels`].
    pub channel: u16,
    /// When the slot starts.
    pub starts_at: UnixMillis,
    /// When the slot ends, after its start.
    pub ends_at: UnixMillis,
    /// The listing on sale.
    pub listing: ListingPart,
    /// The price in won during this slot.
    pub price: Option<u32>,
}

/// A tab of the top bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabPart {
    /// The app's id of the tab.
    pub tab_id: String,
    /// The text that the app shows.
    pub label: String,
    /// Whether it keeps its position for everyone.
    pub pinned: bool,
    /// The destination of a tap.
    pub target: String,
}

/// The content of a board.
#[derive(Clone, Debug)]
pub struct BoardParts {
    /// The format to write.
    pub format: Format,
    /// When the board is built.
    pub built_at: UnixMillis,
    /// The start of the broadcast history.
    pub history_from: UnixMillis,
    /// The named ranges of the product vectors.
    pub blocks: Vec<Block>,
    /// The channels, in the order that tastes use.
    pub channels: Vec<ChannelPart>,
    /// The category names; products refer to them by index.
    pub categories: Vec<String>,
    /// The products with a slot in the window, in any order.
    pub products: Vec<ProductPart>,
    /// The slots in the window, in any order; their products must be among `products`.
    pub slots: Vec<SlotPart>,
    /// The tabs, in the shared order.
    pub tabs: Vec<TabPart>,
    /// The ranking weights. The first format can't store the pulse's weight; it must equal
    /// [`crate::rank::pulse_weight`], in experiments too.
    pub weights: Weights,
    /// The parts that arrange lists beyond scores.
    pub mix: MixParts,
}

#[derive(Serialize)]
struct ProductHead<'a> {
    product_id: String,
    title: &'a str,
    brand: Option<&'a str>,
    category: Option<&'a str>,
    price: Option<u32>,
    list_price: Option<u32>,
    image: Option<&'a str>,
    url: Option<&'a str>,
    listings: &'a [ListingPart],
}

#[derive(Serialize)]
struct SlotHead<'a> {
    shop: &'a str,
    listing_id: &'a str,
    channel: ChannelName<'a>,
    starts_at: String,
    ends_at: String,
    price: Option<u32>,
}

#[derive(Serialize)]
struct ChannelName<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct TabHead<'a> {
    tab_id: &'a str,
    label: &'a str,
    pinned: bool,
    target: &'a str,
}

#[derive(Serialize)]
struct Counts {
    products: usize,
    new: usize,
    unknown: usize,
    repeat: usize,
    broadcasts: usize,
    channels: usize,
    tabs: usize,
}

#[derive(Serialize)]
struct Lists<'a> {
    channels: &'a [ChannelPart],
    categories: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    experiments: &'a [ExperimentPart],
}

/// The text section in progress.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn put(&mut self, text: &str) -> [u8; 8] {
        let start = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(text.as_bytes());
        let mut span = [0; 8];
        span[..4].copy_from_slice(&start.to_le_bytes());
        span[4..].copy_from_slice(&length.to_le_bytes());
        span
    }
}

/// The JSON object of `value` without its closing brace, so that members can follow.
fn open_object(value: &impl Serialize) -> String {
    let mut json = serde_json::to_string(value).unwrap_or_default();
    json.pop();
    json
}

/// The opened JSON object of a slot on `channel`, up to the price.
pub fn open_slot(slot: &SlotPart, channel: &ChannelPart) -> String {
    open_object(&SlotHead {
        shop: &slot.listing.shop,
        listing_id: &slot.listing.listing_id,
        channel: ChannelName { id: &channel.id, name: &channel.name },
        starts_at: slot.starts_at.to_kst_rfc3339(),
        ends_at: slot.ends_at.to_kst_rfc3339(),
        price: slot.price,
    })
}

/// A hash of what the indexes in tastes refer to: channels, tabs and vector blocks, in their order.
pub fn vocabulary(channels: &[ChannelPart], tabs: &[TabPart], blocks: &[Block]) -> u64 {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update(text.as_bytes());
        hash.update([0]);
    };
    for channel in channels {
        put(&channel.id);
    }
    put("tabs");
    for tab in tabs {
        put(&tab.tab_id);
    }
    put("blocks");
    for block in blocks {
        put(&format!("{} {} {}", block.name, block.start, block.length));
    }
    hash.finalize().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// Writes a board. The same parts give the same bytes, whatever the order of products and slots.
///
/// # Errors
/// [`TooLarge`] if the board exceeds a KV value: narrow the window.
///
/// # Panics
/// If a slot's product or channel, or a product's category, is not among the parts; if a vector is
/// not as long as the blocks together; or if the first format gets a pulse weight other than its
/// fixed one. The caller must rule these out.
pub fn write(parts: &BoardParts) -> Result<(Vec<u8>, PackId), TooLarge> {
    let mut draft = Draft::new(parts);
    let mut writer = Writer::of(Kind::Board, parts.format);
    writer.section(META, META_BYTES, meta(parts, &draft.slots));
    writer.section(CHANNELS, 2 * CHANNEL_BYTES, draft.channels());
    writer.section(CATEGORIES, CATEGORY_BYTES, draft.categories());
    writer.section(BLOCKS, BLOCK_BYTES, draft.blocks());
    draft.products(&mut writer);
    draft.slots(&mut writer);
    writer.section(CANDIDATES, INDEX_BYTES, indexes(&draft.candidates()));
    writer.section(TIMES, INDEX_BYTES, indexes(&draft.times()));
    writer.section(TABS, TAB_BYTES, draft.tabs());
    writer.section(WEIGHTS, weights_bytes(parts.format.version()), weights(&parts.weights, parts.format));
    let branded = draft.products.iter().map(|product| (product.id, product.brand.as_deref()));
    parts.mix.write(branded, &mut writer, |text| draft.text.put(text));
    let (experiments, audiences) = (&parts.mix.experiments, &parts.mix.audiences);
    experiment::write(experiments, audiences, parts.format, &mut writer, |text| draft.text.put(text));
    let dimensions = parts.blocks.iter().map(|block| usize::from(block.length)).sum::<usize>().max(1);
    let vectors = draft.products.iter().map(|product| (product.category, product.vector.as_slice()));
    let widths = [parts.categories.len(), dimensions];
    audience::write(audiences, widths, vectors, &mut writer, |text| draft.text.put(text));
    let width = dimensions + parts.channels.len() + HOUR_BUCKETS + parts.tabs.len();
    context::write(&parts.mix.contexts, width, &mut writer);
    background::write(draft.products.iter().map(|product| (product.id, &product.background)), &mut writer);
    writer.section(COUNTS, 1, open_object(&draft.counts()).into_bytes());
    let audiences = audiences.iter().map(|audience| audience.name.as_str()).collect();
    let (channels, categories) = (&parts.channels, &parts.categories);
    let lists = open_object(&Lists { channels, categories, audiences, experiments });
    writer.section(LISTS, 1, lists.trim_start_matches('{').as_bytes().to_vec());
    writer.section(TEXT, 1, draft.text.0);
    writer.finish()
}

/// A board in progress: products by id, slots by start, and the text that they refer to.
struct Draft<'a> {
    parts: &'a BoardParts,
    products: Vec<&'a ProductPart>,
    slots: Vec<&'a SlotPart>,
    index_of: BTreeMap<u64, u32>,
    text: Text,
}

impl<'a> Draft<'a> {
    fn new(parts: &'a BoardParts) -> Self {
        let mut products: Vec<&ProductPart> = parts.products.iter().collect();
        products.sort_by_key(|product| product.id);
        let mut slots: Vec<&SlotPart> = parts.slots.iter().collect();
        slots.sort_by(|a, b| {
            (a.starts_at, a.channel, &a.listing, a.ends_at, a.price, a.product).cmp(&(
                b.starts_at,
                b.channel,
                &b.listing,
                b.ends_at,
                b.price,
                b.product,
            ))
        });
        let index_of = products.iter().zip(0..).map(|(product, index)| (product.id, index)).collect();
        Self { parts, products, slots, index_of, text: Text::default() }
    }

    fn channels(&mut self) -> Vec<u8> {
        let name = |channel: &ChannelPart| {
            let ChannelPart { id, name, .. } = channel;
            let json = serde_json::to_string(&ChannelName { id, name }).unwrap_or_default();
            [self.text.put(id), self.text.put(&json)].concat()
        };
        self.parts.channels.iter().flat_map(name).collect()
    }

    fn categories(&mut self) -> Vec<u8> {
        self.parts.categories.iter().flat_map(|category| self.text.put(category)).collect()
    }

    fn blocks(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        for block in &self.parts.blocks {
            records.extend_from_slice(&self.text.put(&block.name));
            records.extend_from_slice(&block.start.to_le_bytes());
            records.extend_from_slice(&block.length.to_le_bytes());
        }
        records
    }

    fn tabs(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        for tab in &self.parts.tabs {
            let head = TabHead { tab_id: &tab.tab_id, label: &tab.label, pinned: tab.pinned, target: &tab.target };
            records.extend_from_slice(&self.text.put(&open_object(&head)));
            records.extend_from_slice(&(if tab.pinned { PINNED } else { 0 }).to_le_bytes());
            records.extend_from_slice(&[0; 2]);
        }
        records
    }

    fn slots(&mut self, writer: &mut Writer) {
        let mut records = Vec::with_capacity(self.slots.len() * SLOT_BYTES);
        for slot in &self.slots {
            let product = self.index_of[&slot.product];
            let channel = &self.parts.channels[usize::from(slot.channel)];
            let is_first = self.products[product as usize].first.0.to_seconds() == slot.starts_at.to_seconds();
            records.extend_from_slice(&product.to_le_bytes());
            records.extend_from_slice(&slot.starts_at.to_seconds().to_le_bytes());
            records.extend_from_slice(&slot.ends_at.to_seconds().to_le_bytes());
            records.extend_from_slice(&slot.channel.to_le_bytes());
            records.extend_from_slice(&(if is_first { FIRST_BROADCAST } else { 0 }).to_le_bytes());
            records.extend_from_slice(&self.text.put(&open_slot(slot, channel)));
        }
        writer.section(SLOTS, SLOT_BYTES, records);
    }

    fn products(&mut self, writer: &mut Writer) {
        let mut slots_of = vec![Vec::new(); self.products.len()];
        for (slot, at) in self.slots.iter().zip(0_u32..) {
            slots_of[self.index_of[&slot.product] as usize].push(at);
        }
        let dimensions = self.parts.blocks.iter().map(|block| usize::from(block.length)).sum::<usize>();
        let mut records = Vec::with_capacity(self.products.len() * PRODUCT_BYTES);
        let mut product_slots: Vec<u32> = Vec::new();
        let mut vectors = Vec::with_capacity(self.products.len() * dimensions);
        for (product, its_slots) in self.products.iter().zip(&slots_of) {
            assert_eq!(
                product.vector.len(),
                dimensions,
                "the vector of product {:016x} has the blocks' length",
                product.id
            );
            let range_start = u32::try_from(product_slots.len()).unwrap_or(u32::MAX);
            // The window covers a few weeks at most; a product with more slots than fit a u16 shows
            // the first ones.
            let range_length = u16::try_from(its_slots.len()).unwrap_or(u16::MAX);
            product_slots.extend(its_slots);
            records.extend_from_slice(&product.id.to_le_bytes());
            records.extend_from_slice(&self.text.put(&self.product_head(product)));
            records.extend_from_slice(&self.text.put(&product.verdict_first));
            records.extend_from_slice(&self.text.put(&product.verdict_later));
            records.extend_from_slice(&product.first.0.to_seconds().to_le_bytes());
            records.extend_from_slice(&product.first.1.to_seconds().to_le_bytes());
            records.extend_from_slice(&range_start.to_le_bytes());
            records.extend_from_slice(&range_length.to_le_bytes());
            records.extend_from_slice(&product.category.unwrap_or(NO_CATEGORY).to_le_bytes());
            records.extend_from_slice(&[0; 4]);
            records.extend_from_slice(&product.price.unwrap_or(0).to_le_bytes());
            records.extend_from_slice(&product.popularity.min(1024).to_le_bytes());
            records.extend_from_slice(&[u8::from(product.unknown_listed), product.verdict.code(), 0, 0]);
            vectors.extend(product.vector.iter().map(|value| value.cast_unsigned()));
            if dimensions == 0 {
                // A record needs at least one byte.
                vectors.push(0);
            }
        }
        writer.section(PRODUCTS, PRODUCT_BYTES, records);
        writer.section(PRODUCT_SLOTS, INDEX_BYTES, indexes(&product_slots));
        writer.section(VECTORS, dimensions.max(1), vectors);
    }

    fn product_head(&self, product: &ProductPart) -> String {
        let mut listings = product.listings.clone();
        listings.sort();
        listings.dedup();
        open_object(&ProductHead {
            product_id: format!("{:016x}", product.id),
            title: &product.title,
            brand: product.brand.as_deref(),
            category: product.category.map(|category| self.parts.categories[usize::from(category)].as_str()),
            price: product.price,
            list_price: product.list_price,
            image: product.image.as_deref(),
            url: product.url.as_deref(),
            listings: &listings,
        })
    }

    fn candidates(&self) -> Vec<u32> {
        let mut candidates: Vec<(UnixMillis, u64, u32)> = self
            .products
            .iter()
            .zip(0..)
            .filter(|(product, _)| product.verdict != VerdictKind::Repeat)
            .map(|(product, index)| (product.first.0, product.id, index))
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().map(|candidate| candidate.2).collect()
    }

    fn times(&self) -> Vec<u32> {
        let slots = self.slots.iter().flat_map(|slot| [slot.starts_at, slot.ends_at]);
        // Directives and experiments change orders too.
        let directives = self.parts.mix.directives.iter().flat_map(|directive| [directive.from, directive.until]);
        let experiments = self.parts.mix.experiments.iter().flat_map(|experiment| [experiment.from, experiment.until]);
        let mut times: Vec<u32> = slots.chain(directives).chain(experiments).map(UnixMillis::to_seconds).collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    fn counts(&self) -> Counts {
        // Counted as of the build, when some first broadcasts in the window are already over.
        let kind = |product: &ProductPart| {
            if product.first.1 > self.parts.built_at { product.verdict } else { VerdictKind::Repeat }
        };
        let of_kind = |wanted| self.products.iter().filter(|product| kind(product) == wanted).count();
        Counts {
            products: self.products.len(),
            new: of_kind(VerdictKind::New),
            unknown: of_kind(VerdictKind::Unknown),
            repeat: of_kind(VerdictKind::Repeat),
            broadcasts: self.slots.len(),
            channels: self.parts.channels.len(),
            tabs: self.parts.tabs.len(),
        }
    }
}

fn indexes(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn meta(parts: &BoardParts, slots: &[&SlotPart]) -> Vec<u8> {
    let window_from = slots.iter().map(|slot| slot.starts_at).min().unwrap_or(parts.built_at);
    let window_to = slots.iter().map(|slot| slot.ends_at).max().unwrap_or(parts.built_at);
    // Times are stored in whole seconds, so a slot's stored length may exceed its true one by less
    // than a second.
    let longest = slots
        .iter()
        .map(|slot| slot.ends_at.to_seconds().saturating_sub(slot.starts_at.to_seconds()))
        .max()
        .unwrap_or_default();
    let mut meta = Vec::with_capacity(META_BYTES);
    for at in [parts.built_at, window_from, window_to, parts.history_from] {
        meta.extend_from_slice(&at.0.to_le_bytes());
    }
    meta.extend_from_slice(&vocabulary(&parts.channels, &parts.tabs, &parts.blocks).to_le_bytes());
    meta.extend_from_slice(&longest.to_le_bytes());
    meta.extend_from_slice(&[0; 4]);
    meta
}
