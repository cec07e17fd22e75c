//! The ledger's head: the one small file that says which files belong to the ledger, replaced whole or not at all.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang_core::time::UnixMillis;
use sinsang_identity::verdict::Reach;
use sinsang_run::file::{SETTINGS_BYTES, read_bytes};
use sinsang_run::replace::{Access, replace};

use super::Error;

/// The format that this version writes and reads: layout of the tables, and how blocking keys are made.
pub const FORMAT: u32 = 2;
const HEAD: &str = "head.json";

/// Name of a file of run `sequence`; `part` counts the run's files of the table.
pub fn name(table: Table, sequence: u64, part: u64) -> String {
    format!("{}-{sequence:08}-{part:04}.parquet", table.as_str())
}

/// The tables of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Listings by product; of several rows of one listing that of the latest run counts.
    Listing,
    /// Broadcasts that have begun, by product.
    Airing,
    /// Blocking keys and the products that they find.
    Block,
    /// How many titles have a word or a common blocking key.
    Word,
    /// What listings teach of brands, synonyms and words that come and go.
    Lesson,
    /// Products that turned out to be one.
    Merge,
    /// Listings that corrections brought to another product.
    Move,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 7] =
        [Self::Listing, Self::Airing, Self::Block, Self::Word, Self::Lesson, Self::Merge, Self::Move];

    /// Its name, with which its files begin.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Airing => "airing",
            Self::Block => "block",
            Self::Word => "word",
            Self::Lesson => "lesson",
            Self::Merge => "merge",
            Self::Move => "move",
        }
    }
}

/// One file of a ledger; it never changes once it is named in a head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its table.
    pub table: Table,
    /// Its name in the ledger's folder.
    pub file: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// The smallest key in it, as 16 hex digits.
    pub first: Hex,
    /// The largest key in it.
    pub last: Hex,
    /// XXH3 of its bytes.
    pub checksum: Hex,
}

/// 64 bits, written as 16 hex digits, so that no reader of JSON rounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = (text.len() == 16).then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        parsed.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not 16 hex digits")))
    }
}

/// What one run appended, or a compaction put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Runs are in ascending order of it; files carry it in their names.
    pub sequence: u64,
    /// Its files of the tables `listing`, `airing` and `block`; each table's in ascending order of their keys, which don't overlap.
    pub files: Vec<Entry>,
}

/// Counted words and lessons. Those in force weigh titles; the rest waits until it is a tenth of them, so that the answers of a day do
/// not depend on what else is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Titles that were counted.
    pub titles: u64,
    /// Files of the tables `word` and `lesson`; their counts add up.
    pub files: Vec<Entry>,
}

/// The head of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`FORMAT`].
    pub format: u32,
    /// Counts the heads of this ledger.
    pub version: u64,
    /// When it was written, RFC 3339 in +09:00.
    pub written_at: String,
    /// The sequence of the next run.
    pub next_sequence: u64,
    /// Products, merged ones not counted.
    pub products: u64,
    /// Start of the first broadcast of each shop in the records, in milliseconds UTC.
    pub shops: BTreeMap<String, i64>,
    /// The Korean days on which each shop has a broadcast in the records, as first and last days of stretches; missing in heads of
    /// versions that only kept the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<String, Vec<[i64; 2]>>,
    /// The runs.
    pub runs: Vec<Run>,
    /// Statistics that titles are read and weighed by.
    pub in_force: Counted,
    /// Statistics that are not in force yet.
    pub pending: Counted,
    /// Files of the tables `merge` and `move`, the earliest run's first: what a later one says of a product or a listing counts.
    pub merges: Vec<Entry>,
}

impl Head {
    /// The head of a ledger without anything in it.
    pub fn empty() -> Self {
        Self {
            format: FORMAT,
            version: 0,
            written_at: UnixMillis(0).to_kst_rfc3339(),
            next_sequence: 1,
            products: 0,
            shops: BTreeMap::new(),
            days: BTreeMap::new(),
            runs: Vec::new(),
            in_force: Counted::default(),
            pending: Counted::default(),
            merges: Vec::new(),
        }
    }

    /// Reads the head of the ledger in `folder`; that of an empty one where there is none.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Head`] or [`Error::Format`].
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(HEAD);
        let text = match read_bytes(&path, SETTINGS_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::of_no_head(folder),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let head: Self = serde_json::from_slice(&text).map_err(|source| {
            match serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|value| value["format"].as_u64()) {
                Some(found) if found != u64::from(FORMAT) => Error::Format { path: path.clone(), found },
                _ => Error::Head { path: path.clone(), source },
            }
        })?;
        if head.format != FORMAT {
            return Err(Error::Format { path, found: head.format.into() });
        }
        Ok(head)
    }

    /// A folder with a ledger's files but no head has lost it; one without either is an empty ledger.
    fn of_no_head(folder: &Path) -> Result<Self, Error> {
        // A first run that died before it wrote a head leaves files of number 1.
        let file = folder.join(name(Table::Listing, 2, 0));
        if file.exists() { Err(Error::NoHead { folder: folder.to_path_buf(), file }) } else { Ok(Self::empty()) }
    }

    /// Puts this head in the place of the one before: all of it or, where it fails or the machine dies, nothing.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(HEAD);
        let failed = |source| Error::Write { path: path.clone(), source };
        let mut text = serde_json::to_vec_pretty(self).map_err(|source| failed(source.into()))?;
        text.push(b'\n');
        replace(&path, &text, Access::Everybody).map_err(failed)
    }

    /// Every file that the head names.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        let runs = self.runs.iter().flat_map(|run| &run.files);
        runs.chain(&self.in_force.files).chain(&self.pending.files).chain(&self.merges)
    }

    /// The files of one table of the runs, the earliest run first, each with its run's sequence.
    pub fn of_table(&self, table: Table) -> impl Iterator<Item = (u64, &Entry)> {
        let all = self.runs.iter().flat_map(|run| run.files.iter().map(|entry| (run.sequence, entry)));
        all.filter(move |(_, entry)| entry.table == table)
    }

    /// Notes a broadcast on record.
    pub(crate) fn note(&mut self, shop: &str, starts_at: UnixMillis) {
        let since = self.shops.entry(shop.to_owned()).or_insert(starts_at.0);
        *since = starts_at.0.min(*since);
        cover(self.days.entry(shop.to_owned()).or_default(), starts_at.kst_day());
    }

    /// Notes in `reach` the days that are on record. Of a shop that a version before this one wrote only its first broadcast is known, and
    /// all days since are taken for recorded.
    pub(crate) fn note_reach(&self, reach: &mut Reach) {
        let written = UnixMillis::parse_rfc3339(&self.written_at).unwrap_or(UnixMillis(0));
        for (shop, &since) in &self.shops {
            let whole = [[UnixMillis(since).kst_day(), written.kst_day()]];
            for &[first, last] in self.days.get(shop).map_or(&whole[..], Vec::as_slice) {
                (first..=last).for_each(|day| reach.note_day(shop, day));
            }
        }
    }
}

/// Adds a day to stretches of days, which stay ascending and apart.
fn cover(stretches: &mut Vec<[i64; 2]>, day: i64) {
    let at = stretches.partition_point(|&[_, last]| last + 1 < day);
    match stretches.get_mut(at) {
        Some([first, last]) if *first - 1 <= day => {
            *first = day.min(*first);
            *last = day.max(*last);
        }
        _ => stretches.insert(at, [day, day]),
    }
    if let (Some(&[_, last]), Some(&[next, end])) = (stretches.get(at), stretches.get(at + 1))
        && last + 1 >= next
    {
        if let Some(stretch) = stretches.get_mut(at) {
            stretch[1] = end.max(last);
        }
        stretches.remove(at + 1);
    }
}

/// The path of a file that a head names; a name that leads elsewhere is refused.
pub(crate) fn path_of(folder: &Path, entry: &Entry) -> Result<PathBuf, Error> {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '.');
    if entry.file.is_empty() || entry.file.starts_with('.') || !entry.file.chars().all(plain) {
        return Err(Error::Foreign { folder: folder.to_path_buf(), file: entry.file.clone() });
    }
    Ok(folder.join(&entry.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_as_stretches_whatever_their_order() {
        for days in [[1, 2, 3, 5, 9, 4], [9, 5, 4, 3, 2, 1], [3, 9, 1, 5, 2, 4]] {
            let mut stretches = Vec::new();
            for day in days.into_iter().chain(days) {
                cover(&mut stretches, day);
            }
            assert_eq!(stretches, [[1, 5], [9, 9]], "{days:?}");
        }
    }

    #[test]
    fn a_head_of_a_version_before_covers_all_days_since_its_first() {
        let mut head = Head { written_at: "2026-11-22T12:00:00+09:00".to_owned(), ..Head::empty() };
        let at = |text: &str| UnixMillis::parse_rfc3339(text).unwrap();
        head.shops.insert("가".to_owned(), at("2026-11-01T10:00:00+09:00").0);
        head.note("나", at("2026-11-01T10:00:00+09:00"));
        head.note("나", at("2026-11-20T10:00:00+09:00"));
        let mut reach = Reach::default();
        head.note_reach(&mut reach);
        let now = at("2026-11-22T12:00:00+09:00");
        assert_eq!((reach.shop_days("가", now), reach.shop_days("나", now)), (21, 2));
    }
}
