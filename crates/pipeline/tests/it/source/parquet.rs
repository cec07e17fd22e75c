//! Parquet files as tables.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    Time32SecondArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampSecondArray,
};
use datafusion::parquet::data_type::{ByteArrayType, Int96, Int96Type};
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::parser::parse_message_type;
use serde_json::json;
use sinsang_core::time::DAY_MS;
use sinsang_pipeline::read::source::Repair;
use sinsang_tables::reject::Reason;

use super::Case;
use crate::desk::{Desk, broadcast, gzip, ms, reject, repairs, texts, write_parquet, zstd};

#[tokio::test]
async fn parquet_rows_are_checked_like_any_other() {
    let mut desk = Desk::new();
    let starts = [ms("2026-11-22T20:00:00+09:00") * 1_000, i64::MAX, 0, ms("2026-11-22T20:00:00+09:00") * 1_000];
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("shop", texts(&["A"; 4])),
        ("channel", texts(&["c"; 4])),
        ("title", Arc::new(BinaryArray::from_vec(vec![b"good", b"far", b"old", b"bad\xff"]))),
        ("starts_at", Arc::new(TimestampMicrosecondArray::from(starts.to_vec()).with_timezone("Asia/Seoul"))),
        ("price", Arc::new(Float64Array::from(vec![Some(f64::NAN), None, None, None]))),
        ("review_count", Arc::new(Int32Array::from(vec![7; 4]))),
    ];
    let path = desk.path("b.parquet");
    write_parquet(&path, columns.clone());
    let report = desk.broadcasts(&path).await.unwrap();
    let expected = [
        reject("b.parquet", 2, 0, "starts_at", Reason::TooLate),
        reject("b.parquet", 3, 0, "starts_at", Reason::TooEarly),
        reject("b.parquet", 4, 0, "title", Reason::NotUtf8),
    ];
    assert_eq!(desk.rejects(), expected);
    assert_eq!(report.kept, 1);
    assert_eq!(desk.query("SELECT title, price, review_count FROM broadcasts").await, [json!(["good", null, 7])]);

    let wrong: [(&str, usize, ArrayRef, &str); 4] = [
        ("title", 2, Arc::new(Int64Array::from(vec![1; 4])), "expected text"),
        ("starts_at", 3, Arc::new(BooleanArray::from(vec![true; 4])), "timestamps, dates, numbers or text"),
        ("price", 4, Arc::new(BooleanArray::from(vec![true; 4])), "numbers or text"),
        ("price", 4, Arc::new(TimestampMillisecondArray::from(vec![1; 4])), "numbers or text"),
    ];
    for (name, position, array, wanted) in wrong {
        let good = std::mem::replace(&mut columns[position].1, array);
        write_parquet(&path, columns.clone());
        let error = desk.broadcasts(&path).await.unwrap_err().to_string();
        assert!(error.contains(&format!("the column {name} of")) && error.contains(wanted), "{error}");
        columns[position].1 = good;
    }
}

/// Writes a file whose time column is INT96: nanoseconds of the day, and the Julian day.
fn write_int96(path: &Path, title: &str, at_ms: i64) {
    let schema = "message m { required binary shop (UTF8); required binary title (UTF8); required int96 starts_at; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(fs::File::create(path).unwrap(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for text in ["A", title] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[text.into()], None, None).unwrap();
        column.close().unwrap();
    }
    let (days, ns) = (at_ms.div_euclid(DAY_MS) + 2_440_588, at_ms.rem_euclid(DAY_MS) * 1_000_000);
    let word = |number: i64| u32::try_from(number).unwrap();
    let mut at = Int96::new();
    at.set_data(word(ns & 0xffff_ffff), word(ns >> 32), word(days));
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&[at], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn parquet_is_read_as_its_writers_mean_it() {
    let evening = ms("2026-11-22T20:00:00+09:00");
    let question = "SELECT listing_id, starts_at, ends_at FROM broadcasts";
    let read = async |columns: Vec<(&'static str, ArrayRef)>| {
        let mut desk = Desk::new();
        let path = desk.path("b.parquet");
        write_parquet(
            &path,
            [vec![("shop", texts(&["A"])), ("channel", texts(&["A"])), ("title", texts(&["t"]))], columns].concat(),
        );
        let report = desk.broadcasts(&path).await.unwrap();
        assert_eq!(report.kept, 1, "{report}");
        (desk.query(question).await.remove(0), repairs(&report))
    };
    let korean = ("starts_at", Repair::KoreanTime, 1);
    let with_zone = || Arc::new(TimestampMillisecondArray::from(vec![evening]).with_timezone("UTC")) as ArrayRef;
    let decimals = |digits: i128, scale: i8| {
        Arc::new(Decimal128Array::from(vec![digits]).with_precision_and_scale(20, scale).unwrap())
    };
    for (columns, expected, told) in [
        // Ids from databases.
        (
            vec![("listing_id", decimals(12_345, 0) as ArrayRef), ("starts_at", with_zone())],
            json!(["12345", evening, null]),
            vec![],
        ),
        (
            vec![("listing_id", decimals(1_234_500, 2)), ("starts_at", with_zone())],
            json!(["12345", evening, null]),
            vec![],
        ),
        // Times without a zone are assumed, and counted.
        (
            vec![
                ("listing_id", texts(&["7"])),
                ("starts_at", Arc::new(TimestampSecondArray::from(vec![ms("2026-11-22T20:00:00Z") / 1_000]))),
            ],
            json!(["7", evening, null]),
            vec![korean],
        ),
        // A date with times of day.
        (
            vec![
                ("listing_id", texts(&["7"])),
                ("starts_at", Arc::new(Time32SecondArray::from(vec![20 * 3_600]))),
                ("ends_at", Arc::new(Time64NanosecondArray::from(vec![21 * 3_600 * 1_000_000_000_i64]))),
                ("date", Arc::new(Date32Array::from(vec![i32::try_from(evening.div_euclid(DAY_MS)).unwrap()]))),
            ],
            json!(["7", evening, evening + 3_600_000]),
            vec![
                korean,
                ("starts_at", Repair::Joined, 1),
                ("ends_at", Repair::KoreanTime, 1),
                ("ends_at", Repair::Joined, 1),
            ],
        ),
        // Numbers.
        (
            vec![
                ("listing_id", texts(&["7"])),
                ("starts_at", Arc::new(Int64Array::from(vec![20_261_122_200_000]))),
                ("ends_at", Arc::new(Int64Array::from(vec![evening / 1_000 + 3_600]))),
            ],
            json!(["7", evening, evening + 3_600_000]),
            vec![korean, ("ends_at", Repair::SinceEpoch, 1)],
        ),
    ] {
        let (row, mut found) = read(columns).await;
        let mut told = told;
        found.sort_by_key(|(field, repair, _)| (*field, *repair));
        told.sort_by_key(|(field, repair, _)| (*field, *repair));
        assert_eq!((row, found), (expected, told));
    }
    let mut desk = Desk::new();
    let path = desk.path("spark.parquet");
    write_int96(&path, "t", evening);
    let report = desk.broadcasts(&path).await.unwrap();
    assert_eq!(
        desk.query("SELECT starts_at FROM broadcasts").await,
        [json!([evening])],
        "an instant, as Spark means it"
    );
    assert!(repairs(&report).iter().all(|(_, repair, _)| *repair != Repair::KoreanTime), "{report}");
    // Hive partitions: the columns in folder names are in no file.
    fs::create_dir_all(desk.path("hive/dt=2026-11-22/shop=A")).unwrap();
    let part = desk.path("hive/dt=2026-11-22/shop=A/part-0.parquet");
    write_parquet(&part, vec![("title", texts(&["t"])), ("방송시간", texts(&["20:00 ~ 21:00"]))]);
    desk.put("hive/dt=2026-11-22/shop=A/_SUCCESS", "");
    let table = desk.path("hive");
    desk.broadcasts(&table).await.unwrap();
    let row = desk.query("SELECT shop, starts_at, ends_at FROM broadcasts").await;
    assert_eq!(row, [json!(["A", evening, evening + 3_600_000])]);
}

#[tokio::test]
async fn files_that_cannot_be_read_are_named_with_what_is_wrong() {
    let mut desk = Desk::new();
    let rows: String =
        (0..5_000).map(|i| broadcast(&json!({"listing_id": i, "title": format!("크림 {}", i * 7919)}))).collect();
    let csv = format!("shop,channel,title,starts_at\n{}", "A,c,t,2026-11-22T10:00:00Z\n".repeat(5_000));
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 20].to_vec();
    let good = desk.path("good.parquet");
    write_parquet(&good, vec![("shop", texts(&["A"])), ("title", texts(&["t"]))]);
    let footless = cut(fs::read(&good).unwrap());
    fs::create_dir(desk.path("empty")).unwrap();
    fs::create_dir_all(desk.path("nested/inner")).unwrap();
    desk.put("hidden/.gitkeep", "");
    desk.put("mixed/readme.txt", "hello");
    let cases: Vec<Case> = vec![
        ("none.csv", None, &["can't open", "none.csv"]),
        ("empty", None, &["no data file in the folder", "empty"]),
        ("hidden", None, &["no data file in the folder", "hidden"]),
        ("nested", None, &["inner is not a file"]),
        ("mixed", None, &["unknown format of", "readme.txt", ".parquet, .ndjson"]),
        ("b.xlsx", Some(b"PK".to_vec()), &["unknown format of", "b.xlsx"]),
        ("cut.ndjson.gz", Some(cut(gzip(rows.as_bytes()))), &["cut.ndjson.gz is damaged or truncated after row"]),
        ("cut.ndjson.zst", Some(cut(zstd(rows.as_bytes()))), &["cut.ndjson.zst is damaged or truncated after row"]),
        ("cut.csv.gz", Some(cut(gzip(csv.as_bytes()))), &["cut.csv.gz is damaged or truncated after row"]),
        ("not.csv.gz", Some(csv.clone().into_bytes()), &["not.csv.gz is damaged"]),
        ("not.csv.zst", Some(csv.into_bytes()), &["not.csv.zst is damaged"]),
        ("not.parquet", Some(rows.into_bytes()), &["not.parquet is damaged"]),
        ("cut.parquet", Some(footless), &["cut.parquet is damaged"]),
        ("zero.parquet", Some(vec![]), &["zero.parquet is damaged"]),
        (
            "zero.csv",
            Some(vec![]),
            &["zero.csv is missing the required columns shop, channel, title, starts_at; it has no columns"],
        ),
        ("semi.csv", Some(b"shop;channel\n".to_vec()), &["is missing the required", "it has columns shop, channel"]),
        ("twice.csv", Some(b"shop,shop,channel,title,starts_at\n".to_vec()), &["duplicate column shop"]),
        (
            "latin.csv",
            Some(b"shop,channel,title,starts_at,caf\xe9\n".to_vec()),
            &["latin.csv is neither UTF-8 nor CP949"],
        ),
        ("wide.csv", Some(b"\xff\xfes\0h\0o\0p\0".to_vec()), &["wide.csv is UTF-16", "iconv -f UTF-16"]),
        ("open.csv", Some(b"shop,\"channel,title\nA,c,t\n".to_vec()), &["first line of", "open.csv"]),
        ("good.parquet", None, &["good.parquet is missing the required column starts_at; it has columns shop, title"]),
    ];
    for (name, bytes, parts) in cases {
        let path = match bytes {
            Some(bytes) => desk.put(name, bytes),
            None => desk.path(name),
        };
        let error = desk.broadcasts(&path).await.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{name}: {error}");
        }
    }
    // Files without rows are valid.
    for (name, text) in [("header.csv", "shop,channel,title,starts_at\n"), ("zero.ndjson", "")] {
        let path = desk.put(name, text);
        assert_eq!(desk.broadcasts(&path).await.unwrap().rows, 0, "{name}");
    }
}
