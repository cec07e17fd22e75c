//! Tables in, a snapshot folder out: `sinsang build`.
//!
//! ```text
//! broadcasts ─ source ─ schedule ─ slots ─ catalogue ─ identity ─ products ─ verdict ─┐
//! events ───── source ─────────────────────────────────── taste ─ tastes ─────────────┼─ compose ─ packs ─ snapshot
//! tabs, rules ────────────────────────────────────────────────────────────────────────┘
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use sinsang::pack::TooLarge;
use sinsang::time::UnixMillis;
use sinsang::viewer::UserHasher;

use crate::catalogue;
use crate::compose::{self, Facts, Shards, VerdictCounts};
use crate::identity::{self, Policy};
use crate::progress::{Progress, Unit};
use crate::reject::Limit;
use crate::rules::{self, Rules};
use crate::snapshot::{self, Snapshot};
use crate::source::{self, Source, TableReport, find_table};
use crate::table::Tab;
use crate::taste::{self, Offer};
use crate::{engine, schedule};

/// What to build, and from what.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the tables `broadcasts`, `events` and `tabs`, and of `rules.toml`. All but `broadcasts` may be missing.
    pub input: PathBuf,
    /// The snapshot's folder.
    pub output: PathBuf,
    /// The rules, where not `rules.toml` in the input's folder.
    pub rules: Option<PathBuf>,
    /// Where rows that can't be used are written, where not beside the output.
    pub rejects: Option<PathBuf>,
    /// The share of a table that may be set aside.
    pub limit: Limit,
    /// The secret that users are hashed with; the edge must have the same.
    pub user_key: String,
    /// What the engine may use.
    pub engine: engine::Options,
    /// Whether to show how far it has come.
    pub progress: Progress,
}

/// Why there is no snapshot. The output's folder is as it was, unless the error is about writing it.
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
    /// The rules can't be used.
    #[error(transparent)]
    Rules(#[from] rules::Error),
    /// The schedule can't be made.
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    /// The engine failed at a question.
    #[error("the catalogue can't be read: {0}")]
    Catalogue(#[from] DataFusionError),
    /// Tastes can't be learned.
    #[error(transparent)]
    Taste(#[from] taste::Error),
    /// No key for users.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the edge's USER_KEY")]
    NoUserKey,
    /// A pack is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The snapshot can't be written.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
}

/// What was read, decided and written.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The snapshot's name.
    pub snapshot: String,
    /// The input tables.
    pub tables: Vec<TableReport>,
    /// The schedule.
    pub schedule: schedule::Report,
    /// Listings of schedule and history.
    pub listings: usize,
    /// Item codes that were used for different products over time.
    pub split_codes: usize,
    /// Products that they are.
    pub products: usize,
    /// Verdicts on the products of the window.
    pub verdicts: VerdictCounts,
    /// Tastes.
    pub tastes: taste::Report,
    /// Packs of the snapshot, without the manifest.
    pub packs: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Bytes of the board.
    pub board_bytes: usize,
    /// Taste shards, empty ones included.
    pub taste_shards: usize,
    /// Bytes of one user in a shard.
    pub bytes_per_user: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        writeln!(f, "{}", self.schedule)?;
        let VerdictCounts { new, repeat, unknown } = self.verdicts;
        writeln!(
            f,
            "products: {} from {} listings, {} codes used for several",
            self.products, self.listings, self.split_codes
        )?;
        writeln!(f, "  in the window: {new} new, {repeat} repeats, {unknown} unknown")?;
        write!(f, "{}", self.tastes)?;
        write!(
            f,
            "snapshot {}: {} packs, {} bytes, of which the board {}; {} taste shards of {} bytes a user",
            self.snapshot, self.packs, self.bytes, self.board_bytes, self.taste_shards, self.bytes_per_user
        )
    }
}

/// Builds a snapshot as of `now`. The same input and time give the same bytes.
///
/// # Errors
/// An [`Error`] that names the file and the place in it, where that is what is wrong.
pub async fn build(options: &Options, now: UnixMillis) -> Result<Report, Error> {
    let hasher = UserHasher::new(options.user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    let rules = read_rules(options)?;
    let context = engine::open(&options.engine)?;
    let (source, tabs, tables) = open_tables(options, context.clone(), now).await?;
    // One bar for what is done with the tables, a step a stage: none of them knows beforehand how long it takes.
    let steps = options.progress.start("the schedule", Unit::Items, 5);
    let next = |what: &str| {
        steps.advance(1);
        steps.say(what);
    };
    let schedule = schedule::build(&context, source.work_dir()).await?;
    next("products");
    let mut catalogue = catalogue::read(&context).await?;
    let policy = Policy::default();
    let split_codes = catalogue.split_reused_codes(&policy);
    let catalogue = catalogue;
    let listings: Vec<identity::Listing> = catalogue.entries.iter().map(|entry| entry.listing.clone()).collect();
    let resolution = identity::resolve(&listings, &policy);
    let ids: Vec<_> = resolution.listings.iter().map(|resolved| resolved.product).collect();
    let products = compose::products(&catalogue, &ids);

    next("tastes");
    let vocabulary = compose::vocabulary(&catalogue, &tabs);
    let features: Vec<_> = products.iter().map(|product| product.features(&catalogue)).collect();
    let on_board = compose::on_board(&catalogue, &products, &rules, now);
    let offer = Offer { vocabulary: &vocabulary, products: &features, board: &on_board };
    let listed = products.iter().flat_map(|product| product.entries.iter().map(|entry| (entry, product.id)));
    let listed = listed.filter_map(|(entry, id)| catalogue.entries.get(*entry).map(|entry| (entry, id)));
    catalogue::register_products(&context, listed)?;
    let mut users = Vec::new();
    let taste_options = taste::Options {
        half_life_days: rules.taste.half_life_days,
        max_events_per_user: rules.taste.max_events_per_user,
        ..taste::Options::default()
    };
    let learned = taste::learn(&context, &offer, &taste_options, now, |user, _| users.push(user)).await?;

    next("verdicts and packs");
    let reach = compose::reach(&catalogue);
    let facts = Facts {
        catalogue: &catalogue,
        products: &products,
        tabs: &tabs,
        rules: &rules,
        vocabulary: &vocabulary,
        learned: &learned,
        reach: &reach,
        now,
    };
    let (board, verdicts) = compose::board(&facts);
    let mut shards = Shards::new(&board, hasher);
    for user in &users {
        shards.add(user);
    }
    let bytes_per_user = shards.user_bytes();
    let packs = compose::packs(&board, &shards, rules.taste.shard_bytes)?;
    let (manifest, _) = packs.manifest.write()?;
    next("the snapshot");
    Snapshot::at(&options.output).write(&packs.packs, &manifest)?;
    Ok(Report {
        snapshot: packs.manifest.snapshot().to_string(),
        tables,
        schedule,
        listings: catalogue.entries.len(),
        split_codes,
        products: products.len(),
        verdicts,
        tastes: learned.report,
        packs: packs.packs.len(),
        bytes: packs.packs.values().map(Vec::len).sum(),
        board_bytes: packs.packs.get(&packs.manifest.board).map_or(0, Vec::len),
        taste_shards: packs.manifest.shards.len(),
        bytes_per_user,
    })
}

fn read_rules(options: &Options) -> Result<Rules, Error> {
    let beside = options.input.join("rules.toml");
    match &options.rules {
        Some(path) => Ok(Rules::read(path)?),
        None if beside.exists() => Ok(Rules::read(&beside)?),
        None => Ok(Rules::default()),
    }
}

async fn open_tables(
    options: &Options,
    context: SessionContext,
    now: UnixMillis,
) -> Result<(Source, Vec<Tab>, Vec<TableReport>), Error> {
    let rejects = options.rejects.clone().unwrap_or_else(|| beside(&options.output, "rejects.ndjson"));
    let source_options = source::Options {
        work_dir: std::env::temp_dir(),
        rejects: Some(rejects),
        limit: options.limit,
        progress: options.progress,
    };
    let mut source = Source::new(context, source_options)?;
    let mut tables = Vec::new();
    let broadcasts = find_table(&options.input, "broadcasts")?;
    let broadcasts = broadcasts.ok_or_else(|| Error::NoBroadcasts { input: options.input.clone() })?;
    tables.push(source.open_broadcasts(&broadcasts, now).await?);
    match find_table(&options.input, "events")? {
        Some(events) => tables.push(source.open_events(&events, now).await?),
        None => source.without_events().await?,
    }
    let tabs = match find_table(&options.input, "tabs")? {
        Some(path) => {
            let (tabs, report) = source.open_tabs(&path, now)?;
            tables.push(report);
            tabs
        }
        None => default_tabs(),
    };
    Ok((source, tabs, tables))
}

/// `name` beside the folder `folder`: `snapshot` gives `snapshot.rejects.ndjson`.
fn beside(folder: &Path, name: &str) -> PathBuf {
    let mut file = folder.file_name().unwrap_or_default().to_owned();
    file.push(".");
    file.push(name);
    folder.with_file_name(file)
}

/// The two tabs that Sinsang itself fills, where there is no table of tabs.
fn default_tabs() -> Vec<Tab> {
    [("new", "신상품", "/new"), ("live", "생방송", "/live")]
        .into_iter()
        .zip(0..)
        .map(|((tab_id, label, target), position)| Tab {
            tab_id: tab_id.to_owned(),
            label: label.to_owned(),
            position,
            pinned: true,
            target: target.to_owned(),
        })
        .collect()
}
