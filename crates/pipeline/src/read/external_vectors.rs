//! What the AI lab hands in, as Parquet: vectors of users and products in a space of its own, or ready lists by user. `docs/taste.md` tells
//! the columns. Our own tastes stay beside them, for whoever is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use serde::Serialize;
use sinsang_tables::Error as InputError;
use sinsang_tables::value::clean;
use sinsang_taste::{DIMS, Foreign, Refused};

use crate::learn::taste::{HOUR_BUCKETS, UserTaste, Vocabulary};
use crate::read::forgotten::Whose;
use crate::read::rules::{LabRules, On};
use crate::read::source::DEFAULT_PAGE_BYTES;

/// Rows decoded at once, each of up to [`MOST_WIDTH`] numbers.
const BATCH_ROWS: usize = 1_024;
/// The widest vectors.
const MOST_WIDTH: usize = 4_096;

/// Why nothing of the lab's can be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no whole Parquet file, or would take too much memory.
    #[error(transparent)]
    File(InputError),
    /// A file can't be taken apart.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ParquetError,
    },
    /// A batch can't be read.
    #[error("{}, after row {row}: {source}", path.display())]
    Batch {
        /// The file.
        path: PathBuf,
        /// The row before it, from 1.
        row: usize,
        /// What is wrong.
        source: ArrowError,
    },
    /// A column is missing or of another type.
    #[error("{}: column {column} {what}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Vectors of users and products don't belong together.
    #[error(
        "{}: vectors of users have {users} numbers, those of products {products}: hand in both from one training",
        path.display()
    )]
    Widths {
        /// The users' file.
        path: PathBuf,
        /// Their width.
        users: usize,
        /// The products' width.
        products: usize,
    },
    /// The vectors can't be served.
    #[error("{}: {source}", path.display())]
    Refused {
        /// The products' file.
        path: PathBuf,
        /// Why.
        source: Refused,
    },
}

/// What one file brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Rows of it.
    pub rows: usize,
    /// Rows that are used.
    pub used: usize,
    /// Rows set aside, by reason, with the first row of each, from 1.
    pub aside: BTreeMap<&'static str, (usize, usize)>,
}

impl FileReport {
    fn set_aside(&mut self, reason: &'static str) {
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

/// What the lab handed in, and how far it reaches.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Numbers of a vector.
    pub width: usize,
    /// The share of the products' squares that 64 dimensions keep.
    pub kept: f64,
    /// The file of users.
    pub users: Option<FileReport>,
    /// The file of products.
    pub products: Option<FileReport>,
    /// The file of lists.
    pub lists: Option<FileReport>,
    /// Products of the board that have a vector, and all of it.
    pub board: (usize, usize),
    /// Of our users with tastes, those with a vector or a list of the lab's, and all of them.
    pub covered_users: (usize, usize),
}

impl fmt::Display for Report {
    #[expect(clippy::cast_precision_loss, reason = "counts for a percentage")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |(some, all): (usize, usize)| if all == 0 { 0.0 } else { some as f64 * 100.0 / all as f64 };
        writeln!(
            f,
            "from the lab: {:.1} % of {} products of the board, {:.1} % of {} users; the rest is ours",
            share(self.board),
            self.board.1,
            share(self.covered_users),
            self.covered_users.1
        )?;
        if self.products.is_some() {
            writeln!(
                f,
                "  vectors of {} numbers, {:.1} % of their squares kept in {DIMS}",
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

/// What is taken from the lab.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    /// Vectors of products of the board.
    pub products: BTreeMap<u64, [i8; DIMS]>,
    /// Vectors of users.
    pub users: BTreeMap<String, [i8; DIMS]>,
    /// Products of the board by user, the best first.
    pub lists: BTreeMap<String, Vec<u64>>,
    /// Bits of the surfaces that vectors are for.
    pub surfaces: u8,
    /// What came of the files.
    pub report: Report,
    /// Those of its users who have a taste of ours.
    ours: BTreeSet<String>,
}

impl Lab {
    /// Reads what `rules` name, as seen from `folder`. `board` are the products that surfaces choose from. Users are named by their keys
    /// under the hasher from here on, and those who asked to be forgotten are left out.
    ///
    /// # Errors
    /// An [`Error`] that names the file and the column or row.
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

    /// The longest list.
    pub fn longest(&self) -> usize {
        self.lists.values().map(Vec::len).max().unwrap_or(0)
    }

    /// Adds what was handed in to one of our users' tastes.
    pub fn join(&mut self, user: &mut UserTaste) {
        let (covered, all) = &mut self.report.covered_users;
        *all += 1;
        if self.users.contains_key(&user.user_id) || self.lists.contains_key(&user.user_id) {
            *covered += 1;
            self.ours.insert(user.user_id.clone());
        }
        self.complete(user);
    }

    /// The users who are in a file of the lab's alone, once all of ours were [joined](Self::join).
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
            // The first of the list weighs most. What was passed over says nothing beside it.
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
            None => Err("product_id is no id of 16 hex digits"),
            Some(id) if !board.contains(&id) => {
                other += 1;
                Ok(())
            }
            Some(id) if of_board.contains_key(&id) => Err("product_id came before"),
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
                return Err("vector has another width than those of products");
            }
            let name = named(id, whose)?;
            if known.contains_key(&name) {
                return Err("user_id came before");
            }
            known.insert(name, foreign.user(&vector).ok_or("vector tells no product from another")?);
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
                    Ok(Some(_)) => report.set_aside("user_id came before; the later list counts"),
                    Ok(None) => report.used += 1,
                }
            }
            Ok(())
        })?;
        if unknown > 0 {
            report.aside.insert("listed products that are not on the board", (unknown, 0));
        }
        self.report.lists = Some(report);
        Ok(())
    }
}

/// The name of the user whom the lab calls `id`.
fn named(id: &str, whose: Whose<'_>) -> Result<String, &'static str> {
    match () {
        () if clean(id).0.is_empty() => Err("user_id is blank"),
        () if whose.is_forgotten(id) => Err("user_id asked to be forgotten"),
        () => Ok(whose.name(id)),
    }
}

/// Hands over the user of each row of a file of the lab's.
///
/// # Errors
/// Where the file can't be read.
pub fn each_user(path: &Path, take: &mut dyn FnMut(&str)) -> Result<(), Error> {
    each_batch(path, ["user_id", "user_id"], |[ids, _]| {
        texts(path, "user_id", ids)?.iter().flatten().for_each(&mut *take);
        Ok(())
    })
}

fn product_id(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Hands over each row with a text and a vector that can be used; `take` says what is wrong with one that can't.
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

/// The numbers of a vector; the first that can be used sets the file's width.
fn usable(vector: &Float64Array, width: &mut Option<usize>) -> Result<Vec<f64>, &'static str> {
    if vector.null_count() > 0 || vector.values().iter().any(|value| !value.is_finite()) {
        return Err("vector has a number that is none");
    }
    if vector.is_empty() || vector.len() > MOST_WIDTH {
        return Err("vector is empty or too wide");
    }
    if vector.values().iter().all(|value| *value == 0.0) {
        return Err("vector is all 0");
    }
    if vector.values().iter().any(|value| value.abs() > 1e12) {
        return Err("vector is too long");
    }
    if *width.get_or_insert(vector.len()) != vector.len() {
        return Err("vector has another width than those before");
    }
    Ok(vector.values().to_vec())
}

/// Hands over the batches of two columns.
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
        let what = format!("has {values} values in a row group, and lists of at most {MOST_WIDTH} are read");
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

/// The lists of a column, each cast to arrays of `of`.
fn list_of(path: &Path, column: &'static str, array: &ArrayRef, of: &DataType) -> Result<Vec<Option<ArrayRef>>, Error> {
    let found = || Error::Column {
        path: path.to_owned(),
        column,
        what: format!("is {}, expected a list or a list of fixed size of {of}", array.data_type()),
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
