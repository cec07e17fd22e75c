//! Tastes: a small vector of whole numbers for each user, and one for everyone, learned from
//! events.
//!
//! `docs/taste.md` has the formulas. The preparation is SQL (`sql/taste_*.sql`). Decayed weights
//! are whole numbers, so the same events give the same bytes in any order and any number of
//! partitions and buckets.

#![expect(
    clippy::cast_precision_loss,
    reason = "weights and counts become floats only where they are divided and then rounded to a byte"
)]

mod context;
mod deed;
mod diary;
mod fold;
mod learner;
mod profile;
mod query;
mod report;
mod say;
mod spill;
mod train;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use rayon::prelude::*;
use sinsang_core::event::EventKind;
use sinsang_core::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};
use tracing::{Instrument as _, Span};

pub use context::ContextLeaning;
use profile::{Baseline, Catalogue};
pub use profile::{HOUR_BUCKETS, LIFT_STEPS, Population, UserTaste, Vocabulary};
use sinsang_taste::History;
pub use sinsang_taste::{DIMS, FloatVector, Model, ProductFeatures, Recipe, Sparse, Trained};
pub use weight::Weights;

use spill::{Bucket, BucketUser, Spill};
use train::{Taught, Training};

use crate::engine::function;
use crate::read::forgotten::Forgotten;
use fold::{Fold, Folded};
pub use report::Report;

/// The most buckets of users.
const MAX_BUCKETS: u64 = 4_096;
/// Users of a bucket that are folded in concurrently before they are handed over: half a kilobyte
/// each.
const USERS_AT_ONCE: usize = 8_192;

/// How tastes are learned.
#[derive(Clone, Debug)]
pub struct Options {
    /// Half-life of an event's weight in days, from 0.1 to 36,500. Events older than ten half-lives
    /// are ignored.
    pub half_life_days: f64,
    /// The weight of an event by its kind.
    pub weights: Weights,
    /// Users with more events than this are set aside as bots. Impressions do not count towards it;
    /// as many of the latest impressions are kept.
    pub max_events_per_user: u64,
    /// Users with fewer weighted events get no taste: they see the shared order.
    pub min_events_per_user: u64,
    /// Engagement, in views, that moves a user half-way from the population to what the events say;
    /// above 0.
    pub pseudo_weight: f64,
    /// The most users to train on. If there are more, those with the smallest hashes are chosen;
    /// devices only if no user is signed in. All users are folded in.
    pub max_training_users: usize,
    /// The training settings, or those that the choice begins with.
    pub recipe: Recipe,
    /// Whether settings are chosen by what users did in the last weeks, whenever a model is
    /// trained.
    pub tune: bool,
    /// Events that are sorted by user at a time, which bounds memory; it sets the number of
    /// buckets.
    pub events_per_bucket: u64,
    /// The folder of the temporary file for buckets that do not fit in memory.
    pub work_dir: PathBuf,
    /// Whether to learn leanings by viewers' context.
    pub by_context: bool,
    /// Users whose events are ignored.
    pub forgotten: Option<Forgotten>,
    /// A stored model: all users are folded in with it instead of training, unless the training
    /// users have grown by more than half since.
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
            tune: true,
            events_per_bucket: 4_000_000,
            work_dir: std::env::temp_dir(),
            by_context: true,
            forgotten: None,
            kept: None,
        }
    }
}

/// Why tastes can't be learned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The half-life is out of range.
    #[error("half_life_days is {days}: give a number of days from 0.1 to 36500")]
    HalfLife {
        /// The half-life given.
        days: f64,
    },
    /// The weight of a kind of event is out of range.
    #[error("the weight of {} is {weight}: give a number from -1000 to 1000, in views", kind.as_str())]
    Weight {
        /// The kind of event.
        kind: EventKind,
        /// The weight given.
        weight: f64,
    },
    /// The pseudo-weight is out of range.
    #[error("pseudo_weight is {pseudo_weight}: give a number above 0 and up to 1000000, in views")]
    PseudoWeight {
        /// The pseudo-weight given.
        pseudo_weight: f64,
    },
    /// A query failed: a table is missing, lacks the columns of `docs/taste.md`, or has damaged
    /// files.
    #[error("sql/{query}.sql: {source}; check that `events` and `listing_products` are registered with their columns")]
    Query {
        /// The query, or the table that could not be registered for it.
        query: &'static str,
        /// DataFusion's error.
        source: Box<datafusion::error::DataFusionError>,
    },
    /// The temporary file of events can't be written or read.
    #[error("the temporary file of events in {} can't be used: {source}; make room there or choose another work folder", path.display())]
    Spill {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The products and names that tastes refer to.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The names of channels, tabs and categories, by their published numbers.
    pub vocabulary: &'a Vocabulary,
    /// The whole catalogue, each product once.
    pub products: &'a [ProductFeatures<'a>],
    /// The products that surfaces choose from. Each gets a vector, whether or not it has events.
    pub board: &'a BTreeSet<u64>,
}

/// The result of learning, except for the users' tastes.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Counts of events and users.
    pub report: Report,
    /// The model that users were folded in with.
    pub model: Model,
    /// Impressions by product; products without any are left out.
    pub shown: BTreeMap<u64, u64>,
    /// Leanings by viewers' context.
    pub contexts: Vec<ContextLeaning>,
    places: BTreeMap<u64, usize>,
}

impl Learned {
    /// The vector of a product of the board; zeros for others.
    pub fn product_vector(&self, product: u64) -> [i8; DIMS] {
        self.places.get(&product).map_or([0; DIMS], |place| self.model.product(*place))
    }

    /// [`Self::product_vector`] before rounding.
    pub fn product_float(&self, product: u64) -> FloatVector {
        self.places.get(&product).map_or([0.0; DIMS], |place| self.model.product_float(*place))
    }
}

/// Learns the taste of every user from the tables `events` and `listing_products` of `ctx`, and
/// passes each to `sink` with its unrounded vector: bucket by bucket, and within a bucket by
/// ascending user id. `now` is the upper limit of events and the origin of decay, in Korean days.
///
/// The events are read once; users are then folded in bucket by bucket from a temporary file.
///
/// While it runs, it owns the tables `taste_fate`, `taste_listing` and `taste_weight`: make one
/// call at a time on a context.
///
/// # Errors
/// [`Error`] if options are out of range, a query fails, or the work folder is full. Unusable rows
/// are counted in the report instead.
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

/// A part of the stage `tastes`, for the log. It is not a stage of its own, because stages add up
/// to a build.
fn part(name: &'static str) -> Span {
    tracing::info_span!(target: "sinsang::taste", "part", name)
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
        let Taught { everyone, training, model, decay } = self.teach(&mut spill, &mut report)?;
        let baseline = Baseline::of(&everyone);
        report.population = baseline.population(&everyone, self.catalogue);
        report.population.vector = mean_vector(&training, &model);
        let contexts =
            part("contexts").in_scope(|| context::leanings(&training.sides, &model, self.options.pseudo_weight));
        report.contexts = contexts.len();
        drop(training);
        let ids = self.offer.products.iter().map(|product| product.product);
        let shown = ids.clone().zip(&everyone.shown).filter(|(id, times)| **times > 0 && self.offer.board.contains(id));
        let shown = shown.map(|(id, times)| (id, times.unsigned_abs())).collect();
        let fold = Fold { run: self, baseline: &baseline, model: &model, decay: &decay };
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

    /// Reads all events once, counts their fates, and spreads the usable ones over buckets.
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

    /// Whether a user has too many events for a person, impressions aside.
    fn is_bot(&self, user: &BucketUser<'_>) -> bool {
        user.counts.done > self.options.max_events_per_user
    }

    fn is_forgotten(&self, user: &BucketUser<'_>) -> bool {
        self.options.forgotten.as_ref().is_some_and(|forgotten| forgotten.holds(user.id))
    }
}

/// The mean of the users' full-length vectors, rounded: the vector of a viewer without history.
fn mean_vector(training: &Training, model: &Model) -> [i8; DIMS] {
    let users = training.strengths.len();
    let mut mean = [0.0; DIMS];
    let vector = |user: usize| {
        let (strengths, sums) = (training.strengths.row(user).collect(), training.sums.row(user).collect());
        model.fold(&History { strengths, sums, ..History::default() }).float(1.0)
    };
    let vectors: Vec<FloatVector> = (0..users).into_par_iter().map(vector).collect();
    for vector in vectors {
        mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value / users as f64);
    }
    sinsang_taste::round(&mean)
}
