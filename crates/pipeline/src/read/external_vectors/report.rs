//! Counts of the rows read from the AI lab's files.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sinsang_taste::DIMS;

/// Counts of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Rows in the file.
    pub rows: usize,
    /// Rows used.
    pub used: usize,
    /// Rows set aside, by reason, with the first row of each, from 1.
    pub aside: BTreeMap<&'static str, (usize, usize)>,
}

impl FileReport {
    pub(super) fn set_aside(&mut self, reason: &'static str) {
        let row = self.rows;
        self.aside.entry(reason).or_insert((0, row)).0 += 1;
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows", self.used, self.rows)?;
        for (reason, (rows, first)) in &self.aside {
            write!(f, "; {reason}: {rows}, first row {first}")?;
        }
        Ok(())
    }
}

/// Counts of all files, and the share of products and users that they cover.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Numbers in a vector.
    pub width: usize,
    /// The share of the product vectors' sum of squares that 64 dimensions keep.
    pub kept: f64,
    /// The file of users.
    pub users: Option<FileReport>,
    /// The file of products.
    pub products: Option<FileReport>,
    /// The file of lists.
    pub lists: Option<FileReport>,
    /// Products of the board with a vector, and all products of the board.
    pub board: (usize, usize),
    /// Users with tastes of ours who have a vector or list of the lab's, and all of them.
    pub covered_users: (usize, usize),
}

impl fmt::Display for Report {
    #[expect(clippy::cast_precision_loss, reason = "counts for a percentage")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |(some, all): (usize, usize)| if all == 0 { 0.0 } else { some as f64 * 100.0 / all as f64 };
        writeln!(
            f,
            "from the lab: {:.1} % of {} products on the board, {:.1} % of {} users; the rest use our tastes",
            share(self.board),
            self.board.1,
            share(self.covered_users),
            self.covered_users.1
        )?;
        if self.products.is_some() {
            writeln!(
                f,
                "  vectors of {} numbers, {:.1} % of their sum of squares kept in {DIMS} dimensions",
                self.width,
                self.kept * 100.0
            )?;
        }
        for (name, file) in [("users", &self.users), ("products", &self.products), ("lists", &self.lists)] {
            if let Some(file) = file {
                writeln!(f, "  {name}: {file}")?;
            }
        }
        Ok(())
    }
}
