//! The board: the schedule window with its products, verdicts, vectors, tabs and ranking weights,
//! and the pre-rendered JSON of each item.
//!
//! Parsing checks every reference once, so that serving can follow them without a failure path.

mod amend;
mod audience;
mod background;
mod crowd;
mod entry;

use super::audience::Audiences;
use super::background::Background;
use super::context::Contexts;
use super::mix::MixTables;
use super::record::{TEXT, weights_bytes, weights_of};
use super::{Damage, Kind, Pack, PackId, Span, Table, experiment, i64_at, to_usize, u16_at, u32_at, u64_at};
use crate::crowd::Shared;
use crate::directive::Directive;
use crate::experiment::Experiments;
use crate::mix::{Floor, Mix};
use crate::rank::Weights;
use crate::surface_name::Surface;
use crate::time::{SECOND_MS, UnixMillis};

pub use entry::{Product, Slot, Tab, each_product};

pub(super) const META: [u8; 4] = *b"META";
pub(super) const META_BYTES: usize = 48;
pub(super) const CHANNELS: [u8; 4] = *b"CHAN";
/// A channel's least size. Its JSON object's span follows where a pipeline wrote one.
pub(super) const CHANNEL_BYTES: usize = 8;
pub(super) const CATEGORIES: [u8; 4] = *b"CATE";
pub(super) const CATEGORY_BYTES: usize = 8;
pub(super) const BLOCKS: [u8; 4] = *b"BLOK";
pub(super) const BLOCK_BYTES: usize = 12;
pub(super) const PRODUCTS: [u8; 4] = *b"PROD";
pub(super) const PRODUCT_BYTES: usize = 64;
pub(super) const VECTORS: [u8; 4] = *b"VECS";
pub(super) const SLOTS: [u8; 4] = *b"SLOT";
pub(super) const SLOT_BYTES: usize = 24;
pub(super) const PRODUCT_SLOTS: [u8; 4] = *b"PSLT";
pub(super) const INDEX_BYTES: usize = 4;
pub(super) const CANDIDATES: [u8; 4] = *b"NEWS";
pub(super) const TIMES: [u8; 4] = *b"TIME";
pub(super) const TABS: [u8; 4] = *b"TABS";
pub(super) const TAB_BYTES: usize = 12;
pub(super) const WEIGHTS: [u8; 4] = *b"RULE";
pub(super) const COUNTS: [u8; 4] = *b"STAT";
pub(super) const LISTS: [u8; 4] = *b"LIST";

/// The sections that every board has, with their least strides, in the order of [`Board::of`].
const SECTIONS: [([u8; 4], usize); 14] = [
    (META, META_BYTES),
    (TEXT, 1),
    (CHANNELS, CHANNEL_BYTES),
    (CATEGORIES, CATEGORY_BYTES),
    (BLOCKS, BLOCK_BYTES),
    (PRODUCTS, PRODUCT_BYTES),
    (VECTORS, 1),
    (SLOTS, SLOT_BYTES),
    (PRODUCT_SLOTS, INDEX_BYTES),
    (CANDIDATES, INDEX_BYTES),
    (TIMES, INDEX_BYTES),
    (TABS, TAB_BYTES),
    (COUNTS, 1),
    (LISTS, 1),
];

/// The category index of a product without a category.
pub(super) const NO_CATEGORY: u16 = u16::MAX;
/// The flag of a product that is sold out, which only an overlay sets.
pub(super) const SOLD_OUT: u8 = 2;
/// The flag of a product that operators hide, likewise.
pub(super) const HIDDEN: u8 = 4;
/// The flag of a slot that is its product's first broadcast ever.
pub(super) const FIRST_BROADCAST: u16 = 1;
/// The flag of a tab that keeps its position for everyone.
pub(super) const PINNED: u16 = 1;

/// A named range of a product vector's dimensions, for explanations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The name, for example `category` or `words`.
    pub name: String,
    /// Its first dimension.
    pub start: u16,
    /// The number of its dimensions.
    pub length: u16,
}

/// A product's id from its 16 hex digits, as answers show it.
pub fn product_id(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// A board that has been parsed and checked.
#[derive(Debug)]
pub struct Board {
    pack: Pack,
    meta: Table,
    text: Table,
    channels: Table,
    categories: Table,
    blocks: Table,
    products: Table,
    vectors: Table,
    slots: Table,
    product_slots: Table,
    candidates: Table,
    times: Table,
    tabs: Table,
    weights: Weights,
    counts: Table,
    lists: Table,
    mix: MixTables,
    experiments: Experiments,
    contexts: Contexts,
    audiences: Audiences,
    background: Background,
    tried: Option<Weights>,
    tried_mix: Option<Mix>,
    shared: Shared,
}

impl Board {
    /// Parses and checks the board named `id`.
    ///
    /// # Errors
    /// [`Damage`] if the bytes are not an intact board with that name.
    pub fn parse(bytes: Vec<u8>, id: PackId) -> Result<Self, Damage> {
        let pack = Pack::parse(bytes, Kind::Board)?;
        if pack.id() != id {
            return Err(Damage::WrongId);
        }
        let board = Self::of(pack)?;
        board.check()?;
        Ok(board)
    }

    /// Finds the sections of `pack`.
    fn of(pack: Pack) -> Result<Self, Damage> {
        // One loop: a line of its own for each section would be a kilobyte of the Worker.
        let mut tables = [Table::default(); SECTIONS.len()];
        for (table, (tag, stride)) in tables.iter_mut().zip(SECTIONS) {
            *table = pack.table(tag, stride)?;
        }
        let [meta, text, channels, categories, blocks, products, vectors, slots, product_slots, rest @ ..] = tables;
        let [candidates, times, tabs, counts, lists] = rest;
        let mut board = Self {
            meta,
            text,
            channels,
            categories,
            blocks,
            products,
            vectors,
            slots,
            product_slots,
            candidates,
            times,
            tabs,
            weights: published_weights(&pack)?,
            counts,
            lists,
            mix: MixTables::default(),
            experiments: Experiments::default(),
            contexts: Contexts::default(),
            audiences: Audiences::default(),
            background: Background::default(),
            tried: None,
            tried_mix: None,
            shared: Shared::default(),
            pack,
        };
        board.mix = MixTables::parse(&board.pack, board.products.count)?;
        board.experiments = experiment::parse(&board.pack)?;
        let widths = [board.dimensions(), board.channel_count(), board.tab_count()];
        board.contexts = Contexts::parse(&board.pack, widths)?;
        board.audiences = Audiences::parse(&board.pack)?;
        board.background = Background::parse(&board.pack)?;
        Ok(board)
    }

    fn check(&self) -> Result<(), Damage> {
        let ensure = |fits: bool, tag: [u8; 4]| if fits { Ok(()) } else { Err(Damage::Inconsistent(tag)) };
        let span_fits = |span: Span| self.pack.span(&self.text, span).is_some();
        let spans_fit = |table: &Table, at: &[usize]| {
            (0..table.count).all(|index| at.iter().all(|at| span_fits(Span::at(self.pack.record(table, index), *at))))
        };
        ensure(self.meta.count == 1, META)?;
        ensure(std::str::from_utf8(self.pack.all(&self.text)).is_ok(), TEXT)?;
        ensure(spans_fit(&self.channels, &[0]) && self.channels.count < usize::from(u16::MAX), CHANNELS)?;
        ensure(spans_fit(&self.categories, &[0]) && self.categories.count < usize::from(NO_CATEGORY), CATEGORIES)?;
        ensure(spans_fit(&self.blocks, &[0]), BLOCKS)?;
        ensure(spans_fit(&self.tabs, &[0]), TABS)?;
        ensure(self.vectors.count == self.products.count, VECTORS)?;
        ensure(spans_fit(&self.products, &[8, 16, 24]), PRODUCTS)?;
        for index in 0..self.products.count {
            let product = self.product(index);
            let ascending = index == 0 || self.product(index.saturating_sub(1)).id() < product.id();
            let category_exists = product.category().is_none_or(|category| category < self.categories.count);
            let (start, count) = product.slot_range();
            let slots_exist = start.checked_add(count).is_some_and(|end| end <= self.product_slots.count);
            ensure(ascending && category_exists && slots_exist, PRODUCTS)?;
        }
        ensure(spans_fit(&self.slots, &[16]), SLOTS)?;
        for index in 0..self.slots.count {
            let slot = self.slot(index);
            let ascending = index == 0 || self.slot(index.saturating_sub(1)).starts_at() <= slot.starts_at();
            let exists = slot.product() < self.products.count && slot.channel() < self.channels.count;
            let lasts =
                slot.starts_at() < slot.ends_at() && slot.ends_at().since(slot.starts_at()) <= self.longest_slot_ms();
            ensure(ascending && exists && lasts, SLOTS)?;
        }
        let indexes_exist = |table: &Table, count: usize| {
            (0..table.count).all(|index| to_usize(u32_at(self.pack.record(table, index), 0)) < count)
        };
        ensure(indexes_exist(&self.product_slots, self.slots.count), PRODUCT_SLOTS)?;
        ensure(indexes_exist(&self.candidates, self.products.count), CANDIDATES)?;
        ensure((1..self.times.count).all(|index| self.time(index.saturating_sub(1)) < self.time(index)), TIMES)
    }

    /// The pack's name.
    pub fn id(&self) -> PackId {
        self.pack.id()
    }

    /// The bytes that it holds in memory, including its cache.
    pub fn bytes(&self) -> usize {
        self.pack.bytes().len().saturating_add(self.shared.bytes())
    }

    /// The cache shared by answers from this board.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The underlying pack, for inspection tools.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    fn meta(&self) -> &[u8] {
        self.pack.record(&self.meta, 0)
    }

    /// When the board was built.
    pub fn built_at(&self) -> UnixMillis {
        UnixMillis(i64_at(self.meta(), 0))
    }

    /// The schedule window: the earliest start and the latest end of its slots.
    pub fn window(&self) -> (UnixMillis, UnixMillis) {
        (UnixMillis(i64_at(self.meta(), 8)), UnixMillis(i64_at(self.meta(), 16)))
    }

    /// The start of the broadcast history behind the verdicts.
    pub fn history_from(&self) -> UnixMillis {
        UnixMillis(i64_at(self.meta(), 24))
    }

    /// A hash of the channels, tabs and vector blocks in their order. Tastes fit the board if
    /// theirs is equal.
    pub fn vocabulary(&self) -> u64 {
        u64_at(self.meta(), 32)
    }

    /// The longest slot, in milliseconds.
    pub fn longest_slot_ms(&self) -> i64 {
        i64::from(u32_at(self.meta(), 40)).saturating_mul(SECOND_MS)
    }

    /// The number of dimensions of the product vectors.
    pub fn dimensions(&self) -> usize {
        self.vectors.stride
    }

    /// Ranks by `weights` instead of the published ones, or by the published ones if `None`, to try
    /// out rules before publishing them.
    pub fn try_weights(&mut self, weights: Option<Weights>) {
        self.tried = weights;
    }

    /// The ranking weights in force: those on trial, or else those of the operators' rules.
    pub fn weights(&self) -> Weights {
        self.tried.unwrap_or(self.weights)
    }

    /// The ranking weights of the operators' rules.
    pub fn published_weights(&self) -> Weights {
        self.weights
    }

    /// The mix in force: the one on trial, or else the published one.
    pub fn mix(&self) -> Mix {
        self.tried_mix.unwrap_or(self.mix.mix)
    }

    /// Mixes by `mix` instead of the published one, or by the published one if `None`, to measure
    /// its effect.
    pub fn try_mix(&mut self, mix: Option<Mix>) {
        self.tried_mix = mix;
    }

    /// The floors from contracts.
    pub fn floors(&self) -> &[Floor] {
        &self.mix.floors
    }

    /// Whether what is sold out stands behind the rest on `surface`.
    pub fn puts_sold_out_last(&self, surface: Surface) -> bool {
        self.mix.sold_out_last & surface.bit() != 0
    }

    /// The experiments on shares of viewers.
    pub fn experiments(&self) -> &Experiments {
        &self.experiments
    }

    /// All directives of operators, in the order of their file, whether in force or not.
    pub fn directives(&self) -> impl Iterator<Item = Directive<'_>> {
        self.mix.directives(&self.pack, &self.text)
    }

    /// Whether viewers with equal tastes may see different orders, because exploration or
    /// directives draw by viewer.
    pub fn draws(&self) -> bool {
        self.mix().explore_every > 0 || self.directives().next().is_some()
    }

    /// The named ranges of the product vectors.
    pub fn blocks(&self) -> impl Iterator<Item = Block> {
        (0..self.blocks.count).map(|index| {
            let record = self.pack.record(&self.blocks, index);
            Block {
                name: self.text(Span::at(record, 0)).to_owned(),
                start: u16_at(record, 8),
                length: u16_at(record, 10),
            }
        })
    }

    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.json(span)).unwrap_or_default()
    }

    fn json(&self, span: Span) -> &[u8] {
        self.pack.span(&self.text, span).unwrap_or_default()
    }

    /// The number of channels on the board.
    pub fn channel_count(&self) -> usize {
        self.channels.count
    }

    /// The id of the channel at `index`.
    pub fn channel_id(&self, index: usize) -> &str {
        self.text(Span::at(self.pack.record(&self.channels, index), 0))
    }

    /// The index of the channel with this id.
    pub fn find_channel(&self, id: &str) -> Option<usize> {
        (0..self.channels.count).find(|index| self.channel_id(*index) == id)
    }

    /// The number of categories on the board.
    pub fn category_count(&self) -> usize {
        self.categories.count
    }

    /// The name of the category at `index`.
    pub fn category(&self, index: usize) -> &str {
        self.text(Span::at(self.pack.record(&self.categories, index), 0))
    }

    /// The index of the category with this name.
    pub fn find_category(&self, name: &str) -> Option<usize> {
        (0..self.categories.count).find(|index| self.category(*index) == name)
    }

    /// The number of products on the board.
    pub fn product_count(&self) -> usize {
        self.products.count
    }

    /// The product at `index`; past the end, one of all zeros.
    pub fn product(&self, index: usize) -> Product<'_> {
        Product { board: self, record: self.pack.head(&self.products, index), index }
    }

    /// The index of the product with this id.
    pub fn find_product(&self, id: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.products.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.product(middle).id().cmp(&id) {
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// The indexes of the products whose first broadcast was upcoming or on air when the board was
    /// built, ordered by its start.
    pub fn candidates(&self) -> impl Iterator<Item = usize> {
        (0..self.candidates.count).map(|index| to_usize(u32_at(self.pack.record(&self.candidates, index), 0)))
    }

    /// The number of slots on the board.
    pub fn slot_count(&self) -> usize {
        self.slots.count
    }

    /// The slot at `index`, ordered by start; past the end, one of all zeros.
    pub fn slot(&self, index: usize) -> Slot<'_> {
        Slot { board: self, record: self.pack.head(&self.slots, index) }
    }

    /// The indexes of the slots on air at `now`, ordered by start.
    pub fn on_air(&self, now: UnixMillis) -> impl Iterator<Item = usize> {
        self.between(now, now.plus(1))
    }

    /// The indexes of the slots that end after `from` and start before `to`, ordered by start.
    pub fn between(&self, from: UnixMillis, to: UnixMillis) -> impl Iterator<Item = usize> {
        let earliest = from.plus(self.longest_slot_ms().saturating_neg());
        let first = self.first_slot_after(earliest.plus(-1));
        let end = self.first_slot_after(to.plus(-1));
        (first..end).filter(move |index| self.slot(*index).ends_at() > from)
    }

    /// The index of the first slot that starts after `at`.
    fn first_slot_after(&self, at: UnixMillis) -> usize {
        let (mut low, mut high) = (0, self.slots.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.slot(middle).starts_at() <= at { low = middle.saturating_add(1) } else { high = middle }
        }
        low
    }

    fn time(&self, index: usize) -> UnixMillis {
        UnixMillis::from_seconds(u32_at(self.pack.record(&self.times, index), 0))
    }

    /// The slot boundaries around `now`: the latest start or end up to and including it, and the
    /// earliest after it.
    pub fn boundaries(&self, now: UnixMillis) -> (Option<UnixMillis>, Option<UnixMillis>) {
        let (mut low, mut high) = (0, self.times.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.time(middle) <= now { low = middle.saturating_add(1) } else { high = middle }
        }
        (low.checked_sub(1).map(|index| self.time(index)), (low < self.times.count).then(|| self.time(low)))
    }

    /// The number of tabs in the top bar.
    pub fn tab_count(&self) -> usize {
        self.tabs.count
    }

    /// The tab at `index`, in the shared order.
    pub fn tab(&self, index: usize) -> Tab<'_> {
        Tab { board: self, record: self.pack.record(&self.tabs, index) }
    }

    /// A JSON object with the board's counts, left open for further members.
    pub fn counts_json(&self) -> &[u8] {
        self.pack.all(&self.counts)
    }

    /// The JSON members that list channels and categories.
    pub fn lists_json(&self) -> &[u8] {
        self.pack.all(&self.lists)
    }
}

fn published_weights(pack: &Pack) -> Result<Weights, Damage> {
    let table = pack.table(WEIGHTS, weights_bytes(pack.version()))?;
    let is_whole = table.count == Surface::stored_in(pack.version());
    if is_whole { Ok(weights_of(pack, &table, 0)) } else { Err(Damage::Inconsistent(WEIGHTS)) }
}
