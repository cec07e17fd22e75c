//! The AI lab's files in Parquet: vectors of users and products in the lab's own space, or ready
//! lists by user. `docs/taste.md` specifies the columns. Our own tastes still serve users and
//! products that the lab's files lack.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use sinsang_core::pack::board::product_id;
use sinsang_tables::Error as InputError;
use sinsang_tables::value::clean;
use sinsang_taste::{DIMS, Foreign, Refused};

use crate::learn::taste::{HOUR_BUCKETS, UserTaste, Vocabulary};
use crate::read::forgotten::Whose;
use crate::read::rules::{LabRules, On};
use crate::read::source::DEFAULT_PAGE_BYTES;

mod report;

pub use report::{FileReport, Report};

/// Rows decoded at a time, each of up to [`MOST_WIDTH`] numbers.
const BATCH_ROWS: usize = 1_024;
/// The most numbers in a vector or list.
const MOST_WIDTH: usize = 4_096;

/// Why the lab's files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is not a complete Parquet file, or would take too much memory.
    #[error(transparent)]
    File(InputError),
    /// A file's Parquet structure is invalid.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The decoder's error.
        source: ParquetError,
    },
    /// A batch can't be read.
    #[error("{}, after row {row}: {source}", path.display())]
    Batch {
        /// The file.
        path: PathBuf,
        /// The last row read, from 1.
        row: usize,
        /// The decoder's error.
        source: ArrowError,
    },
    /// A column is missing or of another type.
    #[error("{}: column {column} {what}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
        /// The problem, as the rest of the sentence.
        what: String,
    },
    /// Vectors of users and products differ in width.
    #[error(
        "{}: user vectors have {users} numbers, product vectors {products}: provide both files from one training",
        path.display()
    )]
    Widths {
        /// The users' file.
        path: PathBuf,
        /// Numbers in a user's vector.
        users: usize,
        /// Numbers in a product's vector.
        products: usize,
    },
    /// The vectors can't be served.
    #[error("{}: {source}", path.display())]
    Refused {
        /// The products' file.
        path: PathBuf,
        /// The reason.
        source: Refused,
    },
}

/// The lab's vectors and lists for the products of one board.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    /// Vectors of the board's products.
    pub products: BTreeMap<u64, [i8; DIMS]>,
    /// Vectors of users, by name.
    pub users: BTreeMap<String, [i8; DIMS]>,
    /// Products of the board by user, best first.
    pub lists: BTreeMap<String, Vec<u64>>,
    /// Bits of the surfaces on which the vectors are used.
    pub surfaces: u8,
    /// Counts of rows read and users covered.
    pub report: Report,
    /// Users of the lab's files who have a taste of ours.
    ours: BTreeSet<String>,
}

impl Lab {
    /// Reads the files that `rules` name, relative to `folder`. `board` holds the products that
    /// surfaces choose from. Users are named by their keys under the hasher; forgotten users are
    /// skipped.
    ///
    /// # Errors
    /// An [`Error`] that names the file, and the column or row.
    pub fn read(
        rules: &LabRules,
        folder: &Path,
        board: &BTreeSet<u64>,
        whose: Whose<'_>,
    ) -> Result<Option<Self>, Error> {
        let mut lab = Self { surfaces: rules.on.iter().fold(0, |bits, on| bits | On::bit(*on)), ..Self::default() };
        lab.report.board.1 = board.len();
        if let Some((users, products)) = rules.users.as_ref().zip(rules.products.as_ref()) {
            lab.read_vectors(&folder.join(users), &folder.join(products), board, whose)?;
        }
        if let Some(lists) = &rules.lists {
            lab.read_lists(&folder.join(lists), rules.listed, board, whose)?;
        }
        let report = &lab.report;
        Ok((report.users.is_some() || report.lists.is_some()).then_some(lab))
    }

    /// Length of the longest list.
    pub fn longest(&self) -> usize {
        self.lists.values().map(Vec::len).max().unwrap_or(0)
    }

    /// Adds the lab's vector and list to the taste of one of our users.
    pub fn join(&mut self, user: &mut UserTaste) {
        let (covered, all) = &mut self.report.covered_users;
        *all += 1;
        if self.users.contains_key(&user.user_id) || self.lists.contains_key(&user.user_id) {
            *covered += 1;
            self.ours.insert(user.user_id.clone());
        }
        self.complete(user);
    }

    /// The users in the lab's files only. Call it after all of ours were [joined](Self::join).
    pub fn others(&self, vocabulary: &Vocabulary) -> Vec<UserTaste> {
        let theirs: BTreeSet<&String> = self.users.keys().chain(self.lists.keys()).collect();
        let taste = |user: &String| {
            let mut taste = UserTaste {
                user_id: user.clone(),
                vector: [0; DIMS],
                second: Vec::new(),
                channels: vec![0; vocabulary.channels.len()],
                hours: [0; HOUR_BUCKETS],
                tabs: vec![0; vocabulary.tabs.len()],
                notes: Vec::new(),
                near: Vec::new(),
            };
            self.complete(&mut taste);
            taste
        };
        theirs.into_iter().filter(|user| !self.ours.contains(*user)).map(taste).collect()
    }

    fn complete(&self, user: &mut UserTaste) {
        if let Some(vector) = self.users.get(&user.user_id) {
            user.second = vector.to_vec();
        }
        if self.report.lists.is_some() {
            user.near.clear();
        }
        if let Some(list) = self.lists.get(&user.user_id) {
            // The head of the list weighs most. Impressions without a click carry no information
            // beside it.
            user.notes = list.iter().zip((1..=31).rev()).map(|(product, steps)| (*product, steps)).collect();
        }
    }

    fn read_vectors(
        &mut self,
        users: &Path,
        products: &Path,
        board: &BTreeSet<u64>,
        whose: Whose<'_>,
    ) -> Result<(), Error> {
        let mut width = None;
        let mut report = FileReport::default();
        let mut of_board: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        let mut other = 0;
        read_vectors(products, "product_id", &mut report, &mut width, |id, vector| match product_id(id) {
            None => Err("product_id is not 16 hex digits"),
            Some(id) if !board.contains(&id) => {
                other += 1;
                Ok(())
            }
            Some(id) if of_board.contains_key(&id) => Err("duplicate product_id"),
            Some(id) => {
                of_board.insert(id, vector);
                Ok(())
            }
        })?;
        if other > 0 {
            report.used -= other;
            report.aside.insert("product is not on the board", (other, 0));
        }
        let product_width = width.unwrap_or(0);
        let vectors: Vec<Vec<f64>> = of_board.values().cloned().collect();
        let foreign = Foreign::fit(&vectors).map_err(|source| Error::Refused { path: products.to_owned(), source })?;
        self.products = of_board.iter().map(|(id, vector)| (*id, foreign.product(vector))).collect();
        self.report.products = Some(report);
        self.report.width = product_width;
        self.report.kept = foreign.kept;
        self.report.board.0 = self.products.len();

        let (mut width, mut report) = (None, FileReport::default());
        let known = &mut self.users;
        let mut foreign_width = None;
        read_vectors(users, "user_id", &mut report, &mut width, |id, vector| {
            if vector.len() != product_width {
                foreign_width = Some(vector.len());
                return Err("vector differs in width from the products' vectors");
            }
            let name = named(id, whose)?;
            if known.contains_key(&name) {
                return Err("duplicate user_id");
            }
            known.insert(name, foreign.user(&vector).ok_or("vector scores all products the same")?);
            Ok(())
        })?;
        if let Some(users_width) = foreign_width.filter(|_| report.used == 0) {
            return Err(Error::Widths { path: users.to_owned(), users: users_width, products: product_width });
        }
        self.report.users = Some(report);
        Ok(())
    }

    fn read_lists(&mut self, path: &Path, most: usize, board: &BTreeSet<u64>, whose: Whose<'_>) -> Result<(), Error> {
        let mut report = FileReport::default();
        let mut unknown = 0;
        each_batch(path, ["user_id", "products"], |[ids, lists]| {
            let (ids, lists) = (texts(path, "user_id", ids)?, list_of(path, "products", lists, &DataType::Utf8)?);
            for (at, list) in lists.iter().enumerate() {
                report.rows += 1;
                let user = if ids.is_null(at) { "" } else { ids.value(at) };
                let Some(list) = list.as_ref().filter(|_| !user.is_empty()) else {
                    report.set_aside("user_id or products is missing");
                    continue;
                };
                let list = list.as_string::<i32>();
                let mut chosen = Vec::new();
                for id in list.iter().flatten().filter_map(product_id) {
                    if !board.contains(&id) {
                        unknown += 1;
                    } else if chosen.len() < most && !chosen.contains(&id) {
                        chosen.push(id);
                    }
                }
                let name = match named(user, whose) {
                    Ok(_) if chosen.is_empty() => Err("no product of the list is on the board"),
                    name => name,
                };
                match name.map(|name| self.lists.insert(name, chosen)) {
                    Err(reason) => report.set_aside(reason),
                    Ok(Some(_)) => report.set_aside("duplicate user_id; the later list counts"),
                    Ok(None) => report.used += 1,
                }
            }
            Ok(())
        })?;
        if unknown > 0 {
            report.aside.insert("listed products not on the board", (unknown, 0));
        }
        self.report.lists = Some(report);
        Ok(())
    }
}

/// The name under our keys of the user whom the lab calls `id`.
fn named(id: &str, whose: Whose<'_>) -> Result<String, &'static str> {
    match () {
        () if clean(id).0.is_empty() => Err("user_id is blank"),
        () if whose.is_forgotten(id) => Err("user_id asked to be forgotten"),
        () => Ok(whose.name(id)),
    }
}

/// Passes the user of each row of a lab file to `take`.
///
/// # Errors
/// An [`Error`] if the file can't be read.
pub fn each_user(path: &Path, take: &mut dyn FnMut(&str)) -> Result<(), Error> {
    each_batch(path, ["user_id", "user_id"], |[ids, _]| {
        texts(path, "user_id", ids)?.iter().flatten().for_each(&mut *take);
        Ok(())
    })
}

/// Passes each usable row, a text and a vector, to `take`, which returns the reason to set a row
/// aside.
fn read_vectors(
    path: &Path,
    id: &'static str,
    report: &mut FileReport,
    width: &mut Option<usize>,
    mut take: impl FnMut(&str, Vec<f64>) -> Result<(), &'static str>,
) -> Result<(), Error> {
    each_batch(path, [id, "vector"], |[ids, vectors]| {
        let (ids, vectors) = (texts(path, id, ids)?, list_of(path, "vector", vectors, &DataType::Float64)?);
        for (at, vector) in vectors.iter().enumerate() {
            report.rows += 1;
            let name = if ids.is_null(at) { "" } else { ids.value(at) };
            let outcome = match vector.as_ref() {
                _ if name.is_empty() => Err("id is missing"),
                None => Err("vector is missing"),
                Some(vector) => {
                    usable(vector.as_primitive::<Float64Type>(), width).and_then(|vector| take(name, vector))
                }
            };
            match outcome {
                Ok(()) => report.used += 1,
                Err(reason) => report.set_aside(reason),
            }
        }
        Ok(())
    })
}

/// The numbers of a vector. The file's first usable vector sets its width.
fn usable(vector: &Float64Array, width: &mut Option<usize>) -> Result<Vec<f64>, &'static str> {
    if vector.null_count() > 0 || vector.values().iter().any(|value| !value.is_finite()) {
        return Err("vector has a null or non-finite number");
    }
    if vector.is_empty() || vector.len() > MOST_WIDTH {
        return Err("vector is empty or too wide");
    }
    if vector.values().iter().all(|value| *value == 0.0) {
        return Err("vector is all 0");
    }
    if vector.values().iter().any(|value| value.abs() > 1e12) {
        return Err("vector has a number beyond 1e12");
    }
    if *width.get_or_insert(vector.len()) != vector.len() {
        return Err("vector differs in width from those before");
    }
    Ok(vector.values().to_vec())
}

/// Passes the batches of two columns to `take`.
fn each_batch(
    path: &Path,
    columns: [&'static str; 2],
    mut take: impl FnMut([&ArrayRef; 2]) -> Result<(), Error>,
) -> Result<(), Error> {
    let chosen = |schema: &SchemaRef| {
        let place = |name: &&str| schema.fields().iter().position(|field| field.name() == *name);
        Ok(columns.iter().filter_map(place).collect())
    };
    let builder = sinsang_parquet::open(path, DEFAULT_PAGE_BYTES, chosen).map_err(|error| match error {
        InputError::Open { path, source } => Error::Open { path, source },
        error => Error::File(error),
    })?;
    let rows = builder.metadata().file_metadata().num_rows();
    let values = builder.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    let values = values.map(ColumnChunkMetaData::num_values).max().unwrap_or(0);
    if values > rows.max(1).saturating_mul(i64::try_from(MOST_WIDTH).unwrap_or(i64::MAX)) {
        let what = format!("has {values} values in a row group: lists may have at most {MOST_WIDTH}");
        let [_, column] = columns;
        return Err(Error::Column { path: path.to_owned(), column, what });
    }
    let reader = builder.with_batch_size(BATCH_ROWS).build();
    let reader = reader.map_err(|source| Error::Parquet { path: path.to_owned(), source })?;
    let mut row = 0;
    for batch in reader {
        let batch = batch.map_err(|source| Error::Batch { path: path.to_owned(), row, source })?;
        let column = |name: &'static str| {
            let missing = || Error::Column { path: path.to_owned(), column: name, what: "is missing".to_owned() };
            batch.column_by_name(name).ok_or_else(missing)
        };
        let [first, second] = columns;
        take([column(first)?, column(second)?])?;
        row += batch.num_rows();
    }
    Ok(())
}

fn texts(path: &Path, column: &'static str, array: &ArrayRef) -> Result<StringArray, Error> {
    let is_id = array.data_type().is_string() || array.data_type().is_integer();
    let found =
        || Error::Column { path: path.to_owned(), column, what: format!("is {}, expected text", array.data_type()) };
    let cast = cast(array, &DataType::Utf8).ok().filter(|_| is_id).ok_or_else(found)?;
    Ok(cast.as_string::<i32>().clone())
}

/// The lists of a column, each cast to an array of `of`.
fn list_of(path: &Path, column: &'static str, array: &ArrayRef, of: &DataType) -> Result<Vec<Option<ArrayRef>>, Error> {
    let found = || Error::Column {
        path: path.to_owned(),
        column,
        what: format!("is {}, expected a list or fixed-size list of {of}", array.data_type()),
    };
    let values: Vec<Option<ArrayRef>> = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().iter().collect(),
        DataType::LargeList(_) => array.as_list::<i64>().iter().collect(),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().iter().collect(),
        _ => return Err(found()),
    };
    let inner = |list: ArrayRef| {
        let fits = match of {
            DataType::Utf8 => list.data_type().is_string(),
            _ => list.data_type().is_floating(),
        };
        cast(&list, of).ok().filter(|_| fits).ok_or_else(found)
    };
    values.into_iter().map(|list| list.map(inner).transpose()).collect()
}
