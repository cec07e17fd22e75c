//! The history and the schedule to come, read in one place: listings, the products that they are, and how far back the records reach.
//!
//! ```text
//! broadcasts ─ source ─ schedule ─ slots ─ catalogue ─ identity ─ products, reach
//! ```
//!
//! Where a ledger keeps the past, `ledger/recall.rs` makes the same of a day's tables and of what the ledger knows of their products.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{self, Policy, ProductId, Resolution};
use sinsang_identity::verdict::Reach;
use sinsang_run::progress::{Progress, Unit};
use sinsang_run::{count, stage};
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::engine;
use crate::read::catalogue::{self, Airing, Catalogue};
use crate::read::product::{self, Likely, Product};
use crate::read::source::{self, Source, TableReport, find_table};
use crate::read::{correction, schedule};

/// Where the history is, and how it is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the tables, or the table of broadcasts itself: a file, or a folder named `broadcasts`.
    pub input: PathBuf,
    /// Where rows that can't be used are written; `None` only counts them.
    pub rejects: Option<PathBuf>,
    /// The share of a table that may be set aside.
    pub limit: Limit,
    /// The zones of times without an offset.
    pub zones: Zones,
    /// When two listings are one product.
    pub policy: Policy,
    /// What the engine may use.
    pub engine: engine::Options,
    /// Whether to show how far it has come.
    pub progress: Progress,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// A table can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// There is no schedule in the input.
    #[error("{} has no table of broadcasts: a file or folder named broadcasts, with an ending that docs/input.md lists", input.display())]
    NoBroadcasts {
        /// The input's folder.
        input: PathBuf,
    },
    /// The schedule can't be made.
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    /// The engine failed at a question.
    #[error("the catalogue can't be read: {0}")]
    Catalogue(#[from] DataFusionError),
}

/// All that the broadcasts tell.
pub struct History {
    /// The staged tables, and the engine that has `broadcasts` and `slots`; further tables are opened with it.
    pub source: Source,
    /// What became of the rows of `broadcasts`.
    pub broadcasts: TableReport,
    /// What the schedule was made of.
    pub schedule: schedule::Report,
    /// Listings and airings. A code that was used for several products is several entries.
    pub catalogue: Catalogue,
    /// Item codes that were used for several products over time.
    pub split_codes: usize,
    /// The product of each entry of the catalogue, and how it came to it.
    pub resolution: Resolution,
    /// The products, by id.
    pub products: Vec<Product>,
    /// How far back the records reach.
    pub reach: Reach,
    /// When two listings are one product.
    pub policy: Policy,
    /// The earlier listings that each listing may be the same product as.
    pub likely: Likely,
    /// How many of the catalogue's entries the tables name; those after them are what a ledger knows besides.
    pub listed: usize,
    /// The product of each entry of the catalogue.
    pub(crate) ids: Vec<ProductId>,
    /// Entries that say what is known already of an earlier one: they are the same listing of the same product.
    pub(crate) twins: BTreeMap<usize, usize>,
    places: Vec<Place>,
}

/// Where a listing stands.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Its product, as an index into `products`.
    product: usize,
    /// Its airings, as indexes into the catalogue's, by start.
    airings: Vec<usize>,
}

impl History {
    /// What the tables tell, resolved.
    pub(crate) fn new(tables: Tables, resolution: Resolution, reach: Reach, policy: &Policy) -> Self {
        let Tables { source, broadcasts, schedule, catalogue, split_codes } = tables;
        let mut history = Self {
            source,
            broadcasts,
            schedule,
            listed: catalogue.entries.len(),
            catalogue,
            split_codes,
            ids: resolution.listings.iter().map(|resolved| resolved.product).collect(),
            resolution,
            products: Vec::new(),
            likely: Likely::default(),
            reach,
            policy: policy.clone(),
            twins: BTreeMap::new(),
            places: Vec::new(),
        };
        history.arrange();
        history
    }

    /// Makes the products of the catalogue's entries and their `ids`.
    pub(crate) fn arrange(&mut self) {
        self.products = product::products(&self.catalogue, &self.ids, &self.policy.corrections);
        let mut places = vec![Place::default(); self.catalogue.entries.len()];
        for (index, product) in self.products.iter_mut().enumerate() {
            for entry in &product.entries {
                if let Some(place) = places.get_mut(*entry) {
                    place.product = index;
                }
            }
            product.entries.retain(|entry| !self.twins.contains_key(entry));
        }
        for (index, airing) in self.catalogue.airings.iter().enumerate() {
            if let Some(place) = places.get_mut(airing.entry) {
                place.airings.push(index);
            }
        }
        for (&twin, &entry) in &self.twins {
            let airings = places.get(entry).map(|place| place.airings.clone()).unwrap_or_default();
            if let Some(place) = places.get_mut(twin) {
                place.airings = airings;
            }
        }
        let first_airing = |entry: usize| places.get(entry)?.airings.first().copied();
        self.likely = Likely::new(&self.resolution, &self.policy.matcher, first_airing);
        self.places = places;
    }

    /// What corrections came to.
    pub fn corrections(&self) -> correction::Report {
        let is_contradicted = |product: &&Product| product.given.as_ref().is_some_and(|given| given.is_contradicted);
        let contradicted = self.products.iter().filter(is_contradicted).count();
        correction::Report::new(&self.policy.corrections, &self.catalogue, contradicted)
    }

    /// The engine's context.
    pub fn context(&self) -> &SessionContext {
        self.source.context()
    }

    /// The product of a listing, by its index in the catalogue.
    pub fn product_of(&self, entry: usize) -> Option<&Product> {
        self.places.get(entry).and_then(|place| self.products.get(place.product))
    }

    /// The airings of a listing, by its index in the catalogue; by start.
    pub fn airings_of(&self, entry: usize) -> impl DoubleEndedIterator<Item = &Airing> {
        let airings = self.places.get(entry).map(|place| place.airings.as_slice()).unwrap_or_default();
        airings.iter().filter_map(|index| self.catalogue.airings.get(*index))
    }

    /// The broadcast that a listing is judged by: the first that has not ended by `now`, or else its first of all. Whether it is still to
    /// end comes with it.
    pub fn judged_by(&self, entry: usize, now: UnixMillis) -> Option<(&Airing, bool)> {
        let upcoming = self.airings_of(entry).find(|airing| airing.ends_at > now);
        upcoming.map(|airing| (airing, true)).or_else(|| self.airings_of(entry).next().map(|airing| (airing, false)))
    }

    /// The listings of the tables by shop and code, then by their first broadcast.
    pub fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.listed).collect();
        order.sort_by_key(|index| {
            let listing = self.catalogue.entries.get(*index).map(|entry| &entry.listing);
            (listing.map(|listing| (&listing.shop, &listing.listing_id, listing.first_at)), *index)
        });
        order
    }
}

/// The tables of the input, read: all that is known before anything is resolved.
pub struct Tables {
    /// The staged tables.
    pub source: Source,
    /// What became of the rows of `broadcasts`.
    pub broadcasts: TableReport,
    /// What the schedule was made of.
    pub schedule: schedule::Report,
    /// Listings and airings. A code that was used for several products is several entries.
    pub catalogue: Catalogue,
    /// Item codes that were used for several products over time.
    pub split_codes: usize,
}

/// Reads the history of `options.input`. `now` is the time of the run: times more than a year after it are not believed.
///
/// # Errors
/// An [`Error`] that names the file and the place in it, where that is what is wrong.
pub async fn read(options: &Options, now: UnixMillis) -> Result<History, Error> {
    let tables = tables(options, now).await?;
    let listings: Vec<identity::Listing> = tables.catalogue.entries.iter().map(|entry| entry.listing.clone()).collect();
    let stage = stage!("identity", listings = count(listings.len()), products = Empty);
    let resolution = stage.in_scope(|| identity::resolve(&listings, &options.policy));
    stage.record("products", count(resolution.products));
    drop(stage);
    let reach = product::reach(&tables.catalogue);
    Ok(History::new(tables, resolution, reach, &options.policy))
}

/// As [`read`], up to where listings are resolved.
///
/// # Errors
/// As [`read`].
pub async fn tables(options: &Options, now: UnixMillis) -> Result<Tables, Error> {
    let source_options = source::Options {
        work_dir: options.engine.work_dir(),
        rejects: options.rejects.clone(),
        limit: options.limit,
        zones: options.zones.clone(),
        // What is left is for rows on their way, and for the engine's answers.
        page_bytes: options.engine.memory_bytes as u64 / 4,
        progress: options.progress,
    };
    let work = source_options.work_folder()?;
    // What does not fit in memory goes with the run too, however that ends.
    let spill_dir = options.engine.spill_dir.clone().unwrap_or_else(|| work.path().join("spill"));
    let engine_options = engine::Options { spill_dir: Some(spill_dir), ..options.engine.clone() };
    let mut source = Source::within(work, engine::connect(&engine_options).await?, source_options)?;
    let path = find_broadcasts(&options.input)?;
    let broadcasts = {
        let stage = stage!("broadcasts", rows = Empty, kept = Empty);
        let report = source.open_broadcasts(&path, now).instrument(stage.clone()).await?;
        stage.record("rows", count(report.rows)).record("kept", count(report.kept));
        report
    };

    let steps = options.progress.start("the schedule", Unit::Items, 2);
    let schedule = {
        let stage = stage!("schedule", slots = Empty);
        let report = schedule::build(source.context(), source.work_dir()).instrument(stage.clone()).await?;
        stage.record("slots", count(report.slots));
        report
    };
    steps.advance(1);
    steps.say("products");
    let (catalogue, split_codes) = {
        let stage = stage!("catalogue", listings = Empty, airings = Empty);
        let mut catalogue = catalogue::read(source.context()).instrument(stage.clone()).await?;
        let split_codes = stage.in_scope(|| catalogue.split_reused_codes(&options.policy));
        stage.record("listings", count(catalogue.entries.len())).record("airings", count(catalogue.airings.len()));
        (catalogue, split_codes)
    };
    Ok(Tables { source, broadcasts, schedule, catalogue, split_codes })
}

fn find_broadcasts(input: &Path) -> Result<PathBuf, Error> {
    if input.is_file() || input.file_name().is_some_and(|name| name == "broadcasts") {
        return Ok(input.to_path_buf());
    }
    let found = find_table(input, "broadcasts").map_err(source::Error::from)?;
    found.ok_or_else(|| Error::NoBroadcasts { input: input.to_path_buf() })
}
