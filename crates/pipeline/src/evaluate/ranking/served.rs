//! Our own ranking on the serving path: learned from tables, packed, read by the edge's reader,
//! scored by the edge's code.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use sinsang_core::pack::board::{Block, Board};
use sinsang_core::pack::board_write::{BoardParts, ChannelPart, ListingPart, ProductPart, SlotPart};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::mix::MixParts;
use sinsang_core::pack::pulse::{self, Pulse};
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Damage, Format, PackId};
use sinsang_core::pulse::{Counter, Deed, Happening, Terms};
use sinsang_core::rank::{self, Candidate, Weights};
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::surface::View;
use sinsang_core::surface::new::{self, Selection};
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserHasher;
use sinsang_taste::judge::{Taker, Window};
use sinsang_taste::matrix::dot;

use super::shop::{SHOP, Shop};
use super::{Error, Options, WINDOW_DAYS};
use crate::compose::{self, Layout, Shards};
use crate::learn::taste::{self, FloatVector, Learned, Offer, Vocabulary};
use crate::read::rules::{MixRules, Ranking};

/// Bytes above which a shard is halved.
const SHARD_BYTES: u32 = 32 * 1024;
/// The key of the user hashes; these users need no secrecy.
const USER_KEY: &[u8] = b"evaluate ranking";

/// The tastes learned before a cut, as served.
pub(super) struct Served {
    pub(super) learned: Learned,
    floats: BTreeMap<String, FloatVector>,
    users: Vec<String>,
    /// Ids of the items.
    ids: Vec<u64>,
    cut: UnixMillis,
    weights: SurfaceWeights,
    board: Board,
    manifest: Manifest,
    shards: BTreeMap<PackId, TasteShard>,
    hasher: UserHasher,
    /// Bytes of a user in a shard: key, vector and weights.
    pub(super) bytes_per_user: usize,
}

impl Served {
    /// Learns, packs and reads back.
    pub(super) async fn learn(
        context: &SessionContext,
        shop: &Shop,
        window: &Window,
        cut: UnixMillis,
        options: &Options,
    ) -> Result<Self, Error> {
        // Items first on offer after the window are not in the catalogue.
        let ids: Vec<u64> = shop.items.iter().map(|item| item.id).collect();
        let id = |item: &usize| ids[*item];
        let end = cut.plus(WINDOW_DAYS * DAY_MS).0;
        let features = shop.features().into_iter().zip(&shop.log.products);
        let features: Vec<_> =
            features.filter(|(_, offered)| offered.first_at < end).map(|(feature, _)| feature).collect();
        let board: BTreeSet<u64> = window.known.iter().chain(&window.new).map(id).collect();
        let vocabulary = Vocabulary { channels: vec![SHOP.to_owned()], ..Vocabulary::default() };
        let offer = Offer { vocabulary: &vocabulary, products: &features, board: &board };
        // The shop's largest customers are not bots: nobody is set aside.
        let Options { half_life_days, tune, .. } = *options;
        let options =
            taste::Options { half_life_days, tune, max_events_per_user: u64::MAX, ..taste::Options::default() };
        let (mut users, mut floats) = (Vec::new(), BTreeMap::new());
        let learned = taste::learn(context, &offer, &options, cut.plus(-1), |user, float| {
            floats.insert(user.user_id.clone(), *float);
            users.push(user);
        });
        let learned = learned.await?;
        let weights = weights(learned.model.spread());

        let new: BTreeSet<u64> = window.new.iter().map(id).collect();
        let verdict = |id: &u64| if new.contains(id) { VerdictKind::New } else { VerdictKind::Repeat };
        let products = features.iter().filter(|feature| board.contains(&feature.product));
        let products = products.map(|feature| product(feature, verdict(&feature.product), &learned, cut)).collect();
        let parts = BoardParts {
            format: Format::Two,
            built_at: cut,
            history_from: cut,
            blocks: vec![Block { name: "taste".to_owned(), start: 0, length: 64 }],
            channels: vec![ChannelPart { id: "log".to_owned(), name: SHOP.to_owned(), shop: SHOP.to_owned() }],
            categories: Vec::new(),
            products,
            slots: board.iter().map(|product| slot(*product, cut)).collect(),
            tabs: Vec::new(),
            weights: Weights { new: weights, ..Weights::default() },
            mix: MixParts { mix: MixRules::default().mix(), ..MixParts::default() },
        };
        let hasher = UserHasher::new(USER_KEY).ok_or(Error::Damaged(Damage::Truncated))?;
        let (channels, tabs, blocks) = (parts.channels.clone(), parts.tabs.clone(), parts.blocks.clone());
        let mut shards = Shards::new(&Layout { channels, tabs, blocks, unnamed: Vec::new() }, 0);
        for user in &mut users {
            user.user_id = hasher.key(&user.user_id).to_string();
            shards.add(user);
        }
        let mut packs = compose::packs(&parts, &shards, SHARD_BYTES)?;
        let (manifest, _) = packs.manifest.write()?;
        let board = packs.packs.remove(&packs.manifest.board).unwrap_or_default();
        let read: Result<BTreeMap<PackId, TasteShard>, Damage> =
            packs.packs.into_iter().map(|(id, bytes)| Ok((id, TasteShard::parse(bytes, id)?))).collect();
        Ok(Self {
            learned,
            floats,
            users: window.users.iter().map(|user| shop.users[*user].clone()).collect(),
            ids,
            cut,
            weights,
            board: Board::parse(board, packs.manifest.board)?,
            manifest: Manifest::parse(manifest)?,
            shards: read?,
            hasher,
            bytes_per_user: shards.user_bytes(),
        })
    }

    /// The scores before rounding.
    pub(super) fn float_scores(&self, user: usize, items: &[usize]) -> Vec<f64> {
        let Some(vector) = self.users.get(user).and_then(|user| self.floats.get(user)) else {
            return vec![0.0; items.len()];
        };
        items.iter().map(|item| dot(vector, &self.learned.product_float(self.ids[*item]))).collect()
    }

    /// The scores that the edge computes from packs.
    pub(super) fn scores(&self, taker: &Taker, items: &[usize], pulse: Option<&Pulse>) -> Vec<f64> {
        let taste = self.users.get(taker.row).and_then(|user| self.taste(user));
        // Only tastes and counts: there are no broadcasts, and the items' properties are in the
        // vectors.
        let weights = self.weights;
        let score = |item: &usize| {
            let vector = self.board.find_product(self.ids[*item]).map_or(&[][..], |at| self.board.product(at).vector());
            let candidate =
                Candidate { vector, channel: 0, starts_at: self.cut, ends_at: self.cut.plus(DAY_MS), popularity: 0 };
            let own = rank::score(&candidate, taste.as_ref(), &weights, self.cut).total();
            // As in the live order; new items are in nobody's notes.
            let near = taste.map_or(0, |taste| taste.memory(self.ids[*item]).max(0));
            let own = own + i64::from(self.board.mix().near.saturating_sub(1)) * near;
            let counts = pulse.and_then(|pulse| pulse.find(self.ids[*item])).unwrap_or_default();
            (own + i64::from(weights.pulse) * rank::pulse(counts.interest())) as f64
        };
        items.iter().map(score).collect()
    }

    /// New items by their places in the new-product tab, mixed with the defaults.
    pub(super) fn mixed(&self, window: &Window, taker: &Taker) -> Vec<f64> {
        let user = self.users.get(taker.row);
        let view = View {
            taste: user.and_then(|user| self.taste(user)),
            viewer: user.map_or(0, |user| self.hasher.key(user).0),
            ..View::shared(&self.board, self.cut)
        };
        let selection = Selection::recommended(self.cut, usize::MAX);
        let shown = new::page(&view, &selection).products;
        let places: BTreeMap<u64, usize> =
            shown.iter().zip(0..).map(|(index, place)| (self.board.product(*index).id(), place)).collect();
        window.new.iter().map(|item| places.get(&self.ids[*item]).map_or(f64::MIN, |place| -(*place as f64))).collect()
    }

    fn taste(&self, user: &str) -> Option<Taste<'_>> {
        let key = self.hasher.key(user).0;
        let shard = self.shards.get(&self.manifest.shard_of(key)?)?;
        Some(Taste::cut(shard.find(key)?, shard.widths()))
    }
}

/// The terms of counting for a shop, which sells a new item for weeks; a broadcast sells its
/// product for hours.
pub(super) const WEEKS: Terms = Terms { half_life_ms: WINDOW_DAYS * DAY_MS, window_ms: WINDOW_DAYS * DAY_MS };

/// The pulse at each time at which a taker first came. Acts of the window go through the counter of
/// the event consumer, and the edge's reader reads its output.
pub(super) fn pulses(shop: &Shop, window: &Window, terms: Terms) -> Result<BTreeMap<i64, Pulse>, Error> {
    let came: BTreeSet<i64> = window.new_takers.iter().map(|taker| taker.came_at).collect();
    let (mut counter, mut next) = (Counter::new(terms), 0);
    let mut pulses = BTreeMap::new();
    for came_at in came {
        while let Some((item, at, user)) = window.debuts.get(next).filter(|(_, at, _)| *at < came_at) {
            let at = UnixMillis(*at);
            let (product, viewer) = (shop.items[*item].id, *user as u64);
            counter.count(&Happening { product, viewer, is_signed: true, deed: Deed::Purchase, at }, at);
            next += 1;
        }
        let now = UnixMillis(came_at);
        pulses.insert(came_at, Pulse::parse(pulse::write(&counter.counts(pulse::MAX_COUNTS, now), now)?)?);
    }
    Ok(pulses)
}

/// The weights of tastes, and of live counts if there are any.
fn weights(spread: f64) -> SurfaceWeights {
    let Weights { new: defaults, .. } = compose::strength::calibrated(Ranking::default().0, spread);
    SurfaceWeights { taste: defaults.taste, pulse: defaults.pulse, ..SurfaceWeights::default() }
}

fn product(
    feature: &taste::ProductFeatures<'_>,
    verdict: VerdictKind,
    learned: &Learned,
    cut: UnixMillis,
) -> ProductPart {
    ProductPart {
        id: feature.product,
        title: feature.title.to_owned(),
        price: feature.price,
        listings: vec![listing(feature.product)],
        verdict,
        verdict_first: "{}".to_owned(),
        verdict_later: "{}".to_owned(),
        first: (cut, cut.plus(WINDOW_DAYS * DAY_MS)),
        vector: learned.product_vector(feature.product).to_vec(),
        ..ProductPart::default()
    }
}

fn slot(product: u64, cut: UnixMillis) -> SlotPart {
    let ends_at = cut.plus(WINDOW_DAYS * DAY_MS);
    SlotPart { product, channel: 0, starts_at: cut, ends_at, listing: listing(product), price: None }
}

fn listing(product: u64) -> ListingPart {
    ListingPart { shop: SHOP.to_owned(), listing_id: product.to_string() }
}
