//! Measures what the doctor costs compared with reading alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_tables::check::{Broadcasts, Events, Table};
use sinsang_tables::doctor::{Audience, Schedule};
use sinsang_tables::intake::Observer;
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::{Intake, Zones, csv, file, ndjson};

const NOW: UnixMillis = UnixMillis(1_780_000_000_000);
const ROWS: i64 = 500_000;

/// CPU time of this thread, independent of the machine's load; Linux only.
fn worked() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// CPU time of reading the file with `observer`.
fn read<T: Table, O: Observer<T::Row>>(path: &Path, table: T, observer: O) -> Duration {
    let (mut rejects, mut keep) = (RejectsFile::default(), |_| Ok(()));
    let mut intake = Intake::observed(table, NOW, &Zones::default(), &mut rejects, &mut keep, observer);
    let file = file::list(path).unwrap().remove(0);
    let begun = worked();
    intake.begin_file(path);
    let input = file::open_text(&file, &|_| ()).unwrap();
    match file.format {
        file::Format::Csv => csv::read(&file, input, T::COLUMNS, &mut intake).unwrap(),
        _ => ndjson::read(&file, input, T::COLUMNS, &mut intake).unwrap(),
    }
    let took = worked().saturating_sub(begun);
    assert_eq!(intake.finish(Limit { max_share: 0.0 }).unwrap().kept, ROWS.unsigned_abs());
    took
}

/// The median of three.
fn middle(mut of: impl FnMut() -> Duration) -> Duration {
    let mut times = [of(), of(), of()];
    times.sort();
    times[1]
}

#[test]
#[ignore = "a measurement, of a year of broadcasts and as many events: prints the ratio of CPU time"]
fn what_it_costs_beside_reading_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (broadcasts, events) = (folder.path().join("broadcasts.csv"), folder.path().join("events.ndjson"));
    let mut text =
        "listing_id,shop,channel,title,brand,category,price,image,starts_at,ends_at,collected_at\n".to_owned();
    for row in 0..ROWS {
        let (at, shop) = (NOW.plus(-row / 18 * HOUR_MS / 3), row % 18);
        let collected = UnixMillis(at.0 - 24 * HOUR_MS).floor(24 * HOUR_MS);
        let code = row % 90_000;
        writeln!(text, "{code},홈쇼핑 {shop},채널 {shop},[방송에서만] 무쇠 가마솥 {code}호 3종 세트 + 뒤집개,한솥,주방,{}00원,https://img.example/{code}.jpg,{at},{},{collected}", code + 99, at.plus(HOUR_MS / 3)).unwrap();
    }
    fs::write(&broadcasts, &text).unwrap();
    text.clear();
    for row in 0..ROWS {
        let (user, code) = (row * 7_919 % 60_000, row * 31 % 90_000);
        writeln!(
            text,
            r#"{{"user_id":"u{user:07}","at":"{}","kind":"click","shop":"홈쇼핑 {}","listing_id":"{code}"}}"#,
            NOW.plus(-row * 60_000),
            code % 18
        )
        .unwrap();
    }
    fs::write(&events, &text).unwrap();
    let window = (NOW, NOW.plus(24 * HOUR_MS));
    let told = |what: &str, alone: Duration, observed: Duration| {
        println!(
            "{what}: {alone:?} alone, {observed:?} with the doctor, {:.2} times",
            observed.as_secs_f64() / alone.as_secs_f64()
        );
    };
    let observed = middle(|| read(&broadcasts, Broadcasts, &mut Schedule::new(NOW, window)));
    told("broadcasts, CSV", middle(|| read(&broadcasts, Broadcasts, ())), observed);
    let mut schedule = Schedule::new(NOW, window);
    read(&broadcasts, Broadcasts, &mut schedule);
    let observed = middle(|| read(&events, Events::default(), &mut Audience::new(NOW, Some(&schedule), None)));
    told("events, NDJSON", middle(|| read(&events, Events::default(), ())), observed);
}
