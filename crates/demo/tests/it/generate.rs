//! The demo generator, checked against real figures, for determinism, and its tables against its
//! truth.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_demo::generate::{Difference, Error, Options, generate};
use sinsang_demo::table_write::TableFormat;

fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339("2026-11-22T12:34:56+09:00").unwrap()
}

fn small(out: &Path, days: u32, users: usize) -> Options {
    let mut options = Options::new(out, now()).quick();
    (options.days, options.users) = (days, users);
    options.broadcasts = TableFormat::parse("ndjson").unwrap();
    options.events = TableFormat::parse("ndjson").unwrap();
    options
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("{field} in {row}"))
}

/// Reads a time whose hour may be 24 or later.
fn time(text: &str) -> UnixMillis {
    let hour: i64 = text[11..13].parse().unwrap();
    if hour < 24 {
        return UnixMillis::parse_rfc3339(text).unwrap();
    }
    let plain = format!("{}{:02}{}", &text[..11], hour - 24, &text[13..]);
    UnixMillis::parse_rfc3339(&plain).unwrap().plus(DAY_MS)
}

#[test]
fn the_shares_are_those_of_the_real_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let report = generate(&small(folder.path(), 120, 20)).unwrap();
    let s = &report.shares;
    // Name, generated share, share on real schedules, tolerance.
    let shares = [
        ("missing brand", s.missing_brand, 0.19, 0.03),
        ("missing price", s.missing_price, 0.083, 0.02),
        ("missing code", s.missing_code, 0.088, 0.025),
        ("decorated titles", s.decorated_titles, 0.67, 0.04),
        ("claims", s.claiming_titles, 0.097, 0.02),
        ("airings a code", s.airings_a_code, 2.9, 0.5),
        ("codes on one day", s.one_day_codes, 0.5, 0.06),
        ("codes with several titles", s.codes_with_titles, 0.096, 0.03),
        ("titles with several codes", s.titles_with_codes, 0.18, 0.04),
        ("titles on several channels", s.titles_on_channels, 0.106, 0.035),
        ("new by code", s.new_by_code, 0.25, 0.04),
        ("new by title", s.new_by_title, 0.197, 0.04),
        ("new by both", s.new_by_both, 0.164, 0.03),
        ("new codes with a seen title", s.new_codes_with_seen_title, 0.316, 0.06),
        ("really new among new codes", s.really_new_of_new_codes, 0.18, 0.04),
        ("new with 10 reviews", s.new_with_10_reviews, 0.325, 0.06),
        ("new with 100 reviews", s.new_with_100_reviews, 0.20, 0.05),
    ];
    for (name, made, measured, apart) in shares {
        assert!((made - measured).abs() <= apart, "{name}: {made:.3}, measured {measured}\n{report}");
    }
    let [least, median, most] = report.slots_a_day;
    assert!(least >= 320 && (385..=425).contains(&median) && most <= 560, "{report}");
    assert_eq!(report.slot_minutes, [4, 60, 70, 210], "{report}");
    assert!((17..=18).contains(&report.on_air_most) && report.airings_most <= 92, "{report}");
    assert!((55.0..=85.0).contains(&report.unseen_a_day), "{report}");
    assert!((300..=600).contains(&report.unseen_upcoming) && report.really_new_upcoming >= 80, "{report}");
    // The commonest differences are marks, then spelling and pack counts.
    let count = |difference: Difference| report.differences[&difference];
    assert!(count(Difference::Marks) > count(Difference::Spelling), "{:?}", report.differences);
    assert!(count(Difference::PackCount) > count(Difference::Promotion), "{:?}", report.differences);
    assert!(count(Difference::Promotion) > count(Difference::Filler), "{:?}", report.differences);
}

#[test]
fn equal_options_make_equal_bytes_and_another_seed_does_not() {
    let make = |seed: u64| -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path(), now());
        (options.days, options.users, options.seed) = (5, 40, seed);
        generate(&options).unwrap();
        let files = ["broadcasts.ndjson.zst", "events.parquet", "tabs.csv", "viewers.json"];
        let truth = ["truth/listings.ndjson", "truth/products.ndjson", "truth/users.ndjson", "truth/contexts.ndjson"];
        files
            .iter()
            .chain(&truth)
            .map(|name| ((*name).to_owned(), fs::read(folder.path().join(name)).unwrap()))
            .collect()
    };
    let first = make(7);
    assert!(first == make(7));
    let other = make(8);
    assert_ne!(first["broadcasts.ndjson.zst"], other["broadcasts.ndjson.zst"]);
    assert_ne!(first["events.parquet"], other["events.parquet"]);
}

#[test]
fn the_tables_agree_with_the_truth_and_hold_every_trap() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broadcasts.csv.gz"), "from an earlier run").unwrap();
    let options = small(folder.path(), 20, 150);
    let report = generate(&options).unwrap();
    let (now, begin) = (now(), now().kst_day() - 20);
    let rows = lines(&folder.path().join("broadcasts.ndjson"));
    let listings = lines(&folder.path().join("truth/listings.ndjson"));
    let products = lines(&folder.path().join("truth/products.ndjson"));
    assert!(!folder.path().join("broadcasts.csv.gz").exists());
    assert_eq!(rows.len(), report.broadcast_rows);
    assert_eq!((listings.len(), products.len()), (report.listings, report.products));

    for (index, product) in products.iter().enumerate() {
        assert_eq!(product["product"], index);
        let first = time(text(product, "first_broadcast_at"));
        assert_eq!(product["really_new"], first > now, "{product}");
        assert_eq!(product["censored"], first.kst_day() < begin, "{product}");
    }
    let mut by_code: HashMap<(&str, &str), &Value> = HashMap::new();
    let mut titles: HashMap<&str, u64> = HashMap::new();
    for listing in &listings {
        assert!(by_code.insert((text(listing, "shop"), text(listing, "listing_id")), listing).is_none(), "{listing}");
        let product = listing["product"].as_u64().unwrap();
        let truth = &products[usize::try_from(product).unwrap()];
        assert!(time(text(truth, "first_broadcast_at")) <= time(text(listing, "first_broadcast_at")), "{listing}");
        for title in listing["titles"].as_array().unwrap() {
            assert_eq!(
                *titles.entry(title.as_str().unwrap()).or_insert(product),
                product,
                "one title, two products: {title}"
            );
        }
    }
    let mut aired_before: HashSet<(&str, &str)> = HashSet::new();
    let mut first_rows: HashMap<u64, UnixMillis> = HashMap::new();
    let mut late = 0;
    for row in &rows {
        let start = time(text(row, "starts_at"));
        late += usize::from(text(row, "starts_at")[11..13].parse::<u32>().unwrap() >= 24);
        assert!(start.kst_day() >= begin && start < now.plus(7 * DAY_MS), "{row}");
        assert!(time(text(row, "collected_at")) <= now, "{row}");
        let product = titles[text(row, "title")];
        let first = first_rows.entry(product).or_insert(start);
        *first = start.min(*first);
        if let Some(code) = row["listing_id"].as_str() {
            let listing = by_code[&(text(row, "shop"), code)];
            assert!(listing["titles"].as_array().unwrap().contains(&row["title"]), "{row}");
            if start <= now {
                aired_before.insert((text(row, "shop"), code));
            }
        }
    }
    for (key, listing) in &by_code {
        // A listing may be in the history through rows without a code; the reverse is impossible.
        assert!(listing["in_history"] == true || !aired_before.contains(key), "{listing}");
    }
    for (product, first) in &first_rows {
        let truth = &products[usize::try_from(*product).unwrap()];
        if truth["censored"] == false {
            assert_eq!(time(text(truth, "first_broadcast_at")), *first, "{truth}");
        }
    }
    assert!(late > 100, "{late} late hours");
    assert_eq!(rows.iter().map(|row| text(row, "channel")).collect::<BTreeSet<_>>().len(), 18);
    for field in ["ends_at", "brand", "price", "listing_id", "review_count"] {
        assert!(rows.iter().any(|row| row[field].is_null()), "no row lacks its {field}");
    }
    let mut slots: HashMap<(&str, &str, &str), BTreeSet<&str>> = HashMap::new();
    for row in &rows {
        let slot = slots.entry((text(row, "channel"), text(row, "starts_at"), text(row, "title"))).or_default();
        slot.insert(text(row, "collected_at"));
    }
    assert!(slots.values().any(|collected| collected.len() > 1), "no row was collected twice");
}

#[test]
fn events_follow_the_tastes_and_stay_before_now() {
    let folder = tempfile::tempdir().unwrap();
    let report = generate(&small(folder.path(), 30, 150)).unwrap();
    let products = lines(&folder.path().join("truth/products.ndjson"));
    let listings = lines(&folder.path().join("truth/listings.ndjson"));
    let category: HashMap<(&str, &str), &str> = listings
        .iter()
        .map(|listing| {
            let product = &products[usize::try_from(listing["product"].as_u64().unwrap()).unwrap()];
            ((text(listing, "shop"), text(listing, "listing_id")), text(product, "category"))
        })
        .collect();
    let events = lines(&folder.path().join("events.ndjson"));
    assert_eq!(events.len(), report.events);
    assert!(report.event_kinds.values().all(|count| *count > 0), "{:?}", report.event_kinds);
    let mut clicks: HashMap<&str, HashMap<&str, u32>> = HashMap::new();
    let mut last = UnixMillis(i64::MIN);
    for event in &events {
        let at = time(text(event, "at"));
        assert!(at >= last && at <= now() && at >= now().plus(-61 * DAY_MS), "{event}");
        last = at;
        if let Some(code) = event["listing_id"].as_str() {
            let category = category[&(text(event, "shop"), code)];
            if event["kind"] == "click" || event["kind"] == "view" {
                *clicks.entry(text(event, "user_id")).or_default().entry(category).or_default() += 1;
            }
        }
    }
    let users = lines(&folder.path().join("truth/users.ndjson"));
    let personas: Vec<&Value> = users.iter().filter(|user| !user["persona"].is_null()).collect();
    assert!(personas.len() >= 8);
    for user in personas {
        let shares = user["categories"].as_object().unwrap();
        let liked = shares.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap())).unwrap().0;
        let own = &clicks[text(user, "user_id")];
        let part = f64::from(own.get(liked.as_str()).copied().unwrap_or(0)) / f64::from(own.values().sum::<u32>());
        let (all, of) = clicks.values().fold((0, 0), |(all, of), user| {
            (all + user.get(liked.as_str()).copied().unwrap_or(0), of + user.values().sum::<u32>())
        });
        assert!(part > 1.6 * f64::from(all) / f64::from(of), "{user}: {part:.2} of {own:?}");
    }
    let viewers: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("viewers.json")).unwrap()).unwrap();
    let known: HashSet<&str> = users.iter().map(|user| text(user, "user_id")).collect();
    let viewers = viewers["viewers"].as_array().unwrap();
    assert!((8..=12).contains(&viewers.len()));
    assert!(viewers.iter().all(|viewer| known.contains(text(viewer, "user_id")) && !text(viewer, "label").is_empty()));
}

#[test]
fn options_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small(folder.path(), 0, 1);
    assert!(matches!(generate(&options), Err(Error::Option { option: "days", .. })));
    options.days = 1;
    options.really_new = f64::NAN;
    assert!(matches!(generate(&options), Err(Error::Share { option: "really_new", .. })));
    options.really_new = 0.5;
    options.now = UnixMillis(i64::MAX);
    assert!(matches!(generate(&options), Err(Error::Option { option: "now", .. })));
    options.now = now();
    options.users = 0;
    assert_eq!(generate(&options).unwrap().events, 0);
}
