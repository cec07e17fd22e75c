//! Label files: pairs of listings that are one product or two, and listings that were new or had
//! aired.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_run::file::open_regular;

use crate::identity::{Listing, Offer};
use crate::listing::{Features, Lexicon};

/// Why a label file is unusable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be opened or read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: csv::Error,
    },
    /// A column is missing.
    #[error("{}: missing column `{column}`; the header line names the columns, tab-separated (docs/identity.md)", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
    },
    /// No row has a usable label.
    #[error("{}: no usable label; label rows of known listings `same` or `different` (for verdicts, `new` or `repeat`)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Row counts of a label file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Used rows.
    pub used: u32,
    /// Rows labelled `unclear`.
    pub unclear: u32,
    /// Omitted rows: the listing has a twin in the same slot and shares its verdict.
    pub twins: u32,
    /// Rows with a listing that the schedule lacks or has in several shops.
    pub unknown: u32,
    /// Rows with another label, or with a missing column.
    pub rejected: u32,
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} used, {} unclear", self.used, self.unclear)?;
        for (count, what) in [
            (self.twins, "with a twin in the same slot"),
            (self.unknown, "of listings missing from the schedule or in several shops"),
            (self.rejected, "with an unknown label or a missing column"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// A labelled pair: the columns `listing_a`, `listing_b`, `label`, and optionally `class`, `draw`,
/// `weight`, `confidence`.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) listings: [usize; 2],
    pub(crate) same: bool,
    pub(crate) class: String,
    pub(crate) draw: String,
    pub(crate) weight: f64,
    pub(crate) sureness: f64,
}

/// A listing judged by a reader: the columns `listing`, `label`, and optionally `draw`, `note`,
/// `confidence`, `siblings`, `seen`.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) listing: usize,
    pub(crate) is_new: bool,
    pub(crate) draw: String,
    /// It has a twin in the same slot and shares its verdict.
    pub(crate) is_twin: bool,
    pub(crate) sureness: f64,
    /// Earlier listings of the same product, the clearest first.
    pub(crate) siblings: Vec<usize>,
    /// All earlier listings shown to the reader.
    pub(crate) seen: Vec<usize>,
}

/// The listing of each code; `None` for a code used by several shops.
pub(crate) struct Places<'l>(HashMap<&'l str, Option<usize>>);

impl<'l> Places<'l> {
    /// Builds it from listings' shops and codes, in index order.
    pub(crate) fn new(listings: impl Iterator<Item = (&'l str, &'l str)>) -> Self {
        let mut places: HashMap<&str, (Option<usize>, &str)> = HashMap::new();
        for (index, (shop, code)) in listings.enumerate() {
            let first = places.entry(code).or_insert((Some(index), shop));
            if first.1 != shop {
                first.0 = None;
            }
        }
        Self(places.into_iter().map(|(code, (place, _))| (code, place)).collect())
    }

    fn of(&self, code: &str) -> Option<usize> {
        self.0.get(code).copied().flatten()
    }

    /// The listings of space-separated codes, skipping unknown ones.
    fn all(&self, codes: Option<String>) -> Vec<usize> {
        codes.unwrap_or_default().split_whitespace().filter_map(|code| self.of(code)).collect()
    }
}

/// A label's weight by its reader's confidence.
fn sureness(confidence: Option<&str>) -> f64 {
    match confidence {
        Some("high") | None => 1.0,
        Some("low") => 0.4,
        Some(_) => 0.7,
    }
}

/// Calls `each` for every row of a label file with its line number and a lookup of cells by column
/// name; `needed` columns are mandatory.
fn rows(
    path: &Path,
    needed: &[&'static str],
    mut each: impl FnMut(u64, &dyn Fn(&str) -> Option<String>),
) -> Result<(), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = open_regular(path).map_err(|error| failed(error.into()))?;
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').flexible(true).quoting(false).from_reader(file);
    let head = reader.headers().map_err(failed)?.clone();
    if let Some(column) = needed.iter().find(|name| !head.iter().any(|cell| cell.trim() == **name)) {
        return Err(Error::Column { path: path.to_owned(), column });
    }
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(failed)? {
        let line = record.position().map_or(0, csv::Position::line);
        // A row that is not UTF-8 becomes an empty row, which is counted as unusable.
        let row = csv::StringRecord::from_byte_record(record.clone()).unwrap_or_default();
        let cell = |name: &str| {
            let at = head.iter().position(|cell| cell.trim() == name)?;
            row.get(at).map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned)
        };
        each(line, &cell);
    }
    Ok(())
}

fn empty_unless(used: u32, path: &Path) -> Result<(), Error> {
    if used == 0 { Err(Error::Empty { path: path.to_owned() }) } else { Ok(()) }
}

/// Reads a file of labelled pairs.
///
/// # Errors
/// [`enum@Error`] if the file can't be read, lacks a column, or has no usable row. Bad rows are
/// counted.
pub(crate) fn pairs(path: &Path, places: &Places<'_>) -> Result<(Rows, Vec<Pair>), Error> {
    let (mut counts, mut pairs) = (Rows::default(), Vec::new());
    rows(path, &["listing_a", "listing_b", "label"], |_, cell| {
        let (Some(a), Some(b), Some(label)) = (cell("listing_a"), cell("listing_b"), cell("label")) else {
            counts.rejected += 1;
            return;
        };
        let same = match label.as_str() {
            "same" => true,
            "different" => false,
            "unclear" => return counts.unclear += 1,
            _ => return counts.rejected += 1,
        };
        let (Some(a), Some(b)) = (places.of(&a), places.of(&b)) else { return counts.unknown += 1 };
        counts.used += 1;
        let text = |name: &str| cell(name).unwrap_or_else(|| "-".to_owned());
        let weight = cell("weight").and_then(|weight| weight.parse().ok()).filter(|w: &f64| w.is_finite() && *w >= 0.0);
        pairs.push(Pair {
            listings: [a, b],
            same,
            class: text("class"),
            draw: text("draw"),
            weight: weight.unwrap_or(1.0),
            sureness: sureness(cell("confidence").as_deref()),
        });
    })?;
    empty_unless(counts.used, path)?;
    Ok((counts, pairs))
}

/// Reads a file of labelled listings.
///
/// # Errors
/// As [`pairs`].
pub(crate) fn verdicts(path: &Path, places: &Places<'_>) -> Result<(Rows, Vec<Read>), Error> {
    let (mut counts, mut read) = (Rows::default(), Vec::new());
    rows(path, &["listing", "label"], |_, cell| {
        let (Some(code), Some(label)) = (cell("listing"), cell("label")) else {
            counts.rejected += 1;
            return;
        };
        let is_new = match label.as_str() {
            "new" => true,
            "repeat" => false,
            "unclear" => return counts.unclear += 1,
            _ => return counts.rejected += 1,
        };
        let Some(listing) = places.of(&code) else { return counts.unknown += 1 };
        let is_twin = cell("note").is_some_and(|note| note.contains("same-day"));
        counts.used += u32::from(!is_twin);
        counts.twins += u32::from(is_twin);
        read.push(Read {
            listing,
            is_new,
            draw: cell("draw").unwrap_or_else(|| "-".to_owned()),
            is_twin,
            sureness: sureness(cell("confidence").as_deref()),
            siblings: places.all(cell("siblings")),
            seen: places.all(cell("seen")),
        });
    })?;
    empty_unless(counts.used, path)?;
    Ok((counts, read))
}

/// A filter for estimating shares: accepts rows of the draw `random`, or all rows if there are
/// none.
pub(crate) fn drawn_by_lot(read: &[Read]) -> impl Fn(&Read) -> bool + use<> {
    let is_random = |row: &Read| row.draw == "random";
    let any = read.iter().any(is_random);
    move |row| !any || is_random(row)
}

/// A row of a file of title pairs.
#[derive(Clone, Debug)]
pub(crate) struct TitlePair {
    /// The line of the file; the first data row is 2.
    pub(crate) line: u64,
    pub(crate) titles: [String; 2],
    pub(crate) brands: [Option<String>; 2],
    pub(crate) category: Option<String>,
    pub(crate) prices: [Option<u32>; 2],
    pub(crate) codes: [Option<String>; 2],
    pub(crate) shops: [Option<String>; 2],
    pub(crate) same: bool,
    pub(crate) class: String,
}

impl TitlePair {
    /// Parses its titles, each with its offer.
    pub(crate) fn read(&self, lexicon: &Lexicon<'_>) -> [(Features, Offer<'static>); 2] {
        [0, 1].map(|side| {
            let brand = self.brands.get(side).and_then(Option::as_deref);
            let title = self.titles.get(side).map_or("", String::as_str);
            let price = self.prices.get(side).copied().flatten();
            (Features::read(title, brand, self.category.as_deref(), lexicon), Offer { price, ..Offer::default() })
        })
    }
}

/// Turns title pairs into the listings of one history: a pair's listings are adjacent, and all
/// first ones aired before the second ones.
pub(crate) fn as_history(pairs: &[TitlePair]) -> Vec<Listing> {
    let days = i64::try_from(pairs.len()).unwrap_or(0);
    let of = |(day, pair): (i64, &TitlePair)| {
        [(0_usize, day), (1, day + days)].map(|(side, day)| {
            let cell = |cells: &[Option<String>; 2]| cells.get(side).cloned().flatten();
            let at = UnixMillis(day * DAY_MS);
            Listing {
                shop: cell(&pair.shops).unwrap_or_else(|| side.to_string()),
                listing_id: format!("{}-{side}", pair.line),
                titles: pair.titles.get(side).cloned().into_iter().collect(),
                brand: cell(&pair.brands),
                category: pair.category.clone(),
                price: pair.prices.get(side).copied().flatten(),
                image: None,
                review_count: None,
                first_at: at,
                last_at: at,
                airings: 1,
            }
        })
    };
    (0_i64..).zip(pairs).flat_map(of).collect()
}

/// Reads a file of title pairs: the columns `title_a`, `title_b`, `label`, and optionally
/// `price_a`, `price_b`, `brand` (` / ` between two), `category`, `class`, `listing_id_a`,
/// `listing_id_b`, `shop_a`, `shop_b`.
///
/// # Errors
/// As [`pairs`].
pub(crate) fn titles(path: &Path) -> Result<(Rows, Vec<TitlePair>), Error> {
    let (mut counts, mut pairs) = (Rows::default(), Vec::new());
    rows(path, &["title_a", "title_b", "label"], |line, cell| {
        let (Some(a), Some(b)) = (cell("title_a"), cell("title_b")) else { return counts.rejected += 1 };
        let same = match cell("label").as_deref() {
            Some("same") => true,
            Some("different") => false,
            Some("unclear") => return counts.unclear += 1,
            _ => return counts.rejected += 1,
        };
        let brands = cell("brand").map_or([None, None], |brand| {
            let (a, b) = brand.split_once(" / ").unwrap_or((&brand, &brand));
            [a, b].map(|name| Some(name.trim().to_owned()).filter(|name| !name.is_empty()))
        });
        counts.used += 1;
        pairs.push(TitlePair {
            line,
            titles: [a, b],
            brands,
            category: cell("category"),
            prices: ["price_a", "price_b"].map(|name| cell(name).and_then(|price| price.replace(',', "").parse().ok())),
            codes: ["listing_id_a", "listing_id_b"].map(cell),
            shops: ["shop_a", "shop_b"].map(cell),
            same,
            class: cell("class").unwrap_or_else(|| "-".to_owned()),
        });
    })?;
    empty_unless(counts.used, path)?;
    Ok((counts, pairs))
}
