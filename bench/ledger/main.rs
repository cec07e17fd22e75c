//! The Rust half of `make bench-ledger`: makes ledgers of any size, and searches and resolves days
//! in them. `run.py` drives it.

#[path = "../process.rs"]
mod process;
mod synthetic;
mod write;

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, Subcommand};
use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch, UInt32Array, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt32Type, UInt64Type};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::prelude::ParquetReadOptions;
use process::{cpu_seconds, peak_bytes};
use serde_json::{Value, json};
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{Day, Listing, Policy};
use sinsang_pipeline::engine;
use sinsang_pipeline::ledger::head::Table;
use sinsang_pipeline::ledger::{self, Ledger};
use synthetic::{NOW, World};

type Outcome = Result<Value, Box<dyn Error>>;

/// Makes and measures ledgers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a ledger of so many products.
    Generate { products: u64, folder: PathBuf },
    /// Write the keys of a day's titles to a Parquet file: what every engine is given.
    Keys { products: u64, listings: u64, ledger: PathBuf, output: PathBuf },
    /// Search the candidates of such a file by the ledger's own look-up.
    Search { ledger: PathBuf, keys: PathBuf, output: PathBuf },
    /// The same as SQL in DataFusion.
    Sql { ledger: PathBuf, keys: PathBuf, output: PathBuf, question: PathBuf },
    /// Resolve a day and append it.
    Day { products: u64, listings: u64, ledger: PathBuf },
    /// Resolve a catalogue from nothing: the folder has the tables of `sinsang generate`.
    Nothing { input: PathBuf, now: String },
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let mut value = match &arguments.command {
        Command::Generate { products, folder } => write::generate(*products, folder)?,
        Command::Keys { products, listings, ledger, output } => keys(*products, *listings, ledger, output)?,
        Command::Search { ledger, keys, output } => search(ledger, keys, output)?,
        Command::Sql { ledger, keys, output, question } => sql(ledger, keys, output, question)?,
        Command::Day { products, listings, ledger } => day(*products, *listings, ledger)?,
        Command::Nothing { input, now } => nothing(input, now)?,
    };
    value["process_wall_s"] = json!(begun.elapsed().as_secs_f64());
    value["process_cpu_s"] = json!(cpu_seconds());
    value["peak_bytes"] = json!(peak_bytes());
    println!("{value}");
    Ok(())
}

fn keys(products: u64, listings: u64, folder: &Path, output: &Path) -> Outcome {
    let world = World::new(products);
    let day = world.day(listings);
    let ledger = Ledger::open(folder)?;
    let in_force = ledger.in_force()?;
    let policy = Policy::default();
    let read = Day::read(&day, &policy, &in_force);
    let (mut titles, mut keys) = (Vec::new(), Vec::new());
    for (title, of_title) in (0_u32..).zip(read.keys_by_title()) {
        titles.extend(std::iter::repeat_n(title, of_title.len()));
        keys.extend(of_title);
    }
    let count = keys.len();
    let schema = Arc::new(Schema::new(vec![
        Field::new("title", DataType::UInt32, false),
        Field::new("key", DataType::UInt64, false),
    ]));
    let columns: Vec<datafusion::arrow::array::ArrayRef> =
        vec![Arc::new(UInt32Array::from(titles)), Arc::new(UInt64Array::from(keys))];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let mut writer = ArrowWriter::try_new(File::create(output)?, schema, None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(json!({ "listings": day.len(), "keys": count }))
}

fn read_keys(path: &Path) -> Result<Vec<Vec<u64>>, Box<dyn Error>> {
    let mut all: Vec<Vec<u64>> = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
        let batch = batch?;
        let titles = batch.column(0).as_primitive::<UInt32Type>();
        let keys = batch.column(1).as_primitive::<UInt64Type>();
        for (title, key) in titles.values().iter().zip(keys.values()) {
            let title = usize::try_from(*title)?;
            if all.len() <= title {
                all.resize(title + 1, Vec::new());
            }
            all[title].push(*key);
        }
    }
    Ok(all)
}

/// Writes `title mark sum` lines, by which the engines' answers are compared.
fn write_answer(path: &Path, mut rows: Vec<(u32, u32, u64)>) -> Result<usize, Box<dyn Error>> {
    rows.sort_unstable();
    let lines: Vec<String> = rows.iter().map(|(title, mark, sum)| format!("{title}\t{mark}\t{sum}\n")).collect();
    let text = lines.concat();
    fs::write(path, text)?;
    Ok(rows.len())
}

fn search(folder: &Path, keys: &Path, output: &Path) -> Outcome {
    let begun = Instant::now();
    let before = cpu_seconds();
    let by_title = read_keys(keys)?;
    let mut wanted: Vec<u64> = by_title.concat();
    wanted.sort_unstable();
    wanted.dedup();
    let ledger = Ledger::open(folder)?;
    let found = ledger.candidates(&wanted)?;
    let titles = |key: u64| u32::try_from(found.postings.of(key).len()).unwrap_or(u32::MAX);
    let mut rows = Vec::new();
    for (title, keys) in (0_u32..).zip(&by_title) {
        let best = found.postings.candidates(keys, titles);
        rows.extend(best.into_iter().map(|(mark, sum)| (title, mark, u64::from(sum))));
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - before);
    let answers = write_answer(output, rows)?;
    Ok(json!({
        "wall_s": wall, "cpu_s": cpu, "keys": wanted.len(), "pairs": found.pairs, "answers": answers,
        "bytes_read": ledger.bytes_read(),
    }))
}

fn sql(folder: &Path, keys: &Path, output: &Path, question: &Path) -> Outcome {
    let question = fs::read_to_string(question)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let begun = Instant::now();
    let before = cpu_seconds();
    let rows = runtime.block_on(async {
        let options = engine::Options { partitions: std::num::NonZeroUsize::new(2), ..engine::Options::default() };
        let context = engine::open(&options)?;
        context.sql("SET datafusion.execution.parquet.pushdown_filters = true").await?;
        let folder = fs::canonicalize(folder)?;
        let ledger = Ledger::open(&folder)?;
        let files: Vec<String> = ledger
            .head()
            .of_table(Table::Block)
            .map(|(_, entry)| folder.join(&entry.file).display().to_string())
            .collect();
        let block = context.read_parquet(files, ParquetReadOptions::default()).await?;
        context.register_table("block", block.into_view())?;
        context.register_parquet("wanted", keys.display().to_string(), ParquetReadOptions::default()).await?;
        let batches = context.sql(&question).await?.collect().await?;
        let mut rows = Vec::new();
        for batch in &batches {
            let column = |at: usize| datafusion::arrow::compute::cast(batch.column(at), &DataType::Int64);
            let (titles, marks, sums) = (column(0)?, column(1)?, column(2)?);
            let values =
                |column: &datafusion::arrow::array::ArrayRef| column.as_primitive::<Int64Type>().values().to_vec();
            for ((title, mark), sum) in values(&titles).into_iter().zip(values(&marks)).zip(values(&sums)) {
                rows.push((u32::try_from(title)?, u32::try_from(mark)?, u64::try_from(sum)?));
            }
            assert_eq!(titles.null_count(), 0);
        }
        Ok::<_, Box<dyn Error>>(rows)
    })?;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - before);
    let answers = write_answer(output, rows)?;
    Ok(json!({ "wall_s": wall, "cpu_s": cpu, "answers": answers }))
}

fn catalogue(listings: Vec<Listing>) -> sinsang_pipeline::read::catalogue::Catalogue {
    let mut catalogue = sinsang_pipeline::read::catalogue::Catalogue::default();
    for listing in listings {
        catalogue.airings.push(sinsang_pipeline::read::catalogue::Airing {
            entry: catalogue.entries.next_idx(),
            title: 0,
            channel: listing.shop.clone(),
            starts_at: listing.last_at,
            ends_at: listing.last_at.plus(3_600_000),
            price: listing.price,
        });
        catalogue.entries.push(sinsang_pipeline::read::catalogue::Entry {
            channel: listing.shop.clone(),
            listing,
            ..Default::default()
        });
    }
    catalogue
}

fn day(products: u64, listings: u64, folder: &Path) -> Outcome {
    let world = World::new(products);
    let catalogue = catalogue(world.day(listings));
    drop(world);
    let (begun, before) = (Instant::now(), cpu_seconds());
    let mut ledger = Ledger::lock(folder, NOW)?;
    let steps = |step| {
        eprintln!("{:8.2} s before {step}", begun.elapsed().as_secs_f64());
        Ok(())
    };
    let (_, report) = ledger::append(&mut ledger, &catalogue, &Policy::default(), NOW, &steps)?;
    let mut value = serde_json::to_value(&report)?;
    value["wall_s"] = json!(begun.elapsed().as_secs_f64());
    value["cpu_s"] = json!(cpu_seconds() - before);
    Ok(value)
}

fn nothing(input: &Path, now: &str) -> Outcome {
    let now = UnixMillis::parse_rfc3339(now).ok_or("the time is no RFC 3339")?;
    let options = sinsang_pipeline::read::history::Options {
        input: input.to_path_buf(),
        rejects: None,
        limit: sinsang_tables::reject::Limit { max_share: 0.05 },
        zones: sinsang_tables::Zones::default(),
        policy: Policy::default(),
        engine: engine::Options::default(),
        progress: sinsang_run::progress::Progress::hidden(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (begun, before) = (Instant::now(), cpu_seconds());
    let history = runtime.block_on(sinsang_pipeline::read::history::read(&options, now))?;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - before);
    Ok(json!({
        "wall_s": wall, "cpu_s": cpu, "slots": history.schedule.slots,
        "listings": history.catalogue.entries.len(), "products": history.products.len(),
    }))
}
