//! The columns of a table: names, shapes, and their places in a file.

use unicode_normalization::UnicodeNormalization as _;

use crate::Error;
use crate::excerpt::excerpt;
use crate::file::SourceFile;
use crate::value::clean;

/// The largest number of columns in a table.
pub const MAX_COLUMNS: usize = 15;

/// A column of an input table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in `docs/input.md`.
    pub name: &'static str,
    /// Other accepted names, as folded by [`fold`]; the first one that a file has is used.
    pub also: &'static [&'static str],
    /// The shape of its values.
    pub shape: Shape,
    /// Whether a file must have it.
    pub required: bool,
    /// The column to use instead if a file or a row lacks this one.
    pub or: Option<&'static str>,
}

/// The place of `name` among a table's `columns`; 0 if it is not one of them.
pub(crate) fn place_of(columns: &[Column], name: &str) -> usize {
    columns.iter().position(|column| column.name == name).unwrap_or(0)
}

/// The shape of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A text that may be written as an integer.
    Id,
    /// A count or an amount.
    Number,
    /// A time.
    Time,
    /// True or false.
    Flag,
}

impl Shape {
    /// The accepted Parquet types, for an error message.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Id => "text or numbers",
            Self::Number => "numbers or text",
            Self::Time => "timestamps, dates, numbers or text",
            Self::Flag => "booleans, 0 and 1, or text",
        }
    }
}

impl Column {
    /// How well `name` matches the column: 0 for its own name, 1 for the same name folded, then its
    /// other names in order; `None` for another column's name.
    pub fn rank(&self, name: &str) -> Option<usize> {
        if name.eq_ignore_ascii_case(self.name) {
            return Some(0);
        }
        let folded = fold(name);
        if folded == fold(self.name) {
            return Some(1);
        }
        self.also.iter().position(|also| *also == folded).map(|place| place + 2)
    }
}

/// A name without case, spaces and punctuation: `Start Time`, `start_time` and `startTime` become
/// `starttime`.
pub fn fold(name: &str) -> String {
    name.nfc().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The places of a table's columns among those of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMap {
    /// The place of each column.
    pub places: Vec<Option<usize>>,
    /// Columns that have another name in the file, with that name.
    pub renamed: Vec<(&'static str, String)>,
}

impl ColumnMap {
    /// Finds `columns` among the names `found` in `file`, or among its partition folders' names.
    ///
    /// # Errors
    /// [`Error::MissingColumns`] if a required column is missing; [`Error::ColumnTwice`] if two
    /// columns of the file match one.
    pub fn new(file: &SourceFile, columns: &'static [Column], found: &[String]) -> Result<Self, Error> {
        let path = file.path.as_path();
        let constants = file.constants(columns);
        let mut map = Self { places: Vec::with_capacity(columns.len()), renamed: Vec::new() };
        let mut missing = Vec::new();
        for column in columns {
            let mut ranked: Vec<(usize, usize)> = Vec::new();
            for (place, name) in found.iter().enumerate() {
                ranked.extend(column.rank(name.trim()).map(|rank| (rank, place)));
            }
            ranked.sort_unstable();
            if let [(a, _), (b, _), ..] = ranked.as_slice()
                && a == b
            {
                return Err(Error::ColumnTwice { path: path.to_path_buf(), column: column.name });
            }
            let best = ranked.first().copied();
            if let Some((1.., place)) = best {
                map.renamed.extend(found.get(place).map(|name| (column.name, name.trim().to_owned())));
            }
            map.places.push(best.map(|(_, place)| place));
        }
        for (column, name) in &constants.renamed {
            let place = columns.iter().position(|one| one.name == *column);
            if place.and_then(|place| map.places.get(place)).is_some_and(Option::is_none) {
                map.renamed.push((*column, (*name).to_owned()));
            }
        }
        let has = |name: &str| {
            let is_there = |(index, place): (usize, &Option<usize>)| {
                columns.get(index).is_some_and(|column| column.name == name)
                    && (place.is_some() || constants.has(index))
            };
            map.places.iter().enumerate().any(is_there)
        };
        for column in columns.iter().filter(|column| column.required) {
            if !has(column.name) && !column.or.is_some_and(has) {
                missing.push(column.name.to_owned());
            }
        }
        if missing.is_empty() {
            Ok(map)
        } else {
            let found = found.iter().map(|name| shown(name)).collect();
            Err(Error::MissingColumns { path: path.to_path_buf(), missing, found })
        }
    }
}

/// A file's name for a column, on one line and shortened for reports.
pub(crate) fn shown(name: &str) -> String {
    excerpt(&clean(name).0)
}
