//! The ledger's head: the small file that lists the ledger's files, replaced atomically.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use strum::VariantArray as _;

use serde::{Deserialize, Serialize};
use sinsang_core::time::UnixMillis;
use sinsang_identity::verdict::Reach;
use sinsang_run::file::{SETTINGS_BYTES, read_bytes};
use sinsang_run::replace::{Access, replace};

use super::Error;

/// The format that this version reads and writes: the tables' layout, and the construction of
/// blocking keys.
pub const FORMAT: u32 = 2;
const HEAD: &str = "head.json";

/// The name of a file of run `sequence`; `part` numbers the run's files of the table.
pub fn name(table: Table, sequence: u64, part: u64) -> String {
    format!("{}-{sequence:08}-{part:04}.parquet", table.as_str())
}

/// The tables of a ledger.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Table {
    /// Listings by product; the latest run's row of a listing counts.
    Listing,
    /// Past and current broadcasts, by product.
    Airing,
    /// Blocking keys and their products.
    Block,
    /// Number of titles with a word or a common blocking key.
    Word,
    /// Evidence from listings about brands, synonyms, and words that come and go.
    Lesson,
    /// Products merged into another.
    Merge,
    /// Listings that corrections moved to another product.
    Move,
}

impl Table {
    /// Every table.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The table's name, the prefix of its files.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One file of a ledger; immutable once a head lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The file's table.
    pub table: Table,
    /// The file's name in the ledger's folder.
    pub file: String,
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// The smallest key, as 16 hex digits.
    pub first: Hex,
    /// The largest key, as 16 hex digits.
    pub last: Hex,
    /// XXH3 of the file's bytes.
    pub checksum: Hex,
}

/// 64 bits, written as 16 hex digits, so that JSON readers can't round them.
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

/// The files of one run or compaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The run's number; runs ascend by it, and files carry it in their names.
    pub sequence: u64,
    /// Files of the tables `listing`, `airing` and `block`; each table's files ascend by key
    /// without overlap.
    pub files: Vec<Entry>,
}

/// Counts of words and lessons. Those in force weigh titles. New ones stay pending until they are a
/// tenth of those, so that a day's answers do not depend on the rest of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Titles counted.
    pub titles: u64,
    /// Files of the tables `word` and `lesson`; their counts are summed.
    pub files: Vec<Entry>,
}

/// The head of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The format, [`FORMAT`].
    pub format: u32,
    /// The number of this head, counted from the ledger's first.
    pub version: u64,
    /// The time of writing, RFC 3339 in +09:00.
    pub written_at: String,
    /// The sequence of the next run.
    pub next_sequence: u64,
    /// Products, without merged ones.
    pub products: u64,
    /// Start of each shop's first recorded broadcast, in milliseconds UTC.
    pub shops: BTreeMap<String, i64>,
    /// Korean days with a recorded broadcast by shop, as first and last days of stretches; missing
    /// in heads of versions that stored only the first broadcast.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<String, Vec<[i64; 2]>>,
    /// The runs, by sequence.
    pub runs: Vec<Run>,
    /// Statistics that titles are read and weighed by.
    pub in_force: Counted,
    /// Statistics not yet in force.
    pub pending: Counted,
    /// Files of the tables `merge` and `move`, earliest run first; a later row about a product or
    /// listing replaces an earlier one.
    pub merges: Vec<Entry>,
}

impl Head {
    /// The head of an empty ledger.
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

    /// Reads the head of the ledger in `folder`; without a head the ledger is empty.
    ///
    /// # Errors
    /// [`Error::Read`] if the head is unreadable, [`Error::Head`] if it is invalid,
    /// [`Error::Format`] if another version wrote it, [`Error::NoHead`] if it is missing beside a
    /// ledger's files.
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

    /// A folder with ledger files but no head has lost its head; a folder without either is an
    /// empty ledger.
    fn of_no_head(folder: &Path) -> Result<Self, Error> {
        // A first run that failed before writing a head leaves files of number 1.
        let file = folder.join(name(Table::Listing, 2, 0));
        if file.exists() { Err(Error::NoHead { folder: folder.to_path_buf(), file }) } else { Ok(Self::empty()) }
    }

    /// Replaces the previous head atomically: a failure or a crash leaves that one in place.
    ///
    /// # Errors
    /// [`Error::Write`] if the head can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(HEAD);
        let failed = |source| Error::Write { path: path.clone(), source };
        let mut text = serde_json::to_vec_pretty(self).map_err(|source| failed(source.into()))?;
        text.push(b'\n');
        replace(&path, &text, Access::Everybody).map_err(failed)
    }

    /// Every file that the head lists.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        let runs = self.runs.iter().flat_map(|run| &run.files);
        runs.chain(&self.in_force.files).chain(&self.pending.files).chain(&self.merges)
    }

    /// The files of one table in all runs, earliest run first, each with its run's sequence.
    pub fn of_table(&self, table: Table) -> impl Iterator<Item = (u64, &Entry)> {
        let all = self.runs.iter().flat_map(|run| run.files.iter().map(|entry| (run.sequence, entry)));
        all.filter(move |(_, entry)| entry.table == table)
    }

    /// Records a broadcast.
    pub(crate) fn note(&mut self, shop: &str, starts_at: UnixMillis) {
        let since = self.shops.entry(shop.to_owned()).or_insert(starts_at.0);
        *since = starts_at.0.min(*since);
        cover(self.days.entry(shop.to_owned()).or_default(), starts_at.kst_day());
    }

    /// Adds the recorded days to `reach`. For a shop from an older version only the first broadcast
    /// is known; all days since count as recorded.
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

/// Adds a day to stretches of days, which stay ascending and separate.
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

/// The path of a file that the head lists; names that lead elsewhere are rejected.
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
