//! Tests of times that are off by nine hours: what a build warns of.

use std::fmt::Write as _;

use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_tables::doctor::Rule;

use crate::desk::Desk;

/// Korean local time without an offset, as a schedule writes it.
fn local(at: UnixMillis) -> String {
    at.to_kst_rfc3339().replace('T', " ").replace("+09:00", "")
}

#[tokio::test]
async fn a_build_warns_of_a_collector_that_writes_utc_and_says_what_to_set() {
    let first = UnixMillis::parse_rfc3339("2026-10-10T00:00:00+09:00").unwrap();
    let table = |write: fn(UnixMillis) -> String| {
        let mut csv = "shop,title,starts_at,collected_at\n".to_owned();
        for (shop, write) in [("가", write), ("나", UnixMillis::to_utc_rfc3339), ("다", UnixMillis::to_utc_rfc3339)]
        {
            for hour in 0..12 * 24 {
                let (starts_at, day) = (first.plus(hour * HOUR_MS), first.plus(hour / 24 * DAY_MS));
                let collected = write(day.plus(-3 * DAY_MS + HOUR_MS));
                let _ = writeln!(csv, "{shop},솥 {hour},{},{collected}", starts_at.to_kst_rfc3339());
            }
        }
        csv
    };
    let mut desk = Desk::new();
    let path = desk.put("broadcasts.csv", table(|at| local(at.plus(-9 * HOUR_MS))));
    let report = desk.broadcasts(&path).await.unwrap();
    let warned: Vec<_> = report.warnings.iter().map(|found| (found.rule, found.subject.as_deref())).collect();
    assert_eq!(warned, [(Rule::CollectedOff, Some("가"))]);
    assert!(report.to_string().contains("--timezone broadcasts.collected_at=UTC"), "{report}");
    let path = desk.put("broadcasts.csv", table(local));
    assert!(desk.broadcasts(&path).await.unwrap().warnings.is_empty());
}
