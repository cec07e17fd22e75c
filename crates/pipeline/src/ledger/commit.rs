//! The commit of a run: its files, then the head.

use std::fmt;

use sinsang_core::time::UnixMillis;
use sinsang_identity::identity::Statistics;

use super::file::{Parts, Row};
use super::head::{Entry, Run};
use super::row::{AiringRow, LessonRow, ListingRow, MergeRow, MoveRow, Posting, WordRow};
use super::{Error, Ledger};

/// A step of a run. Earlier steps take effect only when the head is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The listings are written.
    Listings,
    /// The airings are written.
    Airings,
    /// The blocking keys are written.
    Blocks,
    /// The counts of words and lessons are written.
    Statistics,
    /// The merges are written.
    Merges,
    /// The head is replaced.
    Head,
    /// Files that the head does not list are removed.
    Orphans,
}

impl Step {
    /// The steps of an appending run, in order.
    pub const ALL: [Self; 6] =
        [Self::Listings, Self::Airings, Self::Blocks, Self::Statistics, Self::Merges, Self::Head];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listings => "the listings",
            Self::Airings => "the airings",
            Self::Blocks => "the blocking keys",
            Self::Statistics => "the statistics",
            Self::Merges => "the merges",
            Self::Head => "the head",
            Self::Orphans => "the removal of files",
        })
    }
}

/// The rows of a run, each table's ordered by key.
pub(super) struct New {
    pub(super) listings: Vec<ListingRow>,
    pub(super) airings: Vec<AiringRow>,
    pub(super) blocks: Vec<Posting>,
    pub(super) counted: Statistics,
    pub(super) merges: Vec<MergeRow>,
    pub(super) moves: Vec<MoveRow>,
}

impl New {
    /// Whether the ledger already has everything.
    pub(super) fn is_empty(&self) -> bool {
        let is_without_rows = self.listings.is_empty() && self.airings.is_empty() && self.blocks.is_empty();
        is_without_rows && self.merges.is_empty() && self.moves.is_empty()
    }
}

impl Ledger {
    /// Writes the rows and then the head, and returns the bytes written.
    pub(super) fn commit(
        &mut self,
        new: New,
        now: UnixMillis,
        watch: &dyn Fn(Step) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let sequence = self.head.next_sequence;
        watch(Step::Listings)?;
        let mut files = self.write_rows(sequence, new.listings)?;
        watch(Step::Airings)?;
        files.extend(self.write_rows(sequence, new.airings)?);
        watch(Step::Blocks)?;
        files.extend(self.write_rows(sequence, new.blocks)?);
        watch(Step::Statistics)?;
        let mut counted = self.write_rows(sequence, words(&new.counted))?;
        counted.extend(self.write_rows(sequence, LessonRow::all(&new.counted.lessons))?);
        watch(Step::Merges)?;
        let mut merges = self.write_rows(sequence, new.merges)?;
        merges.extend(self.write_rows(sequence, new.moves)?);
        watch(Step::Head)?;
        let bytes = files.iter().chain(&counted).chain(&merges).map(|entry| entry.bytes).sum();
        let mut head = self.head.clone();
        head.version += 1;
        head.written_at = now.to_kst_rfc3339();
        head.next_sequence = sequence + 1;
        if !files.is_empty() {
            head.runs.push(Run { sequence, files });
        }
        head.merges.extend(merges);
        let place = if head.in_force.titles == 0 { &mut head.in_force } else { &mut head.pending };
        place.titles += u64::from(new.counted.titles);
        place.files.extend(counted);
        head.write(&self.folder)?;
        self.head = head;
        Ok(bytes)
    }

    fn write_rows<R: Row>(&self, sequence: u64, rows: Vec<R>) -> Result<Vec<Entry>, Error> {
        let mut parts = Parts::new(&self.folder, sequence);
        for row in rows {
            parts.push(row)?;
        }
        parts.close()
    }
}

/// Word counts as rows.
fn words(counted: &Statistics) -> Vec<WordRow> {
    counted.words.iter().map(|(key, titles)| WordRow { key, titles }).collect()
}
