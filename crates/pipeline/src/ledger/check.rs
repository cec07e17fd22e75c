//! The check of a ledger: reads it whole and reports its problems.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::compact::scan_all;
use super::file::{Row, checksum, orphans};
use super::head::{Entry, Table, path_of};
use super::row::{AiringRow, LessonRow, ListingRow, MergeRow, MoveRow, Posting, WordRow};
use super::{Error, Ledger, upper};

/// Problems listed one by one; the rest are only counted.
const NAMED: usize = 20;

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Files read.
    pub files: usize,
    /// Rows read.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The first problems, each with its file.
    pub problems: Vec<String>,
    /// Number of problems.
    pub problem_count: u64,
    /// Files that the head does not list: a failed run left them, and the next compaction removes
    /// them.
    pub orphans: Vec<String>,
}

impl CheckReport {
    fn note(&mut self, file: &str, what: impl fmt::Display) {
        self.problem_count += 1;
        if self.problems.len() < NAMED {
            self.problems.push(format!("{file}: {what}"));
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files, {} rows, {} bytes read", self.files, self.rows, self.bytes)?;
        for orphan in &self.orphans {
            writeln!(f, "{orphan} belongs to no run; the next compaction removes it")?;
        }
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        match self.problem_count {
            0 => write!(f, "the ledger is intact"),
            count => write!(f, "{count} problems"),
        }
    }
}

/// A set of marks, one bit each.
struct Marks(Vec<u64>);

impl Marks {
    /// An empty set. The system allocates the pages of its 512 MB only as they are written.
    fn new() -> Self {
        Self(vec![0; 1 << 26])
    }

    fn place(mark: u32) -> (usize, u64) {
        (usize::try_from(mark >> 6).unwrap_or(0), 1 << (mark & 63))
    }

    fn set(&mut self, mark: u32) {
        let (word, bit) = Self::place(mark);
        self.0[word] |= bit;
    }

    fn has(&self, mark: u32) -> bool {
        let (word, bit) = Self::place(mark);
        self.0[word] & bit != 0
    }
}

/// Reads every file of the ledger in `folder`, and checks its checksum, its rows, their order, and
/// the references between tables. Unreadable files are problems of the report.
///
/// # Errors
/// [`Error`] if there is no valid head.
pub fn check(folder: &Path) -> Result<CheckReport, Error> {
    let head = super::head::Head::read(folder)?;
    let ledger = Ledger { folder: folder.to_path_buf(), head, tally: std::sync::Arc::default(), lock: None };
    let mut report = CheckReport::default();
    let mut whole = true;
    for entry in ledger.head.files() {
        report.files += 1;
        let sum = path_of(folder, entry).and_then(|path| checksum(&path));
        match sum {
            Ok(sum) if sum == entry.checksum.0 => {}
            Ok(sum) => {
                whole = false;
                report.note(
                    &entry.file,
                    format_args!("checksum mismatch: {sum:016x}, expected {:016x}", entry.checksum.0),
                );
            }
            Err(error) => {
                whole = false;
                report.note(&entry.file, error);
            }
        }
    }
    // Rows of a damaged file can't be compared with others.
    if whole {
        ledger.check_rows(&mut report);
    }
    let named = orphans(folder, ledger.head.files())?;
    report.orphans = named.iter().map(|path| path.display().to_string()).collect();
    report.bytes = ledger.head.files().map(|entry| entry.bytes).sum();
    Ok(report)
}

impl Ledger {
    fn check_rows(&self, report: &mut CheckReport) {
        let mut listed = Marks::new();
        let mut found = Marks::new();
        let mut ids: BTreeSet<u64> = BTreeSet::new();
        let mut gone: BTreeSet<u64> = BTreeSet::new();
        for entry in &self.head.merges {
            if entry.table == Table::Move {
                self.check_file(report, entry, MoveRow::cmp, |row: MoveRow| {
                    // The listing's rows stay under the product that had it.
                    listed.set(upper(row.into));
                    None
                });
                continue;
            }
            self.check_file(report, entry, MergeRow::cmp, |row: MergeRow| {
                gone.insert(row.key);
                ids.insert(row.into);
                None
            });
        }
        for id in &gone {
            listed.set(upper(*id));
        }
        match self.merged() {
            Ok(merged) => {
                for id in &gone {
                    if gone.contains(&merged.root(*id)) {
                        report.note("merge", format_args!("{id:016x} is merged in a circle"));
                    }
                }
                for (id, listing) in merged.circles() {
                    report.note("move", format_args!("listing {listing:08x} of {id:016x} is moved in a circle"));
                }
            }
            Err(error) => report.note("merge", error),
        }
        for (_, entry) in self.head.of_table(Table::Listing) {
            let order = |a: &ListingRow, b: &ListingRow| {
                (a.product, &a.shop, &a.listing_id).cmp(&(b.product, &b.shop, &b.listing_id))
            };
            self.check_file(report, entry, order, |row: ListingRow| {
                listed.set(upper(row.product));
                row.titles.is_empty().then(|| format!("listing {} of {} has no title", row.listing_id, row.shop))
            });
        }
        for (_, entry) in self.head.of_table(Table::Block) {
            self.check_file(report, entry, Posting::cmp, |row: Posting| {
                found.set(row.mark);
                let known = listed.has(row.mark);
                (!known).then(|| format!("key {:016x} points to {:08x}, which no listing has", row.key, row.mark))
            });
        }
        for (_, entry) in self.head.of_table(Table::Airing) {
            self.check_file(report, entry, AiringRow::cmp, |row: AiringRow| {
                let known = listed.has(upper(row.product));
                (!known).then(|| format!("product {:016x} has airings but no listing", row.product))
            });
        }
        for (_, entry) in self.head.of_table(Table::Listing) {
            let order = |_: &ListingRow, _: &ListingRow| Ordering::Less;
            self.check_file(report, entry, order, |row: ListingRow| {
                // A product that others were merged into can be found by their marks too.
                let known = found.has(upper(row.product)) || ids.contains(&row.product);
                (!known).then(|| format!("product {:016x} has no key that finds it", row.product))
            });
        }
        for counted in [&self.head.in_force, &self.head.pending] {
            for entry in &counted.files {
                match entry.table {
                    Table::Word => self.check_file(report, entry, WordRow::cmp, |_: WordRow| None),
                    Table::Lesson => self.check_file(report, entry, LessonRow::cmp, |_: LessonRow| None),
                    _ => report.note(&entry.file, "is not a statistics file"),
                }
            }
        }
        for run in &self.head.runs {
            for table in [Table::Listing, Table::Airing, Table::Block] {
                let of_table: Vec<&Entry> = run.files.iter().filter(|entry| entry.table == table).collect();
                for pair in of_table.windows(2) {
                    if let [a, b] = pair
                        && a.last > b.first
                    {
                        report.note(&b.file, format_args!("begins before {} ends", a.file));
                    }
                }
            }
        }
    }

    /// Reads a file and checks the range and order of its keys; `wrong` returns the problem of a
    /// row.
    fn check_file<R: Row + Clone>(
        &self,
        report: &mut CheckReport,
        entry: &Entry,
        order: impl Fn(&R, &R) -> Ordering,
        mut wrong: impl FnMut(R) -> Option<String>,
    ) {
        let mut before: Option<R> = None;
        let mut row_number: u64 = 0;
        let mut notes: Vec<String> = Vec::new();
        let mut count: u64 = 0;
        let outcome = scan_all(self, entry, &self.tally, |row: R| {
            row_number += 1;
            let mut note = |what: String| {
                count += 1;
                if notes.len() < NAMED {
                    notes.push(format!("row {row_number}: {what}"));
                }
            };
            if before.as_ref().is_some_and(|before| order(before, &row) != Ordering::Less) {
                note("is out of order".to_owned());
            }
            if row.key() < entry.first.0 || row.key() > entry.last.0 {
                note(format!("its key {:016x} is outside the file's range", row.key()));
            }
            before = Some(row.clone());
            if let Some(what) = wrong(row) {
                note(what);
            }
        });
        report.rows += row_number;
        report.problem_count += count.saturating_sub(u64::try_from(notes.len()).unwrap_or(0));
        for what in notes {
            report.note(&entry.file, what);
        }
        if let Err(error) = outcome {
            report.note(&entry.file, error);
        }
    }
}
