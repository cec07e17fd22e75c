//! The import of Online Retail II: a small file with every kind of row, and the real file if the
//! environment names it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sinsang_core::time::UnixMillis;
use sinsang_demo::import::retail::{Error, LeftOut, Options, online_retail};
use sinsang_demo::table_write::TableFormat;

type Row = (&'static str, &'static str, Option<&'static str>, i64, &'static str, f64, Option<f64>, &'static str);

const UK: &str = "United Kingdom";
const ROWS: &[Row] = &[
    ("489434", "85048", Some(" CHRISTMAS GLASS BALL "), 12, "2011-08-30T07:45:00Z", 6.95, Some(13_085.0), UK),
    ("489434", "79323P", Some("PINK CHERRY LIGHTS"), 12, "2011-08-30T07:45:00Z", 6.75, Some(13_085.0), UK),
    // Already on the invoice: one event.
    ("489434", "79323P", Some("PINK CHERRY LIGHTS"), 2, "2011-08-30T07:45:00Z", 6.75, Some(13_085.0), UK),
    // The same day and channel: no second broadcast. The other wording counts on another day.
    ("489435", "79323P", Some("PINK CHERRY LIGHTS"), 1, "2011-08-30T10:00:00Z", 6.75, Some(12_748.0), UK),
    ("489436", "79323P", Some("CHERRY LIGHTS PINK"), 1, "2011-08-31T10:00:00Z", 6.75, Some(12_748.0), UK),
    ("489436", "79323W", Some("WHITE CHERRY LIGHTS"), 1, "2011-08-31T10:00:00Z", 0.85, Some(12_748.0), UK),
    // Sales abroad have their own channel.
    ("489437", "79323P", Some("PINK CHERRY LIGHTS"), 1, "2011-08-31T11:00:00Z", 6.75, Some(12_431.0), "France"),
    ("489438", "22041", Some("RECORD FRAME"), 1, "2011-08-31T12:00:00Z", 2.1, None, UK),
    ("C489439", "22041", Some("RECORD FRAME"), -1, "2011-08-31T12:00:00Z", 2.1, Some(13_085.0), UK),
    ("489440", "22041", Some("damaged"), -3, "2011-08-31T12:00:00Z", 0.0, None, UK),
    ("489441", "POST", Some("POSTAGE"), 1, "2011-08-31T12:00:00Z", 18.0, Some(12_431.0), "France"),
    ("489442", "22041", Some("RECORD FRAME"), 1, "2011-08-31T12:00:00Z", 0.0, Some(13_085.0), UK),
    ("489443", "22041", None, 1, "2011-08-31T12:00:00Z", 2.1, Some(13_085.0), UK),
    ("489443", "22041", Some("RECORD FRAME"), 1, "1969-12-31T12:00:00Z", 2.1, Some(13_085.0), UK),
    // After `as_of`: broadcasts, but no events.
    ("489444", "22999", Some("TRAVEL CARD WALLET"), 1, "2011-09-02T09:00:00Z", 0.42, Some(13_085.0), UK),
    ("489445", "22998", Some("TRAVEL CARD"), 1, "2011-09-08T00:00:00Z", 0.42, Some(13_085.0), UK),
];

fn batch(rows: &[Row]) -> RecordBatch {
    let at = |text: &str| UnixMillis::parse_rfc3339(text).unwrap().0 * 1_000_000;
    let texts = |field: &dyn Fn(&Row) -> Option<&'static str>| -> ArrayRef {
        Arc::new(rows.iter().map(field).collect::<StringArray>())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("invoice", texts(&|row| Some(row.0)), true),
        ("item_id", texts(&|row| Some(row.1)), true),
        ("title", texts(&|row| row.2), true),
        ("qty", Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Int64Array>()) as ArrayRef, true),
        (
            "ts",
            Arc::new(rows.iter().map(|row| Some(at(row.4))).collect::<TimestampNanosecondArray>()) as ArrayRef,
            true,
        ),
        ("price", Arc::new(rows.iter().map(|row| Some(row.5)).collect::<Float64Array>()) as ArrayRef, true),
        ("user_id", Arc::new(rows.iter().map(|row| row.6).collect::<Float64Array>()) as ArrayRef, true),
        ("country", texts(&|row| Some(row.7)), true),
    ])
    .unwrap()
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn sales_become_broadcasts_and_purchases_events_and_the_rest_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("retail.parquet"), folder.path().join("out"));
    write(&file, &batch(ROWS));
    let mut options = Options::new(&file, &out);
    options.broadcasts = TableFormat::parse("ndjson").unwrap();
    let report = online_retail(&options).unwrap();
    let expected = LeftOut {
        unreadable: 2,
        cancelled: 2,
        not_a_product: 1,
        free: 1,
        too_late: 1,
        event_without_user: 1,
        event_after_as_of: 1,
        event_repeated: 1,
    };
    assert_eq!(report.left_out, expected);
    assert_eq!((report.rows, report.items, report.upcoming, report.new_items_upcoming), (ROWS.len(), 5, 1, 1));

    let rows = lines(&out.join("broadcasts.ndjson"));
    let found: Vec<(&str, &str, &str, u64, &str, &str)> = rows
        .iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap();
            let price = row["price"].as_u64().unwrap();
            (
                text("channel"),
                text("listing_id"),
                text("title"),
                price,
                &text("starts_at")[..16],
                &text("ends_at")[..16],
            )
        })
        .collect();
    // Two items of one channel and moment queue for three minutes; a slot without a successor lasts
    // an hour.
    let expected = [
        ("UK Christmas", "85048", "CHRISTMAS GLASS BALL", 12_510, "2011-08-30T16:45", "2011-08-30T17:45"),
        ("UK Candles & Lights", "79323P", "PINK CHERRY LIGHTS", 12_150, "2011-08-30T16:45", "2011-08-30T17:45"),
        ("UK Candles & Lights", "79323P", "CHERRY LIGHTS PINK", 12_150, "2011-08-31T19:00", "2011-08-31T19:03"),
        ("UK Candles & Lights", "79323W", "WHITE CHERRY LIGHTS", 1_530, "2011-08-31T19:03", "2011-08-31T20:03"),
        ("France", "79323P", "PINK CHERRY LIGHTS", 12_150, "2011-08-31T20:00", "2011-08-31T21:00"),
        ("UK Home & Wall", "22041", "RECORD FRAME", 3_780, "2011-08-31T21:00", "2011-08-31T22:00"),
        ("UK Bags", "22999", "TRAVEL CARD WALLET", 756, "2011-09-02T18:00", "2011-09-02T19:00"),
    ];
    assert_eq!(found, expected);
    assert!(rows.iter().all(|row| row["shop"] == "Online Retail" && row["review_count"].is_null()));

    let file = File::open(out.join("events.parquet")).unwrap();
    let batches: Vec<RecordBatch> =
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), report.events);
    assert_eq!((report.events, report.users), (6, 3));
    let (users, at) = (batches[0].column(0).as_string::<i32>(), batches[0].column(1));
    assert_eq!((users.value(0), users.value(5)), ("13085", "12431"));
    let at = at.as_primitive::<TimestampMillisecondType>();
    assert!((0..at.len()).all(|row| at.value(row) <= options.as_of.0));

    let tabs = fs::read_to_string(out.join("tabs.csv")).unwrap();
    assert!(tabs.starts_with("tab_id,label,position,pinned,target\nnew,신상품,0,true,/new\n"), "{tabs}");
    assert!(fs::read_to_string(out.join("NOTICE")).unwrap().contains("10.24432/C5CG6D"));
    let viewers: Value = serde_json::from_str(&fs::read_to_string(out.join("viewers.json")).unwrap()).unwrap();
    assert_eq!(viewers["viewers"][0]["label"], "고객 12748 · 3건 · LIGHT 100 %");
}

#[test]
fn a_file_that_is_not_the_data_set_is_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let import =
        |name: &str| online_retail(&Options::new(folder.path().join(name), folder.path().join("out"))).unwrap_err();
    let missing = import("nothing.parquet");
    assert!(matches!(missing, Error::Missing { .. }));
    assert!(missing.to_string().contains("UCI Machine Learning Repository") && missing.to_string().contains("C5CG6D"));

    fs::write(folder.path().join("text.parquet"), "invoice,item_id\n").unwrap();
    assert!(matches!(import("text.parquet"), Error::Read { .. }));

    let mut batch = batch(ROWS);
    batch.remove_column(4);
    write(&folder.path().join("timeless.parquet"), &batch);
    assert!(matches!(import("timeless.parquet"), Error::Column { column: "ts", .. }));
}

#[test]
fn the_real_data_set_is_read_whole() {
    let Some(file) = std::env::var_os("SINSANG_RETAIL").map(PathBuf::from) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = online_retail(&Options::new(file, folder.path())).unwrap();
    println!("{report}\n{:?}\n{:?}", report.channels, report.categories);
    assert_eq!(report.rows, 1_044_847);
    assert!(report.channels.len() == 18 && report.on_air_most <= 18, "{report}");
    assert!(report.events > 500_000 && report.users > 5_000, "{report}");
    assert!((20..200).contains(&report.new_items_upcoming), "{report}");
    let viewers: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("viewers.json")).unwrap()).unwrap();
    println!("{viewers:#}");
    assert!(viewers["viewers"].as_array().unwrap().len() >= 8);
}
