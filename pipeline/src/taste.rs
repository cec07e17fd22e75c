//! Tastes: from events to a small vector of whole numbers for each user, and one for everyone.
//!
//! `docs/taste.md` has the formulas. The preparation is SQL (`sql/taste_*.sql`); decayed weights are whole numbers, so the
//! same events give the same bytes in whatever order, partitions and buckets they are read.

#![expect(
    clippy::cast_precision_loss,
    reason = "weights and counts become floats only where they are divided and then rounded to a byte"
)]

mod profile;
mod query;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use serde::Serialize;
use sinsang::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};

use profile::{Baseline, Catalogue, Engagement};
pub use profile::{HOUR_BUCKETS, LIFT_STEPS, Population, UserTaste, Vocabulary};
pub use sinsang_taste::{DIMS, FloatVector, Model, ProductFeatures, Recipe, Sparse};
use sinsang_taste::{History, Lessons, describe, describe_by_name};
pub use weight::Weights;

pub(crate) use query::hash_function;

use crate::forget::Forgotten;
use crate::table::EventKind;

/// The most buckets that users are spread over.
const MAX_BUCKETS: u64 = 4_096;
/// Events that take the memory of one user's count, with room to spare.
const EVENTS_PER_COUNTED_USER: u64 = 8;

/// Notes that are kept for a user at most, before a shard's widths say how many it has room for.
const MOST_NOTES: usize = 16;
/// What being shown once more without doing anything says, in steps of a note.
const STEPS_A_SHOW: i64 = 4;
/// What the product that goes best with what a user did gets.
const NEAREST_STEPS: i8 = 31;
/// The most that being shown says.
const MOST_STEPS: i8 = 32;

/// How tastes are learned.
#[derive(Clone, Debug)]
pub struct Options {
    /// Days after which an event weighs half, from 0.1 to 36,500. Events older than ten half-lives do not count.
    pub half_life_days: f64,
    /// What an event weighs by its kind.
    pub weights: Weights,
    /// Users with more usable events than this, impressions included, are set aside as bots.
    pub max_events_per_user: u64,
    /// Users with fewer events that weigh anything get no taste: they see the shared order.
    pub min_events_per_user: u64,
    /// Engagement, in views, that moves a user half-way from the population to what the events say. Above 0.
    pub pseudo_weight: f64,
    /// The most users that the model is trained on; where there are more, those of the smallest hashes are taken. All are folded in.
    pub max_training_users: usize,
    /// What the model is trained with.
    pub recipe: Recipe,
    /// Events that are sorted by user at once, which bounds memory; users are spread over as many buckets as that takes.
    pub events_per_bucket: u64,
    /// Users whose events are left out of everything.
    pub forgotten: Option<Forgotten>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            half_life_days: 30.0,
            weights: Weights::default(),
            max_events_per_user: 10_000,
            min_events_per_user: 1,
            pseudo_weight: 20.0,
            max_training_users: 20_000,
            recipe: Recipe::default(),
            events_per_bucket: 4_000_000,
            forgotten: None,
        }
    }
}

/// Why no tastes could be learned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The half-life is out of range.
    #[error("half_life_days is {days}: give a number of days from 0.1 to 36500")]
    HalfLife {
        /// What was given.
        days: f64,
    },
    /// The weight of a kind of event is out of range.
    #[error("the weight of {} is {weight}: give a number from -1000 to 1000, in views", kind.as_str())]
    Weight {
        /// The kind of event.
        kind: EventKind,
        /// What was given.
        weight: f64,
    },
    /// The pseudo-weight is out of range.
    #[error("pseudo_weight is {pseudo_weight}: give a number above 0 and up to 1000000, in views")]
    PseudoWeight {
        /// What was given.
        pseudo_weight: f64,
    },
    /// A query failed: a table is missing or has other columns than `docs/taste.md` says, or its files are damaged.
    #[error("sql/{query}.sql: {source}; check that `events` and `listing_products` are registered with their columns")]
    Query {
        /// The query, or the table that could not be registered for it.
        query: &'static str,
        /// What DataFusion says.
        source: Box<datafusion::error::DataFusionError>,
    },
}

/// What was read, what was set aside and why, and what everyone together leans to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows of the table of events.
    pub events: u64,
    /// Events that name no user; set aside.
    pub events_without_user: u64,
    /// Events without a time; set aside.
    pub events_without_time: u64,
    /// Events later than now; set aside.
    pub events_in_future: u64,
    /// Events older than ten half-lives; set aside.
    pub events_expired: u64,
    /// Events of a kind that is not known; set aside.
    pub events_of_unknown_kind: u64,
    /// Users with more events than a person makes; set aside.
    pub bots: u64,
    /// Events of those users and of forgotten ones.
    pub events_of_bots: u64,
    /// Users who are to be forgotten, and had events.
    pub users_forgotten: u64,
    /// Events of people whose kind and age weigh nothing, impressions by default.
    pub events_weightless: u64,
    /// Events that tastes were made of.
    pub events_used: u64,
    /// Of these, events whose listing or product is not in the catalogue; their hour, channel and tab still count.
    pub events_of_unknown_products: u64,
    /// Of these, events whose channel is not in the vocabulary.
    pub events_of_unknown_channels: u64,
    /// Of these, events whose tab is not in the vocabulary.
    pub events_of_unknown_tabs: u64,
    /// Users with a taste.
    pub users: u64,
    /// Users with fewer events than the least; without a taste.
    pub users_too_thin: u64,
    /// Users that the model was trained on.
    pub users_trained_on: u64,
    /// Buckets that users were spread over.
    pub buckets: u64,
    /// What everyone together leans to.
    #[serde(skip)]
    pub population: Population,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tastes of {} users from {} of {} events", self.users, self.events_used, self.events)?;
        let lines = [
            ("users with too few events", self.users_too_thin),
            ("users set aside as bots", self.bots),
            ("events of bots and forgotten users", self.events_of_bots),
            ("users to be forgotten", self.users_forgotten),
            ("events in the future", self.events_in_future),
            ("events too old to count", self.events_expired),
            ("events without a user", self.events_without_user),
            ("events without a time", self.events_without_time),
            ("events of an unknown kind", self.events_of_unknown_kind),
            ("events that weigh nothing", self.events_weightless),
            ("used events of an unknown product", self.events_of_unknown_products),
            ("used events of an unknown channel", self.events_of_unknown_channels),
            ("used events of an unknown tab", self.events_of_unknown_tabs),
        ];
        for (what, count) in lines {
            if count > 0 {
                writeln!(f, "  {what}: {count}")?;
            }
        }
        Ok(())
    }
}

/// What there is to like.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The names that published numbers stand for.
    pub vocabulary: &'a Vocabulary,
    /// The whole catalogue, each product once.
    pub products: &'a [ProductFeatures<'a>],
    /// The products that surfaces choose from: those that get vectors, whether anybody has met them or not.
    pub board: &'a BTreeSet<u64>,
}

/// What was learned, beside the users' tastes.
#[derive(Clone, Debug)]
pub struct Learned {
    /// What was read and set aside.
    pub report: Report,
    /// The model that users were folded in with.
    pub model: Model,
    /// How often products were shown to anybody; those that never were are left out.
    pub shown: BTreeMap<u64, u64>,
    places: BTreeMap<u64, usize>,
}

impl Learned {
    /// The vector of a product of the board; 0 for others.
    pub fn product_vector(&self, product: u64) -> [i8; DIMS] {
        self.places.get(&product).map_or([0; DIMS], |place| self.model.product(*place))
    }

    /// [`Self::product_vector`] before rounding.
    pub fn product_float(&self, product: u64) -> FloatVector {
        self.places.get(&product).map_or([0.0; DIMS], |place| self.model.product_float(*place))
    }
}

/// Learns the taste of every user from the tables `events` and `listing_products` of `ctx`, and hands each to `sink` with its vector
/// before rounding: bucket by bucket, in a bucket in ascending order of user ids. `now` ends the events and is where decay counts from,
/// by Korean days.
///
/// While it runs, the tables `taste_fate`, `taste_listing`, `taste_event`, `taste_weight` and `taste_bot` are its own: one call at a time on a context.
///
/// # Errors
/// [`Error`] on options out of range and failing queries. Rows that cannot be used are counted in the report instead.
pub async fn learn(
    ctx: &SessionContext,
    offer: &Offer<'_>,
    options: &Options,
    now: UnixMillis,
    mut sink: impl FnMut(UserTaste, &FloatVector),
) -> Result<Learned, Error> {
    if !(options.pseudo_weight > 0.0 && options.pseudo_weight <= 1e6) {
        return Err(Error::PseudoWeight { pseudo_weight: options.pseudo_weight });
    }
    let weights = weight::decayed(&options.weights, options.half_life_days)?;
    let last_ms = now.plus(KST_OFFSET_MS).floor(DAY_MS).plus(DAY_MS - 1 - KST_OFFSET_MS);
    let horizon_ms = weight::horizon_days(options.half_life_days)?.saturating_mul(DAY_MS);
    let own = &query::own_context(ctx);
    let ids = offer.products.iter().map(|product| product.product).collect();
    let catalogue = &Catalogue::new(offer.vocabulary, ids);
    let run = Run { ctx: own, options, offer, catalogue, last_ms: last_ms.0 };
    let dates = [("now", now.0), ("oldest", last_ms.plus(-horizon_ms).0)];
    let learned = async {
        query::register_weights(own, &weights)?;
        query::FATE.register(own, &dates).await?;
        query::LISTING.materialise(own).await?;
        run.learn(&mut sink).await
    };
    let learned = learned.await;
    for table in query::OWN_TABLES {
        let removed = ctx.deregister_table(table);
        removed.map_err(|source| Error::Query { query: table, source: Box::new(source) })?;
    }
    learned
}

/// The histories that a model is trained on: users in the same order in both.
struct Training {
    strengths: Sparse,
    sums: Sparse,
}

/// One run over the tables.
struct Run<'a> {
    ctx: &'a SessionContext,
    options: &'a Options,
    offer: &'a Offer<'a>,
    catalogue: &'a Catalogue,
    last_ms: i64,
}

impl Run<'_> {
    async fn learn(&self, sink: &mut impl FnMut(UserTaste, &FloatVector)) -> Result<Learned, Error> {
        let mut report = Report::default();
        let usable = self.count_events(&mut report).await?;
        report.buckets = usable.div_ceil(self.options.events_per_bucket.max(1)).clamp(1, MAX_BUCKETS);
        self.set_bots_aside(usable, &mut report).await?;
        query::EVENT.register(self.ctx, &[("last_ms", self.last_ms)]).await?;
        let everyone = self.everyone().await?;
        report.events_used = everyone.events;
        report.events_weightless = usable.saturating_sub(report.events_of_bots).saturating_sub(everyone.events);
        report.events_of_unknown_products = everyone.unknown.products;
        report.events_of_unknown_channels = everyone.unknown.channels;
        report.events_of_unknown_tabs = everyone.unknown.tabs;
        let baseline = Baseline::of(&everyone);
        report.population = baseline.population(&everyone, self.catalogue);
        drop(everyone);
        let training = self.training_users(report.buckets).await?;
        report.users_trained_on = training.strengths.len() as u64;
        let model = self.train(&training, &self.lately().await?);
        report.population.vector = mean_vector(&training, &model);
        let shown = self.shown().await?;
        for bucket in 0..report.buckets {
            let mut passed = self.passed_over(bucket, report.buckets).await?;
            let mut take = |user_id: String, engagement: &Engagement| {
                if engagement.events < self.options.min_events_per_user {
                    report.users_too_thin += 1;
                    return;
                }
                report.users += 1;
                let notes = passed.remove(&user_id).unwrap_or_default();
                let (taste, float) = baseline.taste(user_id, engagement, &model, self.options.pseudo_weight);
                let near = self.near(&model.nearest(&engagement.history(), MOST_NOTES));
                sink(UserTaste { notes, near, ..taste }, &float);
            };
            self.each_user(bucket, report.buckets, &mut take).await?;
        }
        let places = self.offer.products.iter().zip(0..).map(|(product, place)| (product.product, place)).collect();
        Ok(Learned { report, model, shown, places })
    }

    /// Products of the catalogue with their nearness, the nearest first, as notes: it has the most steps, and the others their share of them.
    fn near(&self, nearest: &[(usize, f64)]) -> Vec<(u64, i8)> {
        let most = nearest.first().map_or(1.0, |(_, value)| *value);
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and the share is at most 1")]
        let steps = |value: f64| ((value / most * f64::from(NEAREST_STEPS)).round() as i8).max(1);
        let note = |(place, value): &(usize, f64)| Some((self.offer.products.get(*place)?.product, steps(*value)));
        nearest.iter().filter_map(note).collect()
    }

    /// How often products of the board were shown.
    async fn shown(&self) -> Result<BTreeMap<u64, u64>, Error> {
        let counted = query::SHOWN.counts(self.ctx, &[]).await?;
        let of_board = counted.into_iter().filter_map(|(product, times)| Some((self.board_id(&product)?, times)));
        Ok(of_board.collect())
    }

    /// The id of a product of the board.
    fn board_id(&self, text: &str) -> Option<u64> {
        let place = self.catalogue.product(text)?;
        self.offer.products.get(place).map(|product| product.product).filter(|id| self.offer.board.contains(id))
    }

    /// What users of a bucket were shown and passed over, as notes, the most often shown first.
    async fn passed_over(&self, bucket: u64, buckets: u64) -> Result<BTreeMap<String, Vec<(u64, i8)>>, Error> {
        let [number, of] = bucket_numbers(bucket, buckets);
        let mut passed: BTreeMap<String, Vec<(u64, i8)>> = BTreeMap::new();
        let mut batches = query::PASSED.stream(self.ctx, &[number, of, ("last_ms", self.last_ms)]).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|source| query::PASSED.failed(source))?;
            query::each_passed(&batch, |user, product, shown| {
                if let Some(id) = self.board_id(product) {
                    let steps = i8::try_from(shown.saturating_mul(STEPS_A_SHOW)).unwrap_or(i8::MAX).min(MOST_STEPS);
                    passed.entry(user.to_owned()).or_default().push((id, -steps));
                }
            })?;
        }
        for notes in passed.values_mut() {
            notes.sort_by_key(|(product, steps)| (*steps, *product));
            notes.truncate(MOST_NOTES);
        }
        Ok(passed)
    }

    /// The histories to train on, by user.
    async fn training_users(&self, buckets: u64) -> Result<Training, Error> {
        let mut kept: BTreeMap<(i64, String), History> = BTreeMap::new();
        for bucket in 0..buckets {
            let mut take = |user_id: String, engagement: &Engagement| {
                let history = engagement.history();
                if engagement.events >= self.options.min_events_per_user && !history.strengths.is_empty() {
                    kept.insert((query::user_hash(&user_id), user_id), history);
                    if kept.len() > self.options.max_training_users {
                        kept.pop_last();
                    }
                }
            };
            self.each_user(bucket, buckets, &mut take).await?;
        }
        let width = self.offer.products.len();
        let mut users = Training { strengths: Sparse::new(width), sums: Sparse::new(width) };
        // The order of rows shows in the last digits of sums: it must not depend on the buckets.
        let by_user: BTreeMap<String, History> = kept.into_iter().map(|((_, user), history)| (user, history)).collect();
        for history in by_user.into_values() {
            users.strengths.push(history.strengths);
            users.sums.push(history.sums);
        }
        Ok(users)
    }

    /// What people did lately with each product of the catalogue, by its place.
    async fn lately(&self) -> Result<Vec<f64>, Error> {
        let mut lately = vec![0.0; self.offer.products.len()];
        for (product, times) in query::LATELY.counts(self.ctx, &[("last_ms", self.last_ms)]).await? {
            if let Some(place) = self.catalogue.product(&product).and_then(|place| lately.get_mut(place)) {
                *place = times as f64;
            }
        }
        Ok(lately)
    }

    fn train(&self, training: &Training, lately: &[f64]) -> Model {
        let board: BTreeSet<usize> = self.offer.board.iter().filter_map(|id| self.catalogue.place(*id)).collect();
        let board: Vec<usize> = board.into_iter().collect();
        let (descriptions, names) = (describe(self.offer.products), describe_by_name(self.offer.products));
        let Training { strengths, sums } = training;
        let lessons = Lessons { strengths, sums, lately, descriptions: &descriptions, names: &names };
        Model::train(&lessons, &board, &self.options.recipe)
    }

    /// Counts events by fate and gives the number of usable ones.
    async fn count_events(&self, report: &mut Report) -> Result<u64, Error> {
        let mut usable = 0;
        for (fate, events) in query::COUNT.counts(self.ctx, &[]).await? {
            report.events += events;
            *match fate.as_str() {
                "without_user" => &mut report.events_without_user,
                "without_time" => &mut report.events_without_time,
                "in_future" => &mut report.events_in_future,
                "expired" => &mut report.events_expired,
                "usable" => &mut usable,
                _ => &mut report.events_of_unknown_kind,
            } = events;
        }
        Ok(usable)
    }

    async fn set_bots_aside(&self, usable: u64, report: &mut Report) -> Result<(), Error> {
        let mut bots = Vec::new();
        if usable > self.options.max_events_per_user {
            let max_events = i64::try_from(self.options.max_events_per_user).unwrap_or(i64::MAX);
            // Counting holds a line a user instead of a line an event, so larger buckets do.
            let buckets = report.buckets.div_ceil(EVENTS_PER_COUNTED_USER);
            for bucket in 0..buckets {
                let [number, of] = bucket_numbers(bucket, buckets);
                bots.extend(query::BOT.counts(self.ctx, &[number, of, ("max_events", max_events)]).await?);
            }
        }
        report.bots = bots.len() as u64;
        if let Some(forgotten) = self.options.forgotten.as_ref().filter(|forgotten| !forgotten.is_empty()) {
            for bucket in 0..report.buckets {
                let [number, of] = bucket_numbers(bucket, report.buckets);
                let users = query::BOT.counts(self.ctx, &[number, of, ("max_events", 0)]).await?;
                let known: BTreeSet<&str> = bots.iter().map(|(user, _)| user.as_str()).collect();
                let asked = |(user, _): &(String, u64)| forgotten.holds(user) && !known.contains(user.as_str());
                let asked: Vec<(String, u64)> = users.into_iter().filter(asked).collect();
                report.users_forgotten += asked.len() as u64;
                bots.extend(asked);
            }
        }
        report.events_of_bots = bots.iter().map(|(_, events)| events).sum();
        query::register_bots(self.ctx, bots.iter().map(|(user, _)| user.as_str()))
    }

    async fn everyone(&self) -> Result<Engagement, Error> {
        let mut everyone = Engagement::new(self.catalogue);
        let mut batches = query::POPULATION.stream(self.ctx, &[]).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|source| query::POPULATION.failed(source))?;
            query::each_row(query::POPULATION, &batch, |_, row| everyone.add(row, self.catalogue))?;
        }
        Ok(everyone)
    }

    /// Streams the users of a bucket: the rows of a user come together, so one user at a time is held.
    async fn each_user(
        &self,
        bucket: u64,
        buckets: u64,
        take: &mut impl FnMut(String, &Engagement),
    ) -> Result<(), Error> {
        let mut current: Option<(String, Engagement)> = None;
        let mut batches = query::USER.stream(self.ctx, &bucket_numbers(bucket, buckets)).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|source| query::USER.failed(source))?;
            query::each_row(query::USER, &batch, |user, row| {
                if current.as_ref().is_none_or(|(current, _)| current != user) {
                    let next = (user.to_owned(), Engagement::new(self.catalogue));
                    if let Some((user, engagement)) = current.replace(next) {
                        take(user, &engagement);
                    }
                }
                if let Some((_, engagement)) = &mut current {
                    engagement.add(row, self.catalogue);
                }
            })?;
        }
        if let Some((user, engagement)) = current {
            take(user, &engagement);
        }
        Ok(())
    }
}

/// The mean of users' vectors at full length, rounded: what a viewer without history is taken for.
fn mean_vector(training: &Training, model: &Model) -> [i8; DIMS] {
    let users = training.strengths.len();
    let mut mean = [0.0; DIMS];
    for user in 0..users {
        let (strengths, sums) = (training.strengths.row(user).collect(), training.sums.row(user).collect());
        let vector = model.user_float(&History { strengths, sums }, 1.0);
        mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value / users as f64);
    }
    sinsang_taste::round(&mean)
}

/// The numbers that choose a bucket in a query.
fn bucket_numbers(bucket: u64, buckets: u64) -> [(&'static str, i64); 2] {
    let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
    [("bucket", number(bucket)), ("buckets", number(buckets))]
}
