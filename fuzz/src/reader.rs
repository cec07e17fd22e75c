//! Tables of any bytes: every row is kept or set aside with its reason, and what is kept is within
//! its limits.

use std::path::PathBuf;

use sinsang_core::text::{ID_MAX_BYTES, NAME_MAX_CHARS};
use sinsang_core::time::UnixMillis;
use sinsang_tables::check::{Broadcasts, PRICE_MAX, TITLE_MAX_CHARS, Table as _};
use sinsang_tables::file::{Format, OpenText, Packing, SourceFile};
use sinsang_tables::reject::{Limit, RejectsFile};
use sinsang_tables::table::Broadcast;
use sinsang_tables::{Intake, Zones, csv, ndjson};

/// Reads `bytes` as a CSV file of broadcasts.
pub(crate) fn reader_csv(bytes: &[u8]) {
    read(bytes, Format::Csv);
}

/// Reads `bytes` as an NDJSON file of broadcasts.
pub(crate) fn reader_ndjson(bytes: &[u8]) {
    read(bytes, Format::Ndjson);
}

fn read(bytes: &[u8], format: Format) {
    let file = SourceFile::new(PathBuf::from("fuzz"), format, Packing::Plain, bytes.len() as u64);
    let mut rejects = RejectsFile::default();
    let mut kept = 0;
    let mut keep = |row: Broadcast| {
        check(&row);
        kept += 1;
        Ok(())
    };
    // 2026-11-22T00:00:00Z.
    let now = UnixMillis(1_795_305_600_000);
    let mut intake = Intake::new(Broadcasts, now, &Zones::default(), &mut rejects, &mut keep);
    intake.begin_file(&file.path);
    let read = match format {
        Format::Csv => csv::read(&file, OpenText::of(bytes), Broadcasts::COLUMNS, &mut intake),
        _ => ndjson::read(&file, OpenText::of(bytes), Broadcasts::COLUMNS, &mut intake),
    };
    let report = intake.finish(Limit { max_share: 1.0 });
    let report = report.expect("any share may be set aside");
    let set_aside: u64 = report.set_aside.iter().map(|count| count.rows).sum();
    assert_eq!((report.kept, report.rows), (kept, kept + set_aside), "every row is kept or set aside");
    // A header that can't be used is the one thing that ends a read of bytes that are all there.
    assert!(read.is_ok() || format == Format::Csv && report.rows == 0, "{read:?}");
}

fn check(row: &Broadcast) {
    assert!(row.title.chars().any(char::is_alphanumeric) && row.title.chars().count() <= TITLE_MAX_CHARS);
    assert!(!row.listing_id.is_empty() && row.listing_id.len() <= ID_MAX_BYTES);
    for name in [&row.shop, &row.channel] {
        assert!(!name.is_empty() && name.chars().count() <= NAME_MAX_CHARS);
    }
    for price in [row.price, row.list_price].into_iter().flatten() {
        assert!((1..=PRICE_MAX).contains(&price));
    }
    assert!(row.ends_at.is_none_or(|end| end > row.starts_at));
}
