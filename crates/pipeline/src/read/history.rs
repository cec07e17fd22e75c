//! The history and the upcoming schedule, read together: listings, their products, and how far back
//! the records reach.
//!
//! ```text
//! broadcasts ─ source ─ schedule ─ slots ─ catalogue ─ identity ─ products, reach
//! ```
//!
//! With a ledger, `ledger/recall.rs` builds the same from one day's tables and the ledger's records
//! of their products.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use index_vec::{IndexVec, index_vec};
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{self, Policy, ProductId, Resolution, Resolved};
use sinsang_identity::verdict::Reach;
use sinsang_run::progress::{Progress, Unit};
use sinsang_run::{count, stage};
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::engine;
use crate::read::catalogue::{self, Airing, AiringId, ByEntry, Catalogue, Entry, EntryId};
use crate::read::product::{self, Likely, Product, ProductIndex};
use crate::read::source::{self, Source, TableReport, find_table};
use crate::read::{correction, overlay, schedule};

/// The history's source, and how to read it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the tables, or the table of broadcasts: a file, or a folder named
    /// `broadcasts`.
    pub input: PathBuf,
    /// The file for rejected rows; `None` only counts them.
    pub rejects: Option<PathBuf>,
    /// The largest share of a table that may be set aside.
    pub limit: Limit,
    /// Time zones of times without an offset.
    pub zones: Zones,
    /// The rules by which two listings are one product.
    pub policy: Policy,
    /// The engine's memory and parallelism.
    pub engine: engine::Options,
    /// The progress display.
    pub progress: Progress,
}

/// Why the history can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine can't start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// A table can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The input has no table of broadcasts.
    #[error("{} has no table of broadcasts: add a file or folder named broadcasts, with an extension from docs/input.md", input.display())]
    NoBroadcasts {
        /// The input's folder.
        input: PathBuf,
    },
    /// The schedule can't be built.
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    /// The overlay's log beside the tables can't be used.
    #[error(transparent)]
    Overlay(#[from] overlay::Error),
    /// A query for the catalogue failed.
    #[error("the catalogue can't be read: {0}")]
    Catalogue(#[from] DataFusionError),
}

/// The history: tables, catalogue, products.
pub struct History {
    /// The staged tables, and the engine with `broadcasts` and `slots`; further tables are opened
    /// through it.
    pub source: Source,
    /// Counts of the rows of `broadcasts`.
    pub broadcasts: TableReport,
    /// Counts of the schedule's repair.
    pub schedule: schedule::Report,
    /// Listings and airings. A code reused for several products has several entries.
    pub catalogue: Catalogue,
    /// Item codes reused for several products over time.
    pub split_codes: usize,
    /// The product of each entry of the catalogue, and how it was found.
    pub resolution: Resolution,
    /// The products, by id.
    pub products: IndexVec<ProductIndex, Product>,
    /// How far back the records reach.
    pub reach: Reach,
    /// The rules by which two listings are one product.
    pub policy: Policy,
    /// For each listing, the earlier listings that may be the same product.
    pub likely: Likely,
    /// Number of catalogue entries that come from the tables; the entries after them come from a
    /// ledger.
    pub listed: usize,
    /// The product of each entry of the catalogue.
    pub(crate) ids: ByEntry<ProductId>,
    /// Entries that repeat an earlier entry, the same listing of the same product; mapped to that
    /// entry.
    pub(crate) twins: BTreeMap<EntryId, EntryId>,
    places: ByEntry<Place>,
}

/// The product and airings of a listing.
#[derive(Clone, Debug)]
struct Place {
    /// The listing's product.
    product: ProductIndex,
    /// The listing's airings, by start.
    airings: Vec<AiringId>,
}

impl History {
    /// Builds the history of resolved tables.
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
            products: IndexVec::new(),
            likely: Likely::default(),
            reach,
            policy: policy.clone(),
            twins: BTreeMap::new(),
            places: IndexVec::new(),
        };
        history.arrange();
        history
    }

    /// Rebuilds the products from the catalogue's entries and their `ids`.
    pub(crate) fn arrange(&mut self) {
        self.products = product::products(&self.catalogue, &self.ids, &self.policy.corrections);
        let nowhere = Place { product: ProductIndex::new(0), airings: Vec::new() };
        let mut places = index_vec![nowhere; self.catalogue.entries.len()];
        for (index, product) in self.products.iter_mut_enumerated() {
            for entry in &product.entries {
                places[*entry].product = index;
            }
            product.entries.retain(|entry| !self.twins.contains_key(entry));
        }
        for (index, airing) in self.catalogue.airings.iter_enumerated() {
            places[airing.entry].airings.push(index);
        }
        for (&twin, &entry) in &self.twins {
            let airings = places[entry].airings.clone();
            places[twin].airings = airings;
        }
        // Until a ledger has added its entries, a similar listing may be absent from the tables.
        let first_airing = |entry: EntryId| places.get(entry)?.airings.first().copied();
        self.likely = Likely::new(&self.resolution, &self.policy.matcher, first_airing);
        self.places = places;
    }

    /// Counts the corrections and their effects.
    pub fn corrections(&self) -> correction::Report {
        let is_contradicted = |product: &&Product| product.given.as_ref().is_some_and(|given| given.is_contradicted);
        let contradicted = self.products.iter().filter(is_contradicted).count();
        correction::Report::new(&self.policy.corrections, &self.catalogue, contradicted)
    }

    /// The engine's context.
    pub fn context(&self) -> &SessionContext {
        self.source.context()
    }

    /// The catalogue's entry of a listing.
    pub fn entry(&self, entry: EntryId) -> &Entry {
        &self.catalogue.entries[entry]
    }

    /// How a listing of the tables was matched to its product.
    pub fn resolved(&self, entry: EntryId) -> &Resolved {
        &self.resolution.listings[entry.index()]
    }

    /// The product of a listing.
    pub fn product_of(&self, entry: EntryId) -> &Product {
        &self.products[self.places[entry].product]
    }

    /// The airings of a listing, by start.
    pub fn airings_of(&self, entry: EntryId) -> impl DoubleEndedIterator<Item = &Airing> {
        self.places[entry].airings.iter().map(|index| &self.catalogue.airings[*index])
    }

    /// The listings that come from the tables.
    pub fn of_tables(&self) -> impl Iterator<Item = EntryId> + use<> {
        (0..self.listed).map(EntryId::new)
    }

    /// The broadcast by which a listing is judged: the first that ends after `now`, or else its
    /// first of all. The flag says whether it ends after `now`.
    pub fn judged_by(&self, entry: EntryId, now: UnixMillis) -> Option<(&Airing, bool)> {
        let upcoming = self.airings_of(entry).find(|airing| airing.ends_at > now);
        upcoming.map(|airing| (airing, true)).or_else(|| self.airings_of(entry).next().map(|airing| (airing, false)))
    }

    /// The listings of the tables by shop and code, then by their first broadcast.
    pub fn in_order(&self) -> Vec<EntryId> {
        let mut order: Vec<EntryId> = self.of_tables().collect();
        order.sort_by_key(|entry| {
            let listing = &self.entry(*entry).listing;
            (&listing.shop, &listing.listing_id, listing.first_at, *entry)
        });
        order
    }
}

/// The tables of the input, before identity is resolved.
pub struct Tables {
    /// The staged tables.
    pub source: Source,
    /// Counts of the rows of `broadcasts`.
    pub broadcasts: TableReport,
    /// Counts of the schedule's repair.
    pub schedule: schedule::Report,
    /// Listings and airings. A code reused for several products has several entries.
    pub catalogue: Catalogue,
    /// Item codes reused for several products over time.
    pub split_codes: usize,
}

/// Reads the history of `options.input`. `now` is the time of the run: later times than a year
/// after it are rejected.
///
/// # Errors
/// An [`Error`] that names the file, and the place in it if its content is invalid.
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

/// As [`read`], but stops before listings are resolved.
///
/// # Errors
/// As [`read`].
pub async fn tables(options: &Options, now: UnixMillis) -> Result<Tables, Error> {
    let source_options = source::Options {
        work_dir: options.engine.work_dir(),
        rejects: options.rejects.clone(),
        limit: options.limit,
        zones: options.zones.clone(),
        // The rest is for rows in flight and for query results.
        page_bytes: options.engine.memory_bytes as u64 / 4,
        progress: options.progress,
    };
    let work = source_options.work_folder()?;
    // Spilled data is deleted with the run's work folder, however the run ends.
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
    let said = overlay::find(folder_of(&options.input))?;
    let schedule = {
        let stage = stage!("schedule", slots = Empty);
        let mut report = schedule::build(source.context(), source.work_dir()).instrument(stage.clone()).await?;
        let amended = overlay::amend(source.context(), source.work_dir(), schedule::TABLE, &said);
        let amended = amended.instrument(stage.clone()).await?;
        report.overlay = Some(amended).filter(|amended| amended.said > 0);
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

/// The folder of the tables.
fn folder_of(input: &Path) -> &Path {
    let is_table = input.is_file() || input.file_name().is_some_and(|name| name == "broadcasts");
    input.parent().filter(|_| is_table).unwrap_or(input)
}

fn find_broadcasts(input: &Path) -> Result<PathBuf, Error> {
    if input.is_file() || input.file_name().is_some_and(|name| name == "broadcasts") {
        return Ok(input.to_path_buf());
    }
    let found = find_table(input, "broadcasts").map_err(source::Error::from)?;
    found.ok_or_else(|| Error::NoBroadcasts { input: input.to_path_buf() })
}
