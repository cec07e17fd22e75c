//! A made-up audience whose tastes are known.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, LogNormal, weighted::WeightedIndex};
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};
use sinsang_pipeline::learn::taste::{
    Error, FloatVector, Learned, Offer, Options, ProductFeatures, Report, UserTaste, Vocabulary, learn,
};

use super::{BRANDS, CATEGORIES, CATEGORY_NAMES, KNOWN, PRODUCTS};

pub(super) fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339("2026-11-22T12:00:00+09:00").unwrap()
}

#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) title: String,
    pub(super) brand: String,
    pub(super) category: usize,
    pub(super) price: u32,
    pub(super) popularity: f64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) user: String,
    pub(super) at: i64,
    pub(super) kind: &'static str,
    pub(super) shop: Option<String>,
    pub(super) listing: Option<String>,
    pub(super) product: Option<String>,
    pub(super) tab: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) region: Option<String>,
    pub(super) device: Option<&'static str>,
}

pub(super) fn event(user: &str, age_ms: i64, kind: &'static str) -> Event {
    Event { user: user.to_owned(), at: now().plus(-age_ms).0, kind, ..Event::default() }
}

pub(super) fn of_product(event: Event, at: usize) -> Event {
    Event { shop: Some("GS샵".to_owned()), listing: Some(format!("L{at}")), ..event }
}

/// Products, and users who like one category most, then a second one, and a brand of the first.
pub(super) struct World {
    pub(super) products: Vec<Product>,
    pub(super) likes: Vec<(usize, usize, String)>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let popularity = LogNormal::new(0.0, 1.0).unwrap();
        let products: Vec<Product> = (0..PRODUCTS)
            .map(|at| {
                let category = at % CATEGORIES;
                let brand = category * BRANDS / CATEGORIES + rng.random_range(0..BRANDS / CATEGORIES);
                let title = format!("물건{category}{} 꾸밈{}", rng.random_range(0..10), rng.random_range(0..20));
                let price = 12_000 * (category as u32 + 1) + rng.random_range(0..40_000);
                Product {
                    title,
                    brand: format!("브랜드{brand}"),
                    category,
                    price,
                    popularity: popularity.sample(&mut rng),
                }
            })
            .collect();
        let likes = (0..120)
            .map(|user| {
                let (first, second) = (user % CATEGORIES, rng.random_range(0..CATEGORIES));
                (
                    first,
                    second,
                    format!("브랜드{}", first * BRANDS / CATEGORIES + rng.random_range(0..BRANDS / CATEGORIES)),
                )
            })
            .collect();
        Self { products, likes }
    }

    /// How much a user likes a product: from 1 for any, to about 33 for the brand in the category.
    pub(super) fn gain(&self, user: usize, product: &Product) -> f64 {
        let (first, second, brand) = &self.likes[user];
        let liked = 3.0 * f64::from(u8::from(product.category == *first))
            + 1.5 * f64::from(u8::from(product.category == *second && second != first))
            + 2.0 * f64::from(u8::from(product.brand == *brand));
        liked.exp2()
    }

    /// 30 events a user over 40 days, on known products only, on the category's channel and in the
    /// user's hours.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut events = Vec::new();
        for user in 0..self.likes.len() {
            let odds = self.products.iter().take(KNOWN).map(|product| product.popularity * self.gain(user, product));
            let odds = WeightedIndex::new(odds).unwrap();
            for _ in 0..30 {
                let product = odds.sample(&mut rng);
                let kind =
                    *["view", "view", "click", "click", "alarm", "purchase"].get(rng.random_range(0..6)).unwrap();
                // The user's own part of the day; the time of the build is noon.
                let age_ms = rng.random_range(1..40) * DAY_MS + (12 - 3 * (user % 8) as i64) * HOUR_MS - MINUTE_MS;
                events.push(of_product(event(&user_name(user), age_ms, kind), product));
            }
            let tab = Some(["new", "live", "best"][user % 3].to_owned());
            events.extend(
                (0..10).map(|day| Event { tab: tab.clone(), ..event(&user_name(user), day * DAY_MS, "tab_open") }),
            );
        }
        events
    }

    pub(super) fn features(&self) -> impl Iterator<Item = ProductFeatures<'_>> + Clone {
        self.products.iter().enumerate().map(|(at, product)| ProductFeatures {
            product: product_id(at),
            title: &product.title,
            brand: Some(&product.brand),
            category: CATEGORY_NAMES.get(product.category).copied(),
            price: Some(product.price),
        })
    }

    pub(super) fn vocabulary() -> Vocabulary {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Vocabulary {
            channels: owned(&["채널0", "채널1", "채널2", "채널3"]),
            tabs: owned(&["new", "live", "best"]),
            categories: owned(&CATEGORY_NAMES),
        }
    }

    pub(super) async fn learn(
        &self,
        events: &[Event],
        reading: Reading,
        options: &Options,
    ) -> (Vec<UserTaste>, Report) {
        let (tastes, _, learned) = self.learn_all(events, reading, options).await;
        (tastes, learned.report)
    }

    pub(super) async fn learn_all(
        &self,
        events: &[Event],
        reading: Reading,
        options: &Options,
    ) -> (Vec<UserTaste>, Vec<FloatVector>, Learned) {
        let ctx = self.context(events, reading);
        let (mut tastes, mut floats) = (Vec::new(), Vec::new());
        let learned = self.learn_from(&ctx, options, |taste, float| {
            tastes.push(taste);
            floats.push(*float);
        });
        let learned = learned.await.unwrap();
        (tastes, floats, learned)
    }

    pub(super) async fn learn_from(
        &self,
        ctx: &SessionContext,
        options: &Options,
        sink: impl FnMut(UserTaste, &FloatVector),
    ) -> Result<Learned, Error> {
        let (vocabulary, products) = (Self::vocabulary(), self.features().collect::<Vec<_>>());
        let board: BTreeSet<u64> = products.iter().map(|product| product.product).collect();
        let offer = Offer { vocabulary: &vocabulary, products: &products, board: &board };
        learn(ctx, &offer, options, now(), sink).await
    }

    pub(super) fn context(&self, events: &[Event], reading: Reading) -> SessionContext {
        let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(reading.partitions));
        let size = events.len().div_ceil(reading.partitions).max(1);
        let mut parts: Vec<Vec<RecordBatch>> = events.chunks(size).map(|part| vec![event_batch(part)]).collect();
        if parts.is_empty() {
            parts.push(vec![event_batch(&[])]);
        }
        let schema = event_batch(&[]).schema();
        ctx.register_table("events", Arc::new(MemTable::try_new(schema, parts).unwrap())).unwrap();
        let listings = batch(&[
            ("shop", texts(self.products.iter().map(|_| Some("GS샵")))),
            ("listing_id", texts((0..PRODUCTS).map(|at| Some(format!("L{at}"))))),
            ("product", texts((0..PRODUCTS).map(|at| Some(format!("{:016x}", product_id(at)))))),
            ("channel", texts(self.products.iter().map(|product| Some(format!("채널{}", product.category % 4))))),
        ]);
        ctx.register_batch("listing_products", listings).unwrap();
        ctx
    }
}

#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) partitions: usize,
}

pub(super) fn user_name(user: usize) -> String {
    format!("u{user:06}")
}

pub(super) fn product_id(at: usize) -> u64 {
    0xa000_0000_0000_0000 + at as u64
}

pub(super) fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

pub(super) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, of)| Field::new(*name, of.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.iter().map(|(_, of)| Arc::clone(of)).collect()).unwrap()
}

pub(super) fn event_batch(events: &[Event]) -> RecordBatch {
    let column = |of: fn(&Event) -> Option<&str>| texts(events.iter().map(of));
    let batch = batch(&[
        ("user_id", column(|event| (!event.user.is_empty()).then_some(event.user.as_str()))),
        ("at", Arc::new(events.iter().map(|event| Some(event.at)).collect::<Int64Array>())),
        ("kind", column(|event| Some(event.kind))),
        ("shop", column(|event| event.shop.as_deref())),
        ("listing_id", column(|event| event.listing.as_deref())),
        ("product_id", column(|event| event.product.as_deref())),
        ("tab_id", column(|event| event.tab.as_deref())),
        ("channel", column(|event| event.channel.as_deref())),
        ("region", column(|event| event.region.as_deref())),
        ("device_class", column(|event| event.device)),
    ]);
    assert_eq!(batch.schema().field(1).data_type(), &DataType::Int64);
    batch
}
