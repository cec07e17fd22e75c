//! The history of builds for the preview page: lines of a file beside the snapshot, copied to the
//! store when it is published.

use std::path::Path;

use sinsang_core::key::BUILDS;
use sinsang_core::time::UnixMillis;
use sinsang_run::file::{SETTINGS_BYTES, read_text};

use crate::store::Store;

/// Most lines copied to the store.
const MAX_LINES: usize = 200;
/// Most bytes of those lines, far below the limit of a KV value.
const MAX_BYTES: usize = 1 << 20;

/// Copies the last lines of `file` to the store and returns their count; `None` if the file is
/// missing or the store refuses it. The published snapshot stays live either way.
pub fn publish_builds<S: Store>(file: &Path, store: &mut S, at: UnixMillis) -> Option<usize> {
    let text = read_text(file, SETTINGS_BYTES).ok()?;
    let lines = latest(&text);
    let count = lines.lines().count();
    store.put(BUILDS, lines.as_bytes(), at).is_ok().then_some(count)
}

/// The last lines of `text` within [`MAX_LINES`] and [`MAX_BYTES`].
fn latest(text: &str) -> &str {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).filter(|at| *at < text.len());
    let starts: Vec<usize> = starts.collect();
    let first = starts.iter().rev().take(MAX_LINES).take_while(|at| text.len() - **at <= MAX_BYTES).last();
    first.and_then(|at| text.get(*at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_and_bounded() {
        assert_eq!(latest(""), "");
        assert_eq!(latest("{}\n{\"a\":1}\n"), "{}\n{\"a\":1}\n");
        let many: String = (0..500).flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
        assert!(latest(&many).starts_with("300\n") && latest(&many).ends_with("499\n"));
        let long = format!("{}\nshort\n", "x".repeat(MAX_BYTES));
        assert_eq!(latest(&long), "short\n");
        assert_eq!(latest(&"x".repeat(MAX_BYTES + 1)), "");
    }
}
