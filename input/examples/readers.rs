//! How long a million rows of text take to be read and checked, beside libraries that read the same and check nothing: `make bench-readers`.
//!
//! Rounds are interleaved, so that what else the machine does weighs on both, and what counts is the ratio of each.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sinsang::time::UnixMillis;
use sinsang_input::check::{Broadcasts, Table as _};
use sinsang_input::file::{Format, OpenText, Packing, SourceFile};
use sinsang_input::reject::{Limit, RejectsFile};
use sinsang_input::{Intake, Zones, csv as ours_csv, ndjson};

const ROUNDS: usize = 7;
/// 2026-11-22T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_795_305_600_000);

/// A row as a schedule has it, by its number.
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

/// Rows that the readers keep.
fn ours(format: Format, text: &str) -> u64 {
    let file = SourceFile::new(PathBuf::from("table"), format, Packing::Plain, text.len() as u64);
    let (mut rejects, mut keep, zones) = (RejectsFile::default(), |_| Ok(()), Zones::default());
    let mut intake = Intake::new(Broadcasts, NOW, &zones, &mut rejects, &mut keep);
    let open = OpenText::of(text.as_bytes());
    let read = match format {
        Format::Csv => ours_csv::read(&file, open, Broadcasts::COLUMNS, &mut intake),
        _ => ndjson::read(&file, open, Broadcasts::COLUMNS, &mut intake),
    };
    read.expect("a table that can be read");
    intake.finish(Limit::default()).expect("rows that can be used").kept
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

/// Rows that a library reads, into the same kinds of fields, and does not check.
fn peer(format: Format, text: &str) -> u64 {
    match format {
        Format::Csv => csv::Reader::from_reader(text.as_bytes()).into_deserialize::<Plain>().flatten().count() as u64,
        _ => text.lines().filter(|line| serde_json::from_str::<Plain>(line).is_ok()).count() as u64,
    }
}

/// How long `work` takes.
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
    for (name, format, text) in [("CSV", Format::Csv, csv_of(rows)), ("NDJSON", Format::Ndjson, ndjson_of(rows))] {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            mine.push(taken(|| ours(format, &text), rows));
            theirs.push(taken(|| peer(format, &text), rows));
        }
        let mut ratios: Vec<f64> =
            mine.iter().zip(&theirs).map(|(one, other)| one.as_secs_f64() / other.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        mine.sort();
        let (median, low, high) = (ratios[ROUNDS / 2], ratios[1], ratios[ROUNDS - 2]);
        println!(
            "{name:<7} {:>6.2} s, {median:.2} ({low:.2} to {high:.2}) times what the library takes that checks nothing",
            mine[ROUNDS / 2].as_secs_f64()
        );
    }
}
