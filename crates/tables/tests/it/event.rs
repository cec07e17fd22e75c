//! The rules for events are one: what the Worker accepts, `ingest` imports and a build keeps, so
//! nobody outside can make a row that one accepts and another rejects. And no event that the public
//! sends fails a build.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sinsang_core::event::{Event, EventKind};
use sinsang_core::time::UnixMillis;
use sinsang_tables::check::{Events, Repair, Table as _};
use sinsang_tables::file::{Format, OpenText, Packing, SourceFile};
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::{Error, Intake, TableReport, Zones, ndjson};

/// 2026-11-22T13:05:07.250Z.
const NOW: UnixMillis = UnixMillis(1_795_352_707_250);

/// A build's reading of a table `events` with these lines.
fn built(lines: &str) -> Result<TableReport, Error> {
    let path = PathBuf::from("events.ndjson");
    let file = SourceFile::new(path, Format::Ndjson, Packing::Plain, lines.len() as u64);
    let mut rejects = RejectsFile::default();
    let mut keep = |_| Ok(());
    let mut intake = Intake::new(Events::default(), NOW, &Zones::default(), &mut rejects, &mut keep);
    intake.begin_file(&file.path);
    ndjson::read(&file, OpenText::of(lines.as_bytes()), Events::COLUMNS, &mut intake)?;
    intake.finish(Limit::default())
}

/// Texts that one reader may take for a value and another for a missing one.
fn any_text() -> impl Strategy<Value = Value> {
    let odd = prop::sample::select(vec![
        "-",
        "null",
        "NULL",
        "undefined",
        "NaN",
        "n/a",
        "\\N",
        "0",
        "1.5E+10",
        "=\"7\"",
        "7.0",
        "(null)",
        "none",
        "nil",
        " ",
        "\u{200b}",
        "\u{feff}",
        "\u{a0}",
        "0",
        "00",
        "없음",
        "미정",
        "\u{0}",
        "un\u{200b}defined",
        "\u{200b}-",
        "GS샵",
        "가\u{301}",
        "\u{1112}\u{1161}\u{11ab}",
        "\u{212a}",
        "1.0",
        "1E+5",
        "\u{fffd}",
    ]);
    prop_oneof![
        odd.prop_map(|text| json!(text)),
        // Ideographs and marks that NFC expands to two or three, near the limits.
        (prop::sample::select(vec!['\u{958}', '\u{1d160}', '\u{f900}', '가', 'a', '\u{390}', '\u{344}']), 1_usize..130)
            .prop_map(|(c, times)| json!(c.to_string().repeat(times))),
        "\\PC{0,20}".prop_map(|text| json!(text)),
        any::<i64>().prop_map(|number| json!(number)),
        Just(Value::Null),
        Just(json!([])),
    ]
}

fn any_row() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(EventKind::ALL.to_vec());
    let fields = [
        "listing_id",
        "shop",
        "tab_id",
        "channel",
        "product_id",
        "surface",
        "experiment",
        "variant",
        "event_id",
        "at",
        "amount",
        "user_id",
    ];
    let odd = prop::collection::vec((prop::sample::select(fields.to_vec()), any_text()), 0..4);
    (kind, odd, any::<bool>(), -300_000_i64..600_000_000).prop_map(|(kind, odd, has_item, ago)| {
        let mut row = Map::new();
        row.insert("event_id".into(), json!("event-0001"));
        row.insert("kind".into(), json!(kind.as_str()));
        row.insert("at".into(), json!(NOW.plus(-ago).to_utc_rfc3339()));
        row.insert("tab_id".into(), json!("new"));
        if has_item {
            row.insert("product_id".into(), json!("0123456789abcdef"));
        }
        row.extend(odd.into_iter().map(|(field, text)| (field.to_owned(), text)));
        Value::Object(row)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn what_the_worker_takes_is_taken_by_all_who_come_after(row in any_row()) {
        if let Ok(event) = Event::of(&row.to_string(), "d0123456789abcdef", NOW) {
            let line = event.line();
            prop_assert_eq!(Event::parse(&line).map(|(read, _)| read), Ok(event), "{}", line);
            let report = built(&line).unwrap();
            let ahead = report.set_aside.iter().all(|count| !count.reason.is_fault());
            prop_assert!(report.kept == 1 || ahead, "{} {:?}", line, report.set_aside);
            // Nothing is dropped; tables have texts in NFC, and ids without spreadsheets' marks.
            prop_assert!(report.repaired.iter().all(|count| matches!(count.repair, Repair::Tidied | Repair::Restored)), "{} {:?}", line, report.repaired);
        }
    }
}

#[test]
fn what_the_public_sent_ends_no_build_and_what_the_operator_made_does() {
    let public = |number: usize, listing: &str| {
        format!(
            r#"{{"event_id":"event-{number:04}","viewer":"d0123456789abcdef","kind":"click","at":"2026-11-22T12:00:00Z","listing_id":"{listing}"}}"#
        )
    };
    let own = |number: usize, listing: &str| {
        format!(r#"{{"user_id":"u{number}","kind":"click","at":"2026-11-22T12:00:00Z","listing_id":"{listing}"}}"#)
    };
    let lines = |row: &dyn Fn(usize, &str) -> String, good: usize, bad: usize| -> String {
        let row = |number| row(number, if number < good { "7" } else { "-" }) + "\n";
        (0..good + bad).map(row).collect()
    };
    let report = built(&format!("{}{}", lines(&own, 100, 0), lines(&public, 0, 2_700))).unwrap();
    assert_eq!((report.kept, report.public_faults, report.set_aside[0].rows), (100, 2_700, 2_700));
    assert!(report.set_aside_by_shop.is_empty());
    assert!(report.to_string().contains("2700 of these are unusable events sent by apps"), "{report}");
    // No number of good public rows hides the operator's own bad ones.
    let failed = built(&format!("{}{}", lines(&own, 90, 10), lines(&public, 10_000, 0))).unwrap_err();
    assert!(matches!(&failed, Error::TooManyRejects(told) if (told.faults, told.rows) == (10, 100)), "{failed}");
    // One bad line among the public's does not fail a table, whoever wrote it.
    let nobody = r#"{"user_id":"","kind":"click","at":"2026-11-22T12:00:00Z","listing_id":"7"}"#;
    for line in [nobody, "{\"event_id\":\"event-00", &own(1, "-")] {
        let report = built(&format!("{line}\n{}", lines(&public, 1_000, 0))).unwrap();
        assert_eq!((report.rows, report.kept, report.public_faults), (1_001, 1_000, 0), "{line}");
    }
    let torn = "{\"event_id\":\"event-00\n".repeat(60);
    let failed = built(&format!("{torn}{}", lines(&public, 1_000, 0))).unwrap_err();
    assert!(matches!(&failed, Error::TooManyRejects(told) if (told.faults, told.rows) == (60, 1_060)), "{failed}");
}
