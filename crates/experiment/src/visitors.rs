//! The viewers of the last days, and where they came from, as past events tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sinsang_core::time::{DAY_MS, UnixMillis};

use crate::line::{self, Line, ReadError};

/// The viewers of some days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitors {
    /// By the viewer's name, the contexts that they came in, each as its
    /// [number](sinsang_core::context::Context::number).
    pub contexts: BTreeMap<String, BTreeSet<u16>>,
    /// Unusable rows.
    pub rejected: u64,
}

/// Reads the viewers of the last `days` days before the last event of `paths`: files, gunzipped if
/// named `.gz`, and folders of files.
///
/// # Errors
/// [`ReadError`] if a file or folder can't be read.
pub fn visitors(paths: &[PathBuf], days: u32) -> Result<Visitors, ReadError> {
    let mut latest: BTreeMap<String, BTreeMap<u16, UnixMillis>> = BTreeMap::new();
    let mut rejected = 0;
    line::each(paths, None, |line| match line {
        Ok(Line { viewer, deed, context, .. }) => {
            let seen = latest.entry(viewer).or_default().entry(context.number()).or_insert(deed.at);
            *seen = deed.at.max(*seen);
        }
        Err(_) => rejected += 1,
    })?;
    let last = latest.values().flat_map(BTreeMap::values).max().copied().unwrap_or_default();
    let since = last.plus(i64::from(days) * -DAY_MS);
    let mut found = Visitors { rejected, ..Visitors::default() };
    for (viewer, contexts) in latest {
        let contexts: BTreeSet<u16> =
            contexts.into_iter().filter(|(_, at)| *at > since).map(|(number, _)| number).collect();
        if !contexts.is_empty() {
            found.contexts.insert(viewer, contexts);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use sinsang_core::context::Context;

    use super::*;

    #[test]
    fn the_last_days_count_by_the_last_event_and_with_every_context() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let row = |viewer: &str, at: &str, more: &str| {
            format!(
                "{{\"event_id\":\"{viewer}{at}\",\"viewer\":\"{viewer}\",\"kind\":\"click\",\"at\":\"{at}\",\"product_id\":\"p\"{more}}}"
            )
        };
        let rows = [
            row("0000000000000001", "2026-11-01T00:00:00Z", ",\"region\":\"49\""),
            row("0000000000000001", "2026-11-09T00:00:00Z", ",\"region\":\"11\",\"device_class\":\"phone\""),
            row("0000000000000001", "2026-11-10T00:00:00Z", ",\"region\":\"26\""),
            row("0000000000000002", "2026-11-02T23:59:59Z", ""),
            row("d0000000000000003", "2026-11-03T00:00:01Z", ",\"device_class\":\"watch\""),
            "no JSON".to_owned(),
        ];
        std::fs::write(&path, rows.join("\n")).unwrap();
        let found = visitors(&[path], 7).unwrap();
        let numbers = |list: &[(&str, &str)]| -> BTreeSet<u16> {
            list.iter().map(|(region, class)| Context::of_names(region, class).number()).collect()
        };
        let one = ("0000000000000001".to_owned(), numbers(&[("11", "phone"), ("26", "")]));
        assert_eq!(found.contexts, BTreeMap::from([one, ("d0000000000000003".to_owned(), numbers(&[("", "")]))]));
        assert_eq!(found.rejected, 1);
    }
}
