//! Tests of the schedule made from broadcasts: duplicates, missing ends, overlaps, and independence
//! of the order of rows.

use std::fs;
use std::path::Path;

use datafusion::arrow::util::pretty::pretty_format_batches;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sinsang_core::time::{MINUTE_MS, UnixMillis};
use sinsang_pipeline::engine;
use sinsang_pipeline::read::schedule::{self, Report};
use sinsang_pipeline::read::source::{DEFAULT_PAGE_BYTES, Options, Source};
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;

/// Reads the rows, builds the schedule, and returns a query's answer as a text table.
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
        zones: Zones::default(),
        page_bytes: DEFAULT_PAGE_BYTES,
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
async fn a_code_that_several_shops_give_to_many_things_is_none() {
    let of = |shop: &str, code: &str, title: &str, hour: usize| {
        json!({"shop": shop, "channel": shop, "listing_id": code, "title": title,
            "starts_at": format!("2026-11-22T{hour:02}:00:00+09:00")})
    };
    let mut rows = Vec::new();
    for shop in ["A", "B", "C"] {
        // A placeholder in each row of three shops.
        rows.extend((0..4).map(|hour| of(shop, "99999", &format!("{shop}의 상품 {hour}"), hour)));
        // A number that three shops use by chance, each for one thing under three titles.
        rows.extend((4..8).map(|hour| of(shop, "1000017", &format!("{shop}의 솥 {}", hour % 3), hour)));
    }
    // Many titles of one shop's code may be one thing on many cards; they are split if they differ
    // in meaning.
    rows.extend((8..20).map(|hour| of("A", "77", &format!("솥 {hour}"), hour)));
    let question = "SELECT listing_id, count(*) AS n FROM slots GROUP BY listing_id ORDER BY listing_id";
    let (report, answer) = ask(&rows, question).await;
    assert_eq!((report.shared_codes, report.shared_code_rows, report.slots), (1, 12, 36), "{answer}");
    assert_eq!(answer.lines().filter(|line| line.contains("| ~")).count(), 12, "{answer}");
    assert!(!answer.contains("99999") && answer.contains("| 1000017 ") && answer.contains("| 77 "), "{answer}");
    assert!(
        report.to_string().contains("1 codes discarded, because several shops give them to many things: 12 rows"),
        "{report}"
    );
    let (fewer, answer) = ask(&rows[..rows.len() - 13], question).await;
    assert_eq!((fewer.shared_codes, fewer.shared_code_rows), (1, 12), "{answer}");
    let (none, _) = ask(&rows[8..], question).await;
    assert_eq!((none.shared_codes, none.shared_code_rows), (0, 0));
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
        shared_codes: 0,
        shared_code_rows: 0,
        rows: 8,
        duplicates: 0,
        moved: 0,
        cancelled: 0,
        slots: 8,
        overlay: None,
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

/// Slots of channel `c`, each with its start hour, as a crawl at `collected` saw them.
fn crawl(collected: &str, slots: &[(&str, &str)]) -> Vec<Value> {
    let stamped = |(listing, start): &(&str, &str)| {
        let mut row = row("c", listing, start, None);
        row["collected_at"] = collected.into();
        row
    };
    slots.iter().map(stamped).collect()
}

/// The remaining slots, as `listing hour`.
async fn left(rows: &[Value]) -> (Report, Vec<String>) {
    let question = "SELECT listing_id, (starts_at + 32400000) % 86400000 / 3600000 AS hour FROM slots ORDER BY starts_at, listing_id";
    let (report, answer) = ask(rows, question).await;
    let cells = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (listing, hour) = (cells.next()?, cells.next()?);
        hour.parse::<u8>().ok().map(|hour| format!("{listing} {hour}"))
    };
    (report, answer.lines().filter_map(cells).collect())
}

const MONDAY: &str = "2026-11-16T03:00:00+09:00";
const TUESDAY: &str = "2026-11-17T03:00:00+09:00";
const WEDNESDAY: &str = "2026-11-18T03:00:00+09:00";

#[tokio::test]
async fn a_later_schedule_replaces_what_it_covers_and_counts_it() {
    let first = crawl(MONDAY, &[("a", "10:00"), ("b", "11:00"), ("c", "12:00"), ("d", "13:00"), ("e", "20:00")]);
    let cancelled = crawl(TUESDAY, &[("a", "10:00"), ("c", "12:00"), ("d", "13:00")]);
    let (report, slots) = left(&[first.clone(), cancelled.clone()].concat()).await;
    assert_eq!(slots, ["a 10", "c 12", "d 13", "e 20"], "what it does not reach stays");
    assert_eq!((report.cancelled, report.moved, report.duplicates, report.slots), (1, 0, 3, 4));
    assert!(report.to_string().contains("0 moved, 1 cancelled"), "{report}");

    let moved = crawl(TUESDAY, &[("a", "10:00"), ("f", "11:00"), ("c", "12:00"), ("b", "14:00")]);
    let (report, slots) = left(&[first.clone(), moved.clone()].concat()).await;
    assert_eq!(slots, ["a 10", "f 11", "c 12", "b 14", "e 20"]);
    assert_eq!((report.cancelled, report.moved), (1, 1), "b was moved, and d gave way to it");

    let back = crawl(WEDNESDAY, &[("a", "10:00"), ("b", "11:00"), ("c", "12:00")]);
    let (_, slots) = left(&[first, cancelled, back].concat()).await;
    assert_eq!(slots, ["a 10", "b 11", "c 12", "d 13", "e 20"], "a slot that came back is there");
}

#[tokio::test]
async fn a_schedule_that_comes_twice_or_late_changes_nothing() {
    let old = crawl(MONDAY, &[("a", "10:00"), ("b", "11:00"), ("c", "12:00")]);
    let new = crawl(TUESDAY, &[("a", "10:00"), ("c", "12:00")]);
    let once = left(&[old.clone(), new.clone()].concat()).await;
    assert_eq!(once.1, ["a 10", "c 12"]);
    let (late, slots) = left(&[new.clone(), old.clone()].concat()).await;
    assert_eq!((late, &slots), (once.0.clone(), &once.1), "the old one arrived after the new one");
    let (twice, slots) = left(&[old, new.clone(), new].concat()).await;
    assert_eq!((twice.duplicates, twice.cancelled, slots), (once.0.duplicates + 2, 1, once.1));
}

#[tokio::test]
async fn rows_that_are_no_schedule_replace_nothing() {
    let old = crawl(
        MONDAY,
        &[("a", "10:00"), ("b", "11:00"), ("c", "12:00"), ("d", "13:00"), ("e", "14:00"), ("f", "15:00")],
    );
    // Two of six known slots are repeated, with new prices.
    let update = crawl(TUESDAY, &[("a", "10:00"), ("f", "15:00")]);
    let (report, slots) = left(&[old.clone(), update].concat()).await;
    assert_eq!((slots.len(), report.cancelled + report.moved, report.duplicates), (6, 0, 2));
    // One without any of the known slots, one with a single row, and one without collection times.
    for other in [
        crawl(TUESDAY, &[("x", "10:30"), ("y", "12:30")]),
        crawl(TUESDAY, &[("b", "11:00")]),
        vec![row("c", "a", "10:00", None), row("c", "c", "12:00", None)],
    ] {
        let (report, slots) = left(&[old.clone(), other].concat()).await;
        assert!(slots.len() >= 6 && report.cancelled + report.moved == 0, "{report}");
    }
    // A twin of the same hour, seen minutes later by the same slow crawl, belongs to the same
    // collection.
    let slow = [
        crawl("2026-11-17T03:00:00+09:00", &[("a", "10:00"), ("b", "11:00")]),
        crawl("2026-11-17T03:01:30+09:00", &[("twin", "11:00"), ("c", "12:00")]),
    ];
    let (report, slots) = left(&slow.concat()).await;
    assert_eq!((slots.len(), report.cancelled), (4, 0));
    // Six hours without a start separate two schedules.
    let old = crawl(MONDAY, &[("a", "03:00"), ("b", "11:00"), ("c", "20:00")]);
    let new = crawl(TUESDAY, &[("a", "03:00"), ("c", "20:00")]);
    assert_eq!(left(&[old, new].concat()).await.1, ["a 3", "b 11", "c 20"]);
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
