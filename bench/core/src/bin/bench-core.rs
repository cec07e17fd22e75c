//! `bench-core`: times the core alone and prints JSON. `bench-core once KIND CANDIDATES TIMES`:
//! repeats one kind of work, for counting: `new`, `home`, `mixed` (`new` on a board that mixes its
//! list), or `whole`, `overlay` and `not-modified` (complete requests for `home`; `overlay` under
//! one of 2,000 entries).
//!
//! The instructions of one run are the difference between the counts of `once` with and without it:
//! the setup costs the same in both.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use sinsang_bench::alone::Alone;
use sinsang_bench::snapshot::Shape;
use sinsang_bench::whole::Whole;

/// Items on a page.
const LIMIT: usize = 60;
/// Samples of each row, each of [`REPEATS`] runs.
const SAMPLES: usize = 301;
const REPEATS: u32 = 20;
/// Entries of an overlay.
const ENTRIES: usize = 2_000;

fn shape(candidates: usize, slot_minutes: i64, users: usize) -> Shape {
    Shape { seed: 6, candidates, slot_minutes, users, shard_bits: 0, is_mixed: false }
}

fn work(alone: &Alone, turn: usize, kind: &str) -> usize {
    let mut out = Vec::with_capacity(64 * 1024);
    match kind {
        "home" => alone.write_home(turn, LIMIT, &mut out),
        _ => alone.write_new(turn, LIMIT, &mut out),
    }
    black_box(&out).len()
}

/// Microseconds of a run: median, 10th and 90th percentile.
fn time(alone: &Alone, kind: &str) -> Value {
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|sample| {
            let began = Instant::now();
            for turn in (sample..).take(REPEATS as usize) {
                work(alone, turn, kind);
            }
            began.elapsed().as_secs_f64() * 1e6 / f64::from(REPEATS)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let at = |share: usize| samples.get((SAMPLES - 1) * share / 100).copied();
    json!({ "median_us": at(50), "p10_us": at(10), "p90_us": at(90) })
}

fn row(kind: &str, shape: &Shape) -> Result<Value, String> {
    let alone = Alone::of(shape).map_err(|damage| damage.to_string())?;
    let bytes = work(&alone, 0, kind);
    let mut row = time(&alone, kind);
    if let Some(row) = row.as_object_mut() {
        row.insert("kind".to_owned(), kind.into());
        row.insert("candidates".to_owned(), shape.candidates.into());
        row.insert("products".to_owned(), alone.products().into());
        row.insert("users".to_owned(), shape.users.into());
        row.insert("bytes".to_owned(), bytes.into());
    }
    Ok(row)
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [once, kind, candidates, times] = arguments.as_slice()
        && once == "once"
    {
        let candidates = candidates.parse().map_err(|_| "CANDIDATES is no number")?;
        let times: usize = times.parse().map_err(|_| "TIMES is no number")?;
        if kind == "product" {
            let mut whole = Whole::of(&shape(candidates, 60, 300), 0)?;
            for request in 0..times {
                let reply = whole.product(request).ok_or("a product's page is not in memory")?;
                black_box(&reply);
            }
            return Ok(());
        }
        if let "whole" | "overlay" | "not-modified" = kind.as_str() {
            let entries = if kind == "overlay" { ENTRIES } else { 0 };
            let mut whole = Whole::of(&shape(candidates, 60, 300), entries)?;
            for request in 0..times {
                let reply = whole.ask(request % whole.viewers(), kind == "not-modified");
                let status = reply.as_ref().map_or(0, |reply| reply.status);
                if status != if kind == "not-modified" { 304 } else { 200 } {
                    return Err(format!("a warm request is answered with {status}"));
                }
                black_box(&reply);
            }
            return Ok(());
        }
        // A larger catalogue has more slots on air and to come.
        let minutes = if kind == "flat" { 15 } else { 60 };
        let shape = Shape { is_mixed: kind == "mixed", ..shape(candidates, minutes, 300) };
        let alone = Alone::of(&shape).map_err(|damage| damage.to_string())?;
        // Every viewer once first, so that lazily built state is not counted.
        for turn in 0..alone.viewers() + times {
            work(&alone, turn, kind);
        }
        return Ok(());
    }
    let mut rows = Vec::new();
    for candidates in [250, 500, 1_000, 2_000, 3_000] {
        rows.push(row("new", &shape(candidates, 60, 300))?);
    }
    rows.push(row("home", &shape(500, 60, 300))?);
    // A larger catalogue, and more users, with the same candidates.
    rows.push(row("new", &shape(500, 15, 300))?);
    rows.push(row("new", &shape(500, 60, 30_000))?);
    println!("{}", json!(rows));
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-core: {error}");
            ExitCode::FAILURE
        }
    }
}
