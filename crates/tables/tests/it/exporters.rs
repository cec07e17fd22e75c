//! Tests that whatever exporters and clients write, as docs/input.md lists it, is read as it was
//! meant: complete files through the readers.

#[path = "../../../../fuzz/src/exporter.rs"]
mod written;

use std::fs;
use std::path::PathBuf;

use encoding_rs::EUC_KR;
use sinsang_core::time::UnixMillis;
use sinsang_tables::check::{Broadcasts, Events, Repair, Table, Tabs};
use sinsang_tables::file::{Format, OpenText, Packing, SourceFile, list, open_text};
use sinsang_tables::reject::{Limit, Reason, RejectsFile};
use sinsang_tables::table::{Broadcast, Event};
use sinsang_tables::{Intake, TableReport, ZoneSetting, Zones, csv, ndjson};

/// 2026-11-22T22:05:07.250+09:00.
const NOW: UnixMillis = UnixMillis(1_795_352_707_250);

fn at(text: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(text).unwrap()
}

fn cp949(text: &str) -> Vec<u8> {
    let (bytes, _, unmapped) = EUC_KR.encode(text);
    assert!(!unmapped, "{text}");
    bytes.into_owned()
}

fn zones(settings: &[&str]) -> Zones {
    Zones::new(settings.iter().map(|text| text.parse::<ZoneSetting>().unwrap()).collect())
}

/// The rows and the report of a file with `bytes`.
fn read_in<T: Table>(table: T, format: Format, bytes: &[u8], zones: &Zones) -> (Vec<T::Row>, TableReport) {
    let file = SourceFile::new(PathBuf::from("table"), format, Packing::Plain, bytes.len() as u64);
    let (mut rejects, mut rows) = (RejectsFile::default(), Vec::new());
    let mut keep = |row| {
        rows.push(row);
        Ok(())
    };
    let mut intake = Intake::new(table, NOW, zones, &mut rejects, &mut keep);
    intake.begin_file(&file.path);
    match format {
        Format::Csv => csv::read(&file, OpenText::of(bytes), T::COLUMNS, &mut intake).unwrap(),
        _ => ndjson::read(&file, OpenText::of(bytes), T::COLUMNS, &mut intake).unwrap(),
    }
    let report = intake.finish(Limit { max_share: 1.0 }).unwrap();
    (rows, report)
}

fn broadcasts(format: Format, bytes: &[u8]) -> (Vec<Broadcast>, TableReport) {
    read_in(Broadcasts, format, bytes, &Zones::default())
}

fn repairs(report: &TableReport, repair: Repair) -> u64 {
    report.repaired.iter().filter(|count| count.repair == repair).map(|count| count.rows).sum()
}

fn faults(report: &TableReport) -> Vec<(Option<&'static str>, Reason)> {
    report.set_aside.iter().map(|count| (count.field, count.reason)).collect()
}

/// The one row of a table that has `value` in `column`, and every required field.
fn with(column: &str, value: &str) -> (Broadcast, TableReport) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut row = vec![("shop", "GS샵"), ("title", "무쇠솥"), ("starts_at", "2026-11-22T20:00:00+09:00")];
    row.retain(|(name, _)| *name != column);
    row.push((column, value));
    let (names, values): (Vec<_>, Vec<_>) = row.into_iter().map(|(name, value)| (name, quoted(value))).unzip();
    let (mut rows, report) = broadcasts(Format::Csv, format!("{}\n{}\n", names.join(","), values.join(",")).as_bytes());
    assert_eq!(rows.len(), 1, "{column} {value}: {:?}", faults(&report));
    (rows.remove(0), report)
}

#[test]
fn a_file_of_the_old_code_page_is_read_whole() {
    let text = "shop,title,brand,starts_at,price\n\
                GS,브릿지 니트,휠라,2026-11-22 20:00,\"\\49,900\"\n\
                GS,최,최,2026-11-22 21:00,\"\\49,900\"\n\
                GS,특大 코트,正品,2026-11-22 22:00,49900\n\
                GS,デザイン 원피스,Ω 오메가,2026-11-22 23:00,49900\n\
                GS,★특가★ 한우 ㎏,㈜한우,2026-11-23 00:00,￦49900\n";
    for bytes in [cp949(text), text.as_bytes().to_vec(), ["\u{feff}".as_bytes(), text.as_bytes()].concat()] {
        let (rows, report) = broadcasts(Format::Csv, &bytes);
        let read: Vec<_> =
            rows.iter().map(|row| (row.title.as_str(), row.brand.as_deref().unwrap(), row.price)).collect();
        let price = Some(49_900);
        assert_eq!(
            read,
            [
                ("브릿지 니트", "휠라", price),
                ("최", "최", price),
                ("특大 코트", "正品", price),
                ("デザイン 원피스", "Ω 오메가", price),
                ("★특가★ 한우 ㎏", "㈜한우", price)
            ]
        );
        assert_eq!(report.set_aside, []);
        assert_eq!(repairs(&report, Repair::Decoded) > 0, !bytes.starts_with(text.as_bytes()) && bytes[0] == b's');
    }
    let line = "{\"shop\":\"GS\",\"title\":\"특大 브릿지 니트\",\"starts_at\":\"2026-11-22T20:00:00+09:00\"}\n";
    assert_eq!(broadcasts(Format::Ndjson, &cp949(&line.repeat(3))).0[2].title, "특大 브릿지 니트");
}

#[test]
fn ids_are_those_that_were_meant() {
    for (written, meant) in [
        ("0012345", "0012345"),
        ("12345.0", "12345"),
        ("=\"0012345\"", "0012345"),
        ("\"0012345\"", "0012345"),
        ("'0012345", "0012345"),
        (" 0012345\t", "0012345"),
        ("\u{feff}0012345", "0012345"),
        ("12E4", "12E4"),
        ("A-100.0", "A-100.0"),
    ] {
        assert_eq!(with("listing_id", written).0.listing_id, meant, "{written}");
    }
    for none in
        ["1.23457E+12", "1.23457e+12", "2E+11", "0", "0.0", "nan", "NULL", "\\N", "<NA>", "#N/A", "#REF!", "없음", "-"]
    {
        assert!(with("listing_id", none).0.listing_id.starts_with('~') || none == "0.0", "{none}");
    }
    for (json, id) in [
        ("12345", "12345"),
        ("12345.0", "12345"),
        ("\"12345.0\"", "12345"),
        ("1.2345e4", "12345"),
        ("9007199254740993", "9007199254740993"),
    ] {
        let line = format!(
            "{{\"listing_id\":{json},\"shop\":\"GS\",\"title\":\"무쇠솥\",\"starts_at\":\"2026-11-22T20:00:00+09:00\"}}"
        );
        assert_eq!(broadcasts(Format::Ndjson, line.as_bytes()).0[0].listing_id, id, "{json}");
    }
}

#[test]
fn numbers_and_brands_are_what_a_person_reads() {
    for (written, price) in [
        ("49,900원", Some(49_900)),
        ("\\49,900", Some(49_900)),
        ("49900.00", Some(49_900)),
        ("4만 9,900원", Some(49_900)),
        ("0", None),
        ("상담", None),
    ] {
        assert_eq!(with("price", written).0.price, price, "{written}");
    }
    for (written, count) in [
        ("(1,234)", Some(1_234)),
        ("리뷰 1,234", Some(1_234)),
        ("상품평 1,234건", Some(1_234)),
        ("★4.8 (1,234)", Some(1_234)),
        ("1.2만", Some(12_000)),
        ("많음", None),
    ] {
        assert_eq!(with("review_count", written).0.review_count, count, "{written}");
    }
    for none in
        ["[No brand names found.]", "Brand not specified", "Unknown", "N/A", "#VALUE!", "상세설명참조", "(없음)"]
    {
        assert_eq!(with("brand", none).0.brand, None, "{none}");
    }
    assert_eq!(with("brand", "No Brand").0.brand.as_deref(), Some("No Brand"));
}

#[test]
fn amounts_are_won_of_purchases_alone() {
    let bought = |kind: &str, amount: &str| {
        let csv = format!(
            "user_id,at,kind,listing_id,amount\nu1,2026-11-22T20:00:00+09:00,{kind},L1,\"{}\"\n",
            amount.replace('"', "\"\"")
        );
        let (rows, report) = read_in(Events::default(), Format::Csv, csv.as_bytes(), &Zones::default());
        assert_eq!(rows.len(), 1, "{amount}: {:?}", faults(&report));
        (rows[0].amount, report)
    };
    for (written, amount) in [
        ("49900", Some(49_900)),
        ("49,900원", Some(49_900)),
        ("₩49,900", Some(49_900)),
        ("4만9,900원", Some(49_900)),
        ("49900.0", Some(49_900)),
        ("0", Some(0)),
        ("100000000", Some(100_000_000)),
        ("", None),
        ("-", None),
    ] {
        let (found, report) = bought("purchase", written);
        assert_eq!((found, report.repaired.len()), (amount, 0), "{written}");
    }
    for (kind, written, repair) in [
        ("purchase", "100000001", Repair::OutOfRange),
        ("purchase", "-49900", Repair::OutOfRange),
        ("purchase", "무료", Repair::Unreadable),
        ("click", "49900", Repair::NotOfAPurchase),
    ] {
        let (found, report) = bought(kind, written);
        assert_eq!((found, repairs(&report, repair)), (None, 1), "{kind} {written}");
    }
    let (found, report) = bought("click", "0");
    assert_eq!((found, report.repaired.len()), (None, 0));
}

#[test]
fn times_are_instants_of_the_zone_that_is_said_or_else_of_korea_and_counted() {
    let evening = at("2026-11-22T20:00:00+09:00");
    for (written, korean, numbers) in [
        ("2026-11-22T11:00:00Z", 0, 0),
        ("2026-11-22 11:00:00 UTC", 0, 0),
        ("2026-11-22 20:00:00.000 Asia/Seoul", 0, 0),
        ("20261122200000", 1, 0),
        ("2026-11-22 오후 8:00", 1, 0),
        ("2026. 11. 22 오후 8:00:00", 1, 0),
        ("2026-11-22(일) 20:00", 1, 0),
        ("1795345200", 0, 1),
        ("1795345200000", 0, 1),
        ("46348.8333333333", 1, 1),
    ] {
        let (row, report) = with("starts_at", written);
        assert_eq!(row.starts_at, evening, "{written}");
        assert_eq!(repairs(&report, Repair::KoreanTime), korean, "{written}");
        assert_eq!(repairs(&report, Repair::SinceEpoch) + repairs(&report, Repair::Serial), numbers, "{written}");
    }
    let csv = "shop,title,starts_at,collected_at\nGS,무쇠솥,2026-11-22 20:00,2026-11-22 01:00\n";
    let told = zones(&["broadcasts.collected_at=UTC"]);
    let (rows, report) = read_in(Broadcasts, Format::Csv, csv.as_bytes(), &told);
    assert_eq!((rows[0].starts_at, rows[0].collected_at), (evening, Some(at("2026-11-22T01:00:00Z"))));
    assert_eq!(repairs(&report, Repair::KoreanTime), 1, "what is said is not assumed");
}

#[test]
fn slots_end_where_they_end() {
    let slot = |columns: &str, values: &str| {
        let (rows, report) = broadcasts(Format::Csv, format!("shop,title,{columns}\nGS,무쇠솥,{values}\n").as_bytes());
        assert_eq!(rows.len(), 1, "{values}: {:?}", faults(&report));
        ((rows[0].starts_at, rows[0].ends_at), report)
    };
    let (late, night) = (at("2026-11-22T23:40:00+09:00"), at("2026-11-23T00:40:00+09:00"));
    for (columns, values) in [
        ("starts_at,ends_at", "2026-11-22 23:40,2026-11-22 00:40"),
        ("starts_at,ends_at", "2026-11-22 23:40,2026-11-22 24:40"),
        ("starts_at,ends_at", "2026-11-22 23:40,2026-11-23 00:40"),
        ("방송시작시간,종료시간", "2026-11-22 23:40,00:40"),
        ("방송시작시간,종료시간", "2026-11-22 23:40,24:40"),
        ("방송일시", "2026-11-22 23:40 ~ 00:40"),
        ("날짜,방송시간", "2026-11-22,23:40 ~ 00:40"),
        ("날짜,방송시간", "2026년 11월 22일 (일),23:40~24:40"),
        ("날짜,방송시간", "20261122,오후 11:40 ~ 오전 12:40"),
        ("방송일자,시작시간,종료시간", "2026.11.22,23:40,00:40"),
        ("dt,start_time,end_time", "2026-11-22,23:40:00,00:40:00"),
    ] {
        assert_eq!(slot(columns, values).0, (late, Some(night)), "{columns}: {values}");
    }
    let (morning, report) = slot("날짜,방송시간", "2026-11-22,10:00-11:00");
    assert_eq!(morning, (at("2026-11-22T10:00:00+09:00"), Some(at("2026-11-22T11:00:00+09:00"))));
    assert_eq!(repairs(&report, Repair::Joined), 1);
    // An invalid slot stays without an end.
    for (values, repair) in [
        ("2026-11-22 20:00,2026-11-22 20:00", Repair::EndBeforeStart),
        ("2026-11-22 20:00,2026-11-22 12:00", Repair::EndBeforeStart),
        ("2026-11-22 20:00,2026-11-23 08:00", Repair::EndTooFar),
        ("2026-11-22 20:00,저녁", Repair::Unreadable),
    ] {
        let ((_, ends_at), report) = slot("starts_at,ends_at", values);
        assert_eq!((ends_at, repairs(&report, repair)), (None, 1), "{values}");
    }
    let (rows, report) =
        broadcasts(Format::Csv, "shop,title,starts_at\nGS,무쇠솥,20:00\nGS,무쇠솥,2026-11-22\n".as_bytes());
    assert_eq!(
        (rows.len(), faults(&report)),
        (0, vec![(Some("starts_at"), Reason::NotATime)]),
        "no day, and no time of day"
    );
}

#[test]
fn a_spreadsheets_empty_rows_and_other_separators_are_no_damage() {
    let expected = |text: &str| {
        let (rows, report) = broadcasts(Format::Csv, text.as_bytes());
        assert_eq!((rows.len(), report.rows), (1, 1), "{text:?} {:?}", faults(&report));
        assert_eq!((rows[0].title.as_str(), rows[0].price), ("무쇠솥", Some(49_900)), "{text:?}");
    };
    expected("shop,title,starts_at,price\r\nGS,무쇠솥,2026-11-22 20:00,\"49,900\"\r\n,,,\r\n,,,\r\n , ,,\r\n");
    expected("shop,title,starts_at,price,,\nGS,무쇠솥,2026-11-22 20:00,49900,,\n,,,,,\n");
    expected("shop,title,starts_at,price\nGS,무쇠솥,2026-11-22 20:00,49900,,,\n");
    expected("shop\ttitle\tstarts_at\tprice\nGS\t무쇠솥\t2026-11-22 20:00\t49,900\n");
    expected("shop;title;starts_at;price\n\"GS\";\"무쇠솥\";2026-11-22 20:00;49,900\n");
    expected("sep=,\r\nshop,title,starts_at,price\r\nGS,무쇠솥,2026-11-22 20:00,49900\r\n");
    expected("sep=;\nshop;title;starts_at;price\nGS;무쇠솥;2026-11-22 20:00;49900\n");
    // An extra field with content, and a missing field, are damage.
    let (rows, report) =
        broadcasts(Format::Csv, "shop,title,starts_at\nGS,무쇠솥,2026-11-22 20:00,특가\nGS,무쇠솥\n".as_bytes());
    assert_eq!((rows.len(), report.set_aside[0].rows, report.set_aside[0].reason), (0, 2, Reason::FieldCount));
}

#[test]
fn json_that_its_writer_let_through_is_read() {
    let line = |more: &str| {
        format!("{{\"shop\":\"GS\",\"title\":\"무쇠솥\",\"starts_at\":\"2026-11-22T20:00:00+09:00\"{more}}}")
    };
    for (text, title) in [
        (line(",\"price\":NaN"), "무쇠솥"),
        (line(",\"price\":-Infinity,\"review_count\":Infinity"), "무쇠솥"),
        (line("").replace("무쇠솥", "무쇠솥\\ud83d"), "무쇠솥"),
        (line("").replace("무쇠솥", "무쇠\\udc00솥"), "무쇠솥"),
        (line("").replace("무쇠솥", "무쇠\\ud83d\\ud83d\\ude00솥"), "무쇠😀솥"),
        (line("").replace("무쇠솥", "무쇠\t솥"), "무쇠 솥"),
        (line("").replace("무쇠솥", "NaN \\\\ud83d \\\"Infinity"), "NaN \\ud83d \"Infinity"),
        (format!("[{},", line("")), "무쇠솥"),
        (format!("{}]", line("")), "무쇠솥"),
    ] {
        let (rows, report) = broadcasts(Format::Ndjson, text.as_bytes());
        assert_eq!(rows.len(), 1, "{text}: {:?}", faults(&report));
        assert_eq!((rows[0].title.as_str(), rows[0].price), (title, None), "{text}");
    }
    for bad in ["{\"shop\":\"GS\",", "NaN", "{\"a\":nan}", "{\"a\":\"\\ud83\"}", "[1,2]"] {
        assert_eq!(broadcasts(Format::Ndjson, bad.as_bytes()).1.set_aside[0].rows, 1, "{bad}");
    }
}

#[test]
fn objects_that_were_joined_are_read_one_by_one_however_many_stand_on_a_line() {
    let object = |number: usize| {
        format!(
            "{{\"listing_id\":\"{number}\",\"shop\":\"GS\",\"title\":\"무쇠솥 {{{number}}}\",\"starts_at\":\"2026-11-22T20:00:00+09:00\"}}"
        )
    };
    for many in [2, 3, 20_000] {
        let joined: String = (0..many).map(object).collect();
        for text in [joined.clone(), format!("{joined}\n{}\n", object(many)), format!("{}\n{joined}", object(many))] {
            let (rows, report) = broadcasts(Format::Ndjson, text.as_bytes());
            let expected = many + usize::from(text.contains('\n'));
            assert_eq!((rows.len(), report.rows), (expected, expected as u64), "{:?}", faults(&report));
        }
    }
    let (rows, report) = broadcasts(Format::Ndjson, format!("{}{{\"shop\":{}", object(1), object(2)).as_bytes());
    assert_eq!((rows.len(), report.rows), (0, 1), "where brackets don't tell, nothing is guessed");
}

#[test]
fn who_is_nobody_has_no_taste() {
    let (rows, report) = read_in(
        Events::default(),
        Format::Csv,
        "user_id,at,kind,listing_id\nu1,2026-11-22 20:00,click,7\nundefined,2026-11-22 20:00,click,7\n0,2026-11-22 20:00,click,7\nNaN,2026-11-22 20:00,click,7\n\
         비회원,2026-11-22 20:00,click,7\n1.23457E+12,2026-11-22 20:00,click,7\n12345.0,2026-11-22 20:00,click,12345.0\n"
            .as_bytes(),
        &Zones::default(),
    );
    let read: Vec<(&str, &str)> =
        rows.iter().map(|row: &Event| (row.user_id.as_str(), row.listing_id.as_deref().unwrap())).collect();
    assert_eq!(read, [("u1", "7"), ("12345", "12345")]);
    let nobody = report.set_aside.iter().find(|count| count.reason == Reason::Nobody).unwrap();
    assert_eq!((nobody.rows, nobody.reason.is_fault()), (4, false), "visitors are no damage");
    assert!(report.set_aside.iter().any(|count| count.reason == Reason::Rounded && count.rows == 1));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn what_an_exporter_wrote_comes_back(choices in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        written::exporter(&choices);
    }
}

#[test]
fn flags_of_every_exporter() {
    for (written, pinned) in [("true", true), ("TRUE", true), ("t", true), ("1.0", true), ("f", false), ("", false)] {
        let (rows, _) = read_in(
            Tabs::default(),
            Format::Csv,
            format!("tab_id,label,position,pinned\nnew,신상품,0.0,{written}\n").as_bytes(),
            &Zones::default(),
        );
        assert_eq!(rows[0].pinned, pinned, "{written}");
    }
}

#[test]
fn folders_of_partitions_are_read_with_what_their_names_say() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("broadcasts");
    let put = |part: &str, text: &str| {
        let path = table.join(part);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("_SUCCESS", "");
    put("dt=2026-11-21/shop=GS%3A샵/part-0.csv", "title,방송시간\n무쇠솥,10:00 ~ 11:00\n");
    put(
        "dt=2026-11-22/shop=CJ/part-0.ndjson",
        "{\"title\":\"무쇠솥\",\"방송시간\":\"10:00\"}\n{\"title\":\"무쇠솥\",\"방송시간\":\"11:00\",\"shop\":\"NS\"}\n",
    );
    put("dt=2026-11-22/shop=CJ/_SUCCESS", "");
    let mut found = Vec::new();
    for file in list(&table).unwrap() {
        let (mut rejects, mut keep) = (RejectsFile::default(), |row: Broadcast| {
            found.push((row.shop, row.starts_at.to_kst_rfc3339()));
            Ok(())
        });
        let zones = Zones::default();
        let mut intake = Intake::new(Broadcasts, NOW, &zones, &mut rejects, &mut keep);
        let text = open_text(&file, &|_| ()).unwrap();
        match file.format {
            Format::Csv => csv::read(&file, text, Broadcasts::COLUMNS, &mut intake).unwrap(),
            _ => ndjson::read(&file, text, Broadcasts::COLUMNS, &mut intake).unwrap(),
        }
        let report = intake.finish(Limit::default()).unwrap();
        assert_eq!(report.renamed.iter().filter(|name| name.from == "dt").count(), 1, "{:?}", report.renamed);
    }
    let expected = [
        ("GS:샵", "2026-11-21T10:00:00+09:00"),
        ("CJ", "2026-11-22T10:00:00+09:00"),
        ("NS", "2026-11-22T11:00:00+09:00"),
    ];
    assert_eq!(found, expected.map(|(shop, at)| (shop.to_owned(), at.to_owned())));
    // A folder that is not a partition is not part of a table.
    put("2026-11-23/part-0.csv", "title,방송시간\n");
    assert!(list(&table).unwrap_err().to_string().contains("2026-11-23"));
}
