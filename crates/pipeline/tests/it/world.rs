//! A generated data set, the snapshot built from it, and the truth behind it, for tests of a whole
//! build.
#![allow(dead_code, reason = "the tests of the pipeline and of the command take different parts of it")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use sinsang_core::context::{Context, WEEK_PARTS, week_part};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Format, Kind};
use sinsang_core::surface::new::Selection;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserHasher;
use sinsang_demo::generate::{self, generate};
use sinsang_demo::table_write::TableFormat;
use sinsang_identity::identity::{self, Policy, ProductId};
use sinsang_pipeline::build::{self, Options};
use sinsang_pipeline::engine;
use sinsang_pipeline::read::catalogue::{self, ByEntry, Catalogue};
use sinsang_pipeline::read::schedule;
use sinsang_pipeline::read::source::{self, Source};
use sinsang_pipeline::report::built::Report;
use sinsang_publish::snapshot::Snapshot;
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;
use tempfile::TempDir;

/// The secret that hashes users.
pub(crate) const USER_KEY: &str = "a secret of the tests, of no use elsewhere";

/// The time of all builds in these tests.
pub(crate) fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339("2026-11-22T12:34:56+09:00").unwrap()
}

/// Generates tables in plain text.
pub(crate) fn tables(folder: &Path, days: u32, users: usize) {
    let mut options = generate::Options::new(folder, now());
    (options.days, options.users) = (days, users);
    options.broadcasts = TableFormat::parse("ndjson").unwrap();
    options.events = TableFormat::parse("ndjson").unwrap();
    generate(&options).unwrap();
}

/// The options for building `input` into `output`.
pub(crate) fn options(input: &Path, output: &Path) -> Options {
    Options {
        input: input.to_owned(),
        output: output.to_owned(),
        rules: None,
        rejects: None,
        builds: None,
        viewers: None,
        limit: Limit::default(),
        zones: Zones::default(),
        user_key: USER_KEY.to_owned(),
        format: Format::One,
        policy: Policy::default(),
        ledger: None,
        model: None,
        engine: engine::Options::default(),
        progress: Progress::hidden(),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

/// Builds `input` into `output`.
pub(crate) fn build(input: &Path, output: &Path) -> Report {
    build_with(&options(input, output))
}

/// Builds with `options`.
pub(crate) fn build_with(options: &Options) -> Report {
    build_at(options, now())
}

/// Builds with `options` as of another time.
pub(crate) fn build_at(options: &Options, now: UnixMillis) -> Report {
    wait(build::build(options, now)).unwrap()
}

/// Every file of a snapshot, by its path within it.
pub(crate) fn files(snapshot: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([("manifest".to_owned(), fs::read(snapshot.join("manifest")).unwrap())]);
    for entry in fs::read_dir(snapshot.join("pack")).unwrap() {
        let entry = entry.unwrap();
        files.insert(format!("pack/{}", entry.file_name().to_str().unwrap()), fs::read(entry.path()).unwrap());
    }
    files
}

/// The board of a snapshot.
pub(crate) fn board(snapshot: &Path) -> Board {
    let kept = Snapshot::at(snapshot);
    let id = kept.manifest().unwrap().board();
    kept.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id)).unwrap()
}

/// The lines of an NDJSON file.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The truth about a product.
#[derive(Debug)]
pub(crate) struct TrueProduct {
    pub(crate) really_new: bool,
    pub(crate) censored: bool,
    pub(crate) first_at: UnixMillis,
    pub(crate) category: String,
    pub(crate) brand: Option<String>,
}

/// The truth about a user.
#[derive(Debug)]
pub(crate) struct TrueUser {
    pub(crate) user_id: String,
    pub(crate) persona: Option<String>,
    pub(crate) categories: HashMap<String, f64>,
    pub(crate) brands: Vec<String>,
    pub(crate) tabs: HashMap<String, f64>,
    /// The user's province and device class.
    pub(crate) context: Context,
}

/// The data set, its truth, and the results of its build.
pub(crate) struct World {
    _folder: TempDir,
    /// The snapshot's folder.
    pub(crate) snapshot: PathBuf,
    pub(crate) report: Report,
    pub(crate) catalogue: Catalogue,
    /// The product found for each listing of the catalogue.
    pub(crate) found: ByEntry<ProductId>,
    /// The true product of each listing of the catalogue.
    pub(crate) truth_of: Vec<usize>,
    pub(crate) products: Vec<TrueProduct>,
    pub(crate) users: Vec<TrueUser>,
    /// Context effects on the weights of categories, by factor, value and category.
    pub(crate) leans: Vec<(String, String, HashMap<String, f64>)>,
    pub(crate) board: Board,
    /// All taste shards of the snapshot.
    shards: Vec<TasteShard>,
}

/// The data set shared by the tests.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::make(180, 300))
}

impl World {
    /// A data set with `days` of history and `users`.
    pub(crate) fn make(days: u32, users: usize) -> Self {
        Self::make_by(days, users, build)
    }

    /// The same, built by `build` from tables into a snapshot.
    pub(crate) fn make_by(days: u32, users: usize, build: impl FnOnce(&Path, &Path) -> Report) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (input, snapshot) = (folder.path().join("tables"), folder.path().join("snapshot"));
        tables(&input, days, users);
        let report = build(&input, &snapshot);
        let catalogue = read_catalogue(&input, folder.path());
        let listings: Vec<_> = catalogue.entries.iter().map(|entry| entry.listing.clone()).collect();
        let found = identity::resolve(&listings, &Policy::default()).listings.iter().map(|one| one.product).collect();
        let truth_of = truth_of(&lines(&input.join("truth/listings.ndjson")), &listings);
        let kept = Snapshot::at(&snapshot);
        let manifest = kept.manifest().unwrap();
        let board = board(&snapshot);
        let shards = manifest.parts().shards.into_iter().filter(|id| !id.is_none());
        let shards = shards
            .map(|id| kept.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id)).unwrap())
            .collect();
        let products = lines(&input.join("truth/products.ndjson")).iter().map(true_product).collect();
        let users = lines(&input.join("truth/users.ndjson")).iter().map(true_user).collect();
        let leans = lines(&input.join("truth/contexts.ndjson")).iter().map(true_lean).collect();
        Self { _folder: folder, snapshot, report, catalogue, found, truth_of, products, users, leans, board, shards }
    }

    /// A user's tastes in the packs.
    pub(crate) fn taste(&self, user_id: &str) -> Option<Taste<'_>> {
        let key = UserHasher::new(USER_KEY.as_bytes()).unwrap().key(user_id);
        self.shards.iter().find_map(|shard| Some(Taste::cut(shard.find(key.0)?, shard.widths())))
    }

    /// The context's effect on the weight of a category for a user at time `at`.
    pub(crate) fn lean(&self, context: Context, at: UnixMillis, category: &str) -> f64 {
        let is_weekend = usize::from(week_part(at)) >= WEEK_PARTS / 2;
        let hours = if is_weekend { "weekend_hour" } else { "weekday_hour" };
        let (region, device) = context.names();
        let holds = |factor: &str, value: &str| match factor {
            "region" => region.as_deref() == Some(value),
            "device_class" => device == Some(value),
            _ => factor == hours && value == at.kst_hour().to_string(),
        };
        let leans = self.leans.iter().filter(|(factor, value, _)| holds(factor, value));
        leans.filter_map(|(.., categories)| categories.get(category)).sum()
    }

    /// The true product by product id, taken from the product's first listing.
    pub(crate) fn truth_by_id(&self) -> HashMap<u64, &TrueProduct> {
        let mut truth = HashMap::new();
        for (id, product) in self.found.iter().zip(&self.truth_of) {
            truth.entry(id.0).or_insert(&self.products[*product]);
        }
        truth
    }
}

/// The catalogue as a build reads it.
fn read_catalogue(input: &Path, work: &Path) -> Catalogue {
    let options = source::Options {
        work_dir: work.to_owned(),
        rejects: None,
        limit: Limit::default(),
        zones: Zones::default(),
        page_bytes: source::DEFAULT_PAGE_BYTES,
        progress: Progress::hidden(),
    };
    wait(async {
        let context = engine::open(&engine::Options::default()).unwrap();
        let mut source = Source::new(context.clone(), options).unwrap();
        source.open_broadcasts(&input.join("broadcasts.ndjson"), now()).await.unwrap();
        schedule::build(&context, source.work_dir()).await.unwrap();
        let mut catalogue = catalogue::read(&context).await.unwrap();
        catalogue.split_reused_codes(&Policy::default());
        catalogue
    })
}

/// The true product of each listing: by shop and code, or by title if the schedule gave no code.
fn truth_of(truth: &[Value], listings: &[identity::Listing]) -> Vec<usize> {
    let plain = |title: &str| title.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut by_code, mut by_title) = (HashMap::new(), HashMap::new());
    for line in truth {
        let product = usize::try_from(line["product"].as_u64().unwrap()).unwrap();
        by_code.insert((line["shop"].as_str().unwrap(), line["listing_id"].as_str().unwrap()), product);
        for title in line["titles"].as_array().unwrap() {
            by_title.insert(plain(title.as_str().unwrap()), product);
        }
    }
    let find = |listing: &identity::Listing| {
        let code = by_code.get(&(listing.shop.as_str(), listing.listing_id.as_str()));
        let title = || listing.titles.iter().find_map(|title| by_title.get(&plain(title)));
        *code.or_else(title).unwrap_or_else(|| panic!("no truth on {listing:?}"))
    };
    listings.iter().map(find).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn true_product(line: &Value) -> TrueProduct {
    TrueProduct {
        really_new: line["really_new"].as_bool().unwrap(),
        censored: line["censored"].as_bool().unwrap(),
        first_at: UnixMillis::parse_rfc3339(line["first_broadcast_at"].as_str().unwrap()).unwrap(),
        category: text(&line["category"]),
        brand: line["brand"].as_str().map(str::to_owned),
    }
}

fn true_user(line: &Value) -> TrueUser {
    let shares = |field: &str| {
        let shares = line[field].as_object().unwrap().iter();
        shares.map(|(name, share)| (name.clone(), share.as_f64().unwrap())).collect()
    };
    TrueUser {
        user_id: text(&line["user_id"]),
        persona: line["persona"].as_str().map(str::to_owned),
        categories: shares("categories"),
        brands: line["brands"].as_array().unwrap().iter().map(text).collect(),
        tabs: shares("tabs"),
        context: Context::of_names(
            line["region"].as_str().unwrap_or_default(),
            line["device_class"].as_str().unwrap_or_default(),
        ),
    }
}

fn true_lean(line: &Value) -> (String, String, HashMap<String, f64>) {
    let categories = line["categories"].as_object().unwrap().iter();
    (
        text(&line["factor"]),
        text(&line["value"]),
        categories.map(|(name, lean)| (name.clone(), lean.as_f64().unwrap())).collect(),
    )
}

/// Discounted gain of the first `depth` places.
#[allow(clippy::cast_precision_loss, reason = "places of a list")]
pub(crate) fn gain(gains: impl Iterator<Item = f64>, depth: usize) -> f64 {
    gains.take(depth).enumerate().map(|(place, gain)| gain / (place as f64 + 2.0).log2()).sum()
}

/// The gain of this order divided by the best order's.
pub(crate) fn ndcg(gains: &[f64], depth: usize) -> f64 {
    let mut best = gains.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    gain(gains.iter().copied(), depth) / gain(best.into_iter(), depth)
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

pub(crate) fn everything(at: UnixMillis) -> Selection {
    Selection::recommended(at, usize::MAX)
}

/// How much a user wants a product: the category's weight relative to the favourite's, plus a half
/// for a liked brand.
pub(crate) fn wanted(user: &TrueUser, product: &TrueProduct) -> f64 {
    let most = user.categories.values().copied().fold(0.0, f64::max);
    let brand = product.brand.as_ref().is_some_and(|brand| user.brands.contains(brand));
    user.categories.get(&product.category).copied().unwrap_or(0.0) / most + if brand { 0.5 } else { 0.0 }
}
