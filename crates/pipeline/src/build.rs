//! Tables in, a snapshot folder out: `sinsang build`.
//!
//! ```text
//! broadcasts ─ history ─ products ─ verdict ─┐
//! events ───── source ── taste ── tastes ────┼─ compose ─ packs ─ snapshot
//! tabs, rules ───────────────────────────────┘
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::AsArray as _;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use sinsang_core::pack::{Format, TooLarge};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{UserHasher, UserKey};
use sinsang_identity::identity::{Policy, ProductId};
use sinsang_publish::snapshot::{self, Snapshot};
use sinsang_run::lock::{Denied, Lock};
use sinsang_run::progress::{Progress, Unit};
use sinsang_run::replace::beside;
use sinsang_run::{count, stage};
use sinsang_tables::Zones;
use sinsang_tables::check::{Table as _, Tabs};
use sinsang_tables::reject::Limit;
use sinsang_tables::table::Tab;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::compose::{self, Facts, Shards};
use crate::engine::{self, sql};
use crate::learn::model_file::Keeping;
use crate::learn::taste::{self, Learned, Offer, ProductFeatures, Recipe, UserTaste};
use crate::ledger;
use crate::read::catalogue;
use crate::read::external_vectors::{self, Lab};
use crate::read::forgotten::{self, Forgotten, Whose};
use crate::read::history::{self, History};
use crate::read::product::Product;
use crate::read::rekey::{self, Renamed};
use crate::read::rules::{self, Lists, Rules, Unnamed};
use crate::read::source::{self, Source, TableReport, find_table};
use crate::report::built::Report;
use crate::report::census::VerdictCounts;
use crate::report::viewers::{self, Viewers};
use crate::report::{build_log, hindsight};

/// The inputs and outputs of a build.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the tables `broadcasts`, `events` and `tabs`, and of `rules.toml`. Only
    /// `broadcasts` is required.
    pub input: PathBuf,
    /// The folder of the snapshot.
    pub output: PathBuf,
    /// The rules file; by default `rules.toml` in the input folder.
    pub rules: Option<PathBuf>,
    /// The file for rejected rows; by default beside the output.
    pub rejects: Option<PathBuf>,
    /// The build log; by default beside the output.
    pub builds: Option<PathBuf>,
    /// A list of users whose recent events are written beside the output.
    pub viewers: Option<PathBuf>,
    /// The largest share of a table that may be set aside.
    pub limit: Limit,
    /// Time zones of times without an offset.
    pub zones: Zones,
    /// The secret that hashes users; the edge must use the same.
    pub user_key: String,
    /// A ledger of past days. `input` then only needs the days that the ledger lacks, from the
    /// start of the board's window on; they are appended to it.
    pub ledger: Option<PathBuf>,
    /// The file of the model of tastes between builds; `None` trains at each build.
    pub model: Option<PathBuf>,
    /// The pack format.
    pub format: Format,
    /// The rules by which two listings are one product.
    pub policy: Policy,
    /// The engine's memory and parallelism.
    pub engine: engine::Options,
    /// The progress display.
    pub progress: Progress,
}

impl Options {
    fn history(&self) -> history::Options {
        history::Options {
            input: self.input.clone(),
            rejects: Some(self.rejects.clone().unwrap_or_else(|| beside(&self.output, "rejects.ndjson"))),
            limit: self.limit,
            zones: self.zones.clone(),
            policy: self.policy.clone(),
            engine: self.engine.clone(),
            progress: self.progress,
        }
    }

    /// The file with a line for each build.
    fn build_log(&self) -> PathBuf {
        self.builds.clone().unwrap_or_else(|| beside(&self.output, "builds.ndjson"))
    }
}

/// Why the build failed. The output folder is unchanged, unless the error is about writing it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The history can't be read.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The day can't be resolved against the ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::UpdateError),
    /// The ledger's records of events' products can't be read.
    #[error(transparent)]
    Recall(ledger::Error),
    /// The day can't be appended to the ledger. The snapshot is complete.
    #[error(
        "the snapshot is written, but the day is not in the ledger: {0}; build again, which gives the same snapshot"
    )]
    Append(ledger::Error),
    /// Another table can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The rules can't be used.
    #[error(transparent)]
    Rules(#[from] rules::Error),
    /// The list of forgotten users can't be read.
    #[error(transparent)]
    Forgotten(#[from] forgotten::Error),
    /// The file of users under two keys can't be read.
    #[error(transparent)]
    Renamed(#[from] rekey::Error),
    /// The lab's files can't be used.
    #[error(transparent)]
    Lab(#[from] external_vectors::Error),
    /// The board can't be composed. Nothing is published.
    #[error(transparent)]
    Compose(#[from] compose::Error),
    /// A query failed.
    #[error("the products can't be registered: {0}")]
    Products(#[from] DataFusionError),
    /// Tastes can't be learned.
    #[error(transparent)]
    Taste(#[from] taste::Error),
    /// Another build writes the same snapshot, or the output's lock file can't be created.
    #[error("can't build into {}: its lock is {source}; wait for that build, or choose another --output", output.display())]
    Locked {
        /// The snapshot's folder.
        output: PathBuf,
        /// The lock's holder, or the system's error.
        source: Denied,
    },
    /// No row of the table of broadcasts is usable.
    #[error(
        "{} has no usable broadcast in {rows} rows: a snapshot without a schedule would be empty; \
         get the table again",
        input.display()
    )]
    NoBroadcasts {
        /// The folder of the tables.
        input: PathBuf,
        /// Number of rows read.
        rows: u64,
    },
    /// No broadcast lies in the board's window.
    #[error(
        "no broadcast lies in the board's window, {from} to {to}: check --now, and that the table reaches the present"
    )]
    NothingOnBoard {
        /// The start of the window.
        from: UnixMillis,
        /// The end of the window.
        to: UnixMillis,
    },
    /// No key to hash users with.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the edge's USER_KEY")]
    NoUserKey,
    /// A pack exceeds its limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The snapshot can't be written.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The list of users whose recent events are wanted can't be used.
    #[error(transparent)]
    Viewers(#[from] viewers::Error),
}

/// Builds a snapshot as of `now`. The same input and time give the same bytes.
///
/// # Errors
/// An [`Error`] that names the file, and the place in it if its content is invalid.
pub async fn build(options: &Options, now: UnixMillis) -> Result<Report, Error> {
    let hasher = UserHasher::new(options.user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    let _lock = lock(&options.output, now)?;
    let renamed = Renamed::read(&options.input)?;
    let forgotten = forgotten::Forgotten::read(&options.input)?.by_all_names(&renamed);
    let whose = Whose { hasher: &hasher, renamed: &renamed, forgotten: &forgotten };
    let viewers = options.viewers.as_deref().map(Viewers::read).transpose()?;
    let rules = Rules::find(options.rules.as_deref(), &options.input)?;
    rules.fit(options.format)?;
    let (mut history, run) = past(options, &renamed, now).await?;
    let mut tables = vec![history.broadcasts.clone()];
    let stage = stage!("events and tabs", events = Empty, tabs = Empty);
    let tabs = open_tables(options, &mut history.source, &mut tables, &hasher, now).instrument(stage).await?;
    if let Some(run) = &run {
        let (codes, ids) = named_by_events(history.context()).await?;
        run.recall(&mut history, &codes, &ids).map_err(Error::Recall)?;
    }
    let corrections = history.corrections();
    let History { source, schedule, catalogue, split_codes, resolution, products, likely, reach, listed, .. } = history;
    let context = source.context().clone();
    // One bar for all stages, a step a stage: none knows its duration beforehand.
    let steps = options.progress.start("tastes", Unit::Items, 3);
    let next = |what: &str| {
        steps.advance(1);
        steps.say(what);
    };

    let vocabulary = compose::vocabulary(&catalogue, &tabs);
    let (audiences, found) = rules.audience_parts(&vocabulary.categories, Lists::of(&options.input, &whose))?;
    let features: Vec<_> = products.iter().map(|product| product.features(&catalogue)).collect();
    let on_board = on_board(&catalogue, products.as_raw_slice(), &rules, now)?;
    let offer = Offer { vocabulary: &vocabulary, products: &features, board: &on_board };
    let placed = products.iter().flat_map(|product| product.entries.iter().map(|entry| (entry, product.id)));
    let placed = placed.map(|(entry, id)| (&catalogue.entries[*entry], id));
    catalogue::register_products(&context, placed)?;
    let mut lab = Lab::read(&rules.lab, &options.input, &on_board, whose)?;
    let has_foreign = lab.as_ref().is_some_and(|lab| lab.report.products.is_some());
    let layout = compose::layout(&catalogue, &vocabulary, &tabs, has_foreign, &rules);
    let mut shards = Shards::new(&layout, lab.as_ref().map_or(0, Lab::longest));
    let mut taste_options = taste_options(options, &rules, &forgotten);
    let mut keeping = Keeping::begin(options.model.as_deref(), rules.taste.train_every_days, &mut taste_options, now);
    let learned = learn(&context, &offer, &taste_options, now, (lab.as_mut(), &mut shards, &renamed)).await?;

    let (ranking, mut notes) = look_back(&context, options, (viewers.as_ref(), &features, whose), now).await?;

    lab.iter().flat_map(|lab| lab.others(&vocabulary)).for_each(|user| add(&mut shards, user, &renamed));
    next("verdicts and packs");
    let facts = Facts {
        catalogue: &catalogue,
        products: products.as_raw_slice(),
        resolution: &resolution,
        likely: &likely,
        tabs: &tabs,
        rules: &rules,
        vocabulary: &vocabulary,
        learned: &learned,
        reach: &reach,
        audiences: &audiences,
        lab: lab.as_ref().filter(|lab| lab.report.products.is_some()),
        now,
        format: options.format,
    };
    let stage = stage!("packs", new = Empty, repeat = Empty, unknown = Empty, packs = Empty, bytes = Empty).entered();
    let (board, census, directives) = compose::board(&facts)?;
    let packs = compose::packs(&board, &shards, rules.taste.shard_bytes)?;
    let (manifest, _) = packs.manifest.write()?;
    let bytes: usize = packs.packs.values().map(Vec::len).sum();
    let VerdictCounts { new, repeat, unknown } = census.verdicts;
    stage.record("new", count(new)).record("repeat", count(repeat)).record("unknown", count(unknown));
    stage.record("packs", count(packs.packs.len())).record("bytes", count(bytes));
    drop(stage);
    next("the snapshot");
    stage!("snapshot").in_scope(|| Snapshot::at(&options.output).write(&packs.packs, &manifest))?;
    forgotten.write_users(&beside(&options.output, forgotten::FILE))?;
    let model = keeping.end(&learned, &taste_options, now);
    notes.extend(keeping.notes.drain(..).chain(without_tabs(&tables)).chain(without_ids(&layout.unnamed)));
    // The ledger comes last: a build that fails earlier leaves it unchanged.
    let ledger = run.map(|run| run.append(now).map_err(Error::Append)).transpose()?;
    let mut report = Report {
        snapshot: packs.manifest.snapshot().to_string(),
        tables,
        schedule,
        listings: listed,
        split_codes,
        corrections,
        products: resolution.products,
        verdicts: census.verdicts,
        tastes: learned.report,
        model,
        pack_format: options.format.version(),
        packs: packs.packs.len(),
        bytes,
        board_bytes: packs.packs.get(&packs.manifest.board).map_or(0, Vec::len),
        taste_shards: packs.manifest.shards.len(),
        bytes_per_user: shards.user_bytes(),
        directives,
        audiences: found,
        lab: lab.map(|lab| lab.report),
        notes,
        ledger,
    };
    let line = build_log::Line::of(&report, census, now, ranking);
    report.notes.extend(build_log::append(&options.build_log(), &line).err().map(|error| error.to_string()));
    Ok(report)
}

/// Locks the snapshot's folder, by a file beside it, so that only one build writes there at a time.
fn lock(output: &Path, now: UnixMillis) -> Result<Lock, Error> {
    let path = beside(output, "lock");
    let failed = |source| Error::Locked { output: output.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
    }
    Lock::take(&path, &format!("process {}, which builds as of {now}", std::process::id())).map_err(failed)
}

/// Learns tastes into shards, together with the lab's vectors and lists.
async fn learn(
    context: &SessionContext,
    offer: &Offer<'_>,
    options: &taste::Options,
    now: UnixMillis,
    (mut lab, shards, renamed): (Option<&mut Lab>, &mut Shards, &Renamed),
) -> Result<Learned, taste::Error> {
    let stage = stage!("tastes", events = Empty, users = Empty);
    let learn = taste::learn(context, offer, options, now, |mut user, _| {
        if let Some(lab) = &mut lab {
            lab.join(&mut user);
        }
        add(shards, user, renamed);
    });
    let learned = learn.instrument(stage.clone()).await?;
    stage.record("events", count(learned.report.events_used)).record("users", count(learned.report.users));
    Ok(learned)
}

/// Adds a user's tastes to `shards` under each of their names, so that an edge with either key
/// finds them.
fn add(shards: &mut Shards, mut user: UserTaste, renamed: &Renamed) {
    match UserKey::parse(&user.user_id) {
        Some(key) if !renamed.is_empty() => {
            for name in renamed.all(key) {
                user.user_id = name.to_string();
                shards.add(&user);
            }
        }
        _ => shards.add(&user),
    }
}

/// Writes recent events of listed viewers, and scores the previous snapshot's ranking before it is
/// overwritten. If it can't be scored, a note says why.
async fn look_back(
    context: &SessionContext,
    options: &Options,
    (viewers, products, whose): (Option<&Viewers>, &[ProductFeatures<'_>], Whose<'_>),
    now: UnixMillis,
) -> Result<(Option<hindsight::Report>, Vec<String>), Error> {
    let listing = context.sql(sql!("taste_listing")).await?.into_view();
    context.register_table("event_listing", listing)?;
    if let Some(viewers) = viewers {
        viewers.tell(&beside(&options.output, "viewers.json"), context, products, whose, now).await?;
    }
    match hindsight::look(context, &Snapshot::at(&options.output), whose.forgotten, now).await {
        Ok(ranking) => Ok((ranking, Vec::new())),
        Err(error) => Ok((None, vec![format!("can't score the previous snapshot's ranking: {error}")])),
    }
}

/// Reads the history, from the tables alone or with the ledger, and returns the run that appends to
/// it.
async fn past(options: &Options, renamed: &Renamed, now: UnixMillis) -> Result<(History, Option<ledger::Run>), Error> {
    let (mut history, run) = match &options.ledger {
        None => (history::read(&options.history(), now).await?, None),
        Some(ledger) => {
            let asked = ledger::Options { ledger: ledger.clone(), history: options.history() };
            let (history, run) = ledger::read(&asked, now).await?;
            (history, Some(run))
        }
    };
    history.source.rename(renamed.clone());
    if history.broadcasts.kept == 0 {
        return Err(Error::NoBroadcasts { input: options.input.clone(), rows: history.broadcasts.rows });
    }
    Ok((history, run))
}

/// The products of the board.
fn on_board(
    catalogue: &catalogue::Catalogue,
    products: &[Product],
    rules: &Rules,
    now: UnixMillis,
) -> Result<BTreeSet<u64>, Error> {
    let found = compose::on_board(catalogue, products, rules, now);
    if found.is_empty() {
        let (from, to) = compose::window(rules, now);
        return Err(Error::NothingOnBoard { from, to });
    }
    Ok(found)
}

/// The note if there is no table of tabs.
fn without_tabs(tables: &[TableReport]) -> Option<String> {
    let is_missing = !tables.iter().any(|table| table.table == Tabs::NAME);
    is_missing.then(|| "no table tabs: the tab bar has only the tabs new and live".to_owned())
}

/// Notes on channels whose ids the operator should look at: a few, and how many more there are.
fn without_ids(unnamed: &[Unnamed]) -> impl Iterator<Item = String> {
    const TOLD: usize = 5;
    let rest = unnamed.len().checked_sub(TOLD).filter(|rest| *rest > 0);
    unnamed.iter().take(TOLD).map(Unnamed::to_string).chain(rest.map(|rest| format!("{rest} more channels like that")))
}

/// The options of learning, taken from the rules.
fn taste_options(options: &Options, rules: &Rules, forgotten: &Forgotten) -> taste::Options {
    taste::Options {
        half_life_days: rules.taste.half_life_days,
        by_context: rules.taste.by_context,
        max_events_per_user: rules.taste.max_events_per_user,
        // It takes as long as a few trainings, which a model for days is worth.
        tune: rules.taste.tune && options.model.is_some(),
        recipe: Recipe::default().within(rules.taste.memory_mb as usize * (1 << 20)),
        forgotten: Some(forgotten.clone()),
        work_dir: options.engine.work_dir(),
        ..taste::Options::default()
    }
}

/// Listings named by events, as shops and codes, and product ids named by events.
async fn named_by_events(
    context: &SessionContext,
) -> Result<(BTreeSet<(Option<String>, String)>, BTreeSet<ProductId>), DataFusionError> {
    let mut codes = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut answer = context.sql(sql!("event_product")).await?.execute_stream().await?;
    while let Some(batch) = answer.next().await {
        let batch = batch?;
        let column = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (Some(shops), Some(listings), Some(products)) =
            (column("shop"), column("listing_id"), column("product_id"))
        else {
            return Err(DataFusionError::Internal("a column of events is no text".to_owned()));
        };
        for ((shop, listing), product) in shops.iter().zip(listings).zip(products) {
            if let Some(listing) = listing {
                codes.insert((shop.map(str::to_owned), listing.to_owned()));
            }
            ids.extend(product.and_then(|product| product.parse::<ProductId>().ok()));
        }
    }
    Ok((codes, ids))
}

/// Opens the tables beside `broadcasts`, and returns the tabs.
async fn open_tables(
    options: &Options,
    source: &mut Source,
    tables: &mut Vec<TableReport>,
    hasher: &UserHasher,
    now: UnixMillis,
) -> Result<Vec<Tab>, Error> {
    match find_table(&options.input, "events").map_err(source::Error::from)? {
        Some(events) => {
            let report = source.open_events(&events, now, Some(hasher.clone())).await?;
            Span::current().record("events", count(report.kept));
            tables.push(report);
        }
        None => source.without_events().await?,
    }
    match find_table(&options.input, "tabs").map_err(source::Error::from)? {
        Some(path) => {
            let (tabs, report) = source.open_tabs(&path, now)?;
            Span::current().record("tabs", count(report.kept));
            tables.push(report);
            Ok(tabs)
        }
        None => Ok(default_tabs()),
    }
}

/// Sinsang's own two tabs, used without a table of tabs.
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
