//! The rows of a table on their way in: checked, counted, handed on or set aside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::time::UnixMillis;

use crate::check::{Fields, Refusal, Repair, Table};
use crate::column::shown;
use crate::doctor::finding::Finding;
use crate::reject::{Limit, Reason, ReasonCount, Reject, RejectsFile, Tally};
use crate::value::{Value, Zone};
use crate::zones::Zones;
use crate::{Error, MAX_COLUMNS, TooManyRejects};

/// Reasons that an error about too many rejects names.
const NAMED_REASONS: usize = 3;
/// Rows of the operator's own, beside those of the public, of which a share says nothing.
const FEW_ROWS: u64 = 50;
/// Shops whose damaged rows are counted apart.
pub const NAMED_SHOPS: usize = 200;

/// How often a field was put right in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairCount {
    /// The field.
    pub field: &'static str,
    /// What was done.
    pub repair: Repair,
    /// Rows.
    pub rows: u64,
}

/// A column that a file has under another name than `docs/input.md` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// The column.
    pub column: &'static str,
    /// Its name in the file.
    pub from: String,
}

/// What became of a table's rows.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: &'static str,
    /// Files read.
    pub files: usize,
    /// Rows read.
    pub rows: u64,
    /// Rows that can be used.
    pub kept: u64,
    /// Columns that went by another name.
    pub renamed: Vec<Renamed>,
    /// Rows that can't, by field and reason, the most frequent first.
    pub set_aside: Vec<ReasonCount>,
    /// Rows that the public sent and that are damaged: they count for no limit.
    pub public_faults: u64,
    /// Rows of the operator's own that are damaged, by the shop, or else the channel, that they name; "" where they name none or can't be taken apart. Past
    /// [`NAMED_SHOPS`] of them, those of further names are among those without.
    pub set_aside_by_shop: BTreeMap<String, u64>,
    /// Repairs to the kept rows by field.
    pub repaired: Vec<RepairCount>,
    /// Where the rows set aside are, if any were written.
    pub rejects: Option<PathBuf>,
    /// What looks wrong with the table as a whole, of what is looked at beside reading it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Finding>,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        write!(f, "{}: {} rows in {} {files}, {} kept", self.table, self.rows, self.files, self.kept)?;
        if !self.renamed.is_empty() {
            let names: Vec<String> =
                self.renamed.iter().map(|name| format!("{} from \"{}\"", name.column, name.from)).collect();
            write!(f, "\n  columns taken by another name: {}", names.join(", "))?;
        }
        if !self.set_aside.is_empty() {
            let reasons: Vec<String> = self.set_aside.iter().map(ToString::to_string).collect();
            write!(f, "\n  set aside {}: {}", self.rows - self.kept, reasons.join(", "))?;
            if let Some(path) = &self.rejects {
                write!(f, "; see {}", path.display())?;
            }
            if self.public_faults > 0 {
                write!(
                    f,
                    "\n  warning: {} of these are events that apps sent and no build can use",
                    self.public_faults
                )?;
            }
        }
        if !self.repaired.is_empty() {
            let repairs: Vec<String> = self
                .repaired
                .iter()
                .map(|count| format!("{} {} ({})", count.field, count.repair, count.rows))
                .collect();
            write!(f, "\n  repaired: {}", repairs.join(", "))?;
        }
        for Finding { subject, seen, advice, .. } in &self.warnings {
            write!(f, "\n  warning: {}: {seen}; {advice}", subject.as_deref().unwrap_or(self.table))?;
        }
        Ok(())
    }
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1, a CSV header not counted.
    pub row: u64,
    /// The line a row of text begins on, from 1.
    pub line: Option<u64>,
}

/// What keeps a row from being taken apart into fields.
pub struct Fault {
    /// The field at fault; `None` where the whole row is.
    pub field: Option<&'static str>,
    /// What is wrong.
    pub reason: Reason,
    /// What exactly, where there is more to say.
    pub detail: Option<String>,
    /// The value at fault, or the start of it.
    pub value: Option<String>,
}

/// Takes the rows of a file as its reader meets them.
pub trait Rows {
    /// A row, its fields in the order of the table's columns.
    ///
    /// # Errors
    /// Where whoever takes the rows can't go on.
    fn row(&mut self, place: Place, values: &[Value<'_>]) -> Result<(), Error>;

    /// A row that could not be taken apart.
    ///
    /// # Errors
    /// Where whoever takes the rows can't go on.
    fn fault(&mut self, place: Place, fault: Fault) -> Result<(), Error>;

    /// The file at hand has `column` under another name.
    fn renamed(&mut self, column: &'static str, from: &str);
}

/// Is told what becomes of each row, beside whoever takes it. `()` is nobody, whom a build tells nothing at no cost.
pub trait Observer<R> {
    /// The rows that follow are those of the file `path`.
    fn begin_file(&mut self, _path: &Path) {}

    /// A row that can be used, as its file had it and as it became.
    fn kept(&mut self, _place: Place, _values: &[Value<'_>], _row: &R, _repairs: &[(usize, Repair)]) {}

    /// A row that can't; without values where it could not be taken apart.
    fn set_aside(&mut self, _place: Place, _values: &[Value<'_>], _fault: &Fault) {}
}

impl<R> Observer<R> for () {}

impl<R, O: Observer<R>> Observer<R> for &mut O {
    fn begin_file(&mut self, path: &Path) {
        (**self).begin_file(path);
    }

    fn kept(&mut self, place: Place, values: &[Value<'_>], row: &R, repairs: &[(usize, Repair)]) {
        (**self).kept(place, values, row, repairs);
    }

    fn set_aside(&mut self, place: Place, values: &[Value<'_>], fault: &Fault) {
        (**self).set_aside(place, values, fault);
    }
}

/// Checks the rows of a table, hands on those that can be used and sets the others aside.
pub struct Intake<'i, T: Table, O = ()> {
    table: T,
    observer: O,
    now: UnixMillis,
    zones: [Option<Zone>; MAX_COLUMNS],
    keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
    rejects: &'i mut RejectsFile,
    file: String,
    files: usize,
    rows: u64,
    tally: Tally,
    /// Rows that could not be taken apart: the operator's or the public's, nobody can tell.
    torn: u64,
    /// Rows that the public sent, and those of them that count as damaged.
    public_rows: u64,
    public_faults: u64,
    shops: BTreeMap<String, u64>,
    /// The repairs to the row at hand, by position of the column.
    repairs: Vec<(usize, Repair)>,
    repaired: BTreeMap<(usize, Repair), u64>,
    renamed: BTreeSet<(&'static str, String)>,
}

impl<'i, T: Table> Intake<'i, T> {
    /// Rows that can be used go to `keep`, the others to `rejects`. `now` is the time of the run, `zones` those of times without an offset.
    pub fn new(
        table: T,
        now: UnixMillis,
        zones: &Zones,
        rejects: &'i mut RejectsFile,
        keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
    ) -> Self {
        Self::observed(table, now, zones, rejects, keep, ())
    }
}

impl<'i, T: Table, O: Observer<T::Row>> Intake<'i, T, O> {
    /// As [`Intake::new`]; `observer` is told of every row.
    pub fn observed(
        table: T,
        now: UnixMillis,
        zones: &Zones,
        rejects: &'i mut RejectsFile,
        keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
        observer: O,
    ) -> Self {
        Self {
            table,
            observer,
            now,
            zones: zones.of::<T>(),
            keep,
            rejects,
            file: String::new(),
            files: 0,
            rows: 0,
            tally: Tally::default(),
            torn: 0,
            public_rows: 0,
            public_faults: 0,
            shops: BTreeMap::new(),
            repairs: Vec::new(),
            repaired: BTreeMap::new(),
            renamed: BTreeSet::new(),
        }
    }

    /// The rows that follow are those of the file `path`.
    pub fn begin_file(&mut self, path: &Path) {
        self.file = path.display().to_string();
        self.files += 1;
        self.observer.begin_file(path);
    }

    /// Why a build refuses the rows so far, where more of them can't be used than `limit` allows. What the public sends is set aside, counted and
    /// told of; only the operator's own rows can end a build.
    pub fn refusal(&self, limit: Limit) -> Option<TooManyRejects> {
        let limits = self.judged();
        let (faults, rows) = limits.into_iter().find(|&(faults, rows)| limit.is_passed(faults, rows))?;
        let mut commonest = self.tally.commonest();
        commonest.retain(|count| count.reason.is_fault());
        commonest.truncate(NAMED_REASONS);
        let rejects = self.report().rejects;
        Some(TooManyRejects { table: T::NAME, faults, rows, max_share: limit.max_share, commonest, rejects })
    }

    /// What a limit is asked about, as damaged rows and those that they are of. What the public sends ends no table; the operator's own rows do, of which no
    /// number of good ones of the public's hides any. Rows that nobody can tell the sender of are of all: one cut line beside a million of the public's is
    /// no damaged table, and neither are a few rows made by hand.
    fn judged(&self) -> [(u64, u64); 2] {
        let faults = self.tally.faults().saturating_sub(self.public_faults);
        let own = self.rows.saturating_sub(self.public_rows + self.torn);
        let own_faults = faults.saturating_sub(self.torn);
        [(own_faults, if own < FEW_ROWS { self.rows } else { own }), (faults, self.rows)]
    }

    /// Ends the table: what became of its rows.
    ///
    /// # Errors
    /// [`Error::TooManyRejects`] where more than `limit` allows was set aside, [`Error::Rejects`] where the rejects can't be written.
    pub fn finish(self, limit: Limit) -> Result<TableReport, Error> {
        self.rejects.flush()?;
        match self.refusal(limit) {
            Some(refusal) => Err(Error::TooManyRejects(Box::new(refusal))),
            None => Ok(self.report()),
        }
    }
}

impl<T: Table, O: Observer<T::Row>> Intake<'_, T, O> {
    fn set_aside(&mut self, place: Place, fault: Fault) -> Result<(), Error> {
        let nth = self.tally.add(fault.field, fault.reason);
        let reject = Reject {
            table: T::NAME,
            file: &self.file,
            row: place.row,
            line: place.line,
            field: fault.field,
            reason: fault.reason,
            detail: fault.detail,
            value: fault.value,
        };
        Ok(self.rejects.write(&reject, nth)?)
    }

    /// Counts a row that can't be used for the shop, or else the channel, that it names.
    fn blame(&mut self, reason: Reason, values: &[Value<'_>]) {
        let named = |wanted: &str| {
            let column = T::COLUMNS.iter().position(|column| column.name == wanted)?;
            values.get(column).and_then(Value::excerpt)
        };
        if !reason.is_fault() || !T::COLUMNS.iter().any(|column| column.name == "shop") {
            return;
        }
        let shop = named("shop").or_else(|| named("channel")).unwrap_or_default();
        let is_counted = self.shops.len() < NAMED_SHOPS || self.shops.contains_key(&shop);
        *self.shops.entry(if is_counted { shop } else { String::new() }).or_default() += 1;
    }

    fn report(&self) -> TableReport {
        let repaired = self.repaired.iter().filter_map(|(&(column, repair), &rows)| {
            Some(RepairCount { field: T::COLUMNS.get(column)?.name, repair, rows })
        });
        TableReport {
            table: T::NAME,
            files: self.files,
            rows: self.rows,
            kept: self.rows - self.tally.rows(),
            renamed: self.renamed.iter().map(|(column, from)| Renamed { column, from: from.clone() }).collect(),
            set_aside: self.tally.commonest(),
            public_faults: self.public_faults,
            set_aside_by_shop: self.shops.clone(),
            repaired: repaired.collect(),
            rejects: self.rejects.written_path().filter(|_| self.tally.rows() > 0).map(Path::to_path_buf),
            warnings: Vec::new(),
        }
    }
}

impl<T: Table, O: Observer<T::Row>> Rows for Intake<'_, T, O> {
    fn row(&mut self, place: Place, values: &[Value<'_>]) -> Result<(), Error> {
        self.rows += 1;
        let is_public = T::is_public(values);
        self.public_rows += u64::from(is_public);
        let not_utf8 = values.iter().position(|value| matches!(value, Value::NotUtf8(_)));
        self.repairs.clear();
        let checked = match not_utf8 {
            Some(column) => Err(Refusal { column: Some(column), reason: Reason::NotUtf8 }),
            None => self.table.check(&mut Fields::new(values, &self.zones, &mut self.repairs, self.now)),
        };
        match checked {
            Ok(row) => {
                let decoded = |(column, value): (usize, &Value<'_>)| {
                    matches!(value, Value::Decoded(_)).then_some((column, Repair::Decoded))
                };
                self.repairs.extend(values.iter().enumerate().filter_map(decoded));
                for repair in &self.repairs {
                    *self.repaired.entry(*repair).or_default() += 1;
                }
                self.observer.kept(place, values, &row, &self.repairs);
                (self.keep)(row)
            }
            Err(refusal) => {
                if is_public {
                    self.public_faults += u64::from(refusal.reason.is_fault());
                } else {
                    self.blame(refusal.reason, values);
                }
                let field = refusal.column.and_then(|column| T::COLUMNS.get(column)).map(|column| column.name);
                let value = refusal.column.and_then(|column| values.get(column)).and_then(Value::excerpt);
                let fault = Fault { field, reason: refusal.reason, detail: None, value };
                self.observer.set_aside(place, values, &fault);
                self.set_aside(place, fault)
            }
        }
    }

    fn fault(&mut self, place: Place, fault: Fault) -> Result<(), Error> {
        self.rows += 1;
        self.torn += 1;
        self.blame(fault.reason, &[]);
        self.observer.set_aside(place, &[], &fault);
        self.set_aside(place, fault)
    }

    fn renamed(&mut self, column: &'static str, from: &str) {
        self.renamed.insert((column, shown(from)));
    }
}
