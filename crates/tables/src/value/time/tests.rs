//! Tests of `time.rs`.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(text).unwrap()
}

/// Milliseconds of a local time, as if it were UTC.
fn local(text: &str) -> i64 {
    at(&format!("{text}Z")).0
}

#[test]
fn instants_of_every_spelling() {
    let evening = at("2026-11-22T20:00:00+09:00");
    for text in [
        // RFC 3339 and variants; ISO 8601's basic form; PostgreSQL, BigQuery, Snowflake, Trino,
        // Java, mail.
        "2026-11-22T20:00:00+09:00",
        "2026-11-22T11:00:00Z",
        "2026-11-22T11:00Z",
        "20261122T110000Z",
        "2026-11-22 11:00:00+00",
        "2026-11-22 20:00:00.000 +0900",
        "2026-11-22 11:00:00 UTC",
        "2026-11-22 11:00:00.000000 UTC",
        "2026-11-22 11:00 GMT",
        "2026-11-22 20:00:00 KST",
        "2026-11-22 20:00:00.000 Asia/Seoul",
        "2026-11-22T20:00:00+09:00[Asia/Seoul]",
        "2026-11-22 20:00 UTC+9",
        "2026-11-21T44:00:00Z",
        "Sun, 22 Nov 2026 11:00:00 GMT",
        // Counts since 1970.
        "1795345200",
        "1795345200000",
        "1795345200000000",
        "1795345200000000000",
        "1795345200.0",
    ] {
        let expected = if text.contains("T44") { None } else { Some(evening) };
        let read = parse_time(text).map(|time| time.written);
        assert_eq!(read, expected.map(Written::At), "{text}");
    }
}

#[test]
fn local_times_of_every_spelling() {
    for text in [
        "2026-11-22T20:00:00",
        "2026-11-22 20:00",
        "2026-11-22 20:00:00.000",
        "2026-11-22 20:00:00,000",
        "2026.11.22 20:00",
        "2026. 11. 22 오후 8:00:00",
        "2026. 11. 22. 20:00",
        "2026/11/22 20:00:00",
        "2026/11/22  20:00",
        "2026-11-22 오후 8:00",
        "2026-11-22 오후 08:00:00",
        "2026-11-22 8:00:00 PM",
        "2026-11-22 8:00pm",
        "2026년 11월 22일 20시 00분",
        "2026년11월22일 오후 8시",
        "2026년 11월 22일(일) 20:00",
        "2026-11-22(일) 20:00",
        "2026-11-22 (Sun) 20:00",
        "2026.11.22 일요일 20:00",
        "20261122200000",
        "202611222000",
        "20261122200000000",
        "20261122 200000",
        "20261122 20:00",
        "20261122T200000",
        "２０２６－１１－２２　２０：００",
    ] {
        let time = parse_time(text);
        assert_eq!(time.map(|time| time.written), Some(Written::Local(local("2026-11-22T20:00:00"))), "{text}");
    }
    // A fraction of a day, as spreadsheets count days.
    let serial = parse_time("46348.833333333336").unwrap();
    assert_eq!((serial.written, serial.counted), (Written::Local(local("2026-11-22T20:00:00")), Some(Counted::Serial)));
    assert_eq!(whole_time(20_261_122_200_000).unwrap().written, Written::Local(local("2026-11-22T20:00:00")));
    assert_eq!(real_time(20_261_122_200_000.0).unwrap().written, Written::Local(local("2026-11-22T20:00:00")));
    assert_eq!(real_time(1_795_345_200.25).unwrap().written, Written::At(at("2026-11-22T20:00:00.25+09:00")));
    for (text, expected) in [
        ("2026-11-22 25:10", "2026-11-23T01:10:00"),
        ("2026.11.22 25:10", "2026-11-23T01:10:00"),
        ("20261122251000", "2026-11-23T01:10:00"),
        ("2028-02-28 29:59:59", "2028-02-29T05:59:59"),
        ("2026-11-22 오전 12:30", "2026-11-22T00:30:00"),
        ("2026-11-22 12:30 PM", "2026-11-22T12:30:00"),
    ] {
        let time = parse_time(text).unwrap();
        assert_eq!(time.written, Written::Local(local(expected)), "{text}");
        assert_eq!(time.past_midnight, text.contains("25") || text.contains("29:"), "{text}");
    }
    assert!(parse_time("2026-11-22T25:10:00.25+09:00").unwrap().past_midnight);
}

#[test]
fn parts_of_times_are_told_from_whole_ones() {
    let clock = |hours: i64, minutes: i64| Written::Clock(hours * HOUR_MS + minutes * MINUTE_MS);
    let day = Written::Date(local("2026-11-22T00:00:00"));
    let hours = |hours: i64| Some(hours * HOUR_MS);
    for (text, written, lasts_ms) in [
        ("20:30", clock(20, 30), None),
        ("25:10", clock(25, 10), None),
        ("오후 8:30", clock(20, 30), None),
        ("20시", clock(20, 0), None),
        ("10:00 ~ 11:00", clock(10, 0), hours(1)),
        ("10:00~11:00", clock(10, 0), hours(1)),
        ("10:00-11:00", clock(10, 0), hours(1)),
        ("10:00 – 12:00", clock(10, 0), hours(2)),
        ("23:00 ～ 01:00", clock(23, 0), hours(2)),
        ("24:00 ~ 25:00", clock(24, 0), hours(1)),
        ("오후 1:00 ~ 2:00", clock(13, 0), hours(1)),
        ("오전 11:00 ~ 오후 1:00", clock(11, 0), hours(2)),
        ("2026-11-22 20:00 ~ 21:00", Written::Local(local("2026-11-22T20:00:00")), hours(1)),
        ("2026-11-22", day, None),
        ("2026. 11. 22.", day, None),
        ("20261122", day, None),
        ("2026년 11월 22일 (일)", day, None),
        ("2026-11-22 20:00-05:00", Written::At(at("2026-11-22T20:00:00-05:00")), None),
        ("2026-11-22 20:00 -05:00", Written::At(at("2026-11-22T20:00:00-05:00")), None),
    ] {
        let time = parse_time(text).unwrap();
        assert_eq!((time.written, time.lasts_ms), (written, lasts_ms), "{text}");
    }
}

#[test]
fn what_is_no_time_or_may_be_two_is_none() {
    for bad in [
        "",
        "2026-11/22 10:00",
        "2026-11-22T30:00:00+09:00",
        "2026-11-22T25:60:00+09:00",
        "2026-02-30 10:00",
        "2026-13-01 10:00",
        "2026-11-22T25:10:00+24:00",
        "2026-11-22T25:10:00.+09:00",
        "2026-11-22 10:00 IST",
        "2026-11-22 오전 13:00",
        "2026-11-22 13:00 AM",
        "2026-11-22 10",
        "11/22/2026 20:00",
        "22.11.2026 20:00",
        "11-22 20:00",
        "11월 22일 저녁",
        "10:00 ~",
        "10:00 Asia/Seoul",
        "179534520",
        "12345",
        "0x12",
        "-1795345200",
        "어제",
    ] {
        assert_eq!(parse_time(bad), None, "{bad}");
    }
    for bad in [f64::NAN, f64::INFINITY, -1.0, 0.5, 1e300, 179_534_520.5] {
        assert_eq!(real_time(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn every_second_is_read_from_every_way_to_write_it(seconds in 631_152_000_i64..4_102_444_800) {
        let local = DateTime::from_timestamp_millis(seconds * SECOND_MS).unwrap().naive_utc();
        let kst = UnixMillis(seconds * SECOND_MS - 9 * HOUR_MS);
        for format in ["%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y. %-m. %-d. %p %-I:%M:%S", "%Y년 %-m월 %-d일 %-H시 %-M분 %-S초", "%Y/%m/%d %H:%M:%S"] {
            let text = local.format(format).to_string();
            prop_assert_eq!(parse_time(&text).map(|time| time.written), Some(Written::Local(seconds * SECOND_MS)), "{}", text);
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.3f+09:00", "%Y-%m-%d %H:%M:%S KST", "%Y%m%dT%H%M%S+0900"] {
            let text = local.format(format).to_string();
            prop_assert_eq!(parse_time(&text).map(|time| time.written), Some(Written::At(kst)), "{}", text);
        }
    }
}
