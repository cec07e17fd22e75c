//! Tests of `object.rs`.

use super::*;

#[test]
fn what_the_consumer_set_aside_is_no_object_of_events() {
    let hour = |path: &str| hour_of(&ObjectPath::from(path)).is_some();
    let name = "date=2026-11-22/hour=13/1795352707250-64cd58e5a9d1840b.ndjson.gz";
    assert!(hour(name) && hour(&format!("events/{name}")));
    assert!(!hour(&format!("events/rejected/{name}")) && !hour(&format!("rejected/{name}")));
    assert!(!hour("events/date=2026-11-22/hour=13/notes.txt") && !hour("date=2026-11-22/hour=25/a.ndjson.gz"));
}
