//! Whether a match in a text is a viewer's name, or part of a longer value.

use sinsang_core::viewer::ViewerName;
use sinsang_tables::check::{Events, Table as _};

/// Characters that end a value within a row of CSV or JSON.
pub(super) const PARTS: [char; 6] = [',', ';', '\t', '|', '"', '}'];

/// Whether the `length` bytes of `text` from `at` on are a separate value.
pub(super) fn is_whole(text: &str, at: usize, length: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at + length..)) else { return false };
    // JSON within JSON has escaped quotes.
    let (before, after) = (before.trim_end(), after.trim_start().trim_start_matches('\\'));
    if !(after.is_empty() || after.starts_with(PARTS)) {
        return false;
    }
    let unquoted = |text: &'_ str| -> Option<usize> {
        let text = text.strip_suffix('"')?;
        Some(text.trim_end_matches('\\').len())
    };
    let bare = unquoted(before).and_then(|end| before.get(..end)).unwrap_or(before).trim_end();
    let key = bare.strip_suffix(':').map(str::trim_end).and_then(|text| text.get(..unquoted(text)?));
    match key {
        Some(text) => text.rsplit('"').next().is_some_and(names_viewer),
        None => before.is_empty() || before.ends_with(PARTS),
    }
}

/// The user keys among `names`.
pub(super) fn users<'n>(names: impl IntoIterator<Item = &'n ViewerName>) -> impl Iterator<Item = u64> {
    names.into_iter().filter_map(|name| match name {
        ViewerName::User(key) => Some(key.0),
        ViewerName::Device(_) => None,
    })
}

/// The text of a whole number, which a table may have written as `12345.0`.
pub(super) fn whole(number: Option<f64>) -> Option<String> {
    number.filter(|number| number.fract() == 0.0 && number.abs() < 9e15).map(|number| format!("{number:.0}"))
}

/// Whether a column names a viewer.
pub(super) fn names_viewer(name: &str) -> bool {
    Events::COLUMNS.iter().any(|column| matches!(column.name, "user_id" | "viewer") && column.rank(name).is_some())
}
