//! The schedule: which channel airs which listing and when, and how products return under other
//! codes and wordings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use indicatif::ProgressBar;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, LogNormal};
use sinsang_core::time::{DAY_MS, HOUR_MS, KST_OFFSET_MS, MINUTE_MS, UnixMillis};

use super::chance::{pick, weighted};
use super::product::{Maker, Product};
use super::title::{BrandForm, Difference, Wording, difference, pack_factor};
use super::words::Words;

mod sale;

pub(super) use sale::Origin;
use sale::{Listing, sale_price, whole};

/// Share of slots with a code that has not aired before, in the records or earlier.
const FIRST_SEEN: f64 = 0.202;
/// Among new codes of known products, the share with a title that another code had before; the rest
/// are reworded.
const SAME_TITLE: f64 = 0.545;
/// Maximum number of airings of one code.
const MOST_AIRINGS: u16 = 92;
/// Slot lengths in minutes with their weights.
const LENGTHS: [(i64, f64); 22] = [
    (4, 0.05),
    (5, 1.8),
    (10, 1.0),
    (15, 0.6),
    (20, 1.4),
    (30, 3.2),
    (35, 1.0),
    (40, 3.6),
    (45, 1.4),
    (50, 6.0),
    (55, 4.0),
    (60, 54.0),
    (65, 9.0),
    (70, 13.5),
    (75, 0.8),
    (80, 0.8),
    (90, 0.9),
    (100, 0.4),
    (120, 0.6),
    (150, 0.2),
    (180, 0.15),
    (210, 0.1),
];

/// One slot of a listing. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub(super) struct Airing {
    pub(super) listing: u32,
    pub(super) channel: usize,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) title: usize,
    pub(super) price: Option<u32>,
    pub(super) reviews: Option<u32>,
}

/// The complete schedule, airings sorted by start.
pub(super) struct Schedule {
    pub(super) products: Vec<Product>,
    pub(super) listings: Vec<Listing>,
    pub(super) airings: Vec<Airing>,
    /// Number of reworded relistings by difference.
    pub(super) differences: BTreeMap<Difference, u32>,
}

/// A period in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) begin: i64,
    pub(super) end: i64,
}

/// Fills every channel from `span.begin` to `span.end`. `really_new` is the share (0 to 1) of
/// really new products among codes never seen. Advances `progress` by one each day.
pub(super) fn schedule(words: &Words, span: Span, really_new: f64, seed: u64, progress: &ProgressBar) -> Schedule {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let mut world = World {
        words,
        span,
        really_new,
        maker: Maker::new(words),
        due: (0..words.channels.len()).map(|_| BinaryHeap::new()).collect(),
        by_shop: vec![Vec::new(); words.shops.len()],
        relisted: Vec::new(),
        titles: HashMap::new(),
        next_code: words.shops.iter().map(|shop| 10_u64.pow(shop.codes.saturating_sub(1))).collect(),
        out: Schedule { products: Vec::new(), listings: Vec::new(), airings: Vec::new(), differences: BTreeMap::new() },
    };
    world.fill(&mut rng, progress);
    world.out
}

struct World<'w> {
    words: &'w Words,
    span: Span,
    really_new: f64,
    maker: Maker,
    /// For each channel, the listings to air again and when.
    due: Vec<BinaryHeap<Reverse<(i64, u32)>>>,
    /// Listings of each shop, oldest first.
    by_shop: Vec<Vec<u32>>,
    /// Listings relisted under the same title.
    relisted: Vec<u32>,
    /// The product of each title, so that no two products share a title.
    titles: HashMap<String, u32>,
    next_code: Vec<u64>,
    out: Schedule,
}

impl World<'_> {
    fn fill(&mut self, rng: &mut ChaCha8Rng, progress: &ProgressBar) {
        let mut next: Vec<i64> =
            self.words.channels.iter().map(|_| self.span.begin + rng.random_range(0..12) * 5 * MINUTE_MS).collect();
        let mut mood = (i64::MIN, 1.0);
        loop {
            let Some((channel, start)) = next.iter().copied().enumerate().min_by_key(|(channel, at)| (*at, *channel))
            else {
                return;
            };
            if start >= self.span.end {
                return;
            }
            let day = UnixMillis(start).kst_day();
            if mood.0 != day {
                progress.inc(1);
                // Some days have many short slots, others few long ones.
                mood = (day, LogNormal::new(0.0_f64, 0.75).map_or(1.0, |d| d.sample(rng)));
            }
            let length = Self::length(mood.1, rng);
            let end = start + length * MINUTE_MS;
            self.slot(channel, start, end, rng);
            next[channel] = self.after_rest(channel, end);
        }
    }

    fn length(mood: f64, rng: &mut ChaCha8Rng) -> i64 {
        let weights = LENGTHS.map(|(minutes, weight)| if minutes < 60 { weight * mood } else { weight });
        LENGTHS[weighted(rng, &weights)].0
    }

    /// `at` rounded up to five minutes, or the end of the channel's rest if `at` lies within it.
    fn after_rest(&self, channel: usize, at: i64) -> i64 {
        let step = 5 * MINUTE_MS;
        let at = at + (step - at.rem_euclid(step)) % step;
        match self.words.channels[channel].rest {
            Some([from, to]) if (from..to).contains(&UnixMillis(at).kst_hour()) => {
                UnixMillis(at).kst_day() * DAY_MS - KST_OFFSET_MS + i64::from(to) * HOUR_MS
            }
            _ => at,
        }
    }

    fn slot(&mut self, channel: usize, start: i64, end: i64, rng: &mut ChaCha8Rng) {
        let shop = self.words.channels[channel].shop;
        #[expect(clippy::cast_precision_loss, reason = "a span of days")]
        let day = (start - self.span.begin) as f64 / DAY_MS as f64;
        let stock = 0.65 * (-day / 11.0).exp() + 0.03 + 0.075 * (-day / 90.0).exp();
        let draw = rng.random::<f64>();
        let listing = if draw < stock {
            self.stock(channel, rng)
        } else if draw < stock + FIRST_SEEN {
            if rng.random_bool(self.really_new) {
                self.new_product(channel, start, rng)
            } else {
                self.relist(channel, start, rng.random_bool(SAME_TITLE), rng)
            }
        } else if let Some(listing) = self.again(channel, shop, start, rng) {
            listing
        } else {
            self.relist(channel, start, rng.random_bool(SAME_TITLE), rng)
        };
        self.air(listing, channel, start, end, rng);
        if let Some(twin) = self.out.listings[listing as usize].twin {
            self.air(twin, channel, start, end, rng);
        }
    }

    /// A listing of the shop that is due to air again.
    fn again(&mut self, channel: usize, shop: usize, start: i64, rng: &mut ChaCha8Rng) -> Option<u32> {
        while let Some(Reverse((at, listing))) = self.due[channel].peek().copied()
            && at <= start + DAY_MS
        {
            self.due[channel].pop();
            // It may have had its last airing since: other listings are picked at random in
            // between.
            if self.out.listings[listing as usize].aired < MOST_AIRINGS {
                return Some(listing);
            }
        }
        let known = &self.by_shop[shop];
        if known.is_empty() {
            return None;
        }
        (0..8).map(|_| *pick(rng, known)).find(|id| {
            let listing = &self.out.listings[*id as usize];
            listing.last_at < start - 5 * HOUR_MS
                && !listing.one_day
                && listing.aired < MOST_AIRINGS
                && listing.origin != Origin::Twin
                && (listing.home == channel || listing.roams)
        })
    }

    fn air(&mut self, id: u32, channel: usize, start: i64, end: i64, rng: &mut ChaCha8Rng) {
        let shop_channels = &self.words.shops[self.words.channels[channel].shop].channels;
        let recorded = self.out.listings[id as usize].last_at >= self.span.begin;
        if recorded && self.out.listings[id as usize].retitles && rng.random_bool(0.35) {
            self.retitle(id, rng);
        }
        let listing = &mut self.out.listings[id as usize];
        let title = if listing.titles.len() > 1 && rng.random_bool(0.4) {
            rng.random_range(0..listing.titles.len())
        } else {
            listing.titles.len() - 1
        };
        if recorded && rng.random_bool(0.03) {
            // A promotion begins or ends here.
            let factor = if rng.random_bool(0.5) { 0.57 } else { 1.74 };
            listing.price = listing.price.map(|price| sale_price(f64::from(price) * factor));
        }
        listing.last_at = start;
        if listing.aired == 0 && listing.origin != Origin::Stock {
            listing.first_at = start;
        }
        listing.aired += 1;
        let rests = listing.origin == Origin::Twin || listing.left == 0 || listing.aired >= MOST_AIRINGS;
        self.out.airings.push(Airing {
            listing: id,
            channel,
            start,
            end,
            title,
            price: listing.price,
            reviews: listing.reviews,
        });
        if let Some(reviews) = &mut listing.reviews {
            let more = LogNormal::new(1.2_f64, 1.3).map_or(0.0, |d| d.sample(rng));
            *reviews = reviews.saturating_add(whole(more));
        }
        // A twin airs with its other half.
        if rests {
            return;
        }
        listing.left -= 1;
        let wait = if listing.one_day {
            let midnight = (UnixMillis(start).kst_day() + 1) * DAY_MS - KST_OFFSET_MS;
            (start + rng.random_range(3..7) * HOUR_MS).min(midnight - HOUR_MS).max(start + HOUR_MS) - start
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "at most some hundred days"
            )]
            let ms = (listing.gap_days * rng.random_range(0.3..1.7) * DAY_MS as f64) as i64;
            ms.max(4 * HOUR_MS)
        };
        let channel = if listing.roams { *pick(rng, shop_channels) } else { channel };
        self.due[channel].push(Reverse((start + wait, id)));
    }

    fn retitle(&mut self, id: u32, rng: &mut ChaCha8Rng) {
        let listing = &self.out.listings[id as usize];
        let product = &self.out.products[listing.product as usize];
        let mut wording = listing.wording.clone();
        wording.differ(difference(rng), product, self.words, rng);
        let title = wording.title(product, self.words);
        let owner = *self.titles.entry(title.clone()).or_insert(listing.product);
        if owner == listing.product && listing.titles.len() < 4 && !listing.titles.contains(&title) {
            let listing = &mut self.out.listings[id as usize];
            listing.titles.push(title);
            listing.wording = wording;
        }
    }

    fn stock(&mut self, channel: usize, rng: &mut ChaCha8Rng) -> u32 {
        let ago: f64 = Exp1.sample(rng);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some years at most")]
        let first_at = self.span.begin - HOUR_MS - (ago.min(12.0) * 110.0 * DAY_MS as f64) as i64;
        let product = self.make(first_at, true, 0.15, rng);
        let wording = self.unseen(product, None, rng);
        let reviews = whole(LogNormal::new(5.0_f64, 1.6).map_or(80.0, |d| d.sample(rng)));
        let id = self.list(product, channel, wording, Origin::Stock, rng);
        let listing = &mut self.out.listings[id as usize];
        listing.first_at = first_at;
        listing.last_at = first_at;
        listing.reviews = listing.reviews.map(|_| reviews);
        id
    }

    fn new_product(&mut self, channel: usize, start: i64, rng: &mut ChaCha8Rng) -> u32 {
        let product = self.make(start, false, 0.2, rng);
        let wording = self.unseen(product, None, rng);
        self.list(product, channel, wording, Origin::New, rng)
    }

    /// A known product under a new code, with the same title or in other words.
    fn relist(&mut self, channel: usize, start: i64, same_title: bool, rng: &mut ChaCha8Rng) -> u32 {
        let shop = self.words.channels[channel].shop;
        let on_same_shop = rng.random_bool(if same_title { 0.8 } else { 0.4 });
        let other_channel = !same_title || rng.random_bool(0.25);
        let list: &[u32] = if same_title && !self.relisted.is_empty() && rng.random_bool(0.15) {
            &self.relisted
        } else if on_same_shop {
            &self.by_shop[shop]
        } else {
            &[]
        };
        let all = u32::try_from(self.out.listings.len()).unwrap_or(u32::MAX);
        if all == 0 {
            return self.stock(channel, rng);
        }
        let mut from = None;
        for _ in 0..16 {
            let id = if list.is_empty() { rng.random_range(0..all) } else { *pick(rng, list) };
            let listing = &self.out.listings[id as usize];
            if listing.last_at < start - 6 * HOUR_MS
                && listing.last_at >= self.span.begin
                && listing.origin != Origin::Twin
                && (listing.shop == shop) == on_same_shop
                && (listing.home == channel || !on_same_shop || other_channel)
            {
                from = Some(id);
                break;
            }
        }
        let Some(from) = from else { return self.stock(channel, rng) };
        let source = self.out.listings[from as usize].clone();
        let wording =
            if same_title { source.wording.clone() } else { self.unseen(source.product, Some(&source.wording), rng) };
        let origin = if same_title { Origin::SameTitle } else { Origin::Reworded };
        let id = self.list(source.product, channel, wording, origin, rng);
        if same_title {
            self.relisted.push(from);
        }
        let carried = match (on_same_shop, rng.random::<f64>()) {
            // The shop carries the reviews over, or has sold the product outside the programme.
            (true, p) if p < 0.35 => source.reviews,
            (_, p) if p > 0.78 => Some(whole(LogNormal::new(4.8_f64, 1.4).map_or(40.0, |d| d.sample(rng)))),
            _ => None,
        };
        let listing = &mut self.out.listings[id as usize];
        if let (Some(reviews), Some(carried)) = (&mut listing.reviews, carried) {
            *reviews = (*reviews).max(carried);
        }
        if listing.image.is_none() {
            listing.image.clone_from(&source.image);
        }
        id
    }

    fn make(&mut self, first_at: i64, censored: bool, sibling: f64, rng: &mut ChaCha8Rng) -> u32 {
        let mut made = None;
        if !self.out.products.is_empty() && rng.random_bool(sibling) {
            let from = rng.random_range(0..self.out.products.len());
            made = self.maker.sibling(self.words, &self.out.products[from], first_at, censored, rng);
        }
        let product = made.unwrap_or_else(|| self.maker.product(self.words, first_at, censored, rng));
        self.out.products.push(product);
        u32::try_from(self.out.products.len() - 1).unwrap_or(u32::MAX)
    }

    /// An unused wording of `product`: its first one, or a variation of `from`.
    fn unseen(&mut self, id: u32, from: Option<&Wording>, rng: &mut ChaCha8Rng) -> Wording {
        let product = &self.out.products[id as usize];
        let mut wording = from.cloned().unwrap_or_else(|| Wording::first(product, self.words, rng));
        let mut used = Vec::new();
        for _ in 0..24 {
            if from.is_some() {
                let difference = difference(rng);
                wording.differ(difference, product, self.words, rng);
                used.push(difference);
                // Half of the pairs have one difference, the rest more.
                if rng.random_bool(0.3) {
                    continue;
                }
            }
            if !self.titles.contains_key(&wording.title(product, self.words)) {
                break;
            }
            if from.is_none() {
                wording = Wording::first(product, self.words, rng);
            }
        }
        used.sort_unstable();
        used.dedup();
        for difference in used {
            *self.out.differences.entry(difference).or_default() += 1;
        }
        wording
    }

    fn list(&mut self, id: u32, channel: usize, wording: Wording, origin: Origin, rng: &mut ChaCha8Rng) -> u32 {
        let listing = self.listing(id, channel, wording, origin, rng);
        let has_twin = origin != Origin::Stock && listing.price.is_some() && rng.random_bool(0.04);
        let twin = has_twin.then(|| {
            let mut twin = self.listing(id, channel, listing.wording.clone(), Origin::Twin, rng);
            twin.wording.pay(self.words, 1);
            twin.titles = vec![twin.wording.title(&self.out.products[id as usize], self.words)];
            twin.price = listing.price.map(|price| sale_price(f64::from(price) * 0.95));
            twin.retitles = false;
            self.push(twin)
        });
        let id = self.push(listing);
        self.out.listings[id as usize].twin = twin;
        id
    }

    fn push(&mut self, listing: Listing) -> u32 {
        let id = u32::try_from(self.out.listings.len()).unwrap_or(u32::MAX);
        self.titles.entry(listing.titles[0].clone()).or_insert(listing.product);
        self.by_shop[listing.shop].push(id);
        self.out.listings.push(listing);
        id
    }

    fn listing(&mut self, id: u32, channel: usize, wording: Wording, origin: Origin, rng: &mut ChaCha8Rng) -> Listing {
        let words = self.words;
        let shop = words.channels[channel].shop;
        let product = &self.out.products[id as usize];
        let category = product.attributes.category(words);
        // A listing whose title omits the brand has it in the brand field: otherwise nobody could
        // tell it.
        let told = wording.brand == BrandForm::Omitted;
        let brand = match (product.attributes.brand(words), rng.random::<f64>()) {
            (Some((korean, _)), p) if told || p < 0.815 => Some(korean.to_owned()),
            (Some((_, latin)), p) if p < 0.85 => Some(latin.to_owned()),
            (_, p) if p < 0.93 => None,
            _ => Some(pick(rng, &words.phrases.no_brand).clone()),
        };
        let price = product.price * pack_factor(product.attributes.kind(words).pack, wording.quantity);
        let price = match rng.random_range(0..20) {
            0 => price * 0.57,
            1 => price * 1.5,
            _ => price * rng.random_range(0.9..1.08),
        };
        let price = (!rng.random_bool(category.no_price)).then(|| sale_price(price));
        let list_price = price
            .filter(|_| rng.random_bool(0.45))
            .map(|price| sale_price(f64::from(price) * rng.random_range(1.1..1.7)));
        let one_day = rng.random_bool(0.5);
        let left = if one_day {
            u16::from(rng.random_bool(0.22))
        } else {
            let more: f64 = LogNormal::new(0.75_f64, 1.15).map_or(1.0, |d| d.sample(rng));
            u16::try_from(whole(more)).unwrap_or(u16::MAX).clamp(1, MOST_AIRINGS - 1)
        };
        let step = rng.random_range(1..30_u64);
        self.next_code[shop] += step;
        Listing {
            product: id,
            shop,
            code: self.next_code[shop].to_string(),
            titles: vec![wording.title(product, words)],
            wording,
            brand,
            price,
            list_price,
            image: rng.random_bool(0.01).then(|| format!("https://example.invalid/image/{id}.jpg")),
            origin,
            first_at: self.span.begin,
            reviews: rng.random_bool(0.88).then(|| if rng.random_bool(0.85) { 0 } else { rng.random_range(1..10) }),
            one_day,
            left,
            aired: 0,
            home: channel,
            gap_days: (100.0 / f64::from(left.max(1))).min(14.0),
            roams: words.shops[shop].channels.len() > 1 && rng.random_bool(0.07),
            retitles: rng.random_bool(0.34),
            twin: None,
            last_at: i64::MIN,
        }
    }
}
