//! Tables in, a snapshot folder out: `sinsang build`.
//!
//! ```text
//! broadcasts ─ history ─ products ─ verdict ─┐
//! events ───── source ── taste ── tastes ────┼─ compose ─ packs ─ snapshot
//! tabs, rules ───────────────────────────────┘
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use serde::Serialize;
use sinsang::pack::TooLarge;
use sinsang::time::UnixMillis;
use sinsang::viewer::UserHasher;

use crate::compose::{self, Facts, Shards, VerdictCounts};
use crate::history::{self, History};
use crate::identity::Policy;
use crate::progress::{Progress, Unit};
use crate::reject::Limit;
use crate::rules::{self, Rules};
use crate::snapshot::{self, Snapshot};
use crate::source::{self, Source, TableReport, find_table};
use crate::table::Tab;
use crate::taste::{self, Offer};
use crate::{catalogue, engine, schedule};

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

impl Options {
    fn history(&self) -> history::Options {
        history::Options {
            input: self.input.clone(),
            rejects: Some(self.rejects.clone().unwrap_or_else(|| beside(&self.output, "rejects.ndjson"))),
            limit: self.limit,
            policy: Policy::default(),
            engine: self.engine.clone(),
            progress: self.progress,
        }
    }
}

/// Why there is no snapshot. The output's folder is as it was, unless the error is about writing it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The history can't be read.
    #[error(transparent)]
    History(#[from] history::Error),
    /// Another table can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The rules can't be used.
    #[error(transparent)]
    Rules(#[from] rules::Error),
    /// The engine failed at a question.
    #[error("the products can't be registered: {0}")]
    Products(#[from] DataFusionError),
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
    let rules = Rules::find(options.rules.as_deref(), &options.input)?;
    let history = history::read(&options.history(), now).await?;
    let History { mut source, broadcasts, schedule, catalogue, split_codes, resolution, products, reach, .. } = history;
    let context = source.context().clone();
    let mut tables = vec![broadcasts];
    let tabs = open_tables(options, &mut source, &mut tables, now).await?;
    // One bar for what is done with the tables, a step a stage: none of them knows beforehand how long it takes.
    let steps = options.progress.start("tastes", Unit::Items, 3);
    let next = |what: &str| {
        steps.advance(1);
        steps.say(what);
    };

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
    let facts = Facts {
        catalogue: &catalogue,
        products: &products,
        resolution: &resolution,
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

/// Opens the tables beside `broadcasts`; answers with the tabs.
async fn open_tables(
    options: &Options,
    source: &mut Source,
    tables: &mut Vec<TableReport>,
    now: UnixMillis,
) -> Result<Vec<Tab>, Error> {
    match find_table(&options.input, "events").map_err(source::Error::from)? {
        Some(events) => tables.push(source.open_events(&events, now).await?),
        None => source.without_events().await?,
    }
    match find_table(&options.input, "tabs").map_err(source::Error::from)? {
        Some(path) => {
            let (tabs, report) = source.open_tabs(&path, now)?;
            tables.push(report);
            Ok(tabs)
        }
        None => Ok(default_tabs()),
    }
}

/// `name` beside what a run writes: `snapshot` gives `snapshot.rejects.ndjson`.
pub fn beside(output: &Path, name: &str) -> PathBuf {
    let mut file = output.file_name().unwrap_or_default().to_owned();
    file.push(".");
    file.push(name);
    output.with_file_name(file)
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
