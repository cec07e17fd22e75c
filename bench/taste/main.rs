//! The Rust half of `make bench-taste` and `make bench-build`: makes events of any number of users,
//! and learns tastes from them. `run.py` drives it.

mod crowd;
#[path = "../process.rs"]
mod process;
mod zipf;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Parser, Subcommand};
use crowd::{Crowd, DAYS, first_day};
use datafusion::prelude::ParquetReadOptions;
use process::{cpu_seconds, peak_bytes};
use rayon::prelude::*;
use serde_json::{Value, json};
use sinsang_core::event::EventKind;
use sinsang_core::pack::Format;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::viewer::UserHasher;
use sinsang_demo::generate;
use sinsang_pipeline::compose::{self, Facts, Shards};
use sinsang_pipeline::engine;
use sinsang_pipeline::learn::taste::{self, Offer};
use sinsang_pipeline::read::catalogue;
use sinsang_pipeline::read::history;
use sinsang_pipeline::read::rules::Rules;

type Outcome = Result<Value, Box<dyn Error>>;

const SEED: u64 = 7;
/// The secret that hashes a benchmark's users.
const USER_KEY: &str = "bench";

/// Makes and learns tastes.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a schedule of 18 channels, so many days before `now` and so many after it; with
    /// `upcoming`, tables of 36 channels beside it.
    World {
        folder: PathBuf,
        now: String,
        #[arg(long, default_value_t = 365)]
        days: u32,
        #[arg(long, default_value_t = 7)]
        ahead: i64,
        /// Listings after `now`: each day that has a product then gives it a code of its own.
        #[arg(long)]
        upcoming: Option<usize>,
    },
    /// Write the events of users, of sixty days before `now` and so many more days.
    Events {
        world: PathBuf,
        now: String,
        output: PathBuf,
        #[arg(long)]
        users: u64,
        /// The first day to write, and the day after the last.
        #[arg(long, default_value_t = 0)]
        from: i64,
        #[arg(long, default_value_t = DAYS)]
        to: i64,
        /// As a build stages them, with hashed users.
        #[arg(long)]
        staged: bool,
    },
    /// Write the users' engagement with products as a sparse matrix: `rows`, `columns` and `values`
    /// of little-endian numbers.
    Matrix {
        world: PathBuf,
        output: PathBuf,
        #[arg(long)]
        users: u64,
    },
    /// Make events on a catalogue of so many products, unless the folder is there, and learn tastes
    /// from them.
    Catalogue {
        now: String,
        events: PathBuf,
        #[arg(long)]
        products: u64,
        #[arg(long)]
        users: u64,
        #[arg(long, default_value_t = 1024)]
        memory_mb: usize,
        /// Write the users' engagement there, as `matrix` does, and learn nothing.
        #[arg(long)]
        matrix: Option<PathBuf>,
    },
    /// Learn tastes of staged events and write their packs, as a build does.
    Learn { world: PathBuf, now: String, events: PathBuf, output: PathBuf },
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let mut value = match &arguments.command {
        Command::World { folder, now, days, ahead, upcoming } => world(folder, time(now)?, *days, *ahead, *upcoming)?,
        Command::Events { world, now, output, users, from, to, staged } => {
            let hasher = UserHasher::new(USER_KEY.as_bytes()).filter(|_| *staged);
            let first = first_day(time(now)?);
            let rows = Crowd::read(world, SEED)?.write(*users, *from..*to, first, output, hasher.as_ref())?;
            json!({ "events": rows })
        }
        Command::Matrix { world, output, users } => matrix(world, output, *users)?,
        Command::Catalogue { products, users, matrix: Some(matrix), .. } => {
            let entries = write_matrix(matrix, *users, |user| zipf::products_of(user, *products))?;
            json!({ "users": users, "products": products, "entries": entries })
        }
        Command::Catalogue { now, events, products, users, memory_mb, matrix: None } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(zipf::learn(*products, *users, *memory_mb, events, time(now)?))?
        }
        Command::Learn { world, now, events, output } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(learn(world, time(now)?, events, output))?
        }
    };
    value["process_wall_s"] = json!(begun.elapsed().as_secs_f64());
    value["process_cpu_s"] = json!(cpu_seconds());
    value["peak_bytes"] = json!(peak_bytes());
    println!("{value}");
    Ok(())
}

fn time(text: &str) -> Result<UnixMillis, Box<dyn Error>> {
    Ok(UnixMillis::parse_rfc3339(text).ok_or("the time is no RFC 3339")?)
}

/// Makes the demo's schedule; with `upcoming`, a second one of other channels beside it.
fn world(folder: &Path, now: UnixMillis, days: u32, ahead: i64, upcoming: Option<usize>) -> Outcome {
    let later = ahead - generate::UPCOMING_DAYS;
    let options = generate::Options {
        days: days + u32::try_from(later)?,
        users: 1,
        ..generate::Options::new(folder, now.plus(later * DAY_MS))
    };
    generate::generate(&options)?;
    fs::remove_file(folder.join("events.parquet"))?;
    let Some(upcoming) = upcoming else { return Ok(json!({ "now": now.to_kst_rfc3339() })) };
    let second = folder.join("second");
    generate::generate(&generate::Options { out: second.clone(), seed: 2, ..options.clone() })?;
    // The first schedule remains the users' choice.
    let tables = folder.join("tables/broadcasts");
    fs::create_dir_all(&tables)?;
    fs::copy(folder.join("tabs.csv"), folder.join("tables/tabs.csv"))?;
    let mut codes = BTreeSet::new();
    let (mut past, mut to_come) = (0, 0);
    for (file, suffix) in
        [(folder.join("broadcasts.ndjson.zst"), ""), (second.join("broadcasts.ndjson.zst"), " 플러스")]
    {
        let name = if suffix.is_empty() { "first.ndjson" } else { "second.ndjson" };
        let mut output = BufWriter::new(File::create(tables.join(name))?);
        for line in BufReader::new(zstd::Decoder::new(File::open(&file)?)?).lines() {
            let mut row: Value = serde_json::from_str(&line?)?;
            for field in ["shop", "channel"] {
                let text = format!("{}{suffix}", row[field].as_str().unwrap_or_default());
                row[field] = json!(text);
            }
            // The day as the shop counts it; the text begins with a date.
            let starts = row["starts_at"].as_str().unwrap_or_default().to_owned();
            if starts.get(..10).is_some_and(|day| day > &now.to_kst_rfc3339()[..10]) {
                if codes.len() >= upcoming {
                    continue;
                }
                let code = row["listing_id"].as_str().map(|code| format!("{code}-{}{}", &starts[5..7], &starts[8..10]));
                codes.insert((row["shop"].to_string(), code.clone().unwrap_or_else(|| row["title"].to_string())));
                row["listing_id"] = json!(code);
                to_come += 1;
            } else {
                past += 1;
            }
            serde_json::to_writer(&mut output, &row)?;
            output.write_all(b"\n")?;
        }
        output.flush()?;
    }
    fs::remove_dir_all(second)?;
    Ok(
        json!({ "now": now.to_kst_rfc3339(), "past_rows": past, "rows_to_come": to_come, "listings_to_come": codes.len() }),
    )
}

/// Writes the matrix of a world's users.
fn matrix(world: &Path, output: &Path, users: u64) -> Outcome {
    let crowd = Crowd::read(world, SEED)?;
    let acts = |user: u64| {
        let mut acts = Vec::new();
        for day in 0..DAYS {
            crowd.visit(user, day, UnixMillis(0), |act| acts.extend(act.product.map(|product| (product, act.kind))));
        }
        acts
    };
    let entries = write_matrix(output, users, acts)?;
    Ok(json!({ "users": users, "products": crowd.products(), "entries": entries }))
}

/// Writes each user's products with the root of the summed squares of kinds' weights: the strengths
/// of `taste`, without decay.
fn write_matrix(
    output: &Path,
    users: u64,
    acts: impl Fn(u64) -> Vec<(u32, &'static str)> + Sync,
) -> Result<u64, Box<dyn Error>> {
    let weights = taste::Weights::default();
    let row = |user: u64| -> Vec<(u32, f32)> {
        let mut squares: BTreeMap<u32, f64> = BTreeMap::new();
        for (product, kind) in acts(user) {
            let weight = EventKind::parse(kind).map_or(0.0, |kind| weights.of(kind));
            if weight > 0.0 {
                *squares.entry(product).or_default() += weight.powi(2);
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a strength is at most 16")]
        let strength = |squares: f64| squares.sqrt().min(16.0) as f32;
        squares.into_iter().map(|(product, squares)| (product, strength(squares))).collect()
    };
    fs::create_dir_all(output)?;
    let open = |name: &str| File::create(output.join(name)).map(BufWriter::new);
    let (mut rows, mut columns, mut values) = (open("rows")?, open("columns")?, open("values")?);
    let mut end = 0_u64;
    rows.write_all(&end.to_le_bytes())?;
    for begin in (0..users).step_by(1 << 16) {
        let of: Vec<Vec<(u32, f32)>> = (begin..users.min(begin + (1 << 16))).into_par_iter().map(row).collect();
        for entries in of {
            end += entries.len() as u64;
            rows.write_all(&end.to_le_bytes())?;
            for (product, strength) in entries {
                columns.write_all(&product.to_le_bytes())?;
                values.write_all(&strength.to_le_bytes())?;
            }
        }
    }
    Ok(end)
}

/// A build's work on tastes, from staged events: learns them, makes the packs, and writes them.
async fn learn(world: &Path, now: UnixMillis, events: &Path, output: &Path) -> Outcome {
    let options = history::Options {
        input: world.to_path_buf(),
        rejects: None,
        limit: sinsang_tables::reject::Limit { max_share: 0.05 },
        zones: sinsang_tables::Zones::default(),
        policy: sinsang_identity::identity::Policy::default(),
        engine: engine::Options { partitions: std::num::NonZeroUsize::new(2), ..engine::Options::default() },
        progress: sinsang_run::progress::Progress::hidden(),
    };
    let history = history::read(&options, now).await?;
    let rules = Rules::default();
    let context = history.context().clone();
    let path = format!("{}/", fs::canonicalize(events)?.display());
    context.register_parquet("events", path, ParquetReadOptions::default()).await?;
    let vocabulary = compose::vocabulary(&history.catalogue, &[]);
    let products: Vec<_> = history.products.iter().map(|product| product.features(&history.catalogue)).collect();
    let board = compose::on_board(&history.catalogue, history.products.as_raw_slice(), &rules, now);
    let placed = history.products.iter().flat_map(|product| product.entries.iter().map(|entry| (entry, product.id)));
    let placed = placed.filter_map(|(entry, id)| history.catalogue.entries.get(*entry).map(|entry| (entry, id)));
    catalogue::register_products(&context, placed)?;
    let before = (Instant::now(), cpu_seconds(), peak_bytes());
    let offer = Offer { vocabulary: &vocabulary, products: &products, board: &board };
    let layout = compose::layout(&history.catalogue, &vocabulary, &[], false, &rules);
    let mut shards = Shards::new(&layout, 0);
    let work_dir = output.parent().unwrap_or(Path::new(".")).to_path_buf();
    let taste_options = taste::Options { work_dir, ..taste::Options::default() };
    let learned = taste::learn(&context, &offer, &taste_options, now, |user, _| shards.add(&user)).await?;
    let learned_at = (before.0.elapsed().as_secs_f64(), cpu_seconds() - before.1, peak_bytes());
    let facts = Facts {
        catalogue: &history.catalogue,
        products: history.products.as_raw_slice(),
        resolution: &history.resolution,
        likely: &history.likely,
        tabs: &[],
        rules: &rules,
        vocabulary: &vocabulary,
        learned: &learned,
        reach: &history.reach,
        audiences: &[],
        lab: None,
        now,
        format: Format::default(),
    };
    let (parts, _, _) = compose::board(&facts)?;
    let packs = compose::packs(&parts, &shards, rules.taste.shard_bytes)?;
    let (manifest, _) = packs.manifest.write()?;
    sinsang_publish::snapshot::Snapshot::at(output).write(&packs.packs, &manifest)?;
    Ok(json!({
        "report": learned.report,
        "catalogue": { "products": products.len(), "board": board.len(), "peak_bytes": before.2 },
        "learn": { "wall_s": learned_at.0, "cpu_s": learned_at.1, "peak_bytes": learned_at.2 },
        "with_packs": { "wall_s": before.0.elapsed().as_secs_f64(), "cpu_s": cpu_seconds() - before.1 },
        "bytes_per_user": shards.user_bytes(),
        "shards": packs.manifest.shards.len(),
        "packs": packs.packs.len(),
        "bytes": packs.packs.values().map(Vec::len).sum::<usize>(),
    }))
}
