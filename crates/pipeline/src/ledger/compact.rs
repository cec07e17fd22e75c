//! Compaction: merges runs so that a look-up searches fewer files, and removes files of failed
//! runs.

use std::sync::Arc;
use std::{fmt, fs};

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::{Lessons, MAX_SHARED};

use super::commit::Step;
use super::file::{Parts, Row, Scan, Tally, find, orphans};
use super::head::{Counted, Entry, Run, Table, path_of};
use super::row::{AiringRow, LessonRow, ListingRow, Posting, WordRow, listing_mark};
use super::{Error, Ledger, Merged};

/// A run is merged with the later ones if it has at most this many times their rows: a row is then
/// rewritten a few times in the ledger's life, and the oldest rows hardly ever.
const GROWTH: u64 = 4;

/// The runs to merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// The late ones, up to one that is much larger than they are.
    #[default]
    Late,
    /// All.
    All,
}

/// The result of a compaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactReport {
    /// The ledger's new version.
    pub version: u64,
    /// Runs merged.
    pub runs_before: usize,
    /// Runs after merging.
    pub runs_after: usize,
    /// Rows read.
    pub rows_before: u64,
    /// Rows written, without superseded and repeated ones.
    pub rows_after: u64,
    /// Removed files that the head did not list.
    pub orphans: usize,
    /// Bytes freed on the disk.
    pub bytes_freed: i64,
}

impl fmt::Display for CompactReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs_before < 2 {
            write!(f, "nothing to merge")?;
        } else {
            write!(
                f,
                "merged {} runs of {} rows into {} of {} rows",
                self.runs_before, self.rows_before, self.runs_after, self.rows_after
            )?;
        }
        write!(
            f,
            "; removed {} orphaned files, freed {} bytes: version {}",
            self.orphans, self.bytes_freed, self.version
        )
    }
}

/// Compacts a locked ledger without changing its answers. `watch` is called before each step.
///
/// # Errors
/// [`Error`]; the ledger is unchanged.
pub fn compact(
    ledger: &mut Ledger,
    extent: Extent,
    now: UnixMillis,
    watch: &dyn Fn(Step) -> Result<(), Error>,
) -> Result<CompactReport, Error> {
    ledger.writable()?;
    let mut report = CompactReport { version: ledger.head.version, ..CompactReport::default() };
    watch(Step::Orphans)?;
    for path in orphans(&ledger.folder, ledger.head.files())? {
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
        report.orphans += 1;
        report.bytes_freed += i64::try_from(bytes).unwrap_or(0);
    }
    let from = first_run(&ledger.head.runs, extent);
    let late: Vec<Run> = ledger.head.runs.get(from..).unwrap_or_default().to_vec();
    if late.len() < 2 && ledger.head.in_force.files.len() <= 2 && ledger.head.pending.files.len() <= 2 {
        return Ok(report);
    }
    let sequence = ledger.head.next_sequence;
    let mut head = ledger.head.clone();
    if late.len() >= 2 {
        let merged = ledger.merged()?;
        report.runs_before = late.len();
        report.rows_before = late.iter().map(rows).sum();
        watch(Step::Listings)?;
        let mut files = ledger.join::<ListingRow>(&late, sequence, &merged)?;
        watch(Step::Airings)?;
        files.extend(ledger.join::<AiringRow>(&late, sequence, &merged)?);
        watch(Step::Blocks)?;
        files.extend(ledger.join::<Posting>(&late, sequence, &Merged::default())?);
        report.rows_after = files.iter().map(|entry| entry.rows).sum();
        report.runs_after = 1;
        head.runs.truncate(from);
        head.runs.push(Run { sequence, files });
    }
    watch(Step::Statistics)?;
    head.in_force = ledger.add_up(&ledger.head.in_force, sequence)?;
    // The other statistics file of this compaction takes the next number.
    head.pending = ledger.add_up(&ledger.head.pending, sequence + 1)?;
    head.version += 1;
    head.next_sequence = sequence + 2;
    head.written_at = now.to_kst_rfc3339();
    watch(Step::Head)?;
    head.write(&ledger.folder)?;
    let bytes = |head: &super::head::Head| head.files().map(|entry| entry.bytes).sum::<u64>();
    let (before, after) = (bytes(&ledger.head), bytes(&head));
    report.bytes_freed += i64::try_from(before).unwrap_or(0) - i64::try_from(after).unwrap_or(0);
    ledger.head = head;
    report.version = ledger.head.version;
    watch(Step::Orphans)?;
    for path in orphans(&ledger.folder, ledger.head.files())? {
        fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
    }
    Ok(report)
}

fn rows(run: &Run) -> u64 {
    run.files.iter().map(|entry| entry.rows).sum()
}

/// The first run to merge.
fn first_run(runs: &[Run], extent: Extent) -> usize {
    if extent == Extent::All {
        return 0;
    }
    let mut sum = 0;
    let mut from = runs.len();
    for (index, run) in runs.iter().enumerate().rev() {
        if from < runs.len() && rows(run) > GROWTH.saturating_mul(sum) {
            break;
        }
        sum += rows(run);
        from = index;
    }
    from
}

/// Rows that can be merged.
trait Join: Row + Clone {
    /// The row under its current product.
    fn rooted(self, merged: &Merged) -> Self;
    /// The order of rows. Equal rows describe the same thing at different times.
    fn order(&self, other: &Self) -> std::cmp::Ordering;
    /// Merges a later row of the same thing into this one.
    fn with_later(self, later: &Self) -> Self;
    /// Whether to keep the row, the `repeat`-th of its key, counted from 0.
    fn is_kept(repeat: u64) -> bool {
        let _ = repeat;
        true
    }
}

impl Join for ListingRow {
    fn rooted(self, merged: &Merged) -> Self {
        Self { product: merged.of(self.product, listing_mark(&self.shop, &self.listing_id)), ..self }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.product, &self.shop, &self.listing_id).cmp(&(other.product, &other.shop, &other.listing_id))
    }

    fn with_later(self, later: &Self) -> Self {
        self.with(later)
    }
}

impl Join for AiringRow {
    fn rooted(self, merged: &Merged) -> Self {
        Self { product: merged.of(self.product, self.listing), ..self }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.product, self.listing, self.starts_at, &self.channel).cmp(&(
            other.product,
            other.listing,
            other.starts_at,
            &other.channel,
        ))
    }

    fn with_later(self, _: &Self) -> Self {
        self
    }
}

impl Join for Posting {
    fn rooted(self, _: &Merged) -> Self {
        self
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.cmp(other)
    }

    fn with_later(self, _: &Self) -> Self {
        self
    }

    /// A key with more products finds nothing, but its rows must still show that it has more.
    fn is_kept(repeat: u64) -> bool {
        repeat <= u64::from(MAX_SHARED)
    }
}

impl Join for WordRow {
    fn rooted(self, _: &Merged) -> Self {
        self
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }

    fn with_later(self, later: &Self) -> Self {
        Self { titles: self.titles.saturating_add(later.titles), ..self }
    }
}

/// Rows of one file of one run; rows that moved elsewhere are filtered out.
struct Stream<R> {
    rows: Box<dyn Iterator<Item = Result<R, Error>>>,
    next: Option<R>,
}

impl<R: Join> Stream<R> {
    fn new(rows: Box<dyn Iterator<Item = Result<R, Error>>>) -> Result<Self, Error> {
        let mut stream = Self { rows, next: None };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<Option<R>, Error> {
        let next = self.rows.next().transpose()?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

impl Ledger {
    /// Merges the rows of one table from several runs, earliest run first.
    fn join<R: Join + 'static>(&self, runs: &[Run], sequence: u64, merged: &Merged) -> Result<Vec<Entry>, Error> {
        let gone = merged.gone();
        let mut streams: Vec<Stream<R>> = Vec::new();
        for run in runs {
            let entries: Vec<&Entry> = run.files.iter().filter(|entry| entry.table == R::TABLE).collect();
            // Rows of merged products move to another place in the order.
            let mut moved: Vec<R> = Vec::new();
            if !gone.is_empty() {
                let wanted: Vec<(u64, u64)> = gone.iter().map(|&id| (id, id)).collect();
                let found: Vec<Vec<R>> = find(&self.folder, &entries, &wanted, &self.tally)?;
                moved.extend(found.into_iter().flatten().map(|row| row.rooted(merged)));
                moved.sort_by(R::order);
            }
            let gone = Arc::new(gone.clone());
            let scans: Vec<Scan<R>> =
                entries.iter().map(|entry| Scan::open(&self.folder, entry, &self.tally)).collect::<Result<_, _>>()?;
            let stays =
                move |row: &Result<R, Error>| row.as_ref().map_or(true, |row| gone.binary_search(&row.key()).is_err());
            streams.push(Stream::new(Box::new(scans.into_iter().flatten().filter(stays)))?);
            streams.push(Stream::new(Box::new(moved.into_iter().map(Ok)))?);
        }
        self.write_joined(streams, sequence)
    }

    fn write_joined<R: Join>(&self, mut streams: Vec<Stream<R>>, sequence: u64) -> Result<Vec<Entry>, Error> {
        let mut parts = Parts::new(&self.folder, sequence);
        let mut pending: Option<R> = None;
        let mut repeat = 0;
        let mut push = |row: R, parts: &mut Parts<'_, R>, last: &mut Option<u64>| {
            repeat = if *last == Some(row.key()) { repeat + 1 } else { 0 };
            *last = Some(row.key());
            if R::is_kept(repeat) { parts.push(row) } else { Ok(()) }
        };
        let mut last_key = None;
        loop {
            // There are few streams: a linear search is as fast as a heap. Among equal rows the
            // earliest run's comes first.
            let mut least: Option<usize> = None;
            for (index, stream) in streams.iter().enumerate() {
                let Some(row) = &stream.next else { continue };
                let smaller = match least.and_then(|least| streams.get(least)).and_then(|stream| stream.next.as_ref()) {
                    Some(best) => row.order(best).is_lt(),
                    None => true,
                };
                if smaller {
                    least = Some(index);
                }
            }
            let Some(row) = least.and_then(|least| streams.get_mut(least)).map(Stream::advance).transpose()?.flatten()
            else {
                break;
            };
            pending = Some(match pending.take() {
                Some(known) if known.order(&row).is_eq() => known.with_later(&row),
                Some(known) => {
                    push(known, &mut parts, &mut last_key)?;
                    row
                }
                None => row,
            });
        }
        if let Some(known) = pending {
            push(known, &mut parts, &mut last_key)?;
        }
        parts.close()
    }

    /// Adds up the counts of several runs.
    fn add_up(&self, counted: &Counted, sequence: u64) -> Result<Counted, Error> {
        let of = |table: Table| counted.files.iter().filter(move |entry| entry.table == table);
        if of(Table::Word).count() < 2 && of(Table::Lesson).count() < 2 {
            return Ok(counted.clone());
        }
        let mut streams = Vec::new();
        for entry in of(Table::Word) {
            streams.push(Stream::new(Box::new(Scan::<WordRow>::open(&self.folder, entry, &self.tally)?))?);
        }
        let mut files = self.write_joined(streams, sequence)?;
        let mut lessons = Lessons::new();
        for entry in of(Table::Lesson) {
            for row in Scan::<LessonRow>::open(&self.folder, entry, &self.tally)? {
                row?.add_to(&mut lessons);
            }
        }
        let mut parts = Parts::new(&self.folder, sequence);
        for row in LessonRow::all(&lessons) {
            parts.push(row)?;
        }
        files.extend(parts.close()?);
        Ok(Counted { titles: counted.titles, files })
    }
}

/// Passes every row of a file to `each`.
pub(super) fn scan_all<R: Row>(
    ledger: &Ledger,
    entry: &Entry,
    tally: &Arc<Tally>,
    mut each: impl FnMut(R),
) -> Result<(), Error> {
    path_of(&ledger.folder, entry)?;
    for row in Scan::<R>::open(&ledger.folder, entry, tally)? {
        each(row?);
    }
    Ok(())
}
