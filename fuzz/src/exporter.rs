//! What an exporter wrote comes back: a row is made up, written in forms that docs/input.md lists,
//! and read.

use std::path::PathBuf;

use encoding_rs::EUC_KR;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use sinsang_tables::check::{Broadcasts, Table as _};
use sinsang_tables::file::{Format, OpenText, Packing, SourceFile};
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::table::Broadcast;
use sinsang_tables::{Intake, Zones, csv, ndjson};

/// Bytes as choices; nothing is left once they are used up.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self, below: u64) -> u64 {
        let bytes: [u8; 4] = std::array::from_fn(|_| self.byte());
        u64::from(u32::from_le_bytes(bytes)) % below
    }

    fn of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::from(self.byte()) % N]
    }
}

/// A row, and what it is to be read as.
struct Row {
    fields: Vec<(&'static str, String)>,
    expected: Broadcast,
}

/// Digits of `number`, by thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<String> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(",")
}

/// A local time in one of its forms, given as the days and the seconds of a day.
fn time(choices: &mut Choices<'_>, local_ms: i64) -> String {
    let day = UnixMillis(local_ms.div_euclid(DAY_MS) * DAY_MS).to_utc_rfc3339();
    let (year, month, date) = (&day[..4], &day[5..7], &day[8..10]);
    let of_day = local_ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / HOUR_MS, of_day / MINUTE_MS % 60, of_day / SECOND_MS % 60);
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    let half = if hour < 12 { ("오전", "AM") } else { ("오후", "PM") };
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let short: i64 = month.parse::<i64>().unwrap_or(0);
    match choices.byte() % 16 {
        0 => format!("{year}-{month}-{date}T{clock}+09:00"),
        1 => UnixMillis(local_ms - 9 * HOUR_MS).to_utc_rfc3339(),
        2 => format!("{year}-{month}-{date} {clock}"),
        3 => format!("{year}/{month}/{date} {clock}"),
        4 => format!("{year}.{month}.{date} {clock}"),
        5 => format!("{year}{month}{date}{hour:02}{minute:02}{second:02}"),
        6 => format!("{year}. {short}. {date}. {} {twelve}:{minute:02}:{second:02}", half.0),
        7 => format!("{year}-{month}-{date} {twelve}:{minute:02}:{second:02} {}", half.1),
        8 => format!("{year}년 {short}월 {date}일 {hour}시 {minute}분 {second}초"),
        9 => format!("{year}-{month}-{date} {clock} KST"),
        10 => format!("{year}-{month}-{date} {clock}.000 Asia/Seoul"),
        11 => format!("{year}-{month}-{date} {clock}+09"),
        12 => ((local_ms - 9 * HOUR_MS) / SECOND_MS).to_string(),
        13 => (local_ms - 9 * HOUR_MS).to_string(),
        14 => format!("{year}-{month}-{date}T{clock}+09:00[Asia/Seoul]"),
        _ => format!("{year}{month}{date}T{hour:02}{minute:02}{second:02}+0900"),
    }
}

/// 2026-11-22T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_795_305_600_000);

fn row(choices: &mut Choices<'_>) -> Row {
    let title =
        choices.of(["무쇠솥", "브릿지 니트, 3종", "특\"가\" 한우", "Ω 오메가 원피스", "㈜ 1+1 세트;", "디자인\t코트"]);
    let id = 1 + choices.number(999_999_999);
    let listing_id = match choices.byte() % 7 {
        0 => format!("{id}"),
        1 => format!("{id}.0"),
        2 => format!("=\"{id}\""),
        3 => format!("'{id}"),
        4 => format!("\"{id}\""),
        5 => format!(" {id} "),
        _ => format!("{id}.00"),
    };
    let price = 1 + choices.number(900_000_000);
    let written = match choices.byte() % 7 {
        0 => price.to_string(),
        1 => format!("{}원", grouped(price)),
        2 => format!("\\{}", grouped(price)),
        3 => format!("￦ {price}"),
        4 => format!("{price}.0"),
        5 => format!("KRW {}", grouped(price)),
        _ => format!("{}만 {}원", price / 10_000, price % 10_000),
    };
    let reviews = choices.number(50_000_000);
    let told = match choices.byte() % 6 {
        0 => reviews.to_string(),
        1 => format!("({})", grouped(reviews)),
        2 => format!("리뷰 {}", grouped(reviews)),
        3 => format!("상품평 {reviews}건"),
        4 => format!("★4.8 ({})", grouped(reviews)),
        _ => format!("{} reviews", grouped(reviews)),
    };
    let brand = choices.of(["", "[No brand names found.]", "없음", "#N/A", "NaN"]);
    // Within the years that are believed.
    let local_ms = NOW.0 - 30 * DAY_MS + choices.number(60 * 86_400).cast_signed() * SECOND_MS;
    let lasts_ms = i64::from(1 + choices.byte() % 200) * MINUTE_MS;
    let starts_at = UnixMillis(local_ms - 9 * HOUR_MS);
    let fields = vec![
        ("shop", "GS샵".to_owned()),
        ("상품명", title.to_owned()),
        ("goods_no", listing_id),
        ("판매가", written),
        ("리뷰수", told),
        ("brand", brand.to_owned()),
        ("방송시작시간", time(choices, local_ms)),
        ("종료시간", time(choices, local_ms + lasts_ms)),
    ];
    let expected = Broadcast {
        listing_id: id.to_string(),
        shop: "GS샵".to_owned(),
        channel: "GS샵".to_owned(),
        title: title.replace('\t', " "),
        price: u32::try_from(price).ok(),
        starts_at,
        ends_at: Some(starts_at.plus(lasts_ms)),
        review_count: u32::try_from(reviews).ok(),
        ..Broadcast::default()
    };
    Row { fields, expected }
}

/// Makes up a table, writes it, and reads it.
pub(crate) fn exporter(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let (layout, is_old) = (choices.byte() % 7, choices.byte() % 2 == 1);
    let rows: Vec<Row> = (0..=choices.byte() % 8).map(|_| row(&mut choices)).collect();
    let (format, text) = match layout {
        0..=3 => (Format::Csv, csv_of(&rows, [",", "\t", ";", ","][usize::from(layout)], layout == 3)),
        _ => (Format::Ndjson, ndjson_of(&rows, ["\n", "", ",\n"][usize::from(layout - 4)])),
    };
    let (old, _, unmapped) = EUC_KR.encode(&text);
    let bytes = if is_old && !unmapped { old.into_owned() } else { text.clone().into_bytes() };
    let file = SourceFile::new(PathBuf::from("table"), format, Packing::Plain, bytes.len() as u64);
    let (mut rejects, mut read, zones) = (RejectsFile::default(), Vec::new(), Zones::default());
    let mut keep = |row: Broadcast| {
        read.push(row);
        Ok(())
    };
    let mut intake = Intake::new(Broadcasts, NOW, &zones, &mut rejects, &mut keep);
    let text_of = OpenText::of(&bytes);
    let ended = match format {
        Format::Csv => csv::read(&file, text_of, Broadcasts::COLUMNS, &mut intake),
        _ => ndjson::read(&file, text_of, Broadcasts::COLUMNS, &mut intake),
    };
    ended.expect("a table that an exporter wrote");
    let report = intake.finish(Limit { max_share: 1.0 }).expect("any share may be set aside");
    let expected: Vec<Broadcast> = rows.into_iter().map(|row| row.expected).collect();
    assert_eq!(read, expected, "{text} {report}");
}

fn csv_of(rows: &[Row], separator: &str, has_more: bool) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let Some(first) = rows.first() else { return String::new() };
    let mut lines = vec![first.fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(separator)];
    for row in rows {
        lines.push(row.fields.iter().map(|(_, value)| quoted(value)).collect::<Vec<_>>().join(separator));
        if has_more {
            lines.push(separator.repeat(7));
        }
    }
    lines.join("\r\n")
}

fn ndjson_of(rows: &[Row], separator: &str) -> String {
    let object = |row: &Row| {
        let fields = row.fields.iter().map(|(name, value)| {
            // Numbers as numbers where JSON has them so.
            let is_number = value.parse::<u64>().is_ok() && !value.starts_with('+');
            let value = if is_number { value.clone() } else { serde_json::Value::from(value.as_str()).to_string() };
            format!("\"{name}\":{value}")
        });
        format!("{{{},\"rating\":NaN}}", fields.collect::<Vec<_>>().join(","))
    };
    rows.iter().map(object).collect::<Vec<_>>().join(separator)
}
