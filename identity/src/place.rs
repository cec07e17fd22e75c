//! Places in a text, as compilers name them.

/// The line and the column of the byte `at`, both from 1; columns count characters.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_at = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.get(line_at..).unwrap_or_default().chars().count() + 1)
}
