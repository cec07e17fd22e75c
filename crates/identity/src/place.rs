//! Line and column numbers in a text.

/// An index of a text's lines.
#[derive(Clone, Debug)]
pub struct Places<'t> {
    text: &'t str,
    /// Byte offset of each line's start.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    /// Indexes `text`.
    pub fn new(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// Line and column of the byte `at`, both from 1; columns count characters.
    pub fn of(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&begin| begin <= at).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or(0);
        (line, self.text.get(begin..at).unwrap_or_default().chars().count() + 1)
    }
}
