//! The demo generator against the figures it is built on, itself, and its own truth.

use sinsang::time::UnixMillis;
use sinsang_pipeline::generate::{Options, generate};

#[test]
#[ignore = "prints the shares of the full setting"]
fn full() {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixMillis::parse_rfc3339("2026-11-22T12:00:00+09:00").unwrap();
    let at = std::time::Instant::now();
    let report = generate(&Options::new(std::env::var("OUT").map_or(folder.path().to_owned(), Into::into), now)).unwrap();
    println!("{report}\n{:?}\n{:?}\n{:?}", report.event_kinds, report.differences, at.elapsed());
}
