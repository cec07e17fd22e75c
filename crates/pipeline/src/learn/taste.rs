//! Tastes: from events to a small vector of whole numbers for each user, and one for everyone.
//!
//! `docs/taste.md` has the formulas. The preparation is SQL (`sql/taste_*.sql`); decayed weights are whole numbers, so the
//! same events give the same bytes in whatever order, partitions and buckets they are read.

#![expect(
    clippy::cast_precision_loss,
    reason = "weights and counts become floats only where they are divided and then rounded to a byte"
)]

mod context;
mod learner;
mod profile;
mod query;
mod say;
mod spill;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{fmt, io};

use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use rayon::prelude::*;
use serde::Serialize;
use sinsang_core::event::EventKind;
use sinsang_core::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};
use sinsang_core::viewer::device_of;
use tracing::{Instrument as _, Span};

pub use context::ContextLeaning;
use context::Side;
use learner::Learners;
use profile::{Baseline, Catalogue, Deed, Engagement};
pub use profile::{HOUR_BUCKETS, LIFT_STEPS, Population, UserTaste, Vocabulary};
pub use sinsang_taste::{DIMS, FloatVector, Model, ProductFeatures, Recipe, Sparse, Trained};
use sinsang_taste::{History, Lessons, describe, describe_by_name};
pub use weight::Weights;

use profile::Sums;
use say::Everyone;
use spill::{Bucket, BucketUser, Spill};

use crate::engine::function;
use crate::read::forgotten::Forgotten;

/// The most buckets that users are spread over.
const MAX_BUCKETS: u64 = 4_096;
/// Users of a bucket that are folded in side by side before they are handed over: half a kilobyte each.
const USERS_AT_ONCE: usize = 8_192;

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
    /// Users who did more than this are set aside as bots. Being shown things is not doing: impressions do not count, and as many of the
    /// latest are kept.
    pub max_events_per_user: u64,
    /// Users with fewer events that weigh anything get no taste: they see the shared order.
    pub min_events_per_user: u64,
    /// Engagement, in views, that moves a user half-way from the population to what the events say. Above 0.
    pub pseudo_weight: f64,
    /// The most users that the model is trained on; where there are more, those of the smallest hashes are taken, devices only
    /// where nobody is signed in. All are folded in.
    pub max_training_users: usize,
    /// What the model is trained with.
    pub recipe: Recipe,
    /// Events that are sorted by user at once, which bounds memory; users are spread over as many buckets as that takes.
    pub events_per_bucket: u64,
    /// The folder of the temporary file that holds the buckets, where they do not fit in memory.
    pub work_dir: PathBuf,
    /// Whether to learn what viewers lean to by the context that they come in.
    pub by_context: bool,
    /// Users whose events are left out of everything.
    pub forgotten: Option<Forgotten>,
    /// A model that was trained before: everybody is folded in with it and nothing is trained, unless there are half as many users again to
    /// train on as there were.
    pub kept: Option<Trained>,
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
            work_dir: std::env::temp_dir(),
            by_context: true,
            forgotten: None,
            kept: None,
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
    /// The events can't be spread over buckets.
    #[error("the temporary file of events by user in {}: {source}; make room there or choose another work folder", path.display())]
    Spill {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
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
    /// Users who did more than a person does; set aside.
    pub bots: u64,
    /// Events of those users and of forgotten ones.
    pub events_of_bots: u64,
    /// Users who are to be forgotten, and had events.
    pub users_forgotten: u64,
    /// Events of people whose kind and age weigh nothing, impressions by default.
    pub events_weightless: u64,
    /// Impressions of people who were shown more than are kept; those that are kept are the latest.
    pub impressions_beyond: u64,
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
    /// Users to train the model on.
    pub users_trained_on: u64,
    /// Whether a model was trained on them; if not, they were folded in with one that was kept.
    pub trained: bool,
    /// Contexts in which viewers lean to something.
    pub contexts: usize,
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
            ("impressions beyond the latest that are kept", self.impressions_beyond),
            ("used events of an unknown product", self.events_of_unknown_products),
            ("used events of an unknown channel", self.events_of_unknown_channels),
            ("used events of an unknown tab", self.events_of_unknown_tabs),
        ];
        if self.contexts > 0 {
            writeln!(f, "  contexts in which viewers lean to something: {}", self.contexts)?;
        }
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
    /// What viewers lean to by the context that they come in.
    pub contexts: Vec<ContextLeaning>,
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
/// The events are read once; users are then folded in bucket by bucket from a temporary file.
///
/// While it runs, the tables `taste_fate`, `taste_listing` and `taste_weight` are its own: one call at a time on a context.
///
/// # Errors
/// [`Error`] on options out of range, failing queries and a work folder that is full. Rows that cannot be used are counted in the report instead.
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

/// A part of the stage `tastes`, for the log: stages add up to a build, so that these are none of their own.
fn part(name: &'static str) -> Span {
    tracing::info_span!(target: "sinsang::taste", "part", name)
}

/// The histories that a model is trained on: users in the same order in both.
struct Training {
    strengths: Sparse,
    sums: Sparse,
    /// What they did by context, in the order of users.
    sides: Vec<Side>,
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
        let mut spill = self.spread(&mut report).instrument(part("events by user")).await?;
        let (everyone, training) = part("everyone").in_scope(|| self.survey(&mut spill, &mut report))?;
        let everyone = everyone.together();
        let baseline = Baseline::of(&everyone);
        report.population = baseline.population(&everyone, self.catalogue);
        report.users_trained_on = training.strengths.len() as u64;
        let (model, trained) = part("model").in_scope(|| self.model(&training, &everyone));
        report.trained = trained;
        report.population.vector = mean_vector(&training, &model);
        let contexts =
            part("contexts").in_scope(|| context::leanings(&training.sides, &model, self.options.pseudo_weight));
        report.contexts = contexts.len();
        drop(training);
        let ids = self.offer.products.iter().map(|product| product.product);
        let shown = ids.clone().zip(&everyone.shown).filter(|(id, times)| **times > 0 && self.offer.board.contains(id));
        let shown = shown.map(|(id, times)| (id, times.unsigned_abs())).collect();
        let fold = Fold { run: self, baseline: &baseline, model: &model };
        let _stage = part("users").entered();
        for bucket in 0..report.buckets {
            let bucket = self.read(&mut spill, bucket)?;
            for begin in (0..bucket.len()).step_by(USERS_AT_ONCE) {
                let users = begin..bucket.len().min(begin + USERS_AT_ONCE);
                let folded: Vec<Folded> =
                    users.into_par_iter().filter_map(|at| bucket.user(at)).map(|user| fold.user(&user)).collect();
                for folded in folded {
                    match folded {
                        Folded::Nobody => {}
                        Folded::TooThin => report.users_too_thin += 1,
                        Folded::Taste(folded) => {
                            report.users += 1;
                            let (taste, float) = *folded;
                            sink(taste, &float);
                        }
                    }
                }
            }
        }
        let places = ids.zip(0..).collect();
        Ok(Learned { report, model, shown, contexts, places })
    }

    /// Reads all events once, counts what becomes of them and spreads the usable ones over buckets.
    async fn spread(&self, report: &mut Report) -> Result<Spill, Error> {
        let events = query::SIZE.number(self.ctx).await?;
        report.buckets = events.div_ceil(self.options.events_per_bucket.max(1)).clamp(1, MAX_BUCKETS);
        let mut spill = Spill::new(&self.options.work_dir, report.buckets).map_err(|source| self.full(source))?;
        let mut batches = query::EVENT.stream(self.ctx, &[("last_ms", self.last_ms)]).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|source| query::EVENT.failed(source))?;
            query::each_event(&batch, |user, fate, row| {
                report.events += 1;
                match fate {
                    "usable" => {
                        let pushed = spill.push(function::user_hash(user), user, self.catalogue.deed(row));
                        return pushed.map_err(|source| self.full(source));
                    }
                    "without_user" => report.events_without_user += 1,
                    "without_time" => report.events_without_time += 1,
                    "in_future" => report.events_in_future += 1,
                    "expired" => report.events_expired += 1,
                    _ => report.events_of_unknown_kind += 1,
                }
                Ok(())
            })?;
        }
        spill.finish().map_err(|source| self.full(source))?;
        Ok(spill)
    }

    fn full(&self, source: io::Error) -> Error {
        Error::Spill { path: self.options.work_dir.clone(), source }
    }

    fn read(&self, spill: &mut Spill, bucket: u64) -> Result<Bucket, Error> {
        spill.read(bucket, self.options.max_events_per_user).map_err(|source| self.full(source))
    }

    /// Whether a user is to be left out as a bot, or for having asked to be forgotten.
    fn is_bot(&self, user: &BucketUser<'_>) -> bool {
        user.counts.done > self.options.max_events_per_user
    }

    fn is_forgotten(&self, user: &BucketUser<'_>) -> bool {
        self.options.forgotten.as_ref().is_some_and(|forgotten| forgotten.holds(user.id))
    }

    /// What everyone did together, and the users to train on: those of the smallest hashes.
    fn survey(&self, spill: &mut Spill, report: &mut Report) -> Result<(Everyone, Training), Error> {
        let mut everyone = Everyone::new(self.catalogue);
        let mut learners = Learners::new(self.options.max_training_users);
        for bucket in 0..report.buckets {
            for user in self.read(spill, bucket)?.users() {
                let (is_bot, is_forgotten) = (self.is_bot(&user), self.is_forgotten(&user));
                if is_bot || is_forgotten {
                    report.bots += u64::from(is_bot);
                    report.users_forgotten += u64::from(!is_bot);
                    report.events_of_bots += user.counts.events();
                    continue;
                }
                let engagement = Engagement::of(user.deeds, self.catalogue);
                let is_device = device_of(user.id).is_some();
                everyone.add(user.deeds, &engagement, is_device);
                let kept = user.deeds.len() as u64;
                report.events_weightless += kept - engagement.events;
                report.impressions_beyond += user.counts.events() - kept;
                let hash = function::user_hash(user.id);
                if engagement.events < self.options.min_events_per_user || !learners.wants(hash, is_device) {
                    continue;
                }
                let history = engagement.history();
                if !history.strengths.is_empty() {
                    let sides =
                        if self.options.by_context { context::sides(user.deeds, self.catalogue) } else { Vec::new() };
                    learners.add(hash, user.id, is_device, (history, sides));
                }
            }
        }
        report.events_used = everyone.events;
        report.events_of_unknown_products = everyone.unknown.products;
        report.events_of_unknown_channels = everyone.unknown.channels;
        report.events_of_unknown_tabs = everyone.unknown.tabs;
        let width = self.offer.products.len();
        let mut users = Training { strengths: Sparse::new(width), sums: Sparse::new(width), sides: Vec::new() };
        for (history, sides) in learners.chosen() {
            users.sides.extend(sides);
            users.strengths.push(history.strengths);
            users.sums.push(history.sums);
        }
        Ok((everyone, users))
    }

    /// The model that was kept, or one that is trained, and whether it was.
    fn model(&self, training: &Training, everyone: &Sums) -> (Model, bool) {
        let board: BTreeSet<usize> = self.offer.board.iter().filter_map(|id| self.catalogue.place(*id)).collect();
        let board: Vec<usize> = board.into_iter().collect();
        let (descriptions, names) = (describe(self.offer.products), describe_by_name(self.offer.products));
        let ids: Vec<u64> = self.offer.products.iter().map(|product| product.product).collect();
        let floats = |counts: &[i64]| counts.iter().map(|times| *times as f64).collect::<Vec<f64>>();
        let (month, fortnight) = (floats(&everyone.done_in_month), floats(&everyone.done_in_fortnight));
        let catalogue = sinsang_taste::Catalogue {
            ids: &ids,
            descriptions: &descriptions,
            names: &names,
            month: &month,
            fortnight: &fortnight,
        };
        let Training { strengths, sums, .. } = training;
        let has_grown = |trained: &Trained| strengths.len() * 2 > trained.users() * 3;
        if let Some(trained) = self.options.kept.as_ref().filter(|trained| !has_grown(trained)) {
            return (Model::of(trained.clone(), &catalogue, &board), false);
        }
        let lessons = Lessons { strengths, sums, catalogue };
        (Model::train(&lessons, &board, &self.options.recipe), true)
    }
}

/// What becomes of a user.
enum Folded {
    /// A bot, somebody to be forgotten.
    Nobody,
    /// Somebody with too few events.
    TooThin,
    Taste(Box<(UserTaste, FloatVector)>),
}

/// What users are folded in with.
struct Fold<'a> {
    run: &'a Run<'a>,
    baseline: &'a Baseline,
    model: &'a Model,
}

impl Fold<'_> {
    fn user(&self, user: &BucketUser<'_>) -> Folded {
        let options = self.run.options;
        // A device has no place in a pack, and so no taste.
        if self.run.is_bot(user) || self.run.is_forgotten(user) || device_of(user.id).is_some() {
            return Folded::Nobody;
        }
        let engagement = Engagement::of(user.deeds, self.run.catalogue);
        // Who was only ever shown things has done nothing.
        if engagement.events == 0 {
            return Folded::Nobody;
        }
        if engagement.events < options.min_events_per_user {
            return Folded::TooThin;
        }
        let (history, pseudo_weight) = (engagement.history(), options.pseudo_weight);
        let (taste, float) = self.baseline.taste(user.id.to_owned(), &engagement, &history, self.model, pseudo_weight);
        let near = self.near(&self.model.nearest(&history, MOST_NOTES));
        Folded::Taste(Box::new((UserTaste { notes: self.passed_over(user.deeds), near, ..taste }, float)))
    }

    /// Products of the catalogue with their nearness, the nearest first, as notes: it has the most steps, and the others their share of them.
    fn near(&self, nearest: &[(usize, f64)]) -> Vec<(u64, i8)> {
        let most = nearest.first().map_or(1.0, |(_, value)| *value);
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and the share is at most 1")]
        let steps = |value: f64| ((value / most * f64::from(NEAREST_STEPS)).round() as i8).max(1);
        let note = |(place, value): &(usize, f64)| Some((self.run.offer.products.get(*place)?.product, steps(*value)));
        nearest.iter().filter_map(note).collect()
    }

    /// What a user was shown and passed over, as notes, the most often shown first.
    fn passed_over(&self, deeds: &[Deed]) -> Vec<(u64, i8)> {
        let offer = self.run.offer;
        let note = |(place, shown): (usize, i64)| {
            let id = offer.products.get(place).map(|product| product.product).filter(|id| offer.board.contains(id))?;
            let steps = i8::try_from(shown.saturating_mul(STEPS_A_SHOW)).unwrap_or(i8::MAX).min(MOST_STEPS);
            Some((id, -steps))
        };
        let passed = profile::passed_over(deeds).into_iter().filter(|(_, shown)| *shown > 1);
        let mut notes: Vec<(u64, i8)> = passed.filter_map(note).collect();
        notes.sort_by_key(|(product, steps)| (*steps, *product));
        notes.truncate(MOST_NOTES);
        notes
    }
}

/// The mean of users' vectors at full length, rounded: what a viewer without history is taken for.
fn mean_vector(training: &Training, model: &Model) -> [i8; DIMS] {
    let users = training.strengths.len();
    let mut mean = [0.0; DIMS];
    let vector = |user: usize| {
        let (strengths, sums) = (training.strengths.row(user).collect(), training.sums.row(user).collect());
        model.user_float(&History { strengths, sums, ..History::default() }, 1.0)
    };
    let vectors: Vec<FloatVector> = (0..users).into_par_iter().map(vector).collect();
    for vector in vectors {
        mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value / users as f64);
    }
    sinsang_taste::round(&mean)
}
