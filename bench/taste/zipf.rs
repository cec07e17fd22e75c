//! Tastes over a catalogue of any size: events of users with latent tastes on products whose
//! popularity follows Zipf's law, and learning from them.
//!
//! A product is of one of 400 categories and of a maker; a user likes three categories, and in each
//! takes popular products most. Four events in five are of them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::ParquetReadOptions;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_pipeline::engine;
use sinsang_pipeline::learn::taste::{self, Offer, ProductFeatures, Vocabulary};

use crate::process::{cpu_seconds, peak_bytes};

const SEED: u64 = 11;
const CATEGORIES: u64 = 400;
/// Events of a user, and the days over which they lie.
const EVENTS: usize = 50;
const DAYS: i64 = 60;
/// Products on the board, of which one in ten is on nobody's list.
const BOARD: u64 = 20_000;
/// Users of one file of events.
const FILE_USERS: u64 = 100_000;
/// The kinds of events of a user, in turn: half views, as of an app.
const KINDS: [&str; 10] = ["view", "view", "view", "view", "view", "click", "click", "click", "alarm", "purchase"];
const COLUMNS: [&str; 10] =
    ["user_id", "at", "kind", "shop", "listing_id", "product_id", "tab_id", "channel", "region", "device_class"];

/// Where a product stands by popularity, of `count`: the logarithm is even, which is Zipf's law.
fn rank(at: f64, count: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "ranks are far below 2^52"
    )]
    let rank = ((count as f64 + 1.0).powf(at) - 1.0) as u64;
    rank.min(count.saturating_sub(1))
}

/// The products of a user's events: each with its kind and its age in days.
fn acts(user: u64, products: u64) -> impl Iterator<Item = (u64, &'static str, i64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ user.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let liked: [u64; 3] = std::array::from_fn(|_| rng.random_range(0..CATEGORIES));
    // The newest tenth of the board is on nobody's list.
    let met = products - new_products(products);
    let shelf = (met / CATEGORIES).max(1);
    (0..EVENTS).map(move |at| {
        let product = if rng.random_bool(0.8) {
            rank(rng.random(), shelf) * CATEGORIES + liked[rng.random_range(0..3)]
        } else {
            rank(rng.random(), met)
        };
        (product.min(met - 1), KINDS[at % KINDS.len()], rng.random_range(1..DAYS))
    })
}

/// The products of a user's events and their kinds.
pub(crate) fn products_of(user: u64, products: u64) -> Vec<(u32, &'static str)> {
    acts(user, products).filter_map(|(product, kind, _)| Some((u32::try_from(product).ok()?, kind))).collect()
}

fn new_products(products: u64) -> u64 {
    BOARD.min(products) / 10
}

/// Writes the users' events as a build stages them.
fn write(users: u64, products: u64, now: UnixMillis, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let fields =
        COLUMNS.map(|name| Field::new(name, if name == "at" { DataType::Int64 } else { DataType::Utf8 }, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
    for from in (0..users).step_by(usize::try_from(FILE_USERS)?) {
        let file = File::create(folder.join(format!("events-{from:09}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None)?;
        for begin in (from..users.min(from + FILE_USERS)).step_by(1_000) {
            let of = begin..users.min(from + FILE_USERS).min(begin + 1_000);
            let (mut names, mut kinds, mut ids) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
            let mut times = Vec::new();
            for user in of {
                for (product, kind, age) in acts(user, products) {
                    names.append_value(format!("{user:016x}"));
                    kinds.append_value(kind);
                    ids.append_value(format!("{:016x}", product + 1));
                    times.push(now.0 - age * DAY_MS);
                }
            }
            let nothing = || -> ArrayRef {
                let mut column = StringBuilder::new();
                column.append_nulls(times.len());
                Arc::new(column.finish())
            };
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(names.finish()),
                Arc::new(Int64Array::from(times.clone())),
                Arc::new(kinds.finish()),
                nothing(),
                nothing(),
                Arc::new(ids.finish()),
            ];
            columns.resize_with(COLUMNS.len(), nothing);
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        }
        writer.close()?;
    }
    Ok(())
}

/// Makes the events of `users` on `products` in `folder`, unless it is there, and learns tastes.
pub(crate) async fn learn(
    products: u64,
    users: u64,
    memory_mb: usize,
    folder: &Path,
    now: UnixMillis,
) -> Result<Value, Box<dyn Error>> {
    if !folder.exists() {
        write(users, products, now, folder)?;
    }
    let texts: Vec<(String, String, String)> = (0..products)
        .map(|product| {
            let mut rng = ChaCha8Rng::seed_from_u64(product);
            let (category, maker) = (product % CATEGORIES, rng.random_range(0..40_u64));
            let words: Vec<String> = (0..4).map(|_| format!("말{}", rng.random_range(0..5_000_u32))).collect();
            let title = format!("메이커{maker} 갈래{category} {}", words.join(" "));
            (title, format!("메이커{}", category * 40 + maker), format!("갈래{category}"))
        })
        .collect();
    let features: Vec<ProductFeatures<'_>> = texts
        .iter()
        .zip(0_u64..)
        .map(|((title, brand, category), product)| ProductFeatures {
            product: product + 1,
            title,
            brand: Some(brand),
            category: Some(category),
            price: u32::try_from(10_000 + product * 7_919 % 200_000).ok(),
        })
        .collect();
    // The new ones, and others at even distances.
    let (size, new) = (BOARD.min(products), new_products(products));
    let step = ((products - new) / (size - new).max(1)).max(1);
    let known = (0..products - new).step_by(usize::try_from(step)?);
    let board: BTreeSet<u64> = known.chain(products - new..products).map(|product| product + 1).collect();
    let options = engine::Options { partitions: std::num::NonZeroUsize::new(2), ..engine::Options::default() };
    let context = engine::open(&options)?;
    let path = format!("{}/", fs::canonicalize(folder)?.display());
    context.register_parquet("events", path, ParquetReadOptions::default()).await?;
    let nothing = ["shop", "listing_id", "product", "channel"].map(|name| Field::new(name, DataType::Utf8, true));
    context.register_batch("listing_products", RecordBatch::new_empty(Arc::new(Schema::new(nothing.to_vec()))))?;
    let vocabulary = Vocabulary::default();
    let offer = Offer { vocabulary: &vocabulary, products: &features, board: &board };
    let before = (Instant::now(), cpu_seconds(), peak_bytes());
    let recipe = taste::Recipe::default().within(memory_mb << 20);
    let work_dir = folder.parent().unwrap_or(Path::new(".")).to_path_buf();
    let options = taste::Options { recipe, work_dir, ..taste::Options::default() };
    let mut notes: BTreeMap<usize, u64> = BTreeMap::new();
    let learned =
        taste::learn(&context, &offer, &options, now, |user, _| *notes.entry(user.near.len()).or_default() += 1);
    let learned = learned.await?;
    Ok(json!({
        "products": products, "users": users, "memory_mb": memory_mb, "board": board.len(),
        "products_met": learned.report.products_met, "products_trained_on": learned.report.products_trained_on,
        "products_predicting": learned.report.products_predicting, "users_trained_on": learned.report.users_trained_on,
        "users_with_notes": users - notes.get(&0).copied().unwrap_or(0),
        "before": { "peak_bytes": before.2 },
        "learn": {
            "wall_s": before.0.elapsed().as_secs_f64(), "cpu_s": cpu_seconds() - before.1, "peak_bytes": peak_bytes(),
        },
    }))
}
