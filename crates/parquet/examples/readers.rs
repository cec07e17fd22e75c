//! Benchmark of reading and checking a million rows, in each format, against a library that reads
//! the same rows without checks: `make bench-readers`.
//!
//! Rounds are interleaved, so that other load on the machine affects both, and the result is the
//! ratio of each round.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMillisecondType, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use sinsang_core::time::UnixMillis;
use sinsang_parquet::DEFAULT_PAGE_BYTES;
use sinsang_tables::check::{Broadcasts, Table as _};
use sinsang_tables::doctor::Offsets;
use sinsang_tables::file::{Format, OpenText, Packing, SourceFile};
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::{Intake, Zones, csv as ours_csv, ndjson};

const ROUNDS: usize = 7;
/// Rows per row group.
const GROUP: usize = 1 << 17;
/// 2026-11-22T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_795_305_600_000);

/// Row `number` of a schedule.
fn row(number: usize) -> [String; 8] {
    let (day, hour) = (1 + number % 28, number % 24);
    [
        format!("{}", 1_000_000 + number % 50_000),
        format!("채널 {}", number % 18),
        format!("[방송에서만] 무쇠 가마솥 {}종 세트, {}호", 1 + number % 9, number % 50_000),
        "주방".to_owned(),
        format!("{}", 9_900 + number % 100_000),
        format!("https://shop.example/{number}.jpg"),
        format!("2026-10-{day:02}T{hour:02}:00:00+09:00"),
        format!("{}", number % 2_000),
    ]
}

const NAMES: [&str; 8] = ["listing_id", "shop", "title", "category", "price", "image", "starts_at", "review_count"];

fn csv_of(rows: usize) -> String {
    let mut text = NAMES.join(",") + "\n";
    for number in 0..rows {
        let fields = row(number).map(|field| if field.contains(',') { format!("\"{field}\"") } else { field });
        let _ = writeln!(text, "{}", fields.join(","));
    }
    text
}

fn ndjson_of(rows: usize) -> String {
    let mut text = String::new();
    for number in 0..rows {
        let fields = NAMES.iter().zip(row(number)).map(|(name, value)| match *name {
            "price" | "review_count" => format!("\"{name}\":{value}"),
            _ => format!("\"{name}\":\"{value}\""),
        });
        let _ = writeln!(text, "{{{}}}", fields.collect::<Vec<_>>().join(","));
    }
    text
}

/// The same rows as a Parquet file, as pyarrow writes it: times as instants, default row groups and
/// pages.
fn parquet_of(rows: usize, path: &Path) {
    let mut writer = None;
    for start in (0..rows).step_by(GROUP) {
        let rows: Vec<[String; 8]> = (start..rows.min(start + GROUP)).map(row).collect();
        let columns = NAMES.iter().enumerate().map(|(column, name)| {
            let texts = rows.iter().filter_map(|row| row.get(column));
            let array: ArrayRef = match *name {
                "price" | "review_count" => Arc::new(texts.map(|text| text.parse().ok()).collect::<UInt32Array>()),
                "starts_at" => {
                    let at = texts.map(|text| UnixMillis::parse_rfc3339(text).map(|at| at.0));
                    Arc::new(at.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
                }
                _ => Arc::new(texts.map(Some).collect::<StringArray>()),
            };
            (*name, array)
        });
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let open =
            || ArrowWriter::try_new(File::create(path).expect("a file"), batch.schema(), None).expect("a writer");
        writer.get_or_insert_with(open).write(&batch).expect("a batch that can be written");
    }
    writer.expect("rows").close().expect("a file that can be written");
}

/// A table in one format: text in memory, or a file.
struct Written {
    name: &'static str,
    file: SourceFile,
    text: String,
}

impl Written {
    fn text(name: &'static str, format: Format, text: String) -> Self {
        let file = SourceFile::new(PathBuf::from("table"), format, Packing::Plain, text.len() as u64);
        Self { name, file, text }
    }

    /// Counts the rows that our readers keep.
    fn ours(&self) -> u64 {
        let (mut rejects, mut keep, zones) = (RejectsFile::default(), |_| Ok(()), Zones::default());
        let mut intake = Intake::observed(Broadcasts, NOW, &zones, &mut rejects, &mut keep, Offsets::default());
        let open = || OpenText::of(self.text.as_bytes());
        let read = match self.file.format {
            Format::Csv => ours_csv::read(&self.file, open(), Broadcasts::COLUMNS, &mut intake),
            Format::Ndjson => ndjson::read(&self.file, open(), Broadcasts::COLUMNS, &mut intake),
            Format::Parquet => {
                sinsang_parquet::read(&self.file, Broadcasts::COLUMNS, &mut intake, &|_| (), DEFAULT_PAGE_BYTES)
            }
        };
        read.expect("a table that can be read");
        intake.finish(Limit::default()).expect("rows that can be used").kept
    }

    /// Counts the rows that a library reads into the same kinds of fields, without checks.
    fn peer(&self) -> u64 {
        match self.file.format {
            Format::Csv => {
                csv::Reader::from_reader(self.text.as_bytes()).into_deserialize::<Plain>().flatten().count() as u64
            }
            Format::Ndjson => {
                self.text.lines().filter(|line| serde_json::from_str::<Plain>(line).is_ok()).count() as u64
            }
            Format::Parquet => {
                let file = File::open(&self.file.path).expect("the file");
                let reader = ParquetRecordBatchReaderBuilder::try_new(file)
                    .and_then(|builder| builder.with_batch_size(8_192).build());
                reader.expect("a reader").map(|batch| plain(&batch.expect("a batch"))).sum()
            }
        }
    }
}

/// Counts the rows of a batch, extracting each as a row reader has to.
fn plain(batch: &RecordBatch) -> u64 {
    let texts: Vec<&StringArray> = [0, 1, 2, 3, 5].map(|column| batch.column(column).as_string()).into();
    let (price, reviews) = (batch.column(4).as_primitive::<UInt32Type>(), batch.column(7).as_primitive::<UInt32Type>());
    let starts = batch.column(6).as_primitive::<TimestampMillisecondType>();
    let mut rows = 0;
    for row in 0..batch.num_rows() {
        let texts: Vec<String> = texts.iter().map(|column| column.value(row).to_owned()).collect();
        rows += u64::from(
            std::hint::black_box((texts, price.value(row), starts.value(row), reviews.value(row))).0.len() == 5,
        );
    }
    rows
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is compared by its time alone")]
struct Plain {
    listing_id: String,
    shop: String,
    title: String,
    category: String,
    price: u32,
    image: String,
    starts_at: String,
    review_count: u32,
}

/// Measures how long `work` takes.
fn taken(work: impl FnOnce() -> u64, rows: usize) -> Duration {
    let begun = Instant::now();
    let kept = work();
    let took = begun.elapsed();
    assert_eq!(kept, rows as u64, "every row is read");
    took
}

fn main() {
    let rows = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    println!("{rows} rows, the median of {ROUNDS} interleaved rounds");
    let folder = tempfile::tempdir().expect("a folder for the Parquet file");
    let path = folder.path().join("table.parquet");
    parquet_of(rows, &path);
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    let file = SourceFile::new(path, Format::Parquet, Packing::Plain, bytes);
    let tables = [
        Written::text("CSV", Format::Csv, csv_of(rows)),
        Written::text("NDJSON", Format::Ndjson, ndjson_of(rows)),
        Written { name: "Parquet", file, text: String::new() },
    ];
    for table in tables {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            mine.push(taken(|| table.ours(), rows));
            theirs.push(taken(|| table.peer(), rows));
        }
        let mut ratios: Vec<f64> =
            mine.iter().zip(&theirs).map(|(one, other)| one.as_secs_f64() / other.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        mine.sort();
        let (median, low, high) = (ratios[ROUNDS / 2], ratios[1], ratios[ROUNDS - 2]);
        println!(
            "{:<7} {:>6.2} s, {median:.2} ({low:.2} to {high:.2}) times what the library takes that checks nothing",
            table.name,
            mine[ROUNDS / 2].as_secs_f64()
        );
    }
}
