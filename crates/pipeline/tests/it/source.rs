//! Tests of input tables through real files: rows kept, repaired, and set aside with their place.

use std::fs;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, DictionaryArray, Float64Array, ListArray, StringViewArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use proptest::prelude::*;
use serde_json::{Value, json};
use sinsang_pipeline::read::source::{Repair, listing_id_from_title};
use sinsang_tables::reject::Reason;

use crate::desk::{Desk, NOW, broadcast, event, gzip, ms, reject, repairs, texts, write_parquet, zstd};

mod parquet;

/// A file's name, its content, and fragments of the expected error.
type Case = (&'static str, Option<Vec<u8>>, &'static [&'static str]);

#[tokio::test]
async fn the_same_rows_come_out_of_every_format_and_packing() {
    let csv = "listing_id,shop,channel,title,price,starts_at,ends_at,extra\n\
               10,GS샵,GS샵 LIVE,\"크림, 1+1\",\"49,900원\",2026-11-22T20:00:00+09:00,2026-11-22T21:00:00+09:00,x\n";
    let ndjson = broadcast(&json!({"listing_id": 10, "title": "크림, 1+1", "extra": {"a": [1]}}));
    let mut files = vec![("a.csv", csv.as_bytes().to_vec()), ("a.ndjson", ndjson.clone().into_bytes())];
    files.extend([("a.csv.gz", gzip(csv.as_bytes())), ("a.csv.zst", zstd(csv.as_bytes()))]);
    files.extend([("a.jsonl.gz", gzip(ndjson.as_bytes())), ("a.NDJSON.ZST", zstd(ndjson.as_bytes()))]);
    // Concatenated gzip members and zstd frames are one file.
    let crlf = csv.replace('\n', "\r\n");
    let (head, tail) = crlf.as_bytes().split_at(60);
    files.push(("b.csv.gz", [gzip(head), gzip(tail)].concat()));
    files.push(("b.csv.zst", [zstd(head), zstd(tail)].concat()));
    files.push(("bom.csv", [b"\xef\xbb\xbf".as_slice(), csv.as_bytes()].concat()));
    files.push(("bom.ndjson", [b"\xef\xbb\xbf".as_slice(), ndjson.as_bytes()].concat()));
    files.push(("no-end.csv", csv.trim_end().as_bytes().to_vec()));
    let expected = json!([
        "10",
        "GS샵",
        "크림, 1+1",
        null,
        49900,
        ms("2026-11-22T20:00:00+09:00"),
        ms("2026-11-22T21:00:00+09:00")
    ]);
    let question = "SELECT listing_id, shop, title, brand, price, starts_at, ends_at FROM broadcasts";
    for (name, bytes) in files {
        let mut desk = Desk::with_limit(0.0);
        let path = desk.put(name, bytes);
        let report = desk.broadcasts(&path).await.unwrap();
        assert_eq!((report.rows, report.kept, report.files), (1, 1, 1), "{name}");
        assert_eq!(desk.query(question).await, std::slice::from_ref(&expected), "{name}");
    }

    let mut desk = Desk::with_limit(0.0);
    let path = desk.path("a.parquet");
    write_parquet(
        &path,
        vec![
            ("listing_id", Arc::new(Float64Array::from(vec![10.0])) as ArrayRef),
            ("shop", Arc::new(DictionaryArray::<Int32Type>::from_iter(["GS샵"]))),
            ("channel", Arc::new(StringViewArray::from(vec!["GS샵 LIVE"]))),
            ("title", Arc::new(BinaryArray::from_vec(vec!["크림, 1+1".as_bytes()]))),
            ("price", Arc::new(Decimal128Array::from(vec![4_990_000]).with_precision_and_scale(10, 2).unwrap())),
            ("starts_at", Arc::new(TimestampNanosecondArray::from(vec![ms("2026-11-22T20:00:00Z") * 1_000_000]))),
            ("ends_at", texts(&["2026-11-22T21:00:00+09:00"])),
            ("extra", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]))),
        ],
    );
    desk.broadcasts(&path).await.unwrap();
    assert_eq!(desk.query(question).await, [expected], "a timestamp without a zone is Korean time");
}

#[tokio::test]
async fn registered_tables_have_the_documented_types() {
    let mut desk = Desk::new();
    let path = desk.put("b.ndjson", "");
    desk.broadcasts(&path).await.unwrap();
    desk.source.without_events().await.unwrap();
    for table in ["broadcasts", "events"] {
        let table = desk.source.context().table(table).await.unwrap();
        for field in table.schema().fields() {
            let text = !matches!(
                field.name().as_str(),
                "price" | "list_price" | "starts_at" | "ends_at" | "review_count" | "collected_at" | "at" | "amount"
            );
            assert_eq!(field.data_type(), if text { &DataType::Utf8 } else { &DataType::Int64 }, "{field}");
        }
    }
    assert_eq!(desk.query("SELECT count(*) FROM events").await, [json!([0])]);
}

#[tokio::test]
async fn broken_csv_rows_are_set_aside_with_their_place_and_the_rest_is_kept() {
    let long = "x".repeat(1 << 20);
    let rows: Vec<Vec<u8>> = [
        b"shop,channel,title,starts_at,brand\n".to_vec(),
        b"A,c,one,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,two,2026-11-22 10:00\n".to_vec(),
        b"\n".to_vec(),
        b"A,c,three,2026-11-22 10:00,b,extra\n".to_vec(),
        b"A,c,bad\xff\xfe,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,\"four\nlines,\"\"quoted\"\"\",2026-11-22 10:00,b\n".to_vec(),
        b"A,c,\"open,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,five,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,\"six\",2026-11-22 10:00,b\n".to_vec(),
        format!("A,c,{long},2026-11-22 10:00,b\n").into_bytes(),
        b"A,c,seven,2026-11-22 10:00,b\n".to_vec(),
        b"\"\",\" \",eight,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,nine,yesterday,b\n".to_vec(),
        b"A,c,ten 5\" screen,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,\"never closed,2026-11-22 10:00,b\n".to_vec(),
        b"A,c,eleven,2026-11-22 10:00,b".to_vec(),
    ]
    .into();
    for name in ["b.csv", "b.csv.gz"] {
        let mut desk = Desk::new();
        let bytes = if name.ends_with("gz") { gzip(&rows.concat()) } else { rows.concat() };
        let path = desk.put(name, bytes);
        let report = desk.broadcasts(&path).await.unwrap();
        let titles = desk.query("SELECT title FROM broadcasts").await;
        let expected = ["one", "four lines,\"quoted\"", "five", "six", "seven", "ten 5\" screen", "eleven"];
        assert_eq!(titles, expected.map(|title| json!([title])));
        assert_eq!((report.rows, report.kept), (15, 7));
        let expected = [
            reject(name, 2, 3, "", Reason::FieldCount),
            reject(name, 3, 5, "", Reason::FieldCount),
            reject(name, 4, 6, "title", Reason::NotUtf8),
            reject(name, 6, 9, "", Reason::UnclosedQuote),
            reject(name, 9, 12, "", Reason::RowTooLong),
            reject(name, 11, 14, "shop", Reason::Missing),
            reject(name, 12, 15, "starts_at", Reason::NotATime),
            reject(name, 14, 17, "", Reason::UnclosedQuote),
        ];
        assert_eq!(desk.rejects(), expected);
    }
}

#[tokio::test]
async fn broken_json_lines_are_set_aside_with_their_place_and_the_rest_is_kept() {
    let mut desk = Desk::new();
    let good = broadcast(&json!({}));
    let mut bytes = Vec::new();
    for line in [
        good.as_bytes(),
        b"[1, 2]\n",
        b"42\n",
        b"{\"shop\": \"A\", \n",
        b"\n",
        b"  \t \r\n",
        b"{\"shop\":\"A\"} {\"shop\":\"B\"}\n",
        b"{\"shop\":\"\xff\"}\n",
        b"{\"shop\":\"A\",\"shop\":\"B\"}\n",
        &[b"{\"title\":\"".as_slice(), &vec![b'y'; 1 << 20], b"\"}\n"].concat(),
        &b"[".repeat(100_000),
        b"\n",
        broadcast(&json!({"shop": {"name": "A"}})).as_bytes(),
        broadcast(&json!({"title": "가".repeat(2_001)})).as_bytes(),
        broadcast(&json!({"title": "가".repeat(2_000), "listing_id": "long"})).as_bytes(),
        broadcast(&json!({"title": " \u{0} "})).as_bytes(),
        broadcast(&json!({"title": "★☆ [] (!)"})).as_bytes(),
        broadcast(&json!({"starts_at": 1_763_805})).as_bytes(),
        broadcast(&json!({"starts_at": "1989-12-31T23:59:59+09:00"})).as_bytes(),
        broadcast(&json!({"starts_at": "2027-11-23T12:00:00+09:00"})).as_bytes(),
        broadcast(&json!({"starts_at": null})).as_bytes(),
        broadcast(&json!({"listing_id": "last"})).trim_end().as_bytes(),
    ] {
        bytes.extend_from_slice(line);
    }
    let path = desk.put("b.ndjson.zst", zstd(&bytes));
    let report = desk.broadcasts(&path).await.unwrap();
    let name = "b.ndjson.zst";
    let expected = [
        reject(name, 2, 2, "", Reason::NotAnObject),
        reject(name, 3, 3, "", Reason::NotAnObject),
        reject(name, 4, 4, "", Reason::NotJson),
        // Two objects on one line are two rows.
        reject(name, 5, 7, "title", Reason::Missing),
        reject(name, 6, 7, "title", Reason::Missing),
        reject(name, 7, 8, "", Reason::NotUtf8),
        reject(name, 8, 9, "shop", Reason::FieldTwice),
        reject(name, 9, 10, "", Reason::RowTooLong),
        reject(name, 10, 11, "", Reason::NotAnObject),
        reject(name, 11, 12, "shop", Reason::WrongKind),
        reject(name, 12, 13, "title", Reason::TooLong),
        reject(name, 14, 15, "title", Reason::Missing),
        reject(name, 15, 16, "title", Reason::NoWords),
        reject(name, 16, 17, "starts_at", Reason::NotATime),
        reject(name, 17, 18, "starts_at", Reason::TooEarly),
        reject(name, 18, 19, "starts_at", Reason::TooLate),
        reject(name, 19, 20, "starts_at", Reason::Missing),
    ];
    assert_eq!(desk.rejects(), expected);
    assert_eq!((report.rows, report.kept), (20, 3));
    let kept = desk.query("SELECT listing_id FROM broadcasts").await;
    assert_eq!(kept, [json!(["1"]), json!(["long"]), json!(["last"])]);
    let value = fs::read_to_string(desk.path("rejects.ndjson")).unwrap();
    assert!(value.lines().all(|line| line.len() < 1_000), "values are excerpts");
}

#[tokio::test]
async fn broadcasts_are_repaired_and_every_repair_is_counted() {
    let mut desk = Desk::with_limit(0.0);
    let cases = [
        (json!({"listing_id": null}), ("listing_id", Repair::MadeFromTitle)),
        (json!({"starts_at": "2026-11-22T25:10:00+09:00", "ends_at": null}), ("starts_at", Repair::NextDay)),
        (json!({"starts_at": "2026-11-22 20:30"}), ("starts_at", Repair::KoreanTime)),
        (json!({"ends_at": "2026-11-22T19:00:00+09:00"}), ("ends_at", Repair::EndBeforeStart)),
        (json!({"ends_at": "2026-11-23T02:00:01+09:00"}), ("ends_at", Repair::EndTooFar)),
        (json!({"ends_at": "later"}), ("ends_at", Repair::Unreadable)),
        (json!({"price": 0}), ("price", Repair::OutOfRange)),
        (json!({"price": -1}), ("price", Repair::OutOfRange)),
        (json!({"price": 1e12}), ("price", Repair::OutOfRange)),
        (json!({"price": "1,000,000,001원"}), ("price", Repair::OutOfRange)),
        (json!({"price": "상담 후 결정"}), ("price", Repair::Unreadable)),
        (json!({"price": 49_900.4}), ("price", Repair::Rounded)),
        (json!({"list_price": 49_899}), ("list_price", Repair::BelowPrice)),
        (json!({"review_count": -3}), ("review_count", Repair::OutOfRange)),
        (json!({"review_count": 100_000_001}), ("review_count", Repair::OutOfRange)),
        (json!({"brand": "상세설명 참조"}), ("brand", Repair::Placeholder)),
        (json!({"brand": "나".repeat(201)}), ("brand", Repair::TooLong)),
        (json!({"category": "NULL"}), ("category", Repair::Placeholder)),
        (json!({"title": "크림\u{7}\n 세트"}), ("title", Repair::Tidied)),
        (json!({"url": "javascript:alert(1)"}), ("url", Repair::NotAWebAddress)),
        (json!({"image": ["a"]}), ("image", Repair::Unreadable)),
        (json!({"collected_at": "0001-01-01T00:00:00Z"}), ("collected_at", Repair::OutOfRange)),
        (json!({"channel": null}), ("channel", Repair::FromOther)),
        (json!({"shop": " "}), ("shop", Repair::FromOther)),
    ];
    for (index, (changes, (field, repair))) in cases.iter().enumerate() {
        let path = desk.put(&format!("{index}.ndjson"), broadcast(changes));
        let report = desk.broadcasts(&path).await.unwrap();
        assert_eq!(repairs(&report), [(*field, *repair, 1)], "{changes}");
    }
    let all: String = cases.iter().map(|(changes, _)| broadcast(changes)).collect();
    let path = desk.put("all.ndjson", all);
    let report = desk.broadcasts(&path).await.unwrap();
    assert_eq!(report.repaired.iter().map(|count| count.rows).sum::<u64>(), cases.len() as u64);

    let rows =
        desk.query("SELECT listing_id, title, starts_at, ends_at, price, list_price, brand, url FROM broadcasts").await;
    let (start, end) = (ms("2026-11-22T20:00:00+09:00"), ms("2026-11-22T21:00:00+09:00"));
    let made = listing_id_from_title("크림");
    assert!(made.len() == 17 && made.starts_with('~'));
    assert_eq!(rows[0], json!([made, "크림", start, end, 49900, null, null, null]));
    assert_eq!(rows[1][2], ms("2026-11-23T01:10:00+09:00"));
    assert_eq!(rows[3][3], Value::Null);
    assert_eq!(rows[6][4], Value::Null);
    assert_eq!(rows[11][4], 49900);
    assert_eq!(rows[12][5], Value::Null);
    assert_eq!(rows[18][1], "크림 세트");
    assert!(desk.rejects().is_empty() && !desk.path("rejects.ndjson").exists());
}

/// `무쇠솥` and `49,900원` in CP949, the code page that Korean spreadsheets still write.
const POT: &[u8] = b"\xb9\xab\xbc\xe8\xbc\xdc";
const PRICE: &[u8] = b"\"49,900\xbf\xf8\"";

#[tokio::test]
async fn korean_of_the_old_code_page_is_read_and_two_encodings_in_one_text_are_not() {
    let mut desk = Desk::new();
    let row = |title: &[u8], price: &[u8]| [b"A,c,".as_slice(), title, b",2026-11-22 10:00,", price, b"\n"].concat();
    let mixed = [POT, "솥뚜껑".as_bytes()].concat();
    let bytes = [
        b"shop,channel,title,starts_at,price\n".to_vec(),
        row("무쇠솥".as_bytes(), b"49900"),
        row(POT, PRICE),
        row(&mixed, b"1"),
    ];
    let path = desk.put("mixed.csv", bytes.concat());
    let report = desk.broadcasts(&path).await.unwrap();
    assert_eq!(desk.query("SELECT title, price FROM broadcasts").await, vec![json!(["무쇠솥", 49_900]); 2]);
    assert_eq!(desk.rejects(), [reject("mixed.csv", 3, 4, "title", Reason::NotUtf8)]);
    let decoded = repairs(&report).into_iter().filter(|(_, repair, _)| *repair == Repair::Decoded);
    assert_eq!(decoded.collect::<Vec<_>>(), [("title", Repair::Decoded, 1), ("price", Repair::Decoded, 1)]);

    let line = [b"{\"shop\":\"A\",\"title\":\"".as_slice(), POT, b"\",\"starts_at\":\"2026-11-22 10:00\"}\n"].concat();
    let path = desk.put("old.ndjson", line);
    let report = desk.broadcasts(&path).await.unwrap();
    assert!(repairs(&report).contains(&("title", Repair::Decoded, 1)), "{report}");
    assert_eq!(desk.query("SELECT title, channel FROM broadcasts").await, [json!(["무쇠솥", "A"])]);
}

#[tokio::test]
async fn columns_are_found_under_the_names_that_schedules_give_them() {
    let expected = [json!(["77", "GS샵", "무쇠솥", 49_900, ms("2026-11-22T20:00:00+09:00")])];
    let question = "SELECT listing_id, shop, title, price, starts_at FROM broadcasts";
    let csv = "상품코드,Shop Name,채널명,상품명,판매가,방송시작시간\n77,GS샵,GS샵 LIVE,무쇠솥,\"49,900원\",2026.11.22 20:00\n";
    let ndjson = r#"{"itemCode":77,"mall":"GS샵","channel":"c","name":"무쇠솥","sale_price":49900,"startTime":"2026-11-22 20:00"}"#;
    let mut desk = Desk::with_limit(0.0);
    for (name, text) in [("a.csv", csv), ("a.ndjson", ndjson)] {
        let path = desk.put(name, text);
        let report = desk.broadcasts(&path).await.unwrap();
        assert_eq!(desk.query(question).await, expected, "{name}");
        let told = report.to_string();
        let from = if name == "a.csv" { "방송시작시간" } else { "startTime" };
        assert!(told.contains(&format!("starts_at from \"{from}\"")), "{told}");
    }
    let path = desk.path("a.parquet");
    let columns = vec![
        ("item_id", texts(&["77"])),
        ("shop", texts(&["GS샵"])),
        ("Title", texts(&["무쇠솥"])),
        ("price", texts(&["49900"])),
        ("start", texts(&["2026-11-22 20:00"])),
    ];
    write_parquet(&path, columns);
    desk.broadcasts(&path).await.unwrap();
    assert_eq!(desk.query(question).await, expected);
    // A column's own name takes precedence over aliases.
    let path = desk.put("both.csv", "name,title,shop,start,starts_at\n솥,무쇠솥,A,2026-11-22 10:00,2026-11-22 20:00\n");
    desk.broadcasts(&path).await.unwrap();
    let both = [json!(["무쇠솥", ms("2026-11-22T20:00:00+09:00")])];
    assert_eq!(desk.query("SELECT title, starts_at FROM broadcasts").await, both);
}

#[tokio::test]
async fn events_need_an_object_of_their_kind_and_those_ahead_do_not_count() {
    let mut desk = Desk::with_limit(0.5);
    let lines = [
        event(&json!({})),
        event(&json!({"kind": "CLICK", "product_id": "00FF00ff00ff00ff", "listing_id": null})),
        event(&json!({"kind": "tab_open", "tab_id": "new", "listing_id": null})),
        event(&json!({"kind": "live_enter", "channel": "GS샵 LIVE", "listing_id": null})),
        event(&json!({"at": NOW})),
        event(&json!({"kind": "buy"})),
        event(&json!({"kind": "tab_open"})),
        event(&json!({"kind": "live_enter", "listing_id": null, "tab_id": "new"})),
        event(&json!({"kind": "view", "listing_id": null, "product_id": "not hex"})),
        event(&json!({"user_id": "가".repeat(43)})),
        event(&json!({"at": "2026-11-22T12:00:01+09:00"})),
        event(&json!({"at": "2036-11-22T12:00:01+09:00"})),
    ];
    let path = desk.put("events/1.jsonl", lines.concat());
    let report = desk.events(&path).await.unwrap();
    let reasons: Vec<_> =
        desk.rejects().into_iter().map(|(_, row, _, field, reason)| (row, field.unwrap(), reason)).collect();
    let expected = [
        (6, "kind", Reason::UnknownKind),
        (7, "tab_id", Reason::NoObject),
        (8, "channel", Reason::NoObject),
        (9, "product_id", Reason::NoObject),
        (10, "user_id", Reason::TooLong),
        (11, "at", Reason::InTheFuture),
        (12, "at", Reason::InTheFuture),
    ];
    assert_eq!(reasons, expected.map(|(row, field, reason)| (row, field.to_owned(), reason.as_str().to_owned())));
    assert_eq!((report.rows, report.kept), (12, 5));
    let rows =
        desk.query("SELECT user_id, at, kind, listing_id, product_id FROM events WHERE product_id IS NOT NULL").await;
    let expected = json!(["u1", ms("2026-11-20T20:00:00+09:00"), "click", null, "00ff00ff00ff00ff"]);
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn tabs_come_back_in_order_and_only_once() {
    let mut desk = Desk::new();
    let path = desk.put(
        "tabs.csv",
        "tab_id,label,position,pinned,target\n\
         live,생방송,2,no,/live\n\
         new,신상품,1,YES,/new\n\
         best,베스트,1,,\n\
         new,또,3,,\n\
         odd,홀,-1,,\n\
         half,반,1.5,,\n\
         flag,깃발,4,maybe,\n\
         ,없음,5,,\n",
    );
    let (tabs, report) = desk.tabs(&path).unwrap();
    let seen: Vec<_> =
        tabs.iter().map(|tab| (tab.tab_id.as_str(), tab.position, tab.pinned, tab.target.as_str())).collect();
    assert_eq!(seen, [("best", 1, false, ""), ("new", 1, true, "/new"), ("live", 2, false, "/live")]);
    let expected = [
        reject("tabs.csv", 4, 5, "tab_id", Reason::Duplicate),
        reject("tabs.csv", 5, 6, "position", Reason::NotAPosition),
        reject("tabs.csv", 6, 7, "position", Reason::NotAPosition),
        reject("tabs.csv", 7, 8, "pinned", Reason::NotAFlag),
        reject("tabs.csv", 8, 9, "tab_id", Reason::Missing),
    ];
    assert_eq!(desk.rejects(), expected);
    assert_eq!((report.rows, report.kept), (8, 3));
}

#[tokio::test]
async fn past_the_limit_the_read_fails_and_says_what_to_do() {
    let lines = [
        broadcast(&json!({})).repeat(17),
        broadcast(&json!({"title": null})).repeat(2),
        broadcast(&json!({"starts_at": "soon"})),
    ]
    .concat();
    let mut desk = Desk::with_limit(0.15);
    let path = desk.put("b.ndjson", &lines);
    let report = desk.broadcasts(&path).await.unwrap();
    assert_eq!(report.kept, 17);
    let text = report.to_string();
    assert!(text.contains("20 rows in 1 file, 17 kept") && text.contains("title missing (2)"), "{text}");

    let mut desk = Desk::with_limit(0.05);
    let path = desk.put("b.ndjson", &lines);
    let error = desk.broadcasts(&path).await.unwrap_err().to_string();
    for part in [
        "3 of 20 rows of broadcasts",
        "15.0 %",
        "5 %",
        "title missing (2), starts_at not a time (1)",
        "rejects.ndjson",
        "--max-rejects",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(desk.rejects().len(), 3);
    assert!(desk.source.context().table("broadcasts").await.is_err(), "nothing is registered");
}

#[tokio::test]
async fn a_folder_may_mix_formats_and_its_files_are_taken_by_name() {
    let mut desk = Desk::new();
    let header = "listing_id,shop,channel,title,starts_at\n";
    desk.put("broadcasts/2.csv", format!("{header}two,A,c,t,2026-11-22T10:00:00Z\nbad\n"));
    desk.put("broadcasts/1.ndjson.gz", gzip(broadcast(&json!({"listing_id": "one"})).as_bytes()));
    desk.put("broadcasts/4.csv", header);
    desk.put("broadcasts/.5.csv.tmp", "half written");
    desk.put("broadcasts/_SUCCESS", "");
    let at: ArrayRef =
        Arc::new(TimestampSecondArray::from(vec![ms("2026-11-22T10:00:00Z") / 1_000]).with_timezone("UTC"));
    let columns =
        vec![("shop", texts(&["A"])), ("channel", texts(&["c"])), ("title", texts(&["t"])), ("starts_at", at)];
    let mut more = columns.clone();
    more.push(("listing_id", Arc::new(UInt64Array::from(vec![u64::MAX]))));
    write_parquet(&desk.path("broadcasts/3.parquet"), more);
    let path = desk.path("broadcasts");
    let report = desk.broadcasts(&path).await.unwrap();
    assert_eq!((report.files, report.rows, report.kept), (4, 4, 3));
    let rows = desk.query("SELECT listing_id, starts_at FROM broadcasts").await;
    let (eight, ten) = (ms("2026-11-22T20:00:00+09:00"), ms("2026-11-22T10:00:00Z"));
    assert_eq!(rows, [json!(["one", eight]), json!(["two", ten]), json!(["18446744073709551615", ten])]);
    assert_eq!(desk.rejects(), [reject("2.csv", 2, 3, "", Reason::FieldCount)]);
}

#[test]
fn the_contract_names_every_column_reason_and_repair() {
    let contract = include_str!("../../../../docs/input.md");
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let repairs: Vec<&str> = Repair::ALL.iter().map(|repair| repair.as_str()).collect();
    for text in reasons.iter().chain(&repairs) {
        assert!(contract.contains(&format!("`{text}`")), "docs/input.md does not name `{text}`");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), csv in "[a,\"\r\n]{0,80}") {
        let mut desk = Desk::new();
        let header = b"tab_id,label,position\n".to_vec();
        let texts = [bytes.clone(), [header.clone(), bytes.clone()].concat(), [header, csv.into_bytes()].concat()];
        for (index, text) in texts.iter().enumerate() {
            for ending in ["csv", "ndjson", "csv.gz", "ndjson.zst", "parquet"] {
                let path = desk.put(&format!("{index}.{ending}"), text);
                if let Ok((tabs, report)) = desk.tabs(&path) {
                    prop_assert_eq!(tabs.len() as u64, report.kept);
                    prop_assert_eq!(report.kept + report.set_aside.iter().map(|count| count.rows).sum::<u64>(), report.rows);
                }
            }
        }
    }
}
