//! The schedule made from broadcasts: duplicates, missing ends, overlaps, and the same rows whatever their order.

use std::fs;
use std::path::Path;

use datafusion::arrow::util::pretty::pretty_format_batches;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sinsang::time::{MINUTE_MS, UnixMillis};
use sinsang_pipeline::engine;
use sinsang_pipeline::progress::Progress;
use sinsang_pipeline::reject::Limit;
use sinsang_pipeline::schedule::{self, Report};
use sinsang_pipeline::source::{Options, Source};

/// Reads the rows, makes the schedule, and answers a question about it as a table of text.
async fn ask(rows: &[Value], question: &str) -> (Report, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broadcasts.ndjson");
    fs::write(&path, rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    let mut source = open(folder.path());
    source.open_broadcasts(&path, UnixMillis::parse_rfc3339("2026-11-22T12:00:00+09:00").unwrap()).await.unwrap();
    let report = schedule::build(source.context(), source.work_dir()).await.unwrap();
    let batches = source.context().sql(question).await.unwrap().collect().await.unwrap();
    (report, pretty_format_batches(&batches).unwrap().to_string())
}

fn open(folder: &Path) -> Source {
    let options = Options {
        work_dir: folder.to_path_buf(),
        rejects: None,
        limit: Limit::default(),
        progress: Progress::hidden(),
    };
    Source::new(engine::open(&engine::Options::default()).unwrap(), options).unwrap()
}

fn row(channel: &str, listing: &str, start: &str, end: Option<&str>) -> Value {
    let at = |time: &str| format!("2026-11-22T{time}:00+09:00");
    json!({"shop": "A", "channel": channel, "listing_id": listing, "title": format!("{listing}의 제목"),
        "starts_at": at(start), "ends_at": end.map(at)})
}

#[tokio::test]
async fn missing_ends_are_filled_from_what_follows_on_the_channel() {
    let rows = [
        row("c", "a", "10:00", None),
        row("c", "twin", "10:00", None),
        row("c", "b", "10:40", Some("11:50")),
        row("c", "over", "11:40", Some("12:00")),
        row("c", "capped", "12:00", None),
        row("c", "late", "23:30", Some("24:10")),
        row("c", "last", "25:10", None),
        row("d", "other", "10:20", None),
    ];
    let question = "SELECT listing_id, (ends_at - starts_at) / 60000 AS minutes FROM slots ORDER BY channel, starts_at, listing_id";
    let (report, answer) = ask(&rows, question).await;
    let minutes: Vec<(&str, i64)> = answer
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            Some((cells.next()?, cells.next()?.parse().ok()?))
        })
        .collect();
    let expected =
        [("a", 40), ("twin", 40), ("b", 70), ("over", 20), ("capped", 210), ("late", 40), ("last", 60), ("other", 60)];
    assert_eq!(minutes, expected);
    let at = |text| UnixMillis::parse_rfc3339(text);
    let expected = Report {
        rows: 8,
        duplicates: 0,
        slots: 8,
        channels: 2,
        ends_given: 3,
        ends_from_next: 2,
        ends_default: 2,
        ends_capped: 1,
        overlaps: 1,
        over_midnight: 1,
        first_start: at("2026-11-22T10:00:00+09:00"),
        last_end: at("2026-11-23T02:10:00+09:00"),
    };
    assert_eq!(report, expected);
    assert!(report.to_string().contains("3 given, 2 from the next start, 1 cut at 210 minutes, 2 an hour by default"));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["last_end"], "2026-11-23T02:10:00+09:00");
}

#[tokio::test]
async fn of_two_rows_for_a_slot_the_one_collected_later_counts() {
    let collected = |price: u32, at: Option<&str>| {
        let mut row = row("c", "a", "10:00", None);
        row["price"] = price.into();
        row["collected_at"] = at.into();
        row
    };
    let rows = [
        collected(1_000, Some("2026-11-20T00:00:00Z")),
        collected(3_000, None),
        collected(2_000, Some("2026-11-21T00:00:00Z")),
        collected(2_000, Some("2026-11-21T00:00:00Z")),
    ];
    let (report, answer) = ask(&rows, "SELECT price FROM slots").await;
    assert!(answer.contains("2000") && !answer.contains("1000") && !answer.contains("3000"), "{answer}");
    assert_eq!((report.rows, report.slots, report.duplicates), (4, 1, 3));
}

#[tokio::test]
async fn an_empty_table_makes_an_empty_schedule() {
    let (report, _) = ask(&[], "SELECT * FROM slots").await;
    assert_eq!(report, Report::default());
}

#[tokio::test]
async fn the_order_of_the_input_never_shows() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let start = UnixMillis::parse_rfc3339("2026-11-01T00:00:00+09:00").unwrap();
    let mut rows: Vec<Value> = (0..3_000)
        .map(|_| {
            let starts_at = start.plus(random.random_range(0..40) * 30 * MINUTE_MS);
            let ends_at = random.random_bool(0.5).then(|| starts_at.plus(45 * MINUTE_MS).to_kst_rfc3339());
            let brand = ["가", "나", "-"][random.random_range(0..3)];
            let number = |random: &mut ChaCha8Rng| random.random_bool(0.7).then(|| random.random_range(1..4) * 1_000);
            json!({
                "shop": format!("shop {}", random.random_range(0..3)),
                "channel": format!("채널 {}", random.random_range(0..3)),
                "listing_id": random.random_range(0..4).to_string(),
                "title": format!("제목 {}", random.random_range(0..3)),
                "brand": brand,
                "category": random.random_bool(0.5).then_some("뷰티"),
                "price": number(&mut random),
                "list_price": number(&mut random),
                "image": random.random_bool(0.5).then_some("/a.svg"),
                "url": random.random_bool(0.5).then_some("/a"),
                "starts_at": starts_at.to_kst_rfc3339(),
                "ends_at": ends_at,
                "review_count": number(&mut random),
                "collected_at": random.random_bool(0.5).then(|| start.to_kst_rfc3339()),
            })
        })
        .collect();
    let question = "SELECT * FROM slots ORDER BY starts_at, channel, shop, listing_id";
    let (report, answer) = ask(&rows, question).await;
    assert!(report.duplicates > 1_000 && report.slots > 1_000, "{report}");
    for _ in 0..3 {
        rows.shuffle(&mut random);
        let (again, shuffled) = ask(&rows, question).await;
        assert_eq!(again, report);
        assert!(shuffled == answer, "another order of the input gives other slots");
    }
}
