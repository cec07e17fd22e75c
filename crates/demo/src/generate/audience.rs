//! Users with tastes, and their events.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};
use serde::Serialize;
use sinsang_core::event::EventKind;
use sinsang_core::time::{DAY_MS, HOUR_MS, KST_OFFSET_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use sinsang_tables::table::Event;

use super::chance::{pick, weighted};
use super::context::Place;
use super::schedule::{Airing, Schedule, Span};
use super::words::Words;

/// Days before `now` that events cover.
pub(super) const EVENT_DAYS: i64 = 60;
/// Share of users with a single event.
const ONE_EVENT: f64 = 0.02;

/// A user's tastes. Weights are relative.
pub(super) struct Taste {
    pub(super) user_id: String,
    pub(super) persona: Option<String>,
    categories: Vec<f64>,
    /// Indices of category and brand.
    brands: Vec<(u8, u8)>,
    channels: Vec<f64>,
    tabs: Vec<f64>,
    /// 0: the cheap end of a kind's price range; 1: the dear end.
    price: f64,
    hours: Vec<f64>,
    /// Visits in [`EVENT_DAYS`]; 0 stands for a single event.
    sessions: u32,
    place: Place,
}

/// A taste as written to the truth.
#[derive(Serialize)]
pub(super) struct TasteText<'a> {
    user_id: &'a str,
    persona: Option<&'a str>,
    sessions: u32,
    price_level: f64,
    /// Shares of all categories, channels and tabs; the three Korean hours with the highest
    /// weights.
    categories: BTreeMap<&'a str, f64>,
    brands: Vec<&'a str>,
    channels: BTreeMap<&'a str, f64>,
    tabs: BTreeMap<&'a str, f64>,
    hours: Vec<usize>,
    region: Option<&'a str>,
    device_class: Option<&'a str>,
}

impl Taste {
    pub(super) fn text<'a>(&'a self, words: &'a Words) -> TasteText<'a> {
        let shares = |names: Vec<&'a str>, weights: &[f64]| {
            let sum: f64 = weights.iter().sum();
            names.into_iter().zip(weights).map(|(name, w)| (name, (w / sum * 1_000.0).round() / 1_000.0)).collect()
        };
        let mut hours: Vec<usize> = (0..24).collect();
        hours.sort_by(|a, b| self.hours[*b].total_cmp(&self.hours[*a]).then(a.cmp(b)));
        hours.truncate(3);
        TasteText {
            user_id: &self.user_id,
            persona: self.persona.as_deref(),
            sessions: self.sessions,
            price_level: (self.price * 1_000.0).round() / 1_000.0,
            categories: shares(words.categories.iter().map(|c| c.name.as_str()).collect(), &self.categories),
            brands: self
                .brands
                .iter()
                .map(|(category, brand)| words.categories[usize::from(*category)].brand(usize::from(*brand)).0)
                .collect(),
            channels: shares(words.channels.iter().map(|c| c.name.as_str()).collect(), &self.channels),
            tabs: shares(words.tabs.iter().map(|t| t.id.as_str()).collect(), &self.tabs),
            hours,
            region: self.place.region.as_deref(),
            device_class: self.place.device_class,
        }
    }

    /// Whether the user has a single event.
    pub(super) fn is_single(&self) -> bool {
        self.sessions == 0
    }

    /// The user's affinity to an airing: about 0 for indifference, 5 for a favourite. `leaning` is
    /// the context's addition to each category.
    fn affinity(&self, words: &Words, schedule: &Schedule, airing: &Airing, leaning: &[f64]) -> f64 {
        let listing = &schedule.listings[airing.listing as usize];
        let product = &schedule.products[listing.product as usize];
        let attributes = &product.attributes;
        let [low, high] = attributes.kind(words).price;
        let (low, high) = (f64::from(low).ln(), f64::from(high).ln());
        let level = airing.price.map_or(0.5, |p| ((f64::from(p).ln() - low) / (high - low).max(0.1)).clamp(0.0, 1.0));
        let brand = attributes.brand.is_some_and(|brand| self.brands.contains(&(attributes.category, brand)));
        3.0 * (self.categories[usize::from(attributes.category)] + leaning[usize::from(attributes.category)])
            + if brand { 1.6 } else { 0.0 }
            + 1.2 * self.channels[airing.channel]
            - 1.2 * (level - self.price).abs()
    }
}

/// Makes `count` users: the personas first, then random ones. Weights of categories and channels
/// lie between 0 and 1.
pub(super) fn users(words: &Words, count: usize, seed: u64) -> Vec<Taste> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(3);
    let rng = &mut rng;
    let places = words.contexts.places(count, seed);
    let users = (0..count).map(|index| {
        let user_id = format!("u{:06}", index + 1);
        match words.personas.get(index) {
            Some(_) => persona(words, index, user_id),
            None => drawn(words, user_id, rng),
        }
    });
    users.zip(places).map(|(user, place)| Taste { place, ..user }).collect()
}

fn persona(words: &Words, index: usize, user_id: String) -> Taste {
    let persona = &words.personas[index];
    let most = persona.categories.values().copied().fold(0.0, f64::max).max(1.0);
    let brands = words.categories.iter().enumerate().flat_map(|(c, category)| {
        (0..category.brands.len())
            .filter(|b| persona.brands.iter().any(|name| name == category.brand(*b).0))
            .map(move |b| (small(c), small(b)))
    });
    let mut hours = vec![0.15; 24];
    for hour in &persona.hours {
        hours[*hour] += 6.0;
    }
    Taste {
        user_id,
        persona: Some(persona.label.clone()),
        categories: words
            .categories
            .iter()
            .map(|c| persona.categories.get(&c.name).copied().unwrap_or(0.15) / most)
            .collect(),
        brands: brands.collect(),
        channels: words.channels.iter().map(|c| if persona.channels.contains(&c.name) { 1.0 } else { 0.08 }).collect(),
        tabs: words.tabs.iter().map(|t| if persona.tabs.contains(&t.id) { 5.0 } else { 0.5 }).collect(),
        price: persona.price,
        hours,
        sessions: persona.sessions,
        place: Place::default(),
    }
}

fn drawn(words: &Words, user_id: String, rng: &mut ChaCha8Rng) -> Taste {
    // Powers of uniform numbers give few strong and many weak preferences.
    let skewed = |count: usize, power: f64, rng: &mut ChaCha8Rng| -> Vec<f64> {
        (0..count).map(|_| rng.random::<f64>().powf(power).max(0.01)).collect()
    };
    let mut categories = skewed(words.categories.len(), 4.0, rng);
    let favourite = weighted(rng, &words.categories.iter().map(|c| c.weight).collect::<Vec<_>>());
    categories[favourite] = 1.0;
    let brands = (0..rng.random_range(0..4))
        .map(|_| {
            let category = weighted(rng, &categories);
            (small(category), small(rng.random_range(0..words.categories[category].brands.len())))
        })
        .collect();
    let mut tabs = skewed(words.tabs.len(), 2.5, rng);
    for (weight, tab) in tabs.iter_mut().zip(&words.tabs) {
        for name in &tab.categories {
            let liked = words.categories.iter().position(|c| c.name == *name).map_or(0.0, |c| categories[c]);
            *weight += 2.0 * liked;
        }
    }
    let mut hours = vec![0.1; 24];
    let peak = *pick(rng, &[7_usize, 8, 9, 10, 12, 14, 18, 20, 20, 21, 21, 22, 22, 23]);
    for (distance, weight) in [(0, 4.0), (1, 2.0), (23, 2.0), (2, 0.7), (22, 0.7)] {
        hours[(peak + distance) % 24] += weight;
    }
    let sessions = LogNormal::new(1.75_f64, 0.9).map_or(6.0, |d| d.sample(rng)).ceil().min(150.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 150")]
    let sessions = if rng.random_bool(ONE_EVENT) { 0 } else { sessions as u32 };
    Taste {
        user_id,
        persona: None,
        categories,
        brands,
        channels: skewed(words.channels.len(), 5.0, rng),
        tabs,
        price: rng.random(),
        hours,
        sessions,
        place: Place::default(),
    }
}

fn small(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX)
}

/// The events of all users in the last [`EVENT_DAYS`] up to `now`, sorted by time, then user.
pub(super) fn events(
    words: &Words,
    schedule: &Schedule,
    users: &[Taste],
    span: Span,
    now: UnixMillis,
    seed: u64,
) -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(4);
    let from = (now.0 - EVENT_DAYS * DAY_MS).max(span.begin);
    let mut crowd = Crowd { words, schedule, from, now: now.0, events: Vec::new() };
    for user in users {
        if user.is_single() {
            crowd.single(user, &mut rng);
        }
        for _ in 0..user.sessions {
            crowd.session(user, &mut rng);
        }
    }
    let mut events = crowd.events;
    // A stable sort: a user's events within a second stay in order.
    events.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.user_id.cmp(&b.user_id)));
    events
}

struct Crowd<'a> {
    words: &'a Words,
    schedule: &'a Schedule,
    from: i64,
    now: i64,
    events: Vec<Event>,
}

impl<'a> Crowd<'a> {
    fn moment(&self, user: &Taste, rng: &mut ChaCha8Rng) -> Option<i64> {
        let days = ((self.now - self.from) / DAY_MS).max(1);
        let day = UnixMillis(self.from).kst_day() + rng.random_range(0..=days);
        let hour = i64::try_from(weighted(rng, &user.hours)).unwrap_or(0);
        let at = day * DAY_MS - KST_OFFSET_MS + hour * HOUR_MS + rng.random_range(0..HOUR_MS / SECOND_MS) * SECOND_MS;
        (self.from..self.now - 10 * MINUTE_MS).contains(&at).then_some(at)
    }

    /// Airings that start between `from` and `to`.
    fn starting(&self, from: i64, to: i64) -> &'a [Airing] {
        let all = &self.schedule.airings;
        let low = all.partition_point(|airing| airing.start < from);
        let high = all.partition_point(|airing| airing.start < to);
        &all[low..high.max(low)]
    }

    fn add(&mut self, user: &Taste, at: i64, kind: EventKind, airing: Option<&Airing>) {
        let listing = airing.map(|airing| &self.schedule.listings[airing.listing as usize]);
        let on_channel = matches!(kind, EventKind::Alarm | EventKind::LiveEnter);
        let with_listing = listing.filter(|_| kind != EventKind::LiveEnter);
        self.events.push(Event {
            user_id: user.user_id.clone(),
            at: UnixMillis(at),
            kind,
            shop: with_listing.map(|l| self.words.shops[l.shop].name.clone()),
            listing_id: with_listing.map(|l| l.code.clone()),
            product_id: None,
            tab_id: None,
            channel: airing.filter(|_| on_channel).map(|a| self.words.channels[a.channel].name.clone()),
            region: user.place.region.clone(),
            device_class: user.place.device_class,
            amount: airing.filter(|_| kind == EventKind::Purchase).and_then(|airing| airing.price),
        });
    }

    fn single(&mut self, user: &Taste, rng: &mut ChaCha8Rng) {
        let at = (0..16).find_map(|_| self.moment(user, rng)).unwrap_or(self.now - HOUR_MS);
        let around = self.starting(at - HOUR_MS, at + DAY_MS);
        if !around.is_empty() {
            let airing = pick(rng, around);
            self.add(user, at, EventKind::View, Some(airing));
        }
    }

    fn session(&mut self, user: &Taste, rng: &mut ChaCha8Rng) {
        let Some(start) = self.moment(user, rng) else { return };
        let mut at = start;
        let mut step = |rng: &mut ChaCha8Rng| {
            at += rng.random_range(2..25) * SECOND_MS;
            at
        };
        for _ in 0..rng.random_range(1..4) {
            let tab = &self.words.tabs[weighted(rng, &user.tabs)];
            self.events.push(Event {
                user_id: user.user_id.clone(),
                at: UnixMillis(step(rng)),
                kind: EventKind::TabOpen,
                shop: None,
                listing_id: None,
                product_id: None,
                tab_id: Some(tab.id.clone()),
                channel: None,
                region: user.place.region.clone(),
                device_class: user.place.device_class,
                amount: None,
            });
        }
        let around = self.starting(start - HOUR_MS, start + DAY_MS);
        if around.is_empty() {
            return;
        }
        let (words, schedule) = (self.words, self.schedule);
        let leaning = words.contexts.leaning(&words.category_names(), &user.place, UnixMillis(start));
        let leaning = leaning.as_slice();
        let best = |count: usize, rng: &mut ChaCha8Rng| -> Option<(f64, &'a Airing)> {
            let drawn = (0..count).map(|_| pick(rng, around));
            drawn
                .map(|airing| (user.affinity(words, schedule, airing, leaning), airing))
                .max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let mut shown: Vec<(f64, &Airing)> = Vec::new();
        for place in 0..rng.random_range(6..12) {
            // Every other place on the page is chosen for the user.
            shown.extend(best(if place % 2 == 0 { 1 } else { 4 }, rng));
        }
        shown.shuffle(rng);
        let page = step(rng);
        for (_, airing) in &shown {
            self.add(user, page, EventKind::Impression, Some(airing));
        }
        for (affinity, airing) in shown {
            if rng.random_bool(1.0 / (1.0 + (3.6 - 1.1 * affinity).exp())) {
                self.add(user, step(rng), EventKind::Click, Some(airing));
                self.follow(user, affinity, airing, step(rng), rng);
            }
        }
        for _ in 0..rng.random_range(0..3) {
            if let Some((affinity, airing)) = best(10, rng) {
                self.add(user, step(rng), EventKind::View, Some(airing));
                self.follow(user, affinity, airing, step(rng), rng);
            }
        }
        if rng.random_bool(0.45) {
            let on_air: Vec<&Airing> =
                self.starting(start - 4 * HOUR_MS, start + 1).iter().filter(|airing| airing.end > start).collect();
            let weights: Vec<f64> =
                on_air.iter().map(|airing| (user.affinity(words, schedule, airing, leaning)).exp()).collect();
            if let Some(airing) = on_air.get(weighted(rng, &weights)) {
                self.add(user, step(rng), EventKind::LiveEnter, Some(airing));
            }
        }
    }

    /// Follow-ups of a view: an alarm before the broadcast, or a purchase.
    fn follow(&mut self, user: &Taste, affinity: f64, airing: &Airing, at: i64, rng: &mut ChaCha8Rng) {
        let keen = (affinity / 12.0).clamp(0.02, 0.5);
        if airing.start > at && rng.random_bool(keen) {
            self.add(user, at, EventKind::Alarm, Some(airing));
        } else if rng.random_bool(keen * 0.5) {
            self.add(user, at, EventKind::Purchase, Some(airing));
        }
    }
}
