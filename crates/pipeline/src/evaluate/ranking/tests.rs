//! Tests on a small shop whose customers mostly buy one kind each.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use datafusion::parquet::arrow::ArrowWriter;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_core::time::{DAY_MS, UnixMillis};

use super::*;

const KINDS: [&str; 4] = ["lamp", "mug", "ribbon", "clock"];
const WORDS: [&str; 6] = ["red", "paper", "retro", "glass", "garden", "small"];

fn cut() -> UnixMillis {
    UnixMillis::parse_rfc3339("2010-09-01T00:00:00Z").unwrap()
}

/// One row: invoice, item, title, quantity, time in milliseconds, price, user.
type Sold = (String, String, String, i64, i64, f64, Option<f64>);

/// 120 customers of four kinds; ten items of each kind are new in the window.
fn sales() -> Vec<Sold> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut sales: Vec<Sold> = Vec::new();
    let mut sell = |user: usize, item: usize, at: i64| {
        let kind = item % 4;
        let title = format!("{} {} {}", WORDS[item / 4 % 6].to_uppercase(), KINDS[kind], WORDS[item / 24 % 6]);
        let invoice = format!("{}", 500_000 + sales.len());
        sales.push((invoice, format!("{}", 20_000 + item), title, 2, at, 2.5, Some(user as f64)));
    };
    // Each item in stock is first bought once, so that it is known.
    for item in 0..120 {
        sell(500, item, cut().0 - 250 * DAY_MS);
    }
    for user in 0..120 {
        for _ in 0..15 {
            let own = rng.random_bool(0.8);
            let kind = if own { user % 4 } else { rng.random_range(0..4) };
            sell(user, rng.random_range(0..30) * 4 + kind, cut().0 - rng.random_range(1..200) * DAY_MS);
        }
        for _ in 0..3 {
            let kind = if rng.random_bool(0.8) { user % 4 } else { rng.random_range(0..4) };
            sell(user, 120 + rng.random_range(0..10) * 4 + kind, cut().0 + rng.random_range(0..30) * DAY_MS);
            sell(user, rng.random_range(0..30) * 4 + kind, cut().0 + rng.random_range(0..30) * DAY_MS);
        }
    }
    sales
}

fn write(path: &Path, sales: &[Sold]) {
    let texts = |of: fn(&Sold) -> &str| -> ArrayRef {
        Arc::new(sales.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let times: TimestampNanosecondArray = sales.iter().map(|row| Some(row.4 * 1_000_000)).collect();
    let columns: [(&str, ArrayRef); 7] = [
        ("invoice", texts(|row| &row.0)),
        ("item_id", texts(|row| &row.1)),
        ("title", texts(|row| &row.2)),
        ("qty", Arc::new(sales.iter().map(|row| Some(row.3)).collect::<Int64Array>())),
        ("ts", Arc::new(times)),
        ("price", Arc::new(sales.iter().map(|row| Some(row.5)).collect::<Float64Array>())),
        ("user_id", Arc::new(sales.iter().map(|row| row.6).collect::<Float64Array>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

async fn evaluate(path: &Path, cuts: Vec<UnixMillis>) -> Result<Report, Error> {
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/logs/online-retail.toml");
    let mapping = Box::new(Mapping::read(&mapping).unwrap());
    let data = Data::Log { mapping, input: path.to_owned(), engine: engine::Options::default() };
    ranking(&Options { data, cuts, half_life_days: HALF_LIFE_DAYS, tune: true, progress: Progress::hidden() }).await
}

#[tokio::test]
async fn each_way_is_measured_through_packs_and_rows_that_are_no_purchases_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retail.parquet");
    let mut sales = sales();
    write(&path, &sales);
    let report = evaluate(&path, vec![cut()]).await.unwrap();
    println!("{report}");
    let of = |rows: &[Row], method: &str| rows.iter().find(|row| row.method == method).unwrap().ndcg_at_20.mean;
    let (random, served) = (of(&report.new, "random"), of(&report.new, SERVED));
    assert!(served > random + 0.2 && served > of(&report.known, "popularity"), "{report}");
    assert!((served - of(&report.new, "float, before rounding")).abs() < 0.01 * served, "{report}");
    assert!((report.ndcg_at_20 - served).abs() < 1e-12);
    assert_eq!((report.cuts[0].new_items, report.cuts[0].users, report.vector_bytes), (40, 121, 64));
    let json = serde_json::to_value(&report).unwrap();
    for key in ["ndcg_at_20", "ratio_to_tfidf", "ratio_to_tfidf_low"] {
        assert!(json[key].as_f64().unwrap() > 0.0 && json[format!("live_{key}")].as_f64().unwrap() > 0.0, "{key}");
    }

    let (at, user) = (cut().0 - DAY_MS, Some(3.0));
    for (invoice, item, quantity, price, user) in [
        ("C600000", "20001", -1, 2.5, user),
        ("600001", "POST", 1, 18.0, user),
        ("600002", "20001", 1, 0.0, user),
        ("600003", "20001", 1, 2.5, None),
    ] {
        sales.push((invoice.to_owned(), item.to_owned(), "NONE".to_owned(), quantity, at, price, user));
    }
    sales.reverse();
    write(&path, &sales);
    let again = evaluate(&path, vec![cut()]).await.unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), json);
}

#[tokio::test]
async fn a_cut_without_new_items_and_a_file_of_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retail.parquet");
    write(&path, &sales());
    let error = evaluate(&path, vec![cut().plus(90 * DAY_MS)]).await.unwrap_err().to_string();
    assert!(error.contains("choose another cut"), "{error}");
    std::fs::write(&path, "not a table").unwrap();
    let error = evaluate(&path, vec![cut()]).await.unwrap_err().to_string();
    assert!(error.contains("retail.parquet") && error.contains("mapping"), "{error}");
}

#[tokio::test]
async fn what_a_log_has_beside_acts_is_counted_and_a_mistake_in_a_mapping_is_told_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = |user: &str| -> Mapping {
        let text = format!(
            "source = 'a test'\nleast_users = 2\n[acts]\ntable = 'acts.csv'\nuser = \"{user}\"\nitem = 'item'\nat = 'at'\nkind = 'kind'\norder = 'basket'\nprice = 'price'"
        );
        toml::from_str(&text).unwrap()
    };
    let rows = [
        "user,item,at,kind,basket,price",
        "ann,lamp,2026-01-01T00:00:00,purchase,b1,2.5",
        "ann,lamp,2026-01-01T00:00:00,purchase,b1,2.5",
        "bob,lamp,2026-01-02T00:00:00,click,,two pounds",
        "bob,mug,2026-01-02T00:00:00,click,,",
        ",lamp,2026-01-03T00:00:00,click,,1",
        "ann,,2026-01-03T00:00:00,click,,1",
        "ann,lamp,2026-01-03T00:00:00,gazed,,1",
    ];
    std::fs::write(folder.path().join("acts.csv"), rows.join("\n")).unwrap();
    let context = engine::open(&engine::Options::default()).unwrap();
    let shop = mapping("user").shop(&context, folder.path()).await.unwrap();
    let expected = SetAside {
        incomplete: 2,
        of_unknown_kind: 1,
        repeated: 1,
        of_rare_items: 1,
        unread_prices: 1,
        ..SetAside::default()
    };
    assert_eq!((shop.set_aside, shop.log.acts.len()), (expected, 2));
    assert!(shop.set_aside.to_string().contains("1 of an unknown kind"), "{}", shop.set_aside);

    let context = engine::open(&engine::Options::default()).unwrap();
    let error = mapping("custommer").shop(&context, folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("acts.user = \"custommer\"") && error.contains("acts.csv"), "{error}");
}

#[tokio::test]
async fn an_operators_tables_are_judged_by_what_is_broadcast_and_what_viewers_did() {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixMillis::parse_rfc3339("2026-11-20T12:00:00Z").unwrap();
    let tables = sinsang_demo::generate::Options {
        days: 45,
        users: 150,
        ..sinsang_demo::generate::Options::new(folder.path(), now)
    };
    sinsang_demo::generate::generate(&tables).unwrap();
    let data = || {
        let options = history::Options {
            input: folder.path().to_owned(),
            rejects: None,
            limit: sinsang_tables::reject::Limit { max_share: 0.05 },
            zones: sinsang_tables::Zones::default(),
            policy: sinsang_identity::identity::Policy::default(),
            engine: engine::Options::default(),
            progress: Progress::hidden(),
        };
        let data = Data::Tables(Box::new(options), now);
        Options { data, cuts: Vec::new(), half_life_days: 30.0, tune: true, progress: Progress::hidden() }
    };
    let report = ranking(&data()).await.unwrap();
    println!("{report}");
    let SetAside { of_no_wish, of_unknown_products, incomplete, .. } = report.set_aside;
    assert!(of_no_wish > 0 && of_unknown_products > 0 && incomplete == 0, "{report}");
    let against = report.new_against_best.as_ref().unwrap();
    assert!(against.ratio.low < against.ratio.mean && !OURS.contains(&against.method), "{report}");
    // Windows before the first events are left out; broadcasts come, and go.
    let CutReport { new_items, known_items, users, .. } = report.cuts[report.cuts.len() - 1];
    assert!(report.cuts.len() < 3 && users > 50 && new_items > 100 && known_items > 300, "{report}");
    let of = |rows: &[Row], method: &str| rows.iter().find(|row| row.method == method).unwrap().ndcg_at_20.mean;
    assert!(of(&report.new, SERVED) > 1.5 * of(&report.new, "random"), "{report}");
    assert!(of(&report.known, SERVED) > of(&report.known, "popularity"), "{report}");
    std::fs::remove_file(folder.path().join("events.parquet")).unwrap();
    let error = ranking(&data()).await.unwrap_err().to_string();
    assert!(error.contains("no table `events`"), "{error}");
}
