//! Places in a text, as compilers name them.

/// The places of a text, whose lines are found once.
#[derive(Clone, Debug)]
pub struct Places<'t> {
    text: &'t str,
    /// The byte that each line begins at.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    /// The places of `text`.
    pub fn new(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// The line and the column of the byte `at`, both from 1; columns count characters.
    pub fn of(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&begin| begin <= at).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or(0);
        (line, self.text.get(begin..at).unwrap_or_default().chars().count() + 1)
    }
}
